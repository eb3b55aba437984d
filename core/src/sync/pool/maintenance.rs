//! What a pool without a thread leaves to its host: letting old resources go.

use super::GenericPool;
use super::factory::AsyncResourceFactory;
use std::time::Duration;

impl<F: AsyncResourceFactory> GenericPool<F> {
    /// Destroys, here, what has been idle or alive for too long, but keeps the minimal size. Answers after how much time that
    /// is worth doing again; `None`: never, as the pool is closed or nothing in it goes by the time.
    ///
    /// Call it when you like, from any thread, or not at all: timeouts are kept as well when something is taken or given back.
    /// It waits for nobody.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn maintain(&self) -> Option<Duration> {
        if !self.0.limits.keep_time() {
            return None;
        }
        let next_due = || self.0.inventory.with(|inventory| inventory.next_due(self.0.now()));
        while next_due() == Some(0) {
            // So one that leaves is counted among those that there may be. Where there is no place all are in use.
            let Ok(_place) = self.try_place() else { break };
            let now = self.0.now();
            let Some((entry, reason)) = self.0.inventory.with(|inventory| inventory.pick_due(now)) else { break };
            self.0.destroy(entry, reason);
        }
        let now = self.0.now();
        let next = self.0.inventory.with(|inventory| (!inventory.is_closed()).then(|| inventory.next_due(now)))?;
        // What comes back meanwhile may be due then.
        let at_the_latest = self.0.limits.shorter_timeout();
        Some(Duration::from_nanos(next.map_or(at_the_latest, |next| next.min(at_the_latest))))
    }
}
