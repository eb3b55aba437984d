//! The end of a kind: no new handles, the existing ones freed, and then none of its code runs any more.

use super::*;
use std::sync::mpsc::channel;

/// A value that counts its drops in a counter of the test's.
struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A handle type of the block's own, and a function that opens handles of it.
macro_rules! own_kind {
    ($open:ident, $close:ident, $drops:ident) => {
        #[allow(dead_code, reason = "there for its drop")]
        struct Own(Counted);
        handle_type!(Own, "own");
        let $drops = Arc::new(AtomicUsize::new(0));
        let $open = || Token::open(Own(Counted(Arc::clone(&$drops))));
        let $close = |timeout| OWN_KIND.close(timeout);
    };
}

#[test]
fn a_kind_without_handles_ends_at_once() {
    own_kind!(open, close, drops);
    assert_eq!(close(Duration::ZERO), Ok((Freed::Destroyed, 0)));
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
    assert_eq!(open().err(), Some(Error::Freed));
    assert_eq!(drops.load(SeqCst), 1, "the value of a refused handle is dropped");
}

#[test]
fn the_handles_of_a_kind_end_with_it_and_no_others() {
    own_kind!(open, close, drops);
    let tokens: Vec<_> = (0..300).map(|_| open().expect("a new handle")).collect();
    let (other, fate) = super::open();
    assert_eq!(close(Duration::ZERO), Ok((Freed::Destroyed, 0)));
    assert_eq!(drops.load(SeqCst), 300);
    for token in tokens {
        assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
        assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed));
    }
    assert_eq!(open().err(), Some(Error::Freed));
    assert!(!other.is_closing(), "a handle of another kind was freed");
    assert_eq!(other.free(LONG), Ok(Freed::Destroyed));
    is_over(other, &fate);
}

#[test]
fn an_operation_inside_keeps_its_kind_until_it_leaves() {
    own_kind!(open, close, drops);
    let tokens = [(); 3].map(|()| open().expect("a new handle"));
    let (leave, may_leave) = channel::<()>();
    let (entered, is_inside) = channel();
    let inside = thread::spawn(move || {
        let operation = tokens[1].enter(c"in the way").expect("open");
        entered.send(()).expect("the test waits");
        let _ = may_leave.recv();
        assert_eq!(operation.0.0.load(SeqCst), 3, "the two others and a refused one were dropped, this one was not");
    });
    is_inside.recv().expect("entered");
    assert_eq!(lasting(30 * MS, || close(30 * MS)), Ok((Freed::Pending, 1)));
    assert_eq!(drops.load(SeqCst), 2, "the others are freed");
    assert_eq!(open().err(), Some(Error::Freed));
    assert_eq!(lasting(30 * MS, || close(30 * MS)), Ok((Freed::Pending, 1)), "again");
    thread::scope(|scope| {
        let closer = scope.spawn(|| close(LONG));
        thread::sleep(20 * MS);
        assert!(!closer.is_finished(), "ended while an operation was inside");
        drop(leave);
        assert_eq!(ended(closer), Ok((Freed::AlreadyFreed, 0)));
    });
    inside.join().expect("no panic");
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
    assert_eq!(drops.load(SeqCst), 4, "three handles and one that was refused");
}

#[test]
fn closing_a_kind_from_inside_one_of_its_operations_is_pending_at_once() {
    own_kind!(open, close, drops);
    let (token, other) = (open().expect("a new handle"), open().expect("a new handle"));
    let operation = token.enter(c"close").expect("open");
    assert_eq!(at_once(|| close(LONG)), Ok((Freed::Pending, 1)));
    assert!(other.is_closing() && token.is_closing());
    drop(operation);
    assert_eq!(drops.load(SeqCst), 2);
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
}

#[test]
fn closing_a_kind_by_the_only_holder_is_pending_at_once() {
    own_kind!(open, close, drops);
    let hold = open().expect("a new handle").hold(c"close").expect("open");
    assert_eq!(at_once(|| close(LONG)), Ok((Freed::Pending, 1)));
    drop(hold);
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
}

#[test]
fn closing_a_kind_from_an_on_freed_callback_is_pending_at_once() {
    own_kind!(open, close, drops);
    let token = open().expect("a new handle");
    let (tell, told) = channel();
    assert_eq!(token.on_freed(move || tell.send(OWN_KIND.close(LONG)).expect("the test waits")), Ok(Freed::Pending));
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Destroyed));
    let answer = told.try_recv().expect("the callback ran").expect("no refusal");
    assert_eq!(answer, (Freed::Pending, 1), "the callback itself keeps the kind");
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn a_kind_waits_for_the_callbacks_of_its_handles() {
    own_kind!(open, close, drops);
    let token = open().expect("a new handle");
    let (go_on, may_go_on) = channel::<()>();
    let (started, has_started) = channel();
    let callback = move || {
        started.send(()).expect("the test waits");
        let _ = may_go_on.recv();
    };
    assert_eq!(token.on_freed(callback), Ok(Freed::Pending));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(token.free(LONG), Ok(Freed::Destroyed)));
        has_started.recv().expect("the callback runs");
        let answer = lasting(20 * MS, || close(20 * MS)).expect("no refusal");
        assert_eq!(answer, (Freed::Pending, 1), "a callback still runs: with none left it might be unloaded");
        drop(go_on);
    });
    assert_eq!(close(LONG), Ok((Freed::AlreadyFreed, 0)));
    assert_eq!(drops.load(SeqCst), 1);
}

/// What was opened is freed, what was not is refused; at the end the kind is over and nothing is left.
#[test]
fn open_against_the_close_of_the_kind() {
    own_kind!(open, close, drops);
    let (opened, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut refused = false;
                while !refused {
                    tried.fetch_add(1, SeqCst);
                    match open() {
                        Ok(_) => drop(opened.fetch_add(1, SeqCst)),
                        Err(error) => refused = error == Error::Freed,
                    }
                }
            });
        }
        eventually("handles are being opened", || opened.load(SeqCst) > 1000);
        assert_eq!(close(LONG), Ok((Freed::Destroyed, 0)));
        // Each thread may have one more to drop, which was refused.
        assert!(drops.load(SeqCst) >= opened.load(SeqCst), "a handle outlived its kind");
    });
    println!("{} handles were opened before the close", opened.load(SeqCst));
    assert_eq!(drops.load(SeqCst), tried.load(SeqCst), "every value was dropped once");
}
