//! The steps by which a life ends, each one change of the word: close, look, give up, claim, wait, vacate. The states are
//! those of `shell.rs`; who takes which step when is the business of `free.rs` and `lane.rs`.

use crate::deadline::Deadline;
use crate::handle::shell::{Identity, Refusal, Shell};
use crate::park::{self, Half};
use crate::word::State;

/// What a close found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Nobody was inside: the end is this caller's, now.
    Idle,
    /// This caller closed; somebody is inside.
    Busy,
    /// Another had closed and given up, and somebody is still inside: this caller is the closer now.
    TakenOver,
    /// Another is the closer, or the object is being destroyed.
    Lost,
}

/// What `try_free` found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryClose {
    /// Nobody was inside: closed, and the end is this caller's.
    Idle,
    /// Somebody is inside, or looks: nothing was changed.
    Busy,
    /// Nobody is counted, and whoever enters is from now on: this caller looks at the slots, then calls
    /// [`Shell::end_look`].
    Look,
    /// Somebody else closed before.
    Lost,
}

/// What the last one out of a life with a hazard lane found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastOut {
    /// The end was deferred, and is this caller's.
    Owner,
    /// The closer has it; it was woken if it slept.
    NotOwner,
    /// The word has changed since the look.
    Changed,
}

/// What a shell left behind when its life ended.
#[derive(Clone, Copy, Debug)]
pub struct Vacated {
    /// `on_freed` callbacks were registered; of a hold: it was lessened ([`Shell::lessen`]).
    pub notify: bool,
    /// The generation of the next life.
    pub generation: u32,
}

#[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
impl Shell {
    /// Closes, or takes over from a closer that gave up. A closer that finds somebody inside, or a hazard lane, is
    /// counted until [`Shell::uncount`] or [`Shell::defer`].
    pub fn close(&self, id: Identity) -> Result<Close, Refusal> {
        let closed = self.guard.change(|state| {
            self.judge(id, state).map_err(Some)?;
            let may_be_inside = !state.is_idle() || state.has_hazard_lane();
            match (state.is_closed(), may_be_inside) {
                (false, false) => Ok(state.closed()),
                (false, true) => Ok(state.closed().with_one_more()),
                // Stuck: the count of the one that gave up is still in.
                (true, true) if state.is_deferred() && state.is_counted() => Ok(state.claimed()),
                (true, true) if state.is_deferred() => Ok(state.claimed().with_one_more()),
                (true, _) => Err(None),
            }
        });
        match closed {
            Ok(change) if change.before.is_closed() => Ok(Close::TakenOver),
            Ok(change) if change.after.is_idle() => Ok(Close::Idle),
            Ok(_) => Ok(Close::Busy),
            Err(None) => Ok(Close::Lost),
            Err(Some(refusal)) => Err(refusal),
        }
    }

    /// Closes if nobody is inside.
    pub fn try_close(&self, id: Identity) -> Result<TryClose, Refusal> {
        let closed = self.guard.change(|state| {
            self.judge(id, state).map_err(Err)?;
            if state.is_closed() {
                Err(Ok(TryClose::Lost))
            } else if !state.is_idle() || state.is_counted() {
                Err(Ok(TryClose::Busy))
            } else if state.has_hazard_lane() {
                Ok(state.counted())
            } else {
                Ok(state.closed())
            }
        });
        match closed {
            Ok(change) if change.after.is_closed() => Ok(TryClose::Idle),
            Ok(_) => Ok(TryClose::Look),
            Err(found) => found,
        }
    }

    /// Ends the look of [`TryClose::Look`]: closes if `nobody` was in a slot and nobody is counted, else opens the hazard
    /// lane again. Never [`TryClose::Look`].
    pub fn end_look(&self, generation: u32, nobody: bool) -> TryClose {
        let ended = self.guard.change(|state| {
            if state.generation() != generation || state.is_closed() {
                Err(())
            } else if nobody && state.is_idle() {
                Ok(state.closed())
            } else {
                Ok(state.uncounted())
            }
        });
        match ended {
            Ok(change) if change.after.is_closed() => TryClose::Idle,
            Ok(_) => TryClose::Busy,
            Err(()) => TryClose::Lost,
        }
    }

    /// The closer counts itself again, to call `on_close`; `false`: nobody is inside (and there is no hazard lane),
    /// the end is the closer's.
    #[must_use]
    pub fn recount(&self) -> bool {
        self.guard.recount()
    }

    /// The closer uncounts itself; `true`: nobody is counted, the end is the closer's if no slot protects it
    /// either.
    #[must_use]
    pub fn uncount(&self) -> bool {
        self.guard.uncount()
    }

    /// The counted closer uncounts itself and gives up; `false`: nobody is inside, the end is the
    /// closer's after all. With a hazard lane it is always `true`: then the closer, too, asks whether it was the last
    /// one out.
    #[must_use]
    pub fn defer(&self) -> bool {
        self.guard.defer(1)
    }

    /// The counted closer gives up without the barrier: it stays counted.
    pub fn get_stuck(&self) {
        let Ok(_) = self.guard.change(|state| Ok::<_, std::convert::Infallible>(state.deferred().counted()));
    }

    /// The closer sleeps until nobody is counted and, where there is a hazard lane, nobody `in_slots`.
    #[must_use]
    pub fn drained_by(&self, deadline: Deadline, in_slots: impl Fn() -> u32) -> bool {
        self.guard.drained_by(deadline, || in_slots() == 0)
    }

    /// The word, if it is closed, of life `generation`, and nobody is counted.
    pub fn last_counted(&self, generation: u32) -> Option<State> {
        Some(self.look()).filter(|state| state.generation() == generation && state.is_quiescent())
    }

    /// Claims a deferred end, or wakes the drainer, if the word is still `closed`.
    pub fn last_out(&self, closed: State) -> LastOut {
        let next = if closed.is_deferred() {
            closed.claimed()
        } else if closed.has_sleepers() {
            closed.without_sleepers()
        } else {
            return LastOut::NotOwner;
        };
        if self.guard.change(|state| if state == closed { Ok(next) } else { Err(()) }).is_err() {
            return LastOut::Changed;
        }
        if closed.has_sleepers() {
            park::wake_all(self.guard.word(), Half::Low);
        }
        if closed.is_deferred() { LastOut::Owner } else { LastOut::NotOwner }
    }

    /// Anybody sleeps until this life is over.
    #[must_use]
    pub fn outlived_by(&self, generation: u32, deadline: Deadline) -> bool {
        let over = |state: State| state.generation() != generation;
        park::until(self.guard.word(), Half::High, deadline, over, State::with_waiters)
    }

    /// Ends a life that nobody ever enters, waits for or closes (a hold's), in one step: to one caller, who has what `look` saw
    /// of it right before. (The generation was this life's before the look and in the step.)
    #[allow(clippy::missing_errors_doc, reason = "the errors are the variants of `Refusal`")]
    #[inline]
    pub fn end_at_once<V>(&self, id: Identity, look: impl Fn() -> V) -> Result<(V, Vacated), Refusal> {
        let next = id.generation.wrapping_add(1);
        let mut seen = None;
        let ended = self.guard.change(|state| {
            self.judge(id, state)?;
            seen = Some(look());
            Ok::<_, Refusal>(State::vacant(next))
        })?;
        let vacated = Vacated { notify: ended.before.has_notify(), generation: next };
        seen.map(|seen| (seen, vacated)).ok_or(Refusal::Stale)
    }

    /// The owner of the end, done with the object, ends this life, which is `generation`. The shell stays the caller's until
    /// it gives it back.
    pub fn vacate(&self, generation: u32) -> Vacated {
        let next = generation.wrapping_add(1);
        let before = self.guard.replace(State::vacant(next));
        debug_assert!(before.generation() == generation, "ended by somebody who does not own the end");
        if before.has_waiters() {
            park::wake_all(self.guard.word(), Half::High);
        }
        Vacated { notify: before.has_notify(), generation: next }
    }
}
