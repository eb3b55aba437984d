//! Cancel tokens.

use quiescent_core::sync::CancelToken;
use quiescent_core::{Deadline, Interrupted, Wait, block_on};
use std::future::pending;
use std::time::Duration;

fn token() -> CancelToken {
    CancelToken::new().expect("memory")
}

#[test]
fn a_parent_cancels_its_children_and_not_the_reverse() {
    let root = token();
    let (left, right) = (root.child().unwrap(), root.child().unwrap());
    let grandchild = left.child().unwrap();
    left.cancel();
    assert_eq!([&root, &left, &right, &grandchild].map(CancelToken::is_cancelled), [false, true, false, true]);
    root.cancel();
    assert!(right.is_cancelled());
    assert!(root.child().unwrap().is_cancelled(), "a child of a cancelled token");
    root.cancel();
}

#[test]
fn a_clone_is_the_same_token_and_dropping_one_cancels_nothing() {
    let first = token();
    let second = first.clone();
    drop(second);
    assert!(!first.is_cancelled());
    first.clone().cancel();
    assert!(first.is_cancelled());
}

#[test]
fn a_child_outlives_its_parents_handle() {
    let root = token();
    let child = root.child().unwrap();
    drop(root);
    assert!(!child.is_cancelled());
    child.cancel();
    assert!(child.is_cancelled());
}

/// However many tokens end with it, each the last share of its parent.
#[test]
fn a_long_line_of_children_ends_on_a_small_stack() {
    let line = || {
        let root = token();
        let last = (0..100_000).fold(root.clone(), |parent, _| parent.child().unwrap());
        root.cancel();
        assert!(last.is_cancelled());
        drop(root);
        drop(last);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(line).expect("a thread").join().expect("no panic");
}

#[test]
fn every_waiter_wakes_at_once_and_only_those_that_are_meant() {
    let root = token();
    let (meant, other) = (root.child().unwrap(), root.child().unwrap());
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| meant.child().unwrap().wait(Deadline::after(Duration::from_secs(60)))))
            .collect();
        let bystander = scope.spawn(|| other.wait(Deadline::after(Duration::from_millis(300))));
        std::thread::sleep(Duration::from_millis(30));
        let start = std::time::Instant::now();
        meant.cancel();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Ok(()));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "woken by their deadlines");
        assert_eq!(bystander.join().unwrap(), Err(Interrupted::TimedOut), "it was not meant");
    });
}

#[test]
fn a_deadline_cancels_and_the_earliest_counts() {
    let token = token();
    let begin = std::time::Instant::now();
    token.cancel_at(Deadline::after(Duration::from_secs(3600))).unwrap();
    token.cancel_at(Deadline::after(Duration::from_millis(20))).unwrap();
    token.cancel_at(Deadline::after(Duration::from_secs(3600))).unwrap();
    let child = token.child().unwrap();
    // Unless this thread was kept from running for so long.
    assert!(!child.is_cancelled() || begin.elapsed() >= Duration::from_millis(20), "early");
    let start = std::time::Instant::now();
    assert_eq!(block_on(pending::<()>(), Wait::FOREVER.or_cancelled(&child)), Err(Interrupted::Cancelled));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(child.is_cancelled() && token.is_cancelled());
    assert_eq!(token.wait(Deadline::NEVER), Ok(()));
}

/// A wait with a token that is dropped meanwhile goes on, and can still be cancelled by a clone or a parent.
#[test]
fn dropping_a_token_does_not_disturb_those_that_wait() {
    let root = token();
    let child = root.child().unwrap();
    std::thread::scope(|scope| {
        let kept = child.clone();
        let waiter = scope.spawn(move || kept.wait(Deadline::after(Duration::from_secs(60))));
        std::thread::sleep(Duration::from_millis(20));
        drop(child);
        assert!(!waiter.is_finished());
        root.cancel();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

#[cfg(feature = "tokio")]
#[test]
fn a_token_of_tokio_util_is_one() {
    let theirs = tokio_util::sync::CancellationToken::new();
    let ours = CancelToken::from(theirs.clone());
    let child = ours.child().unwrap();
    assert!(ours.cancel_at(Deadline::NEVER).is_err());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| child.wait(Deadline::after(Duration::from_secs(60))));
        std::thread::sleep(Duration::from_millis(10));
        theirs.cancel();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    assert!(ours.is_cancelled() && child.is_cancelled());
}
