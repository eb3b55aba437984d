//! From the index in a token to the shell, and the list of vacant shells.
//!
//! Shells live in chunks that are allocated when needed and never given back, found through a fixed
//! table (512 KiB of address space, of which only the touched pages exist). A vacant shell is on a
//! stack; `take` pops one or, if there is none, uses the next fresh index. So memory is bounded by the
//! peak number of live handles plus the shells that used up their generations.
//!
//! # Protocol
//!
//! A Treiber stack of indices (R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986). The
//! head carries a tag that each change moves on, so that a pop whose first shell was taken and given
//! back in between fails its compare-and-swap. No lock anywhere: a fork finds every structure whole.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | give back: exchange of the head | release | the acquire of `take` | the last life's stores, the link |
//! | take: look at and exchange of the head | acquire | give back | |
//! | publish a chunk | release | the acquire of [`Directory::get`] | the chunk's first stores |

use crate::Error;
use crate::handle::shell::Shell;
use crate::shim::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::alloc::{Layout, alloc, dealloc};

/// Shells in a chunk.
#[cfg(not(loom))]
pub const CHUNK: usize = 256;
#[cfg(loom)]
pub const CHUNK: usize = 1;

const INDEX_BITS: u32 = crate::handle::token::INDEX_BITS;

/// Up to `CHUNKS * CHUNK` shells.
pub struct Directory<const CHUNKS: usize> {
    chunks: [AtomicPtr<Shell>; CHUNKS],
    /// The next index that was never used.
    fresh: AtomicU32,
    /// Tag and, plus one, the index on top; 0 in the low bits: empty.
    vacant: AtomicU64,
    generation_max: u32,
}

impl<const CHUNKS: usize> Directory<CHUNKS> {
    const LIMIT: usize = CHUNKS * CHUNK;

    /// Empty; shells live up to generation `generation_max`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(generation_max: u32) -> Self {
        let chunks = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
        Directory { chunks, fresh: AtomicU32::new(0), vacant: AtomicU64::new(0), generation_max }
    }

    /// Empty; shells live up to generation `generation_max`.
    #[cfg(loom)]
    #[must_use]
    pub fn new(generation_max: u32) -> Self {
        let chunks = std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()));
        Directory { chunks, fresh: AtomicU32::new(0), vacant: AtomicU64::new(0), generation_max }
    }

    /// The shell of `index`, if it was ever used.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&Shell> {
        let index = index as usize;
        let chunk = self.chunks.get(index / CHUNK)?.load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        // SAFETY: a published chunk holds CHUNK initialised shells and is never given back while `self` lives.
        Some(unsafe { &*chunk.add(index % CHUNK) })
    }

    /// A vacant shell, the caller's alone until it opens it (and gives it back when that life is over).
    ///
    /// # Errors
    /// [`Error::Limit`] when all are in use, [`Error::NoMemory`].
    pub fn take(&self) -> Result<(u32, &Shell), Error> {
        if let Some(index) = self.pop() {
            return Ok((index, self.get(index).ok_or(Error::Limit)?));
        }
        let mut index = self.fresh.load(Ordering::Relaxed);
        loop {
            if index as usize >= Self::LIMIT {
                // Somebody may have given one back in the meantime.
                let index = self.pop().ok_or(Error::Limit)?;
                return Ok((index, self.get(index).ok_or(Error::Limit)?));
            }
            self.ensure(index as usize / CHUNK)?;
            // Relaxed: an index is only a number; its chunk is published on its own.
            match self.fresh.compare_exchange_weak(index, index + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok((index, self.get(index).ok_or(Error::NoMemory)?)),
                Err(now) => index = now,
            }
        }
    }

    /// Gives a vacated shell back for its next life, unless its generations are used up: then it is
    /// retired, and answers `false`.
    pub fn give_back(&self, index: u32, next_generation: u32) -> bool {
        if next_generation > self.generation_max {
            return false;
        }
        let Some(shell) = self.get(index) else { return false };
        let mut head = self.vacant.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            shell.next_vacant.store(top_plus_one(head), Ordering::Relaxed);
            let new = retag(head, index + 1);
            match self.vacant.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    fn pop(&self) -> Option<u32> {
        let mut head = self.vacant.load(Ordering::Acquire);
        loop {
            let index = top_plus_one(head).checked_sub(1)?;
            // May be stale if another took this shell: then the tag has moved and the exchange fails.
            let next = self.get(index)?.next_vacant.load(Ordering::Relaxed);
            match self.vacant.compare_exchange_weak(head, retag(head, next), Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    fn ensure(&self, chunk: usize) -> Result<(), Error> {
        let Some(place) = self.chunks.get(chunk) else { return Err(Error::Limit) };
        if !place.load(Ordering::Acquire).is_null() {
            return Ok(());
        }
        let layout = Layout::array::<Shell>(CHUNK).map_err(|_| Error::NoMemory)?;
        // SAFETY: the layout is not of size zero.
        let shells = unsafe { alloc(layout) }.cast::<Shell>();
        if shells.is_null() {
            return Err(Error::NoMemory);
        }
        for index in 0..CHUNK {
            // SAFETY: within the fresh allocation.
            unsafe { shells.add(index).write(Shell::new()) };
        }
        // Release: publishes the shells to `get`. One thread's chunk becomes the chunk; the others give theirs
        // back.
        if place.compare_exchange(std::ptr::null_mut(), shells, Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: nobody else has seen this allocation.
            unsafe { Self::deallocate(shells) };
        }
        Ok(())
    }

    /// # Safety
    /// `shells` is a chunk of this directory's making that nobody uses.
    unsafe fn deallocate(shells: *mut Shell) {
        let layout = Layout::array::<Shell>(CHUNK).expect("it was allocated with this layout");
        for index in 0..CHUNK {
            // SAFETY: every shell of a chunk is initialised.
            unsafe { shells.add(index).drop_in_place() };
        }
        // SAFETY: allocated in `ensure` with this layout.
        unsafe { dealloc(shells.cast(), layout) };
    }

    /// Every shell that was ever used, with its index.
    pub fn shells(&self) -> impl Iterator<Item = (u32, &Shell)> {
        let used = self.fresh.load(Ordering::Relaxed);
        (0..used).filter_map(|index| self.get(index).map(|shell| (index, shell)))
    }
}

/// Only tests and models have directories that end; the process's own is a static.
impl<const CHUNKS: usize> Drop for Directory<CHUNKS> {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            let shells = chunk.load(Ordering::Acquire);
            if !shells.is_null() {
                // SAFETY: `&mut self`: nobody borrows a shell any more.
                unsafe { Self::deallocate(shells) };
            }
        }
    }
}

const LOW: u64 = (1 << (INDEX_BITS + 1)) - 1;

#[allow(clippy::cast_possible_truncation, reason = "masked to 25 bits")]
fn top_plus_one(head: u64) -> u32 {
    (head & LOW) as u32
}

fn retag(head: u64, top_plus_one: u32) -> u64 {
    (head & !LOW).wrapping_add(LOW + 1) | u64::from(top_plus_one)
}
