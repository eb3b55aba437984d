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
        self.time_unless(work, |before, after| before != after);
    }

    /// [`Stopwatch::time`], of work that sleeps: that is part of it, and only a core that was taken away disturbs.
    pub fn time_with_sleep(&mut self, work: impl FnOnce()) {
        self.time_unless(work, |before, after| before.involuntary != after.involuntary);
    }

    fn time_unless(&mut self, work: impl FnOnce(), was_off: fn(Switches, Switches) -> bool) {
        let switches = Switches::now();
        let ticks = self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let start = Instant::now();
        work();
        let took = start.elapsed();
        let stood_still = ticks.is_some() && ticks == self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let disturbed = stood_still || was_off(switches, Switches::now());
        self.lap = Some(if disturbed { Lap::Disturbed } else { Lap::Took(took) });
    }

    /// What was timed.
    pub fn lap(self) -> Lap {
        self.lap.expect("a subject times each batch")
    }
}

#[cfg(test)]
mod tests {
    use super::{Lap, Stopwatch};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn lap(beside: Option<&AtomicU64>, work: impl FnOnce()) -> Lap {
        let mut watch = Stopwatch::new(beside);
        watch.time(work);
        watch.lap()
    }

    #[test]
    fn a_batch_that_leaves_its_core_is_disturbed() {
        assert_eq!(lap(None, || std::thread::sleep(Duration::from_millis(1))), Lap::Disturbed);
    }

    #[test]
    fn a_batch_that_sleeps_is_not_disturbed_if_that_is_part_of_it() {
        assert!((0..20).any(|_| {
            let mut watch = Stopwatch::new(None);
            watch.time_with_sleep(|| std::thread::sleep(Duration::from_millis(1)));
            watch.lap() != Lap::Disturbed
        }));
    }

    #[test]
    fn a_batch_beside_a_sibling_that_stands_still_is_disturbed() {
        assert_eq!(lap(Some(&AtomicU64::new(7)), || ()), Lap::Disturbed);
    }

    #[test]
    fn others_are_not() {
        let ticks = AtomicU64::new(7);
        let moves = || ticks.store(8, Ordering::Relaxed);
        // The machine itself may disturb one, not a thousand.
        assert!((0..1000).any(|_| lap(None, || ()) != Lap::Disturbed));
        assert!((0..1000).any(|_| {
            ticks.store(7, Ordering::Relaxed);
            lap(Some(&ticks), moves) != Lap::Disturbed
        }));
    }
}
