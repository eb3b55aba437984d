//! The sentences of `HandleGuard`'s documentation, one test each, with real threads and the real clock.

#![cfg(not(loom))]

#[path = "in_time/eventually.rs"]
mod eventually;
#[path = "in_time/lasting.rs"]
mod lasting;

use eventually::{LONG, MS, ended, eventually};
use lasting::{at_once, lasting};
use quiescent_core::{
    BeginFree, EnterError, Error, FFI_HANDLE_FREE_DEADLINE, HandleGuard, RundownRef, WaitDrained, ffi,
};
use std::mem::forget;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

fn is_closed(guard: &HandleGuard) -> bool {
    matches!(guard.enter(), Err(EnterError::Closed))
}

#[test]
fn eight_bytes_of_zero_are_an_open_guard() {
    assert_eq!((size_of::<HandleGuard>(), align_of::<HandleGuard>()), (8, 8));
    // SAFETY: documented: all-zero bytes are an open guard.
    let guard: HandleGuard = unsafe { std::mem::zeroed() };
    assert_eq!(format!("{guard:?}"), format!("{:?}", HandleGuard::new()));
    drop(guard.try_enter().expect("open"));
    assert!(guard.begin_free(Duration::ZERO), "nobody is inside");
    assert!(guard.try_enter().is_none());
    assert_eq!(FFI_HANDLE_FREE_DEADLINE, Duration::from_secs(5));
}

#[test]
fn the_free_is_told_to_one_of_three_callers_in_a_row() {
    let guard = HandleGuard::default();
    let told = [(); 3].map(|()| guard.begin_free(FFI_HANDLE_FREE_DEADLINE));
    assert_eq!(told, [true, false, false]);
    assert_eq!(guard.enter().unwrap_err(), EnterError::Closed);
}

#[test]
fn the_free_is_told_to_one_of_64_concurrent_callers() {
    for round in 0..20 {
        let guard = HandleGuard::new();
        let start = Barrier::new(64);
        let told = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    told.fetch_add(usize::from(guard.begin_free(FFI_HANDLE_FREE_DEADLINE)), SeqCst);
                });
            }
        });
        assert_eq!(told.into_inner(), 1, "round {round}");
    }
}

#[test]
fn a_free_waits_for_those_inside() {
    let guard = HandleGuard::new();
    let has_left = AtomicBool::new(false);
    let op = guard.try_enter().expect("open");
    thread::scope(|scope| {
        let freer = scope.spawn(|| {
            assert_eq!(guard.begin_free_detailed(LONG), BeginFree::Drained);
            assert!(has_left.load(SeqCst), "freed while an operation was inside");
        });
        eventually("the guard is closed", || is_closed(&guard));
        thread::sleep(20 * MS);
        assert!(!freer.is_finished(), "freed while an operation was inside");
        assert_eq!(at_once(|| guard.begin_free_detailed(LONG)), BeginFree::AlreadyFreeing, "does not wait");
        has_left.store(true, SeqCst);
        drop(op);
    });
    assert_eq!(guard.begin_free_detailed(LONG), BeginFree::AlreadyFreeing);
    assert_eq!(guard.wait_drained_detailed(LONG), WaitDrained::AlreadyReported);
}

#[test]
fn a_forgotten_operation_times_the_free_out_and_its_leave_hands_the_end_to_wait_drained() {
    let guard = HandleGuard::new();
    forget(guard.try_enter().expect("open"));
    assert_eq!(guard.wait_drained_detailed(LONG), WaitDrained::NotFreeing);
    assert_eq!(lasting(30 * MS, || guard.begin_free_detailed(30 * MS)), BeginFree::TimedOut);
    assert_eq!(guard.begin_free_detailed(30 * MS), BeginFree::AlreadyFreeing);
    assert!(guard.try_enter().is_none(), "nobody enters after a free that timed out");
    assert_eq!(lasting(30 * MS, || guard.wait_drained_detailed(30 * MS)), WaitDrained::TimedOut);
    assert!(!at_once(|| guard.wait_drained(Duration::ZERO)));
    // SAFETY: entered and forgotten above.
    assert!(unsafe { guard.leave() });
    assert!(!guard.begin_free(LONG), "the end is wait_drained's");
    assert_eq!(at_once(|| guard.wait_drained_detailed(LONG)), WaitDrained::Drained);
    assert_eq!(guard.wait_drained_detailed(LONG), WaitDrained::AlreadyReported);
    assert!(!guard.wait_drained(LONG));
}

#[test]
fn the_longest_duration_is_no_deadline() {
    let guard = HandleGuard::new();
    let op = guard.try_enter().expect("open");
    thread::scope(|scope| {
        let closer = scope.spawn(|| guard.begin_free(Duration::MAX));
        eventually("the guard is closed", || is_closed(&guard));
        let waiter = scope.spawn(|| guard.wait_drained(Duration::MAX));
        thread::sleep(20 * MS);
        assert!(!closer.is_finished() && !waiter.is_finished(), "it overflowed into the past");
        drop(op);
        assert!(ended(closer));
        assert!(!ended(waiter));
    });
}

#[test]
fn a_deadline_of_zero_closes_and_never_waits() {
    let guard = HandleGuard::new();
    let op = guard.try_enter().expect("open");
    assert_eq!(at_once(|| guard.begin_free_detailed(Duration::ZERO)), BeginFree::TimedOut);
    assert!(is_closed(&guard));
    drop(op);
    assert!(guard.wait_drained(Duration::ZERO));
}

#[test]
fn the_end_is_told_to_one_of_eight_waiters() {
    for round in 0..50 {
        let guard = HandleGuard::new();
        let op = guard.try_enter().expect("open");
        assert_eq!(guard.begin_free_detailed(Duration::ZERO), BeginFree::TimedOut);
        let told = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match guard.wait_drained_detailed(LONG) {
                    WaitDrained::Drained => told.fetch_add(1, SeqCst),
                    WaitDrained::AlreadyReported => 0,
                    other => panic!("{other:?} from a wait without end"),
                });
            }
            // Now and then all are asleep, now and then none has started.
            thread::sleep(round % 3 * MS);
            drop(op);
        });
        assert_eq!(told.into_inner(), 1, "round {round}");
    }
}

#[test]
fn a_waiter_that_comes_before_the_closer_gives_up_waits_for_that_too() {
    let guard = HandleGuard::new();
    let op = guard.try_enter().expect("open");
    thread::scope(|scope| {
        let closer = scope.spawn(|| guard.begin_free_detailed(60 * MS));
        eventually("the guard is closed", || is_closed(&guard));
        assert_eq!(lasting(5 * MS, || guard.wait_drained_detailed(5 * MS)), WaitDrained::TimedOut);
        let waiter = scope.spawn(|| guard.wait_drained_detailed(LONG));
        assert_eq!(ended(closer), BeginFree::TimedOut);
        assert!(!waiter.is_finished(), "somebody is still inside");
        drop(op);
        assert_eq!(ended(waiter), WaitDrained::Drained);
    });
}

#[test]
fn a_waiter_learns_that_the_closer_was_told() {
    let guard = HandleGuard::new();
    let op = guard.try_enter().expect("open");
    thread::scope(|scope| {
        let closer = scope.spawn(|| guard.begin_free_detailed(LONG));
        eventually("the guard is closed", || is_closed(&guard));
        let waiters = [(); 4].map(|()| scope.spawn(|| guard.wait_drained_detailed(LONG)));
        thread::sleep(10 * MS);
        drop(op);
        assert_eq!(ended(closer), BeginFree::Drained);
        for waiter in waiters {
            assert_eq!(ended(waiter), WaitDrained::AlreadyReported);
        }
    });
}

#[test]
fn the_limit_refuses_and_wraps_nothing() {
    const LIMIT: u32 = 16_777_214;
    const BY_HAND: u32 = 10_000;
    let guard = HandleGuard::new();
    // SAFETY: the guard and the run-down are the same word, counted alike. Sixteen million single enters take
    // seven seconds; a run-down counts them at once.
    let counter: &RundownRef = unsafe { ffi::rundown(std::ptr::from_ref(&guard).cast_mut()) }.expect("aligned");
    forget(counter.try_acquire_n(LIMIT - BY_HAND).expect("below the limit"));
    for _ in 0..BY_HAND {
        forget(guard.enter().expect("below the limit"));
    }
    let full = format!("{guard:?}");
    assert_eq!(full, format!("HandleGuard(generation 0 count {LIMIT})"));
    assert_eq!(guard.enter().unwrap_err(), EnterError::Limit);
    assert!(guard.try_enter().is_none());
    assert_eq!(Error::from(EnterError::Limit), Error::Limit);
    assert_eq!(Error::from(EnterError::Closed), Error::Freed);
    assert_eq!(format!("{guard:?}"), full, "a refusal changed the word");
    // SAFETY: each leave is for one enter above.
    assert!(unsafe { guard.leave() });
    drop(guard.enter().expect("there is room for one again"));
    forget(guard.enter().expect("there is room for one again"));
    assert_eq!(guard.begin_free_detailed(Duration::ZERO), BeginFree::TimedOut);
    assert_eq!(guard.enter().unwrap_err(), EnterError::Closed, "closed goes before full");
    // SAFETY: as above.
    assert!(unsafe { counter.release(LIMIT - BY_HAND) });
    for _ in 0..BY_HAND {
        assert_eq!(guard.wait_drained_detailed(Duration::ZERO), WaitDrained::TimedOut);
        // SAFETY: as above.
        assert!(unsafe { guard.leave() });
    }
    assert!(guard.wait_drained(Duration::ZERO), "all have left");
}

#[test]
fn a_leave_without_an_enter_changes_nothing() {
    let guard = HandleGuard::new();
    let leave = || {
        let before = format!("{guard:?}");
        // SAFETY: nobody is inside, so it is refused.
        assert!(!unsafe { guard.leave() }, "left {before} without being inside");
        assert_eq!(format!("{guard:?}"), before);
    };
    leave();
    drop(guard.try_enter().expect("open"));
    leave();
    assert!(guard.begin_free(Duration::ZERO));
    leave();
    assert_eq!(guard.wait_drained_detailed(Duration::ZERO), WaitDrained::AlreadyReported);
}

#[test]
fn a_refused_caller_writes_nothing() {
    let guard = HandleGuard::new();
    let op = guard.try_enter().expect("open");
    assert_eq!(guard.begin_free_detailed(Duration::ZERO), BeginFree::TimedOut);
    let before = format!("{guard:?}");
    for _ in 0..1000 {
        assert!(guard.try_enter().is_none());
        assert!(!guard.begin_free(LONG));
        assert_eq!(format!("{guard:?}"), before);
    }
    drop(op);
}

/// 20 of 20. In a design where a refused caller counts itself and takes that back, 15 of 20 timed out after 200 ms.
#[test]
fn a_storm_of_refusals_does_not_disturb_a_drain() {
    for round in 0..20 {
        let guard = &HandleGuard::new();
        let over = AtomicBool::new(false);
        let refusals = AtomicU64::new(0);
        let op = guard.try_enter().expect("open");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    eventually("the guard is closed", || is_closed(guard));
                    while !over.load(SeqCst) {
                        for _ in 0..100 {
                            assert!(guard.try_enter().is_none(), "entered a closed guard");
                        }
                        refusals.fetch_add(100, SeqCst);
                    }
                });
            }
            // Every other time nobody is inside any more when it is asked: then it needs no time at all.
            let patience = if round % 2 == 0 { LONG / 4 } else { Duration::ZERO };
            let closer = scope.spawn(move || guard.begin_free_detailed(patience));
            eventually("the guard is closed", || is_closed(guard));
            thread::sleep(20 * MS);
            eventually("it is a storm", || refusals.load(SeqCst) > 1000);
            let freed = if round % 2 == 0 {
                drop(op);
                ended(closer) == BeginFree::Drained
            } else {
                assert_eq!(ended(closer), BeginFree::TimedOut);
                drop(op);
                guard.wait_drained(Duration::ZERO)
            };
            over.store(true, SeqCst);
            assert!(freed, "round {round}: the storm held the free up");
        });
    }
}

struct Session {
    guard: HandleGuard,
    payload: AtomicU64,
    entered: AtomicUsize,
    is_being_freed: AtomicBool,
}

const ALIVE: u64 = 0x600d_600d_600d_600d;
const DEAD: u64 = 0xdead_dead_dead_dead;

/// Workers enter session after session until they are refused; two threads free them at the same time.
#[test]
fn enter_against_free() {
    const SESSIONS: usize = 3000;
    let session = || Session {
        guard: HandleGuard::new(),
        payload: AtomicU64::new(ALIVE),
        entered: AtomicUsize::new(0),
        is_being_freed: AtomicBool::new(false),
    };
    let sessions: Vec<Session> = (0..SESSIONS).map(|_| session()).collect();
    let (overlaps, frees) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for session in &sessions {
                    while let Some(_op) = session.guard.try_enter() {
                        session.entered.fetch_add(1, SeqCst);
                        for _ in 0..20 {
                            assert_eq!(session.payload.load(SeqCst), ALIVE, "destroyed during an operation");
                        }
                        overlaps.fetch_add(usize::from(session.is_being_freed.load(SeqCst)), SeqCst);
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for session in &sessions {
                    eventually("a worker is at this session", || session.entered.load(SeqCst) > 0);
                    session.is_being_freed.store(true, SeqCst);
                    if session.guard.begin_free(LONG) {
                        assert_eq!(session.payload.swap(DEAD, SeqCst), ALIVE, "destroyed twice");
                        frees.fetch_add(1, SeqCst);
                    }
                }
            });
        }
    });
    let overlaps = overlaps.into_inner();
    println!("{overlaps} operations overlapped one of {SESSIONS} frees");
    assert_eq!(frees.into_inner(), SESSIONS);
    assert!(overlaps > 0, "no operation overlapped a free: nothing was tested");
}
