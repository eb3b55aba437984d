//! The operating system's lock: tried, never waited for, and given back.
//!
//! It is `flock`, the lock of an open file description. It excludes other processes and other descriptions within this one, meets
//! `flock(1)` and std's `File::lock`, ends by itself when the process does, and nobody's closing of another descriptor of the
//! same file drops it (as it drops those of `fcntl(F_SETLK)`). `fcntl(F_OFD_SETLK)` would do as well, but does not meet the others.
//!
//! # On the network
//!
//! As flock(2) and nfs(5) have it, not as tried here:
//!
//! - *NFS*: Linux (since 2.6.12) makes it a lock of the whole file at the server, so other machines are excluded, too. To lock it
//!   alone a file must be open for writing: ours is. Mounted with `local_lock=flock` (or `all`, or `nolock`) it excludes this
//!   machine's processes alone, and nothing tells that from here. A lock that the server lost (an outage beyond its grace period) is
//!   gone without a word to its holder. A server without locks answers `ENOLCK`, which is an error here.
//! - *SMB*: Linux (since 5.5) does the same, but there it is mandatory: others cannot read who holds it.
//! - Nobody is told of a close by another machine: who waits for one looks again after a while (`watch.rs`).
//!
//! # Given back by unlocking, then closing
//!
//! A forked child has a copy of the descriptor, and with it a share of the lock. It must not unlock, which would end the
//! parent's: so only the process that took the lock does; a child closes its copy as it begins (`inherited.rs`). And the process that took it must not merely
//! close, as then the lock would last until the child's copy is closed, too. Also, Linux tells of a close *before* it ends the lock: who
//! is woken by that would try in vain, if it was not unlocked before.

use crate::file_lock::identity::Identity;
#[cfg(not(loom))]
use crate::file_lock::inherited::Inherited;
#[cfg(loom)]
use crate::file_lock::model::Inherited;
use crate::file_lock::sidecar::Content;
use crate::file_lock::system::{Descriptor, Errno};
use crate::file_lock::{LockMode, holder, system};
use std::mem::ManuallyDrop;

/// A file that is locked. Given back by its drop.
pub(super) struct Locked {
    file: ManuallyDrop<Descriptor>,
    inherited: ManuallyDrop<Inherited>,
    process: u32,
    /// Whether it is written down in the file who holds it.
    is_noted: bool,
}

/// What came of it.
pub(super) enum Attempt {
    Locked(Locked),
    /// By somebody else.
    Held(Descriptor),
}

/// Tries to lock `file`, which is that one.
pub(super) fn attempt(file: Descriptor, identity: Identity, mode: LockMode) -> Result<Attempt, Errno> {
    let inherited = Inherited::note(&file, identity).map_err(|error| error.errno())?;
    let operation = match mode {
        LockMode::Exclusive => libc::LOCK_EX,
        LockMode::Shared => libc::LOCK_SH,
    };
    if system::lock(&file, operation)? {
        let (file, inherited) = (ManuallyDrop::new(file), ManuallyDrop::new(inherited));
        return Ok(Attempt::Locked(Locked { file, inherited, process: system::process_id(), is_noted: false }));
    }
    Ok(Attempt::Held(file))
}

impl Locked {
    /// Writes down who holds it, if that is allowed.
    pub(super) fn note(&mut self, content: Content, mode: LockMode) {
        self.is_noted = holder::note(&self.file, content, mode);
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.process == system::process_id() {
            if self.is_noted {
                holder::note_release(&self.file);
            }
            system::unlock(&self.file);
            // SAFETY: once, here, in this order; neither is used again.
            unsafe {
                ManuallyDrop::drop(&mut self.inherited);
                ManuallyDrop::drop(&mut self.file);
            }
        }
        // In a forked child it was closed by `fork`: its number may be another file's by now.
    }
}
