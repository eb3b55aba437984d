//! Races on a lock between processes: the lines within a process, and the watch for others, on a modelled operating system
//! (`core/src/file_lock/model.rs`, which also panics where two of this process are in each other's way or something is left).

use crate::{explore, explore_at_most, join, with};
use loom::cell::UnsafeCell;
use quiescent_core::file_lock::{FileLock, FileLockError, FileLockHold, TryFileLockError};
use quiescent_core::pieces::kernel;
use quiescent_core::sync::CancelToken;
use quiescent_core::{Interrupted, LockMode, Wait};
use std::sync::Arc;

/// A locked file, and what it is locked for: loom reports two who touch that without an order between them.
struct Desk {
    lock: FileLock,
    cancel: CancelToken,
    data: UnsafeCell<u32>,
}

// SAFETY: the cell is loom's, which checks every access.
unsafe impl Sync for Desk {}

impl Desk {
    fn new() -> Arc<Desk> {
        let desk = Desk::first();
        drop(desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it"));
        desk
    }

    /// Nobody of this process has locked anything yet.
    fn first() -> Arc<Desk> {
        let lock = FileLock::open("/file").expect("a model");
        Arc::new(Desk { lock, cancel: CancelToken::new().expect("memory"), data: UnsafeCell::new(0) })
    }

    fn change(&self) {
        // SAFETY: checked by loom.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: checked by loom.
        self.data.with(|data| unsafe { *data })
    }

    fn acquire(&self, mode: LockMode) -> Result<FileLockHold, FileLockError> {
        self.lock.acquire(mode, Wait::FOREVER.or_cancelled(&self.cancel))
    }

    /// Waits for it, and uses it alone.
    fn work(&self) -> &'static str {
        match self.acquire(LockMode::Exclusive) {
            Ok(_hold) => {
                self.change();
                "held"
            }
            Err(FileLockError::Interrupted(Interrupted::Cancelled, _)) => "cancelled",
            Err(FileLockError::Closed) => "closed",
            Err(error) => panic!("{error}"),
        }
    }

    /// The same, without waiting.
    fn try_to_work(&self) -> &'static str {
        match self.lock.try_acquire(LockMode::Exclusive) {
            Ok(_hold) => {
                self.change();
                "held"
            }
            Err(TryFileLockError::Busy(_)) => "busy",
            Err(error) => panic!("{error}"),
        }
    }

    /// The same with others that share it.
    fn try_to_read(&self) -> &'static str {
        match self.lock.try_acquire(LockMode::Shared) {
            Ok(_hold) => {
                self.read();
                "shared"
            }
            Err(TryFileLockError::Busy(_)) => "busy",
            Err(error) => panic!("{error}"),
        }
    }

    /// Nobody has it, nobody waits, nothing is left.
    fn settled(&self) {
        assert_eq!(self.try_to_work(), "held", "a turn was lost");
        kernel::end();
    }
}

/// Nobody waits, and nobody else is there: one of them has it, or both, one after the other.
#[test]
fn try_vs_try_awake() {
    explore([("held", "held"), ("held", "busy"), ("busy", "held")], || {
        let desk = Desk::new();
        let other = with(&desk, Desk::try_to_work);
        let mine = desk.try_to_work();
        let both = (mine, join(other));
        desk.settled();
        both
    });
}

/// The last use of a file meets the first of the next one, and uses come and go meanwhile: they do not come to two different lines.
#[test]
fn release_vs_two_tries_awake() {
    explore([("held", "held"), ("busy", "held"), ("busy", "busy")], || {
        let desk = Desk::new();
        let hold = desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it").pass_on();
        let other = with(&desk, |desk| (desk.try_to_work(), desk.try_to_work()));
        desk.change();
        drop(hold);
        let answers = join(other);
        desk.settled();
        answers
    });
}

/// Busy is also who finds the other one at the front still.
#[test]
fn two_who_share_awake() {
    explore_at_most(4, [("shared", "shared"), ("shared", "busy"), ("busy", "shared")], || {
        let desk = Desk::new();
        let other = with(&desk, Desk::try_to_read);
        let both = (desk.try_to_read(), join(other));
        desk.settled();
        both
    });
}

/// The first two of a process come to one line.
#[test]
fn first_use_vs_first_use_awake() {
    explore_at_most(3, [("held", "held"), ("held", "busy"), ("busy", "held")], || {
        let desk = Desk::first();
        let other = with(&desk, Desk::try_to_work);
        let both = (desk.try_to_work(), join(other));
        desk.settled();
        both
    });
}

#[test]
fn release_vs_wait() {
    explore(["held"], || {
        let desk = Desk::new();
        let hold = desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it").pass_on();
        let waiter = with(&desk, Desk::work);
        desk.change();
        drop(hold);
        let answer = join(waiter);
        desk.settled();
        answer
    });
}

#[test]
fn work_vs_work() {
    explore_at_most(3, [("held", "held")], || {
        let desk = Desk::new();
        let other = with(&desk, Desk::work);
        let both = (desk.work(), join(other));
        desk.settled();
        both
    });
}

/// Those that wait in line are cancelled as it is their turn: it goes to the next one.
#[test]
fn cancel_vs_turn() {
    explore_at_most(3, ["held", "cancelled"], || {
        let desk = Desk::new();
        let hold = desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it").pass_on();
        let waiter = with(&desk, Desk::work);
        let canceller = with(&desk, |desk| desk.cancel.cancel());
        drop(hold);
        join(canceller);
        let answer = join(waiter);
        desk.settled();
        answer
    });
}

/// Two wait, one of them is cancelled: the other one's turn comes.
#[test]
fn cancel_vs_turn_vs_next() {
    explore_at_most(2, [("held", "held"), ("cancelled", "held")], || {
        let desk = Desk::new();
        let hold = desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it").pass_on();
        let waiter = with(&desk, Desk::work);
        let next = with(&desk, |desk| {
            drop(desk.lock.acquire(LockMode::Exclusive, Wait::FOREVER).expect("nobody closes it"));
            "held"
        });
        desk.cancel.cancel();
        drop(hold);
        let both = (join(waiter), join(next));
        desk.settled();
        both
    });
}

/// Who wants it alone waits until all that share it have gone.
#[test]
fn shared_vs_alone() {
    explore_at_most(3, ["held"], || {
        let desk = Desk::new();
        let share = || desk.lock.try_acquire(LockMode::Shared).expect("nobody has it alone").pass_on();
        let both = [share(), share()];
        let alone = with(&desk, Desk::work);
        for hold in both {
            desk.read();
            drop(hold);
        }
        let answer = join(alone);
        desk.settled();
        answer
    });
}

#[test]
fn close_vs_wait() {
    explore(["closed"], || {
        let desk = Desk::new();
        let hold = desk.lock.try_acquire(LockMode::Exclusive).expect("nobody has it").pass_on();
        let waiter = with(&desk, Desk::work);
        desk.lock.close();
        let answer = join(waiter);
        drop(hold);
        kernel::end();
        answer
    });
}

/// Another process gives it back while somebody begins to wait for that.
#[test]
fn release_elsewhere_vs_wait() {
    explore_at_most(3, ["held"], || {
        let desk = Desk::new();
        let elsewhere = kernel::lock_elsewhere(LockMode::Exclusive).expect("nobody has it");
        let waiter = with(&desk, Desk::work);
        drop(elsewhere);
        let answer = join(waiter);
        desk.settled();
        answer
    });
}

#[test]
fn cancel_vs_release_elsewhere() {
    explore_at_most(2, ["held", "cancelled"], || {
        let desk = Desk::new();
        let elsewhere = kernel::lock_elsewhere(LockMode::Exclusive).expect("nobody has it");
        let waiter = with(&desk, Desk::work);
        let canceller = with(&desk, |desk| desk.cancel.cancel());
        drop(elsewhere);
        join(canceller);
        let answer = join(waiter);
        desk.settled();
        answer
    });
}

/// The one at the front waits for another process, the next one for that: both are told.
#[test]
fn release_elsewhere_vs_two_who_wait() {
    explore_at_most(1, [("held", "held")], || {
        let desk = Desk::new();
        let elsewhere = kernel::lock_elsewhere(LockMode::Exclusive).expect("nobody has it");
        let waiter = with(&desk, Desk::work);
        let releaser = with(&desk, move |_| drop(elsewhere));
        let both = (desk.work(), join(waiter));
        join(releaser);
        desk.settled();
        both
    });
}

/// The watcher's thread ends as the next one begins to wait.
#[test]
fn end_of_the_watch_vs_next_wait() {
    explore_at_most(1, ["held"], || {
        let desk = Desk::new();
        let mut last = "";
        for _ in 0..2 {
            let elsewhere = kernel::lock_elsewhere(LockMode::Exclusive).expect("nobody has it");
            let releaser = with(&desk, move |_| drop(elsewhere));
            last = desk.work();
            join(releaser);
        }
        desk.settled();
        last
    });
}

/// Who waits for a file that is replaced comes to hold the new one.
#[test]
fn replaced_vs_wait() {
    explore_at_most(2, ["held"], || {
        let desk = Desk::new();
        let elsewhere = kernel::lock_elsewhere(LockMode::Exclusive).expect("nobody has it");
        let waiter = with(&desk, Desk::work);
        kernel::replace();
        let answer = join(waiter);
        drop(elsewhere);
        desk.settled();
        answer
    });
}
