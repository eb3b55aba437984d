//! The sentences of `RundownRef`'s documentation, one test each, with real threads and the real clock.

#![cfg(not(loom))]

#[path = "in_time/eventually.rs"]
mod eventually;

use eventually::{LONG, MS, ended, eventually};
use quiescent_core::{RundownError, RundownRef};
use std::mem::forget;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: u32 = 16_777_214;

fn is_open(rundown: &RundownRef) -> bool {
    rundown.try_acquire().is_ok()
}

#[test]
fn eight_bytes_of_zero_are_open() {
    assert_eq!((size_of::<RundownRef>(), align_of::<RundownRef>()), (8, 8));
    // SAFETY: documented: all-zero bytes are an open run-down.
    let rundown: RundownRef = unsafe { std::mem::zeroed() };
    assert_eq!(format!("{rundown:?}"), format!("{:?}", RundownRef::default()));
    assert!(is_open(&rundown));
}

#[test]
fn references_are_acquired_all_or_none() {
    let rundown = RundownRef::new();
    let most = rundown.try_acquire_n(LIMIT - 1).expect("below the limit");
    assert_eq!(most.references(), LIMIT - 1);
    for too_many in [2, 3, LIMIT, LIMIT + 1, u32::MAX] {
        let before = format!("{rundown:?}");
        assert_eq!(rundown.try_acquire_n(too_many).unwrap_err(), RundownError::Limit, "{too_many} more");
        assert_eq!(format!("{rundown:?}"), before, "a refusal changed the word");
    }
    let last = rundown.try_acquire().expect("one is left");
    assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::Limit);
    assert_eq!(rundown.try_acquire_n(0).expect("none is always there").references(), 0);
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::InProgress, "closed goes before full");
    drop(last);
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    drop(most);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO), "all were released");
}

#[test]
fn no_references_protect_nothing() {
    let rundown = RundownRef::new();
    let none = rundown.try_acquire_n(0).expect("open");
    rundown.wait_for_rundown();
    assert_eq!(rundown.try_acquire_n(0).unwrap_err(), RundownError::Completed);
    drop(none);
    rundown.wait_for_rundown();
    assert_eq!(rundown.re_init(), Ok(()), "releasing none completed nothing twice");
    assert!(is_open(&rundown));
}

#[test]
fn a_refusal_tells_in_progress_from_complete() {
    let rundown = RundownRef::new();
    assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
    let reference = rundown.try_acquire().expect("open");
    assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    let before = format!("{rundown:?}");
    assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::InProgress);
    assert_eq!(rundown.re_init(), Err(RundownError::InProgress));
    assert_eq!(format!("{rundown:?}"), before, "a refusal changed the word");
    drop(reference);
    assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::Completed);
    rundown.wait_for_rundown();
    rundown.wait_for_rundown();
    assert_eq!(rundown.re_init(), Ok(()));
    assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
    assert!(is_open(&rundown));
}

#[test]
fn an_idle_one_is_complete_at_once() {
    let rundown = RundownRef::new();
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
    assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::Completed);
}

#[test]
fn a_timeout_leaves_the_run_down_in_progress_and_one_may_wait_again() {
    let rundown = RundownRef::new();
    let reference = rundown.try_acquire().expect("open");
    for _ in 0..2 {
        let start = Instant::now();
        assert!(!rundown.wait_for_rundown_timeout(30 * MS));
        let took = start.elapsed();
        assert!(took >= 30 * MS, "timed out after {took:?}, before its 30 ms were over");
        assert!(took < LONG / 4, "took {took:?} instead of 30 ms");
        assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::InProgress);
    }
    drop(reference);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
}

#[test]
fn a_run_down_waits_for_the_last_of_several_references() {
    let rundown = RundownRef::new();
    let references = (rundown.try_acquire_n(3).expect("open"), rundown.try_acquire().expect("open"));
    let is_released = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiters = [(); 4].map(|()| {
            scope.spawn(|| {
                assert!(rundown.wait_for_rundown_timeout(LONG));
                assert!(is_released.load(SeqCst), "complete while a reference was out");
            })
        });
        eventually("a run-down has begun", || !is_open(&rundown));
        drop(references.0);
        thread::sleep(20 * MS);
        assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::InProgress);
        is_released.store(true, SeqCst);
        drop(references.1);
        let _ = waiters.map(ended);
    });
}

#[test]
fn a_release_without_an_acquire_changes_nothing() {
    let rundown = RundownRef::new();
    let refused = |references| {
        let before = format!("{rundown:?}");
        // SAFETY: more than are out, so it is refused.
        assert!(!unsafe { rundown.release(references) }, "released {references} of {before}");
        assert_eq!(format!("{rundown:?}"), before);
    };
    refused(1);
    refused(u32::MAX);
    forget(rundown.try_acquire_n(2).expect("open"));
    refused(3);
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    refused(3);
    // SAFETY: two were acquired above and forgotten.
    assert!(unsafe { rundown.release(1) } && unsafe { rundown.release(1) });
    refused(1);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
    refused(1);
}

#[test]
fn a_forgotten_reference_keeps_the_run_down_from_completing() {
    let rundown = RundownRef::new();
    forget(rundown.try_acquire().expect("open"));
    assert!(!rundown.wait_for_rundown_timeout(10 * MS));
    assert_eq!(rundown.re_init(), Err(RundownError::InProgress));
    // SAFETY: acquired and forgotten above.
    assert!(unsafe { rundown.release(1) });
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
}

/// Whoever waits for the first run-down learns that it completed, also while a second is in progress.
#[test]
fn a_sleeper_is_not_kept_by_the_next_run_down() {
    for _ in 0..100 {
        let rundown = RundownRef::new();
        let reference = rundown.try_acquire().expect("open");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rundown.wait_for_rundown_timeout(LONG));
            eventually("the waiter has announced itself", || format!("{rundown:?}").contains("waiters"));
            drop(reference);
            rundown.re_init().expect("complete");
            let second = rundown.try_acquire().expect("open again");
            assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
            assert!(ended(waiter), "the waiter of the first run-down learns that it completed");
            drop(second);
        });
    }
}

#[test]
fn any_number_of_threads_wait_through_re_inits() {
    for round in 0..200 {
        let rundown = RundownRef::new();
        let reference = rundown.try_acquire().expect("open");
        assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
        thread::scope(|scope| {
            let waiters = [(); 6].map(|()| scope.spawn(|| rundown.wait_for_rundown_timeout(LONG)));
            if round % 2 == 0 {
                thread::sleep(MS);
            }
            drop(reference);
            // Waiters that come late begin a run-down of their own, on what is open again.
            while !waiters.iter().all(thread::ScopedJoinHandle::is_finished) {
                let _opened = rundown.re_init();
                thread::yield_now();
            }
            for waiter in waiters {
                assert!(ended(waiter), "round {round}: a waiter slept through it");
            }
        });
    }
}

/// Users acquire, an owner shuts down and opens again, others wait along.
#[test]
fn acquire_against_run_down_and_re_init() {
    const CYCLES: u64 = 500;
    const SHUT: u64 = u64::MAX;
    let rundown = RundownRef::new();
    let device = AtomicU64::new(0);
    let (is_shutting, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (overlaps, used) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for references in [1, 1, 7] {
            let (rundown, device, is_shutting, over) = (&rundown, &device, &is_shutting, &over);
            let (overlaps, used) = (&overlaps, &used);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    let Ok(_using) = rundown.try_acquire_n(references) else {
                        thread::yield_now();
                        continue;
                    };
                    let cycle = device.load(SeqCst);
                    assert_ne!(cycle, SHUT, "acquired what is shut");
                    for _ in 0..20 {
                        assert_eq!(device.load(SeqCst), cycle, "shut while a reference was out");
                    }
                    overlaps.fetch_add(u64::from(is_shutting.load(SeqCst)), SeqCst);
                    used.fetch_add(1, SeqCst);
                }
            });
        }
        for cycle in 1..=CYCLES {
            let before = used.load(SeqCst);
            eventually("somebody uses it", || used.load(SeqCst) > before);
            is_shutting.store(true, SeqCst);
            let start = Instant::now();
            assert!(rundown.wait_for_rundown_timeout(LONG));
            assert!(start.elapsed() < LONG / 2, "slept on after the last release");
            is_shutting.store(false, SeqCst);
            assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::Completed);
            device.store(SHUT, SeqCst);
            device.store(cycle, SeqCst);
            rundown.re_init().expect("complete, and nobody else opens it");
        }
        over.store(true, SeqCst);
    });
    let overlaps = overlaps.into_inner();
    println!("{overlaps} uses overlapped one of {CYCLES} run-downs");
    assert!(overlaps > 0, "no use overlapped a run-down: nothing was tested");
}
