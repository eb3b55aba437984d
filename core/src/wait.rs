//! The one engine behind every wait: deadline, cancel token and close.
//!
//! What is waited for is a future that can be dropped at any moment without taking anything or leaving anything behind
//! (each kind in `sync/` makes one; its queue is that of `tokio::sync`). [`block_on`] polls it on the calling thread,
//! asleep in between, and drops it at the deadline or when it is cancelled. The close of what is waited for is an answer
//! of the future's own.
//!
//! # Which answer wins
//!
//! A wait that was cancelled before it begins is cancelled, even if what it wants is there: so that a loop ends. After
//! that whatever is seen first wins. What was handed to a waiter that gives up at the same moment is handed on by the
//! future's drop.
//!
//! # Lost wake-ups
//!
//! There is one parker for each thread, and a wait may run inside another's poll (a callback that waits). So a call for
//! the outer one may be taken by the inner one. Therefore each wait that slept calls its own thread at the end: whoever
//! waits next looks once for nothing.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::park::Parker;
use crate::sync::CancelToken;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a call may wait: up to a deadline, or until it is cancelled.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    deadline: Deadline,
    cancel: Option<&'a CancelToken>,
}

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// The deadline passed.
    TimedOut,
    /// The cancel token was cancelled.
    Cancelled,
    /// A thread's first wait takes memory, and there was none.
    NoMemory,
}

impl<'a> Wait<'a> {
    /// Without end.
    pub const FOREVER: Wait<'static> = Wait { deadline: Deadline::NEVER, cancel: None };
    /// Not at all.
    pub const NOT: Wait<'static> = Wait { deadline: Deadline::PASSED, cancel: None };

    /// Up to `deadline`, or until `cancel` is cancelled.
    #[must_use]
    pub fn new(deadline: Deadline, cancel: Option<&'a CancelToken>) -> Wait<'a> {
        Wait { deadline, cancel }
    }

    /// Up to `deadline`.
    #[must_use]
    pub fn until(deadline: Deadline) -> Wait<'static> {
        Wait { deadline, cancel: None }
    }

    /// The same, but ended as soon as `cancel` is cancelled.
    #[must_use]
    pub fn or_cancelled(self, cancel: &'a CancelToken) -> Wait<'a> {
        Wait { cancel: Some(cancel), ..self }
    }

    /// The moment at which it ends.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The token that ends it.
    #[must_use]
    pub fn cancel(&self) -> Option<&'a CancelToken> {
        self.cancel
    }

    /// Whether it is cancelled by now.
    ///
    /// # Errors
    /// [`Interrupted::Cancelled`].
    #[inline]
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.cancel.is_some_and(CancelToken::is_cancelled) { Err(Interrupted::Cancelled) } else { Ok(()) }
    }
}

/// Up to so long from now; [`Duration::MAX`] is for ever.
impl From<Duration> for Wait<'static> {
    fn from(timeout: Duration) -> Wait<'static> {
        Wait::until(Deadline::after(timeout))
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for Interrupted {}

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Error {
        match interrupted {
            Interrupted::TimedOut => Error::Timeout,
            Interrupted::Cancelled => Error::Cancelled,
            Interrupted::NoMemory => Error::NoMemory,
        }
    }
}

/// Waits on this thread for `future`, which is dropped in any case.
///
/// Needs no runtime, and may be called where one runs (it blocks the thread, as every blocking call does). A deadline that
/// has passed still lets the future be polled once. Allocates nothing after a thread's first wait. Not for signal handlers.
///
/// # Errors
/// [`Interrupted`].
pub fn block_on<F: Future>(future: F, wait: Wait<'_>) -> Result<F::Output, Interrupted> {
    wait.check()?;
    let parker = parker()?;
    let mut slept = false;
    let answer = drive(future, wait, &parker.waker(), |deadline| {
        parker.park(deadline);
        slept = true;
        Ok(())
    });
    if slept {
        parker.unpark();
    }
    answer
}

/// Polls `future` with `waker` as long as `wait` says, which is not cancelled yet. In between the thread has to `sleep` until
/// `waker` is called or a deadline passes; that may return early, and its error ends the wait.
pub(crate) fn drive<F: Future, E: From<Interrupted>>(
    future: F,
    wait: Wait<'_>,
    waker: &Waker,
    mut sleep: impl FnMut(Deadline) -> Result<(), E>,
) -> Result<F::Output, E> {
    let mut context = Context::from_waker(waker);
    let mut future = pin!(unconstrained(future));
    let mut cancelled = pin!(wait.cancel.map(CancelToken::cancelled));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        if let Some(cancelled) = cancelled.as_mut().as_pin_mut() {
            if cancelled.poll(&mut context).is_ready() {
                return Err(Interrupted::Cancelled.into());
            }
        }
        // Looked up each time: a token's deadline may be set while somebody waits.
        let token_deadline = wait.cancel.map_or(Deadline::NEVER, CancelToken::deadline);
        let deadline = wait.deadline.min(token_deadline);
        if deadline.has_passed() {
            return Err(wait.check().err().unwrap_or(Interrupted::TimedOut).into());
        }
        sleep(deadline)?;
    }
}

/// The calling thread's own.
#[cfg(not(loom))]
fn parker() -> Result<&'static Parker, Interrupted> {
    crate::handle::record::Record::current().map(|record| &record.parker).map_err(|_| Interrupted::NoMemory)
}

/// In a model each thread's parker is leaked, as records are.
#[cfg(loom)]
fn parker() -> Result<&'static Parker, Interrupted> {
    loom::thread_local! {
        static PARKER: &'static Parker = Box::leak(Box::new(Parker::new()));
    }
    Ok(PARKER.with(|parker| *parker))
}

/// Inside of a task of tokio's, what belongs to tokio is told to yield to the runtime after a while. Here nothing could.
#[cfg(feature = "tokio")]
fn unconstrained<F: Future>(future: F) -> impl Future<Output = F::Output> {
    tokio::task::coop::unconstrained(future)
}

#[cfg(not(feature = "tokio"))]
fn unconstrained<F: Future>(future: F) -> impl Future<Output = F::Output> {
    future
}
