//! A value with several owners.
//!
//! As [`std::sync::Arc`], but making one can fail instead of ending the process, and the last owner's drop is ordered by
//! the counter itself instead of a fence, which `ThreadSanitizer` does not understand.
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | drop | release, and acquire by the last one | the drops of the others | what each owner did with the value |

use crate::allocate::try_box;
use crate::shim::{AtomicUsize, Ordering};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

/// See the file head.
pub struct Shared<T>(NonNull<Counted<T>>);

struct Counted<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: as for `Arc`: owners on different threads share `&T`, and whichever is last drops `T`.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// One owner of `value`; `None`: there is no memory, and `value` is dropped.
    pub fn try_new(value: T) -> Option<Shared<T>> {
        let counted = try_box(Counted { owners: AtomicUsize::new(1), value })?;
        Some(Shared(NonNull::from(Box::leak(counted))))
    }

    /// The address by which [`Shared::from_raw`] finds it.
    pub(crate) fn as_ptr(this: &Shared<T>) -> *const () {
        this.0.as_ptr().cast_const().cast()
    }

    /// Keeps the share, as an address.
    pub(crate) fn into_raw(this: Shared<T>) -> *const () {
        let address = Shared::as_ptr(&this);
        std::mem::forget(this);
        address
    }

    /// The share that an address stands for.
    ///
    /// # Safety
    /// `address` is from [`Shared::into_raw`] of the same `T`, once for each; or from [`Shared::as_ptr`], and what this returns is
    /// never dropped and not used after the share that it was asked of.
    pub(crate) unsafe fn from_raw(address: *const ()) -> Shared<T> {
        // SAFETY: the caller's promise: it is a share's.
        Shared(unsafe { NonNull::new_unchecked(address.cast_mut().cast()) })
    }

    /// Whether both are shares of the same value.
    pub(crate) fn is_same(this: &Shared<T>, other: &Shared<T>) -> bool {
        this.0 == other.0
    }

    /// The value, for the last owner; any other one's share is dropped.
    pub(crate) fn into_inner(this: Shared<T>) -> Option<T> {
        let this = ManuallyDrop::new(this);
        // SAFETY: made from a box, and this was the last owner.
        this.is_last_out().then(|| unsafe { Box::from_raw(this.0.as_ptr()) }.value)
    }

    /// Gives the share up. `true`: it was the last one, whose owner has the value.
    fn is_last_out(&self) -> bool {
        self.counted().owners.fetch_sub(1, Ordering::AcqRel) == 1
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: an owner keeps it alive.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        let owners = self.counted().owners.fetch_add(1, Ordering::Relaxed);
        // As in `Arc`: only forgetting owners over and over gets there.
        if owners > usize::MAX / 2 {
            std::process::abort();
        }
        Shared(self.0)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if self.is_last_out() {
            // SAFETY: made from a box, and this was the last owner.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    struct Counting<'a>(&'a AtomicU32);
    impl Drop for Counting<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_last_owner_drops_the_value_once() {
        let drops = AtomicU32::new(0);
        let first = Shared::try_new(Counting(&drops)).expect("memory");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let owner = first.clone();
                scope.spawn(move || (0..1000).for_each(|_| drop(owner.clone())));
            }
        });
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(first);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}
