//! Freeing many handles with one deadline.

use super::*;
use quiescent_core::AnyHandle;
use quiescent_core::handle::free_many;

fn all(handles: &[AnyHandle], timeout: Duration) -> Vec<Result<Freed, Error>> {
    let mut answers = vec![None; handles.len()];
    let told = free_many(handles, timeout, |position, answer| {
        assert_eq!(answers[position].replace(answer), None, "position {position} was told twice");
    });
    assert_eq!(told, Ok(()));
    answers.into_iter().map(|answer| answer.expect("every position is told")).collect()
}

#[test]
fn none_is_nothing_to_do() {
    assert!(all(&[], LONG).is_empty());
}

#[test]
fn each_position_is_told_its_own_answer() {
    let (idle, idle_fate) = open();
    let (busy, busy_fate) = open();
    let (gone, gone_fate) = open();
    let (own, own_fate) = open();
    assert_eq!(gone.free(LONG), Ok(Freed::Destroyed));
    let hold = elsewhere(|| busy.hold(c"in the way").expect("open"));
    let operation = own.enter(c"free_many").expect("open");
    let taken = open().0.hold(c"no handle").expect("open").into_token().expect("room");
    let raw = std::ptr::without_provenance::<u8>;
    let handles = [
        busy.any(),
        AnyHandle::from_raw(raw(0)),
        idle.any(),
        AnyHandle::from_raw(raw(42)),
        gone.any(),
        AnyHandle::from_raw(taken.into_raw::<u8>()),
        own.any(),
        idle.any(),
        busy.any(),
    ];
    let answers = lasting(30 * MS, || all(&handles, 30 * MS));
    let expected = [
        Ok(Freed::Pending),
        Err(Error::Null),
        Ok(Freed::Destroyed),
        Err(Error::BadHandle),
        Ok(Freed::AlreadyFreed),
        Err(Error::WrongKind),
        Ok(Freed::Pending),
        Ok(Freed::AlreadyFreed),
        Ok(Freed::Pending),
    ];
    assert_eq!(answers, expected);
    drop((operation, hold));
    assert_eq!(taken.release(), Ok(Freed::Destroyed));
    is_over(idle, &idle_fate);
    is_over(busy, &busy_fate);
    is_over(gone, &gone_fate);
    is_over(own, &own_fate);
}

#[test]
fn all_have_one_deadline_in_common() {
    // Not where the scheduler keeps this thread from running until the deadline is over.
    assert!((0..10).any(|_| are_woken_until_the_deadline_in_common()), "and woken again");
}

/// Whether any is woken more than once.
fn are_woken_until_the_deadline_in_common() -> bool {
    let handles: Vec<_> = (0..50).map(|_| open()).collect();
    let holds: Vec<_> =
        handles.iter().map(|(token, _)| elsewhere(|| token.hold(c"in the way").expect("open"))).collect();
    let tokens: Vec<_> = handles.iter().map(|(token, _)| token.any()).collect();
    let start = Instant::now();
    assert_eq!(all(&tokens, 100 * MS), [Ok(Freed::Pending); 50]);
    let took = start.elapsed();
    assert!(took >= 100 * MS, "ended after {took:?}, before the 100 ms were over");
    assert!(took < 4500 * MS, "took {took:?}: the deadlines add up");
    assert!(handles.iter().all(|(_, fate)| fate.closes() >= 1), "each is woken");
    let again = handles.iter().any(|(_, fate)| fate.closes() >= 2);
    drop(holds);
    handles.iter().for_each(|(token, fate)| is_over(*token, fate));
    again
}

#[test]
fn every_one_is_closed_before_any_is_waited_for() {
    let handles: Vec<_> = (0..20).map(|_| open()).collect();
    let tokens: Vec<_> = handles.iter().map(|(token, _)| token.any()).collect();
    let first = elsewhere(|| handles[0].0.hold(c"in the way").expect("open"));
    thread::scope(|scope| {
        let freer = scope.spawn(|| all(&tokens, LONG));
        eventually("the last one is freed", || handles[19].1.drops() == 1);
        assert!(handles[0].0.is_closing() && !freer.is_finished());
        assert_eq!(handles[0].1.drops(), 0);
        drop(first);
        assert_eq!(ended(freer), [Ok(Freed::Destroyed); 20]);
    });
    handles.iter().for_each(|(token, fate)| is_over(*token, fate));
}

#[test]
fn two_that_free_the_same_ones_in_opposite_order_both_end() {
    for _ in 0..50 {
        let handles: Vec<_> = (0..10).map(|_| open()).collect();
        let holds: Vec<_> = handles.iter().map(|(token, _)| token.hold(c"in the way").expect("open")).collect();
        let there: Vec<_> = handles.iter().map(|(token, _)| token.any()).collect();
        let back: Vec<_> = there.iter().rev().copied().collect();
        let destroyed: usize = thread::scope(|scope| {
            let freers = [&there, &back].map(|order| scope.spawn(|| all(order, LONG)));
            eventually("they are closed", || handles.iter().all(|(token, _)| token.is_closing()));
            drop(holds);
            let answers = freers.map(|freer| ended(freer));
            let is = |wanted| answers.iter().flatten().filter(|answer| **answer == Ok(wanted)).count();
            assert_eq!(is(Freed::Pending), 0);
            is(Freed::Destroyed)
        });
        assert_eq!(destroyed, 10);
        handles.iter().for_each(|(token, fate)| is_over(*token, fate));
    }
}
