//! Who is inside, and what can be told of a handle.

use super::*;
use quiescent_core::handle::{AnyHandle, AnyKind, Hooks, LABEL_MAX, LifeState, Occupant, RawHold};
use std::ffi::CStr;
use std::mem::forget;

fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).expect("ends in a NUL");
    assert!(bytes[end..].iter().all(|byte| *byte == 0), "padded with NULs");
    std::str::from_utf8(&bytes[..end]).expect("UTF-8")
}

fn occupants(token: Token<Watched>) -> Vec<Occupant> {
    let mut all = Vec::new();
    token.any().occupants(|occupant| all.push(occupant)).expect("alive");
    all
}

#[test]
fn operations_and_holds_are_told_with_their_thread() {
    let (token, _) = open();
    assert!(occupants(token).is_empty());
    let (hold, from_there) = thread::Builder::new()
        .name("the taker".into())
        .spawn(move || {
            let hold = token.hold(c"an operation whose name is longer than it may be").expect("open");
            let operation = token.enter(c"query").expect("open");
            let all = occupants(token);
            assert_eq!(all.len(), 2);
            let query = all.iter().find(|occupant| !occupant.is_hold).expect("the operation");
            assert_eq!((text(&query.operation), text(&query.thread_name)), ("query", "the taker"));
            assert_eq!((query.since, query.has_ended), (None, false));
            drop(operation);
            thread::sleep(5 * MS);
            (hold, query.thread)
        })
        .expect("a thread")
        .join()
        .expect("no panic");
    let operation = token.enter(c"another").expect("open");
    let all = occupants(token);
    assert_eq!(all.len(), 2);
    let held = all.iter().find(|occupant| occupant.is_hold).expect("the hold");
    assert_eq!(text(&held.operation), "an operation whose name is longer than ", "cut to 39 bytes");
    assert_eq!((held.thread, text(&held.thread_name), held.has_ended), (from_there, "the taker", true));
    assert!(held.since.expect("a hold has a time") >= 5 * MS);
    let own = all.iter().find(|occupant| !occupant.is_hold).expect("the operation");
    assert_ne!(own.thread, from_there);
    drop((hold, operation));
    assert!(occupants(token).is_empty());
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    assert_eq!(token.any().occupants(|_| panic!("called")), Err(Error::Freed));
}

#[test]
fn a_thread_that_ended_inside_is_told_as_such() {
    let (token, fate) = open();
    elsewhere(|| forget(token.enter(c"never leaves").expect("open")));
    assert_eq!(lasting(10 * MS, || token.free(10 * MS)), Ok(Freed::Pending));
    eventually("the thread's record has ended", || occupants(token)[0].has_ended);
    let all = occupants(token);
    assert_eq!(all.len(), 1);
    assert_eq!((text(&all[0].operation), all[0].is_hold), ("never leaves", false));
    // SAFETY: refused: this thread is not inside.
    assert_eq!(unsafe { token.any().leave() }, Err(Error::NotInside));
    assert_eq!(fate.drops(), 0);
    // Its record is not given to another thread while the operation is in flight.
    for _ in 0..10 {
        let (other, _) = open();
        elsewhere(|| drop(other.enter(c"other").expect("open")));
        assert_eq!(other.free(LONG), Ok(Freed::Destroyed));
    }
    assert_eq!(text(&occupants(token)[0].operation), "never leaves");
}

#[test]
fn more_operations_than_a_record_has_slots() {
    const DEEP: usize = 100;
    let (token, fate) = open();
    let (other, _) = open();
    let mut operations: Vec<_> = (0..DEEP).map(|_| token.enter(c"nested").expect("open")).collect();
    let between = other.enter(c"between").expect("open");
    assert_eq!(occupants(token).len(), DEEP);
    assert_eq!(token.any().info().expect("alive").in_flight, 100);
    // In an order that is neither theirs nor its reverse.
    for left in (0..DEEP).rev() {
        drop(operations.swap_remove(left * 7 % (left + 1)));
        assert_eq!(occupants(token).len(), left);
        let again = token.enter(c"again").expect("open");
        assert_eq!(occupants(token).len(), left + 1);
        drop(again);
    }
    drop(between);
    assert_eq!(token.try_free(), Ok(Freed::Destroyed));
    assert_eq!(other.try_free(), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn a_leave_by_token_ends_the_latest_operation_of_this_thread() {
    let hooks = Hooks { on_close: None, on_destroy: None, ctx: std::ptr::null_mut() };
    // SAFETY: there are no callbacks.
    let kind = unsafe { AnyKind::new("left by token", hooks) }.expect("a new kind");
    // SAFETY: as above.
    let handle = unsafe { AnyHandle::open(kind, std::ptr::null_mut()) }.expect("a new handle");
    // SAFETY: static names; there is no object.
    let (enter, leave) =
        (|name: &'static CStr| unsafe { handle.enter(kind, name.as_ptr()) }, || unsafe { handle.leave() });
    let operations = || {
        let mut names = Vec::new();
        handle.occupants(|found| names.push(text(&found.operation).to_owned())).expect("alive");
        names.sort();
        names
    };
    assert_eq!(leave(), Err(Error::NotInside));
    for name in [c"1st", c"2nd", c"3rd"] {
        assert!(enter(name).is_ok());
    }
    // SAFETY: a static name.
    let (_, hold) = unsafe { RawHold::take(handle, kind, c"hold".as_ptr()) }.expect("open");
    assert_eq!(elsewhere(leave), Err(Error::NotInside), "another thread is not inside");
    assert_eq!(operations(), ["1st", "2nd", "3rd", "hold"]);
    assert_eq!(leave(), Ok(()));
    assert_eq!(operations(), ["1st", "2nd", "hold"]);
    assert!(enter(c"4th").is_ok());
    assert_eq!(leave(), Ok(()));
    assert_eq!(operations(), ["1st", "2nd", "hold"], "the latest, wherever its slot is");
    assert_eq!((leave(), leave()), (Ok(()), Ok(())));
    assert_eq!(leave(), Err(Error::NotInside), "a hold is released, not left");
    assert_eq!(operations(), ["hold"]);
    hold.release();
    assert!(enter(c"last").is_ok());
    assert_eq!(handle.free(None, LONG), Ok(Freed::Pending));
    assert_eq!(leave(), Ok(()), "the last one out destroys");
    assert_eq!(leave(), Err(Error::Freed));
    assert_eq!(kind.close(LONG), Ok((Freed::Destroyed, 0)));
}

#[test]
fn an_operation_that_its_entry_leaves_is_not_left_by_token() {
    let (token, fate) = open();
    let operation = token.enter(c"its entry's").expect("open");
    // SAFETY: refused.
    assert_eq!(unsafe { token.any().leave() }, Err(Error::NotInside));
    drop(operation);
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    is_over(token, &fate);
}

#[test]
fn what_is_told_of_a_handle() {
    struct Named;
    handle_type!(Named, "a kind whose name is cut to thirty-one bytes");
    let token = Token::open(Named).expect("a new handle");
    let told = || token.any().info().expect("alive");
    assert_eq!(text(&told().kind), "a kind whose name is cut to thi");
    assert_eq!((told().life, told().in_flight, told().holds, text(&told().label)), (LifeState::Open, 0, 0, ""));
    thread::sleep(3 * MS);
    assert!(told().age >= 3 * MS && told().age < Duration::from_secs(20));
    token.any().set_label("first").expect("open");
    // 30 bytes and then one of two bytes, which does not fit.
    let long = "0123456789012345678901234567é";
    assert_eq!(long.len(), LABEL_MAX - 1);
    token.any().set_label(&format!("{long}éé")).expect("open");
    assert_eq!(text(&told().label), long, "cut between characters");
    let (operation, hold) = (token.enter(c"in").expect("open"), token.hold(c"held").expect("open"));
    assert_eq!((told().life, told().in_flight, told().holds), (LifeState::Open, 2, 1));
    assert_eq!(token.free(LONG), Ok(Freed::Pending));
    assert_eq!((told().life, told().in_flight, told().holds), (LifeState::Pending, 2, 1));
    assert_eq!(token.any().set_label("late"), Err(Error::Freed));
    drop((operation, hold));
    assert_eq!(token.any().info().err(), Some(Error::Freed));
}

#[test]
fn the_label_of_one_life_is_not_the_next_ones() {
    for _ in 0..10 {
        let (token, _) = open();
        assert_eq!(text(&token.any().info().expect("alive").label), "");
        token.any().set_label("mine").expect("open");
        assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    }
}

#[test]
fn the_untyped_layer_runs_the_hooks_of_its_kind() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn count(object: *mut std::ffi::c_void, ctx: *mut std::ffi::c_void) {
        assert_eq!((object.addr(), ctx.addr() % 100), (0x1234, 1));
        CALLS.fetch_add(ctx.addr(), SeqCst);
    }
    unsafe extern "C" fn destroy(object: *mut std::ffi::c_void, ctx: *mut std::ffi::c_void) {
        assert_eq!((object.addr(), ctx.addr()), (0x1234, 1));
        CALLS.fetch_add(1000, SeqCst);
    }
    let hooks = Hooks { on_close: Some(count), on_destroy: Some(destroy), ctx: std::ptr::without_provenance_mut(1) };
    let object = std::ptr::without_provenance_mut(0x1234);
    // SAFETY: the callbacks take any address and do not unwind (unless this test fails).
    let kind = unsafe { AnyKind::new("untyped", hooks) }.expect("a new kind");
    // SAFETY: the callbacks do not follow the address.
    let handle = unsafe { AnyHandle::open(kind, object) }.expect("a new handle");
    // SAFETY: no name is needed.
    assert_eq!(unsafe { handle.enter(kind, std::ptr::null()) }, Ok(object));
    assert_eq!(kind.count_live(), 1);
    let (watched, _) = open();
    assert_eq!(handle.free(Some(kind), Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(CALLS.load(SeqCst), 1);
    // SAFETY: as above.
    assert_eq!(unsafe { watched.any().enter(kind, std::ptr::null()) }.err(), Some(Error::WrongKind));
    assert_eq!(watched.any().free(Some(kind), LONG), Err(Error::WrongKind));
    // SAFETY: the object is not used.
    assert_eq!(unsafe { handle.leave() }, Ok(()));
    assert_eq!(CALLS.load(SeqCst), 1001);
    assert_eq!(kind.close(LONG), Ok((Freed::Destroyed, 0)));
    // SAFETY: refused.
    assert_eq!(unsafe { AnyHandle::open(kind, object) }.err(), Some(Error::Freed));
    assert_eq!(CALLS.load(SeqCst), 1001, "a refused object is still the caller's");
    assert_eq!(watched.free(LONG), Ok(Freed::Destroyed));
}
