//! Compiles C and C++ programs against the built `libquiescent`, and runs them (and Python) under a time limit.
//!
//! ```no_run
//! use harness::{Link, Program, run};
//! use std::{process::Command, time::Duration};
//!
//! let program = Program::c("hello").source("ffi-tests/c/hello.c").link(Link::Shared).build();
//! run(&mut Command::new(program), Duration::from_secs(20)).expect_success();
//! ```

pub mod example;
mod library;
pub mod markdown;
mod program;
mod run;
mod scratch;
pub mod sqlite;
pub mod story;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use library::Library;
pub use program::{Link, Program};
pub use run::{Outcome, run, try_run};
pub use scratch::scratch_dir;

/// The root of the repository: what relative source paths are relative to.
#[must_use]
pub fn repository() -> PathBuf {
    // This package lies one level down.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// For a test that cannot be done here: says why. In CI everything can be done.
///
/// # Panics
/// With `CI` in the environment.
pub fn skip(why: &str) {
    assert!(env::var_os("CI").is_none(), "CI: {why}");
    println!("skipped: {why}");
}

/// `python3`, told by the variable `QUIESCENT_LIBRARY` which shared library to load; `None` where there is no Python.
#[must_use]
pub fn python() -> Option<Command> {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        return None;
    }
    let mut python = Command::new("python3");
    python.env("QUIESCENT_LIBRARY", &Library::built().shared);
    Some(python)
}
