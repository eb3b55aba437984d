//! A resource that somebody has.

use super::factory::{AsyncResourceFactory, contained};
use super::inventory::{Entry, Inventory};
use super::place::Place;
use super::{DestroyReason, Inner, PoolError};
#[cfg(not(loom))]
use crate::shared::Shared;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A resource of a pool, given back when this is dropped, on whatever thread. It keeps the pool's memory alive, but not the
/// pool open.
///
/// Dropped by a panic that began while it was held, it goes as unhealthy: nobody knows in what state it is.
#[must_use = "the resource goes back to the pool when this is dropped"]
pub struct PooledResource<F: AsyncResourceFactory> {
    /// `None` after it was given away; otherwise it has a resource.
    entry: Option<Box<Entry<F::Resource>>>,
    /// Whether it is good for another, as far as is known.
    is_fit: bool,
    /// Its thread was not panicking when it was taken.
    was_calm: bool,
    /// The permit goes back last.
    place: Place<F>,
}

impl<F: AsyncResourceFactory> PooledResource<F> {
    /// One that was idle. Not fit until its check says so.
    pub(super) fn unchecked(place: Place<F>, entry: Box<Entry<F::Resource>>) -> PooledResource<F> {
        PooledResource { entry: Some(entry), is_fit: false, was_calm: !std::thread::panicking(), place }
    }

    /// One that was just made.
    pub(super) fn fresh(place: Place<F>, entry: Box<Entry<F::Resource>>) -> PooledResource<F> {
        let mut fresh = PooledResource::unchecked(place, entry);
        fresh.is_fit = true;
        fresh
    }

    /// It passed its check, or is fresh.
    pub(super) fn hand_out(mut self) -> Result<PooledResource<F>, PoolError<F::Error>> {
        self.is_fit = true;
        let pool = self.place.pool.clone();
        if pool.inventory.with(Inventory::hand_out) { Ok(self) } else { Err(PoolError::Closed) }
    }

    /// It was just made for later.
    pub(super) fn shelve(mut self) {
        if let Some(entry) = self.entry.take() {
            self.place.pool.put_back(entry);
        }
    }

    /// It did not pass its check. The place is for another.
    pub(super) fn reject(mut self) -> Place<F> {
        self.settle();
        self.place.pass_on()
    }

    /// Keeps the resource: the pool has one less, and may make another.
    #[must_use = "the resource is not the pool's any more"]
    pub fn detach(mut self) -> F::Resource {
        let pool = self.place.pool.clone();
        let resource = self.entry.take().and_then(|entry| entry.resource);
        pool.detached();
        resource.unwrap_or_else(|| no_resource())
    }

    /// Gives it back as unhealthy: it is destroyed, here.
    pub fn discard(mut self) {
        self.is_fit = false;
    }

    /// The entry's address, for a hold; see [`PooledResource::from_raw`].
    #[cfg(not(loom))]
    pub(crate) fn into_raw(mut self) -> u64 {
        let entry = self.entry.take().unwrap_or_else(|| no_resource());
        self.place.keep();
        Box::into_raw(entry).expose_provenance() as u64
    }

    /// # Safety
    /// `raw` is of [`PooledResource::into_raw`] of a resource of `pool`, and is used once.
    #[cfg(not(loom))]
    pub(super) unsafe fn from_raw(pool: &Shared<Inner<F>>, raw: u64) -> PooledResource<F> {
        #[allow(clippy::cast_possible_truncation, reason = "it was a pointer")]
        let entry = std::ptr::with_exposed_provenance_mut::<Entry<F::Resource>>(raw as usize);
        // SAFETY: the caller's promise.
        PooledResource::fresh(Place::new(pool), unsafe { Box::from_raw(entry) })
    }

    /// Gives the resource back, or destroys it; the place stays.
    fn settle(&mut self) {
        if let Some(entry) = self.entry.take() {
            let is_fit = self.is_fit && !(self.was_calm && std::thread::panicking());
            self.place.pool.take_back(entry, is_fit);
        }
    }
}

impl<F: AsyncResourceFactory> Drop for PooledResource<F> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<F: AsyncResourceFactory> Deref for PooledResource<F> {
    type Target = F::Resource;

    fn deref(&self) -> &F::Resource {
        self.entry.as_ref().and_then(|entry| entry.resource.as_ref()).unwrap_or_else(|| no_resource())
    }
}

impl<F: AsyncResourceFactory> DerefMut for PooledResource<F> {
    fn deref_mut(&mut self) -> &mut F::Resource {
        self.entry.as_mut().and_then(|entry| entry.resource.as_mut()).unwrap_or_else(|| no_resource())
    }
}

impl<F: AsyncResourceFactory> fmt::Debug for PooledResource<F>
where
    F::Resource: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledResource").field(&**self).finish()
    }
}

fn no_resource() -> ! {
    unreachable!("it is taken out only by what uses this up")
}

impl<F: AsyncResourceFactory> Inner<F> {
    /// Recycles one and puts it among the idle, or destroys it. The caller has its place.
    fn take_back(&self, mut entry: Box<Entry<F::Resource>>, is_fit: bool) {
        let judged = if is_fit { self.inventory.with(|inventory| inventory.judge(&entry, self.now())) } else { None };
        if let Some(reason) = judged {
            return self.destroy(entry, reason);
        }
        let resource = entry.resource.as_mut();
        let is_clean =
            is_fit && resource.is_some_and(|resource| contained(|| self.factory.recycle(resource)).unwrap_or(false));
        if !is_clean {
            let reason = self.inventory.with(Inventory::unfit);
            return self.destroy(entry, reason);
        }
        self.put_back(entry);
    }

    /// Puts one that is clean among the idle, if it may.
    fn put_back(&self, entry: Box<Entry<F::Resource>>) {
        let now = self.now();
        if let Some((entry, reason)) = self.inventory.with(|inventory| inventory.put_back(entry, now)) {
            self.destroy(entry, reason);
        }
    }

    /// Destroys one that is counted as leaving.
    #[allow(clippy::boxed_local, reason = "as it is handed around: see invariant 2")]
    pub(super) fn destroy(&self, mut entry: Box<Entry<F::Resource>>, reason: DestroyReason) {
        if let Some(resource) = entry.resource.take() {
            let _ = contained(|| self.factory.destroy(resource, reason));
        }
        if self.inventory.with(|inventory| inventory.gone(reason)) {
            self.queue.call();
        }
    }

    fn detached(&self) {
        if self.inventory.with(Inventory::detached) {
            self.queue.call();
        }
    }
}
