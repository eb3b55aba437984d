//! The scene of the models of a free: a house with somebody inside, who comes out and who frees, and how
//! it is to look at the end.

use crate::object::{House, Resident, life};
use quiescent_core::Deadline;
use quiescent_core::handle::Freed;
use quiescent_core::handle::pieces::{Refusal, free, leave_counted};
use std::sync::Arc;

/// An open house with `inside` operations in flight.
pub fn occupied(inside: u32) -> Arc<House> {
    let house = House::open();
    for _ in 0..inside {
        house.shell.admit(life(1)).expect("open");
    }
    Arc::new(house)
}

/// The rest of an operation that was admitted before.
pub fn come_out(house: &House, part: usize) {
    house.objects[0].operate(part);
    leave_counted(&house.shell, &house.resident());
}

/// A whole operation: whether it was admitted.
pub fn operate(house: &House, part: usize) -> bool {
    match house.shell.admit(life(1)) {
        Ok(()) => {
            come_out(house, part);
            true
        }
        Err(Refusal::Closed | Refusal::Stale) => false,
        Err(refusal) => panic!("refused as {refusal:?}"),
    }
}

/// A free, which answers as the C surface does; "destroyed" and "already freed" are held to their word.
pub fn free_by(house: &House, deadline: Deadline, resident: Resident<'_>) -> &'static str {
    told(house, free(&house.shell, life(1), deadline, resident))
}

pub fn told(house: &House, freed: Result<Freed, Refusal>) -> &'static str {
    match freed {
        Ok(Freed::Destroyed) => {
            house.objects[0].expect_destroyed();
            "destroyed"
        }
        Ok(Freed::AlreadyFreed) | Err(Refusal::Stale) => {
            house.objects[0].expect_destroyed();
            "already freed"
        }
        Ok(Freed::Pending) => "pending",
        Err(refusal) => panic!("a free was refused as {refusal:?}"),
    }
}

/// At the end of a model, when all have left: the object was destroyed (once: see `Object::destroy`).
pub fn settled(house: &House) {
    house.objects[0].expect_destroyed();
    assert_eq!(house.shell.look().generation(), 2, "the life is over");
    assert_eq!(house.shell.look().count(), 0);
}
