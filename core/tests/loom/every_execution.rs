//! Races of three threads once more, cut down to the steps that race, so that every execution of them can be explored: the
//! fuller models, and those with a sleeper (whose mutex and condition variable are many steps more), are cut at two or three
//! preemptions.

use crate::object::{RED, life, token};
use crate::scene::{come_out, free_by, occupied, settled};
use crate::{explore, join, with};
use quiescent_core::handle::pieces::{Close, Life, enter, settle};
use quiescent_core::{BeginFree, Deadline, HandleGuard};
use std::mem::forget;
use std::sync::Arc;
use std::time::Duration;

fn guarded(inside: usize) -> Arc<HandleGuard> {
    let guard = HandleGuard::new();
    (0..inside).for_each(|_| forget(guard.try_enter().expect("open")));
    Arc::new(guard)
}

fn leave_guard(guard: &HandleGuard) {
    // SAFETY: each model leaves once for each that is inside.
    assert!(unsafe { guard.leave() });
}

#[test]
fn two_enters_vs_close() {
    let outcomes = [(BeginFree::Drained, 0), (BeginFree::TimedOut, 1), (BeginFree::TimedOut, 2)];
    explore(outcomes.map(|outcome| format!("{outcome:?}")), || {
        let guard = guarded(0);
        let callers = [0, 1].map(|_| with(&guard, |guard| guard.try_enter().map(forget).is_some()));
        let freed = guard.begin_free_detailed(Duration::ZERO);
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        format!("{:?}", (freed, admitted))
    });
}

#[test]
fn two_leaves_vs_deadline() {
    explore([BeginFree::Drained, BeginFree::TimedOut].map(|freed| format!("{freed:?}")), || {
        let guard = guarded(2);
        let leavers = [0, 1].map(|_| with(&guard, leave_guard));
        let freed = guard.begin_free_detailed(Duration::ZERO);
        leavers.into_iter().for_each(join);
        assert_eq!(guard.wait_drained(Duration::ZERO), freed == BeginFree::TimedOut, "the end is handed out once");
        format!("{freed:?}")
    });
}

#[test]
fn two_leaves_vs_deferred_destroy() {
    explore(["destroyed", "pending"], || {
        let house = occupied(2);
        let leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        leavers.into_iter().for_each(join);
        settled(&house);
        freed
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
