//! Races on a [`HandleGuard`] embedded in an author's struct.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use loom::thread::JoinHandle;
use quiescent_core::{BeginFree, HandleGuard, WaitDrained};
use std::sync::Arc;
use std::time::Duration;

const NEVER: Duration = Duration::MAX;
const AT_ONCE: Duration = Duration::ZERO;

/// An author's struct.
pub struct Guarded {
    pub guard: HandleGuard,
    pub object: Object,
}

impl Guarded {
    pub fn fresh() -> Guarded {
        Guarded { guard: HandleGuard::new(), object: Object::new() }
    }

    fn new() -> Arc<Guarded> {
        Arc::new(Guarded::fresh())
    }

    /// One exported operation: whether it was admitted.
    fn operate(&self, part: usize) -> bool {
        let Some(op) = self.guard.try_enter() else { return false };
        self.object.operate(part);
        drop(op);
        true
    }

    /// Enters, to be left by [`Guarded::leave`] on whichever thread.
    fn enter(&self) {
        std::mem::forget(self.guard.try_enter().expect("the guard is open"));
    }

    fn leave(&self) {
        // SAFETY: each model leaves once for each `enter`.
        assert!(unsafe { self.guard.leave() });
    }

    /// An exported free.
    pub fn free(&self, deadline: Duration) -> BeginFree {
        let found = self.guard.begin_free_detailed(deadline);
        if found == BeginFree::Drained {
            self.object.destroy();
        }
        found
    }

    /// The second half of a free that timed out.
    pub fn reclaim(&self, deadline: Duration) -> WaitDrained {
        let found = self.guard.wait_drained_detailed(deadline);
        if found == WaitDrained::Drained {
            self.object.destroy();
        }
        found
    }

    /// At the end of a model, when all have left: the end was handed out once, or still is.
    fn settle(&self) {
        let last = self.reclaim(AT_ONCE);
        assert_ne!(last, WaitDrained::TimedOut, "all have left");
        self.object.expect_destroyed();
        assert_eq!(self.guard.wait_drained_detailed(AT_ONCE), WaitDrained::AlreadyReported);
        assert_eq!(format!("{:?}", self.guard).split(" closed").next(), Some("HandleGuard(generation 0 count 0"));
    }
}

fn count<const N: usize>(threads: [JoinHandle<bool>; N]) -> usize {
    threads.into_iter().map(join).filter(|admitted| *admitted).count()
}

const fn drained(found: BeginFree) -> bool {
    matches!(found, BeginFree::Drained)
}

/// Two callers enter while a third frees and does not wait. Orders leave before the destructor with
/// nothing but the word.
#[test]
fn enter_vs_close_awake() {
    explore_at_most(3, [(true, 0), (true, 1), (true, 2), (false, 1), (false, 2)], || {
        let stage = Guarded::new();
        let callers = [0, 1].map(|part| with(&stage, move |stage| stage.operate(part)));
        let freed = drained(stage.free(AT_ONCE));
        let admitted = count(callers);
        stage.settle();
        (freed, admitted)
    });
}

/// The same with a free that waits.
#[test]
fn enter_vs_close() {
    explore_at_most(3, [0, 1, 2], || {
        let stage = Guarded::new();
        let callers = [0, 1].map(|part| with(&stage, move |stage| stage.operate(part)));
        assert_eq!(stage.free(NEVER), BeginFree::Drained);
        let admitted = count(callers);
        stage.settle();
        admitted
    });
}

/// Of three frees one wins, and it is the one that is told "drained".
#[test]
fn close_vs_close_awake() {
    explore([1], || {
        let stage = Guarded::new();
        let frees = [0, 1].map(|_| with(&stage, |stage| drained(stage.free(AT_ONCE))));
        let first = drained(stage.free(NEVER));
        let winners = usize::from(first) + count(frees);
        stage.settle();
        winners
    });
}

/// Two frees, and somebody inside who leaves: one winner, which waits.
#[test]
fn close_vs_close_with_one_inside() {
    explore_at_most(3, [(true, false), (false, true)], || {
        let stage = Guarded::new();
        stage.enter();
        let frees = [0, 1].map(|_| with(&stage, |stage| drained(stage.free(NEVER))));
        stage.object.operate(0);
        stage.leave();
        let [first, second] = frees.map(join);
        stage.settle();
        (first, second)
    });
}

/// The last one leaves as the deadline passes: the closer gets the end, or gives up and `wait_drained`
/// does.
#[test]
fn last_leave_vs_deadline() {
    explore_at_most(3, [BeginFree::Drained, BeginFree::TimedOut].map(drained), || {
        let stage = Guarded::new();
        stage.enter();
        stage.enter();
        let leavers = [0, 1].map(|part| {
            with(&stage, move |stage| {
                stage.object.operate(part);
                stage.leave();
            })
        });
        let freed = drained(stage.free(AT_ONCE));
        leavers.into_iter().for_each(join);
        stage.settle();
        freed
    });
}

/// The last one leaves as the closer falls asleep.
#[test]
fn last_leave_vs_parked_drainer() {
    explore_at_most(3, [BeginFree::Drained].map(drained), || {
        let stage = Guarded::new();
        stage.enter();
        stage.enter();
        let leavers = [0, 1].map(|part| {
            with(&stage, move |stage| {
                stage.object.operate(part);
                stage.leave();
            })
        });
        let freed = drained(stage.free(NEVER));
        leavers.into_iter().for_each(join);
        stage.settle();
        freed
    });
}

/// Refused callers hammer a closed guard while the last one leaves: the drainer finds it idle at its
/// first look.
#[test]
fn refused_storm_awake() {
    explore(["Drained"].map(str::to_owned), || {
        let stage = Guarded::new();
        stage.enter();
        assert_eq!(stage.free(AT_ONCE), BeginFree::TimedOut);
        let storm = [0, 1].map(|part| with(&stage, move |stage| stage.operate(part) || stage.operate(part)));
        stage.leave();
        let found = stage.reclaim(AT_ONCE);
        assert_eq!(count(storm), 0, "nobody enters a closed guard");
        stage.settle();
        format!("{found:?}")
    });
}

/// Refused callers hammer the guard while the closer falls asleep and the last one leaves.
#[test]
fn refused_storm_vs_parked_drainer() {
    explore_at_most(3, [0, 1, 2], || {
        let stage = Guarded::new();
        stage.enter();
        let leaver = with(&stage, Guarded::leave);
        let storm = with(&stage, |stage| usize::from(stage.operate(1)) + usize::from(stage.operate(1)));
        assert_eq!(stage.free(NEVER), BeginFree::Drained);
        join(leaver);
        let admitted = join(storm);
        stage.settle();
        admitted
    });
}

/// Two wait for the end of a free that gave up: one is told, the other told that it was.
#[test]
fn wait_drained_vs_wait_drained() {
    explore_at_most(3, [(true, false), (false, true)], || {
        let stage = Guarded::new();
        stage.enter();
        assert_eq!(stage.free(AT_ONCE), BeginFree::TimedOut);
        let waiters = [0, 1].map(|_| with(&stage, |stage| stage.reclaim(NEVER) == WaitDrained::Drained));
        stage.object.operate(0);
        stage.leave();
        let [first, second] = waiters.map(join);
        stage.settle();
        (first, second)
    });
}

/// The same without sleep: whoever comes late is told, and the leave is seen.
#[test]
fn wait_drained_vs_last_leave_awake() {
    explore([(false, false), (true, false), (false, true)], || {
        let stage = Guarded::new();
        stage.enter();
        assert_eq!(stage.free(AT_ONCE), BeginFree::TimedOut);
        let waiters = [0, 1].map(|_| with(&stage, |stage| stage.reclaim(AT_ONCE) == WaitDrained::Drained));
        stage.object.operate(0);
        stage.leave();
        let [first, second] = waiters.map(join);
        stage.settle();
        (first, second)
    });
}

/// A third party waits while the closer is still waiting itself: the closer is told, the third party
/// learns that.
#[test]
fn wait_drained_vs_winner() {
    explore_at_most(
        2,
        [WaitDrained::AlreadyReported, WaitDrained::NotFreeing].map(|found| format!("{found:?}")),
        || {
            let stage = Guarded::new();
            stage.enter();
            let waiter = with(&stage, |stage| stage.reclaim(NEVER));
            let leaver = with(&stage, Guarded::leave);
            assert_eq!(stage.free(NEVER), BeginFree::Drained);
            join(leaver);
            let found = join(waiter);
            stage.settle();
            format!("{found:?}")
        },
    );
}

/// A third party waits while the closer gives up: exactly one of the two is told "drained".
#[test]
fn wait_drained_vs_closer_that_gives_up() {
    let outcomes = [
        (BeginFree::Drained, WaitDrained::AlreadyReported),
        (BeginFree::Drained, WaitDrained::NotFreeing),
        (BeginFree::TimedOut, WaitDrained::Drained),
        (BeginFree::TimedOut, WaitDrained::NotFreeing),
    ];
    explore_at_most(3, outcomes.map(|outcome| format!("{outcome:?}")), || {
        let stage = Guarded::new();
        stage.enter();
        let waiter = with(&stage, |stage| stage.reclaim(NEVER));
        let leaver = with(&stage, |stage| {
            stage.object.operate(0);
            stage.leave();
        });
        let freed = stage.free(AT_ONCE);
        join(leaver);
        let found = join(waiter);
        stage.settle();
        format!("{:?}", (freed, found))
    });
}

/// A caller enters, leaves and enters again around a close.
#[test]
fn enter_again_vs_close() {
    explore([(false, false), (true, false), (true, true)], || {
        let stage = Guarded::new();
        let caller = with(&stage, |stage| (stage.operate(0), stage.operate(0)));
        assert_eq!(stage.free(NEVER), BeginFree::Drained);
        let admitted = join(caller);
        stage.settle();
        admitted
    });
}
