//! Who holds the lock, shown while it is waited for.

use quiescent_core::Deadline;
use quiescent_core::file_lock::Holder;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::time::Duration;

/// Nobody wants to read of a wait as short as this; and how often it is looked again.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Report<'p> {
    path: &'p Path,
    is_wanted: bool,
    is_terminal: bool,
    /// On the standard error output now.
    shown: String,
}

impl Report<'_> {
    /// On a terminal always, on a line that is written over; elsewhere, if it is wanted, a line for each change.
    pub fn new(is_wanted: bool, path: &Path) -> Report<'_> {
        let is_terminal = stderr().is_terminal();
        Report { path, is_wanted: is_wanted || is_terminal, is_terminal, shown: String::new() }
    }

    /// When to show it next.
    pub fn next(&self) -> Deadline {
        if self.is_wanted { Deadline::after(PAUSE) } else { Deadline::NEVER }
    }

    pub fn show(&mut self, holder: Option<&Holder>) {
        let holder = holder.map_or("somebody who does not say so".to_owned(), |holder| {
            // Without the seconds, which would be a change each time.
            if self.is_terminal {
                holder.to_string()
            } else {
                format!("process {} ({})", holder.process(), holder.program())
            }
        });
        let line = format!("qz-lock: waiting for {}, held by {holder}", self.path.display());
        if line != self.shown {
            let _ = if self.is_terminal { write!(stderr(), "\r\x1b[K{line}") } else { writeln!(stderr(), "{line}") };
            self.shown = line;
        }
    }

    /// It is waited for no longer.
    pub fn end(&mut self) {
        if self.is_terminal && !self.shown.is_empty() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        self.shown.clear();
    }
}
