//! A point in time on the monotonic clock, or never.

use std::time::Duration;

/// An absolute deadline on the monotonic clock (it does not jump, and stands still while the machine is
/// suspended).
///
/// Made once at the beginning of a call, so that however often a wait is interrupted it ends at the same
/// moment: never early, and late only by what the scheduler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// Never passes.
    pub const NEVER: Deadline = Deadline(u64::MAX);
    /// Has passed.
    pub const PASSED: Deadline = Deadline(0);

    /// `duration` from now. A duration beyond the clock's range (584 years), as `Duration::MAX`, is
    /// never; zero does not read the clock.
    #[must_use]
    pub fn after(duration: Duration) -> Deadline {
        match u64::try_from(duration.as_nanos()) {
            Ok(0) => Deadline::PASSED,
            Ok(nanos) => Deadline(now().saturating_add(nanos)),
            Err(_) => Deadline::NEVER,
        }
    }

    /// Whether it is too late.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self == Deadline::PASSED || (self != Deadline::NEVER && now() >= self.0)
    }

    /// For an atomic; in the order of time.
    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    /// See [`Deadline::to_bits`].
    pub(crate) fn from_bits(bits: u64) -> Deadline {
        Deadline(bits)
    }

    /// How many milliseconds are left, rounded up, so that they are not over before it is; `None`: it never passes. Does not read
    /// the clock for [`Deadline::PASSED`].
    pub(crate) fn milliseconds_left(self) -> Option<u64> {
        self.nanos().map(|at| if at == 0 { 0 } else { at.saturating_sub(now()).div_ceil(1_000_000) })
    }

    /// Nanoseconds on the clock of [`now`], or `None` for never.
    pub(crate) fn nanos(self) -> Option<u64> {
        (self != Deadline::NEVER).then_some(self.0)
    }
}

/// So that a call that does not come to wait does not look at the clock.
impl From<Duration> for Deadline {
    fn from(duration: Duration) -> Deadline {
        Deadline::after(duration)
    }
}

#[cfg(all(unix, not(loom)))]
#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable. The monotonic clocks exist on every supported system, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    (seconds * 1_000_000_000 + nanos).max(1)
}

/// The monotonic clock as of its last tick, which may be some milliseconds ago: for what is told to people, at a tenth of the cost.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(loom)))]
#[inline]
pub(crate) fn last_tick() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

#[cfg(all(not(any(target_os = "linux", target_os = "android")), not(loom)))]
pub(crate) use now as last_tick;

/// Nanoseconds on the monotonic clock; never zero.
#[cfg(all(unix, not(loom)))]
pub(crate) fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since the first call; never zero.
#[cfg(all(not(unix), not(loom)))]
pub(crate) fn now() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = START.get_or_init(std::time::Instant::now).elapsed();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1).max(1)
}

/// In a model each look at the clock is an eighth of a second after the last one: longer than every
/// pause between two calls of `on_close`, shorter than every deadline that means to be waited for.
#[cfg(loom)]
pub(crate) fn now() -> u64 {
    static CLOCK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    CLOCK.fetch_add(125_000_000, std::sync::atomic::Ordering::Relaxed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert_eq!(Deadline::after(Duration::from_nanos(u64::MAX)), Deadline::NEVER);
        assert!(!Deadline::after(Duration::from_nanos(u64::MAX - 1)).has_passed());
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert!(!Deadline::NEVER.has_passed());
    }

    #[test]
    fn a_deadline_does_not_pass_early() {
        let start = now();
        let deadline = Deadline::after(Duration::from_millis(2));
        while !deadline.has_passed() {}
        assert!(now() - start >= 2_000_000);
    }
}
