//! The file is removed or replaced.

use crate::process::Other;
use crate::{Exclusive, Scratch, eventually, long};
use quiescent_core::file_lock::TryFileLockError;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// Who waits for the old one comes to hold the new one.
#[test]
fn who_waits_starts_over() {
    let scratch = Scratch::new("replaced");
    let path = scratch.path("file");
    let lock = scratch.lock("file");
    for replace in [false, true] {
        let mut other = Other::play("hold", &path, 0);
        assert_eq!(other.says(), "held");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock.acquire(Exclusive, long()));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waiter.is_finished());
            if replace {
                std::fs::write(scratch.path("new"), "mine").unwrap();
                std::fs::rename(scratch.path("new"), &path).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
            let hold = waiter.join().unwrap().expect("the new file is nobody's");
            assert!(matches!(scratch.lock("file").try_acquire(Exclusive), Err(TryFileLockError::Busy(_))));
            drop(hold);
        });
        if replace {
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        }
        other.go_on();
        other.ends();
    }
}

/// Removed all the time by those that hold it, as some lock files are: nobody who holds it ever finds another one inside, or a file
/// under its lock that has no name.
#[test]
fn removed_by_its_holders() {
    let scratch = Scratch::new("removers");
    let path = scratch.path("file");
    let (inside, held) = (AtomicU32::new(0), AtomicU32::new(0));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (path, inside, held, stop, scratch) = (&path, &inside, &held, &stop, &scratch);
            scope.spawn(move || {
                while !stop.load(SeqCst) {
                    let lock = scratch.lock("file");
                    let hold = lock.acquire(Exclusive, long()).unwrap();
                    assert!(path.exists());
                    assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
                    held.fetch_add(1, SeqCst);
                    inside.fetch_sub(1, SeqCst);
                    // Under the lock: whoever waits finds out.
                    if thread % 2 == 0 {
                        std::fs::remove_file(path).unwrap();
                    }
                    drop(hold);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let are_many = eventually(|| held.load(SeqCst) > 100);
        stop.store(true, SeqCst);
        assert!(are_many, "only {held:?}");
    });
}

/// The same by processes, of which each waits with the file open that another one removes and unlocks.
#[test]
fn removed_by_other_processes() {
    let scratch = Scratch::new("processes");
    let others: Vec<_> = (0..4).map(|_| Other::play("remove", &scratch.path("file"), 500)).collect();
    for mut other in others {
        assert_eq!(other.says(), "done");
        other.ends();
    }
    assert_eq!(std::fs::read_to_string(scratch.path("file.counter")).unwrap(), "2000");
}

/// By somebody who does not lock: still nobody begins to hold what has no name.
#[test]
fn replaced_by_somebody_else() {
    let scratch = Scratch::new("replacer");
    let path = scratch.path("file");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    drop(scratch.lock("file").acquire(Exclusive, long()).unwrap());
                }
            });
        }
        for round in 0..2000 {
            let new = scratch.path(&format!("new{round}"));
            std::fs::write(&new, "").unwrap();
            std::fs::rename(&new, &path).unwrap();
        }
        stop.store(true, SeqCst);
    });
    drop(scratch.lock("file").try_acquire(Exclusive).unwrap());
}
