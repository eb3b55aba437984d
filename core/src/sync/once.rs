//! A value that is made once, by whoever comes first.
//!
//! Fair: while one makes it the others wait in line, first in, first out; if it fails, panics or is cancelled, the next in
//! line tries, by an initialiser of its own. When it is made, all go on at once. The line is that of
//! `tokio::sync::Semaphore` with one permit, the right to make the value. By hand are the word that says whether it is
//! there, and the owner, who is told at once that he would wait for himself.
//!
//! # States
//!
//! | permit | made | owner | means |
//! |---|---|---|---|
//! | there | – | nobody | empty |
//! | out | – | a thread | being made: that thread runs the initialiser, or polls or drops the future that does |
//! | out | – | nobody | being made by a future that is not polled now; or on its way to the first in line |
//! | gone for good | yes | nobody | full |
//!
//! *closed* goes with any of them. A cell that is closed while its value is made becomes full all the same.
//!
//! # Invariants
//!
//! 1. The value is written by whoever has the permit, before *made* is set; nobody has the permit afterwards. So what
//!    [`OnceCell::get`] hands out does not change while the cell is shared.
//! 2. The permit goes back to the line in every way in which the value is not made: an error, a panic, a dropped future.
//! 3. Who waits is told by the end of the line (the semaphore is closed once *made* is set), and then looks at *made*: so a
//!    value that is there is answered even where the cell is closed.
//! 4. The owner is set while an initialiser's own code runs, by the thread that runs it. So who finds itself there is called
//!    by that code, and would wait for it.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | set *made* | release | look at *made*: acquire | the value |
//!
//! # Checked by
//!
//! Models in `tests/loom/once.rs`; `tests/sync/once.rs`.

use crate::deadline::Deadline;
use crate::shim::{AtomicU32, Ordering, const_fn};
use crate::sync::once_error::{OnceCellError, OnceInitError};
use crate::sync::owner::Owner;
use crate::sync::queue::Semaphore;
use crate::wait::{Interrupted, Wait, block_on};
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::forget;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::sync::{SemaphorePermit, TryAcquireError};

/// A value that is made once, by whoever comes first, and then shared for as long as the cell lives.
///
/// - Fair: those that wait for it are in line, first in, first out. A wait that ends early leaves the line.
/// - If an initialiser fails, panics or is cancelled, the cell is as if it had not begun: the next in line tries, with its
///   own. A panic goes on in its own thread; nothing is poisoned.
/// - Not re-entrant: who asks for the value from within its initialiser is told so at once ([`OnceInitError::Deadlock`]).
/// - In a forked child it is as it was; a value that another thread was making is never made there.
pub struct OnceCell<T> {
    turn: Semaphore,
    flags: AtomicU32,
    owner: Owner,
    value: UnsafeCell<Option<T>>,
}

/// The value is there.
const MADE: u32 = 1;
/// [`OnceCell::close`] was called.
const CLOSED: u32 = 2;

// SAFETY: the value goes with the cell.
unsafe impl<T: Send> Send for OnceCell<T> {}
// SAFETY: many threads have `&T` (`Sync`), and one may make what another drops (`Send`).
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

/// The permit to make the value: the next in line has it when this is dropped.
struct Turn<'a, T>(&'a OnceCell<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.0.turn.add_permits(1);
    }
}

/// The calling thread runs the initialiser's code, until this is dropped.
struct Running<'a>(&'a Owner);

impl<'a> Running<'a> {
    fn on_this_thread(owner: &'a Owner) -> Running<'a> {
        owner.set_to_this_thread();
        Running(owner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// An initialiser that is a future: its code runs when it is polled, and when it is dropped.
struct Initialiser<'a, F> {
    owner: &'a Owner,
    /// Until this is dropped.
    future: Pin<&'a mut Option<F>>,
}

impl<F: Future> Initialiser<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let _running = Running::on_this_thread(self.owner);
        self.future.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(context))
    }
}

impl<F> Drop for Initialiser<'_, F> {
    fn drop(&mut self) {
        let _running = Running::on_this_thread(self.owner);
        self.future.set(None);
    }
}

/// What somebody finds who may make the value.
enum Found<'a, T> {
    Value(&'a T),
    Turn(Turn<'a, T>),
}

impl<T> OnceCell<T> {
    const_fn! {
        /// Empty.
        #[must_use]
        pub fn new() -> OnceCell<T> {
            OnceCell {
                turn: Semaphore::const_new(1),
                flags: AtomicU32::new(0),
                owner: Owner::nobody(),
                value: UnsafeCell::new(None),
            }
        }
    }

    /// The value, if it is there. Never waits.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        if self.flags.load(Ordering::Acquire) & MADE == 0 {
            return None;
        }
        // SAFETY: made, so nobody writes it while the cell is shared (invariant 1).
        unsafe { &*self.value.get() }.as_ref()
    }

    /// Gives it a value. Never waits.
    ///
    /// # Errors
    /// [`OnceCellError`], with the value.
    pub fn set(&self, value: T) -> Result<&T, OnceCellError<T>> {
        match self.turn.try_acquire() {
            Ok(permit) => Ok(self.adopt(permit).make(value)),
            Err(_) if self.get().is_some() => Err(OnceCellError::AlreadyInitialized(value)),
            Err(TryAcquireError::NoPermits) => Err(OnceCellError::Initializing(value)),
            Err(TryAcquireError::Closed) => Err(OnceCellError::Closed(value)),
        }
    }

    /// The value; if there is none, the one that `init` makes, or whoever else does meanwhile.
    ///
    /// # Errors
    /// [`OnceInitError`]; never [`OnceInitError::Failed`].
    pub fn get_or_init(&self, init: impl FnOnce() -> T, wait: Wait<'_>) -> Result<&T, OnceInitError<Infallible>> {
        self.get_or_try_init(|| Ok(init()), wait)
    }

    /// The same with an `init` that may fail: then the next in line tries.
    ///
    /// # Errors
    /// [`OnceInitError`].
    pub fn get_or_try_init<E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
        wait: Wait<'_>,
    ) -> Result<&T, OnceInitError<E>> {
        match self.wait_to_make(wait)? {
            Found::Value(value) => Ok(value),
            Found::Turn(turn) => {
                // The permit is given back after the owner is cleared.
                let running = Running::on_this_thread(&self.owner);
                let made = init();
                drop(running);
                made.map(|value| turn.make(value)).map_err(OnceInitError::Failed)
            }
        }
    }

    /// [`OnceCell::get_or_init`] as a future, which may be dropped at any time: then the next in line tries.
    ///
    /// # Errors
    /// [`OnceInitError::Deadlock`], [`OnceInitError::Closed`].
    pub async fn get_or_init_async<F: Future<Output = T>>(
        &self,
        init: impl FnOnce() -> F,
    ) -> Result<&T, OnceInitError<Infallible>> {
        self.get_or_try_init_async(|| async { Ok(init().await) }).await
    }

    /// The same with an `init` that may fail: then the next in line tries.
    ///
    /// # Errors
    /// [`OnceInitError::Failed`], [`OnceInitError::Deadlock`], [`OnceInitError::Closed`].
    pub async fn get_or_try_init_async<E, F: Future<Output = Result<T, E>>>(
        &self,
        init: impl FnOnce() -> F,
    ) -> Result<&T, OnceInitError<E>> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        if self.owner.is_this_thread() {
            return Err(OnceInitError::Deadlock);
        }
        match self.found_in_line().await? {
            Found::Value(value) => Ok(value),
            Found::Turn(turn) => {
                let init = {
                    let _running = Running::on_this_thread(&self.owner);
                    init()
                };
                let mut initialiser = Initialiser { owner: &self.owner, future: pin!(Some(init)) };
                let answer = poll_fn(|context| initialiser.poll(context)).await;
                // The permit is given back after the last of its code has run, as when this is dropped.
                drop(initialiser);
                answer.map(|value| turn.make(value)).map_err(OnceInitError::Failed)
            }
        }
    }

    /// Takes the value out: the cell is empty again.
    pub fn take(&mut self) -> Option<T> {
        let value = self.value.get_mut().take()?;
        let was_closed = self.is_closed();
        self.flags.fetch_and(!MADE, Ordering::Relaxed);
        self.turn = Semaphore::const_new(1);
        if was_closed {
            self.turn.close();
        }
        Some(value)
    }

    /// The value.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, to be changed.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Ends it: whoever waits, and whoever comes while there is no value, is answered "closed". A value that is there, or is
    /// being made, can be had all the same.
    pub fn close(&self) {
        self.flags.fetch_or(CLOSED, Ordering::Relaxed);
        self.turn.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & CLOSED != 0
    }

    fn wait_to_make<E>(&self, wait: Wait<'_>) -> Result<Found<'_, T>, OnceInitError<E>> {
        wait.check()?;
        if let Some(value) = self.get() {
            return Ok(Found::Value(value));
        }
        match self.turn.try_acquire() {
            Ok(permit) => Ok(Found::Turn(self.adopt(permit))),
            Err(TryAcquireError::Closed) => self.found_no_line(),
            Err(TryAcquireError::NoPermits) if self.owner.is_this_thread() => Err(OnceInitError::Deadlock),
            Err(TryAcquireError::NoPermits) if wait.deadline() == Deadline::PASSED => Err(Interrupted::TimedOut.into()),
            Err(TryAcquireError::NoPermits) => block_on(self.found_in_line(), wait)?,
        }
    }

    fn adopt(&self, permit: SemaphorePermit<'_>) -> Turn<'_, T> {
        permit.forget();
        Turn(self)
    }

    async fn found_in_line<E>(&self) -> Result<Found<'_, T>, OnceInitError<E>> {
        match self.turn.acquire().await {
            Ok(permit) => Ok(Found::Turn(self.adopt(permit))),
            Err(_) => self.found_no_line(),
        }
    }

    /// The semaphore is closed: *made* was set before, or never will be.
    fn found_no_line<E>(&self) -> Result<Found<'_, T>, OnceInitError<E>> {
        self.get().map(Found::Value).ok_or(OnceInitError::Closed)
    }
}

impl<'a, T> Turn<'a, T> {
    fn make(self, value: T) -> &'a T {
        let cell = self.0;
        // SAFETY: whoever has the permit is the only one to write, and nobody reads before `MADE` is set.
        let value = unsafe { &mut *cell.value.get() }.insert(value);
        // The permit is gone for good.
        forget(self);
        cell.flags.fetch_or(MADE, Ordering::Release);
        cell.turn.close();
        value
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

/// Full.
impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        let cell = OnceCell::new();
        let _ = cell.set(value);
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
