//! What the project wants to reach, and whether it has.

use crate::series::Level;

/// On which side of the number is success.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// One goal.
#[derive(Clone, Debug)]
pub struct Goal {
    /// In words.
    pub what: String,
    /// What is wanted.
    pub bound: Bound,
    /// What was found; `None` when there were too few samples.
    pub measured: Option<Level>,
    /// Written after the numbers: "×", " ns".
    pub unit: &'static str,
}

/// Whether it was reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Yes.
    Met,
    /// No: what was measured lies this factor beyond what is wanted.
    MissedBy(f64),
    /// There were too few samples to say.
    FewSamples,
}

impl Goal {
    /// A ratio or number that is to be small.
    pub fn at_most(what: impl Into<String>, limit: f64, unit: &'static str, measured: Option<Level>) -> Goal {
        Goal { what: what.into(), bound: Bound::AtMost(limit), measured, unit }
    }

    /// A ratio that is to be large.
    pub fn at_least(what: impl Into<String>, limit: f64, unit: &'static str, measured: Option<Level>) -> Goal {
        Goal { what: what.into(), bound: Bound::AtLeast(limit), measured, unit }
    }

    /// Of what is allowed, how much was used, by the median: above 1 it is missed.
    pub fn used(&self) -> Option<f64> {
        self.measured.map(|measured| self.used_by(measured.median))
    }

    fn used_by(&self, measured: f64) -> f64 {
        match self.bound {
            // None allowed: each one counts as a factor, and none is just within.
            Bound::AtMost(0.0) => measured + 1.0,
            Bound::AtMost(limit) => measured / limit,
            Bound::AtLeast(limit) => limit / measured,
        }
    }

    /// Whether it was reached.
    pub fn verdict(&self) -> Verdict {
        match self.used() {
            None => Verdict::FewSamples,
            Some(used) if used <= 1.0 => Verdict::Met,
            Some(used) => Verdict::MissedBy(used),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Verdict};
    use crate::series::Level;

    #[test]
    fn a_goal_is_met_at_its_bound_and_missed_beyond_it() {
        let at_most = |measured| Goal::at_most("", 2.0, "×", Some(Level::exactly(measured))).verdict();
        assert_eq!((at_most(2.0), at_most(3.0)), (Verdict::Met, Verdict::MissedBy(1.5)));
        let at_least = |measured| Goal::at_least("", 4.0, "×", Some(Level::exactly(measured))).verdict();
        assert_eq!((at_least(4.0), at_least(2.0)), (Verdict::Met, Verdict::MissedBy(2.0)));
        let none_lost = |measured| Goal::at_most("", 0.0, "", Some(Level::exactly(measured))).verdict();
        assert_eq!((none_lost(0.0), none_lost(3.0)), (Verdict::Met, Verdict::MissedBy(4.0)));
        assert_eq!(Goal::at_most("", 2.0, "×", None).verdict(), Verdict::FewSamples);
    }
}
