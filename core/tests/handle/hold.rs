//! Holds: released on any thread, exactly once.

use super::*;
use quiescent_core::Hold;
use quiescent_core::handle::{AnyHandle, HoldToken};

#[test]
fn a_hold_is_in_flight_until_it_is_dropped_on_whichever_thread() {
    let (token, fate) = open();
    let hold = token.hold(c"sent away").expect("open");
    assert_eq!(token.try_free(), Err(Error::Busy));
    elsewhere(move || drop(hold));
    let hold = token.hold(c"sent away").expect("open");
    assert_eq!(elsewhere(|| token.free(10 * MS)), Ok(Freed::Pending));
    assert_eq!(fate.drops(), 0);
    elsewhere(move || {
        assert_eq!(hold.0.drops(), 0, "the value is there until the release");
        drop(hold);
    });
    is_over(token, &fate);
}

#[test]
fn a_hold_outlives_the_thread_that_took_it() {
    let (token, fate) = open();
    let hold = elsewhere(|| token.hold(c"left behind").expect("open"));
    assert_eq!(token.any().info().expect("alive").holds, 1);
    assert_eq!(lasting(10 * MS, || token.free(10 * MS)), Ok(Freed::Pending), "it is not this thread's own");
    assert_eq!(hold.0.drops(), 0);
    drop(hold);
    is_over(token, &fate);
}

#[test]
fn a_release_on_another_thread_ends_the_wait_of_a_free() {
    let (token, fate) = open();
    let hold = elsewhere(|| token.hold(c"held").expect("open"));
    thread::scope(|scope| {
        let freer = scope.spawn(|| token.free(LONG));
        eventually("on_close is called again and again", || fate.closes() >= 3);
        drop(hold);
        assert_eq!(ended(freer), Ok(Freed::Destroyed));
    });
    is_over(token, &fate);
}

#[test]
fn of_many_releases_of_one_hold_one_releases() {
    let (token, fate) = open();
    for _ in 0..50 {
        let hold = token.hold(c"for C").expect("open").into_token().expect("room");
        assert_eq!(token.try_free(), Err(Error::Busy), "the hold lives on in its token");
        let answers = thread::scope(|scope| {
            let releasers = [(); 4].map(|()| scope.spawn(|| hold.release()));
            releasers.map(|releaser| ended(releaser).expect("no refusal"))
        });
        assert_eq!(answers.iter().filter(|answer| **answer == Freed::Destroyed).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| **answer == Freed::AlreadyFreed).count(), 3, "{answers:?}");
        assert_eq!(token.any().info().expect("alive").in_flight, 0);
    }
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn a_stale_hold_token_does_not_touch_the_next_hold() {
    let (token, fate) = open();
    let first = token.hold(c"first").expect("open").into_token().expect("room");
    assert_eq!(first.release(), Ok(Freed::Destroyed));
    let second = token.hold(c"second").expect("open").into_token().expect("room");
    assert_eq!(first.release(), Ok(Freed::AlreadyFreed));
    assert_eq!(token.any().info().expect("alive").in_flight, 1);
    assert_eq!(second.release(), Ok(Freed::Destroyed));
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    assert_eq!(second.release(), Ok(Freed::AlreadyFreed));
    is_over(token, &fate);
}

#[test]
fn the_last_release_of_a_pending_handle_destroys_it() {
    let (token, fate) = open();
    let hold = token.hold(c"for C").expect("open").into_token().expect("room");
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Pending), "the caller's own hold");
    assert_eq!(hold.release(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn a_hold_is_no_handle_and_a_handle_no_hold() {
    let (token, fate) = open();
    let hold = token.hold(c"for C").expect("open").into_token().expect("room");
    let as_handle = AnyHandle::from_raw(hold.into_raw::<u8>());
    for _ in 0..2 {
        assert_eq!(as_handle.free(None, LONG), Err(Error::WrongKind));
        assert_eq!(as_handle.try_free(None), Err(Error::WrongKind));
        assert_eq!(as_handle.wait_freed(None, LONG), Err(Error::WrongKind));
        assert_eq!(as_handle.on_freed(None, Box::new(|| panic!("called"))), Err(Error::WrongKind));
        assert_eq!(as_handle.set_label("x"), Err(Error::WrongKind));
        assert_eq!(as_handle.info().err(), Some(Error::WrongKind));
        assert!(as_handle.is_closing(None));
        let as_typed = Token::<Watched>::from_raw(hold.into_raw::<u8>());
        assert_eq!(as_typed.enter(c"nothing").err(), Some(Error::WrongKind));
        assert_eq!(as_typed.free(LONG), Err(Error::WrongKind));
    }
    assert_eq!(HoldToken::from_raw(token.into_raw::<u8>()).release(), Err(Error::WrongKind));
    assert_eq!(hold.release(), Ok(Freed::Destroyed));
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn a_hundred_thousand_holds_of_one_thread_are_taken_and_released_in_time() {
    let (token, fate) = open();
    // The second time in slots that were used before.
    for wave in ["first", "second"] {
        let start = Instant::now();
        let holds: Vec<Hold<Watched>> = (0..100_000).map(|_| token.hold(c"one of many").expect("open")).collect();
        assert_eq!(token.any().info().expect("alive").holds, 100_000);
        drop(holds);
        let took = start.elapsed();
        println!("the {wave} 100,000 holds: {took:?}");
        // A quarter of a second here; with a search from the first slot for each it is minutes.
        assert!(took < LONG, "the {wave} 100,000 holds took {took:?}");
    }
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}
