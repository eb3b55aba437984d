//! Driving: a poll looks at what was woken, hands out what is over, and sleeps in between.

use crate::backend::completion::attached::{self, Found, Visit};
use crate::backend::completion::engine::{Begun, Driver, Engine, State};
use crate::backend::completion::{Completion, Poller, Seen};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::shared::Shared;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;

/// Why a poll handed out nothing.
#[derive(Debug)]
pub enum PollError {
    /// Somebody else drives the backend: another poll, or the backend that it is attached to.
    Busy,
    /// The deadline passed.
    TimedOut,
    /// The backend is closed.
    Closed,
    /// There is no room for even one.
    NoRoom,
    /// The operating system refused to sleep.
    Io(io::Error),
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PollError::Io(error) => error.fmt(f),
            PollError::NoRoom => f.write_str("no room for a completion"),
            PollError::Busy => Error::Busy.fmt(f),
            PollError::TimedOut => Error::Timeout.fmt(f),
            PollError::Closed => Error::Freed.fmt(f),
        }
    }
}

impl std::error::Error for PollError {}

impl From<PollError> for Error {
    fn from(error: PollError) -> Error {
        match error {
            PollError::Busy => Error::Busy,
            PollError::TimedOut => Error::Timeout,
            PollError::Closed => Error::Freed,
            PollError::NoRoom => Error::InvalidArgument,
            PollError::Io(_) => Error::Io,
        }
    }
}

/// So many are taken out under one lock.
const BATCH: usize = 8;

/// What is to be done when a round handed out nothing.
enum Next {
    Return(Result<usize, PollError>),
    Look,
    Sleep(Deadline),
}

/// The right to drive, given back when this is dropped, by a panic too.
struct Drive<'a>(&'a Shared<Engine>);

impl<'a> Drive<'a> {
    /// With the first look.
    fn begin(engine: &'a Shared<Engine>) -> Result<(Drive<'a>, Begun), PollError> {
        let begun = engine.state.with(|state| {
            if state.driver != Driver::Nobody {
                return Err(PollError::Busy);
            }
            state.driver = Driver::Poll;
            Ok(state.begin_round())
        })?;
        Ok((Drive(engine), begun))
    }

    /// See [`State::end_drive_anew`].
    fn end_anew(self) {
        let Drive(engine) = *ManuallyDrop::new(self);
        engine.state.with(|state| state.end_drive_anew(&engine.poller));
    }
}

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        self.0.state.with(|state| state.end_drive(&self.0.poller));
    }
}

/// Drives `engine` until something can be handed out, `room` completions at most.
pub(super) fn poll(
    engine: &Shared<Engine>,
    room: usize,
    deadline: Deadline,
    put: &mut dyn FnMut(Completion),
) -> Result<usize, PollError> {
    if room == 0 {
        return Err(PollError::NoRoom);
    }
    let (drive, mut begun) = Drive::begin(engine)?;
    let mut hand = Hand { room, handed: 0, put };
    loop {
        let looked = round(drive.0, begun, &mut hand);
        // Also where a later part of the round was refused: that is told by a poll that hands out nothing.
        if hand.handed > 0 {
            return Ok(hand.handed);
        }
        looked.map_err(PollError::Io)?;
        match next(engine, deadline) {
            Next::Return(answer) => {
                drive.end_anew();
                return answer;
            }
            Next::Look => {}
            Next::Sleep(until) => listen(engine, until).map_err(PollError::Io)?,
        }
        begun = engine.state.with(State::begin_round);
    }
}

/// Where completions go.
struct Hand<'a> {
    room: usize,
    handed: usize,
    put: &'a mut dyn FnMut(Completion),
}

/// Completions that were taken out; those that are not handed on, because whoever collects them panics, are put back.
struct Taken<'a, I: DoubleEndedIterator<Item = Completion>> {
    engine: &'a Engine,
    over: I,
}

impl<I: DoubleEndedIterator<Item = Completion>> Drop for Taken<'_, I> {
    fn drop(&mut self) {
        if let Some(last) = self.over.next_back() {
            self.engine.state.with(|state| {
                state.done.push_front(last);
                self.over.by_ref().rev().for_each(|before| state.done.push_front(before));
            });
        }
    }
}

impl Hand<'_> {
    fn take_from(&mut self, engine: &Engine) {
        while self.handed < self.room {
            let mut batch = [None; BATCH];
            let most = batch.len().min(self.room - self.handed);
            let count = engine.state.with(|state| {
                // What was detached meanwhile hands out by itself.
                let count = if state.is_handed_out() { state.done.len().min(most) } else { 0 };
                batch.iter_mut().zip(state.done.drain(..count)).for_each(|(place, over)| *place = Some(over));
                count
            });
            let mut taken = Taken { engine, over: batch.into_iter().flatten() };
            taken.over.by_ref().for_each(&mut self.put);
            self.handed += count;
            if count < most {
                return;
            }
        }
    }
}

/// One look at everything there is, and a handing out of what is over: of the engine's own, then of what is attached to it.
fn round(engine: &Shared<Engine>, begun: Begun, hand: &mut Hand<'_>) -> io::Result<()> {
    let mut looks = begun.ready;
    if begun.listens {
        listen(engine, Deadline::PASSED)?;
        looks = engine.state.with(|state| state.ready.len());
    }
    // As many as there were: those that wake themselves do not keep the others from being handed out.
    for _ in 0..looks {
        let Some((call, readiness)) = engine.next_to_look_at() else { break };
        Engine::look(engine, &call, readiness);
    }
    hand.take_from(engine);
    if begun.listens { look_inside(engine, hand) } else { Ok(()) }
}

/// The rounds of what is attached.
fn look_inside(engine: &Shared<Engine>, hand: &mut Hand<'_>) -> io::Result<()> {
    // By number: the list changes meanwhile. What is attached during the round is for the next one, so that the round ends.
    let mut numbers = 0..engine.state.with(|state| state.attachments);
    while let Some(attached) = engine.state.with(|state| state.first_attached(&numbers)) {
        numbers.start = attached.serial + 1;
        let is_over = match attached.visit(engine)? {
            Found::Open(visit) => look_in(engine, &visit, hand)?,
            Found::Freed => true,
            Found::Detached => false,
        };
        if is_over {
            attached::detach(engine, &attached.engine);
        }
    }
    Ok(())
}

/// One round of what is attached; whether it is closed.
fn look_in(engine: &Engine, visit: &Visit<'_>, hand: &mut Hand<'_>) -> io::Result<bool> {
    let inner = visit.engine;
    round(inner, visit.begun, hand)?;
    let (is_woken, is_closing) = inner.state.with(|state| (state.take_wake_up_of_visit(), state.is_closing));
    if is_woken {
        // It is polled through this one, whose poll is to return in its place.
        engine.state.with(|state| state.is_woken = true);
    }
    Ok(is_closing)
}

/// Sleeps until something is there, or `until`; notes what was seen.
fn listen(engine: &Shared<Engine>, until: Deadline) -> io::Result<()> {
    engine.poller.wait(until, |seen| note(engine, &engine.poller, &seen))
}

#[cfg(not(loom))]
fn note(engine: &Engine, poller: &Poller, seen: &Seen) {
    match *seen {
        Seen::Inside => {}
        Seen::Wake => engine.state.with(|state| state.is_woken = true),
        Seen::Descriptor { name, readiness } => {
            engine.state.with(|state| state.note_readiness(name, readiness, poller));
        }
    }
}

#[cfg(loom)]
fn note(_engine: &Engine, _poller: &Poller, seen: &Seen) {
    match *seen {}
}

/// After a round that handed out nothing.
fn next(engine: &Shared<Engine>, deadline: Deadline) -> Next {
    // Not under the lock.
    let is_late = deadline.has_passed();
    engine.state.with(|state| {
        if !state.done.is_empty() {
            return Next::Look;
        }
        if state.is_closing {
            return Next::Return(Err(PollError::Closed));
        }
        if std::mem::take(&mut state.is_woken) {
            return Next::Return(Ok(0));
        }
        if is_late {
            return Next::Return(Err(PollError::TimedOut));
        }
        // After the deadline: what wakes itself over and over does not keep the poll.
        if !state.ready.is_empty() {
            return Next::Look;
        }
        Next::Sleep(state.begin_sleep(deadline, &engine.poller))
    })
}
