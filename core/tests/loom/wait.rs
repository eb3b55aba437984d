//! The engine behind every wait: the parker, cancel tokens, [`block_on`], and values with several owners.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use quiescent_core::pieces::{Parker, Shared};
use quiescent_core::sync::{AcquireError, CancelToken, Semaphore};
use quiescent_core::{Deadline, Interrupted, Wait, block_on};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

struct Bed {
    parker: Parker,
    object: Object,
}

impl Bed {
    fn new() -> Arc<Bed> {
        Arc::new(Bed { parker: Parker::new(), object: Object::new() })
    }

    fn call(&self, part: usize) {
        self.object.operate(part);
        self.parker.unpark();
    }
}

/// A call comes as the thread falls asleep, or before: it wakes, and sees what the caller did.
#[test]
fn unpark_vs_park() {
    explore([()], || {
        let bed = Bed::new();
        let caller = with(&bed, |bed| bed.call(0));
        bed.parker.park(Deadline::NEVER);
        bed.object.operate(0);
        join(caller);
    });
}

/// The same, at the deadline of a sleep: the call is taken by that, which then sees what the caller did, or by the next one.
#[test]
fn unpark_vs_deadline() {
    explore_at_most(3, [()], || {
        let stage = Arc::new((Parker::new(), AtomicUsize::new(0)));
        let caller = with(&stage, |(parker, called)| {
            called.fetch_add(1, Ordering::Relaxed);
            parker.unpark();
        });
        stage.0.park(Deadline::PASSED);
        while stage.1.load(Ordering::Relaxed) < 1 {
            stage.0.park(Deadline::NEVER);
        }
        join(caller);
    });
}

/// A call that was taken is gone: the next sleep lasts until the next call.
#[test]
fn a_call_is_taken_once() {
    explore_at_most(3, [()], || {
        let bed = Bed::new();
        let second = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&second);
        bed.parker.unpark();
        bed.parker.park(Deadline::NEVER);
        let caller = with(&bed, move |bed| {
            says.store(true, Ordering::Relaxed);
            bed.call(0);
        });
        bed.parker.park(Deadline::NEVER);
        assert!(second.load(Ordering::Relaxed), "nobody has called since");
        bed.object.operate(0);
        join(caller);
    });
}

/// Two calls at once: the one that is taken carries both.
#[test]
fn unpark_vs_unpark_vs_park() {
    explore_at_most(3, [()], || {
        let stage = Arc::new((Parker::new(), AtomicUsize::new(0)));
        let callers = [(); 2].map(|()| {
            with(&stage, |(parker, called)| {
                called.fetch_add(1, Ordering::Relaxed);
                parker.unpark();
            })
        });
        while stage.1.load(Ordering::Relaxed) < 2 {
            stage.0.park(Deadline::NEVER);
        }
        let _ = callers.map(join);
    });
}

/// A thread that was woken finds out by what.
fn wait_with(cancel: &CancelToken, wait: Wait<'_>) -> Result<(), Interrupted> {
    block_on(pending::<()>(), wait.or_cancelled(cancel))
}

fn token() -> CancelToken {
    CancelToken::new().expect("memory")
}

/// A token is cancelled as a waiter falls asleep.
#[test]
fn cancel_vs_sleep() {
    explore([()], || {
        let stage = Arc::new((token(), Object::new()));
        let canceller = with(&stage, |(token, object)| {
            object.operate(0);
            token.cancel();
        });
        assert_eq!(wait_with(&stage.0, Wait::FOREVER), Err(Interrupted::Cancelled));
        stage.1.operate(0);
        join(canceller);
    });
}

/// Who finds it cancelled sees what the canceller did.
#[test]
fn cancel_vs_look_awake() {
    explore([true, false], || {
        let stage = Arc::new((token(), Object::new()));
        let canceller = with(&stage, |(token, object)| {
            object.operate(0);
            token.cancel();
        });
        let is_cancelled = stage.0.is_cancelled();
        if is_cancelled {
            stage.1.operate(0);
        }
        join(canceller);
        is_cancelled
    });
}

/// A waiter with a grandchild, while its parent and its grandparent are cancelled: it wakes, whichever comes first.
#[test]
fn child_cancelled_vs_parent_cancelled() {
    explore_at_most(2, [()], || {
        let root = token();
        let child = root.child().expect("memory");
        let stage = Arc::new((root, child));
        let cancellers = [with(&stage, |(root, _)| root.cancel()), with(&stage, |(_, child)| child.cancel())];
        let grandchild = stage.1.child().expect("memory");
        assert_eq!(wait_with(&grandchild, Wait::FOREVER), Err(Interrupted::Cancelled));
        let _ = cancellers.map(join);
        assert!(stage.0.is_cancelled() && stage.1.is_cancelled());
    });
}

/// A child is cancelled while another one's waiter sleeps: that is woken, looks, and sleeps on until it is meant.
#[test]
fn sibling_cancelled_vs_sleep() {
    explore_at_most(3, [()], || {
        let root = token();
        let stage = Arc::new((root.child().expect("memory"), root.child().expect("memory")));
        let meant = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&meant);
        let canceller = with(&stage, move |(other, this)| {
            other.cancel();
            says.store(true, Ordering::Relaxed);
            this.cancel();
        });
        assert_eq!(wait_with(&stage.1, Wait::FOREVER), Err(Interrupted::Cancelled));
        assert!(meant.load(Ordering::Relaxed), "cancelled by another one's cancellation");
        join(canceller);
    });
}

/// A token's deadline is moved, to one that has passed, as a waiter falls asleep.
#[test]
fn deadline_moved_vs_sleep() {
    explore([()], || {
        let stage = Arc::new(token());
        let mover = with(&stage, |token| token.cancel_at(Deadline::PASSED).expect("a token of ours"));
        assert_eq!(wait_with(&stage, Wait::FOREVER), Err(Interrupted::Cancelled));
        join(mover);
    });
}

struct Line {
    semaphore: Semaphore,
    cancel: CancelToken,
    object: Object,
}

impl Line {
    fn of(permits: u32) -> Arc<Line> {
        let semaphore = Semaphore::new(permits, 1).expect("allowed");
        Arc::new(Line { semaphore, cancel: token(), object: Object::new() })
    }

    /// Takes the permit, uses what it protects, and gives it back.
    fn take(&self, wait: Wait<'_>) -> &'static str {
        match self.semaphore.acquire(1, wait) {
            Ok(_permit) => {
                self.object.operate(0);
                "granted"
            }
            Err(AcquireError::Interrupted(Interrupted::Cancelled)) => "cancelled",
            Err(AcquireError::Closed) => "closed",
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A permit is given back as a waiter for it is cancelled: nothing is lost.
#[test]
fn grant_vs_cancel() {
    explore_at_most(3, ["granted", "cancelled"], || {
        let line = Line::of(1);
        let permit = line.semaphore.try_acquire(1).expect("there");
        let waiter = with(&line, |line| line.take(Wait::FOREVER.or_cancelled(&line.cancel)));
        let canceller = with(&line, |line| line.cancel.cancel());
        line.object.operate(0);
        drop(permit);
        join(canceller);
        let answer = join(waiter);
        assert_eq!(line.semaphore.available(), 1, "a permit was lost");
        answer
    });
}

/// A permit is given back as the semaphore is closed.
#[test]
fn grant_vs_close() {
    explore_at_most(3, ["granted", "closed"], || {
        let line = Line::of(1);
        let permit = line.semaphore.try_acquire(1).expect("there");
        let waiter = with(&line, |line| line.take(Wait::FOREVER));
        let closer = with(&line, |line| line.semaphore.close());
        line.object.operate(0);
        drop(permit);
        join(closer);
        let answer = join(waiter);
        assert_eq!(line.semaphore.available(), 1, "a permit was lost");
        answer
    });
}

/// A permit goes from one thread to the next.
#[test]
fn release_vs_acquire() {
    explore_at_most(3, [("granted", "granted")], || {
        let line = Line::of(1);
        let other = with(&line, |line| line.take(Wait::FOREVER));
        let this = line.take(Wait::FOREVER);
        let other = join(other);
        assert_eq!(line.semaphore.available(), 1);
        (this, other)
    });
}

/// A wait inside another's poll: a call for the outer one that comes while the inner one sleeps is not lost.
#[test]
fn wait_inside_of_another() {
    explore_at_most(3, [()], || {
        let stage = Arc::new((Semaphore::new(0, 1).expect("allowed"), AtomicBool::new(false)));
        let outer = poll_fn({
            let stage = Arc::clone(&stage);
            let mut caller = None;
            move |context| {
                if stage.1.load(Ordering::Acquire) {
                    join(caller.take().expect("called"));
                    return Poll::Ready(());
                }
                if caller.is_none() {
                    let waker = context.waker().clone();
                    caller = Some(with(&stage, move |(semaphore, is_set)| {
                        semaphore.add(1).expect("none is there");
                        is_set.store(true, Ordering::Release);
                        waker.wake();
                    }));
                    // Sleeps and wakes at the same parker as the outer one.
                    stage.0.acquire(1, Wait::FOREVER).expect("open").forget();
                }
                Poll::Pending
            }
        });
        assert_eq!(block_on(outer, Wait::FOREVER), Ok(()));
    });
}

/// Both owners drop at once: the value is dropped once, after what either did with it.
#[test]
fn last_two_owners_drop_at_once() {
    struct Owned(Arc<Object>);
    impl Drop for Owned {
        fn drop(&mut self) {
            self.0.destroy();
        }
    }
    explore([()], || {
        let object = Arc::new(Object::new());
        let first = Shared::try_new(Owned(Arc::clone(&object))).expect("memory");
        let second = first.clone();
        let other = loom::thread::spawn(move || second.0.operate(1));
        first.0.operate(0);
        drop(first);
        join(other);
        object.expect_destroyed();
    });
}
