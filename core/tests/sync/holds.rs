//! What a hold has taken of a handle is given back once, on whatever thread, before the hold ends; what has taken nothing gives
//! nothing back.

use quiescent_core::sync::Semaphore;
use quiescent_core::{Error, Freed, Handle, Kind, Token, Wait, ffi};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lends numbers, and adds up what comes back.
struct Lender {
    returned: &'static AtomicU64,
}

static LENDER: Kind<Lender> = Kind::new("lender");

impl Handle for Lender {
    fn kind() -> &'static Kind<Lender> {
        &LENDER
    }

    fn on_release(&self, taken: u64) {
        // A panic in here would be contained. Nothing is never given back: that adds a million.
        self.returned.fetch_add(if taken == 0 { 1_000_000 } else { taken }, Ordering::Relaxed);
    }
}

fn lender() -> (Token<Lender>, &'static AtomicU64) {
    let returned: &'static AtomicU64 = Box::leak(Box::default());
    (Token::open(Lender { returned }).expect("memory"), returned)
}

fn take(token: Token<Lender>, taken: Result<u64, Error>) -> (ffi::Status, *mut u8) {
    let mut hold: *mut u8 = null_mut();
    let handle = token.into_raw::<u8>();
    // SAFETY: `hold` is writable.
    let status =
        unsafe { ffi::take(handle, c"take", 0, null_mut::<u8>(), &raw mut hold, |_: &Lender, _: Wait<'_>| taken) };
    (status, hold)
}

#[test]
fn given_back_once_on_whatever_thread() {
    let (token, returned) = lender();
    let (status, hold) = take(token, Ok(7));
    assert_eq!(status, ffi::Status::Ok);
    let address = hold.addr();
    std::thread::spawn(move || {
        assert_eq!(ffi::release(std::ptr::without_provenance_mut::<u8>(address)), ffi::Status::Ok);
    })
    .join()
    .unwrap();
    assert_eq!(ffi::release(hold), ffi::Status::AlreadyFreed);
    assert_eq!(returned.load(Ordering::Relaxed), 7);
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed));
}

#[test]
fn what_was_refused_gives_nothing_back() {
    let (token, returned) = lender();
    let (status, hold) = take(token, Err(Error::Busy));
    assert_eq!((status, hold.is_null()), (Error::Busy.into(), true));
    assert_eq!(returned.load(Ordering::Relaxed), 0);
    assert_eq!(token.try_free(), Ok(Freed::Destroyed), "the wait has left");
}

/// In the slot of one that had taken something.
#[test]
fn a_hold_that_has_taken_nothing_gives_nothing_back() {
    let (token, returned) = lender();
    assert_eq!(ffi::release(take(token, Ok(5)).1), ffi::Status::Ok);
    let plain = token.hold(c"plain").unwrap().into_token().unwrap();
    assert_eq!(plain.release(), Ok(Freed::Destroyed));
    assert_eq!(returned.load(Ordering::Relaxed), 5);
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed));
}

/// The value is alive while it takes back, and destroyed right after, by the release of the last hold.
#[test]
fn given_back_before_the_value_is_destroyed() {
    let (token, returned) = lender();
    let (_, hold) = take(token, Ok(3));
    assert_eq!(token.free(Duration::from_secs(5)), Ok(Freed::Pending));
    assert_eq!(ffi::release(hold), ffi::Status::Ok);
    assert_eq!(returned.load(Ordering::Relaxed), 3);
    assert_eq!(token.wait_freed(Duration::ZERO), Ok(()));
}

/// A free wakes everybody who waits, at once, and none is lost.
#[test]
fn a_thousand_that_wait_are_out_within_the_drain() {
    let token = Token::open(Semaphore::new(0, 1).expect("allowed")).expect("memory");
    let address = token.into_raw::<u8>().addr();
    let inside = AtomicU64::new(0);
    let wait = || {
        let handle = std::ptr::without_provenance_mut::<u8>(address);
        let mut hold: *mut u8 = null_mut();
        inside.fetch_add(1, Ordering::SeqCst);
        // SAFETY: `hold` is writable.
        unsafe {
            ffi::take(handle, c"take", 60_000, null_mut::<u8>(), &raw mut hold, |s: &Semaphore, wait| s.take(1, wait))
        }
    };
    std::thread::scope(|scope| {
        let begin = || std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, wait).expect("a thread");
        let waiters: Vec<_> = (0..1000).map(|_| begin()).collect();
        while inside.load(Ordering::SeqCst) < 1000 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(token.free(Duration::from_secs(20)), Ok(Freed::Destroyed), "somebody did not wake");
        for waiter in waiters {
            assert_eq!(waiter.join().expect("no panic"), Error::Freed.into());
        }
    });
}
