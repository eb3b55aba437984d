//! The shell behind a token: a guard, a kind and an object, lived in by one handle after the other. (The steps by which a
//! life ends are in `ending.rs`.)
//!
//! # States
//!
//! The bits are those of `word.rs`. In flight are those counted (n) and, once *hazard* is set, those whose slots protect
//! this life (s): see `lane.rs`. Without *hazard*, s is 0.
//!
//! | state | closed | count | deferred | counted | who owns the end |
//! |---|---|---|---|---|---|
//! | vacant (over) | yes | 0 | – | – | the directory, or the thread that took the shell from it |
//! | open | – | n | – | – | nobody yet |
//! | looked at | – | n | – | yes | nobody yet; a `try_free` looks at the slots, and whoever enters is counted |
//! | closing | yes | n + 1 | – | – | the closer, which counts itself while it or `on_close` runs |
//! | draining | yes | n | – | – | the closer, asleep while n + s > 0 |
//! | quiescent | yes | 0 | – | – | the closer, about to destroy |
//! | pending | yes | n | yes | – | the last one out (n + s > 0, or it is about to claim), unless another free takes over: then closing again |
//! | stuck | yes | n + 1 | yes | yes | the next free, which takes over: the system refused the barrier, so nobody knows s |
//! | destroying | yes | 0 or 1 | any | – | whoever made n + s zero; `on_destroy` runs once |
//!
//! *Hazard* is set in an open life and stays until it is over. Without it, *deferred* is set only with n > 0, and the
//! leaver that takes n to zero owns the end; with it, whoever takes *deferred* away does.
//!
//! Then the generation moves on by one and the shell is vacant again (or retired, when its generations
//! are used up).
//!
//! # Invariants
//!
//! 1. Generation, closed and count are judged in the step that counts, so a stale token never enters,
//!    and never writes.
//! 2. The kind is read between the look at the word and the compare-and-swap from that look. A kind of a
//!    later life is stored (release) after the word moved on, so whoever reads it (acquire) fails the
//!    swap. So a stale token never reads as a wrong kind. The same holds of the token, so a word that is found unchanged after
//!    the token was read is of that token's life.
//! 3. A shell is vacated by the owner of its end alone, with the count at zero, after `on_destroy`
//!    returned. So whoever sees a later generation knows that the object is destroyed.
//! 4. A shell's memory is never given back; its words are atomics. Reading a stale shell is always
//!    defined.
//!
//! # Last touch
//!
//! A counted leave's last touch is its compare-and-swap, a slot's its last look at the word; a closer that
//! deferred does not touch the shell again. All would be harmless: shells are type-stable.
//!
//! # Checked by
//!
//! Models in `tests/loom/shell.rs`, `tests/loom/lane.rs`, `tests/loom/free.rs`, `tests/loom/take_over.rs` and
//! `tests/loom/directory.rs`.

use crate::deadline;
use crate::guard::{Departure, HandleGuard};
use crate::handle::freed_hooks::FreedHooks;
use crate::handle::label::Label;
use crate::handle::token::Parts;
use crate::shim::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::word::{Refused, State};
use std::ffi::c_void;

/// The memory behind one token at a time. Aligned to a cache line pair's half, so that two shells never
/// share a line. What operations look at comes first, in one line.
#[repr(C, align(64))]
pub struct Shell {
    pub(super) guard: HandleGuard,
    /// The token that this life was opened with.
    token: AtomicU64,
    kind: AtomicU64,
    object: AtomicPtr<c_void>,
    /// For a hold: the token that is held.
    target: AtomicU64,
    opened_at: AtomicU64,
    /// When the first closer began to wait; 0: nobody has.
    closed_at: AtomicU64,
    /// How often it was entered through the counter lane, roughly: two at once may be counted as one.
    entries: AtomicU32,
    /// The process that opened it (see `token.rs`): after a fork the child's copy still carries its
    /// parent's key.
    key: AtomicU32,
    /// In the directory's list of vacant shells: the next one.
    pub(crate) next_vacant: AtomicU32,
    pub(crate) freed_hooks: FreedHooks,
    pub(crate) label: Label,
}

/// What a new life is made of.
#[derive(Clone, Copy)]
pub struct Tenant {
    /// Whose callbacks to run: see `kind.rs`.
    pub kind: u64,
    /// What the handle stands for.
    pub object: *mut c_void,
    /// For a hold: the token that is held; else 0.
    pub target: u64,
    /// The opening process.
    pub key: u32,
    /// Which shell it moves into.
    pub index: u32,
}

/// Which life of the shell is meant, and of what kind it must be (`None`: any).
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// From the token.
    pub generation: u32,
    /// The kind the caller expects.
    pub kind: Option<u64>,
}

/// Why a shell refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This generation has not been handed out: the token is garbage.
    NeverIssued,
    /// The life is over.
    Stale,
    /// Alive, but of another kind.
    WrongKind,
    /// Closed: being freed.
    Closed,
    /// The count is at its end.
    Limit,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Refusal::Closed,
            Refused::Limit => Refusal::Limit,
        }
    }
}

#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
impl Shell {
    /// Vacant, before its first life (generation 1: no token has generation 0).
    #[must_use]
    pub fn new() -> Shell {
        Shell {
            guard: HandleGuard::in_state(State::vacant(1)),
            token: AtomicU64::new(0),
            kind: AtomicU64::new(0),
            object: AtomicPtr::new(std::ptr::null_mut()),
            target: AtomicU64::new(0),
            opened_at: AtomicU64::new(0),
            closed_at: AtomicU64::new(0),
            entries: AtomicU32::new(0),
            key: AtomicU32::new(0),
            next_vacant: AtomicU32::new(0),
            freed_hooks: FreedHooks::new(),
            label: Label::new(),
        }
    }

    /// Moves `tenant` in and opens; answers the generation for the token. Only for the caller that took
    /// the shell from the directory.
    #[inline]
    pub fn open(&self, tenant: Tenant, now: u64) -> u32 {
        let generation = self.guard.look().generation();
        // Relaxed: published by the word, read only by who entered (or who checks the generation afterwards).
        self.object.store(tenant.object, Ordering::Relaxed);
        self.target.store(tenant.target, Ordering::Relaxed);
        self.opened_at.store(now, Ordering::Relaxed);
        self.closed_at.store(0, Ordering::Relaxed);
        self.entries.store(0, Ordering::Relaxed);
        self.key.store(tenant.key, Ordering::Relaxed);
        self.label.clear();
        // Release, here and below: invariant 2.
        self.token.store(Parts { key: tenant.key, index: tenant.index, generation }.join(), Ordering::Release);
        self.kind.store(tenant.kind, Ordering::Release);
        self.guard.publish(State::open(generation));
        generation
    }

    /// The word.
    #[inline]
    pub fn look(&self) -> State {
        self.guard.look()
    }
    /// The word, if the life that is in here, or was in here last, is the one of `token`. (The word is looked at first: a token
    /// that is read after it is not an earlier life's.)
    #[inline]
    pub fn look_as(&self, token: u64) -> Option<State> {
        let seen = self.look();
        (self.token.load(Ordering::Acquire) == token).then_some(seen)
    }
    /// Whose callbacks to run. Stable while the caller is counted or owns the end.
    #[inline]
    pub fn kind(&self) -> u64 {
        self.kind.load(Ordering::Acquire)
    }
    /// What the handle stands for. Stable as [`Shell::kind`].
    #[inline]
    pub fn object(&self) -> *mut c_void {
        self.object.load(Ordering::Relaxed)
    }
    /// What a hold holds. Stable as [`Shell::kind`].
    #[inline]
    pub fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }
    /// When this life began.
    pub fn opened_at(&self) -> u64 {
        self.opened_at.load(Ordering::Relaxed)
    }
    /// When the first closer of this life began to wait; `None`: nobody has.
    #[cfg(not(loom))]
    pub fn closed_at(&self) -> Option<u64> {
        Some(self.closed_at.load(Ordering::Relaxed)).filter(|&at| at != 0)
    }
    /// The closer begins to wait.
    pub fn note_wait(&self) {
        // Relaxed, here and where it is read: it is told to people. One closer at a time.
        if self.closed_at.load(Ordering::Relaxed) == 0 {
            self.closed_at.store(deadline::now(), Ordering::Relaxed);
        }
    }
    /// Which process opened this life.
    pub fn key(&self) -> u32 {
        self.key.load(Ordering::Relaxed)
    }

    /// Whether the life that is in here, whichever that is, is of `kind` (`None`: any).
    #[inline]
    pub fn is_of(&self, kind: Option<u64>) -> bool {
        kind.is_none_or(|kind| kind == self.kind())
    }

    /// Whether `state`, just seen in this shell, is the life that is meant, and of the right kind.
    #[inline]
    pub(super) fn judge(&self, id: Identity, state: State) -> Result<(), Refusal> {
        Shell::judge_generation(id.generation, state)?;
        if !self.is_of(id.kind) {
            // Only a life that has not ended since can have the wrong kind (invariant 2).
            Shell::judge_generation(id.generation, self.guard.look())?;
            return Err(Refusal::WrongKind);
        }
        Ok(())
    }

    #[inline]
    fn judge_generation(generation: u32, state: State) -> Result<(), Refusal> {
        if state.generation() > generation && generation != 0 {
            Err(Refusal::Stale)
        } else if state.generation() != generation || state.is_over() {
            Err(Refusal::NeverIssued)
        } else {
            Ok(())
        }
    }

    /// Whether the token means a life that is not over, whatever its state; writes nothing.
    pub fn check(&self, id: Identity) -> Result<State, Refusal> {
        self.judge(id, self.guard.look())?;
        // There is no swap here that would fail if the kind was the next life's: a second look stands in for it
        // (invariant 2).
        let state = self.guard.look();
        Shell::judge_generation(id.generation, state)?;
        Ok(state)
    }

    /// Enters.
    #[inline]
    pub fn admit(&self, id: Identity) -> Result<(), Refusal> {
        self.guard.admit(|state| self.judge(id, state))
    }

    /// Leaves, for a caller that is counted. On [`Departure::LastOfDeferred`] it owns the end.
    #[inline]
    pub fn depart(&self) -> Departure {
        self.guard.depart_counted()
    }

    /// Counts an entry, and answers the how manieth it was in this life.
    #[cfg(not(loom))]
    pub(crate) fn tally_entry(&self) -> u32 {
        // Not a read-modify-write: the caller has just made the cache line its own, and a lost one does not matter.
        let entries = self.entries.load(Ordering::Relaxed).saturating_add(1);
        self.entries.store(entries, Ordering::Relaxed);
        entries
    }

    /// Opens the hazard lane of life `generation`; `false`: it is closed, or over.
    pub fn open_hazard_lane(&self, generation: u32) -> bool {
        self.guard
            .change(|state| if state.is_open(generation) { Ok(state.with_hazard_lane()) } else { Err(()) })
            .is_ok()
    }

    /// Counts the caller in, closed or not, where somebody is in flight already; `false`: nobody is, or
    /// the life is over.
    #[must_use]
    pub fn visit(&self, generation: u32) -> bool {
        let visited = self.guard.change(|state| {
            let busy = state.generation() == generation && !state.is_idle();
            if busy && state.count() < State::IN_FLIGHT_MAX { Ok(state.with_one_more()) } else { Err(()) }
        });
        visited.is_ok()
    }

    /// Asks for the `on_freed` callbacks of this life to be run; `false`: the life is over.
    #[must_use]
    pub fn request_notify(&self, generation: u32) -> bool {
        // A change, not a look, even where the bit is set: it orders the registration before the end, or sees
        // the end.
        self.guard
            .change(|state| if state.generation() == generation { Ok(state.with_notify()) } else { Err(()) })
            .is_ok()
    }
}

/// What a hold found that was to be lessened.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lessened {
    /// This caller has lessened it.
    Now,
    /// Another had.
    Before,
    /// It is released, or about to be.
    Over,
}

impl Shell {
    /// Notes that a part of a hold was given back; the step decides between one who does so and one who releases it, who
    /// learns it from [`Vacated::notify`](crate::handle::ending::Vacated::notify). (A hold has no `on_freed` callbacks.)
    pub fn lessen(&self, generation: u32) -> Lessened {
        let lessened = self.guard.change(|state| {
            if !state.is_open(generation) {
                Err(Lessened::Over)
            } else if state.has_notify() {
                Err(Lessened::Before)
            } else {
                Ok(state.with_notify())
            }
        });
        lessened.map_or_else(|refused| refused, |_| Lessened::Now)
    }
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::deadline::Deadline;
    use crate::handle::ending::{Close, TryClose};

    fn opened() -> (Shell, Identity) {
        let shell = Shell::new();
        let tenant = Tenant { kind: 77, object: std::ptr::without_provenance_mut(8), target: 5, key: 3, index: 0 };
        let generation = shell.open(tenant, 9);
        (shell, Identity { generation, kind: Some(77) })
    }

    #[test]
    fn the_first_life_is_generation_one() {
        let vacant = Shell::new();
        for generation in 0..3 {
            let refused = vacant.admit(Identity { generation, kind: None });
            assert_eq!(refused, Err(Refusal::NeverIssued), "generation {generation}");
        }
        let (shell, id) = opened();
        assert_eq!(id.generation, 1);
        assert_eq!((shell.kind(), shell.object().addr(), shell.target()), (77, 8, 5));
        assert_eq!((shell.opened_at(), shell.key()), (9, 3));
    }

    #[test]
    fn a_life_is_judged_before_its_kind() {
        let (shell, id) = opened();
        let other = |generation| Identity { generation, kind: Some(78) };
        assert_eq!(shell.admit(other(1)), Err(Refusal::WrongKind));
        assert_eq!(shell.admit(other(2)), Err(Refusal::NeverIssued));
        assert_eq!(shell.admit(other(0)), Err(Refusal::NeverIssued), "no token has generation 0");
        assert_eq!(shell.close(id), Ok(Close::Idle));
        assert_eq!(shell.admit(other(1)), Err(Refusal::WrongKind));
        assert_eq!(shell.admit(id), Err(Refusal::Closed));
        assert_eq!(shell.vacate(1).generation, 2);
        assert_eq!(shell.admit(other(1)), Err(Refusal::Stale));
        assert_eq!(shell.admit(other(2)), Err(Refusal::NeverIssued), "vacant");
    }

    #[test]
    fn every_end_has_one_owner() {
        let (shell, id) = opened();
        assert_eq!(shell.admit(id), Ok(()));
        assert_eq!(shell.try_close(id), Ok(TryClose::Busy));
        assert_eq!(shell.close(id), Ok(Close::Busy));
        assert_eq!(shell.look().count(), 2, "the closer is counted");
        assert_eq!((shell.close(id), shell.try_close(id)), (Ok(Close::Lost), Ok(TryClose::Lost)));
        assert!(shell.defer(), "somebody is inside");
        assert_eq!(shell.close(id), Ok(Close::TakenOver));
        assert_eq!(shell.close(id), Ok(Close::Lost), "there is a closer again");
        assert_eq!(shell.depart(), Departure::Plain, "the end is the closer's again");
        assert!(!shell.defer(), "nobody else is inside: the end is the closer's after all");
        assert!(!shell.recount(), "the count of a closed word rises from zero no more");
    }

    #[test]
    fn the_last_one_out_of_a_deferred_life_owns_the_end() {
        let (shell, id) = opened();
        assert_eq!((shell.admit(id), shell.admit(id)), (Ok(()), Ok(())));
        assert_eq!(shell.close(id), Ok(Close::Busy));
        assert!(!shell.uncount(), "two are inside");
        assert!(shell.recount());
        assert!(shell.defer());
        assert_eq!(shell.depart(), Departure::Plain);
        assert_eq!(shell.depart(), Departure::LastOfDeferred);
        assert_eq!(shell.close(id), Ok(Close::Lost), "somebody is destroying it");
        assert!(shell.request_notify(1));
        let vacated = shell.vacate(1);
        assert_eq!((vacated.notify, vacated.generation), (true, 2));
        assert!(!shell.request_notify(1) && !shell.visit(1));
        assert!(shell.outlived_by(1, Deadline::PASSED) && !shell.outlived_by(2, Deadline::PASSED));
    }
}
