//! A pool's plain state, under its lock: which resources are idle, how many there are, and what has happened. See the head of
//! `pool.rs` for the states and the argument.

use super::DestroyReason;
use super::config::Limits;
use super::stats::PoolStats;
use crate::error::Error;
use std::time::Duration;

/// A resource and its times, on the heap, so that it is one address for a hold.
pub(crate) struct Entry<R> {
    /// `None` while it is being made, and after it was detached.
    pub(super) resource: Option<R>,
    pub(super) created_at: u64,
    pub(super) idle_since: u64,
}

/// What whoever has a place is to do.
pub(super) enum Pick<R> {
    /// Take this one, which was idle.
    Idle(Box<Entry<R>>),
    /// Destroy this one, which is counted as leaving, and pick again.
    Leave(Box<Entry<R>>, DestroyReason),
    /// The same; but then make one in its place.
    Replace(Box<Entry<R>>),
    /// Make one: it is counted as being made.
    Create,
    /// None is idle, and none is to be made.
    Nothing,
    Closed,
}

pub(super) struct Inventory<R> {
    limits: Limits,
    /// In the order in which they came; the last is taken first. Has room for all.
    idle: Vec<Box<Entry<R>>>,
    size: u32,
    creating: u32,
    /// Chosen to be destroyed, and not gone yet.
    leaving: u32,
    waiting: u32,
    closed: bool,
    /// What has happened; the other fields are not used.
    so_far: PoolStats,
}

impl<R> Inventory<R> {
    pub(super) fn new(limits: Limits) -> Result<Inventory<R>, Error> {
        let mut idle = Vec::new();
        idle.try_reserve_exact(limits.max_idle as usize).map_err(|_| Error::NoMemory)?;
        let so_far = PoolStats::default();
        Ok(Inventory { limits, idle, size: 0, creating: 0, leaving: 0, waiting: 0, closed: false, so_far })
    }

    /// For whoever has a place: one that is idle, or room to make one.
    pub(super) fn pick(&mut self, now: u64) -> Pick<R> {
        if self.closed {
            return Pick::Closed;
        }
        match self.idle.pop() {
            None => self.make_room(),
            Some(entry) => match self.due(&entry, now) {
                Some(reason) => self.leave(Pick::Leave(entry, reason)),
                // It is replaced: there are as many afterwards.
                None if self.is_expired(&entry, now) => self.leave(Pick::Replace(entry)),
                None => Pick::Idle(entry),
            },
        }
    }

    /// For whoever has a place and does not wait: one that is idle.
    pub(super) fn pick_idle(&mut self, now: u64) -> Pick<R> {
        if self.closed {
            return Pick::Closed;
        }
        // One that is to be replaced, which takes time, stays.
        let Some(at) = self.idle.iter().rposition(|entry| self.may_shrink() || !self.is_expired(entry, now)) else {
            return Pick::Nothing;
        };
        let entry = self.idle.remove(at);
        match self.due(&entry, now) {
            Some(reason) => self.leave(Pick::Leave(entry, reason)),
            None => Pick::Idle(entry),
        }
    }

    /// For whoever has destroyed one that is to be replaced.
    pub(super) fn pick_replacement(&mut self, now: u64) -> Pick<R> {
        if self.closed || self.size >= self.limits.max_size { self.pick(now) } else { self.make_room() }
    }

    /// One of those that are idle, if it is time for it to go.
    pub(super) fn pick_due(&mut self, now: u64) -> Option<(Box<Entry<R>>, DestroyReason)> {
        let due = self.idle.iter().map(|entry| self.due(entry, now)).enumerate();
        let (at, reason) = due.filter_map(|(at, reason)| Some((at, reason?))).next()?;
        self.leaving += 1;
        Some((self.idle.remove(at), reason))
    }

    /// When the next one is due that is idle now and may go, in nanoseconds from `now`.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        if !self.may_shrink() {
            return None;
        }
        let next = self.idle.iter().map(|entry| self.due_at(entry)).min();
        next.filter(|at| *at != u64::MAX).map(|at| at.saturating_sub(now))
    }

    fn due_at(&self, entry: &Entry<R>) -> u64 {
        let by_idling = entry.idle_since.saturating_add(self.limits.idle_timeout);
        by_idling.min(entry.created_at.saturating_add(self.limits.max_lifetime))
    }

    /// For whoever closes: one that is idle.
    pub(super) fn pick_closing(&mut self) -> Option<Box<Entry<R>>> {
        let entry = self.idle.pop()?;
        self.leaving += 1;
        Some(entry)
    }

    /// Counts one as being made, unless `target` or more stay or as many are idle as may be.
    pub(super) fn reserve(&mut self, target: u32) -> Pick<R> {
        if self.closed {
            return Pick::Closed;
        }
        if self.has_enough(target) || self.size >= self.limits.max_size {
            return Pick::Nothing;
        }
        self.make_room()
    }

    /// Whether `target` (or the maximal size) or more stay or as many are idle as may be, in an open pool. (One that leaves makes
    /// room.)
    pub(super) fn has_enough(&self, target: u32) -> bool {
        !self.closed && (self.staying() >= target.min(self.limits.max_size) || self.has_enough_idle())
    }

    pub(super) fn created(&mut self) {
        self.creating -= 1;
        self.so_far.created += 1;
    }

    /// Whether it was the last one of a closed pool.
    pub(super) fn not_created(&mut self) -> bool {
        self.creating -= 1;
        self.so_far.not_created += 1;
        self.is_one_less()
    }

    /// One is handed out, unless the pool was closed meanwhile.
    pub(super) fn hand_out(&mut self) -> bool {
        self.so_far.acquired += u64::from(!self.closed);
        !self.closed
    }

    /// Whether one that comes back is to be recycled, or why it goes: then it is counted as leaving.
    pub(super) fn judge(&mut self, entry: &Entry<R>, now: u64) -> Option<DestroyReason> {
        let reason = if self.closed {
            DestroyReason::Closing
        } else if self.is_expired(entry, now) && self.may_shrink() {
            DestroyReason::Expired
        } else {
            return None;
        };
        self.leaving += 1;
        Some(reason)
    }

    /// Lets one go that is not fit.
    pub(super) fn unfit(&mut self) -> DestroyReason {
        self.leaving += 1;
        DestroyReason::Unhealthy
    }

    /// Puts one that was recycled among the idle, or answers why it goes.
    pub(super) fn put_back(&mut self, mut entry: Box<Entry<R>>, now: u64) -> Option<(Box<Entry<R>>, DestroyReason)> {
        let reason = if self.closed {
            DestroyReason::Closing
        } else if self.has_enough_idle() {
            DestroyReason::Surplus
        } else {
            entry.idle_since = now;
            self.idle.push(entry);
            return None;
        };
        self.leaving += 1;
        Some((entry, reason))
    }

    /// One is destroyed. Whether it was the last one of a closed pool.
    pub(super) fn gone(&mut self, reason: DestroyReason) -> bool {
        self.leaving -= 1;
        self.so_far.destroyed[reason as usize] += 1;
        self.is_one_less()
    }

    /// One is its holder's own. Whether it was the last one of a closed pool.
    pub(super) fn detached(&mut self) -> bool {
        self.so_far.detached += 1;
        self.is_one_less()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn begin_to_wait(&mut self) {
        self.waiting += 1;
    }

    pub(super) fn end_of_wait(&mut self, nanos: u64) {
        self.waiting -= 1;
        self.so_far.waits += 1;
        let waited = Duration::from_nanos(nanos);
        self.so_far.wait_total = self.so_far.wait_total.saturating_add(waited);
        self.so_far.wait_max = self.so_far.wait_max.max(waited);
    }

    pub(super) fn stats(&self) -> PoolStats {
        let idle = self.count_idle();
        let in_use = self.size - idle - self.creating - self.leaving;
        let (size, creating, leaving, waiting) = (self.size, self.creating, self.leaving, self.waiting);
        PoolStats { size, idle, in_use, creating, leaving, waiting, ..self.so_far }
    }

    fn leave(&mut self, pick: Pick<R>) -> Pick<R> {
        self.leaving += 1;
        pick
    }

    fn make_room(&mut self) -> Pick<R> {
        self.size += 1;
        self.creating += 1;
        Pick::Create
    }

    /// Why an idle one is to go now, if it may.
    fn due(&self, entry: &Entry<R>, now: u64) -> Option<DestroyReason> {
        if !self.may_shrink() {
            None
        } else if self.is_expired(entry, now) {
            Some(DestroyReason::Expired)
        } else {
            (since(entry.idle_since, now) >= self.limits.idle_timeout).then_some(DestroyReason::Idle)
        }
    }

    fn is_expired(&self, entry: &Entry<R>, now: u64) -> bool {
        since(entry.created_at, now) >= self.limits.max_lifetime
    }

    /// Those that leave are gone already, as to the minimum: so two that go at once do not both count the other.
    fn may_shrink(&self) -> bool {
        self.staying() > self.limits.min_size
    }

    fn staying(&self) -> u32 {
        self.size - self.leaving
    }

    fn has_enough_idle(&self) -> bool {
        self.count_idle() >= self.limits.max_idle
    }

    fn count_idle(&self) -> u32 {
        u32::try_from(self.idle.len()).unwrap_or(u32::MAX)
    }

    fn is_one_less(&mut self) -> bool {
        self.size -= 1;
        self.closed && self.size == 0
    }
}

fn since(then: u64, now: u64) -> u64 {
    now.saturating_sub(then)
}
