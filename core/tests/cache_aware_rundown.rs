//! The sentences of `CacheAwareRundown`'s documentation, one test each, with real threads and the real clock.

#![cfg(not(loom))]

#[path = "in_time/eventually.rs"]
mod eventually;

use eventually::{LONG, MS, ended, eventually};
use quiescent_core::{CacheAwareRundown, Error, RundownError};
use std::collections::BTreeSet;
use std::mem::forget;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: u32 = 16_777_214;

fn new() -> CacheAwareRundown {
    CacheAwareRundown::new().expect("memory")
}

/// What each stripe answers to an acquire.
fn answers(rundown: &CacheAwareRundown) -> Vec<Result<(), RundownError>> {
    (0..rundown.stripes()).map(|thread| rundown.try_acquire_n_on(thread, 1).map(drop)).collect()
}

#[track_caller]
fn expect_all(rundown: &CacheAwareRundown, answer: Result<(), RundownError>) {
    let found = answers(rundown);
    assert!(found.iter().all(|found| *found == answer), "{found:?}, not {answer:?} everywhere: {rundown:?}");
}

#[test]
fn as_many_stripes_as_processors_each_on_cache_lines_of_its_own() {
    assert_eq!((size_of::<CacheAwareRundown>(), align_of::<CacheAwareRundown>()), (128, 128));
    let stripes = new().stripes();
    assert!(stripes.is_power_of_two() && stripes <= 64, "{stripes} stripes");
    // This process may be kept from some of them.
    let usable = u32::try_from(thread::available_parallelism().expect("a number").get()).expect("few");
    assert!(stripes >= usable.min(64), "{stripes} stripes for {usable} processors");
    expect_all(&new(), Ok(()));
}

#[test]
fn threads_get_one_stripe_after_the_other_and_keep_it() {
    let rundown = new();
    let stripe = || rundown.try_acquire().expect("open").stripe();
    let found: BTreeSet<u32> = (0..8 * rundown.stripes())
        .map(|_| {
            let stripes = thread::scope(|scope| ended(scope.spawn(|| [stripe(), stripe(), stripe()])));
            assert_eq!(stripes, [stripes[0]; 3]);
            stripes[0]
        })
        .collect();
    assert_eq!(found.len(), rundown.stripes() as usize, "{found:?}");
    assert_eq!(rundown.try_acquire_n_on(rundown.stripes() + 1, 1).expect("open").stripe(), 1 % rundown.stripes());
}

#[test]
fn references_are_acquired_all_or_none_and_counted_for_each_stripe() {
    let rundown = new();
    let most = rundown.try_acquire_n_on(0, LIMIT).expect("the limit itself");
    assert_eq!((most.references(), most.stripe()), (LIMIT, 0));
    for too_many in [1, LIMIT, LIMIT + 1, u32::MAX] {
        let before = format!("{rundown:?}");
        assert_eq!(rundown.try_acquire_n_on(0, too_many).unwrap_err(), RundownError::Limit, "{too_many} more");
        assert_eq!(format!("{rundown:?}"), before, "a refusal changed something");
    }
    assert_eq!(rundown.try_acquire_n_on(0, 0).expect("none is always there").references(), 0);
    for thread in 1..rundown.stripes() {
        assert!(rundown.try_acquire_n_on(thread, 1).is_ok(), "stripe {thread} is empty");
    }
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    expect_all(&rundown, Err(RundownError::InProgress));
    drop(most);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO), "all were released");
    rundown.re_init().expect("complete");
    // The first to come to a stripe opens it, unless it comes with too many.
    for thread in 0..rundown.stripes() {
        assert_eq!(rundown.try_acquire_n_on(thread, LIMIT + 1).unwrap_err(), RundownError::Limit);
        assert!(rundown.try_acquire_n_on(thread, LIMIT).is_ok());
    }
}

/// A refusal is about the whole, also on a stripe that is complete itself.
#[test]
fn a_refusal_tells_in_progress_from_complete() {
    let rundown = new();
    for stripe in 0..rundown.stripes() {
        assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
        let reference = rundown.try_acquire_n_on(stripe, 1).expect("open");
        assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
        assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO) && !rundown.is_complete());
        let before = format!("{rundown:?}");
        expect_all(&rundown, Err(RundownError::InProgress));
        assert_eq!(rundown.re_init(), Err(RundownError::InProgress));
        assert_eq!(format!("{rundown:?}"), before, "a refusal changed something");
        drop(reference);
        assert!(rundown.is_complete(), "{rundown:?}");
        expect_all(&rundown, Err(RundownError::Completed));
        rundown.wait_for_rundown();
        assert_eq!(rundown.re_init(), Ok(()));
        assert_eq!(rundown.re_init(), Err(RundownError::NotBegun));
        assert!(!rundown.is_complete());
    }
    expect_all(&rundown, Ok(()));
}

/// Whichever stripes anybody came to in between.
#[test]
fn it_is_run_down_and_opened_as_often_as_one_likes() {
    let rundown = new();
    for round in 0..1000 {
        rundown.wait_for_rundown();
        assert_eq!(rundown.try_acquire_n_on(round, 1).unwrap_err(), RundownError::Completed);
        rundown.re_init().expect("complete");
        match round % 3 {
            0 => expect_all(&rundown, Ok(())),
            1 => drop(rundown.try_acquire_n_on(round, 1).expect("open")),
            _ => {}
        }
    }
    assert!(format!("{rundown:?}").starts_with("CacheAwareRundown(generation 1000 count 0; "), "{rundown:?}");
}

#[test]
fn a_timeout_is_one_for_all_stripes() {
    let rundown = new();
    let references: Vec<_> = (0..rundown.stripes()).map(|stripe| rundown.try_acquire_n_on(stripe, 1)).collect();
    for _ in 0..2 {
        let start = Instant::now();
        assert!(!rundown.wait_for_rundown_timeout(30 * MS));
        let took = start.elapsed();
        assert!(took >= 30 * MS, "timed out after {took:?}, before its 30 ms were over");
        assert!(took < LONG / 4, "took {took:?} instead of 30 ms");
        expect_all(&rundown, Err(RundownError::InProgress));
    }
    drop(references);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
}

#[test]
fn a_run_down_waits_for_the_last_reference_of_any_stripe() {
    let rundown = new();
    for last in 0..rundown.stripes() {
        let mut references: Vec<_> =
            (0..rundown.stripes()).map(|stripe| rundown.try_acquire_n_on(stripe, stripe + 1).expect("open")).collect();
        let kept = references.remove(last as usize);
        let is_released = AtomicBool::new(false);
        thread::scope(|scope| {
            let waiters = [(); 4].map(|()| {
                scope.spawn(|| {
                    assert!(rundown.wait_for_rundown_timeout(LONG));
                    assert!(is_released.load(SeqCst), "complete while a reference was out");
                })
            });
            eventually("a run-down has begun", || rundown.try_acquire().is_err());
            drop(references);
            thread::sleep(20 * MS);
            assert_eq!(rundown.try_acquire().unwrap_err(), RundownError::InProgress);
            is_released.store(true, SeqCst);
            drop(kept);
            let _ = waiters.map(ended);
        });
        rundown.re_init().expect("complete");
    }
}

#[test]
fn a_guard_is_released_to_its_own_stripe_on_any_thread() {
    let rundown = new();
    for stripe in 0..rundown.stripes() {
        let reference = rundown.try_acquire_n_on(stripe, 2).expect("open");
        thread::scope(|scope| ended(scope.spawn(|| drop(reference))));
    }
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO), "{rundown:?}");
}

#[test]
fn a_release_without_an_acquire_changes_nothing() {
    let rundown = new();
    let refused = |references, stripe, why| {
        let before = format!("{rundown:?}");
        // SAFETY: more than are out, or out nowhere, so it is refused.
        assert_eq!(unsafe { rundown.release(references, stripe) }, Err(why), "{references} of {stripe} of {before}");
        assert_eq!(format!("{rundown:?}"), before);
    };
    let last = rundown.stripes() - 1;
    refused(1, 0, Error::NotInside);
    refused(u32::MAX, last, Error::NotInside);
    forget(rundown.try_acquire_n_on(last, 2).expect("open"));
    for none in [last + 1, u32::MAX] {
        refused(2, none, Error::InvalidArgument);
    }
    if last > 0 {
        refused(2, 0, Error::NotInside);
    }
    refused(3, last, Error::NotInside);
    assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
    refused(3, last, Error::NotInside);
    // SAFETY: two were acquired above and forgotten.
    assert!(unsafe { rundown.release(1, last).is_ok() && rundown.release(1, last).is_ok() });
    refused(1, last, Error::NotInside);
    assert!(rundown.wait_for_rundown_timeout(Duration::ZERO));
    refused(1, last, Error::NotInside);
    assert!(rundown.is_complete(), "a stray release opened it");
}

#[test]
fn a_forgotten_reference_keeps_the_run_down_from_completing() {
    let rundown = new();
    forget(rundown.try_acquire().expect("open"));
    assert!(!rundown.wait_for_rundown_timeout(10 * MS));
    assert_eq!(rundown.re_init(), Err(RundownError::InProgress));
}

/// Whoever waits for the first run-down learns that it completed, also while a second is in progress.
#[test]
fn a_sleeper_is_not_kept_by_the_next_run_down() {
    for round in 0..100 {
        let rundown = new();
        let reference = rundown.try_acquire_n_on(round, 1).expect("open");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rundown.wait_for_rundown_timeout(LONG));
            eventually("the waiter has announced itself", || format!("{rundown:?}").contains("waiters"));
            drop(reference);
            rundown.re_init().expect("complete");
            let second = rundown.try_acquire_n_on(round + 1, 1).expect("open again");
            assert!(!rundown.wait_for_rundown_timeout(Duration::ZERO));
            assert!(ended(waiter), "the waiter of the first run-down learns that it completed");
            drop(second);
        });
    }
}

/// Users acquire on every stripe; two shut down at once, and one of them opens again. Whoever finds it complete may
/// touch the device.
#[test]
fn acquire_against_run_downs_and_re_init() {
    const CYCLES: u64 = 500;
    const SHUT: u64 = u64::MAX;
    let rundown = new();
    let device = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let (overlaps, used, is_shutting) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for user in 0..4 {
            let (rundown, device, is_shutting, over) = (&rundown, &device, &is_shutting, &over);
            let (overlaps, used) = (&overlaps, &used);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    let Ok(_using) = rundown.try_acquire_n_on(user, user + 1) else {
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
        scope.spawn(|| {
            while !over.load(SeqCst) {
                // It may shut what has just been opened; the owner finds it so.
                let _complete = rundown.wait_for_rundown_timeout(MS);
                thread::sleep(MS);
            }
        });
        for cycle in 1..=CYCLES {
            let before = used.load(SeqCst);
            eventually("somebody uses it, or it is shut", || used.load(SeqCst) > before || rundown.is_complete());
            is_shutting.store(true, SeqCst);
            let start = Instant::now();
            assert!(rundown.wait_for_rundown_timeout(LONG));
            assert!(start.elapsed() < LONG / 2, "slept on after the last release");
            is_shutting.store(false, SeqCst);
            expect_all(&rundown, Err(RundownError::Completed));
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
