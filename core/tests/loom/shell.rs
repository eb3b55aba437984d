//! Races between the lives of one shell: tokens of an earlier life against the next one.

use crate::object::{BLUE, House, RED, SECOND, life};
use crate::{explore, explore_at_most, join, with};
use quiescent_core::Deadline;
use quiescent_core::handle::pieces::{Close, Departure, Identity, Refusal, TryClose};
use std::sync::Arc;

/// An operation under a token of life `generation`, whose object is number `object`.
fn operate(house: &House, id: Identity, object: usize, part: usize) -> Result<(), Refusal> {
    house.shell.admit(id)?;
    assert!(std::ptr::eq(house.object(), &raw const house.objects[object]), "entered another life's object");
    house.objects[object].operate(part);
    assert_eq!(house.shell.depart(), Departure::Plain);
    Ok(())
}

/// Ends the first life if nobody is inside, and begins the second.
pub fn reuse(house: &House, kind: u64) -> bool {
    if house.shell.try_close(life(1)) != Ok(TryClose::Idle) {
        return false;
    }
    house.objects[0].destroy();
    let next = house.shell.vacate(1).generation;
    assert_eq!(house.move_in(1, kind), next);
    true
}

/// A token used by a thread to which nothing was passed (a guess, or a C program's own race): it is
/// refused, or sees the object as it was opened.
#[test]
fn open_vs_enter_awake() {
    explore([Err(Refusal::NeverIssued), Ok(())].map(|found| format!("{found:?}")), || {
        let house = Arc::new(House::new());
        let guesser = with(&house, |house| operate(house, life(1), 0, 0));
        house.objects[0].re_initialise();
        house.move_in(0, RED);
        format!("{:?}", join(guesser))
    });
}

/// A stale token against the next life, which is of another kind: it never enters, and is never told
/// "wrong kind".
#[test]
fn reuse_vs_stale_enter_awake() {
    let outcomes = [(false, Ok(())), (true, Ok(())), (true, Err(Refusal::Closed)), (true, Err(Refusal::Stale))];
    explore(outcomes.map(|outcome| format!("{outcome:?}")), || {
        let house = Arc::new(House::open());
        let stale = with(&house, |house| operate(house, life(1), 0, 0));
        let reused = reuse(&house, BLUE);
        format!("{:?}", (reused, join(stale)))
    });
}

/// The same when the next life is of the same kind.
#[test]
fn reuse_for_the_same_kind_vs_stale_enter_awake() {
    let outcomes = [(false, Ok(())), (true, Ok(())), (true, Err(Refusal::Closed)), (true, Err(Refusal::Stale))];
    explore(outcomes.map(|outcome| format!("{outcome:?}")), || {
        let house = Arc::new(House::open());
        let stale = with(&house, |house| operate(house, life(1), 0, 0));
        let reused = reuse(&house, RED);
        format!("{:?}", (reused, join(stale)))
    });
}

/// A token of the next life and one of the last, both in use while the shell is re-used.
#[test]
fn reuse_vs_stale_and_early_enter_awake() {
    let stale = [Ok(()), Err(Refusal::Closed), Err(Refusal::Stale)];
    let early = [Ok(()), Err(Refusal::NeverIssued)];
    let reused = stale.iter().flat_map(|stale| early.iter().map(move |early| (true, *stale, *early)));
    let busy = [(false, Ok(()), Err(Refusal::NeverIssued))];
    let outcomes: Vec<String> = reused.chain(busy).map(|outcome| format!("{outcome:?}")).collect();
    explore_at_most(3, outcomes, || {
        let house = Arc::new(House::open());
        let stale = with(&house, |house| operate(house, life(1), 0, 0));
        let early = with(&house, |house| operate(house, SECOND, 1, 1));
        let reused = reuse(&house, BLUE);
        format!("{:?}", (reused, join(stale), join(early)))
    });
}

/// A token of the first life taken for one of the second's kind: wrong as long as it lives, stale
/// afterwards, and never right.
#[test]
fn reuse_vs_wrong_kind_awake() {
    explore([Refusal::WrongKind, Refusal::Stale].map(|found| format!("{found:?}")), || {
        let house = Arc::new(House::open());
        let mistaken = with(&house, |house| {
            let refusal = house.shell.check(Identity { generation: 1, kind: Some(BLUE) });
            format!("{:?}", refusal.expect_err("the first life was never blue"))
        });
        reuse(&house, BLUE);
        join(mistaken)
    });
}

/// A stale free against the next life: it closes its own life or nothing.
#[test]
fn reuse_vs_stale_close_awake() {
    let outcomes = [(false, Ok(TryClose::Idle)), (true, Ok(TryClose::Lost)), (true, Err(Refusal::Stale))];
    explore(outcomes.map(|outcome| format!("{outcome:?}")), || {
        let house = Arc::new(House::open());
        let stale = with(&house, |house| {
            let found = house.shell.try_close(life(1));
            if found == Ok(TryClose::Idle) {
                house.objects[0].destroy();
                let _ = house.shell.vacate(1);
            }
            found
        });
        let reused = reuse(&house, BLUE);
        let found = join(stale);
        assert!(!house.shell.look().is_closed() || !reused, "the second life is open");
        format!("{:?}", (reused, found))
    });
}

/// Somebody waits for a life to be over while the shell is re-used at once, and does not sleep through
/// it.
#[test]
fn reuse_vs_parked_waiter() {
    explore([()], || {
        let house = Arc::new(House::open());
        let waiter = with(&house, |house| {
            assert!(house.shell.outlived_by(1, Deadline::NEVER));
            house.objects[0].expect_destroyed();
        });
        assert!(reuse(&house, BLUE));
        join(waiter);
    });
}

/// The same with two, who are both woken.
#[test]
fn reuse_vs_parked_waiters() {
    explore_at_most(2, [()], || {
        let house = Arc::new(House::open());
        let waiters = [0, 1].map(|_| {
            with(&house, |house| {
                assert!(house.shell.outlived_by(1, Deadline::NEVER));
                house.objects[0].expect_destroyed();
            })
        });
        assert!(reuse(&house, BLUE));
        waiters.into_iter().for_each(join);
    });
}

/// Somebody waits for one life after the other, and both end.
#[test]
fn two_lives_vs_parked_waiter() {
    explore_at_most(3, [()], || {
        let house = Arc::new(House::open());
        let waiter = with(&house, |house| {
            for (object, generation) in house.objects.iter().zip(1..) {
                // Before its life has begun there is nothing to wait for.
                if house.shell.check(life(generation)) != Err(Refusal::NeverIssued) {
                    assert!(house.shell.outlived_by(generation, Deadline::NEVER));
                    object.expect_destroyed();
                }
            }
        });
        assert!(reuse(&house, RED));
        assert_eq!(house.shell.try_close(life(2)), Ok(TryClose::Idle));
        house.objects[1].destroy();
        let _ = house.shell.vacate(2);
        join(waiter);
    });
}

/// The closer counts itself again for a hook as the last one leaves: it is inside, or the end is its
/// own, and nobody else's.
#[test]
fn recount_vs_last_leave_awake() {
    explore_at_most(3, [(true, true), (true, false), (false, true)], || {
        let house = Arc::new(House::open());
        house.shell.admit(life(1)).expect("open");
        house.shell.admit(life(1)).expect("open");
        assert!(matches!(house.shell.close(life(1)), Ok(Close::Busy)));
        assert!(!house.shell.uncount(), "two are inside");
        let leavers = [0, 1].map(|part| {
            with(&house, move |house| {
                house.objects[0].operate(part);
                assert_eq!(house.shell.depart(), Departure::Plain);
            })
        });
        let recounted = house.shell.recount();
        let alone = if recounted {
            house.objects[0].on_close();
            house.shell.uncount()
        } else {
            true
        };
        if alone {
            house.objects[0].destroy();
        }
        leavers.into_iter().for_each(join);
        if !alone {
            assert!(house.shell.drained_by(Deadline::PASSED, || 0), "all have left");
            house.objects[0].destroy();
        }
        let _ = house.shell.vacate(1);
        (recounted, alone)
    });
}

/// A reader of the name counts itself in on a closed shell as the last one leaves: it keeps the object
/// alive, or is refused.
#[test]
fn visit_vs_last_leave() {
    explore_at_most(2, [true, false], || {
        let house = Arc::new(House::open());
        house.shell.admit(life(1)).expect("open");
        let visitor = with(&house, |house| {
            let visits = house.shell.visit(1);
            if visits {
                house.objects[0].operate(1);
                assert_eq!(house.shell.depart(), Departure::Plain);
            }
            visits
        });
        let leaver = with(&house, |house| {
            house.objects[0].operate(0);
            assert_eq!(house.shell.depart(), Departure::Plain);
        });
        let close = house.shell.close(life(1)).expect("alive");
        let alone = match close {
            Close::Idle => true,
            _ => house.shell.uncount(),
        };
        assert!(alone || house.shell.drained_by(Deadline::NEVER, || 0));
        house.objects[0].destroy();
        let _ = house.shell.vacate(1);
        join(leaver);
        house.move_in(1, BLUE);
        house.shell.admit(SECOND).expect("open");
        assert!(!house.shell.visit(1), "somebody is inside, but of the next life");
        join(visitor)
    });
}

/// As `reuse_vs_stale_enter_awake`, with two stale callers in a row of lives.
#[test]
fn reuse_twice_vs_stale_enter_awake() {
    explore_at_most(2, [(true, true), (true, false), (false, true)], || {
        let house = Arc::new(House::open());
        let stale = [0, 1].map(|part| {
            with(&house, move |house| match operate(house, life(1), 0, part) {
                Ok(()) => true,
                Err(refusal) => {
                    assert!(matches!(refusal, Refusal::Closed | Refusal::Stale), "{refusal:?}");
                    false
                }
            })
        });
        let reused = reuse(&house, BLUE);
        if reused {
            assert_eq!(house.shell.try_close(SECOND), Ok(TryClose::Idle), "nobody has a token of it");
            house.objects[1].destroy();
            let _ = house.shell.vacate(1);
        }
        let [first, second] = stale.map(join);
        (reused, first || second)
    });
}
