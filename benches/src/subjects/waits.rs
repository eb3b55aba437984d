//! Locks and semaphores: each takes, touches what it protects, and gives back.
//!
//! Those with an asynchronous face are asked for it twice: by the call that blocks, and by their future, polled once (it is
//! ready at once when nobody else is there).

use crate::libraries::Quiescent;
use crate::subject::{Payload, Role, Subject, counted, repeated};
use quiescent_core::Wait;
use quiescent_core::sync::{ContendedMutex, Mutex, Semaphore};
use std::ffi::c_void;
use std::future::Future;
use std::pin::pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

/// A future that need not wait.
pub(super) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nobody else has it"),
    }
}

/// Those that block, the baseline first: any number of threads may use one.
pub fn blocking() -> Vec<Box<dyn Subject>> {
    let payload = Payload::default;
    let semaphore = || (Semaphore::new(1, 1).expect("these are allowed"), payload());
    vec![
        Box::new(repeated(
            "parking_lot Mutex",
            Role::Baseline,
            [parking_lot::Mutex::new(payload()), parking_lot::Mutex::new(payload())],
            || (),
            |object, ()| object.lock().touch(),
        )),
        Box::new(repeated(
            "parking_lot FairMutex",
            Role::Rival,
            [parking_lot::FairMutex::new(payload()), parking_lot::FairMutex::new(payload())],
            || (),
            |object, ()| object.lock().touch(),
        )),
        Box::new(repeated(
            "std Mutex",
            Role::Rival,
            [std::sync::Mutex::new(payload()), std::sync::Mutex::new(payload())],
            || (),
            |object, ()| object.lock().expect("no panic").touch(),
        )),
        Box::new(repeated(
            "tokio Mutex, blocking",
            Role::Rival,
            [tokio::sync::Mutex::new(payload()), tokio::sync::Mutex::new(payload())],
            || (),
            |object, ()| object.blocking_lock().touch(),
        )),
        Box::new(repeated(
            "async-lock Mutex, blocking",
            Role::Rival,
            [async_lock::Mutex::new(payload()), async_lock::Mutex::new(payload())],
            || (),
            |object, ()| object.lock_blocking().touch(),
        )),
        Box::new(repeated(
            "Mutex, blocking",
            Role::Ours,
            [Mutex::new(payload()), Mutex::new(payload())],
            || (),
            |object, ()| object.lock(Wait::FOREVER).expect("no panic").touch(),
        )),
        Box::new(repeated(
            "ContendedMutex, blocking",
            Role::Ours,
            [ContendedMutex::new(payload()), ContendedMutex::new(payload())],
            || (),
            |object, ()| object.lock(Wait::FOREVER).expect("no panic").touch(),
        )),
        Box::new(repeated(
            "Semaphore, blocking",
            Role::Ours,
            [semaphore(), semaphore()],
            || (),
            |(semaphore, object), ()| {
                let _permit = semaphore.acquire(1, Wait::FOREVER).expect("it is open");
                object.touch()
            },
        )),
    ]
}

/// Futures that are ready at once: one thread on each.
pub fn futures() -> Vec<Box<dyn Subject>> {
    let payload = Payload::default;
    let semaphore = || (Semaphore::new(1, 1).expect("these are allowed"), payload());
    vec![
        Box::new(repeated(
            "tokio Mutex, future",
            Role::Rival,
            [tokio::sync::Mutex::new(payload()), tokio::sync::Mutex::new(payload())],
            || (),
            |object, ()| at_once(object.lock()).touch(),
        )),
        Box::new(repeated(
            "tokio Semaphore, future",
            Role::Rival,
            [(tokio::sync::Semaphore::new(1), payload()), (tokio::sync::Semaphore::new(1), payload())],
            || (),
            |(semaphore, object), ()| {
                let _permit = at_once(semaphore.acquire()).expect("it is open");
                object.touch()
            },
        )),
        Box::new(repeated(
            "async-lock Mutex, future",
            Role::Rival,
            [async_lock::Mutex::new(payload()), async_lock::Mutex::new(payload())],
            || (),
            |object, ()| at_once(object.lock()).touch(),
        )),
        Box::new(repeated(
            "Mutex, future",
            Role::Ours,
            [Mutex::new(payload()), Mutex::new(payload())],
            || (),
            |object, ()| at_once(object.lock_async()).expect("no panic").touch(),
        )),
        Box::new(repeated(
            "Semaphore, future",
            Role::Ours,
            [semaphore(), semaphore()],
            || (),
            |(semaphore, object), ()| {
                let _permit = at_once(semaphore.acquire_async(1)).expect("it is open");
                object.touch()
            },
        )),
    ]
}

/// The mutex of the C library: a handle to lock, a hold to release.
pub fn in_c(quiescent: &Quiescent) -> impl Subject + use<> {
    let (new, lock, release) = (quiescent.mutex_new, quiescent.mutex_lock, quiescent.hold_release);
    let open = || {
        let mut mutex: *mut c_void = ptr::null_mut();
        // SAFETY: `mutex` is writable.
        assert_eq!(unsafe { new(&mut mutex) }, 0);
        mutex.addr()
    };
    let mutexes = [open(), open()];
    let object = Payload::default();
    counted("qz_mutex_lock + qz_hold_release", Role::Ours, move |at, calls| {
        let mutex = ptr::without_provenance_mut(mutexes[at]);
        for _ in 0..calls {
            let mut hold: *mut c_void = ptr::null_mut();
            // SAFETY: `hold` is writable; no cancel token.
            assert_eq!(unsafe { lock(mutex, -1, ptr::null_mut(), &mut hold) }, 0);
            object.touch();
            // SAFETY: any value may be released.
            unsafe { release(hold) };
        }
    })
}
