//! The guard: one word that admits, counts and closes. The protocol of every handle, and of an author's
//! own struct.
//!
//! # States
//!
//! See [`State`] for the bits. A guard that is embedded in an author's leaked struct goes through these:
//!
//! | state | closed | count | deferred | over | means |
//! |---|---|---|---|---|---|
//! | open | – | n | – | – | n are in flight, more may enter |
//! | draining | yes | n > 0 | – | – | the closer waits (or is about to) for n to leave |
//! | quiescent | yes | 0 | – | – | all have left; the closer is about to report it |
//! | given up | yes | n > 0 | yes | – | the closer's deadline passed; n are still inside |
//! | ownerless | yes | 0 | yes | – | all have left since; the first `wait_drained` reports it |
//! | reported | yes | 0 | any | yes | the end was handed to exactly one caller; for ever |
//!
//! Deferred is set only while somebody is inside, reported only when nobody is, and closed is never
//! taken back, so no other combination is reachable. A shell uses the same word and the same steps, with
//! its own end in place of "over": see `handle/shell.rs`.
//!
//! # Protocol
//!
//! - *Enter* ([`HandleGuard::admit`]) looks, judges, and counts itself with one compare-and-swap of the
//!   whole word.
//! - *Leave* ([`HandleGuard::depart`]) uncounts. The one who makes a closed word idle wakes the
//!   sleepers, or learns that the end was deferred to it.
//! - *Close* ([`HandleGuard::close`]) sets the closed bit. One caller wins, ever.
//! - *Drain* ([`HandleGuard::drained_by`]) spins briefly, then announces itself in the word and sleeps.
//! - *Give up* ([`HandleGuard::defer`]) sets deferred, unless the last one has just left.
//!
//! # Invariants
//!
//! 1. An enter succeeds only on an open word, and the closed bit and the count are judged in the step
//!    that counts. So after close nobody is admitted who was not counted before it.
//! 2. The count of a closed word falls to zero once (a shell's closer, which may count itself again for
//!    a hook, does so only from a count above zero). So "the last one out" is one caller.
//! 3. At the moment the count becomes zero the word says whether the end was deferred. Give up refuses
//!    at zero. So exactly one of closer and last leaver has the end, and both learn it from the change
//!    they made themselves.
//! 4. Who sleeps has set `sleepers` in a change that saw the count above zero, and compares the half it
//!    sleeps on with the value of that change. The last leave comes after it in the word's order, so it
//!    sees the bit and wakes.
//! 5. A refused caller changes nothing: a storm of refusals cannot disturb a drain.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | enter | acquire | the release of whoever opened the word | the object |
//! | leave | release | the acquire of the last one out, or of the drainer's look | what the operation did to the object |
//! | last leave, drain, give up that finds nobody | acquire | the releases of all leaves | everything the destructor needs to see |
//! | close | release | the acquire of a refused caller's look | nothing needed; free with the compare-and-swap |
//!
//! No fences: ThreadSanitizer does not understand them, and a compare-and-swap needs none.
//!
//! # Last touch
//!
//! The leave's compare-and-swap is its last access; the wake after it uses the address only. An entry
//! that is refused may look at the word at any later time, so *the memory of an embedded guard is never
//! given back*: leak the struct.
//!
//! # Checked by
//!
//! Models in `tests/loom/guard.rs` (enter vs close, close vs close, last leave vs deadline, last leave
//! vs parked drainer, refused storm), the naive twin in `tests/twin.rs`, and `scripts/sabotage`, which
//! breaks each rule above.

use crate::deadline::Deadline;
use crate::park::{self, Half};
use crate::shim::const_fn;
use crate::word::{Change, Refused, State, Word};
use std::time::Duration;

/// How long a `*_free` waits for those inside when its caller does not say: 5 seconds.
pub const FFI_HANDLE_FREE_DEADLINE: Duration = Duration::from_secs(5);

/// Guards a struct that foreign code holds by address: eight bytes, embedded in the author's own leaked
/// `Box`.
///
/// Every exported operation enters the guard; the exported free begins the free, and only the caller
/// that it answers `true` releases what the struct owns. All-zero bytes are an open guard, so C may
/// zero-initialise it.
///
/// **The memory that holds the guard must never be given back**: a late caller may still look at the
/// word. Take the payload out of the struct and leak the shell. (If that memory matters, use
/// [`crate::Token`]: its shells are used again.)
///
/// ```
/// use quiescent_core::{FFI_HANDLE_FREE_DEADLINE, HandleGuard};
///
/// struct Session { guard: HandleGuard, /* … */ }
/// let session: &'static Session = Box::leak(Box::new(Session { guard: HandleGuard::new() }));
///
/// // session_op
/// match session.guard.try_enter() {
///     Some(_op) => { /* use the session: it cannot go away before `_op` is dropped */ }
///     None => { /* it is being freed, or has been */ }
/// }
/// // session_free, from any thread, however often
/// if session.guard.begin_free(FFI_HANDLE_FREE_DEADLINE) { /* release what it owns: exactly one caller gets here */ }
/// assert!(!session.guard.begin_free(FFI_HANDLE_FREE_DEADLINE));
/// assert!(session.guard.try_enter().is_none());
/// ```
///
/// Entering and leaving never block and never allocate. After `fork` an embedded guard is as its word
/// was copied: operations that other threads had in flight never leave in the child, so a free there
/// ends at its deadline.
#[repr(transparent)]
pub struct HandleGuard {
    word: Word,
}

/// An operation in flight. Dropping it leaves; forgetting it is safe (the free then times out).
#[must_use = "the operation leaves when this is dropped"]
#[derive(Debug)]
pub struct HandleOp<'guard> {
    guard: &'guard HandleGuard,
}

/// What [`HandleGuard::begin_free_detailed`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginFree {
    /// This call closed the guard and all have left: release the payload. One caller ever gets this.
    Drained,
    /// Another call had closed the guard before; that call, or a later [`HandleGuard::wait_drained`],
    /// owns the end.
    AlreadyFreeing,
    /// This call closed the guard, but somebody was still inside at the deadline. Nobody can enter any
    /// more; [`HandleGuard::wait_drained`] hands out the end.
    TimedOut,
}

/// What [`HandleGuard::wait_drained_detailed`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitDrained {
    /// All have left: release the payload. One caller gets this, or [`BeginFree::Drained`], ever.
    Drained,
    /// All have left, and another caller was told before.
    AlreadyReported,
    /// Somebody was still inside, or the closer still waiting, at the deadline.
    TimedOut,
    /// No free has begun.
    NotFreeing,
}

/// Why [`HandleGuard::enter`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterError {
    /// A free has begun.
    Closed,
    /// 16,777,214 operations are in flight.
    Limit,
}

impl std::fmt::Display for EnterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EnterError::Closed => "the guard is being freed, or has been",
            EnterError::Limit => "too many operations are in flight on this guard",
        })
    }
}

impl std::error::Error for EnterError {}

impl From<EnterError> for crate::Error {
    fn from(refused: EnterError) -> crate::Error {
        match refused {
            EnterError::Closed => crate::Error::Freed,
            EnterError::Limit => crate::Error::Limit,
        }
    }
}

/// What a leave found on its way out.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Others are inside, or the word is open, or the closer takes care of the end.
    Plain,
    /// The word is closed, this was the last one out, and the end was deferred to it.
    LastOfDeferred,
    /// Of a shell with a hazard lane: the word is closed, and nobody is counted any more; slots may still protect it.
    LastCounted,
    /// Nobody was inside: this leave had no enter. Nothing was changed.
    NotInside,
}

/// What a close found.
enum Close {
    /// Nobody was inside: the end is this caller's, now.
    Idle,
    /// This caller closed; somebody is inside.
    Busy,
    /// Somebody else closed before.
    Lost,
}

impl HandleGuard {
    const_fn! {
        /// An open guard with nobody inside.
        #[must_use]
        pub fn new() -> HandleGuard {
            HandleGuard { word: Word::new(State::OPEN) }
        }
    }

    /// Enters, or answers `None`: a free has begun, or 16,777,214 operations are in flight
    /// ([`HandleGuard::enter`] says which).
    #[inline]
    pub fn try_enter(&self) -> Option<HandleOp<'_>> {
        self.enter().ok()
    }

    /// Enters. Never blocks; a refused call writes nothing.
    ///
    /// # Errors
    /// [`EnterError::Closed`] once a free has begun, [`EnterError::Limit`] when the count is at its end.
    #[inline]
    pub fn enter(&self) -> Result<HandleOp<'_>, EnterError> {
        match self.admit(|_| Ok(())) {
            Ok(()) => Ok(HandleOp { guard: self }),
            Err(Refused::Closed) => Err(EnterError::Closed),
            Err(Refused::Limit) => Err(EnterError::Limit),
        }
    }

    /// Closes the guard and waits up to `deadline` for those inside. `true` exactly once in the guard's
    /// life, and only when all have left: then release the payload. See
    /// [`HandleGuard::begin_free_detailed`] for what `false` can mean.
    pub fn begin_free(&self, deadline: Duration) -> bool {
        self.begin_free_detailed(deadline) == BeginFree::Drained
    }

    /// Closes the guard: from here on nobody enters. The first caller waits up to `deadline` for those
    /// inside; all others are answered [`BeginFree::AlreadyFreeing`] at once. The caller must not be
    /// inside itself: it would wait for its own leave.
    pub fn begin_free_detailed(&self, deadline: Duration) -> BeginFree {
        match self.close() {
            Close::Idle => {}
            Close::Busy => {
                if !self.drained_by(Deadline::after(deadline), || true) && self.defer(0) {
                    return BeginFree::TimedOut;
                }
            }
            Close::Lost => return BeginFree::AlreadyFreeing,
        }
        // Not deferred, so no `wait_drained` can have taken the end: it is the closer's.
        let reported = self.report(State::is_idle);
        debug_assert!(reported, "a closer that has not given up owns the end");
        BeginFree::Drained
    }

    /// After a [`BeginFree::TimedOut`]: waits up to `deadline` until all have left. `true` for the first
    /// caller that sees it, once in the guard's life; then release the payload.
    pub fn wait_drained(&self, deadline: Duration) -> bool {
        self.wait_drained_detailed(deadline) == WaitDrained::Drained
    }

    /// [`HandleGuard::wait_drained`], telling the ways apart. May be called by any number of threads,
    /// and before the closer has given up (then it waits for that too, and learns who was told).
    pub fn wait_drained_detailed(&self, deadline: Duration) -> WaitDrained {
        if !self.look().is_closed() {
            return WaitDrained::NotFreeing;
        }
        let ownerless = |state: State| state.is_idle() && state.is_deferred();
        let over = |state: State| state.is_over() || ownerless(state);
        if !park::until(&self.word, Half::Low, Deadline::after(deadline), over, State::with_sleepers) {
            WaitDrained::TimedOut
        } else if self.report(ownerless) {
            WaitDrained::Drained
        } else {
            WaitDrained::AlreadyReported
        }
    }

    /// Leaves for a caller that entered without keeping the [`HandleOp`]: a C program.
    ///
    /// Answers `false`, and changes nothing, when nobody is inside.
    ///
    /// # Safety
    /// The caller entered this guard (and forgot that [`HandleOp`]) and has not left for it before.
    pub unsafe fn leave(&self) -> bool {
        self.depart() != Departure::NotInside
    }
}

// The protocol's steps, for the guard above and for shells.
#[allow(clippy::missing_errors_doc, reason = "private steps; the errors are the closures' own")]
impl HandleGuard {
    const_fn! {
        /// A guard in a given state.
        pub(crate) fn in_state(state: State) -> HandleGuard {
            HandleGuard { word: Word::new(state) }
        }
    }

    /// The word as it is now: for the models and the twin.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn look(&self) -> State {
        self.word.look()
    }

    /// What to sleep on.
    pub(crate) fn word(&self) -> &Word {
        &self.word
    }

    /// Opens the word; only for its sole owner.
    #[inline]
    pub(crate) fn publish(&self, state: State) {
        self.word.publish(state);
    }

    /// Leaves, for a caller that is known to be counted.
    #[inline]
    pub(crate) fn depart_counted(&self) -> Departure {
        self.departed(self.word.depart())
    }

    /// Puts `state` in place of whatever the word is, for the owner of the end, and answers that.
    pub(crate) fn replace(&self, state: State) -> State {
        self.word.replace(state)
    }

    /// Changes the word by a rule of the shell.
    pub(crate) fn change<E>(&self, next: impl FnMut(State) -> Result<State, E>) -> Result<Change, E> {
        self.word.change(next)
    }

    /// Enters, if `judge` (the shell's identity check) and the word allow it.
    #[inline]
    pub(crate) fn admit<E: From<Refused>>(&self, judge: impl Fn(State) -> Result<(), E>) -> Result<(), E> {
        self.word.change(|state| {
            judge(state)?;
            Ok::<State, E>(state.admitted(1)?)
        })?;
        Ok(())
    }

    /// Leaves. See [`Departure`].
    #[inline]
    pub(crate) fn depart(&self) -> Departure {
        match self.word.change(|state| state.departed(1).ok_or(())) {
            Ok(change) => self.departed(change),
            Err(()) => Departure::NotInside,
        }
    }

    /// What the leave that made `change` found.
    #[inline]
    fn departed(&self, change: Change) -> Departure {
        if change.after.is_quiescent() { self.last_departed(change) } else { Departure::Plain }
    }

    fn last_departed(&self, change: Change) -> Departure {
        if change.before.has_hazard_lane() {
            return Departure::LastCounted;
        }
        if change.before.has_sleepers() {
            park::wake_all(&self.word, Half::Low);
        }
        if change.before.is_deferred() { Departure::LastOfDeferred } else { Departure::Plain }
    }

    /// Closes.
    fn close(&self) -> Close {
        match self.word.change(|state| if state.is_closed() { Err(()) } else { Ok(state.closed()) }) {
            Ok(change) if change.before.is_idle() => Close::Idle,
            Ok(_) => Close::Busy,
            Err(()) => Close::Lost,
        }
    }

    /// The closer waits until nobody is inside: `true`, or `false` at the deadline. `no_slot` is asked where a hazard
    /// lane was open.
    pub(crate) fn drained_by(&self, deadline: Deadline, no_slot: impl Fn() -> bool) -> bool {
        let drained = |state: State| state.is_idle() && (!state.has_hazard_lane() || no_slot());
        park::until(&self.word, Half::Low, deadline, drained, State::with_sleepers)
    }

    /// The closer counts itself again, to run a hook: `false` if nobody is inside any more, and the end
    /// is the closer's.
    pub(crate) fn recount(&self) -> bool {
        let over = |state: State| state.is_idle() && !state.has_hazard_lane();
        self.word.change(|state| if over(state) { Err(()) } else { Ok(state.with_one_more()) }).is_ok()
    }

    /// The closer uncounts itself after a hook: `true` if nobody else is inside, and the end is the
    /// closer's.
    pub(crate) fn uncount(&self) -> bool {
        self.word.change(|state| state.departed(1).ok_or(())).is_ok_and(|change| change.after.is_idle())
    }

    /// The closer gives up, taking `own` counts of its own back in the same step: `true`; or `false` if
    /// nobody else is inside any more, and the end is the closer's after all.
    pub(crate) fn defer(&self, own: u32) -> bool {
        let change = self.word.change(|state| {
            let others = state.departed(own).ok_or(())?;
            let over = others.is_idle() && !others.has_hazard_lane();
            Ok::<_, ()>(if over { others } else { others.deferred() })
        });
        change.is_ok_and(|change| change.after.is_deferred())
    }

    /// Hands the end of an embedded guard to one caller, when it is `ripe`.
    fn report(&self, ripe: impl Fn(State) -> bool) -> bool {
        let change = self.word.change(|state| if ripe(state) && !state.is_over() { Ok(state.over()) } else { Err(()) });
        let Ok(change) = change else { return false };
        if change.before.has_sleepers() {
            park::wake_all(&self.word, Half::Low);
        }
        true
    }
}

impl Drop for HandleOp<'_> {
    #[inline]
    fn drop(&mut self) {
        // An operation is inside until this, and leaves once.
        let _ = self.guard.depart_counted();
    }
}

impl Default for HandleGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HandleGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HandleGuard({:?})", self.look())
    }
}
