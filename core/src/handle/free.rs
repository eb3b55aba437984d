//! The free of a handle: the one state machine behind every `*_free`, in every language.
//!
//! # Protocol
//!
//! ```text
//!  close ── nobody inside ─────────────────────────────────────────────▶ end
//!    │ somebody inside, or a hazard lane: the closer is counted
//!    ▼
//!  settle (with a hazard lane: the barrier) ── nobody inside ──────────▶ end
//!    │         └── refused by the system ──▶ PENDING, until another free takes over
//!    ▼
//!  on_close ──▶ late, or the closer waits for itself ──▶ defer ── somebody inside ─▶ PENDING: the last one out ends
//!    ▲    │                                                  └── nobody after all ──▶ end
//!    │    ▼
//!    │  uncount ── nobody inside ──────────────────────────────────────▶ end
//!    │    ▼
//!    │  drain ── nobody inside ────────────────────────────────────────▶ end
//!    │    ▼ after a pause (1 ms, then twice as long up to 64 ms) or at the deadline
//!    └─ recount ── nobody inside ──────────────────────────────────────▶ end
//! ```
//!
//! A free that finds the handle pending begins at "the closer is counted" and goes the same way, so that
//! what blocks is woken again; it answers "already freed" in place of "destroyed", which is the first
//! closer's.
//!
//! *End*: `on_destroy`, then the next generation (which wakes all who wait for this life to be over),
//! then the `on_freed` callbacks.
//!
//! `on_close` is repeated because an operation may be admitted just before the close and begin to block
//! just after `on_close` looked for blocked ones. The closer is counted while it runs, so it never runs
//! during or after the destruction.
//!
//! # Invariants
//!
//! 1. One thread owns the end of a life: the closer, for as long as it has not deferred; after that,
//!    whoever takes the count to zero, or a later free that takes over (from a count above zero, taking
//!    *deferred* back in the same step) and is the closer from then on.
//! 2. Recount, uncount and defer each decide "is anybody counted" in the step that changes the count, and where
//!    there is a hazard lane the slots are looked at after it. Without that look in defer a last leave just before it
//!    would find nobody to destroy, and so would the closer.
//! 3. A free answers destroyed or already freed only after the generation has moved on, which is after
//!    `on_destroy` returned.

use crate::deadline::Deadline;
use crate::handle::ending::{Close, TryClose};
use crate::handle::lane;
use crate::handle::life::{Life, end};
use crate::handle::shell::{Identity, Refusal, Shell};
use crate::word::State;
use std::time::Duration;

/// What a free came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// This call freed it: the object is destroyed.
    Destroyed,
    /// Another call had freed it: the object is destroyed.
    AlreadyFreed,
    /// It is closed, but somebody is still inside: the last one out destroys the object.
    Pending,
}

/// A closed handle that this caller drains.
pub struct Closing<'shell, L> {
    shell: &'shell Shell,
    life: L,
    /// Slots may protect it: they are looked at once the barrier is behind.
    has_hazard_lane: bool,
    counted: bool,
    /// What to answer when it is over: the first closer freed it, one that took over from it did not.
    success: Freed,
    outcome: Option<Freed>,
}

/// How a free begins.
pub enum Begun<'shell, L> {
    /// It is over already.
    Over(Freed),
    /// It was over before this call: see [`freed_again`].
    Stale(L),
    /// This call closed it, or took over from one that gave up, and finishes with [`finish`].
    Closed(Closing<'shell, L>),
    /// Another call closed it before, and still waits; or the object is being destroyed.
    Lost(L),
}

/// How long after the first call of `on_close` the second one comes; then twice as long, up to the longest.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// To a free, a life that was over is no refusal: another call freed it.
#[cold]
pub fn freed_again<L: Life>(life: &L) -> Freed {
    life.freed_again();
    Freed::AlreadyFreed
}

/// Closes, whoever is inside.
#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
pub fn begin<L: Life>(shell: &Shell, id: Identity, life: L) -> Result<Begun<'_, L>, Refusal> {
    Ok(match shell.close(id) {
        Ok(Close::Idle) => {
            end(shell, &life);
            Begun::Over(Freed::Destroyed)
        }
        Ok(Close::Busy) => Begun::Closed(Closing::of(shell, life, Freed::Destroyed)),
        Ok(Close::TakenOver) => Begun::Closed(Closing::of(shell, life, Freed::AlreadyFreed)),
        Ok(Close::Lost) => Begun::Lost(life),
        Err(Refusal::Stale) => Begun::Stale(life),
        Err(refusal) => return Err(refusal),
    })
}

/// Frees if nobody is inside; `Ok(None)`: somebody is, and nothing was changed.
#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
pub fn try_free<L: Life>(shell: &Shell, id: Identity, life: &L) -> Result<Option<Freed>, Refusal> {
    let found = match shell.try_close(id) {
        Ok(TryClose::Look) => {
            // In this order: whoever was in a slot before the barrier is seen, whoever comes after it is counted.
            let nobody = lane::settle(life) && lane::in_slots(life) == 0;
            Ok(shell.end_look(id.generation, nobody))
        }
        found => found,
    };
    Ok(match found {
        Ok(TryClose::Idle) => {
            end(shell, life);
            Some(Freed::Destroyed)
        }
        Ok(TryClose::Busy | TryClose::Look) => None,
        // Closed by another call, but not yet over: it was still this generation.
        Ok(TryClose::Lost) => Some(Freed::Pending),
        Err(Refusal::Stale) => Some(freed_again(life)),
        Err(refusal) => return Err(refusal),
    })
}

/// Frees, and waits up to `deadline` for those inside.
#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
pub fn free<L: Life>(shell: &Shell, id: Identity, deadline: impl Into<Deadline>, life: L) -> Result<Freed, Refusal> {
    free_and_tell_later(shell, id, deadline, life).map(|(freed, _later)| freed)
}

/// [`free`]; and what to answer for it once it is over, if it is pending: destroyed, if this was the first closer.
#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
pub fn free_and_tell_later<L: Life>(
    shell: &Shell,
    id: Identity,
    deadline: impl Into<Deadline>,
    life: L,
) -> Result<(Freed, Freed), Refusal> {
    Ok(match begin(shell, id, life)? {
        Begun::Over(freed) => (freed, freed),
        Begun::Stale(life) => (freed_again(&life), Freed::AlreadyFreed),
        Begun::Closed(closing) => {
            let mut closings = [closing];
            finish(&mut closings, deadline);
            let [closing] = closings;
            (closing.outcome(), closing.success)
        }
        Begun::Lost(life) => (outlive(shell, deadline.into(), &life).into(), Freed::AlreadyFreed),
    })
}

/// What waiting for somebody else's free came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlived {
    /// The life is over.
    Yes,
    /// The deadline passed.
    Late,
    /// The caller itself keeps it alive.
    WaitsForItself,
}

/// To a free that lost, what its wait for the winner came to.
impl From<Outlived> for Freed {
    fn from(outlived: Outlived) -> Freed {
        match outlived {
            Outlived::Yes => Freed::AlreadyFreed,
            Outlived::Late | Outlived::WaitsForItself => Freed::Pending,
        }
    }
}

/// Waits until the life is over.
pub fn outlive<L: Life>(shell: &Shell, deadline: Deadline, life: &L) -> Outlived {
    let generation = life.generation();
    loop {
        let state = shell.look();
        if state.generation() == generation && life.waits_for_itself(in_flight(state, life)) {
            return Outlived::WaitsForItself;
        }
        // With holds of its own out, the others' leaving may make the caller wait for itself: it looks again.
        let round =
            if life.may_wait_for_itself_later() { deadline.min(Deadline::after(LONGEST_PAUSE)) } else { deadline };
        if shell.outlived_by(generation, round) {
            return Outlived::Yes;
        }
        if deadline.has_passed() {
            return Outlived::Late;
        }
    }
}

/// How many are counted or in slots, as of some moment.
pub fn in_flight<L: Life>(state: State, life: &L) -> u32 {
    state.count() + if state.has_hazard_lane() { lane::in_slots(life) } else { 0 }
}

/// Drains all of `closings`, each begun by this caller, up to one common deadline.
pub fn finish<L: Life>(closings: &mut [Closing<'_, L>], deadline: impl Into<Deadline>) {
    settle(closings);
    if unfinished(closings).next().is_none() {
        return;
    }
    let deadline = deadline.into();
    for closing in unfinished(closings) {
        closing.shell.note_wait();
        closing.life.on_wait();
    }
    let mut pause = FIRST_PAUSE;
    loop {
        let mut call_again = false;
        for closing in unfinished(closings) {
            call_again |= closing.wake_blocked(deadline);
        }
        let round = if call_again { deadline.min(Deadline::after(pause)) } else { deadline };
        for closing in unfinished(closings) {
            closing.drain(round);
        }
        if unfinished(closings).next().is_none() {
            return;
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Runs the barrier, once for all that need it, and ends those that nobody is inside.
fn settle<L: Life>(closings: &mut [Closing<'_, L>]) {
    let mut with_hazard_lane = closings.iter_mut().filter(|closing| closing.has_hazard_lane).peekable();
    let Some(settled) = with_hazard_lane.peek().map(|first| lane::settle(&first.life)) else { return };
    for closing in with_hazard_lane {
        if !settled {
            closing.shell.get_stuck();
            closing.outcome = Some(Freed::Pending);
        } else if closing.others() == 0 {
            closing.end();
        }
    }
}

fn unfinished<'c, 'shell, L>(
    closings: &'c mut [Closing<'shell, L>],
) -> impl Iterator<Item = &'c mut Closing<'shell, L>> {
    closings.iter_mut().filter(|closing| closing.outcome.is_none())
}

impl<'shell, L: Life> Closing<'shell, L> {
    /// A life that was closed with somebody inside, or a hazard lane.
    fn of(shell: &'shell Shell, life: L, success: Freed) -> Self {
        // Once closed, it does not change.
        let has_hazard_lane = shell.look().has_hazard_lane();
        Closing { shell, life, has_hazard_lane, counted: true, success, outcome: None }
    }

    /// What [`finish`] came to.
    pub fn outcome(&self) -> Freed {
        self.outcome.unwrap_or(Freed::Pending)
    }

    /// One call of `on_close`, counted; then gives up if it is late. Answers whether to call again.
    fn wake_blocked(&mut self, deadline: Deadline) -> bool {
        if !self.counted && !self.shell.recount() {
            self.end();
            return false;
        }
        self.counted = false;
        let call_again = self.life.on_close();
        if deadline.has_passed() || self.life.waits_for_itself(self.others()) {
            self.give_up();
        } else if self.shell.uncount() && self.nobody_in_slots() {
            self.end();
        }
        call_again
    }

    /// How many are inside, apart from this closer, which is counted.
    fn others(&self) -> u32 {
        in_flight(self.shell.look(), &self.life) - 1
    }

    fn nobody_in_slots(&self) -> bool {
        !self.has_hazard_lane || lane::in_slots(&self.life) == 0
    }

    fn give_up(&mut self) {
        if self.shell.defer() && !(self.has_hazard_lane && lane::claims_end(self.shell, &self.life)) {
            self.outcome = Some(Freed::Pending);
        } else {
            self.end();
        }
    }

    fn drain(&mut self, round: Deadline) {
        if self.shell.drained_by(round, || lane::in_slots(&self.life)) {
            self.end();
        }
    }

    fn end(&mut self) {
        end(self.shell, &self.life);
        self.outcome = Some(self.success);
    }
}
