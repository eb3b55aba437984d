//! Backends: one at a time drives, and whoever watches is woken, whatever is polled meanwhile. What is rung is a count in place
//! of a descriptor, and [`block_on`] is the real one.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use quiescent_core::backend::{
    BackendContainer, BackendError, Clear, Doorbell, Pollable, PollingFlags, PollingHandle, Wakes, block_on,
};
use quiescent_core::pieces::Parker;
use quiescent_core::{Deadline, Wait};
use std::future::{Pending, pending, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// As an eventfd: it counts its rings, and one may sleep until there are some. It orders nothing.
struct Rings {
    count: AtomicUsize,
    sleeper: Parker,
}

fn rings() -> Wakes<Rings> {
    Wakes::new(Rings { count: AtomicUsize::new(0), sleeper: Parker::new() })
}

impl Rings {
    fn count(&self) -> usize {
        // Not a load, which may see an old one: the kernel's is the newest.
        self.count.fetch_add(0, Ordering::Relaxed)
    }
}

impl Doorbell for Rings {
    fn ring(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sleeper.unpark();
    }

    fn clear(&self) {
        self.count.swap(0, Ordering::Relaxed);
    }
}

/// What is slept on is cleared at once, as [`PollingHandle::wait`] does.
struct Watched<'a>(&'a Wakes<Rings>);

impl Pollable for Watched<'_> {
    fn poll(&self, _flags: &PollingFlags, _deadline: Deadline) -> io::Result<bool> {
        while self.0.doorbell().count() == 0 {
            self.0.doorbell().sleeper.park(Deadline::NEVER);
        }
        self.0.clear();
        Ok(true)
    }
}

type Container = BackendContainer<Pending<()>>;

fn container() -> Container {
    BackendContainer::new(pending())
}

/// Whoever drives it after another one sees what that did; who comes meanwhile is told.
#[test]
fn try_acquire_vs_try_acquire_awake() {
    fn drive((container, object): &(Container, Object)) -> &'static str {
        match container.try_acquire() {
            Ok(_handle) => {
                object.operate(0);
                "drove it"
            }
            Err(BackendError::Busy) => "told busy",
            Err(error) => panic!("{error:?}"),
        }
    }
    explore([("drove it", "drove it"), ("drove it", "told busy"), ("told busy", "drove it")], || {
        let stage = Arc::new((container(), Object::new()));
        let other = with(&stage, drive);
        let this = drive(&stage);
        (this, join(other))
    });
}

/// The right to drive goes from one thread to the next, and below it another backend's.
#[test]
fn layers_given_back_vs_acquire() {
    explore([()], || {
        let stage = Arc::new((container(), container(), Object::new()));
        let other = with(&stage, |(outer, inner, object)| {
            let handle = inner.acquire(Wait::FOREVER).expect("it never ends");
            let handle = outer.acquire_nested(handle).expect("nobody else takes it");
            object.operate(0);
            drop(handle);
        });
        let handle = stage.1.acquire(Wait::FOREVER).expect("it never ends");
        stage.2.operate(0);
        drop(handle);
        join(other);
        assert!(stage.0.try_acquire().is_ok() && stage.1.try_acquire().is_ok());
    });
}

/// Whoever finds it rung, and clears that, sees what the waker did.
#[test]
fn wake_vs_clear_awake() {
    explore([true, false], || {
        let stage = Arc::new((rings(), Object::new()));
        let waker = with(&stage, |(wakes, object)| {
            object.operate(0);
            wakes.wake_up();
        });
        let (wakes, object) = &*stage;
        let is_rung = wakes.doorbell().count() > 0;
        if is_rung {
            wakes.clear();
            object.operate(0);
        }
        join(waker);
        assert!(is_rung || wakes.doorbell().count() > 0, "a wake was lost");
        is_rung
    });
}

/// It was rung before: what a wake adds is seen after the clearing, or it rings anew.
#[test]
fn another_wake_vs_clear_awake() {
    explore([(true, false), (true, true), (false, true)], || {
        let stage = Arc::new((rings(), AtomicBool::new(false)));
        let (wakes, said) = &*stage;
        wakes.wake_up();
        let waker = with(&stage, |(wakes, said)| {
            said.store(true, Ordering::Relaxed);
            wakes.wake_up();
        });
        wakes.clear();
        let seen = said.load(Ordering::Relaxed);
        join(waker);
        let is_rung = wakes.doorbell().count() > 0;
        assert!(seen || is_rung, "a wake was lost");
        (seen, is_rung)
    });
}

/// Two wakes, and whoever clears as often as it is rung: it ends quiet, and neither is lost.
#[test]
fn wake_vs_wake_vs_clear() {
    explore_at_most(3, [1, 2], || {
        let stage = Arc::new((rings(), AtomicUsize::new(0)));
        let wakers = [(); 2].map(|()| {
            with(&stage, |(wakes, said)| {
                said.fetch_add(1, Ordering::Relaxed);
                wakes.wake_up();
            })
        });
        let (wakes, said) = &*stage;
        let mut turns = 0;
        while said.load(Ordering::Relaxed) < 2 {
            Watched(wakes).poll(&PollingFlags::all(), Deadline::NEVER).expect("it is rung");
            turns += 1;
        }
        let _ = wakers.map(join);
        // One that came late, for what was seen already.
        turns + wakes.doorbell().count()
    });
}

/// A wake that begins after the end rings nothing.
#[test]
fn wake_vs_close() {
    explore(["rung", "silent"], || {
        let stage = Arc::new((rings(), AtomicBool::new(false)));
        let (wakes, closed) = &*stage;
        let waker = with(&stage, |(wakes, closed)| {
            let late = closed.load(Ordering::Relaxed);
            wakes.wake_up();
            late
        });
        wakes.close();
        closed.store(true, Ordering::Relaxed);
        let late = join(waker);
        let rung = wakes.doorbell().count() > 0;
        assert!(!(late && rung), "rung after the end");
        if rung { "rung" } else { "silent" }
    });
}

/// Something to be driven, and what wakes it.
struct Loop {
    container: Container,
    wakes: Arc<Wakes<Rings>>,
    /// What the future has asked to be woken by.
    asks: Mutex<Option<Waker>>,
    said: AtomicUsize,
}

impl Loop {
    fn new() -> Arc<Loop> {
        let (wakes, asks) = (Arc::new(rings()), Mutex::new(None));
        Arc::new(Loop { container: container(), wakes, asks, said: AtomicUsize::new(0) })
    }

    /// Drives until so much was said, and polls `meanwhile` at each turn.
    fn drive(&self, until: usize, meanwhile: impl Fn()) {
        let future = poll_fn(|context| {
            self.asks.lock().expect("no panic").get_or_insert_with(|| context.waker().clone());
            let said = self.said.load(Ordering::Relaxed);
            meanwhile();
            if said >= until { Poll::Ready(()) } else { Poll::Pending }
        });
        let flags = PollingFlags::all();
        let waker = Waker::from(Arc::clone(&self.wakes));
        let polling = PollingHandle::new(Watched(&self.wakes), &flags, PollingFlags::all(), waker);
        let handle = self.container.try_acquire().expect("nobody drives it");
        block_on(future, handle, Some(polling), Wait::FOREVER).expect("it never ends");
    }

    /// And wakes the future, if it has asked for that: else it will look.
    fn say(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
        let asked = self.asks.lock().expect("no panic").clone();
        if let Some(waker) = asked {
            waker.wake();
        }
    }

    /// And wakes by what the backend is watched by.
    fn ring(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
        self.wakes.wake_up();
    }
}

/// The future is woken while it is polled, or as the thread falls asleep, or before it begins.
#[test]
fn wake_vs_drive() {
    explore([()], || {
        let stage = Loop::new();
        let speaker = with(&stage, Loop::say);
        stage.drive(1, || {});
        join(speaker);
    });
}

/// Called while it is polled: the next poll sees what the caller did.
#[test]
fn call_vs_drive_awake() {
    /// Ready for no reason: it notes that somebody would have slept.
    struct NeverSleeps<'a>(&'a AtomicBool);
    impl Pollable for NeverSleeps<'_> {
        fn poll(&self, _flags: &PollingFlags, _deadline: Deadline) -> io::Result<bool> {
            self.0.store(true, Ordering::Relaxed);
            Ok(true)
        }
    }
    explore(["called", "slept"], || {
        let (stage, slept, container) = (Arc::new(Object::new()), AtomicBool::new(false), container());
        let mut caller = None;
        let future = poll_fn(|context| {
            if caller.is_none() {
                let waker = context.waker().clone();
                caller = Some(with(&stage, move |object| {
                    object.operate(0);
                    waker.wake();
                }));
                return Poll::Pending;
            }
            let slept = slept.load(Ordering::Relaxed);
            if !slept {
                stage.operate(0);
            }
            Poll::Ready(if slept { "slept" } else { "called" })
        });
        let flags = PollingFlags::all();
        let polling = PollingHandle::new(NeverSleeps(&slept), &flags, PollingFlags::all(), Waker::noop().clone());
        let handle = container.try_acquire().expect("nobody drives it");
        let answer = block_on(future, handle, Some(polling), Wait::FOREVER).expect("it never ends");
        join(caller.expect("polled"));
        answer
    });
}

/// What its backend is watched by is rung.
#[test]
fn ring_vs_drive() {
    explore([()], || {
        let stage = Loop::new();
        let speaker = with(&stage, Loop::ring);
        stage.drive(1, || {});
        join(speaker);
    });
}

/// Both.
#[test]
fn wake_vs_ring_vs_drive() {
    explore_at_most(2, [()], || {
        let stage = Loop::new();
        let speakers = [with(&stage, Loop::say), with(&stage, Loop::ring)];
        stage.drive(2, || {});
        let _ = speakers.map(join);
    });
}

/// The backend, polled after the future, takes what was rung: what the future was woken by is not lost with it.
#[test]
fn wake_vs_clearing_while_polled() {
    explore([()], || {
        let stage = Loop::new();
        let speaker = with(&stage, Loop::say);
        stage.drive(1, || stage.wakes.clear());
        join(speaker);
    });
}
