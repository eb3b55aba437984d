//! Running a program under a time limit.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Outcome {
    /// The command, for messages.
    pub command: String,
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Outcome {
    /// Returns if the program exited with 0.
    ///
    /// # Panics
    /// Otherwise, with everything the program printed.
    #[expect(clippy::must_use_candidate, reason = "it is called for its panic")]
    #[track_caller]
    pub fn expect_success(&self) -> &Self {
        assert!(self.status.success(), "{}", self.report());
        self
    }

    /// The signal that ended the program, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Command, status and both outputs, for a message.
    #[must_use]
    pub fn report(&self) -> String {
        let Self { command, status, stdout, stderr } = self;
        format!("{command}: {status}\n---- stdout\n{stdout}\n---- stderr\n{stderr}\n----")
    }
}

/// Runs `command` to its end, or kills it, with all that it started, at `timeout`.
///
/// # Panics
/// At the timeout, with everything printed so far: a lost wake-up shows itself as a hang, and a hang must be a failure
/// with a name. Also where the program cannot be started.
#[track_caller]
pub fn run(command: &mut Command, timeout: Duration) -> Outcome {
    match try_run(command, timeout) {
        Ok(outcome) => outcome,
        Err(killed) => panic!("killed, still running after {timeout:?}: {}", killed.report()),
    }
}

/// As [`run`], for a program that may hang.
///
/// # Errors
/// What the program had printed when it was killed.
///
/// # Panics
/// Where the program cannot be started.
#[track_caller]
pub fn try_run(command: &mut Command, timeout: Duration) -> Result<Outcome, Outcome> {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    let stdout = Collected::from(child.stdout.take());
    let stderr = Collected::from(child.stderr.take());

    let ended = wait(&mut child, timeout);
    // Also after an orderly end: what the program left running would hold the pipes open.
    kill_group(&child);
    let status = ended.unwrap_or_else(|| child.wait().expect("a killed child can be waited for"));
    let outcome = Outcome { command: name, status, stdout: stdout.text(), stderr: stderr.text() };
    if ended.is_some() { Ok(outcome) } else { Err(outcome) }
}

fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if start.elapsed() >= timeout {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn kill_group(child: &Child) {
    let group = libc::pid_t::try_from(child.id()).expect("a process id fits its own type");
    // SAFETY: kill takes no pointers. The group is the one `process_group(0)` made for this child; once it is empty
    // the call fails, which is fine.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

/// How long the end of an output is waited for after the end of its program.
const PATIENCE: Duration = Duration::from_secs(20);

/// One output of a running program, collected by a thread.
struct Collected(Receiver<Vec<u8>>);

impl Collected {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (sender, receiver) = channel();
        let mut pipe = pipe.expect("both outputs are piped");
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// Everything up to the end of the pipe; gives up where a process that left the group still holds the pipe.
    fn text(self) -> String {
        let mut all = Vec::new();
        while let Ok(some) = self.0.recv_timeout(PATIENCE) {
            all.extend(some);
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn reports_both_outputs_and_the_exit_code() {
        let outcome = run(&mut shell("echo out; echo err >&2; exit 3"), Duration::from_secs(60));
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(outcome.status.code(), Some(3));
    }

    #[test]
    fn tells_the_signal() {
        assert_eq!(run(&mut shell("kill -SEGV $$"), Duration::from_secs(60)).signal(), Some(libc::SIGSEGV));
    }

    #[test]
    fn kills_a_program_that_hangs_and_shows_what_it_printed() {
        let message = |timeout| {
            let start = Instant::now();
            let hang = || run(&mut shell("echo so far; sleep 100 & sleep 100"), timeout);
            let panic = std::panic::catch_unwind(hang).expect_err("a hang is a failure");
            let message = panic.downcast_ref::<String>().expect("a message").clone();
            assert!(message.contains("still running"), "{message}");
            assert!(start.elapsed() < timeout + PATIENCE, "what the program started still holds the pipes");
            message
        };
        // The longer ones for a machine on which it does not print anything so soon.
        let shown = [300, 3_000, 30_000].into_iter().find_map(|ms| {
            Some(message(Duration::from_millis(ms))).filter(|message| message.contains("---- stdout\nso far\n"))
        });
        assert!(shown.is_some(), "what it printed is not shown");
    }
}
