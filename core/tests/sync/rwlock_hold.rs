//! Read-write locks as C holds them: by holds of a handle.

use quiescent_core::ffi::{self, Status};
use quiescent_core::sync::{CancelToken, RwLock};
use quiescent_core::{Error, Freed, Token};
use std::ptr::null_mut;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

/// As an address, which a thread may be sent.
#[derive(Clone, Copy)]
struct Lock(Token<RwLock<()>>);

impl Lock {
    fn new(max_readers: u32) -> Lock {
        Lock(Token::open(RwLock::with_max_readers((), max_readers).unwrap()).unwrap())
    }

    fn read(self, timeout_ms: i64) -> (Status, *mut u8) {
        let mut hold = null_mut();
        let body = |lock: &RwLock<()>, wait: quiescent_core::Wait<'_>| lock.take_read(wait);
        // SAFETY: `hold` is writable.
        let status = unsafe {
            ffi::take_once(self.0.into_raw::<u8>(), c"read", timeout_ms, null_mut::<u8>(), &raw mut hold, body)
        };
        (status, hold)
    }

    fn write(self, timeout_ms: i64) -> (Status, *mut u8) {
        let mut hold = null_mut();
        let body = |lock: &RwLock<()>, wait: quiescent_core::Wait<'_>| lock.take_write(wait);
        // SAFETY: `hold` is writable.
        let status = unsafe {
            ffi::take_once(self.0.into_raw::<u8>(), c"write", timeout_ms, null_mut::<u8>(), &raw mut hold, body)
        };
        (status, hold)
    }

    fn is_written(self) -> bool {
        self.0.enter(c"look").expect("open").try_read().is_err()
    }

    fn is_whole(self) -> bool {
        let (status, hold) = self.write(0);
        status == Status::Ok && self.is_written() && ffi::release(hold) == Status::Ok && {
            let (status, hold) = self.read(0);
            status == Status::Ok && ffi::release(hold) == Status::Ok
        }
    }
}

fn downgrade(hold: *mut u8) -> Status {
    ffi::lessen(hold, c"downgrade", RwLock::is_write, RwLock::downgrade_taken)
}

#[test]
fn a_thread_that_would_wait_for_its_own_hold_is_told_so() {
    let lock = Lock::new(8);
    let (_, write) = lock.write(-1);
    assert_eq!((lock.write(-1).0, lock.read(-1).0), (Error::Deadlock.into(), Error::Deadlock.into()));
    assert_eq!(lock.read(0).0, Error::Timeout.into(), "that is no wait");
    assert_eq!(downgrade(write), Status::Ok);
    let (status, second) = lock.read(-1);
    assert_eq!(status, Status::Ok, "it reads, and no writer waits");
    assert_eq!(lock.write(-1).0, Error::Deadlock.into(), "and cannot write");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (status, hold) = lock.write(60_000);
            (status, ffi::release(hold))
        });
        // Until the writer is in line.
        while let (Status::Ok, hold) = lock.read(0) {
            assert_eq!(ffi::release(hold), Status::Ok);
            std::thread::yield_now();
        }
        assert_eq!(lock.read(-1).0, Error::Deadlock.into(), "behind a writer that waits for this thread");
        assert_eq!((ffi::release(write), ffi::release(second)), (Status::Ok, Status::Ok));
        assert_eq!(writer.join().unwrap(), (Status::Ok, Status::Ok));
    });
    assert!(lock.is_whole());
    assert_eq!(lock.0.free(Duration::ZERO), Ok(Freed::Destroyed));
}

#[test]
fn a_hold_that_cannot_be_downgraded() {
    let lock = Lock::new(1);
    let (_, read) = lock.read(0);
    assert_eq!(downgrade(read), Error::InvalidArgument.into());
    assert_eq!(ffi::release(read), Status::Ok);
    assert_eq!(downgrade(read), Error::Freed.into());
    let (_, write) = lock.write(0);
    assert_eq!(downgrade(write), Status::Ok);
    assert_eq!(downgrade(write), Error::InvalidArgument.into(), "once");
    assert_eq!(ffi::release(write), Status::Ok);
    assert_eq!(downgrade(write), Error::Freed.into());
    assert_eq!(downgrade(lock.0.into_raw()), Error::WrongKind.into());
    let other = Token::open(CancelToken::new().unwrap()).unwrap();
    let mut hold = null_mut();
    // SAFETY: `hold` is writable.
    assert_eq!(unsafe { ffi::hold::<CancelToken>(other.into_raw::<u8>(), c"hold", &raw mut hold) }, Status::Ok);
    assert_eq!(downgrade(hold), Error::WrongKind.into());
    assert_eq!(ffi::release(hold), Status::Ok);
    let (_, write) = lock.write(0);
    assert_eq!(lock.0.free(Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(downgrade(write), Error::Freed.into(), "the lock is being freed");
    assert_eq!(ffi::release(write), Status::Ok);
    assert_eq!(lock.0.wait_freed(Duration::ZERO), Ok(()));
}

/// A downgrade and a release of one hold at the same moment, with the hold's place in the record used again at once: nothing is
/// given back twice, nothing is lost.
#[test]
fn downgrade_vs_release() {
    const ROUNDS: u32 = 50_000;
    let (lock, other) = (Lock::new(1), Lock::new(1));
    let gate = Barrier::new(2);
    let shared = AtomicPtr::new(null_mut());
    let (mut outcomes, mut went_wrong) = ([0; 2], None);
    std::thread::scope(|scope| {
        let downgrader = scope.spawn(|| {
            let mut answers = Vec::new();
            for round in 0..ROUNDS {
                gate.wait();
                (0..round % 61 * 3).for_each(|_| std::hint::spin_loop());
                answers.push(downgrade(shared.load(Ordering::Relaxed)));
                gate.wait();
            }
            answers
        });
        for round in 0..ROUNDS {
            let (_, hold) = lock.write(0);
            shared.store(hold, Ordering::Relaxed);
            gate.wait();
            (0..round % 53 * 3).for_each(|_| std::hint::spin_loop());
            let released = ffi::release(hold);
            // A write hold in the same place, which nobody downgrades.
            let (_, next) = other.write(0);
            gate.wait();
            let is_well = !hold.is_null()
                && released == Status::Ok
                && other.is_written()
                && ffi::release(next) == Status::Ok
                && lock.is_whole()
                && other.is_whole();
            if !is_well {
                went_wrong.get_or_insert(round);
            }
        }
        for answer in downgrader.join().unwrap() {
            match answer {
                Status::Ok => outcomes[0] += 1,
                refused if refused == Error::Freed.into() => outcomes[1] += 1,
                _ => went_wrong = went_wrong.or(Some(0)),
            }
        }
    });
    assert_eq!(went_wrong, None, "given back twice, or lost, or another hold was downgraded: the first such round");
    println!("{outcomes:?} downgraded and too late");
    assert!(outcomes.iter().all(|count| *count > 100), "{outcomes:?}: hardly a race");
}
