//! What belongs to this process: the table of the files it uses, and the watcher.
//!
//! A forked child has none of its parent's threads, and may have been copied while one of them held a lock of ours. So it begins
//! anew with its first call, and never looks at what it inherited.

use crate::allocate::try_box;
use crate::file_lock::domain::Table;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::system;
use crate::file_lock::watch::Watcher;
use crate::shim::{AtomicPtr, Ordering};
#[cfg(not(loom))]
use std::ptr;

/// See the file head. Never given back.
pub(super) struct Process {
    id: u32,
    pub(super) table: Table,
    pub(super) watcher: Watcher,
}

#[cfg(not(loom))]
static CURRENT: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());
#[cfg(loom)]
loom::lazy_static! {
    static ref CURRENT: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
}

impl Process {
    /// This process's.
    pub(super) fn current() -> Result<&'static Process, FileLockIoError> {
        let id = system::process_id();
        loop {
            let known = CURRENT.load(Ordering::Acquire);
            // SAFETY: null, or leaked below.
            if let Some(process) = unsafe { known.as_ref() }.filter(|process| process.id == id) {
                return Ok(process);
            }
            let fresh = Process { id, table: Table::new(), watcher: Watcher::new() };
            let fresh = Box::into_raw(try_box(fresh).ok_or_else(FileLockIoError::no_memory)?);
            if CURRENT.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: nobody has seen it.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    /// Whether the caller is not a forked child of it.
    pub(super) fn is_current(&self) -> bool {
        self.id == system::process_id()
    }
}

/// The name of this process's program, padded with NULs.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn program_name() -> [u8; 16] {
    let mut name = [0; 16];
    // Of the main thread: the calling one may have a name of its own.
    if let Ok(file) = system::open_to_read(c"/proc/self/comm") {
        let length = system::read_at_start(&file, &mut name[..15]).unwrap_or(0);
        if length > 0 && name[length - 1] == b'\n' {
            name[length - 1] = 0;
        }
    }
    name
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn program_name() -> [u8; 16] {
    [0; 16]
}
