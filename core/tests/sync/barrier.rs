//! Barriers.

use crate::races::{close_wakes_all, grant_vs_cancel};
use quiescent_core::sync::{Barrier, BarrierWaitError, BarrierWaitResult, CancelToken};
use quiescent_core::{Error, Freed, Interrupted, Token, Wait, block_on, ffi};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

fn barrier(size: u32) -> Barrier {
    Barrier::new(size).expect("this is allowed")
}

fn minute() -> Wait<'static> {
    Duration::from_secs(60).into()
}

const TIMED_OUT: Result<BarrierWaitResult, BarrierWaitError> =
    Err(BarrierWaitError::Interrupted(Interrupted::TimedOut));

#[test]
fn sizes() {
    assert_eq!(Barrier::new(0).unwrap_err(), Error::InvalidArgument);
    assert_eq!(Barrier::new(Barrier::MAX + 1).unwrap_err(), Error::InvalidArgument);
    assert_eq!(barrier(Barrier::MAX).size(), Barrier::MAX);
}

#[test]
fn one_alone_never_waits_and_leads() {
    let barrier = barrier(1);
    for _ in 0..3 {
        assert!(barrier.wait(Wait::NOT).unwrap().is_leader());
        assert!(block_on(barrier.wait_async(), Wait::NOT).unwrap().unwrap().is_leader());
    }
    assert_eq!(barrier.arrived(), 0);
}

/// And nobody of a generation goes on before all of it have arrived, however fast the others are.
#[test]
fn each_generation_has_one_leader() {
    const THREADS: u32 = 4;
    const GENERATIONS: u32 = 2000;
    let barrier = barrier(THREADS);
    let (arrivals, leaders) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for generation in 1..=GENERATIONS {
                    arrivals.fetch_add(1, Ordering::Relaxed);
                    if barrier.wait(minute()).expect("in time").is_leader() {
                        leaders.fetch_add(1, Ordering::Relaxed);
                    }
                    let arrived = arrivals.load(Ordering::Relaxed);
                    assert!(arrived >= generation * THREADS, "went on alone");
                    assert!(arrived <= (generation + 1) * THREADS, "went on twice");
                }
            });
        }
    });
    assert_eq!(leaders.load(Ordering::Relaxed), GENERATIONS);
    assert_eq!(barrier.arrived(), 0);
}

/// Nobody else can take their place: as many have to come as if they had not been there.
#[test]
fn a_wait_that_ends_early_is_withdrawn() {
    let barrier = barrier(2);
    let start = Instant::now();
    assert_eq!(barrier.wait(Duration::from_millis(20).into()), TIMED_OUT);
    assert!(start.elapsed() >= Duration::from_millis(20), "early");
    assert_eq!(barrier.wait(Wait::NOT), TIMED_OUT);
    let cancel = CancelToken::new().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| barrier.wait(Wait::FOREVER.or_cancelled(&cancel)));
        while barrier.arrived() == 0 {
            std::thread::yield_now();
        }
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Err(BarrierWaitError::Interrupted(Interrupted::Cancelled)));
    });
    let mut dropped = Box::pin(barrier.wait_async());
    assert_eq!(barrier.arrived(), 0, "it arrives when it is polled");
    assert!(block_on(&mut dropped, Wait::NOT).is_err());
    assert_eq!(barrier.arrived(), 1);
    drop(dropped);
    assert_eq!(barrier.arrived(), 0);
    assert_eq!(barrier.wait(Wait::NOT), TIMED_OUT, "none of them is there");
    both_go_on(&barrier);
}

/// Two arrive: one leads.
fn both_go_on(barrier: &Barrier) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait(minute()).unwrap().is_leader());
        let this = barrier.wait(minute()).unwrap().is_leader();
        assert!(other.join().unwrap() != this);
    });
}

/// Even the arrival that would be the last.
#[test]
fn one_that_was_cancelled_before_does_not_arrive() {
    let cancel = CancelToken::new().unwrap();
    cancel.cancel();
    let answer = barrier(1).wait(Wait::FOREVER.or_cancelled(&cancel));
    assert_eq!(answer, Err(BarrierWaitError::Interrupted(Interrupted::Cancelled)));
}

/// A future that nobody has polled since its generation was full is done, whatever the next one does meanwhile.
#[test]
fn a_slow_one_is_not_disturbed_by_the_next_generation() {
    let barrier = barrier(2);
    let mut slow = Box::pin(barrier.wait_async());
    assert!(block_on(&mut slow, Wait::NOT).is_err());
    assert!(barrier.wait(Wait::NOT).unwrap().is_leader());
    let mut next = Box::pin(barrier.wait_async());
    assert!(block_on(&mut next, Wait::NOT).is_err());
    assert!(!block_on(slow, Wait::NOT).unwrap().unwrap().is_leader());
    assert_eq!(barrier.arrived(), 1, "nor does it disturb them");
    // Dropped after its generation was full: nothing is withdrawn from the one that follows.
    assert!(barrier.wait(Wait::NOT).unwrap().is_leader());
    let mut third = Box::pin(barrier.wait_async());
    assert!(block_on(&mut third, Wait::NOT).is_err());
    drop(next);
    assert_eq!(barrier.arrived(), 1);
}

#[test]
fn a_panic_poisons_nothing() {
    let barrier = barrier(2);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut arrived = Box::pin(barrier.wait_async());
        assert!(block_on(&mut arrived, Wait::NOT).is_err());
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(unwound.is_err());
    assert_eq!(barrier.arrived(), 0);
    both_go_on(&barrier);
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let closing = barrier(1001);
    close_wakes_all(1000, |wait| closing.wait(wait).expect_err("not all are there").into(), || closing.close());
    assert!(closing.is_closed());
    assert_eq!(closing.arrived(), 0);
    assert_eq!(closing.wait(Wait::FOREVER), Err(BarrierWaitError::Closed));
    let alone = barrier(1);
    alone.close();
    assert_eq!(alone.wait(Wait::FOREVER), Err(BarrierWaitError::Closed));
    assert_eq!(block_on(alone.wait_async(), Wait::FOREVER), Ok(Err(BarrierWaitError::Closed)));
}

/// It had what it came for.
#[test]
fn a_generation_that_was_full_before_the_close_is_a_success() {
    let barrier = barrier(2);
    let mut slow = Box::pin(barrier.wait_async());
    assert!(block_on(&mut slow, Wait::NOT).is_err());
    assert!(barrier.wait(Wait::NOT).unwrap().is_leader());
    barrier.close();
    assert!(!block_on(slow, Wait::NOT).unwrap().unwrap().is_leader());
}

/// An arrival and a cancellation at the same moment: both go on, and one of them leads, or neither.
#[test]
fn cancel_vs_grant() {
    #[derive(Default)]
    struct Seen {
        went_on: AtomicU32,
        led: AtomicU32,
    }
    impl Seen {
        fn note(&self, answer: Result<BarrierWaitResult, BarrierWaitError>) -> Result<(), Error> {
            self.led.fetch_add(u32::from(answer?.is_leader()), Ordering::Relaxed);
            self.went_on.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
    struct Other<'a>(&'a Barrier, &'a Seen);
    impl Drop for Other<'_> {
        fn drop(&mut self) {
            let _ = self.1.note(self.0.wait(Wait::NOT));
        }
    }
    let (barrier, seen) = (barrier(2), Seen::default());
    grant_vs_cancel(
        || Other(&barrier, &seen),
        |wait| seen.note(barrier.wait(wait)),
        || {
            let [went_on, led] = [&seen.went_on, &seen.led].map(|count| count.swap(0, Ordering::Relaxed));
            [(0, 0), (2, 1)].contains(&(went_on, led)) && barrier.arrived() == 0
        },
    );
}

/// As C sees it.
#[test]
fn a_freed_handle_ends_the_waits() {
    let token = Token::open(barrier(9)).unwrap();
    let raw: usize = token.into_raw::<u8>().addr();
    let wait = move || {
        let raw: *mut u8 = std::ptr::without_provenance_mut(raw);
        let none = std::ptr::null_mut::<u8>();
        ffi::wait(raw, c"wait", ffi::INFINITE, none, |barrier: &Barrier, wait| barrier.wait(wait).map(drop))
    };
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
        while token.enter(c"look").unwrap().arrived() < 8 {
            std::thread::yield_now();
        }
        assert_eq!(token.free(Duration::from_secs(60)), Ok(Freed::Destroyed));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Error::Freed.into());
        }
    });
}
