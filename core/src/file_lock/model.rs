//! The operating system in a model: one name, the files that it leads to one after another, their locks, and who is told of a close.
//!
//! Each call is one step on a word that loom sees, so that it is tried in every order with the others; what it does is beside the
//! model, in plain state. A look at the name is a load; who gets a lock sees what was done before it was given back.
//!
//! - *Time passes only where nobody waits*: there the sleep of the watcher's thread ends at once. Where somebody waits no pause
//!   ends. So a waiter looks again only if it is told, and one that is not told is a deadlock, which loom reports.
//! - *A close is told of before it ends the lock*, as Linux does.
//! - *Another process* is a thread of the model that calls [`lock_elsewhere`].
//! - *Within this process nobody is in another one's way*, and one at a time tries: otherwise a call of `lock` panics.
//! - *In the end nothing is left*: [`end`] panics otherwise.

use crate::deadline::Deadline;
use crate::file_lock::LockMode;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::identity::{Found, Identity};
use crate::file_lock::process::Process;
use crate::park::Parker;
use crate::shim::{AtomicUsize, Ordering};
use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The error number of a call that failed.
pub(super) type Errno = i32;

/// So many files one after another.
const FILES: usize = 3;

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel::new();
}

struct Kernel {
    /// Steps of the name, of each file, and of what is watched.
    name: AtomicUsize,
    files: [AtomicUsize; FILES],
    watched: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The file that the name leads to.
    named: usize,
    /// The locks, by the file and descriptor that has them.
    locks: Vec<(usize, Lock)>,
    /// Of each file: the descriptor of this process that tried it in vain.
    trying: [Option<usize>; FILES],
    descriptors: usize,
    open: usize,
    watches: Vec<(Watched, usize, &'static Calls)>,
    last_watch: usize,
    clock: u64,
    threads: Vec<loom::thread::JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Lock {
    descriptor: usize,
    is_shared: bool,
    is_ours: bool,
}

/// An open file.
pub(super) struct Descriptor {
    file: usize,
    number: usize,
    is_ours: bool,
}

impl Kernel {
    fn new() -> Kernel {
        let step = || AtomicUsize::new(0);
        Kernel { name: step(), files: [(); FILES].map(|()| step()), watched: step(), state: Mutex::default() }
    }

    /// Not held across a step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name is looked up.
    fn look(&self) -> usize {
        self.name.load(Ordering::Acquire);
        self.state().named
    }

    /// Something about the file is changed.
    fn change(&self, file: usize) -> MutexGuard<'_, State> {
        self.files[file].fetch_add(1, Ordering::AcqRel);
        self.state()
    }

    fn open(&self, is_ours: bool) -> Descriptor {
        let file = self.look();
        let mut state = self.state();
        state.descriptors += 1;
        state.open += 1;
        Descriptor { file, number: state.descriptors, is_ours }
    }

    /// Whoever watches the file is told of what was just done to it.
    fn tell(state: MutexGuard<'_, State>, file: usize) {
        let told = state.watches.iter().filter(|watch| watch.1 == file);
        let told: Vec<_> = told.map(|watch| (watch.0, watch.2)).collect();
        drop(state);
        for (watched, calls) in told {
            calls.changed.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
            calls.parker.unpark();
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut state = KERNEL.change(self.file);
        state.open -= 1;
        state.trying[self.file].take_if(|number| *number == self.number);
        let is_locked = state.locks.iter().any(|(_, lock)| lock.descriptor == self.number);
        Kernel::tell(state, self.file);
        if is_locked {
            unlock(self);
        }
    }
}

fn found(file: usize) -> Found {
    Found { identity: Identity { device: 1, inode: [1, 2, 3][file] }, is_regular: true }
}

pub(super) fn open(_path: &CStr, _more_flags: i32) -> Result<Descriptor, Errno> {
    Ok(KERNEL.open(true))
}

/// Every file is there.
pub(super) fn open_nameless(_directory: &CStr) -> Result<Descriptor, Errno> {
    Err(libc::ENOSYS)
}

pub(super) fn give_name(_file: &Descriptor, _path: &CStr) -> Result<(), Errno> {
    Err(libc::ENOSYS)
}

/// Nothing is written into a file.
pub(super) fn open_to_read(_path: &CStr) -> Result<Descriptor, Errno> {
    Err(libc::ENOENT)
}

pub(super) fn stat(file: &Descriptor) -> Result<Found, Errno> {
    Ok(found(file.file))
}

pub(super) fn stat_path(_path: &CStr) -> Result<Found, Errno> {
    Ok(found(KERNEL.look()))
}

pub(super) fn make_directory(_path: &CStr) -> Result<(), Errno> {
    Err(libc::EEXIST)
}

pub(super) fn remove_directory(_path: &CStr) {}

pub(super) fn lock(descriptor: &Descriptor, operation: i32) -> Result<bool, Errno> {
    let Descriptor { file, number, is_ours } = *descriptor;
    let is_shared = operation == libc::LOCK_SH;
    let mut state = KERNEL.change(file);
    let mut in_the_way = state.locks.iter().filter(|lock| lock.0 == file && !(is_shared && lock.1.is_shared));
    let is_free = in_the_way.clone().next().is_none();
    if is_ours {
        assert!(!in_the_way.any(|lock| lock.1.is_ours), "this process is in its own way");
        assert!(state.trying[file].is_none_or(|trying| trying == number), "two of this process try at once");
        state.trying[file] = (!is_free).then_some(number);
    }
    if is_free {
        state.locks.push((file, Lock { descriptor: number, is_shared, is_ours }));
    }
    Ok(is_free)
}

pub(super) fn unlock(descriptor: &Descriptor) {
    KERNEL.change(descriptor.file).locks.retain(|(_, lock)| lock.descriptor != descriptor.number);
}

pub(super) fn read_at_start(_file: &Descriptor, _bytes: &mut [u8]) -> Result<usize, Errno> {
    Ok(0)
}

pub(super) fn write_at_start(_file: &Descriptor, _bytes: &[u8]) -> Result<(), Errno> {
    Err(libc::ENOSPC)
}

pub(super) fn current_directory(_bytes: &mut [u8]) -> Result<&CStr, Errno> {
    Err(libc::ENOENT)
}

pub(super) fn process_id() -> u32 {
    1
}

pub(super) fn has_ended(_process: u32) -> bool {
    false
}

pub(super) fn host_name(_bytes: &mut [u8]) {}

pub(super) fn wall_clock() -> u64 {
    0
}

/// The clock of the watcher.
pub(super) fn now() -> u64 {
    KERNEL.state().clock.max(1)
}

/// What the watcher's thread sleeps on; leaked, as what loom does not see cannot order its end.
pub(super) struct Notifier(&'static Calls);

struct Calls {
    parker: Parker,
    changed: Mutex<Vec<Watched>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched(usize);

impl Notifier {
    pub(super) fn new() -> Result<Notifier, Errno> {
        Ok(Notifier(Box::leak(Box::new(Calls { parker: Parker::new(), changed: Mutex::default() }))))
    }

    pub(super) fn watch(&self, file: &Descriptor) -> Watched {
        KERNEL.watched.fetch_add(1, Ordering::AcqRel);
        let mut state = KERNEL.change(file.file);
        state.last_watch += 1;
        let watched = Watched(state.last_watch);
        state.watches.push((watched, file.file, self.0));
        watched
    }

    pub(super) fn unwatch(&self, watched: Watched) {
        KERNEL.watched.fetch_add(1, Ordering::AcqRel);
        let mut state = KERNEL.state();
        state.watches.retain(|watch| watch.0 != watched);
        let is_over = state.watches.is_empty();
        drop(state);
        if is_over {
            // The pause ends by itself.
            self.0.parker.unpark();
        }
    }

    pub(super) fn wake(&self) {
        self.0.parker.unpark();
    }

    pub(super) fn sleep(&self, deadline: Deadline) {
        KERNEL.watched.fetch_add(0, Ordering::Acquire);
        let mut state = KERNEL.state();
        if state.watches.is_empty() {
            state.clock = state.clock.max(deadline.to_bits());
            return;
        }
        drop(state);
        self.0.parker.park(Deadline::NEVER);
    }

    pub(super) fn changes(&self, changed: impl FnMut(Watched)) {
        let told = std::mem::take(&mut *self.0.changed.lock().unwrap_or_else(PoisonError::into_inner));
        told.into_iter().for_each(changed);
    }
}

pub(super) fn start(process: &'static Process) -> Result<(), Errno> {
    let thread = loom::thread::spawn(move || super::watch::run(process));
    KERNEL.state().threads.push(thread);
    Ok(())
}

/// Nobody forks.
pub(super) struct Inherited;

impl Inherited {
    pub(super) fn note(_file: &Descriptor, _identity: Identity) -> Result<Inherited, FileLockIoError> {
        Ok(Inherited)
    }
}

/// A lock of another process's. Dropped: unlocked, then closed.
pub struct LockedElsewhere(Descriptor);

/// Another process locks the file that the name leads to, unless somebody is in the way.
#[must_use]
pub fn lock_elsewhere(mode: LockMode) -> Option<LockedElsewhere> {
    let descriptor = KERNEL.open(false);
    let operation = if mode == LockMode::Shared { libc::LOCK_SH } else { libc::LOCK_EX };
    lock(&descriptor, operation).unwrap_or(false).then_some(LockedElsewhere(descriptor))
}

impl Drop for LockedElsewhere {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// Somebody replaces the file by another one.
pub fn replace() {
    KERNEL.name.fetch_add(1, Ordering::AcqRel);
    let replaced = {
        let mut state = KERNEL.state();
        state.named += 1;
        state.named - 1
    };
    Kernel::tell(KERNEL.change(replaced), replaced);
}

/// Which file the name leads to.
#[must_use]
pub fn named() -> usize {
    KERNEL.look()
}

/// All have ended: waits for the watcher's thread, and looks that nothing is left.
pub fn end() {
    loop {
        let threads = std::mem::take(&mut KERNEL.state().threads);
        if threads.is_empty() {
            break;
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap_or(()));
    }
    let state = KERNEL.state();
    assert!(state.open == 0 && state.locks.is_empty() && state.watches.is_empty(), "something is left");
}
