//! Races of the free of a handle: who destroys, when, and who is told.

use crate::object::{House, life};
use crate::scene::{come_out, free_by, occupied, operate, settled, told};
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::Deadline;
use quiescent_core::handle::Freed;
use quiescent_core::handle::pieces::{Begun, Outlived, begin, finish, outlive, try_free};
use std::rc::Rc;
use std::sync::Arc;

/// Two callers enter while a third frees without waiting.
#[test]
fn enter_vs_free_awake() {
    let outcomes = [("destroyed", 0), ("destroyed", 1), ("destroyed", 2), ("pending", 1), ("pending", 2)];
    explore_at_most(3, outcomes, || {
        let house = occupied(0);
        let callers = [0, 1].map(|part| with(&house, move |house| operate(house, part)));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        settled(&house);
        (freed, admitted)
    });
}

/// The same with a free that waits.
#[test]
fn enter_vs_free() {
    explore_at_most(3, [("destroyed", 0), ("destroyed", 1), ("destroyed", 2)], || {
        let house = occupied(0);
        let callers = [0, 1].map(|part| with(&house, move |house| operate(house, part)));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        settled(&house);
        (freed, admitted)
    });
}

/// Enter, leave and enter again around a free that waits, in every execution.
#[test]
fn enter_again_vs_free() {
    explore([("destroyed", false, false), ("destroyed", true, false), ("destroyed", true, true)], || {
        let house = occupied(0);
        let caller = with(&house, |house| (operate(house, 0), operate(house, 0)));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        let (first, second) = join(caller);
        settled(&house);
        (freed, first, second)
    });
}

/// The free gives up as the last one leaves: exactly one of them destroys.
#[test]
fn deferred_destroy_vs_leave_awake() {
    explore_at_most(3, ["destroyed", "pending"], || {
        let house = occupied(2);
        let leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        leavers.into_iter().for_each(join);
        settled(&house);
        freed
    });
}

/// `on_close` runs while the last one leaves, and the object stays alive until it returns.
#[test]
fn on_close_vs_last_leave() {
    explore_at_most(3, ["destroyed"], || {
        let house = occupied(2);
        let leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        leavers.into_iter().for_each(join);
        settled(&house);
        freed
    });
}

/// `on_close` is called a second time as the last one leaves.
#[test]
fn repeated_on_close_vs_last_leave() {
    explore_at_most(2, [("called once", "destroyed"), ("called twice", "destroyed")], || {
        let house = occupied(2);
        let leavers = [0, 1].map(|part| with(&house, move |house| come_out(house, part)));
        let resident = house.resident();
        let calls = Rc::clone(&resident.calls);
        calls.set(2);
        let freed = free_by(&house, Deadline::NEVER, resident);
        leavers.into_iter().for_each(join);
        settled(&house);
        (if calls.get() == 0 { "called twice" } else { "called once" }, freed)
    });
}

/// While `try_free` answers "busy", nobody is refused.
#[test]
fn try_free_vs_enter_awake() {
    explore(["busy"], || {
        let house = occupied(1);
        let caller = with(&house, |house| operate(house, 0));
        let trier = with(&house, |house| operate(house, 1));
        let freed = try_free(&house.shell, life(1), &house.resident()).expect("alive");
        assert_eq!(freed, None, "one is inside all the time");
        assert!(join(caller) && join(trier), "refused for a free that was refused itself");
        come_out(&house, 0);
        assert!(!house.shell.look().is_closed());
        "busy"
    });
}

/// The same as the one inside leaves: `try_free` is busy and nobody is refused, or it frees.
#[test]
fn try_free_vs_enter_and_leave_awake() {
    explore([("busy", true), ("freed", true), ("freed", false)], || {
        let house = occupied(1);
        let caller = with(&house, |house| operate(house, 0));
        let leaver = with(&house, |house| {
            line_up();
            come_out(house, 1);
        });
        line_up();
        let freed = try_free(&house.shell, life(1), &house.resident()).expect("alive");
        join(leaver);
        let admitted = join(caller);
        match freed {
            None => assert!(!house.shell.look().is_closed()),
            Some(freed) => {
                assert_eq!(told(&house, Ok(freed)), "destroyed");
                settled(&house);
            }
        }
        (if freed.is_some() { "freed" } else { "busy" }, admitted)
    });
}

/// Two frees that do not wait: one destroys; the other is told "pending", or "already freed" when the
/// destructor has returned.
#[test]
fn free_vs_free_awake() {
    explore(
        [
            ("destroyed", "pending"),
            ("destroyed", "already freed"),
            ("pending", "destroyed"),
            ("already freed", "destroyed"),
        ],
        || {
            let house = occupied(0);
            let other = with(&house, |house| free_by(house, Deadline::PASSED, house.resident()));
            let first = free_by(&house, Deadline::PASSED, house.resident());
            let second = join(other);
            settled(&house);
            (first, second)
        },
    );
}

/// The same with two `try_free`.
#[test]
fn try_free_vs_try_free_awake() {
    let outcomes = [
        ("destroyed", "pending"),
        ("destroyed", "already freed"),
        ("pending", "destroyed"),
        ("already freed", "destroyed"),
    ];
    explore(outcomes, || {
        let house = occupied(0);
        let tried = |house: &House| {
            let freed = try_free(&house.shell, life(1), &house.resident());
            told(house, freed.map(|freed| freed.expect("nobody is inside")))
        };
        let other = with(&house, move |house| tried(house));
        let first = tried(&house);
        let second = join(other);
        settled(&house);
        (first, second)
    });
}

/// Two frees that do not wait, and a leave: the object is destroyed once, by a free or by the leave.
#[test]
fn free_vs_free_vs_last_leave_awake() {
    let outcomes = [
        ("destroyed", "pending"),
        ("destroyed", "already freed"),
        ("pending", "destroyed"),
        ("already freed", "destroyed"),
        ("pending", "pending"),
        ("pending", "already freed"),
        ("already freed", "pending"),
    ];
    explore_at_most(3, outcomes, || {
        let house = occupied(1);
        let other = with(&house, |house| free_by(house, Deadline::PASSED, house.resident()));
        let leaver = with(&house, |house| come_out(house, 0));
        let first = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        let second = join(other);
        settled(&house);
        (first, second)
    });
}

/// The loser of two frees waits for the winner's destructor.
#[test]
fn loser_waits_for_winner() {
    explore_at_most(2, [("destroyed", "already freed"), ("already freed", "destroyed")], || {
        let house = occupied(1);
        let frees = [0, 1].map(|_| with(&house, |house| free_by(house, Deadline::NEVER, house.resident())));
        come_out(&house, 0);
        let [first, second] = frees.map(join);
        settled(&house);
        (first, second)
    });
}

/// One free waits, the other gives up or does not wait, and somebody leaves: whoever waits is told when
/// it is over, whoever destroys.
#[test]
fn loser_waits_for_last_leave() {
    let outcomes = [
        ("destroyed", "already freed"),
        ("pending", "already freed"),
        ("already freed", "destroyed"),
        ("pending", "destroyed"),
    ];
    explore_at_most(3, outcomes, || {
        let house = occupied(1);
        let waiter = with(&house, |house| free_by(house, Deadline::NEVER, house.resident()));
        let leaver = with(&house, |house| come_out(house, 0));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        let waited = join(waiter);
        settled(&house);
        (freed, waited)
    });
}

/// Two threads are inside, both free, neither waits for the other or for itself, and the last to leave
/// destroys.
#[test]
fn free_vs_free_from_inside() {
    explore([("pending", "pending")], || {
        let house = occupied(2);
        let [first, second] = [0, 1].map(|part| {
            with(&house, move |house| {
                let freed = free_by(house, Deadline::NEVER, house.resident_inside());
                come_out(house, part);
                freed
            })
        });
        let outcome = (join(first), join(second));
        settled(&house);
        outcome
    });
}

/// A thread frees from inside itself while another frees from outside and waits for it.
#[test]
fn free_from_inside_vs_free() {
    explore([("pending", "destroyed"), ("pending", "already freed")], || {
        let house = occupied(1);
        let inside = with(&house, |house| {
            let freed = free_by(house, Deadline::NEVER, house.resident_inside());
            come_out(house, 0);
            freed
        });
        let outside = free_by(&house, Deadline::NEVER, house.resident());
        let outcome = (join(inside), outside);
        settled(&house);
        outcome
    });
}

/// What was entered on one thread is left on another (a hold), as the handle is freed.
#[test]
fn release_on_another_thread_vs_free() {
    explore([("destroyed", "pending"), ("already freed", "destroyed"), ("destroyed", "already freed")], || {
        let house = occupied(1);
        house.objects[0].operate(0);
        let releaser = with(&house, |house| {
            come_out(house, 0);
            free_by(house, Deadline::PASSED, house.resident())
        });
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        let outcome = (freed, join(releaser));
        settled(&house);
        outcome
    });
}

/// Somebody waits for the object to be destroyed, whoever does it in the end.
#[test]
fn wait_freed_vs_deferred_destroy() {
    explore_at_most(3, ["destroyed", "pending"], || {
        let house = occupied(1);
        let waiter = with(&house, |house| {
            assert_eq!(outlive(&house.shell, Deadline::NEVER, &house.resident()), Outlived::Yes);
            house.objects[0].expect_destroyed();
        });
        let leaver = with(&house, |house| come_out(house, 0));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        join(waiter);
        settled(&house);
        freed
    });
}

/// Who waits without waiting is late, or sees what the destructor did.
#[test]
fn wait_freed_vs_free_awake() {
    explore(["Yes", "Late"].map(str::to_owned), || {
        let house = occupied(0);
        let waiter = with(&house, |house| {
            let outlived = outlive(&house.shell, Deadline::PASSED, &house.resident());
            if outlived == Outlived::Yes {
                house.objects[0].expect_destroyed();
            }
            format!("{outlived:?}")
        });
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "destroyed");
        let outlived = join(waiter);
        settled(&house);
        outlived
    });
}

/// Two handles are freed with one deadline while their last ones leave.
#[test]
fn free_many_vs_leaves() {
    explore_at_most(2, [()], || {
        let street = Arc::new([House::open(), House::open()]);
        for house in street.iter() {
            house.shell.admit(life(1)).expect("open");
        }
        let leavers = [0, 1].map(|number| with(&street, move |street| come_out(&street[number], number)));
        let mut closings = Vec::new();
        for house in street.iter() {
            match begin(&house.shell, life(1), house.resident()).expect("alive") {
                Begun::Over(freed) => assert_eq!(told(house, Ok(freed)), "destroyed"),
                Begun::Closed(closing) => closings.push(closing),
                Begun::Lost(_) | Begun::Stale(_) => panic!("nobody else frees it"),
            }
        }
        finish(&mut closings, Deadline::NEVER);
        assert!(closings.iter().all(|closing| closing.outcome() == Freed::Destroyed));
        street.iter().for_each(settled);
        leavers.into_iter().for_each(join);
    });
}
