//! Tokens: what they are, and what every value that is none is answered.

use super::*;
use quiescent_core::handle::HoldToken;
use quiescent_core::{AnyHandle, Entry, Hold, Kind};

/// What two implementations of a trait with the same function tell: calling it compiles only while the type
/// is not `Send` (or not `Sync`), because otherwise both apply.
trait Ambiguous<Which> {
    fn is_not() {}
}
impl<T> Ambiguous<()> for T {}
struct IfSend;
impl<T: Send> Ambiguous<IfSend> for T {}

#[test]
fn what_may_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    fn is_data<T: Copy + Send + Sync + Eq + std::fmt::Debug>() {}
    crosses::<Hold<Watched>>();
    crosses::<Kind<Watched>>();
    is_data::<Token<Watched>>();
    // Also of a type that is neither: a token is a number.
    is_data::<Token<*const u8>>();
    is_data::<AnyHandle>();
    is_data::<HoldToken>();
    <Entry<Watched>>::is_not();
    assert_eq!((size_of::<Token<Watched>>(), size_of::<AnyHandle>(), size_of::<HoldToken>()), (8, 8, 8));
}

#[test]
fn the_value_is_there_while_an_operation_is() {
    #[derive(Debug)]
    struct Number(u32);
    handle_type!(Number, "number");
    let token = Token::open(Number(7)).expect("a new handle");
    let operation = token.enter(c"read").expect("open");
    let hold = token.hold(c"read later").expect("open");
    assert_eq!((operation.0, hold.0), (7, 7));
    assert_eq!(format!("{operation:?} {hold:?}"), "Entry(Number(7)) Hold(Number(7))");
    drop((operation, hold));
    let raw: *mut u8 = token.into_raw();
    assert_eq!(format!("{token:?}"), format!("Token({:#x})", raw.addr()));
    assert_eq!(Token::from_raw(raw), token);
    assert_eq!(AnyHandle::from_raw(raw), token.any());
    assert_eq!(Token::<Number>::from_raw(raw).free(LONG), Ok(Freed::Destroyed));
}

#[test]
fn a_token_is_odd_and_no_two_are_the_same() {
    let mut all: Vec<usize> = (0..1000)
        .map(|_| {
            let (token, _) = open();
            assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
            token.into_raw::<u8>().addr()
        })
        .collect();
    assert!(all.iter().all(|token| token % 2 == 1));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000, "two lives have the same token");
}

/// Each of the functions, with a value that is to be refused.
#[track_caller]
fn refused(address: usize, error: Error) {
    let raw = std::ptr::without_provenance::<u8>(address);
    let token = Token::<Watched>::from_raw(raw);
    assert_eq!(token.enter(c"nothing").err(), Some(error), "enter {address:#x}");
    assert_eq!(token.hold(c"nothing").err(), Some(error), "hold {address:#x}");
    assert_eq!(token.free(LONG), Err(error), "free {address:#x}");
    assert_eq!(token.try_free(), Err(error), "try_free {address:#x}");
    assert_eq!(token.wait_freed(LONG), Err(error), "wait_freed {address:#x}");
    assert_eq!(token.on_freed(|| panic!("called")), Err(error), "on_freed {address:#x}");
    assert!(token.is_closing());
    if error != Error::WrongKind {
        let any = AnyHandle::from_raw(raw);
        assert_eq!(any.free(None, LONG), Err(error), "free {address:#x}");
        assert_eq!(any.try_free(None), Err(error), "try_free {address:#x}");
        assert_eq!(any.wait_freed(None, LONG), Err(error), "wait_freed {address:#x}");
        assert_eq!(any.on_freed(None, Box::new(|| panic!("called"))), Err(error), "on_freed {address:#x}");
        assert_eq!(any.info().err(), Some(error), "info {address:#x}");
        assert_eq!(any.occupants(|_| panic!("called")), Err(error), "occupants {address:#x}");
        assert_eq!(any.set_label("x"), Err(error), "set_label {address:#x}");
        assert!(any.is_closing(None));
        assert_eq!(HoldToken::from_raw(raw).release(), Err(error), "release {address:#x}");
    }
}

#[test]
fn what_is_no_handle_is_refused_by_name() {
    let (token, fate) = open();
    let bits = token.into_raw::<u8>().addr();
    refused(0, Error::Null);
    for number in [1, 2, 3, 8, 42, 0xffff_ffff, usize::MAX - 1, std::ptr::from_ref(&fate).addr()] {
        refused(number, Error::BadHandle);
    }
    // Another key, a generation that was not handed out yet, generation 0, an index that was not.
    for garbage in [bits ^ 2, bits ^ (1 << 11), bits + (1 << 60), bits & ((1 << 36) - 1), bits | (0xfff << 24)] {
        refused(garbage, Error::BadHandle);
    }
    assert_eq!(fate.drops(), 0);
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
}

#[test]
fn a_live_handle_of_another_kind_is_a_wrong_kind_and_stays_as_it_was() {
    struct Other;
    handle_type!(Other, "other");
    let (token, fate) = open();
    let misread = Token::<Other>::from_raw(token.into_raw::<u8>());
    let all = || {
        assert_eq!(misread.enter(c"nothing").err(), Some(Error::WrongKind));
        assert_eq!(misread.hold(c"nothing").err(), Some(Error::WrongKind));
        assert_eq!(misread.free(LONG), Err(Error::WrongKind));
        assert_eq!(misread.try_free(), Err(Error::WrongKind));
        assert_eq!(misread.wait_freed(LONG), Err(Error::WrongKind));
        assert_eq!(misread.on_freed(|| panic!("called")), Err(Error::WrongKind));
        assert!(misread.is_closing());
    };
    // Nobody has opened an `Other` yet.
    all();
    let other = Token::open(Other).expect("a new handle");
    all();
    refused(other.into_raw::<u8>().addr(), Error::WrongKind);
    assert_eq!(other.free(LONG), Ok(Freed::Destroyed));
    assert!(!token.is_closing());
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    is_over(token, &fate);
    // Stale goes before wrong kind.
    assert_eq!(misread.free(LONG), Ok(Freed::AlreadyFreed));
    assert_eq!(misread.enter(c"nothing").err(), Some(Error::Freed));
}

#[test]
fn a_stale_token_stays_stale_when_its_shell_lives_again() {
    let (first, fate) = open();
    assert_eq!(first.free(LONG), Ok(Freed::Destroyed));
    for _ in 0..100 {
        let (next, next_fate) = open();
        is_over(first, &fate);
        assert_eq!(first.on_freed(|| {}), Ok(Freed::AlreadyFreed));
        assert_eq!(first.any().info().err(), Some(Error::Freed));
        assert_eq!(first.any().set_label("late"), Err(Error::Freed));
        assert_eq!((next_fate.drops(), next.is_closing()), (0, false), "a stale token touched the next life");
        assert_eq!(next.free(LONG), Ok(Freed::Destroyed));
    }
}
