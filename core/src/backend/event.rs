//! A descriptor that is readable while it is rung: how something wakes an event loop.
//!
//! # States
//!
//! | state | the descriptor | left by |
//! |---|---|---|
//! | quiet | is not readable | `ring`: rung |
//! | rung | is readable | `clear`: quiet; another `ring` leaves it rung |
//!
//! # Protocol
//!
//! An event carries no count: rung twice and cleared once it is quiet. Whoever is called by it must therefore clear it
//! *before* it looks at what it was called for: what comes after that look rings again. The kernel orders the two (its
//! write and its read are under one lock), so whoever has cleared a ring sees what the ringer did before.
//!
//! The descriptor belongs to the event and is closed with it: who may ring late keeps the event alive, not its number.
//!
//! It is an eventfd where there are such, else a pair of connected sockets. Both do not block, and are closed by `exec`.
//! A forked child shares it with its parent: what it rings there rings here.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(quiescent_park_fallback)))]
#[path = "event/eventfd.rs"]
mod descriptors;

#[cfg(any(not(any(target_os = "linux", target_os = "android")), quiescent_park_fallback))]
#[path = "event/sockets.rs"]
mod descriptors;

use descriptors::Descriptors;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// See the file head.
#[derive(Debug)]
pub struct Event(Descriptors);

impl Event {
    /// A quiet one.
    ///
    /// # Errors
    /// Of the operating system: no more descriptors, or no memory.
    pub fn new() -> io::Result<Event> {
        Descriptors::new().map(Event)
    }

    /// Makes it readable. From any thread and from a signal handler (it may change `errno` there); never blocks, takes no
    /// lock and no memory.
    pub fn ring(&self) {
        // What else fails is that nothing more fits: then it is readable already.
        while self
            .0
            .ringing()
            .write(&1_u64.to_ne_bytes())
            .is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
        {}
    }

    /// Makes it quiet, whether or not it was rung. Never blocks.
    pub fn clear(&self) {
        let mut rings = [0; 512];
        loop {
            match self.0.rung().read(&mut rings) {
                // There may be more.
                Ok(read) if read == rings.len() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    /// What is written to in order to ring: eight bytes, the number one in the order of this machine. For a signal handler.
    #[must_use]
    pub fn ringing_fd(&self) -> BorrowedFd<'_> {
        self.0.ringing().as_fd()
    }
}

/// What is readable while it is rung.
impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.rung().as_fd()
    }
}
