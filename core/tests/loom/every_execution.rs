//! The races that the protocol is about, of three threads each, in every execution.
//!
//! The fuller models elsewhere are cut at two or three preemptions. Here only the steps that race are left, sleep included,
//! and nobody joins a thread. Some of these races are explored without a bound where the fuller models are: `try_free` vs enter
//! (`free.rs`, `lane.rs`), `re_init` vs acquire (`rundown.rs`), close vs close of an idle guard (`guard.rs`).

use crate::guard::Guarded;
use crate::object::{House, RED, life, token};
use crate::scene::{come_out, free_by, occupied, told};
use crate::shell::reuse;
use crate::{explore, join, with};
use quiescent_core::handle::pieces::{Begun, Close, Life, begin, enter, finish, settle};
use quiescent_core::{BeginFree, Deadline, HandleOp, RundownRef, WaitDrained};
use std::mem::{forget, transmute};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const AT_ONCE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

/// What the threads of a model share. The last of them to end checks how it was left (by what loom does not see), so that
/// nobody has to join the others: to loom a join races with the end of the thread, which makes four executions of one.
struct Shared<S> {
    stage: S,
    left_well: fn(&S) -> bool,
}

impl<S> Shared<S> {
    fn new(stage: S, left_well: fn(&S) -> bool) -> Arc<Shared<S>> {
        Arc::new(Shared { stage, left_well })
    }
}

impl<S> Deref for Shared<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.stage
    }
}

impl<S> Drop for Shared<S> {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || (self.left_well)(&self.stage), "not left as it should be");
    }
}

/// A guarded struct, and how many were let in.
struct Counted {
    guarded: Guarded,
    admitted: AtomicUsize,
}

fn guarded() -> Arc<Shared<Counted>> {
    let counted = Counted { guarded: Guarded::fresh(), admitted: AtomicUsize::new(0) };
    Shared::new(counted, |counted| counted.guarded.object.is_destroyed())
}

/// An operation in flight, to be left by another thread.
fn inside(stage: &Shared<Counted>) -> HandleOp<'static> {
    let op = stage.guarded.guard.try_enter().expect("open");
    // SAFETY: whoever leaves by it shares the stage until then.
    unsafe { transmute::<HandleOp<'_>, HandleOp<'static>>(op) }
}

fn leavers<const N: usize>(stage: &Arc<Shared<Counted>>, parts: [usize; N]) {
    let _ = parts.map(|part| (part, inside(stage))).map(|(part, op)| {
        with(stage, move |stage| {
            stage.guarded.object.operate(part);
            drop(op);
        })
    });
}

/// An exported operation.
fn call(stage: &Shared<Counted>, part: usize) {
    if let Some(op) = stage.guarded.guard.try_enter() {
        stage.admitted.fetch_add(1, Ordering::Relaxed);
        stage.guarded.object.operate(part);
        drop(op);
    }
}

/// Two callers against a free that waits.
#[test]
fn enter_vs_close() {
    explore([0, 1, 2], || {
        let stage = guarded();
        let _callers = [0, 1].map(|part| with(&stage, move |stage| call(stage, part)));
        assert_eq!(stage.guarded.free(NEVER), BeginFree::Drained);
        stage.admitted.load(Ordering::Relaxed)
    });
}

/// Two frees that wait, one of which wins, and somebody inside who leaves.
#[test]
fn close_vs_close() {
    explore([true, false], || {
        let stage = guarded();
        leavers(&stage, [0]);
        let _other = with(&stage, |stage| stage.guarded.free(NEVER));
        stage.guarded.free(NEVER) == BeginFree::Drained
    });
}

/// A closer that has given up waits for the end like anybody else.
#[test]
fn last_leave_vs_deadline() {
    explore([true, false], || {
        let stage = guarded();
        leavers(&stage, [0, 1]);
        let drained = stage.guarded.free(AT_ONCE) == BeginFree::Drained;
        assert!(drained || stage.guarded.reclaim(NEVER) == WaitDrained::Drained, "the end is handed out once");
        drained
    });
}

#[test]
fn last_leave_vs_parked_drainer() {
    explore([BeginFree::Drained].map(|found| format!("{found:?}")), || {
        let stage = guarded();
        leavers(&stage, [0, 1]);
        format!("{:?}", stage.guarded.free(NEVER))
    });
}

/// One who tries again and again, and another who leaves as the closer falls asleep.
#[test]
fn refused_storm() {
    explore([0, 1, 2], || {
        let stage = guarded();
        leavers(&stage, [0]);
        let _storm = with(&stage, |stage| [1, 1].map(|part| call(stage, part)));
        assert_eq!(stage.guarded.free(NEVER), BeginFree::Drained);
        stage.admitted.load(Ordering::Relaxed)
    });
}

/// A house whose object is destroyed in the end.
fn house(inside: u32) -> Arc<Shared<Arc<House>>> {
    Shared::new(occupied(inside), |house| house.objects[0].is_destroyed())
}

#[test]
fn deferred_destroy_vs_leave() {
    explore(["destroyed", "pending"], || {
        let house = house(2);
        let _leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        free_by(&house, Deadline::PASSED, house.resident())
    });
}

/// The closer has closed already: only its later steps race with the leaves.
#[test]
fn on_close_vs_last_leave() {
    explore(["destroyed"], || {
        let house = house(2);
        let begun = begin(&house.shell, life(1), house.resident());
        let Ok(Begun::Closed(closing)) = begun else { panic!("two are inside") };
        let _leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        let mut closings = [closing];
        finish(&mut closings, Deadline::NEVER);
        told(&house, Ok(closings[0].outcome()))
    });
}

/// The run-down has begun already.
#[test]
fn two_waiters() {
    explore([()], || {
        let rundown = Arc::new(RundownRef::new());
        forget(rundown.try_acquire().expect("open"));
        assert!(!rundown.wait_for_rundown_timeout(AT_ONCE));
        let _waiters = [0, 1].map(|_| with(&rundown, RundownRef::wait_for_rundown));
        // SAFETY: acquired above.
        assert!(unsafe { rundown.release(1) });
    });
}

/// Two stale tokens. Whoever is let in stays, so that the shell is not used again.
#[test]
fn reuse_vs_stale_enter() {
    explore([(true, 0), (false, 1), (false, 2)], || {
        let stage = Arc::new((House::open(), AtomicUsize::new(0)));
        let _stale = [0, 1].map(|part| {
            with(&stage, move |stage| {
                let (house, admitted) = stage;
                if house.shell.admit(life(1)).is_ok() {
                    assert!(std::ptr::eq(house.object(), &raw const house.objects[0]), "let into another life");
                    house.objects[0].operate(part);
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let reused = reuse(&stage.0, RED);
        (reused, stage.1.load(Ordering::Relaxed))
    });
}

/// Whoever is admitted by a slot was seen by the closer.
#[test]
fn two_enters_by_slot_vs_close() {
    let outcomes = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
    explore(outcomes, || {
        let house = occupied(0);
        assert!(house.shell.open_hazard_lane(1));
        let callers = [0, 1].map(|part| {
            with(&house, move |house| {
                enter(&house.shell, &house.resident(), RED, token(1), &house.slots[part], std::ptr::null()).is_ok()
            })
        });
        assert_eq!(house.shell.close(life(1)), Ok(Close::Busy));
        assert!(settle(&house.resident()));
        let seen = house.resident().protecting();
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        (u32::try_from(admitted).expect("two"), seen)
    });
}
