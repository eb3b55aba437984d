//! One submitted call: what it waits for, up to when, and the waker by which it is looked at again.

use crate::backend::completion::HoldToken;
use crate::backend::completion::engine::Engine;
use crate::backend::completion::entries::Name;
use crate::backend::completion::looking::Looking;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::handle::Freed;
use crate::lock::Lock;
use crate::shared::Shared;
use crate::shim::{AtomicU64, Ordering};
use crate::sync::CancelToken;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Success, with what a call that frees answers; or why not.
    pub answer: Result<Option<Freed>, Error>,
    /// What was taken; to be released by whoever gets it.
    pub hold: Option<HoldToken>,
    /// What else there is to tell: what it is says the call.
    pub value: usize,
    /// The operating system's error number, or 0.
    pub os_error: i32,
}

impl Outcome {
    /// Success, and nothing to tell.
    pub const DONE: Outcome = Outcome { answer: Ok(None), hold: None, value: 0, os_error: 0 };

    /// Not done.
    #[must_use]
    pub fn refused(error: Error) -> Outcome {
        Outcome { answer: Err(error), ..Outcome::DONE }
    }

    /// What is told of a free.
    #[must_use]
    pub fn freed(freed: Freed) -> Outcome {
        Outcome { answer: Ok(Some(freed)), ..Outcome::DONE }
    }
}

/// What a call does until it is over: a future, which may also ask to be looked at at some moment.
pub(crate) trait Step: Send {
    /// A look at it; called again after the waker was woken, or `turn` asked for it.
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>, turn: &Turn) -> Poll<Outcome>;

    /// It is too late.
    fn at_deadline(&self) -> Outcome {
        Outcome::refused(Error::Timeout)
    }

    /// Whether it is looked at once even if it is cancelled before that.
    fn begins_when_cancelled(&self) -> bool {
        false
    }
}

impl<F: Future<Output = Outcome> + Send> Step for F {
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>, _turn: &Turn) -> Poll<Outcome> {
        self.poll(context)
    }
}

/// What a step is told, and what it asks for.
pub(crate) struct Turn {
    /// The call's own.
    pub(super) name: Name,
    /// What its descriptor was seen to be ready for, so far.
    pub(super) readiness: u32,
    look_again: Cell<Deadline>,
}

impl Turn {
    /// Asks for a look at `moment`, if it is not over by then.
    pub(crate) fn look_again(&self, moment: Deadline) {
        self.look_again.set(self.look_again.get().min(moment));
    }
}

pin_project! {
    /// A step that a cancel token ends.
    pub(super) struct Cancellable<S, C> {
        #[pin]
        step: S,
        #[pin]
        cancelled: C,
        token: CancelToken,
        has_begun: bool,
    }
}

/// `step`, ended by `token`. One that was cancelled before does not begin, unless it wants to.
pub(super) fn cancellable<S: Step>(step: S, token: CancelToken) -> impl Step {
    let own = token.clone();
    let has_begun = step.begins_when_cancelled();
    Cancellable { step, cancelled: async move { own.cancelled().await }, token, has_begun }
}

impl<S: Step, C: Future<Output = ()> + Send> Step for Cancellable<S, C> {
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>, turn: &Turn) -> Poll<Outcome> {
        let this = self.project();
        let has_begun = std::mem::replace(this.has_begun, true);
        if !has_begun && this.token.is_cancelled() {
            return Poll::Ready(Outcome::refused(Error::Cancelled));
        }
        if let Poll::Ready(outcome) = this.step.step(context, turn) {
            return Poll::Ready(outcome);
        }
        if this.cancelled.poll(context).is_ready() || this.token.is_cancelled() {
            return Poll::Ready(Outcome::refused(Error::Cancelled));
        }
        // Looked up each time: a token's deadline may be set while somebody waits, who is woken for it; but nobody is woken at it. Once it
        // waits: who sets an earlier one after this wakes it.
        turn.look_again(this.token.deadline());
        Poll::Pending
    }

    fn at_deadline(&self) -> Outcome {
        // The token's own deadline may have passed just now.
        if self.token.is_cancelled() { Outcome::refused(Error::Cancelled) } else { self.step.at_deadline() }
    }
}

/// A call as its backend knows it. It is woken by reference; whoever may wake it late keeps it alive, but not what it waited for.
pub(super) struct Call {
    pub(super) engine: Shared<Engine>,
    /// The name of its entry, set under the engine's lock before anybody else sees the call.
    name: AtomicU64,
    pub(super) user_data: usize,
    pub(super) deadline: Deadline,
    /// What it waits for; `None` while somebody looks at it, and once it is over. So nobody waits for this lock.
    work: Lock<Option<Pin<Box<dyn Step>>>>,
}

/// What came of a look at a call.
pub(super) enum Looked {
    Over(Outcome),
    /// To be looked at again when it is woken, or at this moment.
    Pending(Deadline),
}

impl Call {
    pub(super) fn new(engine: Shared<Engine>, user_data: usize, deadline: Deadline) -> Call {
        Call { engine, name: AtomicU64::new(0), user_data, deadline, work: Lock::new(None) }
    }

    pub(super) fn name(&self) -> Name {
        Name::from_bits(self.name.load(Ordering::Relaxed))
    }

    pub(super) fn set_name(&self, name: Name) {
        self.name.store(name.to_bits(), Ordering::Relaxed);
    }

    /// Looks at it, which does `step` (the caller took it, or just made it). When it is over, what it waited for is dropped before this
    /// returns. A panic is contained.
    pub(super) fn look(this: &Shared<Call>, mut step: Pin<Box<dyn Step>>, readiness: u32) -> Looked {
        let looking = Looking::begin(this.user_data);
        let looked = catch_unwind(AssertUnwindSafe(|| Call::look_at(this, step.as_mut(), readiness)));
        drop(looking);
        let looked = looked.unwrap_or_else(|payload| {
            // Leaked: its own destructor may panic.
            std::mem::forget(payload);
            Looked::Over(Outcome::refused(Error::Panic))
        });
        match looked {
            Looked::Over(_) => drop_contained(step),
            Looked::Pending(_) => this.work.with(|work| *work = Some(step)),
        }
        looked
    }

    fn look_at(this: &Shared<Call>, mut step: Pin<&mut dyn Step>, readiness: u32) -> Looked {
        let turn = Turn { name: this.name(), readiness, look_again: Cell::new(Deadline::NEVER) };
        let waker = Call::borrowed_waker(this);
        if let Poll::Ready(outcome) = step.as_mut().step(&mut Context::from_waker(&waker), &turn) {
            return Looked::Over(outcome);
        }
        let next = turn.look_again.get();
        if this.deadline.has_passed() {
            return Looked::Over(step.at_deadline());
        }
        Looked::Pending(next.min(this.deadline))
    }

    /// What it waits for, to be dropped by the caller.
    pub(super) fn take_work(&self) -> Option<Pin<Box<dyn Step>>> {
        self.work.with(Option::take)
    }

    /// A waker that lives no longer than this borrow, unless it is cloned: without a count of its own.
    fn borrowed_waker(this: &Shared<Call>) -> ManuallyDrop<Waker> {
        // SAFETY: the functions below keep the contract of a waker: `Call` is shared between threads, each clone owns a share,
        // and this one, which owns none, is never dropped.
        ManuallyDrop::new(unsafe { Waker::new(Shared::as_ptr(this).cast(), &VTABLE) })
    }
}

/// What it waited for may hand on what it was given, and so run code of others'.
pub(super) fn drop_contained(step: Pin<Box<dyn Step>>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(step))) {
        std::mem::forget(payload);
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, discard);

/// # Safety
/// `data` is what [`Shared::as_ptr`] of a live call answered.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    let call = ManuallyDrop::new(unsafe { Shared::<Call>::from_raw(data.cast()) });
    RawWaker::new(Shared::into_raw(Shared::clone(&call)).cast(), &VTABLE)
}

/// # Safety
/// As [`clone`]; the share that `data` stands for is used up.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise.
    Engine::wake(&unsafe { Shared::<Call>::from_raw(data.cast()) });
}

/// # Safety
/// As [`clone`].
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the caller's promise.
    Engine::wake(&ManuallyDrop::new(unsafe { Shared::<Call>::from_raw(data.cast()) }));
}

/// # Safety
/// As [`wake`].
unsafe fn discard(data: *const ()) {
    // SAFETY: the caller's promise.
    drop(unsafe { Shared::<Call>::from_raw(data.cast()) });
}
