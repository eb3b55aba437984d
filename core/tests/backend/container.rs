//! Who drives a backend: one at a time, whoever it is.

use crate::in_time;
use quiescent_core::backend::{BackendContainer, BackendError, BackendHandle, DynBackend, WithBackend};
use quiescent_core::sync::CancelToken;
use quiescent_core::{Interrupted, Wait};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

type Log = Arc<Mutex<Vec<&'static str>>>;

/// A backend that says when it is polled, and when it is dropped.
fn logging(log: &Log, name: &'static str, dropped: &'static str) -> BackendContainer<DynBackend> {
    struct Dropped(Log, &'static str);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.lock().expect("no panic").push(self.1);
        }
    }
    let dropped = Dropped(Arc::clone(log), dropped);
    BackendContainer::new_dyn(poll_fn(move |_| {
        dropped.0.lock().expect("no panic").push(name);
        Poll::Pending
    }))
}

fn taken(log: &Log) -> Vec<&'static str> {
    std::mem::take(&mut *log.lock().expect("no panic"))
}

fn drive<B: Future<Output = ()> + Send + ?Sized>(handle: &mut BackendHandle<'_, B>) -> Result<(), BackendError> {
    handle.drive(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_second_holder_is_told_busy() {
    let container = BackendContainer::new(pending());
    let handle = container.try_acquire().expect("nobody drives it");
    assert!(matches!(container.try_acquire(), Err(BackendError::Busy)));
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(matches!(container.try_acquire(), Err(BackendError::Busy))));
    });
    drop(handle);
    assert!(container.try_acquire().is_ok());
}

#[test]
fn it_does_not_matter_who_drives_it_nor_who_gives_it_back() {
    let container = BackendContainer::new_dyn(pending());
    let mut handle = container.try_acquire().expect("nobody drives it");
    drive(&mut handle).expect("pending");
    std::thread::scope(|threads| {
        threads.spawn(move || drive(&mut handle).expect("pending"));
    });
    // Not the thread's that took it: it is not told that it waits for itself.
    let handle = container.acquire(Wait::NOT).expect("given back");
    assert!(matches!(container.acquire(Wait::NOT), Err(BackendError::Interrupted(Interrupted::TimedOut))));
    drop(handle);
}

#[test]
fn whoever_waits_gets_it_when_it_is_given_back() {
    in_time(|| {
        let container = BackendContainer::new(pending());
        let handle = container.try_acquire().expect("nobody drives it");
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| container.acquire(Wait::FOREVER).is_ok());
            std::thread::sleep(Duration::from_millis(20));
            drop(handle);
            assert!(waits.join().expect("no panic"));
        });
    });
}

#[test]
fn a_wait_for_it_ends_at_the_deadline_or_when_it_is_cancelled() {
    let container = BackendContainer::new(pending());
    let _handle = container.try_acquire().expect("nobody drives it");
    let timed_out = container.acquire(Duration::from_millis(5).into());
    assert!(matches!(timed_out, Err(BackendError::Interrupted(Interrupted::TimedOut))));
    let cancel = CancelToken::new().expect("memory");
    cancel.cancel();
    let cancelled = container.acquire(Wait::FOREVER.or_cancelled(&cancel));
    assert!(matches!(cancelled, Err(BackendError::Interrupted(Interrupted::Cancelled))));
}

#[test]
fn a_backend_that_completes_is_an_error_then_and_later() {
    let container = BackendContainer::new(ready(()));
    let mut driven = pin!(WithBackend::new(pending::<()>(), container.try_acquire().expect("nobody drives it")));
    let context = &mut Context::from_waker(Waker::noop());
    assert!(matches!(driven.as_mut().poll(context), Poll::Ready(Err(BackendError::Ended))));
    // Not polled again, which a completed future may answer by a panic.
    assert!(matches!(driven.as_mut().poll(context), Poll::Ready(Err(BackendError::Ended))));
    assert!(matches!(container.try_acquire(), Err(BackendError::Busy)));
}

#[test]
fn a_backend_that_has_completed_is_not_to_be_had() {
    let container = BackendContainer::new(ready(()));
    let mut handle = container.try_acquire().expect("nobody drives it");
    assert!(matches!(drive(&mut handle), Err(BackendError::Ended)));
    drop(handle);
    assert!(matches!(container.try_acquire(), Err(BackendError::Ended)));
    assert!(matches!(container.acquire(Wait::FOREVER), Err(BackendError::Ended)));
}

#[test]
fn a_future_that_is_ready_does_not_need_the_backend() {
    let log = Log::default();
    let container = logging(&log, "backend", "dropped");
    let driven = pin!(WithBackend::new(ready(7), container.try_acquire().expect("nobody drives it")));
    assert!(matches!(driven.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7))));
    assert!(taken(&log).is_empty());
}

#[test]
fn layers_are_polled_from_the_outside_in() {
    let log = Log::default();
    let [outer, middle, inner] = ["outer", "middle", "inner"].map(|name| logging(&log, name, "dropped"));
    let handle = inner.try_acquire().expect("nobody drives it");
    let handle = middle.acquire_nested(handle).expect("nobody drives it");
    let handle = outer.acquire_nested(handle).expect("nobody drives it");
    let own = {
        let log = Arc::clone(&log);
        poll_fn(move |_| {
            log.lock().expect("no panic").push("own");
            Poll::<()>::Pending
        })
    };
    let mut driven = pin!(WithBackend::new(own, handle));
    for _ in 0..2 {
        assert!(driven.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(taken(&log), ["own", "outer", "middle", "inner"]);
    }
}

/// Says when it is woken.
struct Says(Log, &'static str);

impl Wake for Says {
    fn wake(self: Arc<Self>) {
        self.0.lock().expect("no panic").push(self.1);
    }
}

#[test]
fn layers_are_given_back_from_the_inside_out() {
    let log = Log::default();
    let containers = ["outer", "middle", "inner"].map(|name| (name, BackendContainer::new(pending())));
    let [(_, outer), (_, middle), (_, inner)] = &containers;
    let handle = middle.acquire_nested(inner.try_acquire().expect("nobody drives it")).expect("nobody drives it");
    let handle = outer.acquire_nested(handle).expect("nobody drives it");
    let mut waiting = Vec::new();
    for (name, container) in &containers {
        let mut waits = Box::pin(container.acquire_async());
        let waker = Waker::from(Arc::new(Says(Arc::clone(&log), name)));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "a layer is held");
        waiting.push(waits);
    }
    drop(handle);
    assert_eq!(taken(&log), ["inner", "middle", "outer"]);
}

#[test]
fn whoever_is_refused_the_outer_one_gives_back_the_inner_one() {
    let (outer, inner) = (BackendContainer::new(pending()), BackendContainer::new(pending()));
    let held = outer.try_acquire().expect("nobody drives it");
    let handle = inner.try_acquire().expect("nobody drives it");
    assert!(matches!(outer.acquire_nested(handle), Err(BackendError::Busy)));
    assert!(inner.try_acquire().is_ok());
    // On top of itself.
    assert!(matches!(outer.acquire_nested(held), Err(BackendError::Busy)));
    assert!(outer.try_acquire().is_ok());
}

#[test]
fn an_inner_backend_that_completes_is_an_error_too() {
    let (outer, inner) = (BackendContainer::new(pending()), BackendContainer::new(ready(())));
    let handle = inner.try_acquire().expect("nobody drives it");
    let mut handle = outer.acquire_nested(handle).expect("nobody drives it");
    assert!(matches!(drive(&mut handle), Err(BackendError::Ended)));
    drop(handle);
    assert!(outer.try_acquire().is_ok());
    assert!(matches!(inner.try_acquire(), Err(BackendError::Ended)));
}

/// What was stored in the outer container once outlived the inner one, when the handle was forgotten.
#[test]
fn a_forgotten_handle_locks_for_ever_and_frees_nothing() {
    let log = Log::default();
    let outer = logging(&log, "outer", "outer dropped");
    {
        let inner = logging(&log, "inner", "inner dropped");
        let handle = inner.try_acquire().expect("nobody drives it");
        let mut handle = outer.acquire_nested(handle).expect("nobody drives it");
        drive(&mut handle).expect("pending");
        std::mem::forget(handle);
        assert!(matches!(inner.try_acquire(), Err(BackendError::Busy)));
        assert!(matches!(outer.try_acquire(), Err(BackendError::Busy)));
        assert_eq!(taken(&log), ["outer", "inner"]);
    }
    assert_eq!(taken(&log), ["inner dropped"]);
    assert!(matches!(outer.try_acquire(), Err(BackendError::Busy)));
    assert!(matches!(outer.acquire(Wait::NOT), Err(BackendError::Interrupted(Interrupted::TimedOut))));
    drop(outer);
    assert_eq!(taken(&log), ["outer dropped"]);
}

#[test]
fn a_panic_while_driving_gives_all_layers_back() {
    let (outer, inner) = (BackendContainer::new(pending()), BackendContainer::new_dyn(pending()));
    let handle = inner.try_acquire().expect("nobody drives it");
    let handle = outer.acquire_nested(handle).expect("nobody drives it");
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let mut driven = pin!(WithBackend::new(poll_fn(|_| -> Poll<()> { panic!("on purpose") }), handle));
        let _ = driven.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }));
    assert!(panics.is_err());
    for _ in 0..2 {
        drive(&mut inner.try_acquire().expect("given back")).expect("pending");
        drive(&mut outer.acquire(Wait::NOT).expect("given back")).expect("pending");
    }
}

#[test]
fn a_backend_that_panics_is_given_back_too() {
    let mut polls = 0;
    let container = BackendContainer::new_dyn(poll_fn(move |_| {
        polls += 1;
        assert!(polls != 1, "on purpose");
        Poll::Pending
    }));
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let mut handle = container.try_acquire().expect("nobody drives it");
        drive(&mut handle)
    }));
    assert!(panics.is_err());
    drive(&mut container.try_acquire().expect("given back")).expect("pending");
}

#[test]
fn a_container_may_move_between_two_that_drive_it() {
    // Refers to itself once it was polled, so it must not move.
    let log = Log::default();
    let container = {
        let log = Arc::clone(&log);
        BackendContainer::new_dyn(async move {
            let text = String::from("as it was");
            let first = &text;
            let mut turn = 0;
            poll_fn(|_| {
                turn += 1;
                assert_eq!(first, "as it was");
                log.lock().expect("no panic").push("polled");
                Poll::<()>::Pending
            })
            .await;
        })
    };
    drive(&mut container.try_acquire().expect("nobody drives it")).expect("pending");
    let moved = Box::new(container);
    drive(&mut moved.try_acquire().expect("nobody drives it")).expect("pending");
    let moved = *moved;
    drive(&mut moved.try_acquire().expect("nobody drives it")).expect("pending");
    assert_eq!(taken(&log), ["polled"; 3]);
}

/// Many threads, one backend: it is polled by one at a time, and each sees what the others left.
#[test]
fn many_threads_take_turns() {
    in_time(|| {
        const ROUNDS: u32 = 2_000;
        let mut polls = 0;
        let (told, heard) = std::sync::mpsc::channel();
        let container = BackendContainer::new_dyn(poll_fn(move |_| {
            polls += 1;
            told.send(polls).expect("heard");
            Poll::Pending
        }));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..ROUNDS {
                        drive(&mut container.acquire(Wait::FOREVER).expect("it never ends")).expect("pending");
                    }
                });
            }
        });
        drop(container);
        assert!(heard.iter().eq(1..=4 * ROUNDS), "polled by two at a time");
    });
}
