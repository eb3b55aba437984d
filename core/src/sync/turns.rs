//! Whose turn it is: one at a time, first in, first out.
//!
//! A word decides where nobody is in the way: one compare-and-swap takes the turn, one gives it back. (A semaphore of tokio's
//! takes three locked instructions to be given a permit back.) Whoever finds it taken stands in the line, which is that of
//! `tokio::sync::Semaphore`: there a permit is the turn, on its way to the first in line.
//!
//! # States
//!
//! The word: taken (1), closed (1), how many wait (the rest).
//!
//! | closed | taken | waiting | means |
//! |---|---|---|---|
//! | – | – | 0 | nobody's |
//! | – | yes | n | somebody's; or the line's, where it is a permit |
//! | – | – | n > 0 | never: who waits found it taken, and it stays so while somebody waits |
//! | yes | any | n | nobody gets it any more; *taken* says nothing |
//!
//! | step | before | after | who did it |
//! |---|---|---|---|
//! | take | nobody's | taken | has it |
//! | wait | taken, n | taken, n + 1 | stands in line |
//! | be served | taken, n | taken, n - 1 | has come from the line with its permit: has it |
//! | give up | taken, n | taken, n - 1 | has left the line; was n 1, it looks there for a turn that nobody waits for |
//! | give back | taken, 0 | nobody's | |
//! | hand over | taken, n > 0 | the same | puts a permit into the line, then looks at the word: is n 0, it looks for it there |
//! | close | any | closed | then closes the line: all in it are told, also one whose permit has come but who has not looked |
//!
//! # Invariants
//!
//! 1. *One turn.* Take makes it, of none; give back ends it. In between somebody has it, or it is one permit in the line: hand
//!    over, be served, and to find it in the line only move it.
//! 2. *Nobody barges in.* The word is not nobody's while somebody waits, so take succeeds only where nobody does; and who
//!    waits has the place in line that tokio's queue gave it.
//! 3. *No turn is left in the line.* A permit that is put there while n > 0 is for one of those n: each takes it or gives up.
//!    The last one that gives up changes the word and then looks into the line. Who hands over puts the permit there and then
//!    looks at the word, by a step that changes nothing but has its place among the changes. One of the two is later on the
//!    word, and finds both: no waiter, and the permit. Whoever takes that (there is one) has the turn, and gives it back anew.
//! 4. *None is lost with who gives up.* What was handed to a waiter that gives up the line hands on, or keeps as a permit,
//!    before the waiter is counted out: then (3) has it.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | give back | release | take: acquire | what was done in that turn |
//! | hand over: the look | release | give up: acquire | the permit (invariant 3) |
//! | give up | release | give up, of the last one: acquire | the permit that came back (invariant 4) |
//! | close | release | take and wait, refused: acquire | what the closer did before |
//!
//! What one did in its turn, who was handed it in line sees by the line. Every change of the word is a read-modify-write.
//!
//! # Checked by
//!
//! Models in `tests/loom/mutex.rs` (the line is one step each time there: `queue.rs`), `tests/sync/mutex.rs`, and
//! `scripts/sabotage`.

use crate::shim::{AtomicUsize, Ordering, const_fn};
use crate::sync::queue::Semaphore;
use std::mem::forget;
use tokio::sync::SemaphorePermit;

/// See the file head.
pub(crate) struct Turns {
    word: AtomicUsize,
    line: Semaphore,
}

/// Why the turn was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// It is somebody's, or about to be.
    Taken,
    /// There are none any more.
    Closed,
}

const NOBODYS: usize = 0;
const TAKEN: usize = 1 << 0;
const CLOSED: usize = 1 << 1;
/// One that waits. A word has room for more than fit into memory.
const WAITER: usize = 1 << 2;

impl NoTurn {
    fn of(word: usize) -> NoTurn {
        if word & CLOSED == 0 { NoTurn::Taken } else { NoTurn::Closed }
    }
}

impl Turns {
    const_fn! {
        /// Nobody's.
        pub(crate) fn new() -> Turns {
            Turns { word: AtomicUsize::new(NOBODYS), line: Semaphore::const_new(0) }
        }
    }

    /// Takes the turn, to be given back by [`Turns::give_back`], if it is nobody's.
    #[inline]
    pub(crate) fn try_take(&self) -> Result<(), NoTurn> {
        let taken = self.word.compare_exchange(NOBODYS, TAKEN, Ordering::Acquire, Ordering::Acquire);
        taken.map(|_| ()).map_err(NoTurn::of)
    }

    /// The same, after those that hold it or came before. May be dropped at any time.
    pub(crate) async fn take_in_line(&self) -> Result<(), NoTurn> {
        let Some(waiter) = self.wait()? else { return Ok(()) };
        // When this is dropped, the place in line goes first, and the waiter then.
        let permit = self.line.acquire().await.map_err(|_| NoTurn::Closed)?;
        permit.forget();
        waiter.be_served();
        Ok(())
    }

    /// Takes the turn after all (`None`), or is counted before standing in line.
    fn wait(&self) -> Result<Option<Waiter<'_>>, NoTurn> {
        let next = |seen| match seen {
            NOBODYS => Some(TAKEN),
            seen if seen & CLOSED != 0 => None,
            seen => Some(seen + WAITER),
        };
        match self.word.fetch_update(Ordering::Acquire, Ordering::Acquire, next) {
            Ok(NOBODYS) => Ok(None),
            Ok(_) => Ok(Some(Waiter { turns: self })),
            Err(found) => Err(NoTurn::of(found)),
        }
    }

    /// By whoever has it.
    #[inline]
    pub(crate) fn give_back(&self) {
        if !self.give_up_at_once() {
            self.hand_over();
        }
    }

    /// If nobody waits.
    #[inline]
    fn give_up_at_once(&self) -> bool {
        self.word.compare_exchange(TAKEN, NOBODYS, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn hand_over(&self) {
        loop {
            self.line.add_permits(1);
            // Not a load, which might see less: see invariant 3.
            if self.word.fetch_add(0, Ordering::Release) != TAKEN || !self.find_in_line() || self.give_up_at_once() {
                return;
            }
        }
    }

    /// Takes a turn that nobody waits for out of the line; `false`: somebody else has, or will.
    fn find_in_line(&self) -> bool {
        self.line.try_acquire().map(SemaphorePermit::forget).is_ok()
    }

    /// Ends it: whoever waits, and whoever comes, is told so. Who has it may give it back.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::Release);
        self.line.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// As of some moment; of a closed one, perhaps also later.
    pub(crate) fn is_taken(&self) -> bool {
        self.word.load(Ordering::Relaxed) & TAKEN != 0
    }
}

/// One that waits, or is about to. Gives up when it is dropped.
struct Waiter<'a> {
    turns: &'a Turns,
}

impl Waiter<'_> {
    /// It has the turn.
    fn be_served(self) {
        self.turns.word.fetch_sub(WAITER, Ordering::Relaxed);
        forget(self);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let before = self.turns.word.fetch_sub(WAITER, Ordering::AcqRel);
        // Nobody waits any more.
        if before == TAKEN + WAITER && self.turns.find_in_line() {
            self.turns.give_back();
        }
    }
}
