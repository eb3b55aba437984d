//! Waking one waiter, or all.
//!
//! # States
//!
//! | state | means |
//! |---|---|
//! | open, nothing stored | waiters wait in line |
//! | open, one wake-up stored | nobody waits; the next one to wait does not |
//! | closed | everybody is answered "closed", also those that come; waking does nothing |
//!
//! # Protocol
//!
//! There are two of `tokio::sync::Notify`: the line of those that wait to be woken, and those that are to be told of the
//! close. A waiter stands in both. It notes the second when it is made and then looks whether the close has come: one that
//! comes after that look finds the note. At each poll it looks for the close first and for a wake-up then, and the wake-up
//! counts: so what was given before the close is never lost to it.
//!
//! What a waiter was given and does not take (it was dropped, at its deadline or when it was cancelled) its place in line
//! passes on: to the next in line, or it is stored. That is `tokio::sync::Notify`'s doing, as is first in, first out.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | close | release | look whether it is closed: acquire | what the closer did before |
//!
//! Waking and being woken are ordered by the queue.

use crate::error::Error;
use crate::shim::{AtomicU32, Ordering};
use crate::sync::queue;
use crate::wait::{Interrupted, Wait, block_on};
#[cfg(not(loom))]
use crate::{Handle, Kind};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Wakes those that wait for it: one, or all.
///
/// Fair: first in, first out, by the order in which callers began to wait. A waiter that was chosen and then gives up (its
/// deadline, a cancel token, a dropped future) passes its wake-up on. Nothing is held, so nothing can be poisoned, and a
/// thread may wake what it is about to wait for. In a forked child a handle of the parent's is refused; a `Notify` of one's
/// own still has the parent's waiters in line there: do not use it.
pub struct Notify {
    line: queue::Notify,
    closed: AtomicU32,
    /// Everybody who waits waits for this, too.
    closing: queue::Notify,
}

pin_project! {
    /// A waiter, as a future; see [`Notify::notified`]. May be dropped at any time.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Notified<'a> {
        #[pin]
        woken: queue::Notified<'a>,
        #[pin]
        closing: queue::Notified<'a>,
        // Made after the close.
        is_late: bool,
    }
}

/// Why a wait ended without a wake-up. None was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyWaitError {
    /// It was closed.
    Closed,
    /// The wait was ended; the futures do not answer this.
    Interrupted(Interrupted),
}

impl Notify {
    /// Open, with nothing stored.
    #[must_use]
    pub fn new() -> Notify {
        Notify { line: queue::Notify::const_new(), closed: AtomicU32::new(0), closing: queue::Notify::const_new() }
    }

    /// Waits until this thread is woken, or takes the stored wake-up.
    ///
    /// # Errors
    /// [`NotifyWaitError`].
    pub fn wait(&self, wait: Wait<'_>) -> Result<(), NotifyWaitError> {
        block_on(self.notified(), wait)?
    }

    /// The same as a future.
    ///
    /// It is reached by [`Notify::notify_all`] and by the close from now on. It stands in line for [`Notify::notify_one`]
    /// from its first poll on, or from [`Notified::enable`]: so whoever makes it, looks at what he waits for, and then awaits
    /// it misses nothing. (A wake-up for one is stored if nobody is in line.)
    ///
    /// # Errors
    /// [`NotifyWaitError::Closed`] is what the future may answer.
    pub fn notified(&self) -> Notified<'_> {
        let closing = self.closing.notified();
        Notified { woken: self.line.notified(), closing, is_late: self.is_closed() }
    }

    /// Wakes the first in line. If nobody waits the wake-up is stored, at most one. Without effect on a closed one.
    pub fn notify_one(&self) {
        if !self.is_closed() {
            self.line.notify_one();
        }
    }

    /// Wakes all that wait now; nothing is stored. Without effect on a closed one.
    pub fn notify_all(&self) {
        if !self.is_closed() {
            self.line.notify_waiters();
        }
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed". Who was woken before is answered so.
    pub fn close(&self) {
        self.closed.store(1, Ordering::Release);
        self.closing.notify_waiters();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }
}

impl Notified<'_> {
    /// Stands in line from now on: `true` if it is over already, and the future ready. Then the wake-up is taken: whoever drops the
    /// future does not pass it on.
    #[allow(clippy::must_use_candidate, reason = "standing in line is what it is called for")]
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let is_closed = *this.is_late || this.closing.enable();
        is_closed || this.woken.enable()
    }
}

impl Future for Notified<'_> {
    type Output = Result<(), NotifyWaitError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.is_late {
            return Poll::Ready(Err(NotifyWaitError::Closed));
        }
        // First: so that what was given before the close is seen, if the close is.
        let is_closed = this.closing.poll(context).is_ready();
        if this.woken.poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if is_closed { Poll::Ready(Err(NotifyWaitError::Closed)) } else { Poll::Pending }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl From<Interrupted> for NotifyWaitError {
    fn from(interrupted: Interrupted) -> NotifyWaitError {
        NotifyWaitError::Interrupted(interrupted)
    }
}

impl From<NotifyWaitError> for Error {
    fn from(error: NotifyWaitError) -> Error {
        match error {
            NotifyWaitError::Closed => Error::Freed,
            NotifyWaitError::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

impl fmt::Display for NotifyWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for NotifyWaitError {}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
static KIND: Kind<Notify> = Kind::new("notify");

#[cfg(not(loom))]
impl Handle for Notify {
    fn kind() -> &'static Kind<Notify> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }
}
