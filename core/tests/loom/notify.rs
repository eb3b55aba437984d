//! Notifies: a wake-up is taken once, or stored, whoever gives up; a close ends every wait.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use quiescent_core::sync::{CancelToken, Notify, NotifyWaitError};
use quiescent_core::{Interrupted, Wait, block_on};
use std::sync::Arc;

struct Bell {
    notify: Notify,
    object: Object,
    cancel: CancelToken,
}

impl Bell {
    fn new() -> Arc<Bell> {
        let cancel = CancelToken::new().expect("memory");
        Arc::new(Bell { notify: Notify::new(), object: Object::new(), cancel })
    }

    fn wait(&self, wait: Wait<'_>) -> &'static str {
        match self.notify.wait(wait) {
            Ok(()) => "woken",
            Err(NotifyWaitError::Closed) => "closed",
            Err(NotifyWaitError::Interrupted(Interrupted::Cancelled)) => "cancelled",
            Err(NotifyWaitError::Interrupted(_)) => "late",
        }
    }

    fn is_stored(&self) -> bool {
        self.wait(Wait::NOT) == "woken"
    }
}

/// A wake-up for one comes as its waiter falls asleep.
#[test]
fn notify_one_vs_sleep() {
    explore([()], || {
        let bell = Bell::new();
        let waiter = with(&bell, |bell| {
            assert_eq!(bell.wait(Wait::FOREVER), "woken");
            bell.object.look_at(0);
        });
        bell.object.operate(0);
        bell.notify.notify_one();
        join(waiter);
        assert!(!bell.is_stored(), "it was taken");
    });
}

/// A waiter looks at what it waits for after it has begun to wait: a wake-up for all is not missed.
#[test]
fn notify_all_vs_look_and_wait() {
    explore([true, false], || {
        let bell = Bell::new();
        let flag = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let set = Arc::clone(&flag);
        let waiter = with(&bell, move |bell| {
            let woken = bell.notify.notified();
            if flag.load(loom::sync::atomic::Ordering::Acquire) {
                return true;
            }
            assert_eq!(block_on(woken, Wait::FOREVER), Ok(Ok(())));
            false
        });
        set.store(true, loom::sync::atomic::Ordering::Release);
        bell.notify.notify_all();
        join(waiter)
    });
}

/// The waiter that is chosen is cancelled: it has the wake-up, or the other one has it, or it is stored.
#[test]
fn notify_one_vs_cancel() {
    explore_at_most(3, [("woken", false), ("cancelled", true)], || {
        let bell = Bell::new();
        let waiter = with(&bell, |bell| bell.wait(Wait::FOREVER.or_cancelled(&bell.cancel)));
        let canceller = with(&bell, |bell| bell.cancel.cancel());
        bell.notify.notify_one();
        join(canceller);
        let answer = join(waiter);
        (answer, bell.is_stored())
    });
}

#[test]
fn notify_one_vs_two_of_which_one_is_cancelled() {
    explore_at_most(2, [("woken", "woken"), ("cancelled", "woken")], || {
        let bell = Bell::new();
        let gives_up = with(&bell, |bell| bell.wait(Wait::FOREVER.or_cancelled(&bell.cancel)));
        let waits = with(&bell, |bell| bell.wait(Wait::FOREVER));
        bell.notify.notify_one();
        bell.cancel.cancel();
        let gave_up = join(gives_up);
        if gave_up == "woken" {
            // The other one's is still to come.
            bell.notify.notify_one();
        }
        let waited = join(waits);
        assert!(!bell.is_stored(), "a wake-up too many");
        (gave_up, waited)
    });
}

/// A close comes as a waiter falls asleep, or before it comes.
#[test]
fn close_vs_sleep() {
    explore(["closed"], || {
        let bell = Bell::new();
        let waiter = with(&bell, |bell| bell.wait(Wait::FOREVER));
        bell.notify.close();
        join(waiter)
    });
}

/// Who finds it closed sees what the closer did.
#[test]
fn close_vs_look_awake() {
    explore([true, false], || {
        let bell = Bell::new();
        let looker = with(&bell, |bell| {
            let is_closed = bell.notify.is_closed();
            if is_closed {
                bell.object.look_at(0);
            }
            is_closed
        });
        bell.object.operate(0);
        bell.notify.close();
        join(looker)
    });
}

/// Who was in line when it was woken is answered so, although the close follows at once.
#[test]
fn notify_one_then_close_vs_sleep() {
    explore_at_most(3, [(true, "woken"), (false, "woken"), (false, "closed")], || {
        let bell = Bell::new();
        let in_line = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let says = Arc::clone(&in_line);
        let waiter = with(&bell, move |bell| {
            let mut woken = Box::pin(bell.notify.notified());
            woken.as_mut().enable();
            says.store(true, loom::sync::atomic::Ordering::Release);
            match block_on(woken, Wait::FOREVER).expect("no end") {
                Ok(()) => "woken",
                Err(_) => "closed",
            }
        });
        let was_in_line = in_line.load(loom::sync::atomic::Ordering::Acquire);
        bell.notify.notify_one();
        bell.notify.close();
        (was_in_line, join(waiter))
    });
}
