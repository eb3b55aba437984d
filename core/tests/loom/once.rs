//! Races on a cell whose value is made once.

use crate::{explore, explore_at_most, join, line_up, with};
use loom::cell::UnsafeCell;
use quiescent_core::Wait;
use quiescent_core::sync::{CancelToken, OnceCell, OnceCellError, OnceInitError};
use std::sync::Arc;

/// A value that loom knows whether its maker's work is seen.
struct Made(UnsafeCell<u32>);

// SAFETY: the cell is loom's, which checks every access; unordered ones end the model.
unsafe impl Send for Made {}
// SAFETY: as above.
unsafe impl Sync for Made {}

impl Made {
    fn new(number: u32) -> Made {
        let made = Made(UnsafeCell::new(0));
        line_up();
        // SAFETY: checked by loom.
        made.0.with_mut(|value| unsafe { *value = number });
        made
    }

    fn number(&self) -> u32 {
        // SAFETY: checked by loom.
        self.0.with(|value| unsafe { *value })
    }
}

type Cell = OnceCell<Made>;

fn get_or_init(cell: &Cell, number: u32) -> u32 {
    match cell.get_or_init(|| Made::new(number), Wait::FOREVER) {
        Ok(made) => made.number(),
        Err(OnceInitError::Closed) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Whoever sees the value sees all of it.
#[test]
fn init_vs_get_awake() {
    explore([None, Some(1)], || {
        let cell = Arc::new(Cell::new());
        let maker = with(&cell, |cell| get_or_init(cell, 1));
        line_up();
        let seen = cell.get().map(Made::number);
        assert_eq!(join(maker), 1);
        seen
    });
}

/// One makes it, and the other has the same.
#[test]
fn init_vs_init() {
    explore([1, 2], || {
        let cell = Arc::new(Cell::new());
        let other = with(&cell, |cell| get_or_init(cell, 1));
        let mine = get_or_init(&cell, 2);
        assert_eq!(join(other), mine);
        mine
    });
}

#[test]
fn failing_init_vs_init() {
    explore(["failed", "had the other's"], || {
        let cell = Arc::new(Cell::new());
        let failing = with(&cell, |cell| {
            let fail = || {
                line_up();
                Err(())
            };
            match cell.get_or_try_init(fail, Wait::FOREVER) {
                Err(OnceInitError::Failed(())) => "failed",
                Ok(made) if made.number() == 2 => "had the other's",
                _ => panic!("nobody else makes one"),
            }
        });
        assert_eq!(get_or_init(&cell, 2), 2);
        join(failing)
    });
}

#[test]
fn set_vs_init() {
    explore([("set", 1), ("being made", 2), ("there", 2)], || {
        let cell = Arc::new(Cell::new());
        let setter = with(&cell, |cell| match cell.set(Made::new(1)) {
            Ok(_) => "set",
            Err(OnceCellError::Initializing(_)) => "being made",
            Err(OnceCellError::AlreadyInitialized(_)) => "there",
            Err(error) => panic!("{error}"),
        });
        let number = get_or_init(&cell, 2);
        (join(setter), number)
    });
}

/// The one that makes it, one that waits for it, and the end: nobody sleeps on, and what is made is there.
#[test]
fn init_vs_wait_vs_close() {
    let outcomes = [(0, 0), (1, 1), (2, 2), (1, 0), (0, 2)];
    explore_at_most(3, outcomes, || {
        let cell = Arc::new(Cell::new());
        let makers = [1, 2].map(|number| with(&cell, move |cell| get_or_init(cell, number)));
        cell.close();
        let [first, second] = makers.map(join);
        let there = cell.get().map_or(0, Made::number);
        assert_eq!(there, first.max(second), "what was answered is there, and nothing else");
        (first, second)
    });
}

#[test]
fn cancel_vs_made() {
    explore_at_most(2, ["had it", "made it", "cancelled"], || {
        let stage = Arc::new((Cell::new(), CancelToken::new().expect("memory")));
        let waiter = with(&stage, |(cell, cancel)| {
            match cell.get_or_init(|| Made::new(2), Wait::FOREVER.or_cancelled(cancel)) {
                Ok(made) if made.number() == 1 => "had it",
                Ok(_) => "made it",
                Err(OnceInitError::Interrupted(_)) => "cancelled",
                Err(error) => panic!("{error}"),
            }
        });
        let canceller = with(&stage, |(_, cancel)| cancel.cancel());
        let number = get_or_init(&stage.0, 1);
        join(canceller);
        let answer = join(waiter);
        assert_eq!(number == 2, answer == "made it");
        answer
    });
}
