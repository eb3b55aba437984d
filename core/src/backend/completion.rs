//! A backend that calls complete on: any number of waits, driven by whoever polls it, or by an event loop that watches its
//! descriptor; without a thread for each, or any thread of its own.
//!
//! What is submitted is a future. It is looked at once by whoever submits it, which puts it in line at what it waits for, and from
//! then on by the driver: a [`poll`](CompletionBackend::poll), one at a time, it does not matter whose. When it is over it is a
//! [`Completion`], which a poll hands out.
//!
//! # States of a call
//!
//! | phase | who looks at it | left by |
//! |---|---|---|
//! | looking | the submitter, or the driver | over: done; pending: asleep |
//! | looking, woken | the same | over: done; pending: queued |
//! | asleep | nobody | woken, or its moment has passed: queued |
//! | queued | nobody | the driver takes it: looking |
//! | done (no entry any more) | nobody | a poll hands it out, or the backend is gone: discarded |
//!
//! # Invariants
//!
//! 1. Each submitted call ends once: who takes its entry out (the one that looked at it last, or the end of the backend) answers for
//!    it.
//! 2. A wake-up is not lost: it either finds the call asleep and queues it, or finds somebody looking, who queues it after that look;
//!    or it is queued already, and its look comes later. All under one lock.
//! 3. Whatever is queued or done, a driver that sleeps is called for, and the descriptor that an event loop watches is readable: the
//!    bell is rung under the same lock. It is quieted by the driver alone, under that lock, when there is nothing.
//! 4. What a call needs in order to end was there when it was submitted: its end takes no memory.
//! 5. Nothing of others' runs under the lock: no look, no waker, no drop of what a call waited for. (Wakers of calls are called under
//!    other locks; they take this one, and hold it for a few steps.)
//! 6. When a completion is handed out, what its call waited for is dropped: the call is in flight nowhere.
//!
//! # Orderings
//!
//! The lock orders everything: who looks at a call comes after who woke it, who is handed a completion after who ended the call.
//!
//! # Last touch
//!
//! A call's wakers keep the call and the engine alive (the bell's descriptor with it), but not what the call waited for: that is
//! dropped by whoever ends it. A wake-up that comes later finds no entry, and does nothing. So nothing is written to a descriptor that
//! is closed, or another's by now.
//!
//! # Nesting
//!
//! A backend that is attached to another is driven by that alone: first its own calls, then those of what is attached, in the order of
//! attachment; their completions come out of the outer one's poll. The epoll sets are nested the same way, so the outer one's
//! descriptor is readable when the inner one's is, and the kernel refuses circles. The states are in `attached.rs`. A handle that is
//! attached is in flight while the outer one looks at its calls: so none of them is discarded while what it runs still runs.
//!
//! Checked by the models `completion::*`, `core/tests/backend/completion*.rs` and the twin `completion`. The idea of a queue of
//! completions with the caller's own number in each is that of the kernel's `io_uring`; that a backend is driven by whoever waits, that
//! of `mfio`.

#![cfg_attr(
    not(any(loom, target_os = "linux", target_os = "android")),
    allow(dead_code, reason = "without a poller there is no backend to be made")
)]

use crate::deadline::Deadline;
use crate::error::Error;
use crate::shared::Shared;
use crate::sync::CancelToken;
use crate::wait::Wait;
#[cfg(not(loom))]
use crate::{Handle, Kind};
use std::fmt;
use std::io;
use std::pin::Pin;

mod attached;
mod call;
#[cfg(all(unix, not(loom)))]
mod descriptor;
mod drive;
mod engine;
mod entries;
#[cfg(not(loom))]
mod freeing;
mod looking;
#[cfg(loom)]
mod model;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(loom)))]
mod poller;
#[cfg(not(any(loom, target_os = "linux", target_os = "android")))]
#[path = "completion/no_poller.rs"]
mod poller;
mod timers;

use attached::Attached;
pub use call::Outcome;
pub(crate) use call::Step;
#[cfg(not(loom))]
pub(crate) use call::Turn;
pub use drive::PollError;
use engine::Engine;

#[cfg(not(loom))]
use crate::handle::HoldToken;
#[cfg(all(unix, not(loom)))]
pub use descriptor::WaitDescriptorError;
#[cfg(loom)]
use model::{HoldToken, Poller, Seen};
#[cfg(not(loom))]
pub use poller::{FAILED, READABLE, WRITABLE};
#[cfg(not(loom))]
use poller::{Poller, Seen};

/// See the file head.
pub struct CompletionBackend {
    engine: Shared<Engine>,
    on_discard: Box<dyn Fn(usize) + Send + Sync>,
}

/// A call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The submitter's own.
    pub user_data: usize,
    /// What it came to.
    pub outcome: Outcome,
}

/// Why a backend was not attached.
#[derive(Debug)]
pub enum AttachError {
    /// It is driven already: by a poll, or by a backend that it is attached to.
    Busy,
    /// It contains the other, or is the other; or there are too many levels (the kernel's epoll has five).
    Circle,
    /// There is no memory.
    NoMemory,
    /// The operating system refused: `EINVAL` if calls on `inner` wait for one file by too many paths (see
    /// [`CompletionBackend::wait_descriptor`]).
    Io(io::Error),
    /// The handle was not entered.
    Refused(Error),
}

impl CompletionBackend {
    /// Nothing is under way. `on_discard` is told the user data of each call that nobody collects, because the backend is dropped
    /// before; by whoever drops it. It takes four descriptors.
    ///
    /// # Errors
    /// Of the operating system: no more descriptors, or no memory. Unsupported where it is not Linux.
    pub fn new(on_discard: impl Fn(usize) + Send + Sync + 'static) -> io::Result<CompletionBackend> {
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let engine = Shared::try_new(Engine::new(Poller::new()?)).ok_or_else(out_of_memory)?;
        let on_discard: Box<dyn Fn(usize) + Send + Sync> =
            crate::allocate::try_box(on_discard).ok_or_else(out_of_memory)?;
        Ok(CompletionBackend { engine, on_discard })
    }

    /// Begins `future`, and looks at it once. It ends with a completion that carries `user_data`: of its own, or
    /// [`Error::Timeout`] or [`Error::Cancelled`] as `wait` says; then it was dropped.
    ///
    /// Never blocks, unless the future does when it is polled. Its waker may be woken from any thread.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Freed`] once it is closed. Then the future is dropped, and nothing completes.
    pub fn submit(
        &self,
        user_data: usize,
        wait: Wait<'_>,
        future: impl Future<Output = Outcome> + Send + 'static,
    ) -> Result<(), Error> {
        self.submit_step(user_data, wait.deadline(), wait.cancel(), future)
    }

    /// [`CompletionBackend::submit`], of any step.
    pub(crate) fn submit_step(
        &self,
        user_data: usize,
        deadline: Deadline,
        cancel: Option<&CancelToken>,
        step: impl Step + 'static,
    ) -> Result<(), Error> {
        let step = match cancel {
            Some(token) => boxed(call::cancellable(step, token.clone())),
            None => boxed(step),
        };
        Engine::submit(&self.engine, user_data, deadline, step.ok_or(Error::NoMemory)?)
    }

    /// Drives the backend on this thread until a call is over, and hands the completions to `put`, `room` at most. Answers how many;
    /// none: it was woken by [`CompletionBackend::wake`]. One poll at a time.
    ///
    /// Blocks up to `deadline`; one that has passed still looks at everything once. Allocates nothing. If `put` panics, the next poll hands
    /// out what it was not given yet.
    ///
    /// # Errors
    /// [`PollError`]; nothing was handed out.
    pub fn poll(&self, room: usize, deadline: Deadline, mut put: impl FnMut(Completion)) -> Result<usize, PollError> {
        drive::poll(&self.engine, room, deadline, &mut put)
    }

    /// Has the poll in progress return, or the next one. From any thread; not from a signal handler. Several before a poll are one.
    pub fn wake(&self) {
        self.engine.wake_driver();
    }

    /// Drives `inner` as well from now on: its completions come out of this one's poll. It is detached when either is closed.
    ///
    /// If `inner` is dropped while a poll of this one looks at one of its calls, `on_discard` is told of that call meanwhile.
    ///
    /// # Errors
    /// [`AttachError`]; both stay as they were.
    pub fn attach(&self, inner: &CompletionBackend) -> Result<(), AttachError> {
        attached::attach(&self.engine, Attached::owned(inner.engine.clone()))
    }

    /// [`CompletionBackend::attach`], of a handle: its free waits for a poll of this one that looks at its calls.
    ///
    /// # Errors
    /// [`AttachError`]; both stay as they were.
    #[cfg(not(loom))]
    pub fn attach_handle(&self, inner: crate::Token<CompletionBackend>) -> Result<(), AttachError> {
        let inside = inner.enter(c"attached to another backend").map_err(AttachError::Refused)?;
        attached::attach(&self.engine, Attached::handle(inside.engine.clone(), inner))
    }

    /// Ends what [`CompletionBackend::attach`] began; `false`: it is not attached. What is over and was not handed out comes out of
    /// `inner`. Never blocks: if a poll of this one looks at calls of `inner` just now, a poll of `inner` is refused as busy until
    /// that look ends.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn detach(&self, inner: &CompletionBackend) -> bool {
        attached::detach(&self.engine, &inner.engine)
    }

    /// How many calls are under way or wait to be handed out.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.engine.state.with(|state| state.entries.live() + state.done.len())
    }

    /// The user data of the call that this thread looks at, of any backend; the innermost one's. `None`: it looks at none.
    #[must_use]
    pub fn current() -> Option<usize> {
        looking::user_data()
    }

    /// No more calls; a poll in progress returns what it has.
    pub fn close(&self) {
        self.engine.close();
    }
}

fn boxed(step: impl Step + 'static) -> Option<Pin<Box<dyn Step>>> {
    let step: Box<dyn Step> = crate::allocate::try_box(step)?;
    Some(Box::into_pin(step))
}

/// Calls under way are cancelled: what they wait for is dropped. What nobody collected is given back.
impl Drop for CompletionBackend {
    fn drop(&mut self) {
        self.engine.close();
        attached::detach_all(&self.engine);
        let (entries, done) =
            self.engine.state.with(|state| (state.entries.take_all(), std::mem::take(&mut state.done)));
        for call in entries.map(|entry| entry.call) {
            // Unless somebody looks at it just now, who drops it after that.
            if let Some(step) = call.take_work() {
                call::drop_contained(step);
            }
            (self.on_discard)(call.user_data);
        }
        for completion in done {
            if let Some(hold) = completion.outcome.hold {
                engine::give_back(hold);
            }
            (self.on_discard)(completion.user_data);
        }
    }
}

#[cfg(not(loom))]
static KIND: Kind<CompletionBackend> = Kind::new("backend");

#[cfg(not(loom))]
impl Handle for CompletionBackend {
    fn kind() -> &'static Kind<CompletionBackend> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }
}

impl fmt::Debug for CompletionBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionBackend").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

impl From<AttachError> for Error {
    fn from(error: AttachError) -> Error {
        match error {
            AttachError::Busy => Error::Busy,
            AttachError::Circle => Error::Deadlock,
            AttachError::NoMemory => Error::NoMemory,
            AttachError::Io(_) => Error::Io,
            AttachError::Refused(error) => error,
        }
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::Io(error) => error.fmt(f),
            AttachError::Circle => f.write_str("backends in a circle, or too many levels of them"),
            AttachError::Busy => Error::Busy.fmt(f),
            AttachError::NoMemory => Error::NoMemory.fmt(f),
            AttachError::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AttachError {}
