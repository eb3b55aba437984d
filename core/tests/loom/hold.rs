//! Races of holds in the hazard lane: what one thread has taken another releases. (That any thread may leave by a slot, whoever
//! entered by it, the models of `lane.rs` have as well.)

use crate::lane::{go_out, open_lane};
use crate::object::{House, token};
use crate::scene::{free_by, settled};
use crate::{explore, explore_at_most, join, line_up, with};
use loom::sync::atomic::Ordering;
use quiescent_core::Deadline;
use quiescent_core::handle::pieces::leave_as_stranger;
use std::ptr;
use std::sync::Arc;

/// The taker finds the slot empty, and uses it for another handle at once: who sees that token instead comes after the hold, too.
#[test]
fn release_elsewhere_vs_slot_of_another_handle_vs_free_awake() {
    let outcomes = ["destroyed", "pending"].map(|freed| [(freed, true), (freed, false)]);
    explore_at_most(3, outcomes.into_iter().flatten(), || {
        let house = open_lane(0, [0]);
        let releaser = with(&house, |house| {
            line_up();
            go_out(house, 0);
        });
        let closer = with(&house, |house| free_by(house, Deadline::PASSED, house.resident()));
        line_up();
        let is_empty = house.slots[0].is_empty();
        if is_empty {
            house.slots[0].fill(token(7), ptr::null());
        }
        join(releaser);
        let freed = join(closer);
        settled(&house);
        (freed, is_empty)
    });
}

/// A hold that the closer's own thread took, released by a thread that the closer does not know of: it skips the barrier.
fn released_by_a_stranger() -> Arc<House> {
    let house = open_lane(0, [0]);
    house.linked.store(false, Ordering::Relaxed);
    house
}

fn release(house: &House) {
    house.objects[0].operate(0);
    leave_as_stranger(&house.shell, &house.resident(), token(1), &house.slots[0]);
}

#[test]
fn release_by_a_stranger_vs_free_awake() {
    explore(["destroyed", "pending"], || {
        let house = released_by_a_stranger();
        let releaser = with(&house, release);
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(releaser);
        settled(&house);
        freed
    });
}

#[test]
fn release_by_a_stranger_vs_free() {
    explore_at_most(3, ["destroyed"], || {
        let house = released_by_a_stranger();
        let releaser = with(&house, release);
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        join(releaser);
        settled(&house);
        freed
    });
}
