//! A backend that another one drives.
//!
//! # States of its driver, from the attachment on
//!
//! | state | on the outer one's list, in its set | who looks at its calls | left by |
//! |---|---|---|---|
//! | outer | yes | nobody | the outer one's poll: outer looks; a detachment: nobody |
//! | outer looks | yes | the outer one's poll | the end of that look: outer; a detachment: outer leaves; of one further out: outer is left |
//! | outer leaves | no | the outer one's poll, which hands out nothing of it any more | the end of that look: nobody |
//! | outer is left | yes | a poll that does not drive the outer one any more, and hands out nothing of it | the end of that look: outer; a detachment: outer leaves |
//! | nobody | no | nobody | a poll of its own, an attachment |
//!
//! # Invariants
//!
//! 1. What is on the list of a backend is in its set, and nothing else is: both change under that backend's lock.
//! 2. What is on a list is driven by the backend whose list that is. So it is on one list at most, and one poll looks at it at most: that
//!    of the outer one, which is one.
//! 3. A look begins under the locks of both, the outer one's first, so that it cannot begin after a detachment. (The kernel refuses
//!    circles, so there is no order the other way round.) A detachment tells what is looked at further inside under the same locks: so
//!    nothing of it is handed out after that, either.

use crate::backend::completion::AttachError;
use crate::backend::completion::engine::{Begun, Driver, Engine, State};
use crate::shared::Shared;
#[cfg(not(loom))]
use crate::{Entry, Error, Token, backend::CompletionBackend};
use std::io;

/// See the file head.
#[derive(Clone)]
pub(super) struct Attached {
    pub(super) engine: Shared<Engine>,
    /// Of the attachments to one backend each has its own, later ones higher ones.
    pub(super) serial: u64,
    /// If it is a handle, it is in flight while its calls are looked at: its free waits for that.
    #[cfg(not(loom))]
    handle: Option<Token<CompletionBackend>>,
}

/// An attached backend whose calls are looked at, as long as this lives.
pub(super) struct Visit<'a> {
    pub(super) engine: &'a Shared<Engine>,
    pub(super) begun: Begun,
    #[cfg(not(loom))]
    _inside: Option<Entry<CompletionBackend>>,
}

/// What became of one that was on the list.
pub(super) enum Found<'a> {
    Open(Visit<'a>),
    Freed,
    Detached,
}

impl Attached {
    /// One that its owner drops.
    pub(super) fn owned(engine: Shared<Engine>) -> Attached {
        Attached {
            engine,
            serial: 0,
            #[cfg(not(loom))]
            handle: None,
        }
    }

    #[cfg(not(loom))]
    pub(super) fn handle(engine: Shared<Engine>, handle: Token<CompletionBackend>) -> Attached {
        Attached { engine, serial: 0, handle: Some(handle) }
    }

    /// Begins a look at it, by the poll of `outer`.
    pub(super) fn visit(&self, outer: &Engine) -> io::Result<Found<'_>> {
        #[cfg(not(loom))]
        let inside = match self.handle.map(|handle| handle.enter(c"polled by its outer backend")) {
            None => None,
            Some(Ok(inside)) => Some(inside),
            // It is there, but cannot be entered now: this thread's first operation, or its ninth at once.
            Some(Err(Error::NoMemory | Error::Limit)) => return Err(io::ErrorKind::OutOfMemory.into()),
            Some(Err(_)) => return Ok(Found::Freed),
        };
        let begun = outer.state.with(|state| {
            let is_attached = state.attached.iter().any(|attached| attached.serial == self.serial);
            (is_attached && state.is_handed_out()).then(|| self.engine.state.with(State::begin_visit))
        });
        let Some(begun) = begun else { return Ok(Found::Detached) };
        Ok(Found::Open(Visit {
            engine: &self.engine,
            begun,
            #[cfg(not(loom))]
            _inside: inside,
        }))
    }

    fn is_of(&self, engine: &Shared<Engine>) -> bool {
        Shared::is_same(&self.engine, engine)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.engine.state.with(|state| state.end_visit(&self.engine.poller));
    }
}

/// `outer` drives `attached` from now on.
pub(super) fn attach(outer: &Shared<Engine>, attached: Attached) -> Result<(), AttachError> {
    if attached.is_of(outer) {
        return Err(AttachError::Circle);
    }
    let inner = &attached.engine.clone();
    inner.state.with(|state| {
        if state.driver != Driver::Nobody {
            return Err(AttachError::Busy);
        }
        state.driver = Driver::Outer;
        Ok(())
    })?;
    inner.watch();
    let listed = outer.state.with(|state| {
        state.attached.try_reserve(1).map_err(|_| AttachError::NoMemory)?;
        outer.poller.attach(&inner.poller)?;
        let serial = state.attachments;
        state.attachments += 1;
        state.attached.push(Attached { serial, ..attached });
        Ok(())
    });
    if listed.is_err() {
        inner.state.with(|state| state.let_go(&inner.poller));
    }
    listed
}

/// `inner` is no more driven by `outer`; `false`: it was not.
pub(super) fn detach(outer: &Engine, inner: &Shared<Engine>) -> bool {
    let taken = outer.state.with(|state| {
        let position = state.attached.iter().position(|attached| attached.is_of(inner))?;
        outer.poller.detach(&inner.poller);
        Some(state.attached.remove(position))
    });
    if taken.is_some() {
        inner.state.with(|state| state.let_go(&inner.poller));
    }
    taken.is_some()
}

/// What `outer` drives is driven by nobody.
pub(super) fn detach_all(outer: &Engine) {
    while let Some(last) = outer.state.with(|state| state.attached.last().cloned()) {
        detach(outer, &last.engine);
    }
}
