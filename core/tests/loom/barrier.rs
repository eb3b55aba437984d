//! Barriers: one leader for each generation, and nobody goes on alone, sleeps on or is counted twice.

use crate::object::Object;
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::sync::{Barrier, BarrierWaitError, CancelToken};
use quiescent_core::{Interrupted, Wait, block_on};
use std::sync::Arc;

/// A barrier, and what its callers do before they arrive, each its own part.
struct Meeting {
    barrier: Barrier,
    object: Object,
    cancel: CancelToken,
}

impl Meeting {
    fn of(size: u32) -> Arc<Meeting> {
        let barrier = Barrier::new(size).expect("allowed");
        Arc::new(Meeting { barrier, object: Object::new(), cancel: CancelToken::new().expect("memory") })
    }

    /// Arrives as the caller to whom `part` belongs; who goes on alone touches what the others still work on.
    fn meet(&self, part: usize, wait: Wait<'_>) -> &'static str {
        self.object.operate(part);
        let answer = self.barrier.wait(wait);
        if answer.is_ok() {
            self.object.look_at_all();
        }
        match answer {
            Ok(all) if all.is_leader() => "led",
            Ok(_) => "followed",
            Err(BarrierWaitError::Closed) => "closed",
            Err(BarrierWaitError::Interrupted(Interrupted::Cancelled)) => "cancelled",
            Err(BarrierWaitError::Interrupted(_)) => "late",
        }
    }

    fn is_empty(&self) -> bool {
        self.barrier.arrived() == 0
    }
}

/// Two callers arrive: one leads, and each sees what the other did before.
#[test]
fn arrive_vs_arrive() {
    explore([("led", "followed"), ("followed", "led")], || {
        let meeting = Meeting::of(2);
        let other = with(&meeting, |meeting| meeting.meet(1, Wait::FOREVER));
        let this = meeting.meet(0, Wait::FOREVER);
        let other = join(other);
        assert!(meeting.is_empty());
        (this, other)
    });
}

#[test]
fn three_arrive() {
    let ways = [["led", "followed", "followed"], ["followed", "led", "followed"], ["followed", "followed", "led"]];
    explore_at_most(2, ways, || {
        let meeting = Meeting::of(3);
        let others = [1, 2].map(|part| with(&meeting, move |meeting| meeting.meet(part, Wait::FOREVER)));
        let this = meeting.meet(0, Wait::FOREVER);
        let [second, third] = others.map(join);
        assert!(meeting.is_empty());
        [this, second, third]
    });
}

/// A fast caller is in the next generation while a slow one has not seen that its own is over. Nobody is left behind.
#[test]
fn next_generation_vs_slow_one() {
    explore_at_most(3, [(0, 2), (1, 1), (2, 0)], || {
        let meeting = Meeting::of(2);
        let twice = |meeting: &Meeting| {
            (0..2).filter(|_| meeting.barrier.wait(Wait::FOREVER).expect("open").is_leader()).count()
        };
        let other = with(&meeting, twice);
        let this = twice(&meeting);
        let other = join(other);
        assert!(meeting.is_empty());
        (this, other)
    });
}

/// A caller gives up as the last one arrives: both have it, or neither.
#[test]
fn withdraw_vs_last_arrival() {
    let ways = [("followed", "led"), ("led", "followed"), ("late", "cancelled")];
    explore_at_most(3, ways, || {
        let meeting = Meeting::of(2);
        let other = with(&meeting, |meeting| meeting.meet(1, Wait::NOT));
        let this = meeting.meet(0, Wait::NOT);
        let other = join(other);
        assert!(meeting.is_empty());
        (this, if other == "late" { "cancelled" } else { other })
    });
}

/// The same, of a caller that sleeps, and of one that would wait for ever if its partner were not counted.
#[test]
fn cancel_vs_last_arrival() {
    let ways = [("followed", "led"), ("led", "followed"), ("late", "cancelled")];
    explore_at_most(2, ways, || {
        let meeting = Meeting::of(2);
        let other = with(&meeting, |meeting| meeting.meet(1, Wait::FOREVER.or_cancelled(&meeting.cancel)));
        let canceller = with(&meeting, |meeting| meeting.cancel.cancel());
        let this = meeting.meet(0, Wait::NOT);
        join(canceller);
        let other = join(other);
        assert!(meeting.is_empty());
        (this, other)
    });
}

/// A future is dropped in the next generation: nothing is taken from that.
#[test]
fn drop_vs_next_generation() {
    explore([true, false], || {
        let meeting = Meeting::of(2);
        let dropped = with(&meeting, |meeting| {
            let mut future = Box::pin(meeting.barrier.wait_async());
            let is_over = block_on(&mut future, Wait::NOT).is_ok();
            line_up();
            drop(future);
            is_over
        });
        let led = meeting.barrier.wait(Wait::NOT).is_ok_and(|all| all.is_leader());
        let mut next = Box::pin(meeting.barrier.wait_async());
        if led {
            assert!(block_on(&mut next, Wait::NOT).is_err());
            line_up();
        }
        join(dropped);
        assert_eq!(meeting.barrier.arrived(), u32::from(led), "an arrival was withdrawn that was another's");
        led
    });
}

/// A close and an arrival: who waits is woken, who comes is refused.
#[test]
fn close_vs_arrive() {
    explore(["closed"], || {
        let meeting = Meeting::of(2);
        let waiter = with(&meeting, |meeting| {
            let answer = meeting.meet(1, Wait::FOREVER);
            meeting.object.look_at(0);
            answer
        });
        meeting.object.operate(0);
        meeting.barrier.close();
        let answer = join(waiter);
        assert!(meeting.is_empty());
        answer
    });
}

/// Who finds it closed sees what the closer did.
#[test]
fn close_vs_look_awake() {
    explore([true, false], || {
        let meeting = Meeting::of(2);
        let looker = with(&meeting, |meeting| {
            let is_closed = meeting.barrier.is_closed();
            if is_closed {
                meeting.object.look_at(0);
            }
            is_closed
        });
        meeting.object.operate(0);
        meeting.barrier.close();
        join(looker)
    });
}

/// A close and the last arrival: full before the close is a success for both.
#[test]
fn close_vs_last_arrival() {
    explore_at_most(2, [("led", "followed"), ("followed", "led"), ("closed", "closed")], || {
        let meeting = Meeting::of(2);
        let other = with(&meeting, |meeting| meeting.meet(1, Wait::FOREVER));
        let closer = with(&meeting, |meeting| meeting.barrier.close());
        let this = meeting.meet(0, Wait::FOREVER);
        join(closer);
        let other = join(other);
        assert!(meeting.is_empty());
        (this, other)
    });
}
