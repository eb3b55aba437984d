//! One thing that a thread has in flight, noted where anybody may read it.
//!
//! | token | means |
//! |---|---|
//! | 0 | nothing |
//! | odd: a handle's token | an operation or a hold in the hazard lane: this slot is what keeps the object alive |
//! | even: a token less one | one in the counter lane: the count keeps the object alive, the slot only tells of it |
//!
//! The owner of the record takes slots, by plain stores; an operation's is cleared by its own thread, a hold's by
//! whoever releases it.

#[cfg(not(loom))]
use crate::deadline;
#[cfg(not(loom))]
use crate::handle::shell::Shell;
use crate::shim::{AtomicPtr, AtomicU64, Ordering, const_fn};
use std::ffi::c_char;
use std::ptr;

/// See the file head.
pub struct Slot {
    token: AtomicU64,
    operation: AtomicPtr<c_char>,
    /// Of a hold: when it was taken, or begun to be waited for, and in the low bits its [`Phase`]; it stays when the hold is
    /// over. Of an operation: see `nesting.rs`; 0 if it has no place in that order.
    since: AtomicU64,
    /// Of an operation that is left by its token alone: the shell that the token names. Of a hold: what it has taken of what a
    /// ready-made kind hands out, a number and no address; null: nothing.
    #[cfg(not(loom))]
    detail: AtomicPtr<Shell>,
}

/// How far a hold has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its thread waits for what it is to hold.
    Waiting = 0,
    /// Taken, by the thread that waited.
    Held = 1,
    /// Taken, and handed to another thread, nobody knows which.
    PassedOn = 2,
}

/// The bits of `since` that are the phase: nanoseconds are told to the fourth.
const PHASE: u64 = 3;

/// Every token is odd.
const LANE: u64 = 1;

impl Slot {
    const_fn! {
        /// Empty.
        #[must_use]
        pub fn new() -> Slot {
            Slot {
                token: AtomicU64::new(0),
                operation: AtomicPtr::new(ptr::null_mut()),
                since: AtomicU64::new(0),
                #[cfg(not(loom))]
                detail: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// For the owner.
    ///
    /// Acquire: pairs with the release of [`Slot::clear`], by another thread if a hold was in it. So what that thread did comes
    /// before what the owner notes here next, and before whatever is done by who sees that.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.token.load(Ordering::Acquire) == 0
    }

    /// Notes an operation in the hazard lane.
    #[inline]
    pub fn fill(&self, token: u64, operation: *const c_char) {
        self.operation.store(operation.cast_mut(), Ordering::Relaxed);
        // Release: a reader that sees the token sees its operation; and a closer that sees this token instead of an
        // earlier one comes after that earlier operation.
        self.token.store(token, Ordering::Release);
    }

    /// Notes an operation in the counter lane.
    #[inline]
    pub(crate) fn fill_counted(&self, token: u64, operation: *const c_char) {
        self.fill(token & !LANE, operation);
    }

    /// Whether a slot that holds just this protects something: neither empty nor counted.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn is_token(noted: u64) -> bool {
        noted & LANE != 0
    }

    /// Whether it notes an operation on `token` in the hazard lane; for the owner.
    #[inline]
    pub(crate) fn is_filled_with(&self, token: u64) -> bool {
        self.token.load(Ordering::Relaxed) == token
    }

    /// See the field.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn set_since(&self, since: u64) {
        self.since.store(since, Ordering::Relaxed);
    }

    /// See the field; for the owner.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// See the field; for the owner.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn set_shell(&self, shell: &'static Shell) {
        self.detail.store(ptr::from_ref(shell).cast_mut(), Ordering::Relaxed);
    }

    /// See the field; for the owner.
    ///
    /// # Safety
    /// After [`Slot::set_shell`].
    #[cfg(not(loom))]
    #[inline]
    pub(crate) unsafe fn shell(&self) -> &'static Shell {
        // SAFETY: set before, to a `'static` reference.
        unsafe { &*self.detail.load(Ordering::Relaxed) }
    }

    /// Whether it notes `token`, in whichever lane.
    #[inline]
    pub(crate) fn notes(&self, token: u64) -> bool {
        self.token.load(Ordering::Relaxed) | LANE == token
    }

    /// Whether an operation on `token` is in the hazard lane by this slot.
    ///
    /// Acquire: pairs with the release of [`Slot::clear`] and of a later [`Slot::fill`], so that who finds it gone comes
    /// after what the operation did.
    #[inline]
    pub fn protects(&self, token: u64) -> bool {
        self.token.load(Ordering::Acquire) == token
    }

    /// For a hold that begins, in `phase`, and has taken nothing yet. The owner fills it next.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn for_hold(&self, phase: Phase) -> &Slot {
        self.date(phase);
        self.set_taken(0);
        self
    }

    /// Of a hold that begins, in `phase`: since now, as of the clock's last tick; but later than every one before it in this
    /// slot, so that its time is its own. (By four nanoseconds, in which no hold comes and goes: so it is never to come.)
    #[cfg(not(loom))]
    #[inline]
    fn date(&self, phase: Phase) {
        self.set_phase(phase, deadline::last_tick().max(self.since() + PHASE + 1));
    }

    /// Of a hold: since when it is in `phase`.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn set_phase(&self, phase: Phase, since: u64) {
        self.set_since(since & !PHASE | phase as u64);
    }

    /// Of a hold: see [`Phase`].
    #[cfg(not(loom))]
    pub(crate) fn phase(&self) -> Phase {
        Phase::of(self.since())
    }

    /// Of a hold that is held since then.
    #[cfg(not(loom))]
    pub(crate) fn pass_on(&self, since: u64) {
        let passed_on = since & !PHASE | Phase::PassedOn as u64;
        let _ = self.since.compare_exchange(since, passed_on, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Of a hold: see the field. Whoever releases it has its token from the one who took it, and so comes after.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn set_taken(&self, taken: u64) {
        // Handles, and so holds, exist on 64-bit targets only.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        self.detail.store(ptr::without_provenance_mut(taken as usize), Ordering::Relaxed);
    }

    /// Of a hold: see the field.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn taken(&self) -> u64 {
        self.detail.load(Ordering::Relaxed).addr() as u64
    }

    /// What another thread sees of it: the operation's name, and since when; `None` if it does not note
    /// `token`.
    #[cfg(not(loom))]
    pub(crate) fn sight(&self, token: u64) -> Option<(*const c_char, u64)> {
        // Acquire: who sees the token sees its operation.
        if self.token.load(Ordering::Acquire) | LANE != token {
            return None;
        }
        let operation: *const c_char = self.operation.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Acquire);
        // Not if it was taken for something else in between.
        self.notes(token).then_some((operation, since))
    }

    /// Empties the slot.
    #[inline]
    pub fn clear(&self) {
        // Release: what the operation did comes before, for a closer that sees it empty (and orders a hold's release on
        // another thread before the owner's next use of the slot).
        self.token.store(0, Ordering::Release);
    }
}

impl Phase {
    /// As `since` has it.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn of(since: u64) -> Phase {
        match since & PHASE {
            0 => Phase::Waiting,
            1 => Phase::Held,
            _ => Phase::PassedOn,
        }
    }
}
