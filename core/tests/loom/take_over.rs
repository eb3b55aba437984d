//! Races of a free that takes over from one that gave up: who destroys, and whether what blocks is woken
//! once more.

use crate::scene::{come_out, free_by, occupied, settled};
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::Deadline;
use std::rc::Rc;

/// A second free takes over from one that gave up, without waiting itself, as the last one leaves: one of
/// the two destroys, and what blocks was woken once more, unless it was gone by then.
#[test]
fn take_over_vs_last_leave_awake() {
    let outcomes = [("pending", "woken"), ("already freed", "woken"), ("pending", "gone"), ("already freed", "gone")];
    explore(outcomes, || {
        let house = occupied(1);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let leaver = with(&house, |house| {
            line_up();
            come_out(house, 0);
        });
        line_up();
        let resident = house.resident();
        let calls = Rc::clone(&resident.calls);
        let freed = free_by(&house, Deadline::PASSED, resident);
        join(leaver);
        settled(&house);
        (freed, if calls.get() == 0 { "woken" } else { "gone" })
    });
}

/// The same with a free that waits.
#[test]
fn take_over_vs_last_leave() {
    explore(["already freed"], || {
        let house = occupied(2);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let leaver = with(&house, |house| {
            come_out(house, 0);
            come_out(house, 1);
        });
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        join(leaver);
        settled(&house);
        freed
    });
}

/// One free takes over and its deadline passes, another takes over and waits, and the last one leaves.
#[test]
fn take_over_vs_leave_vs_deadline() {
    explore_at_most(2, [("pending", "already freed"), ("already freed", "already freed")], || {
        let house = occupied(1);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let late = with(&house, |house| free_by(house, Deadline::PASSED, house.resident()));
        let leaver = with(&house, |house| come_out(house, 0));
        let waited = free_by(&house, Deadline::NEVER, house.resident());
        join(leaver);
        let late = join(late);
        settled(&house);
        (late, waited)
    });
}

/// Two take over at once and do not wait, as the last one leaves.
#[test]
fn take_over_vs_take_over_awake() {
    let outcomes = [
        ("pending", "pending"),
        ("pending", "already freed"),
        ("already freed", "pending"),
        ("already freed", "already freed"),
    ];
    explore_at_most(3, outcomes, || {
        let house = occupied(1);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let frees = [0, 1].map(|_| with(&house, |house| free_by(house, Deadline::PASSED, house.resident())));
        come_out(&house, 0);
        let [first, second] = frees.map(join);
        settled(&house);
        (first, second)
    });
}

/// Two take over at once and wait.
#[test]
fn take_over_vs_take_over() {
    explore_at_most(2, [("already freed", "already freed")], || {
        let house = occupied(1);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let frees = [0, 1].map(|_| with(&house, |house| free_by(house, Deadline::NEVER, house.resident())));
        come_out(&house, 0);
        let [first, second] = frees.map(join);
        settled(&house);
        (first, second)
    });
}
