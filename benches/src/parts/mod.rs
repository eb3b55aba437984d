//! The parts of the report.

mod boundary;
mod completions;
mod drained;
mod file_lock;
mod frees;
mod inline;
mod memory;
mod storm;
mod waits;
mod wake;

use crate::chapter::Chapter;
use crate::error::Error;
use crate::rounds::Plan;
use std::env;
use std::process::Command;
use std::time::Duration;

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Enter and leave, compiled in.
    Inline,
    /// The same through a shared library.
    Boundary,
    /// Opening and freeing.
    Frees,
    /// How fast a free notices that it may go on.
    Wake,
    /// Frees while refused callers hammer.
    Storm,
    /// Locks and holds.
    Waits,
    /// Calls that complete on a backend.
    Completions,
    /// Locks between processes.
    FileLock,
    /// Bytes, and what ended threads leave behind.
    Memory,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// For what is measured in batches.
    pub plan: Plan,
    /// Drains whose wake is timed, of each sort.
    pub wakes: u32,
    /// Drains under a storm, of each sort.
    pub storms: u32,
    /// Rounds in which two threads take something in turn.
    pub handovers: u32,
    /// File locks that change hands, and waits for one that are cancelled.
    pub file_locks: u32,
    /// Threads that come and go.
    pub threads: u32,
}

impl Extent {
    /// For a report that is kept.
    pub const FULL: Extent = Extent {
        plan: Plan { blocks: 20, rounds: 20, batch: Duration::from_micros(100) },
        wakes: 400,
        storms: 200,
        handovers: 60,
        file_locks: 60,
        threads: 10_000,
    };
    /// To see that it works.
    pub const QUICK: Extent = Extent {
        plan: Plan { blocks: 4, rounds: 15, batch: Duration::from_micros(50) },
        wakes: 40,
        storms: 20,
        handovers: 15,
        file_locks: 20,
        threads: 10_000,
    };
}

impl Part {
    /// In the order of the report.
    pub const ALL: [Part; 9] = [
        Part::Inline,
        Part::Boundary,
        Part::Frees,
        Part::Wake,
        Part::Storm,
        Part::Waits,
        Part::Completions,
        Part::FileLock,
        Part::Memory,
    ];

    /// On the command line.
    pub fn name(self) -> &'static str {
        match self {
            Part::Inline => "inline",
            Part::Boundary => "boundary",
            Part::Frees => "frees",
            Part::Wake => "wake",
            Part::Storm => "storm",
            Part::Waits => "waits",
            Part::Completions => "completions",
            Part::FileLock => "file-lock",
            Part::Memory => "memory",
        }
    }

    /// Measures it.
    pub fn measure(self, extent: Extent) -> Result<Chapter, Error> {
        match self {
            Part::Inline => inline::measure(extent),
            Part::Boundary => boundary::measure(extent),
            Part::Frees => frees::measure(extent),
            Part::Wake => wake::measure(extent),
            Part::Storm => storm::measure(extent),
            Part::Waits => waits::measure(extent),
            Part::Completions => completions::measure(extent),
            Part::FileLock => file_lock::measure(extent),
            Part::Memory => memory::measure(extent),
        }
    }
}

/// What a process does that was started for one measurement.
pub fn run_child(request: &str) -> Result<(), Error> {
    if let Some(request) = request.strip_prefix("file-lock:") {
        return file_lock::run_child(request);
    }
    match request.strip_prefix("pending:") {
        Some(request) => completions::run_child(request),
        None => memory::run_child(request),
    }
}

/// Runs this program again, for one measurement in a process of its own: what it prints.
fn ask(request: &str) -> Result<String, Error> {
    let output = Command::new(env::current_exe()?).args(["--child", request]).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::new(format!("the child {request} failed: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

fn one_number(answer: &str) -> Result<f64, Error> {
    answer.trim().parse().map_err(|_| Error::new(format!("a child said {answer:?} instead of a number")))
}
