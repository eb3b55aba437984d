//! The program, run.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("qz-lock-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a directory");
    path
}

fn qz_lock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qz-lock"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn answer(arguments: &[&str]) -> Output {
    qz_lock(arguments).output().expect("it runs")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Holds `path` until it is killed, and does so by now.
fn holder(path: &str, options: &[&str]) -> Child {
    let mut arguments = options.to_vec();
    arguments.extend([path, "--", "sh", "-c", "echo held; exec sleep 600"]);
    let mut child = qz_lock(&arguments).spawn().expect("it runs");
    let mut held = [0; 5];
    child.stdout.as_mut().expect("piped").read_exact(&mut held).expect("it says so");
    child
}

fn terminate(mut child: Child) -> std::process::ExitStatus {
    // SAFETY: a child of ours, that was not waited for.
    unsafe { libc::kill(libc::pid_t::try_from(child.id()).expect("a number"), libc::SIGTERM) };
    child.wait().expect("it ends")
}

#[test]
fn the_exit_code_is_the_commands() {
    let file = scratch("exit").join("lock");
    let path = file.to_str().expect("UTF-8");
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255)] {
        assert_eq!(answer(&[path, "--", "sh", "-c", script]).status.code(), Some(code), "{script}");
    }
    assert_eq!(answer(&[path, "--", "sh", "-c", "kill -KILL $$"]).status.signal(), Some(libc::SIGKILL));
    assert_eq!(answer(&[path, "--", "sh", "-c", "kill -TERM $$"]).status.signal(), Some(libc::SIGTERM));
    let output = answer(&[path, "--", "echo", "--shared", "a b"]);
    assert_eq!(output.stdout, b"--shared a b\n");
    assert_eq!(answer(&[path, "--", "/no/such/command"]).status.code(), Some(127));
    assert_eq!(answer(&[path, "--", "/"]).status.code(), Some(126));
}

/// Who starts it may ignore the ends of children, of which the system then tells nobody. The command still does.
#[cfg(target_os = "linux")]
#[test]
fn where_the_ends_of_children_are_ignored() {
    let file = scratch("ignored").join("lock");
    let path = file.to_str().expect("UTF-8");
    let mut command = qz_lock(&[path, "--", "grep", "SigIgn", "/proc/self/status"]);
    // SAFETY: one call that a forked child may make.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut child = command.spawn().expect("it runs");
    let start = Instant::now();
    while child.try_wait().expect("a child of ours").is_none() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let told = String::from_utf8_lossy(&output.stdout);
    let ignored = told.split_whitespace().next_back().and_then(|mask| u64::from_str_radix(mask, 16).ok());
    assert_ne!(ignored.expect("a mask") & 1 << (libc::SIGCHLD - 1), 0, "{told}");
}

#[test]
fn what_it_does_not_understand() {
    let file = scratch("usage").join("lock");
    let path = file.to_str().expect("UTF-8");
    let wrong: [&[&str]; 8] = [
        &[],
        &[path],
        &[path, "--"],
        &[path, "true"],
        &["--what", path, "--", "true"],
        &["--timeout", path, "--", "true"],
        &["--timeout", "-1", path, "--", "true"],
        &["/dev/null/lock", "--", "true"],
    ];
    for arguments in wrong {
        let output = answer(arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        assert!(words(&output).starts_with("qz-lock: "), "{arguments:?}");
    }
    assert!(words(&answer(&["/dev/null/lock", "--", "true"])).contains("'/dev/null/lock': Not a directory"));
    assert_eq!(answer(&["--help"]).status.code(), Some(0));
}

#[test]
fn waits_and_gives_up_in_time() {
    let directory = scratch("wait");
    let path = directory.to_str().expect("UTF-8");
    let first = holder(path, &[]);
    assert!(directory.join(".pack.lock").exists());
    let begin = Instant::now();
    let output = answer(&["--timeout", "0.2", path, "--", "true"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(begin.elapsed() >= Duration::from_millis(200) && begin.elapsed() < Duration::from_secs(20));
    let told = format!("held by process {} (qz-lock)", first.id());
    assert!(words(&output).contains(&told), "{}", words(&output));
    assert_eq!(answer(&["--timeout", "0", "--shared", path, "--", "true"]).status.code(), Some(124));

    let mut waiting = qz_lock(&["--wait-report", path, "--", "echo", "mine"]).spawn().expect("it runs");
    let quiet = qz_lock(&[path, "--", "echo", "mine"]).spawn().expect("it runs");
    let mut report = BufReader::new(waiting.stderr.take().expect("piped"));
    let mut line = String::new();
    report.read_line(&mut line).expect("it says so");
    assert!(line.contains(&told), "{line}");
    assert_eq!(terminate(first).signal(), Some(libc::SIGTERM), "passed on, and ended like the command");
    let output = waiting.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"mine\n"[..]));
    let output = quiet.wait_with_output().expect("it ends");
    assert_eq!((output.stdout.as_slice(), words(&output).as_str()), (&b"mine\n"[..], ""), "there is no terminal");
}

#[test]
fn those_that_share() {
    let file = scratch("share").join("lock");
    let path = file.to_str().expect("UTF-8");
    let first = holder(path, &["--shared"]);
    assert_eq!(answer(&["--timeout", "0", "--shared", path, "--", "true"]).status.code(), Some(0));
    assert_eq!(answer(&["--timeout", "0", path, "--", "true"]).status.code(), Some(124));
    terminate(first);
    assert_eq!(answer(&["--timeout", "0", path, "--", "true"]).status.code(), Some(0));
}

/// Each keeps the other out.
#[test]
fn it_meets_flock() {
    let file = scratch("flock").join("lock");
    let path = file.to_str().expect("UTF-8");
    if Command::new("flock").arg("--version").output().is_err() {
        println!("skipped: flock(1) is not here");
        return;
    }
    let first = holder(path, &[]);
    let refused = Command::new("flock").args(["--nonblock", path, "true"]).status().expect("it runs");
    assert_eq!(refused.code(), Some(1));
    terminate(first);
    let inside = format!("'{}' --timeout 0 '{path}' -- true; test $? = 124", env!("CARGO_BIN_EXE_qz-lock"));
    let mut flock = Command::new("flock");
    flock.arg(path).args(["sh", "-c", &inside]);
    assert!(flock.status().expect("it runs").success());
}

/// A signal while it waits ends it, and leaves nothing.
#[test]
fn ended_while_it_waits() {
    let file = scratch("ended").join("lock");
    let path = file.to_str().expect("UTF-8");
    let first = holder(path, &[]);
    let waiting = qz_lock(&[path, "--", "true"]).spawn().expect("it runs");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(terminate(waiting).signal(), Some(libc::SIGTERM));
    terminate(first);
    assert_eq!(answer(&["--timeout", "0", path, "--", "true"]).status.code(), Some(0));
}

/// On a terminal who holds it is shown while it waits, and the line is gone afterwards.
#[test]
fn shown_on_a_terminal() {
    use std::os::fd::{FromRawFd, OwnedFd};
    let file = scratch("terminal").join("lock");
    let path = file.to_str().expect("UTF-8");
    let first = holder(path, &[]);
    let (mut ours, mut its) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: both are written, and are descriptors then.
    let (ours, its) = unsafe {
        assert_eq!(libc::openpty(&raw mut ours, &raw mut its, none, none.cast(), none.cast()), 0);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(its))
    };
    let mut command = qz_lock(&[path, "--", "true"]);
    command.stderr(its);
    let mut waiting = command.spawn().expect("it runs");
    drop(command);
    let told = format!("held by process {} (qz-lock)", first.id());
    let mut terminal = std::fs::File::from(ours);
    let mut shown = Vec::new();
    let mut some = [0; 256];
    while !String::from_utf8_lossy(&shown).contains(&told) {
        let length = terminal.read(&mut some).expect("it goes on waiting");
        shown.extend_from_slice(&some[..length]);
    }
    terminate(first);
    assert!(waiting.wait().expect("it ends").success());
    // The end of a terminal whose other side is closed is an error.
    let _ = terminal.read_to_end(&mut shown);
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.ends_with("\r\u{1b}[K"), "{shown:?}");
}
