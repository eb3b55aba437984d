//! The handles' twin: lists, flags and plain rules.

use crate::handle_outcome::{Answer, Event, Outcome, Seen};
use crate::pick;
use quiescent_core::handle::LifeState;
use quiescent_core::{Error, Freed};
use std::collections::BTreeMap;

/// How many kinds there are.
pub const KINDS: usize = 2;

/// What a raw value turns out to be, when it is not a live handle of the right kind.
#[derive(Clone, Copy)]
pub enum Other {
    /// A life that is over.
    Over,
    Error(Error),
}

/// Which raw value is meant.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    Handle(usize),
    HoldToken(usize),
    Garbage(Error),
}

#[derive(Default)]
struct Life {
    kind: usize,
    closed: bool,
    over: bool,
    callbacks: Vec<usize>,
}

/// An operation or a hold in flight.
#[derive(Clone)]
pub struct Item {
    pub handle: usize,
    /// The thread that began it: a worker, and which of that worker's threads in turn.
    pub by: (usize, usize),
    pub form: Form,
    pub operation: &'static str,
}

/// How the program has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Entry,
    /// An operation without an `Entry`, which leaves as a C program does; and how manieth became so.
    Detached(usize),
    Hold,
    /// A hold with a token, by number.
    HoldToken(usize),
}

impl Item {
    pub fn is_hold(&self) -> bool {
        matches!(self.form, Form::Hold | Form::HoldToken(_))
    }
}

/// The whole world of handles.
pub struct Twin {
    lives: Vec<Life>,
    /// In flight, by number; a later one has a higher number.
    pub items: BTreeMap<usize, Item>,
    next_item: usize,
    /// How many operations were detached.
    detached: usize,
    /// The holds' tokens: which item, while it is not released.
    hold_tokens: Vec<Option<usize>>,
    callbacks: usize,
    /// How many threads each worker has been.
    pub threads: Vec<usize>,
}

impl Twin {
    pub fn new(workers: usize) -> Twin {
        Twin {
            lives: Vec::new(),
            items: BTreeMap::new(),
            next_item: 0,
            detached: 0,
            hold_tokens: Vec::new(),
            callbacks: 0,
            threads: vec![0; workers],
        }
    }

    pub fn handles(&self) -> usize {
        self.lives.len()
    }

    pub fn hold_tokens(&self) -> usize {
        self.hold_tokens.len()
    }

    pub fn next_item(&self) -> usize {
        self.next_item
    }

    pub fn next_detached(&mut self) -> Form {
        self.detached += 1;
        Form::Detached(self.detached)
    }

    pub fn next_callback(&self) -> usize {
        self.callbacks
    }

    /// The numbers of those in flight that are `wanted`.
    pub fn which(&self, wanted: impl Fn(&Item) -> bool) -> Vec<usize> {
        self.items.iter().filter(|(_, item)| wanted(item)).map(|(number, _)| *number).collect()
    }

    /// The `n`-th in flight that is `wanted`.
    pub fn pick(&self, n: usize, wanted: impl Fn(&Item) -> bool) -> Option<(usize, Item)> {
        let number = pick(&self.which(wanted), n)?;
        Some((number, self.items[&number].clone()))
    }

    /// The thread that `worker` is at the moment.
    pub fn thread(&self, worker: usize) -> (usize, usize) {
        (worker, self.threads[worker])
    }

    /// The live handle that is meant, if it is one, of kind `via`.
    pub fn find(&self, aim: Aim, via: Option<usize>) -> Result<usize, Other> {
        match aim {
            Aim::Garbage(error) => Err(Other::Error(error)),
            Aim::HoldToken(hold) if self.hold_tokens[hold].is_none() => Err(Other::Over),
            Aim::HoldToken(_) => Err(Other::Error(Error::WrongKind)),
            Aim::Handle(handle) if self.lives[handle].over => Err(Other::Over),
            Aim::Handle(handle) if via.is_some_and(|kind| kind != self.lives[handle].kind) => {
                Err(Other::Error(Error::WrongKind))
            }
            Aim::Handle(handle) => Ok(handle),
        }
    }

    fn inside(&self, handle: usize) -> usize {
        self.which(|item| item.handle == handle).len()
    }

    fn own(&self, handle: usize, worker: usize) -> (usize, usize) {
        let by = self.thread(worker);
        let own = |hold| self.which(|item| item.handle == handle && item.by == by && item.is_hold() == hold).len();
        (own(false), own(true))
    }

    /// Whether `worker` would wait for itself.
    pub fn waits_for_itself(&self, handle: usize, worker: usize) -> bool {
        let (operations, holds) = self.own(handle, worker);
        operations > 0 || (holds > 0 && holds == self.inside(handle))
    }

    /// Whether a free, or a wait for the end, by `worker` would wait.
    pub fn would_wait(&self, handle: usize, worker: usize) -> bool {
        self.inside(handle) > 0 && !self.waits_for_itself(handle, worker)
    }

    /// The kind of what is meant; garbage may pass for any.
    pub fn kind(&self, aim: Aim) -> usize {
        if let Aim::Handle(handle) = aim { self.lives[handle].kind } else { 0 }
    }

    /// The handles that are not over.
    pub fn live(&self) -> Vec<usize> {
        (0..self.handles()).filter(|handle| !self.lives[*handle].over).collect()
    }

    pub fn is_closed(&self, handle: usize) -> bool {
        self.lives[handle].closed
    }

    pub fn open(&mut self, kind: usize) -> Outcome {
        self.lives.push(Life { kind, ..Life::default() });
        (Answer::Done, Vec::new())
    }

    /// Enters, or takes a hold.
    pub fn enter(&mut self, worker: usize, aim: Aim, via: usize, form: Form, operation: &'static str) -> Outcome {
        let answer = match self.find(aim, Some(via)) {
            Err(Other::Over) => Answer::Refused(Error::Freed),
            Err(Other::Error(error)) => Answer::Refused(error),
            Ok(handle) if self.lives[handle].closed => Answer::Refused(Error::Freed),
            Ok(handle) => {
                let item = Item { handle, by: self.thread(worker), form, operation };
                self.items.insert(self.next_item, item);
                self.next_item += 1;
                Answer::Inside(handle)
            }
        };
        (answer, Vec::new())
    }

    /// `item` leaves, or is released, on `worker`.
    pub fn leave(&mut self, item: usize, worker: usize) -> Outcome {
        let item = self.items.remove(&item).expect("it is in flight");
        if let Form::HoldToken(hold) = item.form {
            self.hold_tokens[hold] = None;
        }
        // While a free waits it sees to the end itself; see `free_while_leaving`.
        let last_of_closed = self.lives[item.handle].closed && self.inside(item.handle) == 0;
        let events = if last_of_closed { self.end(item.handle, worker) } else { Vec::new() };
        (Answer::Done, events)
    }

    fn end(&mut self, handle: usize, worker: usize) -> Vec<Event> {
        let thread = Some(worker);
        let life = &mut self.lives[handle];
        (life.closed, life.over) = (true, true);
        let callbacks = std::mem::take(&mut life.callbacks);
        let called = callbacks.into_iter().map(|callback| Event::OnFreed { callback, thread });
        std::iter::once(Event::Destroyed { handle, thread }).chain(called).collect()
    }

    /// The latest operation of `worker`'s on `handle` that has no `Entry`, which a leave as in C ends.
    pub fn latest(&self, aim: Aim, worker: usize) -> Option<usize> {
        let Aim::Handle(handle) = aim else { return None };
        let by = self.thread(worker);
        let detached = |number: &usize| match self.items[number].form {
            Form::Detached(order) => Some(order),
            _ => None,
        };
        let mine = self.which(|item| item.handle == handle && item.by == by);
        mine.into_iter().filter(|number| detached(number).is_some()).max_by_key(detached)
    }

    /// A leave as in C.
    pub fn leave_like_c(&mut self, aim: Aim, worker: usize) -> Outcome {
        if let Some(item) = self.latest(aim, worker) {
            return self.leave(item, worker);
        }
        let error = match (aim, self.find(aim, None)) {
            (Aim::Garbage(error), _) => error,
            (_, Err(Other::Over)) => Error::Freed,
            _ => Error::NotInside,
        };
        (Answer::Refused(error), Vec::new())
    }

    /// The hold becomes a token.
    pub fn make_token(&mut self, item: usize) -> Outcome {
        self.items.get_mut(&item).expect("it is in flight").form = Form::HoldToken(self.hold_tokens.len());
        self.hold_tokens.push(Some(item));
        (Answer::Done, Vec::new())
    }

    /// Releases a token, which may be that of a hold.
    pub fn release_token(&mut self, aim: Aim, worker: usize) -> Outcome {
        if let Aim::HoldToken(hold) = aim {
            if let Some(item) = self.hold_tokens[hold] {
                let (_, events) = self.leave(item, worker);
                return (Answer::Freed(Freed::Destroyed), events);
            }
        }
        let answer = match self.find(aim, None) {
            Ok(_) => Answer::Refused(Error::WrongKind),
            Err(Other::Over) => Answer::Freed(Freed::AlreadyFreed),
            Err(Other::Error(error)) => Answer::Refused(error),
        };
        (answer, Vec::new())
    }

    /// A free that does not wait, or that nobody helps.
    pub fn free(&mut self, worker: usize, aim: Aim, via: Option<usize>) -> Outcome {
        let handle = match self.find(aim, via) {
            Ok(handle) => handle,
            Err(Other::Over) => return (Answer::Freed(Freed::AlreadyFreed), Vec::new()),
            Err(Other::Error(error)) => return (Answer::Refused(error), Vec::new()),
        };
        if self.inside(handle) == 0 {
            return (Answer::Freed(Freed::Destroyed), self.end(handle, worker));
        }
        self.lives[handle].closed = true;
        (Answer::Freed(Freed::Pending), vec![Event::OnClose { handle, thread: Some(worker) }])
    }

    /// A free that waits while `leaving` leave one after the other. If they are all, it succeeds.
    pub fn free_while_leaving(&mut self, worker: usize, handle: usize, leaving: &[usize]) -> Outcome {
        let takes_over = std::mem::replace(&mut self.lives[handle].closed, true);
        for item in leaving {
            let item = self.items.remove(item).expect("it is in flight");
            if let Form::HoldToken(hold) = item.form {
                self.hold_tokens[hold] = None;
            }
        }
        let mut events = vec![Event::OnClose { handle, thread: Some(worker) }];
        if self.inside(handle) > 0 {
            return (Answer::Freed(Freed::Pending), events);
        }
        events.extend(self.end(handle, worker));
        (Answer::Freed(if takes_over { Freed::AlreadyFreed } else { Freed::Destroyed }), events)
    }

    pub fn try_free(&mut self, worker: usize, aim: Aim, via: Option<usize>) -> Outcome {
        match self.find(aim, via) {
            Ok(handle) if self.lives[handle].closed => (Answer::Freed(Freed::Pending), Vec::new()),
            Ok(handle) if self.inside(handle) > 0 => (Answer::Refused(Error::Busy), Vec::new()),
            _ => self.free(worker, aim, via),
        }
    }

    /// A wait for the end that nobody helps.
    pub fn wait_freed(&self, worker: usize, aim: Aim, via: Option<usize>) -> Outcome {
        let answer = match self.find(aim, via) {
            Err(Other::Over) => Answer::Done,
            Err(Other::Error(error)) => Answer::Refused(error),
            Ok(handle) if self.waits_for_itself(handle, worker) => Answer::Refused(Error::Deadlock),
            Ok(_) => Answer::Refused(Error::Timeout),
        };
        (answer, Vec::new())
    }

    pub fn on_freed(&mut self, worker: usize, aim: Aim, via: Option<usize>) -> Outcome {
        let callback = self.callbacks;
        self.callbacks += 1;
        match self.find(aim, via) {
            Err(Other::Error(error)) => (Answer::Refused(error), Vec::new()),
            Err(Other::Over) => {
                (Answer::Freed(Freed::AlreadyFreed), vec![Event::OnFreed { callback, thread: Some(worker) }])
            }
            Ok(handle) => {
                self.lives[handle].callbacks.push(callback);
                (Answer::Freed(Freed::Pending), Vec::new())
            }
        }
    }

    pub fn is_closing(&self, aim: Aim, via: Option<usize>) -> Outcome {
        let is_closing = self.find(aim, via).map_or(true, |handle| self.lives[handle].closed);
        (Answer::IsClosing(is_closing), Vec::new())
    }

    pub fn info(&self, aim: Aim) -> Outcome {
        let answer = self.report(aim).map(|handle| {
            let inside = self.which(|item| item.handle == handle);
            let holds = inside.iter().filter(|item| self.items[item].is_hold()).count();
            let life = if self.lives[handle].closed { LifeState::Pending } else { LifeState::Open };
            let number = |count: usize| u32::try_from(count).expect("a few");
            Answer::Info(life, number(inside.len()), number(holds))
        });
        (answer.unwrap_or_else(Answer::Refused), Vec::new())
    }

    pub fn occupants(&self, aim: Aim) -> Outcome {
        let answer = self.report(aim).map(|handle| {
            let items = self.items.values().filter(|item| item.handle == handle);
            let mut seen: Vec<Seen> = items
                .map(|item| Seen {
                    thread: thread_name(item.by),
                    operation: item.operation.into(),
                    is_hold: item.is_hold(),
                    has_ended: item.by != self.thread(item.by.0),
                })
                .collect();
            seen.sort();
            Answer::Occupants(seen)
        });
        (answer.unwrap_or_else(Answer::Refused), Vec::new())
    }

    fn report(&self, aim: Aim) -> Result<usize, Error> {
        self.find(aim, None).map_err(|other| match other {
            Other::Over => Error::Freed,
            Other::Error(error) => error,
        })
    }
}

/// What the thread of a worker is called.
pub fn thread_name((worker, thread): (usize, usize)) -> String {
    format!("worker-{worker}.{thread}")
}
