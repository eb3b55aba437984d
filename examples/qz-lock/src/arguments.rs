//! What it was called with.

use quiescent_core::LockMode;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub const USAGE: &str = "usage: qz-lock [--shared] [--timeout SECONDS] [--wait-report] PATH -- COMMAND [ARGUMENT...]";

#[derive(Debug)]
pub struct Arguments {
    pub mode: LockMode,
    /// `None`: without end.
    pub timeout: Option<Duration>,
    /// Also where there is no terminal.
    pub wait_report: bool,
    pub path: PathBuf,
    /// And its arguments; not empty.
    pub command: Vec<OsString>,
}

impl Arguments {
    /// `None`: help is wanted.
    pub fn parse(mut given: impl Iterator<Item = OsString>) -> Result<Option<Arguments>, String> {
        let (mut mode, mut timeout, mut wait_report) = (LockMode::Exclusive, None, false);
        let path = loop {
            let argument = given.next().ok_or("PATH is missing")?;
            match argument.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--shared") => mode = LockMode::Shared,
                Some("--wait-report") => wait_report = true,
                Some("--timeout") => {
                    let seconds = given.next().ok_or("--timeout needs a number of seconds")?;
                    timeout = Some(seconds.to_str().and_then(duration).ok_or("--timeout needs a number of seconds")?);
                }
                // A path that begins with a dash is written ./-path.
                Some(option) if option.starts_with('-') => return Err(format!("{option} is no option")),
                _ => break PathBuf::from(argument),
            }
        };
        if given.next().is_none_or(|argument| argument != "--") {
            return Err("-- is missing after PATH".to_owned());
        }
        let command: Vec<_> = given.collect();
        if command.is_empty() {
            return Err("COMMAND is missing".to_owned());
        }
        Ok(Some(Arguments { mode, timeout, wait_report, path, command }))
    }
}

/// A decimal number of seconds.
fn duration(seconds: &str) -> Option<Duration> {
    let seconds: f64 = seconds.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
