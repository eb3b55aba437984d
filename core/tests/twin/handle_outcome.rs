//! What a call on handles comes to: its answer, and what happened to values meanwhile.

use quiescent_core::handle::LifeState;
use quiescent_core::{Error, Freed};
use std::fmt;

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; there is nothing to answer.
    Done,
    /// Let in, and found the value of this handle.
    Inside(usize),
    Freed(Freed),
    Refused(Error),
    IsClosing(bool),
    Info(LifeState, u32, u32),
    Occupants(Vec<Seen>),
    /// It waits, when it should have answered.
    Waits,
    Panicked(String),
}

impl<E: Into<Answer>> From<Result<E, Error>> for Answer {
    fn from(result: Result<E, Error>) -> Answer {
        result.map_or_else(Answer::Refused, Into::into)
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Answer {
        Answer::Done
    }
}

impl From<Freed> for Answer {
    fn from(freed: Freed) -> Answer {
        Answer::Freed(freed)
    }
}

/// Somebody inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub thread: String,
    pub operation: String,
    pub is_hold: bool,
    pub has_ended: bool,
}

/// Something that happened to a value, and on which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    OnClose { handle: usize, thread: Option<usize> },
    Destroyed { handle: usize, thread: Option<usize> },
    OnFreed { callback: usize, thread: Option<usize> },
}

/// What comes of a call.
pub type Outcome = (Answer, Vec<Event>);

/// An outcome, to be read by a person.
#[derive(PartialEq)]
pub struct Told(pub Outcome);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told((answer, events)) = self;
        write!(f, "{answer:?}")?;
        for event in events {
            let (what, thread) = match event {
                Event::OnClose { handle, thread } => (format!("on_close of handle {handle}"), thread),
                Event::Destroyed { handle, thread } => (format!("handle {handle} destroyed"), thread),
                Event::OnFreed { callback, thread } => (format!("callback {callback} called"), thread),
            };
            match thread {
                Some(worker) => write!(f, ", {what} by worker {worker}")?,
                None => write!(f, ", {what} by a stranger")?,
            }
        }
        Ok(())
    }
}
