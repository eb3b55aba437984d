//! The roles of processes that fork.

use crate::process::{say, wait_for_word};
use crate::{Exclusive, long};
use quiescent_core::file_lock::FileLock;
use std::io::Read;
use std::time::Duration;

/// Plays the role with `lock`, if it is one of these.
pub fn plays(role: &str, lock: &FileLock, parameter: u64) -> bool {
    match role {
        // Holds it, forks a child that lets go of its copy, and tells when that was.
        "fork" => {
            let hold = lock.acquire(Exclusive, long()).expect("locked");
            // SAFETY: the child calls what a child of a process with several threads may: descriptors and exit.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(hold);
                // SAFETY: as above.
                unsafe { libc::_exit(0) };
            }
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
            say("child gone");
            wait_for_word();
        }
        // Holds it, forks a child that waits for it, and lets go once that was in vain.
        "fork-wait" => {
            let hold = lock.acquire(Exclusive, long()).expect("locked");
            let (mut waited, waits) = std::os::unix::net::UnixStream::pair().expect("a pair");
            // SAFETY: as above, and glibc's child may allocate.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let is_waiting = crate::timed_out(&lock.acquire(Exclusive, crate::soon()));
                drop(waits);
                let got = lock.acquire(Exclusive, long()).is_ok();
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(!(is_waiting && got))) };
            }
            drop(waits);
            assert_eq!(waited.read(&mut [0]).expect("readable"), 0, "the child says nothing more");
            drop(hold);
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            say(&format!("{status}"));
        }
        // Holds it, makes a child that keeps its copy for a while, and lets go meanwhile.
        "fork-keep" => {
            let hold = lock.acquire(Exclusive, long()).expect("locked");
            // SAFETY: as above.
            let child = unsafe { fork_without_handlers() };
            if child == 0 {
                live_on();
            }
            say("held");
            wait_for_word();
            drop(hold);
            say("released");
            wait_for_word();
            // SAFETY: a child of ours.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        // Holds it, and forks a child that lives on and has what else the parent had open.
        "fork-orphan" => {
            let other = std::fs::File::open(lock.path()).expect("a file");
            let hold = lock.acquire(Exclusive, long()).expect("locked");
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // Another file may have the number of the lock's by the time that its hold is dropped.
                let next = other.try_clone().expect("a descriptor");
                drop(hold);
                if other.metadata().is_err() || next.metadata().is_err() {
                    // SAFETY: as above.
                    unsafe { libc::_exit(1) };
                }
                say(&std::process::id().to_string());
                live_on();
            }
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            say("the child has ended");
        }
        // Holds it, and forks a child that lets go of its copy, and has the same process id: each is the first of its namespace.
        #[cfg(target_os = "linux")]
        "fork-namesake" => {
            let hold = lock.acquire(Exclusive, long()).expect("locked");
            // SAFETY: plain numbers.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(hold);
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(std::process::id() != 1)) };
            }
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            say(&format!("{} {status}", std::process::id()));
            wait_for_word();
        }
        // Waits for it, forks a child that lives on, and tells when it has it.
        "fork-waiting" => {
            let mut acquiring = Box::pin(lock.acquire_async(Exclusive));
            assert!(quiescent_core::block_on(&mut acquiring, quiescent_core::Wait::NOT).is_err(), "somebody has it");
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            if child == 0 {
                say(&std::process::id().to_string());
                live_on();
            }
            let _hold = quiescent_core::block_on(acquiring, long()).expect("in time").expect("locked");
            say("held");
            wait_for_word();
        }
        // Waits for it, and forks a child that waits on in its place, with other files open.
        "fork-polls" => {
            let mut acquiring = Box::pin(lock.acquire_async(Exclusive));
            assert!(quiescent_core::block_on(&mut acquiring, quiescent_core::Wait::NOT).is_err(), "somebody has it");
            // It may look again by then.
            std::thread::sleep(Duration::from_millis(200));
            // SAFETY: as above, and glibc's child may allocate.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let files =
                    [(); 16].map(|()| std::fs::File::open(lock.path().with_file_name("other")).expect("a file"));
                let in_vain = quiescent_core::block_on(&mut acquiring, crate::soon()).is_err();
                say(if in_vain { "not locked" } else { "locked, too" });
                wait_for_word();
                let got = quiescent_core::block_on(acquiring, long()).is_ok_and(|got| got.is_ok());
                drop(files);
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(!got)) };
            }
            drop(acquiring);
            let mut status = 0;
            // SAFETY: `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            say(&format!("{status}"));
        }
        // Has others come and go in the line, and forks children that give up their parent's wait.
        "fork-drops" => {
            let is_over = std::sync::atomic::AtomicBool::new(false);
            let wait = || {
                let mut acquiring = Box::pin(lock.acquire_async(Exclusive));
                assert!(
                    quiescent_core::block_on(&mut acquiring, quiescent_core::Wait::NOT).is_err(),
                    "somebody has it"
                );
                acquiring
            };
            std::thread::scope(|scope| {
                let _front = wait();
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        drop(wait());
                    }
                });
                let mut hung = 0;
                for _ in 0..parameter {
                    let acquiring = wait();
                    // SAFETY: as above, and glibc's child may allocate.
                    let child = unsafe { libc::fork() };
                    if child == 0 {
                        // SAFETY: a plain number.
                        unsafe { libc::alarm(30) };
                        drop(acquiring);
                        // SAFETY: as above.
                        unsafe { libc::_exit(0) };
                    }
                    let mut status = 0;
                    // SAFETY: `status` is writable.
                    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                    hung += u32::from(status != 0);
                    if hung > 0 {
                        break;
                    }
                }
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
                say(&format!("{hung}"));
            });
        }
        _ => return false,
    }
    true
}

/// In a forked child, until it is killed.
fn live_on() -> ! {
    // SAFETY: plain numbers; what a forked child may call.
    unsafe {
        libc::alarm(60);
        loop {
            libc::pause();
        }
    }
}

/// As a raw `clone`: nothing closes the child's copies.
///
/// # Safety
/// As for `fork`.
unsafe fn fork_without_handlers() -> libc::pid_t {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller's promise; nothing is shared, and nothing written.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: the caller's promise.
    let child = unsafe { libc::fork() };
    child.try_into().expect("a process")
}
