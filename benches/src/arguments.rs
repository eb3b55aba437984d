//! The command line.

use crate::error::Error;
use crate::parts::Part;
use std::path::PathBuf;

/// How to call it.
pub const USAGE: &str = "\
usage: cargo bench-report [--quick] [--only PART] [--out DIRECTORY]

Measures Quiescent and what else there is, in one process, and writes README.md and plots.

  --quick          about half a minute, for a look; numbers are rough
  --only PART      inline, boundary, frees, wake, storm, waits, completions, file-lock or memory;
                   may be repeated
  --out DIRECTORY  where to write; else docs/benchmarks, or target/benchmarks for a quick or partial one
";

/// What is wanted.
#[derive(Debug, Default)]
pub struct Arguments {
    /// A smoke test.
    pub quick: bool,
    /// These parts; none: all.
    pub only: Vec<Part>,
    /// Where to write.
    pub out: Option<PathBuf>,
    /// Only tell how to call it.
    pub help: bool,
    /// Do one measurement that needs a process of its own, and print it: see `parts/memory`,
    /// `parts/completions`, `parts/file_lock.rs`.
    pub child: Option<String>,
}

impl Arguments {
    /// From the command line.
    pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, Error> {
        let mut arguments = Arguments::default();
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or_else(|| Error::new(format!("{argument} needs a value\n\n{USAGE}")));
            match argument.as_str() {
                "--quick" => arguments.quick = true,
                "--only" => {
                    let name = value()?;
                    let part = Part::ALL.into_iter().find(|part| part.name() == name);
                    arguments.only.push(part.ok_or_else(|| Error::new(format!("no part {name}\n\n{USAGE}")))?);
                }
                "--out" => arguments.out = Some(PathBuf::from(value()?)),
                "--help" | "-h" => arguments.help = true,
                "--child" => arguments.child = Some(value()?),
                _ => return Err(Error::new(format!("what is {argument}?\n\n{USAGE}"))),
            }
        }
        Ok(arguments)
    }

    /// The parts to do.
    pub fn parts(&self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|part| self.only.is_empty() || self.only.contains(part)).collect()
    }
}
