//! The batches of one subject, and what may be said about them.

use crate::stopwatch::Lap;
use std::ops::Div;

/// With fewer batches than this there is no number.
pub const ENOUGH: usize = 15;

/// What one subject took, batch by batch.
#[derive(Clone, Debug, Default)]
pub struct Series {
    kept: Vec<f64>,
    dropped: usize,
}

/// One number in the two ways of looking at it; or the quotient of two, each way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The median.
    pub median: f64,
    /// What a tenth of the batches stays below: the quiet moments of the machine.
    pub p10: f64,
}

impl Level {
    /// A number that was counted, not sampled.
    pub fn exactly(number: f64) -> Level {
        Level { median: number, p10: number }
    }
}

impl Div for Level {
    type Output = Level;

    fn div(self, by: Level) -> Level {
        Level { median: self.median / by.median, p10: self.p10 / by.p10 }
    }
}

impl Series {
    /// Adds a batch of `calls` calls: in nanoseconds each, unless it was disturbed.
    pub fn add(&mut self, lap: Lap, calls: u32) {
        match lap {
            Lap::Took(took) => self.kept.push(took.as_secs_f64() * 1e9 / f64::from(calls)),
            Lap::Disturbed => self.dropped += 1,
        }
    }

    /// Adds a sample that was taken elsewhere.
    pub fn add_sample(&mut self, value: f64) {
        self.kept.push(value);
    }

    /// Adds a sample that was disturbed elsewhere.
    pub fn add_dropped(&mut self, number: usize) {
        self.dropped += number;
    }

    /// Both ways; `None` when there are too few.
    pub fn level(&self) -> Option<Level> {
        Some(Level { median: self.median()?, p10: self.percentile(10)? })
    }

    /// The median; `None` when there are too few.
    pub fn median(&self) -> Option<f64> {
        self.percentile(50)
    }

    /// The value that `percent` per cent of the batches do not exceed; `None` when there are too few.
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        if self.kept.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.kept.clone();
        sorted.sort_by(f64::total_cmp);
        Some(sorted[(sorted.len() - 1) * percent / 100])
    }

    /// How many batches count.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// How many were disturbed.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

/// `value / baseline`, if there are both.
pub fn ratio<T: Div<Output = T>>(value: Option<T>, baseline: Option<T>) -> Option<T> {
    Some(value? / baseline?)
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH, Series};
    use crate::stopwatch::Lap;
    use std::time::Duration;

    #[test]
    fn a_median_needs_enough_undisturbed_batches() {
        let mut series = Series::default();
        for batch in 1..ENOUGH {
            series.add(Lap::Took(Duration::from_nanos(batch as u64 * 10)), 10);
            series.add(Lap::Disturbed, 10);
        }
        assert_eq!(series.median(), None);
        series.add(Lap::Took(Duration::from_nanos(150)), 10);
        assert_eq!(series.median(), Some(8.0));
        assert_eq!((series.kept(), series.dropped()), (ENOUGH, ENOUGH - 1));
    }
}
