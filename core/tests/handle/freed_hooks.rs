//! `on_freed`: each callback runs once, right after the value is dropped.

use super::*;
use std::sync::Mutex;

#[test]
fn callbacks_run_in_order_after_the_drop_on_the_thread_that_dropped() {
    let (token, fate) = open();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..50 {
        let (seen, fate) = (Arc::clone(&seen), fate.clone());
        let callback = move || {
            assert_eq!(fate.drops(), 1, "called before the drop");
            seen.lock().expect("no panic").push((number, thread::current().id()));
        };
        assert_eq!(token.on_freed(callback), Ok(Freed::Pending));
    }
    assert!(seen.lock().expect("no panic").is_empty());
    let freer = elsewhere(|| {
        assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
        thread::current().id()
    });
    let expected: Vec<_> = (0..50).map(|number| (number, freer)).collect();
    assert_eq!(*seen.lock().expect("no panic"), expected);
}

#[test]
fn a_callback_that_comes_late_runs_at_once() {
    let (token, fate) = open();
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    // Also when the shell has another life by then, whose callbacks wait.
    for _ in 0..2 {
        let called = Arc::new(AtomicUsize::new(0));
        let in_callback = Arc::clone(&called);
        let here = thread::current().id();
        let callback = move || {
            assert_eq!(thread::current().id(), here);
            in_callback.fetch_add(1, SeqCst);
        };
        let (other, _) = open();
        let theirs = Arc::new(AtomicUsize::new(0));
        let in_theirs = Arc::clone(&theirs);
        assert_eq!(
            other.on_freed(move || {
                in_theirs.fetch_add(1, SeqCst);
            }),
            Ok(Freed::Pending)
        );
        assert_eq!(token.on_freed(callback), Ok(Freed::AlreadyFreed));
        assert_eq!((called.load(SeqCst), theirs.load(SeqCst)), (1, 0));
        assert_eq!(other.free(LONG), Ok(Freed::Destroyed));
        assert_eq!((called.load(SeqCst), theirs.load(SeqCst)), (1, 1));
    }
    is_over(token, &fate);
}

#[test]
fn a_callback_registered_while_pending_runs_with_the_last_one_out() {
    let (token, fate) = open();
    let operation = token.enter(c"in the way").expect("open");
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    let called = Arc::new(AtomicUsize::new(0));
    let in_callback = Arc::clone(&called);
    assert_eq!(
        token.on_freed(move || {
            in_callback.fetch_add(1, SeqCst);
        }),
        Ok(Freed::Pending)
    );
    assert_eq!(called.load(SeqCst), 0);
    drop(operation);
    assert_eq!(called.load(SeqCst), 1);
    is_over(token, &fate);
}

#[test]
fn in_a_callback_the_handle_is_over() {
    let (token, fate) = open();
    let (done, is_done) = std::sync::mpsc::channel();
    let inner = fate.clone();
    let callback = move || {
        is_over(token, &inner);
        assert_eq!(token.on_freed(|| {}), Ok(Freed::AlreadyFreed));
        assert_eq!(open().0.free(LONG), Ok(Freed::Destroyed));
        done.send(()).expect("the test waits");
    };
    assert_eq!(token.on_freed(callback), Ok(Freed::Pending));
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    is_done.try_recv().expect("the callback ran to its end");
    is_over(token, &fate);
}

/// Registering and freeing at the same time: every callback runs once, none is lost.
#[test]
fn on_freed_against_free() {
    const ROUNDS: usize = 500;
    let (mut early, mut late) = (0, 0);
    for round in 0..ROUNDS {
        let (token, fate) = open();
        let called = Arc::new(AtomicUsize::new(0));
        let barrier = std::sync::Barrier::new(3);
        let register = || {
            barrier.wait();
            let mut in_time = 0;
            for _ in 0..10 {
                let (called, fate) = (Arc::clone(&called), fate.clone());
                let callback = move || {
                    assert_eq!(fate.drops(), 1, "called before the drop");
                    called.fetch_add(1, SeqCst);
                };
                in_time += usize::from(token.on_freed(callback) == Ok(Freed::Pending));
            }
            in_time
        };
        thread::scope(|scope| {
            let registrars = [(); 2].map(|()| scope.spawn(register));
            barrier.wait();
            for _ in 0..round % 50 {
                std::hint::spin_loop();
            }
            assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
            for registrar in registrars {
                let in_time = ended(registrar);
                early += in_time;
                late += 10 - in_time;
            }
        });
        assert_eq!(called.load(SeqCst), 20, "round {round}");
    }
    println!("{early} callbacks were registered before the end, {late} after it");
    assert!(early > 0 && late > 0, "no race: {early} early, {late} late");
}
