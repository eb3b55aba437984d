//! Times one batch, and tells whether the time is worth anything.

use crate::thread::Switches;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What became of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lap {
    /// It took this long, undisturbed.
    Took(Duration),
    /// A measuring thread was descheduled, or the sibling that was to run beside it stood still.
    Disturbed,
}

/// Given to a subject for one batch: it prepares, has the part that counts timed, and cleans up.
#[derive(Debug)]
pub struct Stopwatch<'a> {
    beside: Option<&'a AtomicU64>,
    lap: Option<Lap>,
}

impl<'a> Stopwatch<'a> {
    /// `beside` counts what a sibling thread does: it must move while the batch is timed.
    pub fn new(beside: Option<&'a AtomicU64>) -> Stopwatch<'a> {
        Stopwatch { beside, lap: None }
    }

    /// Times `work`: once for each batch.
    pub fn time(&mut self, work: impl FnOnce()) {
        let switches = Switches::now();
        let ticks = self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let start = Instant::now();
        work();
        let took = start.elapsed();
        let stood_still = ticks.is_some() && ticks == self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let disturbed = stood_still || switches != Switches::now();
        self.lap = Some(if disturbed { Lap::Disturbed } else { Lap::Took(took) });
    }

    /// What was timed.
    pub fn lap(self) -> Lap {
        self.lap.expect("a subject times each batch")
    }
}
