//! What a pool is told at the beginning.

use crate::error::Error;
use std::time::Duration;

/// Sizes and times of a pool. A time of [`Duration::MAX`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// So many resources stay, however long they have been idle or alive; a warm-up makes them. At most
    /// [`PoolConfig::max_size`].
    pub min_size: u32,
    /// Never more resources at a time than this, counting those that are being made and destroyed. 1 to
    /// [`PoolConfig::MAX_SIZE`].
    pub max_size: u32,
    /// One that comes back when so many are idle is surplus. At least [`PoolConfig::min_size`], and not 0; more than the
    /// maximal size means no limit.
    pub max_idle: u32,
    /// A call that blocks waits at most so long until somebody gives a resource back. Futures have no deadline.
    pub wait_timeout: Duration,
    /// A call that blocks waits at most so long for one that is being made, from when that begins.
    pub create_timeout: Duration,
    /// One that has been idle for longer goes.
    pub idle_timeout: Duration,
    /// One that was made longer ago goes, as soon as it is not in use.
    pub max_lifetime: Duration,
}

impl PoolConfig {
    /// The highest maximal size.
    pub const MAX_SIZE: u32 = 1 << 20;

    /// Up to `max_size` resources, made when they are needed, and kept for ever.
    #[must_use]
    pub fn new(max_size: u32) -> PoolConfig {
        PoolConfig {
            min_size: 0,
            max_size,
            max_idle: u32::MAX,
            wait_timeout: Duration::MAX,
            create_timeout: Duration::MAX,
            idle_timeout: Duration::MAX,
            max_lifetime: Duration::MAX,
        }
    }

    /// The same, as the pool uses it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub(super) fn limits(&self) -> Result<Limits, Error> {
        let sizes_fit = self.max_size > 0 && self.max_size <= PoolConfig::MAX_SIZE && self.min_size <= self.max_size;
        if !sizes_fit || self.max_idle == 0 || self.max_idle < self.min_size {
            return Err(Error::InvalidArgument);
        }
        Ok(Limits {
            min_size: self.min_size,
            max_size: self.max_size,
            max_idle: self.max_idle.min(self.max_size),
            idle_timeout: nanos(self.idle_timeout),
            max_lifetime: nanos(self.max_lifetime),
        })
    }
}

/// What the inventory goes by. Times are in nanoseconds; `u64::MAX` is never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) min_size: u32,
    pub(super) max_size: u32,
    pub(super) max_idle: u32,
    pub(super) idle_timeout: u64,
    pub(super) max_lifetime: u64,
}

impl Limits {
    /// Whether anything ever goes because of the time.
    pub(super) fn keep_time(&self) -> bool {
        self.shorter_timeout() != u64::MAX
    }

    pub(super) fn shorter_timeout(&self) -> u64 {
        self.idle_timeout.min(self.max_lifetime)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What it means when a warm-up cannot make every resource that it was asked for. Those that it made stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmupStrategy {
    /// The first failure ends it, and is the answer.
    Fail,
    /// It goes on after a failure, and answers how many there are.
    BestEffort,
    /// It goes on after a failure; the last one is the answer if there are less than the minimal size.
    RequireMinimum,
}
