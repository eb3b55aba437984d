//! The caller in Python: a script of its own, whose batches come back as lines.

use crate::error::Error;
use crate::libraries::Libraries;
use crate::parts::Extent;
use crate::series::Series;
use std::path::Path;
use std::process::Command;

/// What Python's calls took.
#[derive(Debug, Default)]
pub struct Calls {
    /// Unguarded.
    pub plain: Series,
    /// By token.
    pub op: Series,
}

/// Runs the script.
pub fn measure(libraries: &Libraries, extent: Extent) -> Result<Calls, Error> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/calls.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(&libraries.author_path)
        .arg((extent.plan.blocks * extent.plan.rounds).to_string())
        .output()
        .map_err(|error| Error::new(format!("cannot start python3: {error}")))?;
    if !output.status.success() {
        return Err(Error::new(format!("python/calls.py failed: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let mut calls = Calls::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let unexpected = || Error::new(format!("python/calls.py said {line:?}"));
        let (name, lap) = line.split_once(' ').ok_or_else(unexpected)?;
        let series = if name == "plain" { &mut calls.plain } else { &mut calls.op };
        if lap == "disturbed" {
            series.add_dropped(1);
        } else {
            series.add_sample(lap.parse().map_err(|_| unexpected())?);
        }
    }
    Ok(calls)
}
