//! Times one batch, and tells whether the time is worth anything.

use crate::pace::Pace;
use crate::thread::Switches;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What became of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lap {
    /// It took this long, undisturbed.
    Took(Duration),
    /// A measuring thread was descheduled, or had its core not to itself, or the sibling that was to run beside it stood still.
    Disturbed,
}

/// Given to a subject for one batch: it prepares, has the part that counts timed, and cleans up.
#[derive(Debug, Default)]
pub struct Stopwatch<'a> {
    beside: Option<&'a AtomicU64>,
    pace: Option<&'a Pace>,
    lap: Option<Lap>,
}

impl<'a> Stopwatch<'a> {
    /// A batch is disturbed if the thread is slowed right before or right after it.
    pub fn at(pace: &'a Pace) -> Stopwatch<'a> {
        Stopwatch { pace: Some(pace), ..Stopwatch::default() }
    }

    /// `ticks` counts what a sibling thread does: it must move while the batch is timed.
    pub fn beside(self, ticks: &'a AtomicU64) -> Stopwatch<'a> {
        Stopwatch { beside: Some(ticks), ..self }
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
        let is_slowed = || self.pace.is_some_and(Pace::is_slowed);
        let switches = Switches::now();
        let was_slowed = is_slowed();
        let ticks = self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let start = Instant::now();
        work();
        let took = start.elapsed();
        let stood_still = ticks.is_some() && ticks == self.beside.map(|beside| beside.load(Ordering::Relaxed));
        let disturbed = is_slowed() || was_slowed || stood_still || was_off(switches, Switches::now());
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
    use crate::pace::Pace;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn lap(beside: Option<&AtomicU64>, work: impl FnOnce()) -> Lap {
        let mut watch = Stopwatch { beside, ..Stopwatch::default() };
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
            let mut watch = Stopwatch::default();
            watch.time_with_sleep(|| std::thread::sleep(Duration::from_millis(1)));
            watch.lap() != Lap::Disturbed
        }));
    }

    #[test]
    fn a_batch_beside_a_sibling_that_stands_still_is_disturbed() {
        assert_eq!(lap(Some(&AtomicU64::new(7)), || ()), Lap::Disturbed);
    }

    #[test]
    fn a_batch_beside_a_neighbour_is_disturbed() {
        let pace = Pace::default();
        // As if it had once been faster than it can be.
        pace.note_fastest(Duration::from_nanos(1));
        let mut watch = Stopwatch::at(&pace);
        watch.time(|| ());
        assert_eq!(watch.lap(), Lap::Disturbed);
    }

    #[test]
    fn others_are_not() {
        let ticks = AtomicU64::new(7);
        let moves = || ticks.store(8, Ordering::Relaxed);
        // The machine itself may disturb one, not a thousand.
        assert!((0..1000).any(|_| lap(None, || ()) != Lap::Disturbed));
        let pace = Pace::default();
        assert!((0..1000).any(|_| {
            let mut watch = Stopwatch::at(&pace);
            watch.time(|| ());
            watch.lap() != Lap::Disturbed
        }));
        assert!((0..1000).any(|_| {
            ticks.store(7, Ordering::Relaxed);
            lap(Some(&ticks), moves) != Lap::Disturbed
        }));
    }
}
