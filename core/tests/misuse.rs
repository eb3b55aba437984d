//! Who is told of misuse, and of what; in a process of its own, one test at a time.

#![cfg(not(loom))]

use quiescent_core::handle::{
    AnyHandle, AnyKind, HoldToken, Hooks, Misuse, MisuseLevel, Misuses, free_many, quiesce_all, set_misuse_hook,
    set_misuse_level, stats,
};
use quiescent_core::{Error, Freed, Handle, Kind, Token};
use std::ffi::c_void;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

struct Plain;
static PLAIN: Kind<Plain> = Kind::new("plain");
impl Handle for Plain {
    fn kind() -> &'static Kind<Plain> {
        &PLAIN
    }
}

struct Other;
static OTHER: Kind<Other> = Kind::new("other");
impl Handle for Other {
    fn kind() -> &'static Kind<Other> {
        &OTHER
    }
}

fn open() -> Token<Plain> {
    Token::open(Plain).expect("a new handle")
}

fn over() -> Token<Plain> {
    let token = open();
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    token
}

/// What the hook was told, and where.
static TOLD: Mutex<Vec<(i32, usize, ThreadId)>> = Mutex::new(Vec::new());

unsafe extern "C" fn note(misuse: i32, handle: *const c_void, ctx: *mut c_void) {
    assert_eq!(ctx.addr(), 7);
    TOLD.lock().expect("no panic").push((misuse, handle.addr(), thread::current().id()));
}

/// One test at a time, with a hook that notes.
fn alone(level: MisuseLevel) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_misuse_level(level);
    // SAFETY: it takes every argument.
    assert_eq!(unsafe { set_misuse_hook(Some(note), without_provenance_mut(7)) }, Ok(()));
    TOLD.lock().expect("no panic").clear();
    alone
}

fn counts(misuses: Misuses) -> [u64; 4] {
    [misuses.double_free, misuses.stale, misuses.wrong_kind, misuses.not_inside]
}

/// Fails unless `call` is one misuse of `handle`, told on this thread, and counted.
#[track_caller]
fn is(misuse: Misuse, handle: AnyHandle, call: impl FnOnce()) {
    let before = counts(stats().misuses);
    call();
    let after = counts(stats().misuses);
    let mut added = [0; 4];
    added[misuse as usize - 1] = 1;
    assert_eq!([0, 1, 2, 3].map(|at| after[at] - before[at]), added, "double frees, stale, wrong kind, not inside");
    let expected = (misuse as i32, handle.into_raw::<u8>().addr(), thread::current().id());
    assert_eq!(std::mem::take(&mut *TOLD.lock().expect("no panic")), [expected]);
}

/// Fails if anybody is told of `call`, or it is counted.
#[track_caller]
fn is_none(call: impl FnOnce()) {
    let before = counts(stats().misuses);
    call();
    assert_eq!(counts(stats().misuses), before);
    assert_eq!(TOLD.lock().expect("no panic").len(), 0);
}

fn enter(handle: AnyHandle, kind: AnyKind) -> Result<*mut c_void, Error> {
    // SAFETY: no name.
    unsafe { handle.enter(kind, null()) }
}

fn leave(handle: AnyHandle) -> Result<(), Error> {
    // SAFETY: no object is used.
    unsafe { handle.leave() }
}

fn new_kind(name: &str) -> AnyKind {
    // SAFETY: without callbacks.
    unsafe { AnyKind::new(name, Hooks { on_close: None, on_destroy: None, ctx: null_mut() }) }.expect("memory")
}

fn open_of(kind: AnyKind) -> Result<AnyHandle, Error> {
    // SAFETY: the kind has no callbacks.
    unsafe { AnyHandle::open(kind, null_mut()) }
}

#[test]
fn a_second_free_is_a_double_free() {
    let _alone = alone(MisuseLevel::Count);
    let token = over();
    is(Misuse::DoubleFree, token.any(), || assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed)));
    is(Misuse::DoubleFree, token.any(), || assert_eq!(token.try_free(), Ok(Freed::AlreadyFreed)));
    is(Misuse::DoubleFree, token.any(), || assert_eq!(token.any().free(None, LONG), Ok(Freed::AlreadyFreed)));
    let live = open();
    is(Misuse::DoubleFree, token.any(), || {
        free_many(&[live.any(), token.any()], LONG, |_, freed| assert!(freed.is_ok())).expect("memory");
    });
    let live = open();
    is(Misuse::DoubleFree, live.any(), || free_many(&[live.any(), live.any()], LONG, |_, _| {}).expect("memory"));
    let kind = new_kind("closed twice");
    assert_eq!(kind.close(LONG), Ok((Freed::Destroyed, 0)));
    is(Misuse::DoubleFree, kind.handle(), || assert_eq!(kind.close(LONG), Ok((Freed::AlreadyFreed, 0))));
    let token = open();
    let hold = token.hold(c"held").expect("open").into_token().expect("memory");
    assert_eq!(hold.release(), Ok(Freed::Destroyed));
    let as_handle = AnyHandle::from_raw(hold.into_raw::<u8>());
    is(Misuse::DoubleFree, as_handle, || assert_eq!(hold.release(), Ok(Freed::AlreadyFreed)));
    is_none(|| assert_eq!(token.free(LONG), Ok(Freed::Destroyed)));
}

#[test]
fn any_other_use_of_what_is_over_is_stale() {
    let _alone = alone(MisuseLevel::Count);
    let token = over();
    let handle = token.any();
    let kind = new_kind("of another");
    is(Misuse::Stale, handle, || assert_eq!(token.enter(c"late").err(), Some(Error::Freed)));
    is(Misuse::Stale, handle, || assert_eq!(token.hold(c"late").err(), Some(Error::Freed)));
    is(Misuse::Stale, handle, || assert_eq!(enter(handle, kind), Err(Error::Freed)));
    is(Misuse::Stale, handle, || assert_eq!(leave(handle), Err(Error::Freed)));
    is(Misuse::Stale, handle, || assert_eq!(handle.set_label("late"), Err(Error::Freed)));
    assert_eq!(kind.close(LONG), Ok((Freed::Destroyed, 0)));
    is(Misuse::Stale, kind.handle(), || assert_eq!(open_of(kind), Err(Error::Freed)));
}

#[test]
fn another_kind_is_a_wrong_kind() {
    let _alone = alone(MisuseLevel::Count);
    let (token, other) = (open(), Token::open(Other).expect("a new handle"));
    let kind = new_kind("of another");
    let mistyped = Token::<Plain>::from_raw(other.into_raw::<u8>());
    is(Misuse::WrongKind, other.any(), || assert_eq!(mistyped.enter(c"wrong").err(), Some(Error::WrongKind)));
    is(Misuse::WrongKind, other.any(), || assert_eq!(mistyped.hold(c"wrong").err(), Some(Error::WrongKind)));
    is(Misuse::WrongKind, other.any(), || assert_eq!(mistyped.free(LONG), Err(Error::WrongKind)));
    is(Misuse::WrongKind, other.any(), || assert_eq!(mistyped.wait_freed(LONG), Err(Error::WrongKind)));
    is(Misuse::WrongKind, token.any(), || assert_eq!(enter(token.any(), kind), Err(Error::WrongKind)));
    let not_a_kind = AnyKind::from_raw(token.into_raw::<u8>());
    is(Misuse::WrongKind, token.any(), || assert_eq!(open_of(not_a_kind), Err(Error::WrongKind)));
    is(Misuse::WrongKind, token.any(), || assert_eq!(not_a_kind.close(LONG).err(), Some(Error::WrongKind)));
    let not_a_hold = HoldToken::from_raw(token.into_raw::<u8>());
    is(Misuse::WrongKind, token.any(), || assert_eq!(not_a_hold.release(), Err(Error::WrongKind)));
    let hold = token.hold(c"held").expect("open").into_token().expect("memory");
    let not_a_handle = AnyHandle::from_raw(hold.into_raw::<u8>());
    is(Misuse::WrongKind, not_a_handle, || assert_eq!(not_a_handle.free(None, LONG), Err(Error::WrongKind)));
    is_none(|| {
        // Whose kind is no kind at all has not mistaken a handle.
        assert_eq!(enter(token.any(), AnyKind::from_raw(null::<u8>())), Err(Error::Null));
        assert_eq!(hold.release(), Ok(Freed::Destroyed));
        assert_eq!((token.free(LONG), other.free(LONG)), (Ok(Freed::Destroyed), Ok(Freed::Destroyed)));
        assert_eq!(kind.close(LONG), Ok((Freed::Destroyed, 0)));
    });
}

#[test]
fn a_leave_without_an_enter() {
    let _alone = alone(MisuseLevel::Count);
    let token = open();
    let hold = token.hold(c"held").expect("open");
    is(Misuse::NotInside, token.any(), || assert_eq!(leave(token.any()), Err(Error::NotInside)));
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    is(Misuse::NotInside, token.any(), || assert_eq!(leave(token.any()), Err(Error::NotInside)));
    drop(hold);
}

/// Too late, or a question, or garbage: no misuse.
#[test]
fn what_a_correct_program_may_do_is_none() {
    let _alone = alone(MisuseLevel::Count);
    let token = open();
    let operation = token.enter(c"slow").expect("open");
    is_none(|| {
        assert_eq!(token.try_free(), Err(Error::Busy));
        assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
        assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending), "wakes again");
        assert_eq!(token.try_free(), Ok(Freed::Pending));
        assert_eq!(token.enter(c"late").err(), Some(Error::Freed), "it is being freed");
        assert_eq!(token.hold(c"late").err(), Some(Error::Freed));
        assert_eq!(token.any().set_label("late").err(), Some(Error::Freed));
        drop(operation);
        // Now it is over.
        assert_eq!(token.wait_freed(LONG), Ok(()));
        assert_eq!(token.on_freed(|| {}), Ok(Freed::AlreadyFreed));
        assert!(token.is_closing());
        assert_eq!(token.any().info().err(), Some(Error::Freed));
        assert_eq!(token.any().occupants(|_| {}), Err(Error::Freed));
        for garbage in [0, 2, 64, usize::MAX] {
            let garbage = Token::<Plain>::from_raw(without_provenance_mut::<u8>(garbage));
            assert!(garbage.enter(c"garbage").is_err() && garbage.free(LONG).is_err());
        }
    });
}

#[test]
fn the_level_says_who_is_told() {
    let _alone = alone(MisuseLevel::Ignore);
    let token = over();
    is_none(|| assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed)));
    set_misuse_level(MisuseLevel::Count);
    is(Misuse::DoubleFree, token.any(), || assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed)));
    // SAFETY: nobody is called.
    assert_eq!(unsafe { set_misuse_hook(None, null_mut()) }, Ok(()));
    let before = counts(stats().misuses);
    assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed));
    assert_eq!(counts(stats().misuses)[0], before[0] + 1, "counted all the same");
    assert_eq!(TOLD.lock().expect("no panic").len(), 0);
}

#[test]
fn what_the_hook_misuses_is_counted_and_not_told() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn misuses(_: i32, handle: *const c_void, _: *mut c_void) {
        CALLS.fetch_add(1, SeqCst);
        assert_eq!(AnyHandle::from_raw(handle).free(None, LONG), Ok(Freed::AlreadyFreed));
    }
    let _alone = alone(MisuseLevel::Count);
    // SAFETY: it takes every argument.
    assert_eq!(unsafe { set_misuse_hook(Some(misuses), null_mut()) }, Ok(()));
    let token = over();
    let before = counts(stats().misuses);
    for calls in 1..=2 {
        assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
        assert_eq!(CALLS.load(SeqCst), calls);
    }
    let after = counts(stats().misuses);
    assert_eq!((after[0] - before[0], after[1] - before[1]), (2, 2));
}

#[test]
fn one_function_with_another_context_is_another_hook() {
    static LATEST: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn remember(_: i32, _: *const c_void, ctx: *mut c_void) {
        LATEST.store(ctx.addr(), SeqCst);
    }
    let _alone = alone(MisuseLevel::Count);
    let token = over();
    for ctx in [1, 2, 1, 3] {
        // SAFETY: it takes every argument.
        assert_eq!(unsafe { set_misuse_hook(Some(remember), without_provenance_mut(ctx)) }, Ok(()));
        assert_eq!(token.try_free(), Ok(Freed::AlreadyFreed));
        assert_eq!(LATEST.load(SeqCst), ctx);
    }
}

/// While two threads change the hook, each function is called with its own context.
#[test]
fn a_hook_and_its_context_are_one_pair() {
    static MIXED: AtomicUsize = AtomicUsize::new(0);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn called(mine: usize, ctx: *mut c_void) {
        CALLS.fetch_add(1, SeqCst);
        MIXED.fetch_add(usize::from(ctx.addr() != mine), SeqCst);
    }
    unsafe extern "C" fn one(_: i32, _: *const c_void, ctx: *mut c_void) {
        called(1, ctx);
    }
    unsafe extern "C" fn two(_: i32, _: *const c_void, ctx: *mut c_void) {
        called(2, ctx);
    }
    let _alone = alone(MisuseLevel::Count);
    let token = over();
    let start = Instant::now();
    // On a busy machine both sides may seldom run at once: then for longer.
    let met = || CALLS.load(SeqCst) > 100;
    let lasts = || start.elapsed() < Duration::from_millis(300) || !met() && start.elapsed() < LONG;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while lasts() {
                    // SAFETY: both take every argument.
                    unsafe {
                        set_misuse_hook(Some(one), without_provenance_mut(1)).expect("memory");
                        set_misuse_hook(Some(two), without_provenance_mut(2)).expect("memory");
                        set_misuse_hook(None, without_provenance_mut(3)).expect("memory");
                    }
                }
            });
            scope.spawn(|| {
                while lasts() {
                    assert_eq!(token.try_free(), Ok(Freed::AlreadyFreed));
                }
            });
        }
    });
    assert!(met(), "the hooks were hardly called: nothing was tested");
    assert_eq!(MIXED.load(SeqCst), 0, "of {} calls", CALLS.load(SeqCst));
}

/// The library itself finds handles, and may come too late for them: that is nobody's misuse.
#[test]
fn what_the_library_frees_of_its_own_accord_is_none() {
    let _alone = alone(MisuseLevel::Count);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let tokens = [(); 20].map(|()| open());
                    // One of both sides comes too late.
                    tokens.iter().for_each(|token| assert!(token.free(LONG).is_ok()));
                }
            });
        }
        let start = Instant::now();
        let met = || !TOLD.lock().expect("no panic").is_empty();
        while start.elapsed() < Duration::from_millis(500) || !met() && start.elapsed() < LONG {
            quiesce_all(LONG).expect("memory");
        }
        over.store(true, SeqCst);
    });
    let here = thread::current().id();
    let told = std::mem::take(&mut *TOLD.lock().expect("no panic"));
    println!("{} frees of the other threads came too late", told.len());
    assert!(!told.is_empty(), "both sides never met: nothing was tested");
    assert_eq!(told.iter().filter(|(_, _, thread)| *thread == here).count(), 0);
}
