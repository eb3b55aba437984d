//! What can be told of a handle, and who is inside. For people, tests and reports: a look at a moving
//! target.

use crate::Error;
use crate::deadline;
use crate::handle::any::AnyHandle;
use crate::handle::life::Life as _;
use crate::handle::occupant::Occupant;
use crate::handle::records::Sighting;
use crate::handle::resolved::Resolved;
use crate::handle::shell::Shell;
use crate::handle::{free, kind, records};
use crate::word::State;
use std::time::Duration;

/// How far a handle's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Operations may begin.
    Open,
    /// A free waits for those inside.
    Closing,
    /// A free gave up waiting: the last one out destroys the object.
    Pending,
    /// Nobody is inside: the object is being destroyed.
    Destroying,
}

/// What a handle is and does.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// How far its life has come.
    pub life: Life,
    /// Operations and holds in flight.
    pub in_flight: u32,
    /// Holds among them.
    pub holds: u32,
    /// Since it was opened, to within a tick of the system's clock (at most 10 ms).
    pub age: Duration,
    /// The kind's name, padded with NULs.
    pub kind: [u8; 32],
    /// The handle's label, padded with NULs.
    pub label: [u8; 32],
}

impl Resolved {
    /// How far its life has come.
    pub(crate) fn life(&self) -> Life {
        let state = self.shell.look();
        // An open one's slots need no look.
        if state.is_closed() { life_of(state, free::in_flight(state, self)) } else { Life::Open }
    }
}

fn life_of(state: State, in_flight: u32) -> Life {
    if !state.is_closed() {
        Life::Open
    } else if in_flight == 0 {
        Life::Destroying
    } else if state.is_deferred() {
        Life::Pending
    } else {
        Life::Closing
    }
}

impl AnyHandle {
    /// What it is and does.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (a hold), [`Error::Freed`] once it is
    /// destroyed, [`Error::Forked`].
    pub fn info(self) -> Result<Info, Error> {
        let handle = Resolved::find_handle(self.bits(), None)?;
        let id = handle.identity(None);
        let holds = records::sightings(handle.token).filter(Sighting::is_hold).count();
        let label = handle.shell.label.get();
        let opened_at = handle.shell.opened_at();
        let kind = kind_name(handle.shell);
        // Last: all of the above was this life's if it is not over now.
        let state = handle.shell.check(id)?;
        let in_flight = free::in_flight(state, &handle);
        Ok(Info {
            life: life_of(state, in_flight),
            in_flight,
            holds: u32::try_from(holds).unwrap_or(u32::MAX),
            age: Duration::from_nanos(deadline::now().saturating_sub(opened_at)),
            kind,
            label,
        })
    }

    /// Whether its free is pending because the system refused the barrier that would tell who is inside: another free
    /// tries again.
    pub(crate) fn is_stuck(self) -> bool {
        let state = Resolved::find(self.bits()).and_then(|handle| Ok(handle.shell.check(handle.identity(None))?));
        state.is_ok_and(|state| state.is_deferred() && state.is_counted())
    }

    /// Calls `each` for every operation and hold in flight that was seen; none is seen twice.
    ///
    /// # Errors
    /// As [`AnyHandle::info`].
    pub fn occupants(self, mut each: impl FnMut(Occupant)) -> Result<(), Error> {
        let handle = Resolved::find_handle(self.bits(), None)?;
        handle.shell.check(handle.identity(None))?;
        let now = deadline::now();
        for sighting in records::sightings(handle.token) {
            let mut operation = [0; 40];
            let text = sighting.operation().map_or(&[][..], std::ffi::CStr::to_bytes);
            let length = text.len().min(operation.len() - 1);
            operation[..length].copy_from_slice(&text[..length]);
            each(Occupant {
                thread: sighting.record.thread(),
                thread_name: sighting.record.thread_name(),
                operation,
                since: sighting
                    .hold
                    .map(|(_, since)| since)
                    .or_else(|| handle.shell.closed_at())
                    .map(|since| Duration::from_nanos(now.saturating_sub(since))),
                is_hold: sighting.is_hold(),
                is_waiting: sighting.hold.is_some() && !sighting.is_hold(),
                has_ended: sighting.record.has_ended(),
            });
        }
        Ok(())
    }
}

/// The name of the kind of `shell`, if that is still alive.
fn kind_name(shell: &Shell) -> [u8; 32] {
    let id = shell.kind();
    if id == kind::KINDS {
        return kind::name_of(id);
    }
    // Counted meanwhile, so that the kind's object is not destroyed under the read.
    match Resolved::find(id) {
        Ok(kind) if kind.shell.visit(kind.generation()) => {
            let name = kind::name_of(id);
            kind::release(id);
            name
        }
        _ => [0; 32],
    }
}
