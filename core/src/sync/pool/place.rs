//! A place in a pool: the right to have one of its resources, or to make one.

use super::factory::{AsyncResourceFactory, contained_async};
use super::inventory::{Entry, Inventory, Pick};
use super::resource::PooledResource;
use super::{DestroyReason, Inner, PoolError};
use crate::allocate::try_box;
use crate::deadline::Deadline;
use crate::shared::Shared;

/// A permit of the pool's, given back when this is dropped.
pub(super) struct Place<F: AsyncResourceFactory> {
    pub(super) pool: Shared<Inner<F>>,
    is_kept: bool,
}

/// What whoever has a place comes to.
pub(super) enum Filled<F: AsyncResourceFactory> {
    Ready(PooledResource<F>),
    /// None is idle: one has to be made.
    Missing(Reserved<F>),
    /// The same, and none is to be made.
    Nothing,
}

/// Whether one may be made when none is idle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    IfNeeded,
    Never,
}

/// One that is being made, and counted so. Dropped, it was not made.
pub(super) struct Reserved<F: AsyncResourceFactory> {
    /// Before the place, so that it is not counted any more when the place is given back.
    room: Room<F>,
    place: Place<F>,
}

struct Room<F: AsyncResourceFactory> {
    pool: Shared<Inner<F>>,
    is_used: bool,
}

impl<F: AsyncResourceFactory> Place<F> {
    /// For a permit that was taken.
    pub(super) fn new(pool: &Shared<Inner<F>>) -> Place<F> {
        Place { pool: pool.clone(), is_kept: false }
    }

    /// Somebody else gives the permit back.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// The same permit, in a value of its own.
    pub(super) fn pass_on(&mut self) -> Place<F> {
        self.keep();
        Place::new(&self.pool)
    }

    /// An idle one that passes its check.
    pub(super) async fn fill(self, make: Make) -> Result<Filled<F>, PoolError<F::Error>> {
        let mut place = self;
        let mut is_replacing = false;
        loop {
            let pool = place.pool.clone();
            let now = pool.now();
            let pick = pool.inventory.with(|inventory| match make {
                Make::IfNeeded if is_replacing => inventory.pick_replacement(now),
                Make::IfNeeded => inventory.pick(now),
                Make::Never => inventory.pick_idle(now),
            });
            match pick {
                Pick::Closed => return Err(PoolError::Closed),
                Pick::Nothing => return Ok(Filled::Nothing),
                Pick::Create => return Ok(Filled::Missing(Reserved::new(place))),
                Pick::Leave(entry, reason) => pool.destroy(entry, reason),
                Pick::Replace(entry) => {
                    pool.destroy(entry, DestroyReason::Expired);
                    is_replacing = true;
                }
                Pick::Idle(entry) => {
                    let mut candidate = PooledResource::unchecked(place, entry);
                    let check = contained_async(async { pool.factory.check(&mut candidate).await });
                    match pool.unless_closed(check).await {
                        Some(Ok(true)) => return candidate.hand_out().map(Filled::Ready),
                        Some(Ok(false)) => place = candidate.reject(),
                        Some(Err(_panicked)) => return Err(PoolError::Panicked),
                        None => return Err(PoolError::Closed),
                    }
                }
            }
        }
    }
}

impl<F: AsyncResourceFactory> Drop for Place<F> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.pool.queue.give_back();
        }
    }
}

impl<F: AsyncResourceFactory> Reserved<F> {
    /// For one that was counted as being made.
    pub(super) fn new(place: Place<F>) -> Reserved<F> {
        Reserved { room: Room { pool: place.pool.clone(), is_used: false }, place }
    }

    /// Makes it: not handed out yet.
    pub(super) async fn create(self, until: Deadline) -> Result<PooledResource<F>, PoolError<F::Error>> {
        let empty = Entry { resource: None, created_at: 0, idle_since: 0 };
        // Before it is made, so that what is made has a place to be.
        let mut entry = try_box(empty).ok_or(PoolError::NoMemory)?;
        let pool = self.place.pool.clone();
        let create = contained_async(async { pool.factory.create(until).await });
        match pool.unless_closed(create).await {
            Some(Ok(Ok(resource))) => entry.resource = Some(resource),
            Some(Ok(Err(error))) => return Err(PoolError::Create(error)),
            Some(Err(_panicked)) => return Err(PoolError::Panicked),
            None => return Err(PoolError::Closed),
        }
        entry.created_at = pool.now();
        entry.idle_since = entry.created_at;
        let Reserved { mut room, place } = self;
        room.is_used = true;
        pool.inventory.with(Inventory::created);
        Ok(PooledResource::fresh(place, entry))
    }
}

impl<F: AsyncResourceFactory> Drop for Room<F> {
    fn drop(&mut self) {
        if !self.is_used && self.pool.inventory.with(Inventory::not_created) {
            self.pool.queue.call();
        }
    }
}
