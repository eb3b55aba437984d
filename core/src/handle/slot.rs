//! One thing that a thread has in flight, noted where anybody may read it.
//!
//! | token | means |
//! |---|---|
//! | 0 | nothing |
//! | odd: a handle's token | an operation in the hazard lane: this slot is what keeps the object alive; or a hold |
//! | even: a token less one | an operation in the counter lane: the count keeps the object alive, the slot only tells of it |
//!
//! The owner of the record takes slots, by plain stores; an operation's is cleared by its own thread, a hold's by
//! whoever releases it.

#[cfg(not(loom))]
use crate::handle::shell::Shell;
use crate::shim::{AtomicPtr, AtomicU64, Ordering, const_fn};
use std::ffi::c_char;
use std::ptr;

/// See the file head.
pub struct Slot {
    token: AtomicU64,
    operation: AtomicPtr<c_char>,
    /// Of a hold: when it was taken. Of an operation: see `record.rs`, "Signals"; 0 if it has no place in that order.
    since: AtomicU64,
    /// Of an operation that is left by its token alone: the shell that the token names.
    #[cfg(not(loom))]
    shell: AtomicPtr<Shell>,
}

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
                shell: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.token.load(Ordering::Relaxed) == 0
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
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// See the field; for the owner.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn set_shell(&self, shell: &'static Shell) {
        self.shell.store(ptr::from_ref(shell).cast_mut(), Ordering::Relaxed);
    }

    /// See the field; for the owner.
    ///
    /// # Safety
    /// After [`Slot::set_shell`].
    #[cfg(not(loom))]
    #[inline]
    pub(crate) unsafe fn shell(&self) -> &'static Shell {
        // SAFETY: set before, to a `'static` reference.
        unsafe { &*self.shell.load(Ordering::Relaxed) }
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
