//! Which operation a leave ends, where a thread is inside several that are left by their token alone.
//!
//! Such an operation is the *latest* from when it is in until it begins to be left, or another is nested in it; then it has a place
//! in the *order*, the `since` of its slot. A leave ends the latest, if that is of its token, else the last of its token in
//! that order.
//!
//! A signal handler may enter and leave on top of its thread, between any two of these steps: its leave ends its own operation, which is
//! the latest then. An operation that is half in or half out is neither the latest nor in the order, so that no handler can end it.

use crate::handle::slot::Slot;
use crate::shim::{AtomicPtr, AtomicU64, Ordering};
use std::ptr;

/// See the file head. The owner of the record's alone.
#[repr(C)]
pub(crate) struct Nesting {
    /// The slot of the latest, unless that has been left.
    latest: AtomicPtr<Slot>,
    /// How many were nested in another so far.
    order: AtomicU64,
}

impl Nesting {
    pub(crate) const fn new() -> Nesting {
        Nesting { latest: AtomicPtr::new(ptr::null_mut()), order: AtomicU64::new(0) }
    }

    /// What is in `slot` is now the latest.
    #[inline(always)]
    pub(crate) fn begin(&self, slot: &'static Slot) {
        if let Some(outer) = self.latest() {
            let order = self.order.load(Ordering::Relaxed) + 1;
            self.order.store(order, Ordering::Relaxed);
            outer.set_since(order);
        }
        self.latest.store(ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
    }

    #[inline(always)]
    fn latest(&self) -> Option<&'static Slot> {
        // SAFETY: null, or from a `'static` reference.
        unsafe { self.latest.load(Ordering::Relaxed).as_ref() }
    }

    /// There is none any more.
    #[inline(always)]
    pub(crate) fn forget(&self) {
        self.latest.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The latest, if it is of `token`; about to be left.
    pub(crate) fn take_latest(&self, token: u64) -> Option<&'static Slot> {
        let latest = self.latest().filter(|latest| latest.notes(token))?;
        self.forget();
        Some(latest)
    }

    /// The same, if it is in the hazard lane. `token` may be any value.
    #[inline(always)]
    pub(crate) fn take_latest_filled(&self, token: u64) -> Option<&'static Slot> {
        let latest = self.latest().filter(|latest| Slot::is_token(token) && latest.is_filled_with(token))?;
        self.forget();
        Some(latest)
    }
}

/// The last of `token` in the order, among the `operations` of a thread.
pub(crate) fn last_nested(operations: impl Iterator<Item = &'static Slot>, token: u64) -> Option<&'static Slot> {
    let nested = operations.filter(|slot| slot.notes(token) && slot.since() != 0);
    nested.max_by_key(|slot| slot.since())
}
