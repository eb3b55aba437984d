//! File systems and limits that refuse something: tried in a user namespace, where the machine allows one.

use crate::process::{APART, Other, wall_clock_us};
use crate::{Exclusive, Scratch, long, soon, timed_out};
use quiescent_core::file_lock::{FileLock, TryFileLockError};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Whether `setup` works in a namespace; says so if not.
fn is_possible(setup: &str) -> bool {
    let mut command = Command::new("unshare");
    let output = command.args(APART).arg(setup).output();
    let why = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    println!("skipped: no user namespace that would do: {why}");
    false
}

/// The role: what opening and locking some files below "mount" answers.
pub fn open_all(beside: &Path) -> String {
    let mount = beside.with_file_name("mount");
    let mut answers = Vec::new();
    for name in ["there", "new", "no/such/parents"] {
        let path = mount.join(name);
        answers.push(match FileLock::open(&path).map(|lock| (lock.try_acquire(Exclusive), lock)) {
            Ok((Ok(_hold), lock)) => {
                assert!(matches!(
                    FileLock::open(&path).unwrap().try_acquire(Exclusive),
                    Err(TryFileLockError::Busy(_))
                ));
                format!("{name} locked{}", if lock.holder().unwrap().is_some() { ", told" } else { "" })
            }
            Ok((Err(error), _)) => format!("{name} not locked: {error}"),
            Err(error) => {
                assert!(error.path().ends_with(name), "{error}");
                format!("{name} {}", error.errno())
            }
        });
    }
    assert!(!mount.join("no").join("such").exists() || answers[2].ends_with("locked"), "something was left");
    answers.join("; ")
}

fn told_of(mount: &str) -> Option<String> {
    let scratch = Scratch::new("odd");
    std::fs::create_dir(scratch.path("mount")).unwrap();
    let setup = format!("cd '{}' && {mount}", scratch.path("").display());
    is_possible(&setup).then(|| {
        let mut other = Other::play_apart(&setup, "odd", &scratch.path("file"));
        let told = other.says();
        other.go_on();
        other.ends();
        told
    })
}

#[test]
fn a_read_only_file_system() {
    let mount = "mount -t tmpfs none mount && touch mount/there && mount -o remount,ro mount";
    if let Some(told) = told_of(mount) {
        assert_eq!(told, format!("there {0}; new {0}; no/such/parents {0}", libc::EROFS));
    }
}

/// What holds it cannot be written down; locked it is all the same.
#[test]
fn a_full_disk() {
    let mount =
        "mount -t tmpfs -o size=8k none mount && touch mount/there && { cat /dev/zero > mount/full 2> full || true; }";
    if let Some(told) = told_of(mount) {
        assert_eq!(told, "there locked; new locked; no/such/parents locked");
    }
}

#[test]
fn no_file_more_can_be_made() {
    // The root, and one file.
    if let Some(told) = told_of("mount -t tmpfs -o nr_inodes=2 none mount && touch mount/there") {
        assert_eq!(told, format!("there locked; new {0}; no/such/parents {0}", libc::ENOSPC));
    }
}

/// The first process of a container has the number 1, and so has its child, if that is the first of another one.
#[test]
fn a_child_with_the_process_id_of_its_parent() {
    if !is_possible("true") {
        return;
    }
    let scratch = Scratch::new("namesake");
    let lock = scratch.lock("file");
    let mut other = Other::play_apart("true", "fork-namesake", lock.path());
    assert_eq!(other.says(), "1 0");
    assert!(timed_out(&lock.acquire(Exclusive, soon())), "the parent holds it");
    other.go_on();
    other.ends();
}

pub fn nobody_can_be_told(path: &Path) -> bool {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: plain numbers and a C string.
    unsafe {
        let inotify = libc::inotify_init1(libc::IN_CLOEXEC);
        let is_refused = inotify < 0 || libc::inotify_add_watch(inotify, name.as_ptr(), libc::IN_CLOSE) < 0;
        libc::close(inotify);
        is_refused
    }
}

/// Its limits are reached: a lock is waited for all the same, and comes late by an eighth of the wait.
#[test]
fn without_inotify() {
    for limit in ["instances", "watches"] {
        let setup = format!("echo 0 > /proc/sys/user/max_inotify_{limit}");
        if !is_possible(&setup) {
            continue;
        }
        let scratch = Scratch::new("untold");
        let lock = scratch.lock("file");
        let hold = lock.acquire(Exclusive, long()).unwrap();
        let mut other = Other::play_apart(&setup, "untold", lock.path());
        assert_eq!(other.says(), "waits");
        std::thread::sleep(Duration::from_millis(100));
        let released = wall_clock_us();
        drop(hold);
        let held: u64 = other.says().parse().unwrap();
        other.ends();
        let late = held.saturating_sub(released);
        println!("without inotify's {limit}: {late} us late after 100 ms");
        assert!(late < 10_000_000, "{late} us");
    }
}
