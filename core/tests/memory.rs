//! Where memory is allocated, and that it does not grow. In a process of its own, one test at a time.

#![cfg(not(loom))]

use quiescent_core::handle::{free_many, report, stats};
use quiescent_core::{Error, Freed, Handle, HandleGuard, Kind, RundownRef, Token};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

struct Counting;
#[global_allocator]
static ALLOCATOR: Counting = Counting;
thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, which is one; the count is a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// How often `body` allocates on this thread.
fn allocations(body: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    body();
    ALLOCATIONS.get() - before
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes every text, and keeps none.
struct Nowhere;
impl std::fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

struct Plain;
static PLAIN: Kind<Plain> = Kind::new("plain");
impl Handle for Plain {
    fn kind() -> &'static Kind<Plain> {
        &PLAIN
    }
}

fn open() -> Token<Plain> {
    Token::open(Plain).expect("a new handle")
}

/// The process's resident memory in KiB.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux has it");
    line.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}

#[test]
fn after_a_threads_first_call_enter_hold_leave_and_free_allocate_nothing() {
    let _alone = alone();
    let first = open();
    let (tokens, late) = ([(); 4].map(|()| open()), open());
    assert_eq!(first.free(Duration::ZERO), Ok(Freed::Destroyed));
    // The fallback without a futex makes what a thread sleeps on at its first wait.
    assert_eq!(tokens[3].wait_freed(Duration::from_millis(1)), Err(Error::Timeout));
    let used = || {
        for _ in 0..3 {
            let operations = [(); 8].map(|()| tokens[0].enter(c"one of eight").expect("open"));
            let holds = [(); 8].map(|()| tokens[0].hold(c"one of eight").expect("open"));
            drop((operations, holds));
        }
        assert_eq!(tokens[0].try_free(), Ok(Freed::Destroyed));
        assert_eq!(tokens[1].free(Duration::MAX), Ok(Freed::Destroyed));
        let operation = tokens[2].enter(c"in the way").expect("open");
        assert_eq!(tokens[2].free(Duration::from_millis(5)), Ok(Freed::Pending));
        drop(operation);
        assert_eq!(tokens[2].free(Duration::ZERO), Ok(Freed::AlreadyFreed));
        let hold = late.hold(c"in the way").expect("open");
        assert_eq!(late.free(Duration::from_millis(5)), Ok(Freed::Pending));
        drop(hold);
        assert_eq!(late.wait_freed(Duration::MAX), Ok(()));
        assert_eq!(tokens[3].wait_freed(Duration::from_millis(5)), Err(Error::Timeout));
        assert_eq!(tokens[0].enter(c"stale").err(), Some(Error::Freed));
        let any = tokens[3].any();
        assert!(any.info().is_ok() && any.occupants(|_| {}).is_ok() && any.set_label("label").is_ok());
        let operation = tokens[3].enter(c"told of").expect("open");
        assert!(report(&mut Nowhere).is_ok() && stats().live > 0);
        drop(operation);
    };
    assert_eq!(allocations(used), 0);
    assert_eq!(tokens[3].free(Duration::ZERO), Ok(Freed::Destroyed));

    // This count counts: these do allocate.
    let deep = open();
    assert!(allocations(|| drop([(); 9].map(|()| deep.enter(c"one of nine").expect("open")))) > 0);
    assert!(allocations(|| free_many(&[deep.any()], Duration::ZERO, |_, _| {}).expect("memory")) > 0);
    let token = open();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(allocations(|| drop(token.enter(c"first call"))) <= 1, "a thread's first call makes its record");
            assert_eq!(allocations(|| drop(token.enter(c"second call"))), 0);
        });
    });
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed));
}

#[test]
fn guards_and_run_downs_never_allocate() {
    let _alone = alone();
    let used = || {
        let guard = HandleGuard::new();
        let op = guard.try_enter();
        assert!(!guard.begin_free(Duration::from_millis(1)));
        assert!(!guard.wait_drained(Duration::from_millis(1)));
        drop(op);
        assert!(guard.wait_drained(Duration::MAX) && guard.try_enter().is_none());
        let rundown = RundownRef::new();
        let reference = rundown.try_acquire();
        assert!(!rundown.wait_for_rundown_timeout(Duration::from_millis(1)));
        drop(reference);
        rundown.wait_for_rundown();
        rundown.re_init().expect("complete");
    };
    // The first waits may make what the fallback without a futex sleeps on.
    used();
    assert_eq!(allocations(used), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_lives_leave_memory_flat_and_their_tokens_stale() {
    // Ten million where that takes seconds.
    const LIVES: usize = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };
    let _alone = alone();
    let mut old = Vec::with_capacity(LIVES / 1000);
    let mut before = 0;
    for life in 0..LIVES {
        if life == LIVES / 10 {
            before = resident();
        }
        let token = open();
        assert_eq!(token.try_free(), Ok(Freed::Destroyed));
        if life % 1000 == 0 {
            old.push(token);
        }
    }
    let grown = resident().saturating_sub(before);
    // A shell is 128 bytes: shells that were not used again would be 112 MiB.
    assert!(grown < 1024, "grew by {grown} KiB");
    let live = open();
    for token in old {
        assert_eq!(token.enter(c"stale").err(), Some(Error::Freed));
        assert_eq!(token.free(Duration::MAX), Ok(Freed::AlreadyFreed));
    }
    assert!(!live.is_closing());
    assert_eq!(live.free(Duration::ZERO), Ok(Freed::Destroyed));
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_handles_at_once_are_paid_for_once() {
    let _alone = alone();
    let wave = || {
        let tokens: Vec<_> = (0..10_000).map(|_| open()).collect();
        let holds: Vec<_> = tokens.iter().map(|token| token.hold(c"hold").expect("open").into_token()).collect();
        for hold in holds {
            assert_eq!(hold.expect("room").release(), Ok(Freed::Destroyed));
        }
        for token in tokens {
            assert_eq!(token.try_free(), Ok(Freed::Destroyed));
        }
    };
    wave();
    let before = resident();
    (0..5).for_each(|_| wave());
    let grown = resident().saturating_sub(before);
    // A wave is 20,000 shells of 128 bytes: 2.4 MiB.
    assert!(grown < 1024, "grew by {grown} KiB");
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_come_and_go_leave_memory_flat() {
    let _alone = alone();
    let token = open();
    let visit = || {
        thread::scope(|scope| {
            let visitor = scope.spawn(|| {
                let (operation, hold) = (token.enter(c"visit"), token.hold(c"visit"));
                drop((operation, hold));
            });
            visitor.join().expect("no panic");
        });
    };
    (0..200).for_each(|_| visit());
    let before = resident();
    (0..5000).for_each(|_| visit());
    let grown = resident().saturating_sub(before);
    // A record is 500 bytes: one for each thread would be 2.4 MiB.
    assert!(grown < 1024, "grew by {grown} KiB");
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed));
}
