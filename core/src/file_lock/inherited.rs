//! What a forked child closes: its copies of the files that its parent has locked.
//!
//! A lock ends when the last copy of its descriptor is closed, or when it is unlocked. A child's copy would keep the lock of a
//! parent that is killed for as long as the child lives: also one that was made while the parent still waited. Closing that copy
//! takes nothing from the parent. So each file that is locked, or may come to be, stands in a list for as long as it is open, and the
//! child closes what stands there before it returns from `fork` (in the `pthread_atfork` handler of `handle/process.rs`). It only
//! loads atomics and calls `fstat` and `close`, as it must.
//!
//! # Two snapshots
//!
//! The child gets a copy of the descriptors and a copy of the memory, at two moments, between which the parent's other threads go on. So
//! a number in the list may be another file's, or nobody's, among its descriptors: it is closed only if it is that very file.
//!
//! # What is missed
//!
//! The number is known once the file is open, so there is a moment in which it is open and not in the list: a child whose descriptors *and*
//! memory are copied in it, by another thread's fork, keeps its copy (some microseconds; tried with an `open` that forks).
//! That matters if the parent then gets the lock and is killed, or ends without a release, while the child lives on without `exec`.
//! None of these would do:
//!
//! - *A place with the identity alone*, and a child that looks for it among its descriptors: those of the program's own that lead to the
//!   same file cannot be told from it.
//! - *Opening again if a fork came between*: one that is under way copies the next one, too, and who waits for its end waits for
//!   `fork` handlers of the program's, which may wait for what the caller holds.
//! - *A lock that `fork` takes*: it would wait for an `open` on the network; and for ever where a signal handler forks.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | write the descriptor down, take it out | release | the look of the child: acquire | the identity beside it |
//! | link a place | release | the walk: acquire | the place |

use crate::allocate::try_box;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::identity::Identity;
use crate::file_lock::system::{self, Descriptor};
use crate::handle::process;
use crate::shim::{AtomicPtr, AtomicU64, Ordering};
use std::os::fd::AsRawFd;
use std::ptr;

/// A place in the list, which is never given back, but used again.
struct Place {
    /// The descriptor and one; or one of the two below.
    descriptor: AtomicU64,
    device: AtomicU64,
    inode: AtomicU64,
    next: AtomicPtr<Place>,
}

const FREE: u64 = 0;
/// Somebody is about to write it.
const TAKEN: u64 = u64::MAX;

static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// A descriptor in the list; taken out by its drop, before it is closed.
pub(super) struct Inherited(&'static Place);

impl Inherited {
    /// Writes down `file`, which is not locked yet.
    pub(super) fn note(file: &Descriptor, identity: Identity) -> Result<Inherited, FileLockIoError> {
        process::prepare().map_err(|_| FileLockIoError::no_memory())?;
        let place = match places().find(|place| place.take()) {
            Some(place) => place,
            None => Place::link()?,
        };
        let [device, inode] = words(identity);
        place.device.store(device, Ordering::Relaxed);
        place.inode.store(inode, Ordering::Relaxed);
        place.descriptor.store(u64::from(file.as_raw_fd().unsigned_abs()) + 1, Ordering::Release);
        Ok(Inherited(place))
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        self.0.descriptor.store(FREE, Ordering::Release);
    }
}

impl Place {
    fn take(&self) -> bool {
        self.descriptor.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// A new one, taken.
    fn link() -> Result<&'static Place, FileLockIoError> {
        let place = Place {
            descriptor: AtomicU64::new(TAKEN),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
        };
        let place: &'static Place = Box::leak(try_box(place).ok_or_else(FileLockIoError::no_memory)?);
        let mut first = FIRST.load(Ordering::Relaxed);
        loop {
            place.next.store(first, Ordering::Relaxed);
            let linked = ptr::from_ref(place).cast_mut();
            match FIRST.compare_exchange(first, linked, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(place),
                Err(now) => first = now,
            }
        }
    }

    /// In the child: its copy of the descriptor, if it is that.
    fn close(&self) {
        let noted = self.descriptor.swap(FREE, Ordering::Acquire);
        let Some(descriptor) = noted.checked_sub(1).and_then(|number| i32::try_from(number).ok()) else { return };
        let identity = [self.device.load(Ordering::Relaxed), self.inode.load(Ordering::Relaxed)];
        if system::identity_of(descriptor).is_some_and(|found| words(found) == identity) {
            system::close(descriptor);
        }
    }
}

#[allow(clippy::cast_sign_loss, reason = "compared with each other alone")]
#[allow(clippy::unnecessary_cast, reason = "of another size elsewhere")]
fn words(identity: Identity) -> [u64; 2] {
    [identity.device as u64, identity.inode as u64]
}

fn places() -> impl Iterator<Item = &'static Place> {
    // SAFETY: null, or a leaked place.
    let place = |place: &AtomicPtr<Place>| unsafe { place.load(Ordering::Acquire).as_ref() };
    std::iter::successors(place(&FIRST), move |before| place(&before.next))
}

/// In a forked child, still alone.
pub(super) fn close_in_child() {
    places().for_each(Place::close);
}
