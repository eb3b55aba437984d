//! `quiesce_all`, in a process of its own: it frees the handles of every other test.

#![cfg(not(loom))]

use quiescent_core::handle::quiesce_all;
use quiescent_core::{Error, Freed, Handle, Kind, Token, ffi};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

static DROPS: AtomicUsize = AtomicUsize::new(0);

struct One;
static ONE: Kind<One> = Kind::new("one");
impl Handle for One {
    fn kind() -> &'static Kind<One> {
        &ONE
    }
}
impl Drop for One {
    fn drop(&mut self) {
        DROPS.fetch_add(1, SeqCst);
    }
}

struct Two;
static TWO: Kind<Two> = Kind::new("two");
impl Handle for Two {
    fn kind() -> &'static Kind<Two> {
        &TWO
    }
}
impl Drop for Two {
    fn drop(&mut self) {
        DROPS.fetch_add(1, SeqCst);
    }
}

#[test]
fn all_handles_of_every_kind_are_freed_and_the_kinds_stay_usable() {
    assert_eq!(quiesce_all(Duration::MAX), Ok(0), "there are none");
    let ones: Vec<_> = (0..300).map(|_| Token::open(One).expect("a new handle")).collect();
    let twos: Vec<_> = (0..300).map(|_| Token::open(Two).expect("a new handle")).collect();
    assert_eq!(quiesce_all(Duration::ZERO), Ok(0));
    assert_eq!(DROPS.load(SeqCst), 600);
    assert!(ones.iter().all(|one| one.free(Duration::ZERO) == Ok(Freed::AlreadyFreed)));
    assert!(twos.iter().all(|two| two.enter(c"late").err() == Some(Error::Freed)));

    let idle = Token::open(One).expect("its kind is still usable");
    let busy = Token::open(Two).expect("its kind is still usable");
    let hold = thread::spawn(move || busy.hold(c"in the way").expect("open")).join().expect("no panic");
    let start = Instant::now();
    assert_eq!(quiesce_all(Duration::from_millis(30)), Ok(1));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(30) && took < Duration::from_secs(5), "took {took:?} instead of 30 ms");
    assert_eq!((idle.free(Duration::ZERO), busy.is_closing()), (Ok(Freed::AlreadyFreed), true));
    assert_eq!(DROPS.load(SeqCst), 601);

    let mut left = 7;
    // SAFETY: writable.
    assert_eq!(unsafe { ffi::quiesce_all(1, &raw mut left) }, ffi::Status::FreePending);
    assert_eq!(left, 1);
    // SAFETY: a C string of this thread's.
    let words = unsafe { std::ffi::CStr::from_ptr(ffi::last_error()) }.to_str().expect("UTF-8");
    assert!(words.starts_with("1 handles are left"), "{words}");
    drop(hold);
    assert_eq!(DROPS.load(SeqCst), 602);
    // SAFETY: writable.
    assert_eq!(unsafe { ffi::quiesce_all(ffi::DEFAULT_TIMEOUT, &raw mut left) }, ffi::Status::Ok);
    assert_eq!(left, 0);
    assert_eq!(Token::open(One).expect("its kind is still usable").free(Duration::ZERO), Ok(Freed::Destroyed));

    // From inside an operation: that one is left, without a wait, and ends with the operation.
    let inside = Token::open(One).expect("its kind is still usable");
    let operation = inside.enter(c"quiesce").expect("open");
    assert_eq!(quiesce_all(Duration::MAX), Ok(1));
    drop(operation);
    assert_eq!(inside.free(Duration::ZERO), Ok(Freed::AlreadyFreed));
}
