//! Panics in callbacks go no further, are counted, and keep no free from its answer.

use super::*;
use quiescent_core::handle::hook_panics;
use std::sync::{Mutex, MutexGuard};

/// The count is the process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A panic's payload that panics when it is dropped.
pub struct Spiteful;
impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("from the payload's drop");
    }
}

#[test]
fn in_on_close() {
    struct Panics;
    handle_type!(Panics, "panics in on_close", |_| std::panic::panic_any(Spiteful));
    let _alone = alone();
    let before = hook_panics();
    let token = Token::open(Panics).expect("a new handle");
    let operation = token.enter(c"in the way").expect("open");
    assert_eq!(elsewhere(|| token.free(Duration::ZERO)), Ok(Freed::Pending));
    assert_eq!(hook_panics(), before + 1);
    thread::scope(|scope| {
        let freer = scope.spawn(|| token.free(LONG));
        eventually("a panic does not end the calls of on_close", || hook_panics() >= before + 4);
        drop(operation);
        assert_eq!(ended(freer), Ok(Freed::AlreadyFreed));
    });
}

#[test]
fn in_drop() {
    struct Panics;
    handle_type!(Panics, "panics in drop");
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::panic_any(Spiteful);
        }
    }
    let _alone = alone();
    let before = hook_panics();
    let tokens = [(); 3].map(|()| Token::open(Panics).expect("a new handle"));
    assert_eq!(tokens[0].free(LONG), Ok(Freed::Destroyed));
    assert_eq!(tokens[0].free(LONG), Ok(Freed::AlreadyFreed));
    assert_eq!(tokens[1].try_free(), Ok(Freed::Destroyed));
    assert_eq!(hook_panics(), before + 2);
    let operation = tokens[2].enter(c"in the way").expect("open");
    assert_eq!(tokens[2].free(LONG), Ok(Freed::Pending));
    drop(operation);
    assert_eq!(hook_panics(), before + 3, "in the last leave");
    assert_eq!(tokens[2].wait_freed(LONG), Ok(()));
    assert_eq!(OWN_KIND.close(LONG), Ok((Freed::Destroyed, 0)), "a panic does not keep the kind");
}

#[test]
fn in_on_freed() {
    let _alone = alone();
    let before = hook_panics();
    let (token, fate) = open();
    let called = Arc::new(AtomicUsize::new(0));
    assert_eq!(token.on_freed(|| std::panic::panic_any(Spiteful)), Ok(Freed::Pending));
    let in_callback = Arc::clone(&called);
    assert_eq!(
        token.on_freed(move || {
            in_callback.fetch_add(1, SeqCst);
        }),
        Ok(Freed::Pending)
    );
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    assert_eq!((hook_panics(), called.load(SeqCst)), (before + 1, 1), "the next callback runs all the same");
    assert_eq!(token.on_freed(|| panic!("late")), Ok(Freed::AlreadyFreed));
    assert_eq!(hook_panics(), before + 2);
    is_over(token, &fate);
}

#[test]
fn inside_an_operation_leaves_it() {
    let (token, fate) = open();
    let operation = std::panic::catch_unwind(|| {
        let _operation = token.enter(c"panics").expect("open");
        panic!("inside");
    });
    assert!(operation.is_err());
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}
