//! Who holds it is written down, where that is allowed; and forks.

use crate::process::Other;
use crate::{Exclusive, Scratch, Shared, long, soon, timed_out};
use quiescent_core::file_lock::{FileLock, FileLockError, PackLock, TryFileLockError};
use std::time::Duration;

#[test]
fn who_holds_it_is_told() {
    let scratch = Scratch::new("holder");
    let lock = scratch.lock("with/its/parents");
    assert_eq!(lock.holder().unwrap(), None);
    let mut other = Other::play("hold", lock.path(), 0);
    assert_eq!(other.says(), "held");
    let holder = lock.holder().unwrap().expect("it says so");
    assert_eq!((holder.process(), holder.mode()), (other.id(), Exclusive));
    assert!(holder.since().abs_diff(crate::process::wall_clock_us() / 1_000_000) < 60);
    assert!(!holder.host().to_string().is_empty());
    if cfg!(target_os = "linux") {
        assert!(holder.program().to_string().starts_with("file_lock"), "{}", holder.program());
    }
    let words = format!("process {}", other.id());
    match lock.try_acquire(Shared) {
        Err(error @ TryFileLockError::Busy(Some(_))) => assert!(error.to_string().contains(&words), "{error}"),
        answer => panic!("{answer:?}"),
    }
    match lock.acquire(Shared, soon()) {
        Err(error @ FileLockError::Interrupted(_, Some(_))) => assert!(error.to_string().contains(&words), "{error}"),
        answer => panic!("{answer:?}"),
    }
    other.kill();
    assert_eq!(lock.holder().unwrap(), None, "it has ended");
    let hold = lock.acquire(Shared, long()).unwrap();
    let holder = lock.holder().unwrap().expect("this process");
    assert_eq!((holder.process(), holder.mode()), (std::process::id(), Shared));
    drop(hold);
    assert_eq!(lock.holder().unwrap(), None, "released");
}

/// Of several that share it the last one to come is told of; that is not taken back by one that came before.
#[test]
fn who_shares_it_still_is_told() {
    let scratch = Scratch::new("sharers");
    let lock = scratch.lock("file");
    let first = lock.acquire(Shared, long()).unwrap();
    let second = lock.acquire(Shared, long()).unwrap();
    drop(first);
    let holder = lock.holder().unwrap().expect("this process shares it still");
    assert_eq!((holder.process(), holder.mode()), (std::process::id(), Shared));
    let mut other = Other::play("share", lock.path(), 0);
    assert_eq!(other.says(), "held");
    drop(second);
    assert_eq!(lock.holder().unwrap().map(|holder| holder.process()), Some(other.id()));
    other.go_on();
    other.ends();
    assert_eq!(lock.holder().unwrap(), None);
}

/// A file that was there before is somebody's: not even an empty one is written into, unless it is a sidecar by its nature.
#[test]
fn what_the_file_holds_is_kept() {
    let scratch = Scratch::new("kept");
    for content in ["", "somebody's data\n", "locked"] {
        std::fs::write(scratch.path("data"), content).unwrap();
        let lock = scratch.lock("data");
        let hold = lock.acquire(Exclusive, long()).unwrap();
        assert_eq!(std::fs::read_to_string(scratch.path("data")).unwrap(), content);
        assert_eq!(lock.holder().unwrap(), None);
        drop(hold);
        assert_eq!(std::fs::read_to_string(scratch.path("data")).unwrap(), content);
    }
    for (content, is_told) in [("", true), ("not ours", false)] {
        std::fs::write(scratch.path(".pack.lock"), content).unwrap();
        let pack = PackLock::open(scratch.path("")).unwrap();
        let hold = pack.acquire(long()).unwrap();
        assert_eq!(pack.holder().unwrap().is_some(), is_told, "{content}");
        drop(hold);
    }
    assert_eq!(std::fs::read_to_string(scratch.path(".pack.lock")).unwrap(), "not ours");
}

/// Whatever is written there: at worst nobody is told of.
#[test]
fn nonsense_in_the_file_is_nobody() {
    let scratch = Scratch::new("nonsense");
    let first = "locked with quiescent\n";
    for rest in ["", "process", "process 0\n", "process x\nmode\n", "process 1\nmode exclusive\nsince -\n", "\0\u{ff}"]
    {
        std::fs::write(scratch.path("file"), format!("{first}{rest}")).unwrap();
        let lock = FileLock::open(scratch.path("file")).unwrap();
        assert_eq!(lock.holder().unwrap(), None, "{rest:?}");
        drop(lock.acquire(Exclusive, long()).unwrap());
    }
}

#[test]
fn a_forked_child_does_not_release_the_parents_lock() {
    let scratch = Scratch::new("fork");
    let lock = scratch.lock("file");
    let mut other = Other::play("fork", lock.path(), 0);
    assert_eq!(other.says(), "child gone");
    assert!(timed_out(&lock.acquire(Exclusive, soon())), "the parent holds it");
    other.go_on();
    other.ends();
    drop(lock.acquire(Exclusive, long()).unwrap());
}

#[test]
fn a_forked_child_does_not_keep_what_the_parent_releases() {
    let scratch = Scratch::new("fork-keep");
    let lock = scratch.lock("file");
    let mut other = Other::play("fork-keep", lock.path(), 0);
    assert_eq!(other.says(), "held");
    assert!(timed_out(&lock.acquire(Exclusive, soon())));
    other.go_on();
    assert_eq!(other.says(), "released");
    drop(lock.try_acquire(Exclusive).expect("the child's copy is no lock"));
    other.go_on();
    other.ends();
}

/// The child's copy, which it never uses, does not outlive the parent's lock; and of what else the child has nothing is closed.
#[test]
fn a_killed_parents_lock_is_free_though_its_child_lives() {
    let scratch = Scratch::new("fork-orphan");
    let lock = scratch.lock("file");
    let mut other = Other::play("fork-orphan", lock.path(), 0);
    let orphan: i32 = other.says().parse().unwrap();
    assert!(timed_out(&lock.acquire(Exclusive, soon())), "the parent holds it");
    is_free_once_killed(&lock, other, orphan);
}

/// Nor does a copy of the file that the parent still waited for.
#[test]
fn a_killed_parents_lock_is_free_though_its_child_was_made_in_the_wait() {
    let scratch = Scratch::new("fork-waiting");
    let lock = scratch.lock("file");
    let hold = lock.acquire(Exclusive, long()).unwrap();
    let mut other = Other::play("fork-waiting", lock.path(), 0);
    let orphan: i32 = other.says().parse().unwrap();
    drop(hold);
    assert_eq!(other.says(), "held");
    is_free_once_killed(&lock, other, orphan);
}

fn is_free_once_killed(lock: &FileLock, mut holder: Other, orphan: i32) {
    holder.kill();
    // Long before the child ends by itself.
    let acquired = lock.acquire(Exclusive, Duration::from_secs(20).into()).map(drop);
    // SAFETY: nobody waits for it, so it is there, dead or alive.
    let is_there = unsafe { libc::kill(orphan, libc::SIGKILL) } == 0;
    assert!(is_there, "the child ended by itself");
    assert!(acquired.is_ok(), "the child keeps it");
}

/// Its copy of a wait begins anew: what that had open is another file's by then.
#[test]
fn a_forked_child_waits_on_for_itself() {
    let scratch = Scratch::new("fork-polls");
    let lock = scratch.lock("file");
    std::fs::write(scratch.path("other"), "").unwrap();
    let hold = lock.acquire(Exclusive, long()).unwrap();
    let mut other = Other::play("fork-polls", lock.path(), 0);
    assert_eq!(other.says(), "not locked");
    drop(hold);
    other.go_on();
    assert_eq!(other.says(), "0", "the child's status");
    other.ends();
}

/// Whatever another thread of the parent was about as it forked.
#[test]
fn a_forked_child_gives_up_its_parents_wait() {
    let scratch = Scratch::new("fork-drops");
    let lock = scratch.lock("file");
    let hold = lock.acquire(Exclusive, long()).unwrap();
    let mut other = Other::play("fork-drops", lock.path(), 300);
    assert_eq!(other.says(), "0", "children that hang");
    other.ends();
    drop(hold);
}

/// It begins with nothing: its parent's queues are not its own, nor does its thread hold what its parent's did.
#[test]
fn a_forked_child_waits_for_its_parent() {
    let scratch = Scratch::new("fork-wait");
    let lock = scratch.lock("file");
    let mut other = Other::play("fork-wait", lock.path(), 0);
    assert_eq!(other.says(), "0", "the child's status");
    other.ends();
}
