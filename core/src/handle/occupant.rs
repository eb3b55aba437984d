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
    /// How long it has been in flight: of a hold exactly; of an operation at least, from when a free began to wait for it
    /// (operations take no clock).
    pub since: Option<Duration>,
    /// A hold, which any thread may release.
    pub is_hold: bool,
    /// The thread has ended.
    pub has_ended: bool,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_hold { "hold" } else { "operation" };
        write!(f, "thread {} '{}' in {what} ", self.thread, Padded(&self.thread_name))?;
        let operation = Padded(&self.operation);
        if operation.is_empty() { write!(f, "'?'") } else { write!(f, "'{operation}'") }?;
        let milliseconds = self.since.unwrap_or_default().as_millis();
        if milliseconds > 0 {
            let at_least = if self.is_hold { "" } else { "at least " };
            write!(f, " for {at_least}{milliseconds} ms")?;
        }
        if self.has_ended { write!(f, " (that thread has ended)") } else { Ok(()) }
    }
}
