//! A lock between processes, on a file.
//!
//! [`FileLock`] locks any file by its name; [`PackLock`] a directory, by a file in it. Both make the file if it is missing, and
//! neither removes it.
//!
//! # What is promised
//!
//! - Threads, tasks and processes that lock the same file exclude each other, whichever call they use and whatever they call the
//!   file: what counts is device and inode.
//! - Within a process: first in, first out, those that share a turn together. Between processes: whoever comes first when it is
//!   free. So a stream of others that share may keep one out that wants it alone.
//! - A wait that ends early (deadline, cancel token, close, a dropped future) ends at once and leaves nothing: no thread in the
//!   operating system, no descriptor, no lock for a moment later. Nothing waits *in* the operating system at all.
//! - A thread that would wait for itself is told so at once. Not re-entrant; a hold may be passed on to, and dropped on, any thread.
//! - A lock ends with its process, however that ends. Nothing is poisoned: who gets the lock after a crash looks for itself.
//! - In a forked child the parent's holds are nobody's: their drop does not unlock. The lock lasts until the parent releases it or
//!   ends, as `fork` closes the child's copies of the locked files. (Two children keep a copy, until they end or
//!   `exec`, and with it the lock of a parent that ends without a release: one made with a raw `clone`, and one that another thread forks
//!   in the moment in which an acquisition opens the file. What is released is free whoever has a copy.) New locks work.
//! - What the file holds is kept. Only a file that this library made, or an empty one that is a [`PackLock`]'s, gets written into who
//!   holds it. That is information; nothing hangs on it. (A file that is made says by whom before its name leads to it. Where that
//!   cannot be done, as without `O_TMPFILE` (other systems than Linux, NFS), without `/proc`, or under a umask that forbids nothing,
//!   what somebody writes into it in the very moment of its making may be lost.)
//! - Whoever removes or replaces the file takes the exclusion away from who holds it. But nobody begins to hold a file that
//!   its name does not lead to any more: who waited for it starts over with the new one.
//! - What a file system cannot do is an error, never a silent success. See `attempt.rs` for what holds on NFS.
//!
//! # Steps of an acquisition
//!
//! | step | on the way out, or dropped here |
//! |---|---|
//! | 1. which file is it (made, if it is missing) | nothing to undo |
//! | 2. the turn in this process (`domain.rs`) | out of the line |
//! | 3. open it; another one by now: from 1 | closed, turn back |
//! | 4. `flock` without blocking; held: watch it, sleep, again | unwatched, closed, turn back |
//! | 5. the name still leads to it; no: from 1 | unlocked, closed, turn back |
//! | 6. say who holds it; the next one may come to the front | the hold |
//!
//! # Invariants
//!
//! 1. At most one waiter of a domain is between 3 and 5: it has the domain's front.
//! 2. The lock of the system is given back before the turn: a hold's fields are dropped in this order.
//! 3. A hold has a descriptor of its own, so one that is shared needs no counting: the system counts.
//! 4. Nothing of another process is touched by a forked child: whatever drops there looks first which process it is. (A call that
//!    blocks, as its thread forks in a signal handler or a waker: that ends there with `exec` or `_exit`, as from any call that blocks.)
//!
//! # Orderings
//!
//! None of its own: the queues are `tokio`'s, the tables are behind a lock, the rest is the operating system's.
//!
//! Unix only. Checked by `core/tests/file_lock`, with real processes, and `ffi-tests/c/filelock.c`.

mod attempt;
mod domain;
mod error;
#[cfg(not(loom))]
mod handle;
mod holder;
mod identity;
#[cfg(not(loom))]
mod inherited;
#[cfg(loom)]
pub mod model;
mod pack;
mod process;
mod sidecar;
#[cfg(not(loom))]
mod system;
mod taker;
mod waiting;
mod watch;

pub use error::{FileLockError, FileLockIoError, TryFileLockError};
pub use holder::Holder;
pub use pack::{PackLock, PackLockError, PackLockErrorOrCancelled, PackLockHold};

use crate::deadline::Deadline;
#[cfg(not(loom))]
use crate::lock::Lock;
use crate::shared::Shared;
use crate::sync::CancelToken;
use crate::wait::{Interrupted, Wait, block_on};
use attempt::{Attempt, Candidate, Locked};
use domain::{InUse, Turn};
#[cfg(loom)]
use model as system;
use process::Process;
use sidecar::{Content, LockPath, Opened};
use std::fmt;
use std::future::{Future, poll_fn};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use system::Errno;
use taker::Taker;
use waiting::Waiting;
use watch::Watch;

/// A file to be locked. Holds nothing open; see [the module](self).
pub struct FileLock {
    path: Shared<LockPath>,
    content: Content,
    closing: CancelToken,
    /// What C holds.
    #[cfg(not(loom))]
    taken: Lock<Vec<FileLockHold>>,
}

/// How to hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Alone.
    Exclusive,
    /// With others that share it.
    Shared,
}

/// A locked file; unlocked when this is dropped, on whatever thread. It outlives the [`FileLock`].
#[must_use = "the file is unlocked when this is dropped"]
pub struct FileLockHold {
    // Dropped in this order: invariant 2.
    _locked: Locked,
    turn: Turn,
}

/// Why there is no hold now.
enum Refused {
    Busy { by_this_thread: bool },
    Closed,
    Io(FileLockIoError),
}

impl From<FileLockIoError> for Refused {
    fn from(error: FileLockIoError) -> Refused {
        Refused::Io(error)
    }
}

impl FileLock {
    /// The file at `path`, which is made if it is missing, and so are the directories above it; what it holds is kept. Locks nothing.
    ///
    /// A relative path begins at the directory that is the current one now. Links are followed at each use.
    ///
    /// # Errors
    /// [`FileLockIoError`]; then nothing was made.
    pub fn open(path: impl AsRef<Path>) -> Result<FileLock, FileLockIoError> {
        FileLock::open_bytes(path.as_ref().as_os_str().as_bytes(), b"", Content::Kept)
    }

    fn open_bytes(path: &[u8], below: &[u8], content: Content) -> Result<FileLock, FileLockIoError> {
        let path = LockPath::new(path, below)?;
        sidecar::open(&path)?;
        let closing = CancelToken::new().map_err(|_| FileLockIoError::no_memory())?;
        Ok(FileLock {
            path,
            content,
            closing,
            #[cfg(not(loom))]
            taken: Lock::new(Vec::new()),
        })
    }

    /// Locks, waiting for those that hold it or came before.
    ///
    /// # Errors
    /// [`FileLockError`].
    pub fn acquire(&self, mode: LockMode, wait: Wait<'_>) -> Result<FileLockHold, FileLockError> {
        self.acquire_for(Taker::Thread, mode, wait)
    }

    /// The same as a future, which may be dropped at any time. The lock is then no thread's: a thread that blocks for it while a
    /// task of its own holds it is not told so. In a forked child it waits anew.
    ///
    /// # Errors
    /// [`FileLockError::Closed`], [`FileLockError::Io`].
    pub async fn acquire_async(&self, mode: LockMode) -> Result<FileLockHold, FileLockError> {
        let begin = || Waiting::new(self.unless_closed(self.wait_in_line(Taker::Task, mode)));
        let mut waiting = begin()?;
        poll_fn(|context| match waiting.poll(context, begin) {
            Ok(answer) => answer,
            Err(error) => Poll::Ready(Err(error.into())),
        })
        .await
    }

    /// Locks if nobody holds it, or waits for it in this process. Does not wait.
    ///
    /// # Errors
    /// [`TryFileLockError`].
    pub fn try_acquire(&self, mode: LockMode) -> Result<FileLockHold, TryFileLockError> {
        self.try_acquire_for(Taker::Thread, mode)
    }

    /// Who holds it, as far as that is written in the file. Information: it may be over by now, and may be anybody's words.
    ///
    /// # Errors
    /// [`FileLockIoError`]; a file that is not there is held by nobody.
    pub fn holder(&self) -> Result<Option<Holder>, FileLockIoError> {
        sidecar::read_holder(&self.path)
    }

    /// The file, absolute, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.as_path()
    }

    /// Ends it: whoever waits with it, and whoever comes, is answered "closed". Who holds the lock keeps it. Others, here or elsewhere, that
    /// lock the same file are not concerned.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing.is_cancelled()
    }

    fn acquire_for(&self, taker: Taker, mode: LockMode, wait: Wait<'_>) -> Result<FileLockHold, FileLockError> {
        wait.check()?;
        match self.attempt_now(taker, mode) {
            Ok(hold) => Ok(hold),
            Err(Refused::Closed) => Err(FileLockError::Closed),
            Err(Refused::Io(error)) => Err(FileLockError::Io(error)),
            Err(Refused::Busy { by_this_thread: true }) => Err(FileLockError::Deadlock),
            Err(Refused::Busy { .. }) if wait.deadline() == Deadline::PASSED => {
                Err(self.interrupted(Interrupted::TimedOut))
            }
            Err(Refused::Busy { .. }) => {
                let acquired = block_on(self.unless_closed(self.wait_in_line(taker, mode)), wait);
                acquired.unwrap_or_else(|interrupted| Err(self.interrupted(interrupted)))
            }
        }
    }

    fn try_acquire_for(&self, taker: Taker, mode: LockMode) -> Result<FileLockHold, TryFileLockError> {
        self.attempt_now(taker, mode).map_err(|refused| match refused {
            Refused::Busy { .. } => TryFileLockError::Busy(self.holder().ok().flatten()),
            Refused::Closed => TryFileLockError::Closed,
            Refused::Io(error) => TryFileLockError::Io(error),
        })
    }

    fn interrupted(&self, interrupted: Interrupted) -> FileLockError {
        FileLockError::Interrupted(interrupted, self.holder().ok().flatten())
    }

    /// All steps, without waiting.
    fn attempt_now(&self, taker: Taker, mode: LockMode) -> Result<FileLockHold, Refused> {
        loop {
            if self.is_closed() {
                return Err(Refused::Closed);
            }
            let turn = match Turn::try_now(InUse::begin(sidecar::identify(&self.path)?)?, mode) {
                Ok(turn) => turn,
                Err(in_use) => {
                    return Err(Refused::Busy { by_this_thread: in_use.is_held_by_this_thread() });
                }
            };
            let Opened { file, identity } = sidecar::open(&self.path)?;
            if identity != turn.in_use().identity {
                continue;
            }
            match self.attempt(Candidate::new(file, identity)?, mode)? {
                Attempt::Locked(locked) => {
                    if let Some(hold) = self.settle(turn, locked, taker, mode)? {
                        return Ok(hold);
                    }
                }
                Attempt::Held(file) => {
                    drop(file);
                    return Err(Refused::Busy { by_this_thread: turn.in_use().is_held_by_this_thread() });
                }
            }
        }
    }

    async fn wait_in_line(&self, taker: Taker, mode: LockMode) -> Result<FileLockHold, FileLockError> {
        loop {
            let turn = match Turn::try_now(InUse::begin(sidecar::identify(&self.path)?)?, mode) {
                Ok(turn) => turn,
                // The same name may lead to what it already holds only by now.
                Err(in_use) if taker.is_thread() && in_use.is_held_by_this_thread() => {
                    return Err(FileLockError::Deadlock);
                }
                Err(in_use) => Turn::wait(in_use, mode).await,
            };
            if let Some(hold) = self.wait_for_others(turn, taker, mode).await? {
                return Ok(hold);
            }
        }
    }

    /// Steps 3 to 6, by the one at the front; `None`: from the beginning.
    async fn wait_for_others(
        &self,
        turn: Turn,
        taker: Taker,
        mode: LockMode,
    ) -> Result<Option<FileLockHold>, FileLockError> {
        let Opened { file, identity } = sidecar::open(&self.path)?;
        if identity != turn.in_use().identity {
            return Ok(None);
        }
        let mut file = match self.attempt(Candidate::new(file, identity)?, mode)? {
            Attempt::Locked(locked) => return Ok(self.settle(turn, locked, taker, mode)?),
            Attempt::Held(file) => file,
        };
        let refuse = |errno: Errno| FileLockIoError::new("wait for the lock of", errno, &self.path);
        let watch = Watch::begin(Process::current()?, file.descriptor()).map_err(refuse)?;
        loop {
            // After the watch has begun.
            file = match self.attempt(file, mode)? {
                Attempt::Locked(locked) => {
                    drop(watch);
                    return Ok(self.settle(turn, locked, taker, mode)?);
                }
                Attempt::Held(file) => file,
            };
            if !self.path.leads_to(identity) {
                return Ok(None);
            }
            watch.changed().await;
        }
    }

    fn attempt(&self, file: Candidate, mode: LockMode) -> Result<Attempt, FileLockIoError> {
        file.attempt(mode).map_err(|errno| FileLockIoError::new("lock", errno, &self.path))
    }

    /// Steps 5 and 6.
    fn settle(
        &self,
        mut turn: Turn,
        mut locked: Locked,
        taker: Taker,
        mode: LockMode,
    ) -> Result<Option<FileLockHold>, FileLockIoError> {
        if !self.path.leads_to(turn.in_use().identity) {
            // Invariant 2.
            drop(locked);
            return Ok(None);
        }
        locked.note(self.content, mode, turn.in_use().number);
        turn.hold(taker)?;
        Ok(Some(FileLockHold { _locked: locked, turn }))
    }

    async fn unless_closed(
        &self,
        wait: impl Future<Output = Result<FileLockHold, FileLockError>>,
    ) -> Result<FileLockHold, FileLockError> {
        let mut wait = pin!(wait);
        let mut closing = pin!(self.closing.cancelled());
        poll_fn(|context| match closing.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(FileLockError::Closed)),
            Poll::Pending => wait.as_mut().poll(context),
        })
        .await
    }
}

/// In a forked child, still alone.
#[cfg(not(loom))]
pub(crate) fn in_child() {
    process::in_child();
    inherited::close_in_child();
}

impl FileLockHold {
    /// No other one of this process has the same.
    #[cfg(not(loom))]
    fn number(&self) -> u64 {
        self.turn.in_use().number
    }

    /// From now on the lock is another thread's: the one that took it may wait for it.
    pub fn pass_on(self) -> FileLockHold {
        self.turn.pass_on();
        self
    }
}

impl fmt::Debug for FileLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLock")
            .field("path", &self.path())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FileLockHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLockHold").finish_non_exhaustive()
    }
}
