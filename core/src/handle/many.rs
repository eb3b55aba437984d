//! Freeing many handles with one deadline.

use crate::handle::any::AnyHandle;
use crate::handle::free::{self, Begun, Closing};
use crate::handle::resolved::Resolved;
use crate::handle::token::Parts;
use crate::handle::{DIRECTORY, Freed, kind, process};
use crate::{Deadline, Error};
use std::time::Duration;

/// Frees all of `handles`: closes every one first, then waits for all up to one common deadline, and
/// tells `each` what became of the one at which position, in no particular order.
///
/// # Errors
/// [`Error::NoMemory`]: none was touched, and `each` was not called.
pub fn free_many(
    handles: &[AnyHandle],
    timeout: Duration,
    each: impl FnMut(usize, Result<Freed, Error>),
) -> Result<(), Error> {
    let batch = Batch::with_room(handles.len())?;
    Batch { named: true, ..batch }.free(handles.iter().copied(), Deadline::after(timeout), each);
    Ok(())
}

/// The memory that freeing many handles needs, so that it is there before the first is closed.
pub(crate) struct Batch {
    closed: Vec<usize>,
    closings: Vec<Closing<'static, Resolved>>,
    lost: Vec<(usize, Resolved)>,
    room: usize,
    /// By the caller, whose mistake it is if one is over already; not found by the library, which only came too late.
    named: bool,
}

impl Batch {
    /// For `room` handles.
    pub(crate) fn with_room(room: usize) -> Result<Batch, Error> {
        let mut batch = Batch { closed: Vec::new(), closings: Vec::new(), lost: Vec::new(), room, named: false };
        batch.closed.try_reserve_exact(room).map_err(|_| Error::NoMemory)?;
        batch.closings.try_reserve_exact(room).map_err(|_| Error::NoMemory)?;
        batch.lost.try_reserve_exact(room).map_err(|_| Error::NoMemory)?;
        Ok(batch)
    }

    /// Frees as many of `handles` as there is room for.
    pub(crate) fn free(
        &mut self,
        handles: impl Iterator<Item = AnyHandle>,
        deadline: Deadline,
        mut each: impl FnMut(usize, Result<Freed, Error>),
    ) {
        for (position, handle) in handles.take(self.room).enumerate() {
            let begun = Resolved::find_handle(handle.bits(), None)
                .and_then(|found| Ok(free::begin(found.shell, found.identity(None), found)?));
            match begun {
                Ok(Begun::Over(freed)) => each(position, Ok(freed)),
                Ok(Begun::Stale(found)) if self.named => each(position, Ok(free::freed_again(&found))),
                Ok(Begun::Stale(_)) => each(position, Ok(Freed::AlreadyFreed)),
                Ok(Begun::Closed(closing)) => {
                    self.closed.push(position);
                    self.closings.push(closing);
                }
                Ok(Begun::Lost(found)) => self.lost.push((position, found)),
                Err(error) => each(position, Err(error)),
            }
        }
        free::finish(&mut self.closings, deadline);
        for (position, closing) in self.closed.drain(..).zip(self.closings.drain(..)) {
            each(position, Ok(closing.outcome()));
        }
        for (position, found) in self.lost.drain(..) {
            each(position, Ok(free::outlive(found.shell, deadline, &found).into()));
        }
    }

    /// Frees the live handles, or those of one kind, as many as there is room for.
    pub(crate) fn free_live(&mut self, of_kind: Option<u64>, deadline: Deadline) {
        let handles = live(of_kind).map(|handle| AnyHandle::from_bits(handle.token));
        self.free(handles, deadline, |_, _| {});
    }
}

/// Every handle of this process that is not over, kinds and holds apart: all, or those of one kind.
pub(crate) fn live(of_kind: Option<u64>) -> impl Iterator<Item = Resolved> {
    let key = process::key();
    DIRECTORY.shells().filter_map(move |(index, shell)| {
        let state = shell.look();
        let kind = shell.kind();
        let wanted = of_kind.map_or(kind != kind::KINDS && kind != kind::HOLDS, |wanted| wanted == kind);
        // A look at a moving target: whatever is done with the token is judged again.
        if state.is_over() || shell.key() != key || !wanted {
            return None;
        }
        let generation = state.generation();
        Some(Resolved { token: Parts { key, index, generation }.join(), shell })
    })
}

/// Frees every handle of this process, of every kind, within `timeout`; kinds stay usable. Answers how
/// many are left (those with somebody inside at the deadline, and those opened meanwhile). For tests and
/// orderly exits.
///
/// # Errors
/// [`Error::NoMemory`]: nothing was freed.
pub fn quiesce_all(timeout: Duration) -> Result<usize, Error> {
    Batch::with_room(live(None).count())?.free_live(None, Deadline::after(timeout));
    Ok(live(None).count())
}
