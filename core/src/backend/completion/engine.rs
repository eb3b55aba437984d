//! What the users of one backend share: the calls under way, those to be looked at, what is to be handed out, and the bell.
//!
//! See the head of `completion.rs` for the protocol.

use crate::backend::completion::Completion;
use crate::backend::completion::attached::Attached;
use crate::backend::completion::call::{Call, Looked, Outcome, Step, drop_contained};
use crate::backend::completion::entries::{Entries, Entry, Name, Phase};
use crate::backend::completion::timers::Timers;
use crate::backend::completion::{HoldToken, Poller};
use crate::deadline::{self, Deadline};
use crate::error::Error;
use crate::lock::Lock;
use crate::shared::Shared;
use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;

/// See the file head.
pub(super) struct Engine {
    pub(super) state: Lock<State>,
    pub(super) poller: Poller,
}

/// Who drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Nobody,
    /// A poll.
    Poll,
    /// The backend that it is attached to.
    Outer,
    /// The same, which looks at its calls just now.
    OuterLooks,
    /// It is detached; the poll that looks at its calls just now has not left it yet.
    OuterLeaves,
    /// The backend that it is attached to looks at its calls for a poll that does not drive that one any more.
    OuterIsLeft,
}

/// What the lock protects.
pub(super) struct State {
    pub(super) entries: Entries,
    pub(super) ready: VecDeque<u32>,
    pub(super) done: VecDeque<Completion>,
    pub(super) timers: Timers,
    /// In the order of their serial numbers.
    pub(super) attached: Vec<Attached>,
    /// So many attachments there were: the serial number of the next one.
    pub(super) attachments: u64,
    /// Descriptors that calls wait for.
    pub(super) descriptors: usize,
    /// Somebody may write to the wake descriptor, which only a look at the set finds.
    pub(super) may_be_written: bool,
    pub(super) driver: Driver,
    /// The next poll returns at once.
    pub(super) is_woken: bool,
    pub(super) is_closing: bool,
    /// Its bell is to be rung whenever there is something: an event loop watches it.
    is_watched: bool,
    is_rung: bool,
    /// The driver looks by itself, before it sleeps or goes.
    is_awake: bool,
    /// The driver is asleep, up to this moment.
    sleeps_until: Option<Deadline>,
    /// What the timer is set to.
    timer: Deadline,
}

/// What there is to do in a round.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    /// Calls to be looked at.
    pub(super) ready: usize,
    /// Descriptors and attached backends are to be asked.
    pub(super) listens: bool,
}

/// What a look left over, to be dropped without the lock.
#[derive(Default)]
struct Left {
    entry: Option<Entry>,
    outcome: Option<Outcome>,
    is_forgotten: bool,
}

impl Engine {
    pub(super) fn new(poller: Poller) -> Engine {
        let state = State {
            entries: Entries::new(),
            ready: VecDeque::new(),
            done: VecDeque::new(),
            timers: Timers::new(),
            attached: Vec::new(),
            attachments: 0,
            descriptors: 0,
            may_be_written: false,
            driver: Driver::Nobody,
            is_woken: false,
            is_closing: false,
            is_watched: false,
            is_rung: false,
            is_awake: false,
            sleeps_until: None,
            timer: Deadline::NEVER,
        };
        Engine { state: Lock::new(state), poller }
    }

    /// Begins a call, by a first look at it.
    pub(super) fn submit(
        this: &Shared<Engine>,
        user_data: usize,
        deadline: Deadline,
        step: Pin<Box<dyn Step>>,
    ) -> Result<(), Error> {
        let call = Shared::try_new(Call::new(this.clone(), user_data, deadline)).ok_or(Error::NoMemory)?;
        this.state.with(|state| state.insert(&call))?;
        Engine::note(this, &call, &Call::look(&call, step, 0));
        Ok(())
    }

    /// Has `call` looked at by the driver. Never blocks, and allocates nothing.
    pub(super) fn wake(call: &Shared<Call>) {
        let engine = &call.engine;
        engine.state.with(|state| state.queue(call.name(), &engine.poller));
    }

    /// Looks at a call that is in the phase "looking".
    pub(super) fn look(this: &Shared<Engine>, call: &Shared<Call>, readiness: u32) {
        if let Some(step) = call.take_work() {
            Engine::note(this, call, &Call::look(call, step, readiness));
        }
    }

    fn note(this: &Shared<Engine>, call: &Shared<Call>, looked: &Looked) {
        let left = this.state.with(|state| state.note(call, looked, &this.poller));
        if left.is_forgotten {
            call.take_work().into_iter().for_each(drop_contained);
        }
        if let Some(hold) = left.outcome.and_then(|outcome| outcome.hold) {
            give_back(hold);
        }
        drop(left.entry);
    }

    /// The next call to be looked at, and what its descriptor is ready for.
    pub(super) fn next_to_look_at(&self) -> Option<(Shared<Call>, u32)> {
        self.state.with(|state| {
            loop {
                let key = state.ready.pop_front()?;
                // One that is over meanwhile is passed by.
                if let Some(entry) = state.entries.get(key).filter(|entry| entry.phase == Phase::Queued) {
                    entry.phase = Phase::Looking;
                    return Some((entry.call.clone(), entry.readiness));
                }
            }
        })
    }

    /// From now on its descriptor is readable whenever there is something to do.
    pub(super) fn watch(&self) {
        self.state.with(|state| {
            state.is_watched = true;
            state.settle(&self.poller);
        });
    }

    /// Has the poll in progress, or the next one, return.
    pub(super) fn wake_driver(&self) {
        self.state.with(|state| {
            state.is_woken = true;
            state.call_driver(&self.poller);
        });
    }

    /// Has the poll in progress return for good.
    pub(super) fn close(&self) {
        self.state.with(|state| {
            state.is_closing = true;
            state.call_driver(&self.poller);
        });
    }
}

impl State {
    /// Makes room for one call more, so that whatever becomes of it later finds its room.
    fn insert(&mut self, call: &Shared<Call>) -> Result<(), Error> {
        if self.is_closing {
            return Err(Error::Freed);
        }
        let live = self.entries.live() + 1;
        self.ready.try_reserve(live.saturating_sub(self.ready.len())).map_err(|_| Error::NoMemory)?;
        self.done.try_reserve(live).map_err(|_| Error::NoMemory)?;
        if !self.timers.reserve(self.entries.keys() + 1) {
            return Err(Error::NoMemory);
        }
        self.entries.insert(call).ok_or(Error::NoMemory)
    }

    /// What was seen of a call by whoever looked at it.
    fn note(&mut self, call: &Shared<Call>, looked: &Looked, poller: &Poller) -> Left {
        let name = call.name();
        let Some(entry) = self.entries.named(name) else {
            // The backend is gone, and has told so.
            let outcome = if let Looked::Over(outcome) = looked { Some(*outcome) } else { None };
            return Left { entry: None, outcome, is_forgotten: true };
        };
        match *looked {
            Looked::Pending(next) => {
                let is_woken = entry.phase == Phase::LookingWoken;
                entry.phase = Phase::Asleep;
                self.timers.set(name.key, next);
                self.note_timer(poller);
                if is_woken {
                    self.queue(name, poller);
                }
                Left::default()
            }
            Looked::Over(outcome) => {
                self.timers.set(name.key, Deadline::NEVER);
                self.done.push_back(Completion { user_data: call.user_data, outcome });
                self.call_driver(poller);
                Left { entry: self.entries.remove(name), ..Left::default() }
            }
        }
    }

    /// To be looked at; unless it is over.
    fn queue(&mut self, name: Name, poller: &Poller) {
        let Some(entry) = self.entries.named(name) else { return };
        match entry.phase {
            Phase::Asleep => {
                entry.phase = Phase::Queued;
                self.ready.push_back(name.key);
                self.call_driver(poller);
            }
            Phase::Looking => entry.phase = Phase::LookingWoken,
            Phase::Queued | Phase::LookingWoken => {}
        }
    }

    /// What a call's descriptor is ready for.
    pub(super) fn note_readiness(&mut self, name: Name, readiness: u32, poller: &Poller) {
        if let Some(entry) = self.entries.named(name) {
            entry.readiness |= readiness;
            self.queue(name, poller);
        }
    }

    /// Queues the calls whose moment has passed. Reads the clock only if there is a moment.
    pub(super) fn queue_due(&mut self) {
        if self.timers.first() == Deadline::NEVER {
            return;
        }
        let now = Deadline::from_bits(deadline::now());
        while let Some(key) = self.timers.take_due(now) {
            if let Some(entry) = self.entries.get(key).filter(|entry| entry.phase == Phase::Asleep) {
                entry.phase = Phase::Queued;
                self.ready.push_back(key);
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.done.is_empty() || self.is_woken || self.is_closing
    }

    /// Something is to be looked at, or handed out.
    fn call_driver(&mut self, poller: &Poller) {
        if !self.is_awake && !self.is_rung && (self.is_watched || self.sleeps_until.is_some()) {
            self.is_rung = true;
            poller.ring();
        }
    }

    /// A moment was set: whoever sleeps beyond it is called, and the timer follows.
    fn note_timer(&mut self, poller: &Poller) {
        if self.sleeps_until.is_some_and(|until| self.timers.first() < until) {
            self.call_driver(poller);
        }
        self.set_timer(poller);
    }

    fn set_timer(&mut self, poller: &Poller) {
        let first = self.timers.first();
        if self.is_watched && !self.is_awake && self.timer != first {
            self.timer = first;
            poller.set_timer(first);
        }
    }

    /// The driver begins to look.
    pub(super) fn begin_round(&mut self) -> Begun {
        self.is_awake = true;
        self.sleeps_until = None;
        self.queue_due();
        let listens = self.descriptors > 0 || self.may_be_written || !self.attached.is_empty();
        Begun { ready: self.ready.len(), listens }
    }

    /// The driver sleeps now, unless there is something to do; answers up to when.
    pub(super) fn begin_sleep(&mut self, until: Deadline, poller: &Poller) -> Deadline {
        let until = until.min(self.timers.first());
        self.sleeps_until = Some(until);
        self.settle(poller);
        until
    }

    /// The driver does not look any more: the bell rings if there is something to do, else it is quiet.
    pub(super) fn settle(&mut self, poller: &Poller) {
        self.is_awake = false;
        if self.has_work() {
            self.call_driver(poller);
        } else if self.is_rung {
            self.is_rung = false;
            poller.quiet();
        }
        self.set_timer(poller);
    }

    /// The first that is attached with one of these numbers.
    pub(super) fn first_attached(&self, numbers: &Range<u64>) -> Option<Attached> {
        let position = self.attached.partition_point(|attached| attached.serial < numbers.start);
        self.attached.get(position).filter(|attached| attached.serial < numbers.end).cloned()
    }

    /// The backend that it is attached to begins to look.
    pub(super) fn begin_visit(&mut self) -> Begun {
        self.driver = Driver::OuterLooks;
        self.begin_round()
    }

    /// Whoever drives it may hand out what is over. Else it was detached from him, or what it is attached to was.
    pub(super) fn is_handed_out(&self) -> bool {
        !matches!(self.driver, Driver::OuterLeaves | Driver::OuterIsLeft)
    }

    /// What was asked for by a wake-up, unless it is meant for somebody else than who takes it here: it is detached by now.
    pub(super) fn take_wake_up_of_visit(&mut self) -> bool {
        self.driver == Driver::OuterLooks && std::mem::take(&mut self.is_woken)
    }

    /// The backend that it is attached to does not look any more.
    pub(super) fn end_visit(&mut self, poller: &Poller) {
        if self.driver == Driver::OuterLeaves {
            return self.end_drive_anew(poller);
        }
        self.driver = Driver::Outer;
        self.settle(poller);
    }

    /// It is not attached any more. Whoever looks at its calls drives it up to the end of that look.
    pub(super) fn let_go(&mut self, poller: &Poller) {
        if matches!(self.driver, Driver::OuterLooks | Driver::OuterIsLeft) {
            self.driver = Driver::OuterLeaves;
            self.leave_inside();
        } else {
            self.end_drive_anew(poller);
        }
    }

    /// What is looked at further inside is looked at for nobody.
    fn leave_inside(&self) {
        for attached in &self.attached {
            attached.engine.state.with(|state| {
                if state.driver == Driver::OuterLooks {
                    state.driver = Driver::OuterIsLeft;
                    state.leave_inside();
                }
            });
        }
    }

    /// What is there to be done, here and further inside, is told as something new.
    fn ring_anew(&self, poller: &Poller) {
        if self.is_watched && self.is_rung && self.has_work() {
            poller.quiet();
            poller.ring();
        }
        for inner in self.attached.iter().map(|attached| &attached.engine) {
            inner.state.with(|state| state.ring_anew(&inner.poller));
        }
    }

    /// The driver has gone, after a poll that handed out nothing or a detachment: an event loop that is told of changes alone is told of
    /// what he left, for which the bell may have rung before.
    pub(super) fn end_drive_anew(&mut self, poller: &Poller) {
        self.end_drive(poller);
        self.ring_anew(poller);
    }

    /// The driver has gone.
    pub(super) fn end_drive(&mut self, poller: &Poller) {
        self.sleeps_until = None;
        self.driver = Driver::Nobody;
        self.settle(poller);
    }
}

/// Releases what nobody will collect.
pub(super) fn give_back(hold: HoldToken) {
    // It is refused only if somebody released it, which nobody could.
    let _ = hold.release();
}
