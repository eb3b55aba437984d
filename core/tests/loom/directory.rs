//! Races for shells: who takes one has it alone, until it gives it back.

use crate::object::Object;
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::Error;
use quiescent_core::handle::pieces::{Directory, Tenant, TryClose};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A town whose chunks have one shell each (so that each `take` of a fresh shell publishes a chunk).
struct Town {
    directory: Directory<4>,
    /// What stands for the contents of each shell.
    objects: [Object; 4],
    /// std's, so that it orders nothing.
    is_taken: [AtomicBool; 4],
}

const FOR_EVER: u32 = 1000;

impl Town {
    fn new() -> Arc<Town> {
        Arc::new(Town {
            directory: Directory::new(FOR_EVER),
            objects: std::array::from_fn(|_| Object::new()),
            is_taken: std::array::from_fn(|_| AtomicBool::new(false)),
        })
    }

    /// A town with `vacant` shells on the stack, number 0 on top.
    fn with_vacant(vacant: u32) -> Arc<Town> {
        let town = Town::new();
        let taken: Vec<u32> = (0..vacant).map(|_| town.take()).collect();
        taken.into_iter().rev().for_each(|index| town.give_back(index));
        town
    }

    fn try_take(&self) -> Result<u32, Error> {
        let (index, shell) = self.directory.take()?;
        let place = index as usize;
        assert!(!self.is_taken[place].swap(true, Ordering::Relaxed), "shell {index} belongs to two");
        assert!(std::ptr::eq(shell, self.directory.get(index).expect("it exists")));
        assert!(shell.look().is_over());
        // What its last owner left is seen by the next.
        self.objects[place].operate(0);
        Ok(index)
    }

    fn take(&self) -> u32 {
        self.try_take().expect("there are four")
    }

    /// Where a shell is, if it is yet.
    fn address(&self, index: u32) -> Option<usize> {
        self.directory.get(index).map(|shell| std::ptr::from_ref(shell).addr())
    }

    fn give_back(&self, index: u32) {
        self.objects[index as usize].operate(0);
        self.is_taken[index as usize].store(false, Ordering::Relaxed);
        assert!(self.directory.give_back(index, 1));
    }
}

/// Two take the first shells at once, while a third looks them up: each shell is one, for ever.
#[test]
fn publish_chunk_vs_get() {
    let orders = [(0, 1), (1, 0)];
    let seen = [(false, false), (false, true), (true, false), (true, true)];
    explore_at_most(3, orders.into_iter().flat_map(|order| seen.map(|seen| (order, seen))), || {
        let town = Town::new();
        let takers = [0, 1].map(|_| {
            with(&town, |town| {
                line_up();
                let index = town.take();
                (index, town.address(index).expect("it exists"))
            })
        });
        line_up();
        let early = [0, 1].map(|index| {
            let shell = town.directory.get(index);
            assert!(shell.is_none_or(|shell| shell.look().is_over()));
            town.address(index)
        });
        let [(first, one), (second, other)] = takers.map(join);
        assert_eq!(town.address(first), Some(one));
        assert_eq!(town.address(second), Some(other));
        for (index, shell) in (0..).zip(early) {
            assert!(shell.is_none() || shell == town.address(index));
        }
        ((first, second), (early[0].is_some(), early[1].is_some()))
    });
}

/// Two take while a third gives back what they may get.
#[test]
fn take_vs_take_vs_give_back() {
    let outcomes = [(0, 1), (1, 0), (1, 2), (2, 1)];
    explore_at_most(3, outcomes, || {
        let town = Town::with_vacant(1);
        let owned = town.take();
        assert_eq!(owned, 0);
        let takers = [0, 1].map(|_| with(&town, Town::take));
        town.give_back(owned);
        let [first, second] = takers.map(join);
        (first, second)
    });
}

/// While one is about to take the shell on top, another takes it and the one below it and gives the
/// first back: the first taker must not believe that nothing happened.
#[test]
fn take_vs_take_and_give_back_of_the_same_shell() {
    explore([(0, 1), (0, 2), (1, 0), (2, 0)], || {
        let town = Town::with_vacant(2);
        let quick = with(&town, |town| {
            let (first, _second) = (town.take(), town.take());
            town.give_back(first);
        });
        let slow = town.take();
        join(quick);
        (slow, town.take())
    });
}

/// The same with a third taker at any moment.
#[test]
fn take_vs_take_vs_take_and_give_back() {
    explore_at_most(2, [true, false], || {
        let town = Town::with_vacant(2);
        let quick = with(&town, |town| {
            let (first, _second) = (town.take(), town.take());
            town.give_back(first);
        });
        let takers = [0, 1].map(|_| with(&town, Town::take));
        join(quick);
        let [first, second] = takers.map(join);
        first < second
    });
}

/// The next owner of a shell sees the generation that the last one left.
#[test]
fn take_vs_end_of_a_life_awake() {
    explore([(0, 2), (1, 1)], || {
        let town = Town::new();
        let tenant = Tenant { kind: 1, object: std::ptr::null_mut(), target: 0, key: 1, index: 0 };
        let index = town.take();
        let generation = town.directory.get(index).expect("it exists").open(tenant, 0);
        let ender = with(&town, move |town| {
            line_up();
            let shell = town.directory.get(index).expect("it exists");
            let life = quiescent_core::handle::pieces::Identity { generation, kind: None };
            assert_eq!(shell.try_close(life), Ok(TryClose::Idle));
            town.objects[index as usize].operate(0);
            town.is_taken[index as usize].store(false, Ordering::Relaxed);
            town.directory.give_back(index, shell.vacate(generation).generation);
        });
        line_up();
        let next = town.take();
        let tenant = Tenant { kind: 1, object: std::ptr::null_mut(), target: 0, key: 1, index: 0 };
        let generation = town.directory.get(next).expect("it exists").open(tenant, 0);
        join(ender);
        (next, generation)
    });
}

/// The last shell is given back while another looks for one: it gets it, or is told that there is none.
#[test]
fn take_at_the_limit_vs_give_back() {
    explore([Ok(0), Err(Error::Limit)].map(|found| format!("{found:?}")), || {
        let town = Town::new();
        let owned = [0, 1, 2, 3].map(|_| town.take());
        let seeker = with(&town, Town::try_take);
        town.give_back(owned[0]);
        format!("{:?}", join(seeker))
    });
}
