//! Whether a thread has its core to itself.
//!
//! What runs on the other half of a core (on a machine that others use, too: somebody else's work) makes a thread up to twice as
//! slow without taking it from the core, so no count of the system's tells of it. A short computation does, right before and right
//! after what is measured: it keeps as much of the core busy as one thread can, and so is slowed by whatever else uses it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How fast the computation is where nothing is in its way.
#[derive(Debug)]
pub struct Pace {
    /// In nanoseconds: the fastest so far.
    fastest: AtomicU64,
}

/// So many times the fastest is still undisturbed: undisturbed ones lie within three per cent of each other, and beside a neighbour
/// they take 1.3 to 2 times as long.
pub const TOLERANCE: f64 = 1.15;

impl Default for Pace {
    fn default() -> Pace {
        Pace { fastest: AtomicU64::new(u64::MAX) }
    }
}

impl Pace {
    /// Whether the calling thread is slowed right now.
    pub fn is_slowed(&self) -> bool {
        self.is_slow(compute())
    }

    fn is_slow(&self, took: Duration) -> bool {
        took > self.note_fastest(took).mul_f64(TOLERANCE)
    }

    /// It took this long once; answers the fastest so far.
    pub fn note_fastest(&self, took: Duration) -> Duration {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.fastest.fetch_min(took, Ordering::Relaxed).min(took))
    }
}

/// About a microsecond in registers alone: eight independent chains (Marsaglia: "Xorshift RNGs", 2003).
fn compute() -> Duration {
    let mut chains: [u64; 8] = black_box([1, 2, 3, 4, 5, 6, 7, 8]);
    let start = Instant::now();
    for _ in 0..300 {
        for chain in &mut chains {
            *chain ^= *chain << 13;
            *chain ^= *chain >> 7;
            *chain ^= *chain << 17;
        }
    }
    black_box(chains);
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::{Pace, compute};
    use std::time::Duration;

    #[test]
    fn slow_is_what_takes_clearly_longer_than_the_fastest() {
        let pace = Pace::default();
        let is_slow = |nanoseconds| pace.is_slow(Duration::from_nanos(nanoseconds));
        assert!(!is_slow(1000), "the first one is the fastest");
        assert_eq!((is_slow(1140), is_slow(1160)), (false, true));
        assert!(!is_slow(900));
        assert!(is_slow(1140), "by the new fastest");
    }

    #[test]
    fn the_computation_is_not_left_out() {
        assert!((0..100).all(|_| compute() > Duration::from_nanos(100)));
    }
}
