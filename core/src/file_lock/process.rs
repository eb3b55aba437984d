//! What belongs to this process: the table of the files it uses, and the watcher.
//!
//! A forked child has none of its parent's threads, and may have been copied while one of them held a lock of ours. So it begins
//! anew with its first call, and never looks at what it inherited.
//!
//! It is not told by its number alone, which may be its parent's (each is the first of a namespace of process ids, as in containers)
//! or that of an ancestor that has ended since. Nor by the forks alone that it was told of: a raw `clone` tells of none.

use crate::allocate::try_box;
use crate::file_lock::domain::Table;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::system;
use crate::file_lock::watch::Watcher;
#[cfg(not(loom))]
use crate::shim::AtomicU64;
use crate::shim::{AtomicPtr, Ordering};
#[cfg(not(loom))]
use std::ptr;

/// Which process it is; see the file head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessId {
    number: u32,
    /// How many forks from the first process that used this library.
    forks: u64,
}

/// See [`ProcessId`].
#[cfg(not(loom))]
static FORKS: AtomicU64 = AtomicU64::new(0);

/// See the file head. Never given back.
pub(super) struct Process {
    id: ProcessId,
    pub(super) table: Table,
    pub(super) watcher: Watcher,
}

#[cfg(not(loom))]
static CURRENT: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());
#[cfg(loom)]
loom::lazy_static! {
    static ref CURRENT: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
}

impl ProcessId {
    pub(super) fn this() -> ProcessId {
        #[cfg(not(loom))]
        let forks = FORKS.load(Ordering::Relaxed);
        #[cfg(loom)]
        let forks = 0;
        ProcessId { number: system::process_id(), forks }
    }

    pub(super) fn is_this(self) -> bool {
        self == ProcessId::this()
    }
}

/// In a forked child, still alone.
#[cfg(not(loom))]
pub(super) fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

impl Process {
    /// This process's.
    pub(super) fn current() -> Result<&'static Process, FileLockIoError> {
        let id = ProcessId::this();
        loop {
            let known = CURRENT.load(Ordering::Acquire);
            // SAFETY: null, or leaked below.
            if let Some(process) = unsafe { known.as_ref() }.filter(|process| process.id == id) {
                return Ok(process);
            }
            // A child of it is to be told from it.
            #[cfg(not(loom))]
            crate::handle::process::prepare().map_err(|_| FileLockIoError::no_memory())?;
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
        self.id.is_this()
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
