//! Runs the command, passes signals on to it, and ends as it ended.

use std::ffi::OsString;
use std::io::{Error, Result};
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::ptr;

/// What is passed on, if another process sent it. What comes from the terminal the command gets by itself.
const PASSED_ON: [libc::c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// Runs it to its end.
pub fn run(command: &[OsString]) -> Result<ExitStatus> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: each is written by the first call that has it.
    let (set, before) = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in PASSED_ON.into_iter().chain([libc::SIGCHLD]) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
        (set.assume_init(), before.assume_init())
    };
    // Where it is ignored, as this program may have been started, the system neither tells of an end nor keeps how it was.
    // SAFETY: plain numbers.
    let ends = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let mut prepared = Command::new(&command[0]);
    prepared.args(&command[1..]);
    // SAFETY: two calls that a forked child may make: the command gets signals as this program was given them.
    unsafe {
        prepared.pre_exec(move || {
            libc::signal(libc::SIGCHLD, ends);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
            Ok(())
        });
    }
    let answer = prepared.spawn().and_then(|child| wait(child, &set));
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    answer
}

fn wait(mut child: Child, set: &libc::sigset_t) -> Result<ExitStatus> {
    let process = libc::pid_t::try_from(child.id()).map_err(Error::other)?;
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(ended);
        }
        let mut came = MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: `came` is written if a signal is answered.
        let signal = unsafe { libc::sigwaitinfo(set, came.as_mut_ptr()) };
        if PASSED_ON.contains(&signal) {
            // SAFETY: written.
            let is_sent = unsafe { came.assume_init() }.si_code <= 0;
            if is_sent {
                // SAFETY: a child that was not waited for yet, so the number is still its own.
                unsafe { libc::kill(process, signal) };
            }
        }
    }
}

/// The same exit code, or an end by the same signal.
pub fn end_like(ended: ExitStatus) -> ExitCode {
    if let Some(signal) = ended.signal() {
        // No second core dump: the command's own says more.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: plain numbers.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
        }
        // Not reached, but for a signal that ends nobody.
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(crate::exit::WRONG));
    }
    ExitCode::from(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::exit::WRONG))
}
