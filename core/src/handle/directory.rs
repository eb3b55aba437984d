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
    /// The lowest bits of this process's tokens: its key, as a token carries it (see `process.rs`). Here since whoever looks for a shell needs both, and so has one address to find.
    #[cfg(not(loom))]
    pub(crate) mark: AtomicU64,
}

impl<const CHUNKS: usize> Directory<CHUNKS> {
    const LIMIT: usize = CHUNKS * CHUNK;

    /// Empty; shells live up to generation `generation_max`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(generation_max: u32) -> Self {
        Directory {
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            fresh: AtomicU32::new(0),
            vacant: AtomicU64::new(0),
            generation_max,
            mark: AtomicU64::new(crate::handle::process::NOT_DRAWN),
        }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    fn index<const CHUNKS: usize>(directory: &Directory<CHUNKS>) -> u32 {
        directory.take().expect("there is room").0
    }

    #[test]
    fn all_shells_are_handed_out_once_and_then_none() {
        let directory = Directory::<2>::new(9);
        assert!(directory.get(0).is_none(), "nothing is allocated before the first handle");
        let taken: HashSet<u32> = (0..2 * CHUNK).map(|_| index(&directory)).collect();
        assert_eq!(taken.len(), 2 * CHUNK, "two takers have the same shell");
        for _ in 0..3 {
            assert_eq!(directory.take().err(), Some(Error::Limit));
        }
        assert_eq!(directory.shells().count(), 2 * CHUNK);
        assert!(directory.get(511).is_some() && directory.get(512).is_none() && directory.get(u32::MAX).is_none());
        assert!(directory.give_back(300, 2));
        assert_eq!(index(&directory), 300, "room again");
        assert_eq!(directory.take().err(), Some(Error::Limit));
    }

    #[test]
    fn two_shells_never_share_a_cache_line() {
        let directory = Directory::<1>::new(9);
        let shells: Vec<*const Shell> =
            (0..CHUNK).map(|_| std::ptr::from_ref(directory.take().expect("there is room").1)).collect();
        assert!(shells.iter().all(|shell| shell.addr() % 64 == 0));
    }

    #[test]
    fn the_last_one_given_back_is_the_first_one_used_again() {
        let directory = Directory::<1>::new(9);
        for expected in 0..4 {
            assert_eq!(index(&directory), expected, "fresh ones in order");
        }
        for back in [2, 0, 3] {
            assert!(directory.give_back(back, 2));
        }
        assert_eq!([(); 5].map(|()| index(&directory)), [3, 0, 2, 4, 5]);
    }

    #[test]
    fn a_shell_that_used_up_its_generations_is_retired_and_costs_one_more() {
        let directory = Directory::<1>::new(5);
        let first = index(&directory);
        for generation in 2..=5 {
            assert!(directory.give_back(first, generation));
            assert_eq!(index(&directory), first);
        }
        assert!(!directory.give_back(first, 6), "a generation that no token can name");
        assert_eq!(directory.shells().count(), 1);
        assert_ne!(index(&directory), first, "a retired shell lives again");
        assert_eq!(directory.shells().count(), 2, "one retired shell costs one");
    }

    #[test]
    fn retired_shells_use_the_directory_up() {
        let directory = Directory::<1>::new(1);
        for _ in 0..CHUNK {
            let taken = index(&directory);
            assert!(!directory.give_back(taken, 2));
        }
        assert_eq!(directory.take().err(), Some(Error::Limit));
    }

    #[test]
    fn what_was_never_handed_out_is_not_taken_back() {
        let directory = Directory::<1>::new(9);
        assert!(!directory.give_back(0, 1));
        assert_eq!(index(&directory), 0);
        assert!(!directory.give_back(u32::MAX, 1));
    }

    /// Four threads take up to 80 each of 256 and give them back, in an order of their own; a shell that
    /// two have at once is found by its owner count.
    #[test]
    fn no_shell_is_two_takers_at_once() {
        const ROUNDS: usize = 300;
        let directory = Directory::<1>::new(u32::MAX);
        let owners: Vec<AtomicUsize> = (0..CHUNK).map(|_| AtomicUsize::new(0)).collect();
        let (handed_on, full) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let last: Vec<AtomicUsize> = (0..CHUNK).map(|_| AtomicUsize::new(usize::MAX)).collect();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (directory, owners, last, handed_on, full) = (&directory, &owners, &last, &handed_on, &full);
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    for round in 0..ROUNDS {
                        for _ in 0..(round * 7 + thread * 13) % 80 {
                            let Ok((index, _)) = directory.take() else {
                                full.fetch_add(1, SeqCst);
                                break;
                            };
                            let place = index as usize;
                            assert_eq!(owners[place].fetch_add(1, SeqCst), 0, "shell {index} was handed out twice");
                            handed_on.fetch_add(usize::from(last[place].swap(thread, SeqCst) != thread), SeqCst);
                            mine.push(index);
                        }
                        let keep = (round * 11 + thread) % 40;
                        while mine.len() > keep {
                            let index = mine.swap_remove(round % mine.len());
                            owners[index as usize].fetch_sub(1, SeqCst);
                            assert!(directory.give_back(index, 2));
                        }
                    }
                    for index in mine {
                        owners[index as usize].fetch_sub(1, SeqCst);
                        assert!(directory.give_back(index, 2));
                    }
                });
            }
        });
        let handed_on = handed_on.into_inner();
        println!("{handed_on} shells went from one thread to another; {} takes found none", full.into_inner());
        assert!(handed_on > CHUNK, "the threads did not meet: nothing was tested");
        // None was lost either.
        let used = directory.shells().count();
        let all: HashSet<u32> = (0..CHUNK).map(|_| index(&directory)).collect();
        assert_eq!((all.len(), used <= CHUNK), (CHUNK, true));
    }

    /// Chunks are allocated by whoever is first; all see the same shells.
    #[test]
    fn threads_that_make_the_same_chunk_agree() {
        for _ in 0..50 {
            let directory = Directory::<4>::new(9);
            let start = std::sync::Barrier::new(4);
            let take = || {
                start.wait();
                let shells = (0..CHUNK).map(|_| directory.take().expect("there is room"));
                shells.map(|(index, shell)| (index, std::ptr::from_ref(shell).addr())).collect::<Vec<_>>()
            };
            let taken = std::thread::scope(|scope| {
                let takers = [(); 4].map(|()| scope.spawn(take));
                takers.map(|taker| taker.join().expect("no panic"))
            });
            let taken: HashSet<(u32, usize)> = taken.into_iter().flatten().collect();
            let indices: HashSet<u32> = taken.iter().map(|(index, _)| *index).collect();
            assert_eq!((taken.len(), indices.len()), (4 * CHUNK, 4 * CHUNK));
            for (index, address) in taken {
                assert_eq!(directory.get(index).map(|shell| std::ptr::from_ref(shell).addr()), Some(address));
            }
        }
    }
}
