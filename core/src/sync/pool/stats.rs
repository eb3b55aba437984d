//! What a pool has, and what has happened to it.

use super::DestroyReason;
use std::time::Duration;

/// A pool's statistics, all of one moment:
///
/// `size` = `idle` + `in_use` + `creating` + `leaving`, and `created` = `size` - `creating` + `detached` + all that were
/// destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Resources there are, counting those that are being made or destroyed.
    pub size: u32,
    /// Those that wait to be taken.
    pub idle: u32,
    /// Those that somebody has, and those that are being checked or recycled.
    pub in_use: u32,
    /// Those that are being made.
    pub creating: u32,
    /// Those that are being destroyed.
    pub leaving: u32,
    /// Callers that wait for one to come back.
    pub waiting: u32,
    /// How often one was handed out, so far.
    pub acquired: u64,
    /// How many were made.
    pub created: u64,
    /// How often one was not made: the factory failed or panicked, or was not waited for.
    pub not_created: u64,
    /// How many were detached.
    pub detached: u64,
    /// How often a caller had to wait for one to come back, whatever came of it.
    pub waits: u64,
    /// How long they waited, all together.
    pub wait_total: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    pub(super) destroyed: [u64; DestroyReason::COUNT],
}

impl PoolStats {
    /// How many were destroyed for this reason.
    #[must_use]
    pub fn destroyed(&self, reason: DestroyReason) -> u64 {
        self.destroyed[reason as usize]
    }

    /// How many were destroyed.
    #[must_use]
    pub fn destroyed_total(&self) -> u64 {
        self.destroyed.iter().sum()
    }
}
