//! What a free answers: the table in the README, line by line, with nobody and with somebody inside.

use super::*;
use quiescent_core::handle::LifeState;
use std::mem::forget;
use std::sync::mpsc::channel;

fn life(token: Token<Watched>) -> Option<LifeState> {
    token.any().info().ok().map(|info| info.life)
}

/// Another thread inside `token` until the answer is dropped (or, at the latest, until the end of the test).
fn somebody_inside(token: Token<Watched>) -> impl FnOnce() {
    let (leave, may_leave) = channel::<()>();
    let (entered, is_inside) = channel();
    let thread = thread::spawn(move || {
        let _operation = token.enter(c"somebody").expect("open");
        entered.send(()).expect("the test waits");
        let _ = may_leave.recv();
    });
    is_inside.recv().expect("entered");
    move || {
        drop(leave);
        thread.join().expect("no panic inside");
    }
}

#[test]
fn try_free_with_nobody_inside_frees() {
    let (token, fate) = open();
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    assert_eq!(fate.closes(), 0, "there is nobody to wake");
    is_over(token, &fate);
}

#[test]
fn try_free_with_somebody_inside_is_busy_and_leaves_the_handle_as_it_was() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    let hold = token.hold(c"a hold counts too").expect("open");
    for _ in 0..3 {
        assert_eq!(at_once(|| token.try_free()), Err(Error::Busy));
        assert!(!token.is_closing());
        drop(token.enter(c"still usable").expect("still usable"));
    }
    leave();
    assert_eq!(token.try_free(), Err(Error::Busy));
    drop(hold);
    assert_eq!((fate.closes(), fate.drops()), (0, 0));
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn a_free_with_nobody_inside_frees() {
    for timeout in [Duration::ZERO, MS, LONG] {
        let (token, fate) = open();
        assert!(!token.is_closing());
        assert_eq!(token.free(timeout), Ok(Freed::Destroyed));
        assert_eq!(fate.closes(), 0, "there is nobody to wake");
        is_over(token, &fate);
    }
}

#[test]
fn the_first_free_closes_wakes_and_waits_for_those_inside() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    thread::scope(|scope| {
        let freer = scope.spawn(|| token.free(LONG));
        eventually("it is closed", || token.is_closing());
        assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
        assert_eq!(token.hold(c"late").err(), Some(Error::Freed));
        assert_eq!(token.try_free(), Ok(Freed::Pending));
        assert_eq!(life(token), Some(LifeState::Closing));
        // Again and again, as an operation may begin to block late.
        eventually("on_close is called again and again", || fate.closes() >= 4);
        assert_eq!(fate.drops(), 0, "destroyed while somebody was inside");
        leave();
        assert_eq!(ended(freer), Ok(Freed::Destroyed));
    });
    is_over(token, &fate);
}

#[test]
fn an_operation_that_blocks_is_woken() {
    struct Blocking(std::sync::Mutex<bool>, std::sync::Condvar);
    handle_type!(Blocking, "blocking", |blocking| {
        *blocking.0.lock().expect("no panic inside") = true;
        blocking.1.notify_all();
    });
    let token = Token::open(Blocking(false.into(), std::sync::Condvar::new())).expect("a new handle");
    let (entered, is_inside) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let blocking = token.enter(c"block").expect("open");
            entered.send(()).expect("the test waits");
            let is_woken = blocking.0.lock().expect("no panic inside");
            let _woken = blocking.1.wait_while(is_woken, |woken| !*woken).expect("no panic inside");
        });
        is_inside.recv().expect("entered");
        assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Destroyed));
    });
}

#[test]
fn a_free_that_times_out_stays_pending_and_the_last_one_out_destroys() {
    let timed_out = || {
        let (token, fate) = open();
        let leave = somebody_inside(token);
        assert_eq!(lasting(100 * MS, || token.free(100 * MS)), Ok(Freed::Pending));
        assert!(fate.closes() >= 1, "woken at the close");
        (token, fate, leave)
    };
    // Only then where the scheduler keeps this thread from running until the deadline is over.
    let again = (0..20).map(|_| timed_out()).find(|(_, fate, _)| fate.closes() >= 2);
    let (token, fate, leave) = again.expect("woken again");
    assert_eq!(life(token), Some(LifeState::Pending));
    assert_eq!(token.try_free(), Ok(Freed::Pending));
    assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
    let closes = fate.closes();
    thread::sleep(20 * MS);
    assert_eq!((fate.closes(), fate.drops()), (closes, 0), "a free that gave up goes on");
    leave();
    is_over(token, &fate);
}

#[test]
fn the_longest_duration_is_no_deadline() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    thread::scope(|scope| {
        let freer = scope.spawn(|| token.free(Duration::MAX));
        eventually("it is closed", || token.is_closing());
        let waiter = scope.spawn(|| token.wait_freed(Duration::MAX));
        thread::sleep(20 * MS);
        assert!(!freer.is_finished() && !waiter.is_finished(), "it overflowed into the past");
        leave();
        assert_eq!(ended(freer), Ok(Freed::Destroyed));
        assert_eq!(ended(waiter), Ok(()));
    });
    is_over(token, &fate);
}

#[test]
fn a_free_with_no_time_wakes_and_is_pending_at_once() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    assert_eq!(at_once(|| token.free(Duration::ZERO)), Ok(Freed::Pending));
    assert_eq!(fate.closes(), 1);
    leave();
    is_over(token, &fate);
}

#[test]
fn a_free_from_inside_itself_is_pending_at_once() {
    let (token, fate) = open();
    let operation = token.enter(c"free").expect("open");
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Pending));
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Pending), "a second one, too");
    assert_eq!(at_once(|| token.wait_freed(LONG)), Err(Error::Deadlock));
    assert_eq!(operation.0.drops(), 0, "the value is there until the leave");
    drop(operation);
    is_over(token, &fate);
}

#[test]
fn a_free_from_inside_itself_does_not_wait_for_others_either() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    let operation = token.enter(c"free").expect("open");
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Pending));
    drop(operation);
    assert_eq!(fate.drops(), 0);
    leave();
    is_over(token, &fate);
}

#[test]
fn a_free_by_the_only_holder_is_pending_at_once() {
    let (token, fate) = open();
    let holds = [(); 3].map(|()| token.hold(c"free").expect("open"));
    assert_eq!(at_once(|| token.free(LONG)), Ok(Freed::Pending));
    assert_eq!(at_once(|| token.wait_freed(LONG)), Err(Error::Deadlock));
    for hold in holds {
        assert_eq!(fate.drops(), 0);
        drop(hold);
    }
    is_over(token, &fate);
}

#[test]
fn a_holder_waits_for_others_until_only_its_own_holds_are_left() {
    let (token, fate) = open();
    let hold = token.hold(c"free").expect("open");
    let leave = somebody_inside(token);
    let leaver = thread::spawn(move || {
        eventually("it is closed", || token.is_closing());
        thread::sleep(40 * MS);
        leave();
    });
    assert_eq!(lasting(40 * MS, || token.free(LONG)), Ok(Freed::Pending));
    leaver.join().expect("no panic");
    assert_eq!(at_once(|| token.wait_freed(LONG)), Err(Error::Deadlock));
    drop(hold);
    is_over(token, &fate);
}

#[test]
fn a_concurrent_free_waits_for_its_own_timeout() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    thread::scope(|scope| {
        let first = scope.spawn(|| token.free(LONG));
        eventually("it is closed", || token.is_closing());
        assert_eq!(lasting(20 * MS, || token.free(20 * MS)), Ok(Freed::Pending));
        assert_eq!(at_once(|| token.free(Duration::ZERO)), Ok(Freed::Pending));
        let patient = scope.spawn(|| token.free(LONG));
        thread::sleep(20 * MS);
        assert!(!patient.is_finished() && !first.is_finished(), "ended while somebody was inside");
        leave();
        assert_eq!(ended(first), Ok(Freed::Destroyed));
        assert_eq!(ended(patient), Ok(Freed::AlreadyFreed));
    });
    is_over(token, &fate);
}

#[test]
fn a_later_free_takes_over_and_wakes_again() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(fate.closes(), 1);
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(fate.closes(), 2, "with no time, woken once more all the same");
    assert_eq!(lasting(20 * MS, || token.free(20 * MS)), Ok(Freed::Pending));
    let before = fate.closes();
    thread::scope(|scope| {
        let third = scope.spawn(|| token.free(LONG));
        eventually("on_close is called again and again", || fate.closes() >= before + 3);
        assert_eq!(life(token), Some(LifeState::Closing));
        leave();
        assert_eq!(ended(third), Ok(Freed::AlreadyFreed), "the first freed it");
    });
    is_over(token, &fate);
}

#[test]
fn eight_frees_at_once_agree() {
    for round in 0..100 {
        let (token, fate) = open();
        let operation = (round % 2 == 0).then(|| token.enter(c"in the way").expect("open"));
        let answers = thread::scope(|scope| {
            let freers = [(); 8].map(|()| scope.spawn(|| token.free(LONG)));
            eventually("it is closed", || token.is_closing());
            drop(operation);
            freers.map(|freer| ended(freer).expect("no refusal"))
        });
        let destroyed = answers.iter().filter(|answer| **answer == Freed::Destroyed).count();
        let already = answers.iter().filter(|answer| **answer == Freed::AlreadyFreed).count();
        assert_eq!((destroyed, already), (1, 7), "round {round}: {answers:?}");
        is_over(token, &fate);
    }
}

#[test]
fn wait_freed_with_an_open_handle_waits_for_a_free() {
    let (token, fate) = open();
    assert_eq!(lasting(20 * MS, || token.wait_freed(20 * MS)), Err(Error::Timeout));
    assert_eq!(at_once(|| token.wait_freed(Duration::ZERO)), Err(Error::Timeout));
    assert!(!token.is_closing(), "waiting does not close");
    thread::scope(|scope| {
        let waiters = [(); 4].map(|()| {
            scope.spawn(|| {
                assert_eq!(token.wait_freed(LONG), Ok(()));
                assert_eq!(fate.drops(), 1, "told before the value was dropped");
                assert_eq!(token.wait_freed(LONG), Ok(()), "any number of times");
            })
        });
        thread::sleep(10 * MS);
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    });
    is_over(token, &fate);
}

#[test]
fn wait_freed_with_somebody_inside_waits_for_the_last_one_out() {
    let (token, fate) = open();
    let leave = somebody_inside(token);
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(lasting(20 * MS, || token.wait_freed(20 * MS)), Err(Error::Timeout));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| token.wait_freed(LONG));
        leave();
        assert_eq!(ended(waiter), Ok(()));
    });
    is_over(token, &fate);
}

#[test]
fn wait_freed_from_inside_an_open_handle_is_a_deadlock() {
    let (token, _) = open();
    let operation = token.enter(c"wait").expect("open");
    assert_eq!(at_once(|| token.wait_freed(LONG)), Err(Error::Deadlock));
    drop(operation);
    let hold = token.hold(c"wait").expect("open");
    assert_eq!(at_once(|| token.wait_freed(LONG)), Err(Error::Deadlock));
    drop(hold);
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
}

#[test]
fn a_forgotten_operation_keeps_the_free_pending() {
    let (token, fate) = open();
    elsewhere(|| forget(token.enter(c"forgotten").expect("open")));
    assert_eq!(lasting(20 * MS, || token.free(20 * MS)), Ok(Freed::Pending));
    assert_eq!(lasting(20 * MS, || token.wait_freed(20 * MS)), Err(Error::Timeout));
    assert_eq!(fate.drops(), 0);
}

#[test]
fn a_free_from_drop_or_on_close_of_the_value_itself_does_not_hang() {
    static SELF: std::sync::OnceLock<Token<Suicidal>> = std::sync::OnceLock::new();
    static ANSWERS: std::sync::Mutex<Vec<Result<Freed, Error>>> = std::sync::Mutex::new(Vec::new());
    struct Suicidal;
    fn free_self(_: &Suicidal) {
        let answer = SELF.get().expect("set").free(LONG);
        ANSWERS.lock().expect("no panic").push(answer);
    }
    handle_type!(Suicidal, "suicidal", free_self);
    impl Drop for Suicidal {
        fn drop(&mut self) {
            free_self(self);
            assert_eq!(SELF.get().expect("set").wait_freed(LONG), Err(Error::Deadlock));
        }
    }
    let token = *SELF.get_or_init(|| Token::open(Suicidal).expect("a new handle"));
    let hold = token.hold(c"in the way").expect("open");
    assert_eq!(elsewhere(|| token.free(Duration::ZERO)), Ok(Freed::Pending));
    assert_eq!(ANSWERS.lock().expect("no panic").split_off(0), [Ok(Freed::Pending)], "in on_close");
    drop(hold);
    assert_eq!(ANSWERS.lock().expect("no panic").split_off(0), [Ok(Freed::Pending)], "in drop");
    assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed));
}
