//! A backend that another one drives.

use crate::backend::completion::engine::Engine;
use crate::shared::Shared;
#[cfg(not(loom))]
use crate::{Entry, Error, Token, backend::CompletionBackend};

/// See the file head.
#[derive(Clone)]
pub(super) struct Attached {
    pub(super) engine: Shared<Engine>,
    /// If it is a handle, it is in flight while its calls are looked at: its free waits for that.
    #[cfg(not(loom))]
    handle: Option<Token<CompletionBackend>>,
}

/// An attached backend whose calls are looked at, as long as this lives.
pub(super) struct Visit<'a> {
    pub(super) engine: &'a Shared<Engine>,
    #[cfg(not(loom))]
    _inside: Option<Entry<CompletionBackend>>,
}

impl Attached {
    /// One that its owner drops.
    pub(super) fn owned(engine: Shared<Engine>) -> Attached {
        Attached {
            engine,
            #[cfg(not(loom))]
            handle: None,
        }
    }

    #[cfg(not(loom))]
    pub(super) fn handle(engine: Shared<Engine>, handle: Token<CompletionBackend>) -> Attached {
        Attached { engine, handle: Some(handle) }
    }

    /// `Ok(None)`: it is freed.
    #[cfg(not(loom))]
    pub(super) fn visit(&self) -> std::io::Result<Option<Visit<'_>>> {
        let inside = match self.handle.map(|handle| handle.enter(c"polled by its outer backend")) {
            None => None,
            Some(Ok(inside)) => Some(inside),
            // It is there, but cannot be entered now: this thread's first operation, or its ninth at once.
            Some(Err(Error::NoMemory | Error::Limit)) => return Err(std::io::ErrorKind::OutOfMemory.into()),
            Some(Err(_)) => return Ok(None),
        };
        Ok(Some(Visit { engine: &self.engine, _inside: inside }))
    }

    #[cfg(loom)]
    pub(super) fn visit(&self) -> std::io::Result<Option<Visit<'_>>> {
        Ok(Some(Visit { engine: &self.engine }))
    }
}
