//! Races of the hazard lane: operations that are nowhere counted, against whoever frees.

use crate::object::{BLUE, House, RED, SECOND, life, token};
use crate::scene::{come_out, free_by, occupied, settled, told};
use crate::{explore, explore_at_most, join, line_up, with};
use loom::sync::atomic::Ordering;
use quiescent_core::Deadline;
use quiescent_core::handle::pieces::{
    Close, Ownership, Refusal, claims_end, end, enter, full, leave, leave_closed, settle, try_free,
};
use std::ptr;
use std::sync::Arc;

/// An open house with a hazard lane, `counted` operations in the counter lane, and one in the slot of each of `parts`.
pub fn open_lane<const N: usize>(counted: u32, parts: [usize; N]) -> Arc<House> {
    let house = occupied(counted);
    assert!(house.shell.open_hazard_lane(1));
    for part in parts {
        assert!(go_in(&house, part), "open");
        assert!(house.slots[part].protects(token(1)), "the lane is open");
    }
    house
}

/// Enters by whichever lane is open, noted in slot `part`.
fn go_in(house: &House, part: usize) -> bool {
    match enter(&house.shell, &house.resident(), RED, token(1), &house.slots[part], ptr::null()) {
        Ok(_) => true,
        Err(Refusal::Closed | Refusal::Stale) => false,
        Err(refusal) => panic!("refused as {refusal:?}"),
    }
}

/// The rest of an operation that is noted in slot `part`.
pub fn go_out(house: &House, part: usize) {
    house.objects[0].operate(part);
    leave(&house.shell, &house.resident(), token(1), &house.slots[part], None);
}

/// A whole operation: whether it was admitted. The leave knows how the word was.
fn operate(house: &House, part: usize) -> bool {
    match enter(&house.shell, &house.resident(), RED, token(1), &house.slots[part], ptr::null()) {
        Ok(seen) => {
            house.objects[0].operate(part);
            leave(&house.shell, &house.resident(), token(1), &house.slots[part], Some(seen));
            true
        }
        Err(Refusal::Closed | Refusal::Stale) => false,
        Err(refusal) => panic!("refused as {refusal:?}"),
    }
}

/// Two callers enter while a third frees without waiting. (An entrant that will be refused may still be seen, and then has
/// the end.)
#[test]
fn enter_vs_free_awake() {
    let outcomes = ["destroyed", "pending"].into_iter().flat_map(|freed| [0, 1, 2].map(|admitted| (freed, admitted)));
    explore_at_most(2, outcomes, || {
        let house = open_lane(0, []);
        let callers = [0, 1].map(|part| with(&house, move |house| operate(house, part)));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        settled(&house);
        (freed, admitted)
    });
}

/// The same with one caller, in every execution.
#[test]
fn one_enter_vs_free_awake() {
    explore([("destroyed", false), ("destroyed", true), ("pending", false), ("pending", true)], || {
        let house = open_lane(0, []);
        let caller = with(&house, |house| operate(house, 0));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        let admitted = join(caller);
        settled(&house);
        (freed, admitted)
    });
}

/// The same with a free that waits.
#[test]
fn enter_vs_free() {
    explore_at_most(2, [("destroyed", 0), ("destroyed", 1), ("destroyed", 2)], || {
        let house = open_lane(0, []);
        let callers = [0, 1].map(|part| with(&house, move |house| operate(house, part)));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        let admitted = callers.into_iter().map(join).filter(|admitted| *admitted).count();
        settled(&house);
        (freed, admitted)
    });
}

/// Two leave as the free gives up: exactly one of the three destroys, and none thinks another will.
#[test]
fn deferred_destroy_vs_two_leaves_awake() {
    explore_at_most(3, ["destroyed", "pending"], || {
        let house = open_lane(0, [0, 1]);
        let leavers = [0, 1].map(|part| with(&house, move |house| go_out(house, part)));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        leavers.into_iter().for_each(join);
        settled(&house);
        freed
    });
}

/// The same with one, in every execution.
#[test]
fn deferred_destroy_vs_leave_awake() {
    explore(["destroyed", "pending"], || {
        let house = open_lane(0, [0]);
        let leaver = with(&house, |house| go_out(house, 0));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        settled(&house);
        freed
    });
}

/// The same with one in each lane.
#[test]
fn deferred_destroy_vs_leaves_of_both_lanes_awake() {
    explore_at_most(3, ["destroyed", "pending"], || {
        let house = open_lane(1, [0]);
        let by_slot = with(&house, |house| go_out(house, 0));
        let counted = with(&house, |house| come_out(house, 1));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(by_slot);
        join(counted);
        settled(&house);
        freed
    });
}

/// Two leave while the drainer sleeps, or is about to.
#[test]
fn last_leave_vs_parked_drainer() {
    explore_at_most(2, ["destroyed"], || {
        let house = open_lane(0, [0, 1]);
        let leavers = [0, 1].map(|part| with(&house, move |house| go_out(house, part)));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        leavers.into_iter().for_each(join);
        settled(&house);
        freed
    });
}

/// The same with one, with more preemptions.
#[test]
fn leave_vs_parked_drainer() {
    explore_at_most(5, ["destroyed"], || {
        let house = open_lane(0, [0]);
        let leaver = with(&house, |house| go_out(house, 0));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        join(leaver);
        settled(&house);
        freed
    });
}

/// The same with one in each lane.
#[test]
fn leaves_of_both_lanes_vs_parked_drainer() {
    explore_at_most(2, ["destroyed"], || {
        let house = open_lane(1, [0]);
        let by_slot = with(&house, |house| go_out(house, 0));
        let counted = with(&house, |house| come_out(house, 1));
        let freed = free_by(&house, Deadline::NEVER, house.resident());
        join(by_slot);
        join(counted);
        settled(&house);
        freed
    });
}

/// The lane is opened, and taken, while a free closes the handle.
#[test]
fn open_lane_vs_free_awake() {
    let outcomes = [("destroyed", false, false), ("destroyed", true, false), ("destroyed", true, true)];
    let pending = [("pending", true, false), ("pending", true, true)];
    explore(outcomes.into_iter().chain(pending), || {
        let house = occupied(0);
        let caller = with(&house, |house| {
            let opened = house.shell.open_hazard_lane(1);
            (opened, operate(house, 0))
        });
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        let (opened, admitted) = join(caller);
        settled(&house);
        (freed, opened, admitted)
    });
}

/// A `try_free` shuts the lane while it looks: nobody is refused unless it frees, and nobody is overlooked.
#[test]
fn try_free_vs_enter_awake() {
    explore([("busy", true), ("freed", true), ("freed", false)], || {
        let house = open_lane(0, []);
        let caller = with(&house, |house| operate(house, 0));
        let freed = try_free(&house.shell, life(1), &house.resident()).expect("alive");
        let admitted = join(caller);
        after_try_free(&house, freed.map(Ok), admitted)
    });
}

/// The same with two callers.
#[test]
fn try_free_vs_two_enters_awake() {
    explore_at_most(2, [("busy", true), ("freed", true), ("freed", false)], || {
        let house = open_lane(0, []);
        let callers = [0, 1].map(|part| with(&house, move |house| operate(house, part)));
        let freed = try_free(&house.shell, life(1), &house.resident()).expect("alive");
        let admitted = callers.into_iter().map(join).fold(true, |all, admitted| all & admitted);
        after_try_free(&house, freed.map(Ok), admitted)
    });
}

fn after_try_free(
    house: &House,
    freed: Option<Result<quiescent_core::handle::Freed, Refusal>>,
    admitted: bool,
) -> (&'static str, bool) {
    match freed {
        None => {
            assert!(admitted, "refused for a free that was refused itself");
            let state = house.shell.look();
            assert!(!state.is_closed() && !state.is_counted() && state.is_idle(), "as it was: {state:?}");
            ("busy", admitted)
        }
        Some(freed) => {
            assert_eq!(told(house, freed), "destroyed");
            settled(house);
            ("freed", admitted)
        }
    }
}

/// A `try_free` as the one inside leaves.
#[test]
fn try_free_vs_leave_awake() {
    explore(["busy", "freed"], || {
        let house = open_lane(0, [0]);
        let leaver = with(&house, |house| {
            line_up();
            go_out(house, 0);
        });
        line_up();
        let freed = try_free(&house.shell, life(1), &house.resident()).expect("alive");
        join(leaver);
        after_try_free(&house, freed.map(Ok), true).0
    });
}

/// Two `try_free`: one frees; the other is told that, or that somebody looks.
#[test]
fn try_free_vs_try_free_awake() {
    let outcomes = [("destroyed", "pending"), ("destroyed", "already freed"), ("destroyed", "busy")];
    let other_first = outcomes.map(|(first, second)| (second, first));
    explore(outcomes.into_iter().chain(other_first), || {
        let house = open_lane(0, []);
        let attempt = |house: &House| match try_free(&house.shell, life(1), &house.resident()) {
            Ok(Some(freed)) => told(house, Ok(freed)),
            Ok(None) => "busy",
            Err(refusal) => told(house, Err(refusal)),
        };
        let other = with(&house, attempt);
        let first = attempt(&house);
        let second = join(other);
        settled(&house);
        (first, second)
    });
}

/// A `try_free` that looks while another free closes and one leaves.
#[test]
fn try_free_vs_free_vs_leave_awake() {
    let tried = ["busy", "pending", "already freed"].map(|tried| [("destroyed", tried), ("pending", tried)]);
    let first = [("already freed", "destroyed"), ("pending", "destroyed")];
    explore_at_most(2, tried.into_iter().flatten().chain(first), || {
        let house = open_lane(0, [0]);
        let leaver = with(&house, |house| go_out(house, 0));
        let trier = with(&house, |house| match try_free(&house.shell, life(1), &house.resident()) {
            Ok(Some(freed)) => told(house, Ok(freed)),
            Ok(None) => "busy",
            Err(refusal) => told(house, Err(refusal)),
        });
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        let tried = join(trier);
        settled(&house);
        (freed, tried)
    });
}

/// A later free takes over as the last one leaves by its slot.
#[test]
fn take_over_vs_last_leave_awake() {
    explore(["already freed", "pending"], || {
        let house = open_lane(0, [0]);
        assert_eq!(free_by(&house, Deadline::PASSED, house.resident()), "pending");
        let leaver = with(&house, |house| go_out(house, 0));
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        settled(&house);
        freed
    });
}

/// A stale token against the next life, whose lane is open: it never enters that, and never keeps it from ending.
#[test]
fn reuse_vs_stale_enter_awake() {
    explore_at_most(3, [true, false], || {
        let house = open_lane(0, []);
        let stale = with(&house, |house| operate(house, 0));
        assert_eq!(free_by(&house, Deadline::NEVER, house.resident()), "destroyed");
        house.move_in(1, BLUE);
        assert!(house.shell.open_hazard_lane(2));
        let mut second = house.resident();
        second.generation = 2;
        enter(&house.shell, &second, BLUE, token(2), &house.slots[1], ptr::null()).expect("open");
        house.objects[1].operate(0);
        leave(&house.shell, &second, token(2), &house.slots[1], None);
        let mut closer = house.resident();
        closer.generation = 2;
        let freed = try_free(&house.shell, SECOND, &closer).expect("alive");
        assert!(freed.is_some(), "a stale caller counts as inside");
        join(stale)
    });
}

/// The same where the next life is of the same kind.
#[test]
fn reuse_by_the_same_kind_vs_stale_enter_awake() {
    explore_at_most(3, [true, false], || {
        let house = open_lane(0, []);
        let stale = with(&house, |house| operate(house, 0));
        assert_eq!(free_by(&house, Deadline::NEVER, house.resident()), "destroyed");
        house.move_in(1, RED);
        assert!(house.shell.open_hazard_lane(2));
        join(stale)
    });
}

/// A token that was not handed out yet (it was guessed) lets into its own life or into none.
#[test]
fn reuse_vs_early_enter_awake() {
    explore_at_most(3, [true, false], || {
        let house = open_lane(0, []);
        let early = with(&house, |house| {
            let second = house.second();
            let entered = enter(&house.shell, &second, RED, token(2), &house.slots[0], ptr::null());
            if let Ok(seen) = entered {
                assert!(house.objects[0].is_destroyed(), "inside an earlier life");
                house.objects[1].operate(0);
                leave(&house.shell, &second, token(2), &house.slots[0], Some(seen));
            }
            entered.is_ok()
        });
        assert_eq!(free_by(&house, Deadline::NEVER, house.resident()), "destroyed");
        house.move_in(1, RED);
        assert!(house.shell.open_hazard_lane(2));
        join(early)
    });
}

/// A thread's slot is taken for another handle at once: who sees that token instead comes after the first operation, too.
#[test]
fn slot_of_another_handle_vs_free_awake() {
    explore(["destroyed", "pending"], || {
        let house = open_lane(0, [0]);
        let leaver = with(&house, |house| {
            go_out(house, 0);
            house.slots[0].fill(token(7), ptr::null());
        });
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(leaver);
        settled(&house);
        freed
    });
}

/// A thread ends, and another takes its record over and enters by the same slot: the closer sees either's operation, and
/// comes after both.
#[test]
fn record_reuse_vs_free_awake() {
    let taken =
        ["destroyed", "pending"].map(|freed| [(freed, true, true), (freed, true, false), (freed, false, false)]);
    explore_at_most(3, taken.into_iter().flatten(), || {
        let house = open_lane(0, [0]);
        let ownership = Arc::new(Ownership::new());
        let next = {
            let (house, ownership) = (Arc::clone(&house), Arc::clone(&ownership));
            loom::thread::spawn(move || {
                let taken = ownership.take_over(|| !house.slots[0].protects(token(1)));
                if taken {
                    // What a record keeps for its owner alone.
                    house.objects[1].operate(0);
                }
                (taken, taken && operate(&house, 0))
            })
        };
        let first = with(&house, move |house| {
            go_out(house, 0);
            house.objects[1].operate(0);
            ownership.end();
        });
        let freed = free_by(&house, Deadline::PASSED, house.resident());
        join(first);
        let (taken, admitted) = join(next);
        settled(&house);
        (freed, taken, admitted)
    });
}

/// A leave that found the word closed, as the processor may run it: nothing but the fence in its second half orders the
/// clearing of the slot before its look for *deferred*.
#[test]
fn deferred_destroy_vs_leave_unordered_awake() {
    explore(["closer", "leaver"], || {
        let house = open_lane(0, [0]);
        assert_eq!(house.shell.close(life(1)), Ok(Close::Busy));
        let leaver = with(&house, |house| {
            house.objects[0].operate(0);
            house.slots[0].clear();
            leave_closed(&house.shell, &house.resident());
        });
        assert!(house.shell.defer(), "with a hazard lane it always gives up");
        let mine = claims_end(&house.shell, &house.resident());
        if mine {
            end(&house.shell, &house.resident());
        }
        join(leaver);
        settled(&house);
        if mine { "closer" } else { "leaver" }
    });
}

/// The first thread besides the closer links its record: if the closer does not see that, and skips the barrier, the thread
/// finds the word closed before it stores a slot.
#[test]
fn first_record_vs_close_awake() {
    explore([(false, true), (false, false), (true, false)], || {
        let house = open_lane(0, []);
        house.linked.store(false, Ordering::Relaxed);
        let thread = with(&house, |house| {
            house.linked.store(true, Ordering::Release);
            full();
            house.shell.look().admits_by_slot()
        });
        assert_eq!(house.shell.close(life(1)), Ok(Close::Busy));
        let resident = house.resident();
        assert!(settle(&resident));
        (resident.was_alone.get(), join(thread))
    });
}
