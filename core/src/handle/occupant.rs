//! One operation or hold in flight, and the sentence that says so to people.

use crate::text::Padded;
use std::fmt;
use std::time::Duration;

/// One operation or hold in flight. Displayed: `thread 22508 'closer 1' in operation 'write' for at least 12 ms`.
#[derive(Clone, Copy, Debug)]
pub struct Occupant {
    /// The thread that began it: the operating system's number.
    pub thread: u64,
    /// That thread's name at its first call, padded with NULs.
    pub thread_name: [u8; 16],
    /// The operation's name, cut to 39 bytes and padded with NULs.
    pub operation: [u8; 40],
    /// How long: a hold has been held or waited for, exactly; an operation has been in flight at least, from when a free
    /// began to wait for it (operations take no clock).
    pub since: Option<Duration>,
    /// A hold, which any thread may release.
    pub is_hold: bool,
    /// The thread waits for what it is to hold.
    pub is_waiting: bool,
    /// The thread has ended.
    pub has_ended: bool,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.is_hold, self.is_waiting) {
            (true, _) => "in hold",
            (false, true) => "waiting in",
            (false, false) => "in operation",
        };
        write!(f, "thread {} '{}' {what} ", self.thread, Padded(&self.thread_name))?;
        let operation = Padded(&self.operation);
        if operation.is_empty() { write!(f, "'?'") } else { write!(f, "'{operation}'") }?;
        let milliseconds = self.since.unwrap_or_default().as_millis();
        if milliseconds > 0 {
            let at_least = if self.is_hold || self.is_waiting { "" } else { "at least " };
            write!(f, " for {at_least}{milliseconds} ms")?;
        }
        if self.has_ended { write!(f, " (that thread has ended)") } else { Ok(()) }
    }
}
