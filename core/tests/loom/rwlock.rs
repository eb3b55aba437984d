//! Races on a read-write lock: what is by hand of it (its semaphore is one step each time).

use crate::object::{House, RED, life};
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::Wait;
use quiescent_core::handle::pieces::Lessened;
use quiescent_core::sync::{CancelToken, RwLock, RwLockError, TryReadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn lock(max_readers: u32) -> Arc<RwLock<u32>> {
    Arc::new(RwLock::with_max_readers(0, max_readers).expect("some"))
}

/// Two steps that belong together, with time in between for somebody else.
fn add_two(value: &mut u32) {
    *value += 1;
    line_up();
    *value += 1;
}

/// Nobody has it, nobody waits, the reader's place is free.
fn is_whole(lock: &RwLock<u32>) -> bool {
    lock.try_write().is_ok_and(|_writer| lock.try_read().is_err()) && lock.try_read().is_ok()
}

/// One more reader than there is room for is told "too many", never "a writer".
fn read(lock: &RwLock<u32>) -> bool {
    match lock.try_read() {
        Ok(_guard) => {
            line_up();
            true
        }
        Err(TryReadError::TooManyReaders) => false,
        Err(error) => panic!("{error}: there is no writer"),
    }
}

#[test]
fn two_readers_of_one_place_awake() {
    explore([(true, true), (true, false), (false, true)], || {
        let lock = lock(1);
        let other = with(&lock, read);
        let mine = read(&lock);
        let both = (mine, join(other));
        assert!(is_whole(&lock));
        both
    });
}

/// The same while one reads that has downgraded, so that there is no permit to spare.
#[test]
fn two_readers_of_one_place_beside_a_downgraded_one_awake() {
    explore([(true, true), (true, false), (false, true)], || {
        let lock = lock(1);
        let downgraded = lock.try_write().expect("nobody has it").downgrade();
        let other = with(&lock, read);
        let mine = read(&lock);
        let both = (mine, join(other));
        drop(downgraded);
        assert!(is_whole(&lock));
        both
    });
}

/// A writer that downgrades has no place: a reader finds it free, or is told that a writer is there.
#[test]
fn downgrade_vs_try_read_awake() {
    explore(["read", "busy"], || {
        let lock = lock(1);
        let writer = lock.try_write().expect("nobody has it").pass_on();
        let reader = with(&lock, |lock| match lock.try_read() {
            Ok(_guard) => "read",
            Err(TryReadError::Busy) => "busy",
            Err(error) => panic!("{error}"),
        });
        let guard = writer.downgrade();
        line_up();
        drop(guard);
        let answer = join(reader);
        assert!(is_whole(&lock));
        answer
    });
}

#[test]
fn write_vs_read() {
    explore([0, 2], || {
        let lock = lock(2);
        let writer = with(&lock, |lock| add_two(&mut lock.write(Wait::FOREVER).expect("nobody closes it")));
        let seen = *lock.read(Wait::FOREVER).expect("nobody closes it");
        join(writer);
        assert!(is_whole(&lock));
        seen
    });
}

#[test]
fn write_vs_write() {
    explore([4], || {
        let lock = lock(1);
        let write = |lock: &RwLock<u32>| {
            let mut guard = lock.write(Wait::FOREVER).expect("nobody closes it");
            assert_eq!(*guard % 2, 0, "somebody else writes");
            add_two(&mut guard);
        };
        let other = with(&lock, write);
        write(&lock);
        join(other);
        assert!(is_whole(&lock));
        *lock.try_read().expect("nobody has it")
    });
}

/// A writer waits while another downgrades: it comes in when that one has read.
#[test]
fn downgrade_vs_waiting_writer() {
    explore([4], || {
        let lock = lock(1);
        let mut guard = lock.write(Wait::FOREVER).expect("nobody has it");
        let writer = with(&lock, |lock| add_two(&mut lock.write(Wait::FOREVER).expect("nobody closes it")));
        add_two(&mut guard);
        let guard = guard.downgrade();
        line_up();
        assert_eq!(*guard, 2, "a writer came in between");
        drop(guard);
        join(writer);
        assert!(is_whole(&lock));
        *lock.try_read().expect("nobody has it")
    });
}

#[test]
fn cancel_vs_grant() {
    explore_at_most(2, ["granted", "cancelled"], || {
        let stage = Arc::new((RwLock::with_max_readers(0_u32, 1).expect("some"), CancelToken::new().expect("memory")));
        let reader = stage.0.try_read().expect("nobody has it");
        let writer = with(&stage, |(lock, cancel)| match lock.write(Wait::FOREVER.or_cancelled(cancel)) {
            Ok(_guard) => "granted",
            Err(RwLockError::Interrupted(_)) => "cancelled",
            Err(error) => panic!("{error}"),
        });
        let canceller = with(&stage, |(_, cancel)| cancel.cancel());
        drop(reader);
        join(canceller);
        let answer = join(writer);
        assert!(is_whole(&stage.0));
        answer
    });
}

#[test]
fn close_vs_wait() {
    explore(["closed"], || {
        let lock = lock(1);
        let _writer = lock.try_write().expect("nobody has it").pass_on();
        let waiter = with(&lock, |lock| match lock.read(Wait::FOREVER) {
            Err(RwLockError::Closed) => "closed",
            Ok(_) => "read",
            Err(error) => panic!("{error}"),
        });
        lock.close();
        join(waiter)
    });
}

/// A hold that writes, as its shell sees it; and how many of its three permits were given back.
struct WriteHold {
    house: House,
    given_back: AtomicU32,
}

impl WriteHold {
    fn new() -> Arc<WriteHold> {
        Arc::new(WriteHold { house: House::open(), given_back: AtomicU32::new(0) })
    }

    fn give_back(&self, permits: u32) {
        self.given_back.fetch_add(permits, Ordering::Relaxed);
    }

    fn downgrade(&self) -> &'static str {
        match self.house.shell.lessen(1) {
            Lessened::Now => {
                self.give_back(2);
                "downgraded"
            }
            Lessened::Before => "before",
            Lessened::Over => "over",
        }
    }

    /// And the shell is another write hold's at once.
    fn release(&self) -> &'static str {
        let Ok(((), vacated)) = self.house.shell.end_at_once(life(1), || ()) else { return "already" };
        let is_lessened = vacated.notify;
        let next = self.house.move_in(1, RED);
        assert_eq!(next, 2);
        self.give_back(if is_lessened { 1 } else { 3 });
        "released"
    }

    /// The next hold in the same shell is whole.
    fn settled(&self) {
        assert_eq!(self.given_back.load(Ordering::Relaxed), 3, "given back twice, or lost");
        assert!(!self.house.shell.vacate(2).notify, "the downgrade hit the next hold");
    }
}

#[test]
fn hold_downgrade_vs_release_awake() {
    explore([("downgraded", "released"), ("over", "released")], || {
        let hold = WriteHold::new();
        let downgrader = with(&hold, WriteHold::downgrade);
        let released = hold.release();
        let downgraded = join(downgrader);
        hold.settled();
        (downgraded, released)
    });
}

#[test]
fn hold_downgrade_vs_downgrade_vs_release_awake() {
    let outcomes = [
        ("downgraded", "before"),
        ("downgraded", "over"),
        ("before", "downgraded"),
        ("over", "downgraded"),
        ("over", "over"),
    ];
    explore(outcomes, || {
        let hold = WriteHold::new();
        let downgraders = [(); 2].map(|()| with(&hold, WriteHold::downgrade));
        assert_eq!(hold.release(), "released");
        let [first, second] = downgraders.map(join);
        hold.settled();
        (first, second)
    });
}
