//! Runs a command under a lock, and says who holds it while it waits:
//!
//! ```text
//! qz-lock [--shared] [--timeout SECONDS] [--wait-report] PATH -- COMMAND [ARGUMENT...]
//! ```
//!
//! `PATH` is a file, made if it is missing, or a directory, then locked by `.pack.lock` in it. The lock meets `flock(1)`. It is held until
//! the command ends; what the command leaves running has no part in it.
//!
//! The exit code is the command's; if a signal ended it, the same one ends this. Else 124: not locked in time; 125: it cannot be
//! locked, or the call is wrong; 126: the command cannot be run; 127: there is none.

#[cfg(unix)]
mod arguments;
#[cfg(unix)]
mod command;
#[cfg(unix)]
mod report;

/// The exit codes of this program's own.
#[cfg(unix)]
mod exit {
    pub const NOT_IN_TIME: u8 = 124;
    pub const WRONG: u8 = 125;
    pub const CANNOT_RUN: u8 = 126;
    pub const NO_SUCH_COMMAND: u8 = 127;
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use arguments::{Arguments, USAGE};
    match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Some(arguments)) => run(&arguments),
        Ok(None) => {
            println!("{USAGE}");
            std::process::ExitCode::SUCCESS
        }
        Err(problem) => refuse(exit::WRONG, &format!("{problem}\n{USAGE}")),
    }
}

#[cfg(unix)]
fn run(arguments: &arguments::Arguments) -> std::process::ExitCode {
    use quiescent_core::file_lock::{FileLock, FileLockError, PackLock};
    use quiescent_core::{Deadline, Interrupted};

    let path = if arguments.path.is_dir() { arguments.path.join(PackLock::SIDECAR) } else { arguments.path.clone() };
    let lock = match FileLock::open(path) {
        Ok(lock) => lock,
        Err(error) => return refuse(exit::WRONG, &error.to_string()),
    };
    let deadline = arguments.timeout.map_or(Deadline::NEVER, Deadline::after);
    let mut report = report::Report::new(arguments.wait_report, lock.path());
    let hold = loop {
        // A piece at a time, to look who holds it by now. Nobody else is in this process's line.
        let piece = deadline.min(report.next());
        match lock.acquire(arguments.mode, quiescent_core::Wait::until(piece)) {
            Ok(hold) => break hold,
            Err(FileLockError::Interrupted(Interrupted::TimedOut, holder)) if deadline.has_passed() => {
                report.end();
                let holder = holder.map_or(String::new(), |holder| format!("; held by {holder}"));
                return refuse(exit::NOT_IN_TIME, &format!("{} was not free in time{holder}", lock.path().display()));
            }
            Err(FileLockError::Interrupted(Interrupted::TimedOut, holder)) => report.show(holder.as_ref()),
            Err(error) => {
                report.end();
                return refuse(exit::WRONG, &error.to_string());
            }
        }
    };
    report.end();
    let ended = command::run(&arguments.command);
    drop(hold);
    match ended {
        Ok(ended) => command::end_like(ended),
        Err(error) => {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let code = if is_missing { exit::NO_SUCH_COMMAND } else { exit::CANNOT_RUN };
            refuse(code, &format!("{}: {error}", std::path::Path::new(&arguments.command[0]).display()))
        }
    }
}

#[cfg(unix)]
fn refuse(code: u8, why: &str) -> std::process::ExitCode {
    eprintln!("qz-lock: {why}");
    code.into()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("qz-lock: needs a Unix system");
    std::process::ExitCode::FAILURE
}
