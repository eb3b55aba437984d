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

use crate::file_lock::error::FileLockIoError;
use crate::file_lock::holder::{self, Holder};
use crate::file_lock::identity::Identity;
#[cfg(not(loom))]
use crate::file_lock::inherited::Inherited;
#[cfg(loom)]
use crate::file_lock::model::Inherited;
use crate::file_lock::process::ProcessId;
use crate::file_lock::sidecar::Content;
use crate::file_lock::system::{Descriptor, Errno};
use crate::file_lock::{LockMode, system};
use std::mem::ManuallyDrop;

/// An open file that may come to be locked, or is. For as long as it is open a forked child closes its copy: one that was made while this
/// process waits has a share of the lock, too, that comes of it.
pub(super) struct Candidate {
    file: ManuallyDrop<Descriptor>,
    inherited: ManuallyDrop<Inherited>,
    process: ProcessId,
}

/// A file that is locked. Given back by its drop.
pub(super) struct Locked {
    file: Candidate,
    /// What is written down in the file of who holds it.
    noted: Option<Holder>,
}

/// What came of it.
pub(super) enum Attempt {
    Locked(Locked),
    /// By somebody else.
    Held(Candidate),
}

impl Candidate {
    /// `file`, which is that one.
    pub(super) fn new(file: Descriptor, identity: Identity) -> Result<Candidate, FileLockIoError> {
        let inherited = ManuallyDrop::new(Inherited::note(&file, identity)?);
        Ok(Candidate { file: ManuallyDrop::new(file), inherited, process: ProcessId::this() })
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.file
    }

    /// Tries to lock it.
    pub(super) fn attempt(self, mode: LockMode) -> Result<Attempt, Errno> {
        let operation = match mode {
            LockMode::Exclusive => libc::LOCK_EX,
            LockMode::Shared => libc::LOCK_SH,
        };
        let is_locked = system::lock(&self.file, operation)?;
        Ok(if is_locked { Attempt::Locked(Locked { file: self, noted: None }) } else { Attempt::Held(self) })
    }

    fn is_ours(&self) -> bool {
        self.process.is_this()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: once, here, in this order; neither is used again.
            unsafe {
                ManuallyDrop::drop(&mut self.inherited);
                ManuallyDrop::drop(&mut self.file);
            }
        }
        // In a forked child it was closed by `fork`: its number may be another file's by now.
    }
}

impl Locked {
    /// Writes down who holds it, if that is allowed.
    pub(super) fn note(&mut self, content: Content, mode: LockMode, hold: u64) {
        self.noted = holder::note(&self.file.file, content, mode, hold);
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.file.is_ours() {
            if let Some(noted) = &self.noted {
                holder::note_release(&self.file.file, noted);
            }
            system::unlock(&self.file.file);
        }
    }
}
