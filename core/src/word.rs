//! The one atomic word of a guard: who may come in, how many are in, and whose turn the end is.
//!
//! ```text
//!  63                            32 31              8 7 6 5 4 3 2 1 0
//! |           generation           |      count       |K|W|S|N|H|O|D|C|
//! ```
//!
//! | bit | name | once set, it says |
//! |---|---|---|
//! | C | closed | nobody may enter (until a run-down is re-initialised or a shell opens a new generation) |
//! | D | deferred | the one who closed has given up waiting: the end belongs to the last one out (a shell), or to the first who asks (an embedded guard) |
//! | O | over | the end is behind it: an embedded guard's was handed to one caller; a shell is between two lives, and nobody holds a token of this generation |
//! | H | hazard | a shell's hazard lane has been opened in this life: slots of thread records may name it (`handle/lane.rs`) |
//! | N | notify | somebody registered an `on_freed` callback for this generation; of a hold: a part of it was given back |
//! | S | sleepers | somebody may sleep on the low half: the count has to reach zero |
//! | W | waiters | somebody may sleep on the high half: the generation has to move |
//! | K | counted | the hazard lane is shut, everybody who enters is counted: while a `try_free` looks; in a deferred word: the barrier was refused, so the slots say nothing |
//!
//! Every change is one compare-and-swap from a value that was looked at ([`Word::change`]), so that
//! identity (the generation), permission (closed) and the count are judged and changed in one step, a
//! refused caller never writes, and whoever takes the count from one to zero learns in that very step
//! what else was true. Who is known to be inside needs no judgement to leave: that is a subtraction ([`Word::depart`]), which
//! answers the same. And who owns the end of a life needs none to end it ([`Word::replace`]). (A load that follows a locked
//! instruction waits for it, which costs as much as another: 5 ns.) That step is also a leaver's last touch of the memory: waking a sleeper
//! afterwards uses the address alone.
//!
//! The two halves are the two things one can sleep on with a 32-bit futex. Within one generation a
//! closed word's low half never returns to an earlier count-and-flags value that a sleeper could mistake
//! for its own (the count only falls, and flags that it waits on are set by the closing thread alone,
//! which is the only drainer); the high half never repeats in a shell (it retires first). So nobody
//! sleeps through a re-use.

use crate::shim::{AtomicU64, Ordering, const_fn};

/// One value of the word. Pure: every method computes, none touches memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(u64);

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The word is closed.
    Closed,
    /// The count is at its end.
    Limit,
}

const CLOSED: u64 = 1 << 0;
const DEFERRED: u64 = 1 << 1;
const OVER: u64 = 1 << 2;
const HAZARD: u64 = 1 << 3;
const NOTIFY: u64 = 1 << 4;
const SLEEPERS: u64 = 1 << 5;
const WAITERS: u64 = 1 << 6;
const COUNTED: u64 = 1 << 7;
const COUNT_SHIFT: u32 = 8;
const GENERATION_SHIFT: u32 = 32;

impl State {
    /// The most the count can hold.
    const COUNT_MAX: u32 = (1 << (GENERATION_SHIFT - COUNT_SHIFT)) - 1;

    /// The most that can be in flight at once: 16,777,214. One less than the count can hold, so that a
    /// closer always finds room to count itself.
    pub const IN_FLIGHT_MAX: u32 = State::COUNT_MAX - 1;

    /// Open, empty, generation 0: the word whose bytes are all zero.
    pub const OPEN: State = State(0);

    /// A shell that has no life yet, or none any more.
    #[must_use]
    pub const fn vacant(generation: u32) -> State {
        State(((generation as u64) << GENERATION_SHIFT) | CLOSED | OVER)
    }

    /// Open and empty.
    #[must_use]
    #[inline]
    pub const fn open(generation: u32) -> State {
        State((generation as u64) << GENERATION_SHIFT)
    }

    #[inline]
    pub fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
    pub fn is_deferred(self) -> bool {
        self.0 & DEFERRED != 0
    }
    pub fn is_over(self) -> bool {
        self.0 & OVER != 0
    }
    /// Slots may name it.
    pub fn has_hazard_lane(self) -> bool {
        self.0 & HAZARD != 0
    }
    /// The hazard lane, if any, is shut.
    pub fn is_counted(self) -> bool {
        self.0 & COUNTED != 0
    }
    /// Whichever life it is may be entered through the hazard lane.
    #[inline]
    pub fn admits_by_slot(self) -> bool {
        self.0 & (CLOSED | HAZARD | COUNTED) == HAZARD
    }
    /// Life `generation` is open. (Half by half: a constant of 64 bits takes an instruction of its own.)
    #[inline]
    pub fn is_open(self, generation: u32) -> bool {
        self.high() == generation && self.0 & CLOSED == 0
    }
    pub fn has_notify(self) -> bool {
        self.0 & NOTIFY != 0
    }
    pub fn has_sleepers(self) -> bool {
        self.0 & SLEEPERS != 0
    }
    pub fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }
    pub fn is_idle(self) -> bool {
        self.count() == 0
    }
    /// Nobody is inside and nobody can come in.
    pub fn is_quiescent(self) -> bool {
        self.is_closed() && self.is_idle()
    }
    pub fn count(self) -> u32 {
        self.low() >> COUNT_SHIFT
    }
    pub fn generation(self) -> u32 {
        self.high()
    }
    #[allow(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    pub fn low(self) -> u32 {
        self.0 as u32
    }
    pub fn high(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    /// `n` more inside.
    pub fn admitted(self, n: u32) -> Result<State, Refused> {
        if self.is_closed() {
            Err(Refused::Closed)
        } else if n > State::IN_FLIGHT_MAX - self.count() {
            Err(Refused::Limit)
        } else {
            Ok(State(self.0 + (u64::from(n) << COUNT_SHIFT)))
        }
    }
    /// One more in flight, closed or not. There is room for a closer: see [`State::IN_FLIGHT_MAX`].
    pub fn with_one_more(self) -> State {
        State(self.0 + (1 << COUNT_SHIFT))
    }
    /// `n` fewer in flight; `None` if there are not that many.
    pub fn departed(self, n: u32) -> Option<State> {
        (n <= self.count()).then(|| State(self.0 - (u64::from(n) << COUNT_SHIFT)))
    }
    /// Closed. A `try_free` that looks finds its mark gone, and has lost.
    pub fn closed(self) -> State {
        State(self.0 & !COUNTED | CLOSED)
    }
    pub fn deferred(self) -> State {
        State(self.0 | DEFERRED)
    }
    /// The end is one thread's again.
    pub fn claimed(self) -> State {
        State(self.0 & !(DEFERRED | COUNTED))
    }
    pub fn over(self) -> State {
        State(self.0 | OVER)
    }
    pub fn with_hazard_lane(self) -> State {
        State(self.0 | HAZARD)
    }
    pub fn counted(self) -> State {
        State(self.0 | COUNTED)
    }
    pub fn uncounted(self) -> State {
        State(self.0 & !COUNTED)
    }
    pub fn with_notify(self) -> State {
        State(self.0 | NOTIFY)
    }
    pub fn with_sleepers(self) -> State {
        State(self.0 | SLEEPERS)
    }
    pub fn without_sleepers(self) -> State {
        State(self.0 & !SLEEPERS)
    }
    pub fn with_waiters(self) -> State {
        State(self.0 | WAITERS)
    }
    /// The same word one generation on, with nobody waiting for that to happen.
    pub fn next_generation(self) -> State {
        State(self.0.wrapping_add(1 << GENERATION_SHIFT) & !WAITERS)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "generation {} count {}", self.generation(), self.count())?;
        let flags = [
            (CLOSED, "closed"),
            (DEFERRED, "deferred"),
            (OVER, "over"),
            (HAZARD, "hazard"),
            (NOTIFY, "notify"),
            (SLEEPERS, "sleepers"),
            (WAITERS, "waiters"),
            (COUNTED, "counted"),
        ];
        flags.iter().filter(|(bit, _)| self.0 & bit != 0).try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

/// The word itself.
#[repr(transparent)]
pub struct Word(AtomicU64);

/// A change that happened: the value it was made from and the value it left.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub before: State,
    pub after: State,
}

impl Word {
    const_fn! {
        pub fn new(state: State) -> Word {
            Word(AtomicU64::new(state.0))
        }
    }

    /// Acquire: whoever sees a word sees all that was done before it was left so (the object behind an
    /// open word; the work of all who left a closed one). Pairs with the release in [`Word::change`]
    /// and [`Word::publish`].
    #[inline]
    pub fn look(&self) -> State {
        State(self.0.load(Ordering::Acquire))
    }

    /// Changes the word to what `next` makes of it, or leaves it untouched if `next` refuses.
    ///
    /// Release: what this thread did before (the body of an operation before its leave) is seen by
    /// whoever sees the new value. Acquire: the last one out and the drainer see the work of
    /// everybody who left before them. All changes of a word are read-modify-writes, so each
    /// continues the release sequences of all before it.
    #[inline]
    pub fn change<E>(&self, next: impl FnMut(State) -> Result<State, E>) -> Result<Change, E> {
        self.change_from(self.look(), next)
    }

    /// [`Word::change`] by a caller that has just seen the word as `before`.
    #[inline]
    pub fn change_from<E>(
        &self,
        mut before: State,
        mut next: impl FnMut(State) -> Result<State, E>,
    ) -> Result<Change, E> {
        loop {
            let after = next(before)?;
            match self.0.compare_exchange_weak(before.0, after.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Change { before, after }),
                Err(now) => before = State(now),
            }
        }
    }

    /// One fewer in flight, for a caller that is known to be one of them. Orders as [`Word::change`] does.
    #[inline]
    pub fn depart(&self) -> Change {
        let before = self.0.fetch_sub(1 << COUNT_SHIFT, Ordering::AcqRel);
        debug_assert!(!State(before).is_idle(), "somebody left who was not inside");
        Change { before: State(before), after: State(before.wrapping_sub(1 << COUNT_SHIFT)) }
    }

    /// Puts `state` in place of whatever the word is, and answers that: for the owner of a life's end, after whom nobody's change
    /// matters but that it was made. Orders as [`Word::change`] does.
    pub fn replace(&self, state: State) -> State {
        State(self.0.swap(state.0, Ordering::AcqRel))
    }

    /// Opens the word for everybody. For a word that only the caller can change: a shell it took from
    /// the directory.
    ///
    /// Release: who enters sees the object. Pairs with the acquire in [`Word::change`].
    #[inline]
    pub fn publish(&self, state: State) {
        self.0.store(state.0, Ordering::Release);
    }

    /// The address to sleep on.
    pub(crate) fn atomic(&self) -> &AtomicU64 {
        &self.0
    }
}
