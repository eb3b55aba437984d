//! A place where a number of callers wait for each other.
//!
//! # States
//!
//! One word: the generation (43 bits), closed (1), how many have arrived (20).
//!
//! | step | before | after | who did it |
//! |---|---|---|---|
//! | arrive, not as the last | generation g, a < n - 1, open | g, a + 1 | waits until the generation is another |
//! | arrive as the last | g, a = n - 1, open | g + 1, 0 | the leader: it wakes the others, and does not wait |
//! | arrive too late | closed | the same | is answered "closed" |
//! | withdraw | g, a | g, a - 1 | gave up waiting in g |
//! | withdraw too late | another generation than its own | the same | has its success |
//! | close | g, a, open | g, a, closed | wakes all that wait |
//!
//! # Invariants
//!
//! 1. `a` is the number of arrivals of the present generation that were not withdrawn: each that is counted has an
//!    [`Arrival`], which takes itself out once, when it is dropped, and only while the generation is its own.
//! 2. One leader for each generation: the generation moves by that one compare-and-swap alone which makes the n-th arrival,
//!    and that moves it once.
//! 3. Who waits in g is done when the word shows another generation. It never shows g again, whatever those of g + 1 do: they
//!    cannot disturb one of g that has not looked yet, nor can it disturb them (its withdrawal finds another generation, and
//!    changes nothing). 43 bits come round after three months of a generation every microsecond.
//! 4. A generation that was full before the close is a success for all n: nobody arrives at a closed word, so it stays what
//!    it was then, and the look for another generation comes before the look for the close.
//! 5. Nobody sleeps through the end: who waits notes the queue, then looks at the word, then sleeps unless the queue was
//!    woken since the note; who moves the generation or closes changes the word first and wakes the queue then. Those that
//!    are woken for nothing look again.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | arrive | release | the arrival of the leader: acquire; the looks of the others: acquire | what each did before it arrived, to all |
//! | close | release | look, and an arrival that is refused: acquire | what the closer did before |
//! | withdraw | relaxed; where it is too late, acquire | arrive | |
//!
//! Every change of the word is a read-modify-write, so that the leader's arrival carries on what those before it published.

use crate::error::Error;
use crate::shim::{AtomicU64, Ordering};
use crate::sync::queue;
use crate::wait::{Interrupted, Wait, block_on};
#[cfg(not(loom))]
use crate::{Handle, Kind};
use std::fmt;
use std::mem::forget;

/// A number of callers wait here until all have arrived; then all go on, and it is ready for the next time.
///
/// Fair, in that all that have arrived go on together. An arrival that is cancelled, times out or is dropped is withdrawn,
/// as if it had never been, unless its generation was full by then: then it is a success. Nothing is held, so a panic
/// poisons nothing (a future that unwinds is withdrawn). Not re-entrant: a thread that waits here cannot arrive again. In a
/// forked child a handle of the parent's is refused; a `Barrier` of one's own still counts the parent's arrivals there: do
/// not use it.
pub struct Barrier {
    word: AtomicU64,
    size: u32,
    waiters: queue::Notify,
}

/// That all have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    is_leader: bool,
}

/// Why a wait ended before all had arrived. The arrival was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierWaitError {
    /// The barrier was closed.
    Closed,
    /// The wait was ended; the futures do not answer this.
    Interrupted(Interrupted),
}

/// What the word says; see the file head.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

const ARRIVED_BITS: u32 = 20;
const CLOSED: u64 = 1 << ARRIVED_BITS;
const GENERATION_SHIFT: u32 = ARRIVED_BITS + 1;

impl State {
    fn arrived(self) -> u32 {
        (self.0 % CLOSED) as u32
    }

    fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// After one more arrival; `None`: closed.
    fn arrive(self, size: u32) -> Option<State> {
        if self.is_closed() {
            None
        } else if self.arrived() + 1 < size {
            Some(State(self.0 + 1))
        } else {
            Some(State(self.generation().wrapping_add(1) << GENERATION_SHIFT))
        }
    }

    /// Without an arrival of `generation`; `None`: that is over.
    fn withdraw(self, generation: u64) -> Option<State> {
        (self.generation() == generation).then(|| State(self.0 - 1))
    }
}

impl Barrier {
    /// The greatest size.
    pub const MAX: u32 = (1 << ARRIVED_BITS) - 1;

    /// For `size` callers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: `size` is 0 or beyond [`Barrier::MAX`].
    pub fn new(size: u32) -> Result<Barrier, Error> {
        if size == 0 || size > Barrier::MAX {
            return Err(Error::InvalidArgument);
        }
        Ok(Barrier { word: AtomicU64::new(0), size, waiters: queue::Notify::const_new() })
    }

    /// Arrives, and waits until all have. One of them, the last to arrive, is the leader, and does not wait.
    ///
    /// # Errors
    /// [`BarrierWaitError`].
    pub fn wait(&self, wait: Wait<'_>) -> Result<BarrierWaitResult, BarrierWaitError> {
        wait.check()?;
        let Some(arrival) = self.arrive()? else { return Ok(BarrierWaitResult { is_leader: true }) };
        match block_on(arrival.over(), wait) {
            Ok(Err(error)) => Err(error),
            Err(interrupted) if arrival.take_out() => {
                forget(arrival);
                Err(interrupted.into())
            }
            Ok(Ok(())) | Err(_) => Ok(arrival.follow()),
        }
    }

    /// The same as a future. It arrives when it is polled for the first time, and is withdrawn when it is dropped.
    ///
    /// # Errors
    /// [`BarrierWaitError::Closed`].
    pub async fn wait_async(&self) -> Result<BarrierWaitResult, BarrierWaitError> {
        match self.arrive()? {
            None => Ok(BarrierWaitResult { is_leader: true }),
            Some(arrival) => {
                arrival.over().await?;
                Ok(arrival.follow())
            }
        }
    }

    /// For how many it is.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many have arrived and wait for the others now.
    #[must_use]
    pub fn arrived(&self) -> u32 {
        self.look().arrived()
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed". Those whose generation was full before are not.
    pub fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::Release);
        self.waiters.notify_waiters();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.look().is_closed()
    }

    fn look(&self) -> State {
        State(self.word.load(Ordering::Acquire))
    }

    /// `None`: as the last, whom nobody is waited for by.
    fn arrive(&self) -> Result<Option<Arrival<'_>>, BarrierWaitError> {
        let arrive = |bits| Some(State(bits).arrive(self.size)?.0);
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, arrive);
        let before = State(before.map_err(|_| BarrierWaitError::Closed)?);
        if before.arrived() + 1 == self.size {
            self.waiters.notify_waiters();
            return Ok(None);
        }
        Ok(Some(Arrival { barrier: self, generation: before.generation() }))
    }
}

/// One that is counted and waits. Withdrawn when it is dropped.
struct Arrival<'a> {
    barrier: &'a Barrier,
    generation: u64,
}

impl Arrival<'_> {
    async fn over(&self) -> Result<(), BarrierWaitError> {
        loop {
            let woken = self.barrier.waiters.notified();
            let state = self.barrier.look();
            if state.generation() != self.generation {
                return Ok(());
            }
            if state.is_closed() {
                return Err(BarrierWaitError::Closed);
            }
            woken.await;
        }
    }

    /// All have arrived.
    fn follow(self) -> BarrierWaitResult {
        forget(self);
        BarrierWaitResult { is_leader: false }
    }

    /// Withdraws it; `false`: too late, all have arrived.
    fn take_out(&self) -> bool {
        let withdraw = |bits| Some(State(bits).withdraw(self.generation)?.0);
        self.barrier.word.fetch_update(Ordering::Relaxed, Ordering::Acquire, withdraw).is_ok()
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.take_out();
    }
}

impl BarrierWaitResult {
    /// Whether this was the one that arrived last: exactly one of each generation.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

impl From<Interrupted> for BarrierWaitError {
    fn from(interrupted: Interrupted) -> BarrierWaitError {
        BarrierWaitError::Interrupted(interrupted)
    }
}

impl From<BarrierWaitError> for Error {
    fn from(error: BarrierWaitError) -> Error {
        match error {
            BarrierWaitError::Closed => Error::Freed,
            BarrierWaitError::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

impl fmt::Display for BarrierWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for BarrierWaitError {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.look();
        f.debug_struct("Barrier")
            .field("size", &self.size)
            .field("arrived", &state.arrived())
            .field("is_closed", &state.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
static KIND: Kind<Barrier> = Kind::new("barrier");

#[cfg(not(loom))]
impl Handle for Barrier {
    fn kind() -> &'static Kind<Barrier> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }
}
