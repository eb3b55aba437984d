//! Freeing many handles with one deadline.

use crate::handle::any::{AnyHandle, Resolved};
use crate::handle::free::{self, Begun, Outlived};
use crate::handle::shell::Refusal;
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
    free_all(handles, Deadline::after(timeout), each)
}

fn free_all(
    handles: &[AnyHandle],
    deadline: Deadline,
    mut each: impl FnMut(usize, Result<Freed, Error>),
) -> Result<(), Error> {
    let mut closed = Vec::new();
    let mut closings = Vec::new();
    let mut lost = Vec::new();
    closed.try_reserve_exact(handles.len()).map_err(|_| Error::NoMemory)?;
    closings.try_reserve_exact(handles.len()).map_err(|_| Error::NoMemory)?;
    lost.try_reserve_exact(handles.len()).map_err(|_| Error::NoMemory)?;
    for (position, handle) in handles.iter().enumerate() {
        let begun = Resolved::find_handle(handle.bits()).and_then(|found| {
            match free::begin(found.shell, found.identity(None), found) {
                Err(Refusal::Stale) => Ok(Begun::Over(Freed::AlreadyFreed)),
                begun => Ok(begun?),
            }
        });
        match begun {
            Ok(Begun::Over(freed)) => each(position, Ok(freed)),
            Ok(Begun::Closed(closing)) => {
                closed.push(position);
                closings.push(closing);
            }
            Ok(Begun::Lost(found)) => lost.push((position, found)),
            Err(error) => each(position, Err(error)),
        }
    }
    free::finish(&mut closings, deadline);
    for (position, closing) in closed.into_iter().zip(&closings) {
        each(position, Ok(closing.outcome()));
    }
    for (position, found) in lost {
        each(
            position,
            Ok(match free::outlive(found.shell, found.generation, deadline, &found) {
                Outlived::Yes => Freed::AlreadyFreed,
                Outlived::Late | Outlived::WaitsForItself => Freed::Pending,
            }),
        );
    }
    Ok(())
}

/// Every handle of this process that is not over, kinds and holds apart: all, or those of one kind.
pub(crate) fn live(of_kind: Option<u64>) -> impl Iterator<Item = Resolved> {
    let key = process::key();
    DIRECTORY.shells().filter_map(move |(index, shell)| {
        let state = shell.look();
        let kind = shell.kind();
        let wanted = of_kind.map_or(kind != kind::KINDS && kind != kind::HOLDS, |wanted| wanted == kind);
        // A look at a moving target: whatever is done with the token is judged again.
        if state.is_vacant() || shell.key() != key || !wanted {
            return None;
        }
        let generation = state.generation();
        Some(Resolved { token: Parts { key, index, generation }.join(), index, generation, shell })
    })
}

/// Frees every live handle, or those of one kind.
pub(crate) fn free_live(of_kind: Option<u64>, deadline: Deadline) -> Result<(), Error> {
    let mut handles = Vec::new();
    for handle in live(of_kind) {
        handles.try_reserve(1).map_err(|_| Error::NoMemory)?;
        handles.push(AnyHandle::from_bits(handle.token));
    }
    free_all(&handles, deadline, |_, _| {})
}

/// Frees every handle of this process, of every kind, within `timeout`; kinds stay usable. Answers how
/// many are left (those with somebody inside at the deadline, and those opened meanwhile). For tests and
/// orderly exits.
///
/// # Errors
/// [`Error::NoMemory`]: nothing was freed.
pub fn quiesce_all(timeout: Duration) -> Result<usize, Error> {
    free_live(None, Deadline::after(timeout))?;
    Ok(live(None).count())
}
