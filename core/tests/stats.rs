//! The statistics, in a process of their own and one test at a time: every number is exact.

#![cfg(not(loom))]

use quiescent_core::ffi::{self, Status};
use quiescent_core::handle::{AnyHandle, AnyKind, Hooks, Misuses, Refusals, Stats, stats};
use quiescent_core::{Error, Freed, Handle, Kind, Token};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

struct Plain;
static PLAIN: Kind<Plain> = Kind::new("plain");
impl Handle for Plain {
    fn kind() -> &'static Kind<Plain> {
        &PLAIN
    }
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The kind is made with the first handle.
    assert_eq!(open().free(LONG), Ok(Freed::Destroyed));
    alone
}

fn open() -> Token<Plain> {
    Token::open(Plain).expect("a new handle")
}

/// What `body` adds to the counts; and then what there is.
fn counted(body: impl FnOnce()) -> Stats {
    let before = stats();
    body();
    let after = stats();
    Stats {
        opened: after.opened - before.opened,
        freed: after.freed - before.freed,
        drains: after.drains - before.drains,
        barriers: after.barriers - before.barriers,
        refusals: Refusals {
            null: after.refusals.null - before.refusals.null,
            bad_handle: after.refusals.bad_handle - before.refusals.bad_handle,
            wrong_kind: after.refusals.wrong_kind - before.refusals.wrong_kind,
            freed: after.refusals.freed - before.refusals.freed,
            forked: after.refusals.forked - before.refusals.forked,
            busy: after.refusals.busy - before.refusals.busy,
            other: after.refusals.other - before.refusals.other,
        },
        ..after
    }
}

/// With nothing but this kind.
const NOTHING: Stats = Stats {
    live: 0,
    pending: 0,
    kinds: 1,
    retired: 0,
    opened: 0,
    freed: 0,
    drains: 0,
    barriers: 0,
    refusals: Refusals { null: 0, bad_handle: 0, wrong_kind: 0, freed: 0, forked: 0, busy: 0, other: 0 },
    // Ignored, as nobody has said otherwise.
    misuses: Misuses { double_free: 0, stale: 0, wrong_kind: 0, not_inside: 0 },
};

#[test]
fn what_there_is_and_what_has_happened() {
    let _alone = alone();
    assert_eq!(counted(|| {}), NOTHING);
    let [first, second, third] = [(); 3].map(|()| open());
    let operation = first.enter(c"in the way").expect("open");
    let did = counted(|| {
        assert_eq!(open().free(LONG), Ok(Freed::Destroyed));
        assert_eq!(first.try_free(), Err(Error::Busy));
        assert_eq!(first.free(Duration::ZERO), Ok(Freed::Pending));
        assert_eq!(second.free(LONG), Ok(Freed::Destroyed));
        assert_eq!(second.free(LONG), Ok(Freed::AlreadyFreed));
    });
    assert_eq!(did, Stats { live: 2, pending: 1, opened: 1, freed: 2, drains: 1, ..NOTHING });
    let did = counted(|| assert_eq!(first.free(Duration::ZERO), Ok(Freed::Pending)));
    assert_eq!(did, Stats { live: 2, pending: 1, drains: 1, ..NOTHING }, "a further free finds somebody inside, too");
    let did = counted(|| drop(operation));
    assert_eq!(did, Stats { live: 1, freed: 1, ..NOTHING }, "the last one out frees it");
    let did = counted(|| {
        let hold = third.hold(c"held").expect("open").into_token().expect("memory");
        assert_eq!(hold.release(), Ok(Freed::Destroyed));
        assert_eq!(third.free(LONG), Ok(Freed::Destroyed));
    });
    assert_eq!(did, Stats { freed: 1, ..NOTHING }, "holds are no handles");
}

#[test]
fn kinds_are_counted_apart() {
    let _alone = alone();
    let hooks = Hooks { on_close: None, on_destroy: None, ctx: null_mut() };
    let did = counted(|| {
        // SAFETY: without callbacks.
        let [one, other] = [(); 2].map(|()| unsafe { AnyKind::new("of the test", hooks) }.expect("memory"));
        // SAFETY: as above.
        unsafe { AnyHandle::open(one, null_mut()) }.expect("memory");
        assert_eq!((stats().kinds, stats().live), (3, 1));
        assert_eq!(one.handle().free(None, Duration::ZERO), Ok(Freed::Pending), "its handle is open");
        assert_eq!((stats().kinds, stats().pending), (3, 0));
        assert_eq!(one.close(LONG), Ok((Freed::AlreadyFreed, 0)));
        assert_eq!(other.handle().free(None, LONG), Ok(Freed::Destroyed));
    });
    assert_eq!(did, Stats { opened: 1, freed: 1, ..NOTHING }, "a kind that waits for its handles is no drain");
}

#[test]
fn what_threads_counted_outlives_them() {
    let _alone = alone();
    let before = stats().opened;
    for ended in 1..=20 {
        let token = thread::spawn(open).join().expect("no panic");
        assert_eq!(stats().opened - before, ended);
        assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    }
    let start = std::sync::Barrier::new(4);
    let many = || {
        start.wait();
        (0..20_000).for_each(|_| assert_eq!(open().free(LONG), Ok(Freed::Destroyed)));
    };
    let did = counted(|| thread::scope(|scope| [(); 4].iter().for_each(|()| drop(scope.spawn(many)))));
    assert_eq!(did, Stats { opened: 80_000, freed: 80_000, ..NOTHING }, "each counts its own, and none is lost");
}

/// A free that another thread destroys for is counted before anybody can know that it is over.
#[test]
fn a_handle_that_is_known_to_be_freed_is_counted() {
    let _alone = alone();
    for _ in 0..200 {
        let token = open();
        let did = counted(|| {
            thread::scope(|scope| {
                scope.spawn(|| token.free(LONG));
                assert_eq!(token.wait_freed(LONG), Ok(()));
                // The other thread may not have returned yet.
                assert_eq!(stats().live, 0);
            });
        });
        assert_eq!((did.freed, did.live), (1, 0));
    }
}

/// On Linux, where there is a barrier.
#[cfg(target_os = "linux")]
#[test]
fn a_busy_handle_is_freed_with_one_barrier() {
    /// Entered so often, a handle is freed with a barrier.
    const BUSY: u32 = 1000;
    let _alone = alone();
    // Another thread's record: else there is nobody to order.
    assert_eq!(thread::spawn(|| open().free(LONG)).join().expect("no panic"), Ok(Freed::Destroyed));
    let free_one = |entries: u32| {
        let token = open();
        (0..entries).for_each(|_| drop(token.enter(c"busy").expect("open")));
        counted(|| assert_eq!(token.free(LONG), Ok(Freed::Destroyed))).barriers
    };
    assert_eq!((free_one(1), free_one(BUSY), free_one(1), free_one(BUSY)), (0, 1, 0, 1));
}

#[test]
fn every_refusal_is_of_one_class() {
    let _alone = alone();
    let refuse = |error: Error| assert_eq!(ffi::call(|| Err::<(), _>(error)), Status::from(error));
    let all = || {
        for (error, times) in [
            (Error::Null, 1),
            (Error::BadHandle, 2),
            (Error::WrongKind, 3),
            (Error::Freed, 4),
            (Error::Forked, 5),
            (Error::Busy, 6),
            (Error::Timeout, 3),
            (Error::NotInside, 4),
        ] {
            (0..times).for_each(|_| refuse(error));
        }
    };
    let refusals = Refusals { null: 1, bad_handle: 2, wrong_kind: 3, freed: 4, forked: 5, busy: 6, other: 7 };
    assert_eq!(counted(all), Stats { refusals, ..NOTHING });
    // A thread that has never had a handle, and so no record.
    let elsewhere = || thread::scope(|scope| scope.spawn(all).join()).expect("no panic");
    assert_eq!(counted(elsewhere), Stats { refusals, ..NOTHING });
}

#[test]
fn the_exported_functions_count_what_they_answer() {
    let _alone = alone();
    let token = open();
    let _operation = token.enter(c"in the way").expect("open");
    let raw: *mut u8 = token.into_raw();
    let did = counted(|| {
        assert_eq!(ffi::try_free::<Plain>(raw), Error::Busy.into());
        assert_eq!(ffi::wait_freed::<Plain>(null_mut::<u8>(), 0), Error::Null.into());
        assert_eq!(ffi::free::<Plain>(without_provenance_mut::<u8>(64), 0), Error::BadHandle.into());
        assert_eq!(ffi::release(raw), Error::WrongKind.into());
        assert_eq!(ffi::free::<Plain>(null::<u8>().cast_mut(), 0), Status::Ok);
        assert_eq!(ffi::free::<Plain>(raw, 0), Status::FreePending);
        assert_eq!(ffi::with(raw, c"late", |_: &Plain| Ok(())), Error::Freed.into());
    });
    let refusals = Refusals { null: 1, bad_handle: 1, wrong_kind: 1, freed: 1, busy: 1, ..NOTHING.refusals };
    assert_eq!(did, Stats { live: 1, pending: 1, drains: 1, refusals, ..NOTHING });
}
