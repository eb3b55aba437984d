//! The backend that calls complete on: each ends once, no wake-up is lost, whoever looks, sleeps, wakes, or ends the backend.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread::JoinHandle;
use quiescent_core::backend::completion::{AttachError, Completion, CompletionBackend, Outcome, PollError};
use quiescent_core::sync::CancelToken;
use quiescent_core::{Deadline, Error, Wait};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What a call waits for: a flag, and the waker of whoever looked.
struct Bed {
    backend: Mutex<Option<Arc<CompletionBackend>>>,
    flag: AtomicBool,
    waker: Mutex<Option<Waker>>,
    object: Object,
    discarded: Arc<AtomicUsize>,
}

impl Bed {
    fn new() -> Arc<Bed> {
        let discarded = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&discarded);
        let backend = CompletionBackend::new(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
        });
        Arc::new(Bed {
            backend: Mutex::new(Some(Arc::new(backend.expect("memory")))),
            flag: AtomicBool::new(false),
            waker: Mutex::new(None),
            object: Object::new(),
            discarded,
        })
    }

    fn backend(&self) -> Arc<CompletionBackend> {
        Arc::clone(self.backend.lock().expect("no panic").as_ref().expect("not dropped"))
    }

    /// Waits for the flag, as a future must: it leaves its waker, and looks again.
    fn submit(self: &Arc<Bed>, backend: &CompletionBackend) {
        let bed = Arc::clone(self);
        let wait = poll_fn(move |context| {
            *bed.waker.lock().expect("no panic") = Some(context.waker().clone());
            if bed.flag.load(Ordering::Acquire) {
                bed.object.operate(0);
                *bed.waker.lock().expect("no panic") = None;
                return Poll::Ready(Outcome::DONE);
            }
            Poll::Pending
        });
        backend.submit(7, Wait::FOREVER, wait).expect("memory");
    }

    /// Raises the flag, and wakes whoever left a waker.
    fn raise(&self) {
        self.object.operate(0);
        self.flag.store(true, Ordering::Release);
        let waker = self.waker.lock().expect("no panic").take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn discarded(&self) -> usize {
        self.discarded.load(Ordering::Relaxed)
    }
}

fn poll(backend: &CompletionBackend, deadline: Deadline) -> &'static str {
    let mut handed = 0;
    match backend.poll(2, deadline, |completion| {
        assert_eq!((completion.user_data, completion.outcome), (7, Outcome::DONE));
        handed += 1;
    }) {
        Ok(0) => "woken",
        Ok(count) => {
            assert_eq!(count, handed);
            ["", "one", "two"][count]
        }
        Err(PollError::Busy) => "busy",
        Err(PollError::TimedOut) => "late",
        Err(PollError::Closed) => "closed",
        Err(error) => panic!("{error}"),
    }
}

/// What is waited for comes while the submitter looks, or before, or after: the call completes.
#[test]
fn wake_vs_first_look() {
    explore([()], || {
        let bed = Bed::new();
        let raiser = with(&bed, Bed::raise);
        let backend = bed.backend();
        bed.submit(&backend);
        assert_eq!(poll(&backend, Deadline::NEVER), "one");
        join(raiser);
        assert_eq!(backend.pending(), 0);
    });
}

/// It comes while the driver looks, or falls asleep: the driver looks again.
#[test]
fn wake_vs_driver() {
    explore([()], || {
        let bed = Bed::new();
        let backend = bed.backend();
        bed.submit(&backend);
        let raiser = with(&bed, Bed::raise);
        assert_eq!(poll(&backend, Deadline::NEVER), "one");
        join(raiser);
    });
}

/// A call is submitted while the driver falls asleep, and is over at once.
#[test]
fn submit_vs_sleep() {
    explore([()], || {
        let bed = Bed::new();
        let driver = with(&bed, |bed| poll(&bed.backend(), Deadline::NEVER));
        bed.backend().submit(7, Wait::FOREVER, std::future::ready(Outcome::DONE)).expect("memory");
        assert_eq!(join(driver), "one");
    });
}

/// Three threads: one submits, one raises what is waited for, one drives.
#[test]
fn submit_vs_wake_vs_driver() {
    explore_at_most(2, [()], || {
        let bed = Bed::new();
        let driver = with(&bed, |bed| poll(&bed.backend(), Deadline::NEVER));
        let raiser = with(&bed, Bed::raise);
        bed.submit(&bed.backend());
        join(raiser);
        assert_eq!(join(driver), "one");
    });
}

/// Two that drive at the same time: one of them does, the completion goes to one.
#[test]
fn poll_vs_poll() {
    let ways = [("one", "busy"), ("busy", "one"), ("one", "late"), ("late", "one")];
    explore(ways, || {
        let bed = Bed::new();
        bed.backend().submit(7, Wait::FOREVER, std::future::ready(Outcome::DONE)).expect("memory");
        let other = with(&bed, |bed| poll(&bed.backend(), Deadline::PASSED));
        let own = poll(&bed.backend(), Deadline::PASSED);
        (own, join(other))
    });
}

/// A wake comes before the poll, while it looks, or while it falls asleep: it returns.
#[test]
fn wake_driver_vs_sleep() {
    explore([()], || {
        let bed = Bed::new();
        let waker = with(&bed, |bed| bed.backend().wake());
        assert_eq!(poll(&bed.backend(), Deadline::NEVER), "woken");
        join(waker);
    });
}

/// The close comes before the poll, while it looks, or while it falls asleep: it returns.
#[test]
fn close_vs_sleep() {
    explore([()], || {
        let bed = Bed::new();
        let closer = with(&bed, |bed| bed.backend().close());
        assert_eq!(poll(&bed.backend(), Deadline::NEVER), "closed");
        join(closer);
    });
}

/// The close comes while something gets over: the poll returns for good, but not without what is over.
#[test]
fn close_vs_poll() {
    explore_at_most(3, ["one", "closed"], || {
        let bed = Bed::new();
        let backend = bed.backend();
        bed.submit(&backend);
        let raiser = with(&bed, Bed::raise);
        let closer = with(&bed, |bed| bed.backend().close());
        let answer = poll(&backend, Deadline::NEVER);
        join(raiser);
        join(closer);
        answer
    });
}

/// A token is given a deadline while a call that it ends begins: the call ends at that deadline, if not before.
#[test]
fn token_deadline_vs_first_look() {
    explore([()], || {
        let bed = Bed::new();
        let token = CancelToken::new().expect("memory");
        let setter = with(&Arc::new(token.clone()), |token| token.cancel_at(Duration::from_secs(1).into()));
        let backend = bed.backend();
        let wait = Wait::FOREVER.or_cancelled(&token);
        backend.submit(7, wait, std::future::pending::<Outcome>()).expect("memory");
        join(setter).expect("our own");
        // Each look at the clock is an eighth of a second.
        let ended = (0..20).any(|_| {
            let put = |over: Completion| assert_eq!(over.outcome, Outcome::refused(Error::Cancelled));
            backend.poll(1, Deadline::PASSED, put).is_ok()
        });
        assert!(ended, "nobody looks at it at the deadline");
    });
}

/// The backend ends while what is waited for comes: the call is discarded, once, and the wake-up touches nothing.
#[test]
fn drop_vs_wake() {
    explore([()], || {
        let bed = Bed::new();
        let backend = bed.backend.lock().expect("no panic").take().expect("not dropped");
        bed.submit(&backend);
        let raiser = with(&bed, Bed::raise);
        drop(backend);
        assert_eq!(bed.discarded(), 1);
        join(raiser);
        *bed.waker.lock().expect("no panic") = None;
    });
}

/// An attached backend ends while the outer one drives it: its call is handed out, or discarded, never both.
#[test]
fn inner_drop_vs_outer_poll() {
    explore([("one", 0), ("late", 1)], || {
        let bed = Bed::new();
        let outer = Arc::new(CompletionBackend::new(|_| {}).expect("memory"));
        let inner = bed.backend.lock().expect("no panic").take().expect("not dropped");
        outer.attach(&inner).expect("nobody drives it");
        bed.submit(&inner);
        bed.raise();
        let driver = with(&outer, |outer| poll(outer, Deadline::PASSED));
        drop(inner);
        let answer = join(driver);
        (answer, bed.discarded())
    });
}

/// Two attach, one detaches: what is on the list of the outer one is in its set, and nothing else is.
#[test]
fn attach_vs_detach() {
    explore_at_most(3, [(true, true), (true, false), (false, true)], || {
        let bed = Bed::new();
        let [outer, inner] = [Arc::new(CompletionBackend::new(|_| {}).expect("memory")), bed.backend()];
        let attach = |outer: &CompletionBackend, inner: &CompletionBackend| match outer.attach(inner) {
            Ok(()) => true,
            Err(AttachError::Busy) => false,
            Err(error) => panic!("{error}"),
        };
        let both = Arc::new((outer, inner));
        let other = with(&both, move |both| attach(&both.0, &both.1));
        let detacher = with(&both, |both| both.0.detach(&both.1));
        let own = attach(&both.0, &both.1);
        let answers = (own, join(other));
        let attached = usize::from(answers.0) + usize::from(answers.1);
        let detached = join(detacher);
        assert_eq!(both.0.detach(&both.1), attached > usize::from(detached));
        assert_eq!(poll(&both.1, Deadline::PASSED), "late");
        answers
    });
}

/// The bed's backend, and what the poll answers that looks at its calls while it is detached from the outer one.
fn detached_under_poll(bed: &Arc<Bed>) -> (Arc<CompletionBackend>, JoinHandle<&'static str>) {
    let outer = Arc::new(CompletionBackend::new(|_| {}).expect("memory"));
    let inner = bed.backend();
    outer.attach(&inner).expect("nobody drives it");
    let driver = with(&outer, |outer| poll(outer, Deadline::PASSED));
    assert!(outer.detach(&inner));
    (inner, driver)
}

/// An attached backend is detached while the outer one looks at its calls: what it is told from then on is its own.
#[test]
fn detach_vs_outer_poll() {
    explore(["woken", "busy"], || {
        let (inner, driver) = detached_under_poll(&Bed::new());
        inner.wake();
        let own = poll(&inner, Deadline::PASSED);
        assert_eq!(join(driver), "late");
        if own == "busy" {
            assert_eq!(poll(&inner, Deadline::PASSED), "woken");
        }
        own
    });
}

/// The same, and a call is over at once: it comes out of the inner one.
#[test]
fn detach_vs_hand_out() {
    explore(["one", "busy"], || {
        let (inner, driver) = detached_under_poll(&Bed::new());
        inner.submit(7, Wait::FOREVER, std::future::ready(Outcome::DONE)).expect("memory");
        let own = poll(&inner, Deadline::PASSED);
        assert_eq!(join(driver), "late");
        if own == "busy" {
            assert_eq!(poll(&inner, Deadline::NEVER), "one");
        }
        own
    });
}

/// The same with three levels, and the middle one is detached: what is inside of it from then on comes out of it.
#[test]
fn detach_of_the_middle_vs_hand_out() {
    explore_at_most(3, [()], || {
        let bed = Bed::new();
        let [outer, middle] = [(); 2].map(|()| Arc::new(CompletionBackend::new(|_| {}).expect("memory")));
        let inner = bed.backend();
        middle.attach(&inner).expect("nobody drives it");
        outer.attach(&middle).expect("nobody drives it");
        let driver = with(&outer, |outer| poll(outer, Deadline::PASSED));
        assert!(outer.detach(&middle));
        inner.submit(7, Wait::FOREVER, std::future::ready(Outcome::DONE)).expect("memory");
        assert_eq!(join(driver), "late");
        assert_eq!(poll(&middle, Deadline::PASSED), "one");
    });
}
