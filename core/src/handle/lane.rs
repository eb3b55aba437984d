//! The two lanes by which operations enter and leave a handle.
//!
//! The *counter lane* counts in the word: two locked instructions, and the word's cache line travels between
//! processors. It always works. The *hazard lane* does not write the word at all: the thread stores the token into a
//! slot of its own record, and whoever frees the handle looks into the slots of all threads. (After the hazard pointers of
//! M. M. Michael, 2004, with a token in place of an address, and the asymmetric barrier of `barrier.rs` in place of
//! their fence.)
//!
//! A life begins in the counter lane, where a free needs no barrier. Its hazard lane is opened when it has been entered
//! often enough to pay for that barrier ([`OPEN_AFTER`]); then every operation takes it, except while a `try_free` looks
//! (flag *counted*). Holds take the same lanes. They may be released on another thread: what is said of a leaver below is true
//! of whoever leaves.
//!
//! # Protocol
//!
//! ```text
//!  enter                              leave                             free
//!    look: open, and not counted        clear the slot                    close the word
//!    store the token in a slot          light barrier                     heavy barrier
//!    light barrier                      look: still open ─▶ out           look at the word, then all slots
//!    look: unchanged ─▶ in              closed ─▶ last one out?           someone inside: on_close, drain …
//!    else leave, and be counted                                           late: set deferred, full fence ─▶ last one out?
//!    or refused
//!
//!  last one out?  (full fence, look at the word, then at all slots)
//!    not this life, or somebody counted, or a slot protects it ─▶ no: they will ask themselves
//!    deferred ─▶ claim the end: one compare-and-swap that takes *deferred* away
//!    a drainer sleeps ─▶ take its mark away, and wake it
//! ```
//!
//! # Why nobody is inside when the object is destroyed
//!
//! 1. *Enter against close.* The entrant stores its slot, then looks at the word; the closer changes the word, then
//!    looks at the slots; between them stand the two sides of the barrier. So the closer sees the slot, or the entrant
//!    sees the closed word and leaves without having touched the object. (Dekker; both may happen.)
//! 2. *After the barrier* the set of operations that are inside only shrinks, and each is seen in its slot or counted
//!    until it leaves. Slots that appear later belong to entrants that will find the word closed: they may delay an
//!    end, but not hasten it. Looking at the slots one after the other is therefore enough: each that was seen empty
//!    stays so, as far as operations inside are concerned.
//! 3. *A slot of another life* holds another token and is not seen. An entrant that looked at the word in an earlier
//!    life stores that life's token, finds another generation, and leaves. One whose token is an earlier life's finds another
//!    token in the shell, which it reads after the word and before it looks again.
//! 4. *What an operation did* comes before the destructor: the closer's look at the slot (acquire) reads the store that
//!    cleared it (release), or a later one of its owner, who had found it empty (acquire).
//!
//! # Why the end is not lost, and has one owner
//!
//! 5. *Two leavers.* Each clears its slot, executes a full fence, and looks. Of the full fences one is last: who executed
//!    it sees all slots empty. The same holds for a counted leaver, whose compare-and-swap stands for the clearing.
//! 6. *Leaver against the closer that gives up.* The closer sets *deferred*, executes a full fence, and looks once more.
//!    So it sees the slot empty, or the leaver sees *deferred*. (Without this second look the end is lost.)
//! 7. *Leaver against the closer that falls asleep.* The same with *sleepers*: the drainer marks the word, then looks
//!    at the slots, then sleeps on the value with the mark; who wakes it changes that value.
//! 8. *One owner.* *Deferred* is taken away by one compare-and-swap, generation included, be it of a last one out, of the
//!    closer itself, or of a later free that takes over.
//! 9. *Looking at the word comes before looking at the slots*, whoever asks: *deferred* says that the barrier of (1) is
//!    behind. The other way round the slots might be read before it.
//! 10. *The barrier was refused*: then (2) does not hold. The closer stays counted, so that the count never becomes zero and
//!     nobody claims; a later free takes over and tries again.
//!
//! # Threads that come and go, and signals
//!
//! - A thread's first enter links its record before it stores a slot, and looks at the word after that: if the closer's
//!   barrier came before the link, that look sees the closed word. A closer skips the barrier while no other thread has
//!   ever linked a record; both sides have a full fence between the two steps then (`record.rs`). For the same reason a
//!   thread without a record that releases a hold executes a full fence in place of the light barrier.
//! - A thread that ends inside leaves its slot filled: the free stays pending, and reports it.
//! - A signal handler that enters on top of its thread takes slots that the thread does not use, and leaves what it entered
//!   (`record.rs`, `nesting.rs`). An enter or a leave that it interrupted goes on as if the handler had run before or after it.
//!
//! # Checked by
//!
//! Models in `tests/loom/lane.rs` (both sides of the barrier are full fences there), the stress programs under
//! ThreadSanitizer with the symmetric barrier, and `scripts/sabotage`, which leaves the heavy side out.

use crate::barrier;
use crate::guard::Departure;
use crate::handle::ending::LastOut;
use crate::handle::life::{Life, end};
use crate::handle::shell::{Identity, Refusal, Shell};
use crate::handle::slot::Slot;
use crate::word::State;
use std::ffi::c_char;

/// How many entries pay for one barrier: it costs 3 to 9 us beside a running thread, and an entry by the
/// hazard lane saves 8 to 21 ns. Whoever opens at that point has never paid more than twice what the better choice would
/// have cost (the "ski rental" argument).
#[cfg(not(loom))]
pub(crate) const OPEN_AFTER: u32 = 400;

/// What an attempt to enter by a slot came to.
#[must_use]
pub enum BySlot {
    /// It is in. Both looks at the word found this.
    In(State),
    /// Nothing was written: the lane is not open, the life is another, or of another kind.
    Shut,
    /// The word changed between the two looks. The slot is filled: the caller is to [`step_back`].
    Changed,
}

/// Enters a life of `kind` by its hazard lane, noted in `slot`: an empty one of the calling thread's. `seen` is the word as
/// [`Shell::look_as`] found it for `token`.
#[inline(always)]
pub fn enter_by_slot(
    shell: &Shell,
    seen: State,
    kind: u64,
    token: u64,
    slot: &Slot,
    operation: *const c_char,
) -> BySlot {
    if !seen.admits_by_slot() || shell.kind() != kind {
        return BySlot::Shut;
    }
    slot.fill(token, operation);
    barrier::light();
    // Token and kind were read between the two looks: they are this life's (invariant 2 of `shell.rs`). Compared as a whole:
    // after another change than a close the caller steps back, too, and that does no harm.
    if shell.look() == seen { BySlot::In(seen) } else { BySlot::Changed }
}

/// Leaves as everybody leaves: whoever frees may have seen the slot.
#[cold]
pub fn step_back<L: Life + Copy>(shell: &Shell, life: L, token: u64, slot: &Slot) {
    leave(shell, life, token, slot, None);
}

/// Enters a life of `kind`, by the lane that is open, noted in `slot`: an empty one of the calling thread's. Answers what
/// [`leave`] is to know as `seen`.
///
/// # Errors
/// As the variants of [`Refusal`] say; then the slot is empty again.
pub fn enter<L: Life + Copy>(
    shell: &Shell,
    life: L,
    kind: u64,
    token: u64,
    slot: &Slot,
    operation: *const c_char,
) -> Result<State, Refusal> {
    let generation = life.generation();
    let attempt = shell.look_as(token).map(|seen| enter_by_slot(shell, seen, kind, token, slot, operation));
    match attempt {
        Some(BySlot::In(seen)) => return Ok(seen),
        Some(BySlot::Changed) => step_back(shell, life, token, slot),
        Some(BySlot::Shut) | None => {}
    }
    enter_counted(shell, generation, kind, token, slot, operation)?;
    // Not looked at by a leave of what is counted.
    Ok(State::vacant(0))
}

#[inline(never)]
fn enter_counted(
    shell: &Shell,
    generation: u32,
    kind: u64,
    token: u64,
    slot: &Slot,
    operation: *const c_char,
) -> Result<(), Refusal> {
    shell.admit(Identity { generation, kind: Some(kind) })?;
    slot.fill_counted(token, operation);
    #[cfg(not(loom))]
    if shell.tally_entry() == OPEN_AFTER && barrier::is_available() {
        let _ = shell.open_hazard_lane(generation);
    }
    Ok(())
}

/// Leaves what is noted in `slot`, by the lane it was entered by, and ends the life if that is left to this caller. Does
/// nothing if the slot does not note `token`: in a forked child, what was entered is the parent's. `seen` is the word as it was
/// when it was entered, if that is known: found again, it tells at once that the life is open.
#[inline(always)]
pub fn leave<L: Life + Copy>(shell: &Shell, life: L, token: u64, slot: &Slot, seen: Option<State>) {
    if slot.is_filled_with(token) {
        leave_filled(shell, life, slot, seen);
    } else {
        leave_noted(shell, life, token, slot);
    }
}

/// The same, for a caller that has seen that the slot is filled with the token.
#[inline(always)]
pub fn leave_filled<L: Life + Copy>(shell: &Shell, life: L, slot: &Slot, seen: Option<State>) {
    slot.clear();
    barrier::light();
    let now = shell.look();
    if !seen.map_or_else(|| now.is_open(life.generation()), |seen| now == seen) {
        leave_changed(shell, life, now);
    }
}

/// The rest of a leave by slot that found the word `now`, which is not as it was.
#[cold]
fn leave_changed<L: Life + Copy>(shell: &Shell, life: L, now: State) {
    if !now.is_open(life.generation()) {
        leave_closed(shell, life);
    }
}

/// The same, for a thread without a record, which the closer may not have known of when it skipped the heavy barrier.
#[cold]
pub fn leave_as_stranger<L: Life + Copy>(shell: &Shell, life: L, token: u64, slot: &Slot) {
    if slot.is_filled_with(token) {
        slot.clear();
        barrier::full();
        leave_changed(shell, life, shell.look());
    } else {
        leave_noted(shell, life, token, slot);
    }
}

/// A leave of what is not in the hazard lane.
#[cold]
fn leave_noted<L: Life + Copy>(shell: &Shell, life: L, token: u64, slot: &Slot) {
    if slot.notes(token) {
        slot.clear();
        leave_counted(shell, life);
    }
}

/// The rest of a leave by slot that found the life closed.
pub fn leave_closed<L: Life + Copy>(shell: &Shell, life: L) {
    if claims_end(shell, &life) {
        end(shell, &life);
    }
}

/// Leaves what was counted, and ends the life if that is left to this caller.
#[inline]
pub fn leave_counted<L: Life + Copy>(shell: &Shell, life: L) {
    let is_owner = match shell.depart() {
        Departure::Plain | Departure::NotInside => false,
        Departure::LastOfDeferred => true,
        Departure::LastCounted => claims_end(shell, &life),
    };
    if is_owner {
        end_deferred(shell, &life);
    }
}

/// The end was left to this leave.
#[cold]
#[inline(never)]
fn end_deferred<L: Life>(shell: &Shell, life: &L) {
    end(shell, life);
}

/// Before the first look at the slots of a life that the caller has just closed (or counted): from here on they tell of
/// everybody who is inside. `false`: the system refused the barrier, and they do not.
pub fn settle<L: Life>(life: &L) -> bool {
    // Between the close and the look whether there are other threads.
    barrier::full();
    life.is_alone() || barrier::heavy()
}

/// How many slots protect `life`, looked at after whatever the caller changed in the word.
pub fn in_slots<L: Life>(life: &L) -> u32 {
    barrier::full();
    life.protecting()
}

/// "Last one out?", for a caller that has just left a closed life with a hazard lane, or has just deferred its end:
/// `true` if the end is the caller's. Wakes the drainer if nobody is inside any more.
#[cold]
pub fn claims_end<L: Life>(shell: &Shell, life: &L) -> bool {
    loop {
        // Between the caller's step and the look at the word.
        barrier::full();
        let Some(closed) = shell.last_counted(life.generation()) else { return false };
        // After the look at the word: see 9.
        barrier::full();
        if life.is_protected() {
            return false;
        }
        match shell.last_out(closed) {
            LastOut::Owner => return true,
            LastOut::NotOwner => return false,
            LastOut::Changed => {}
        }
    }
}
