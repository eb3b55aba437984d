//! Ours: the guard, run-down, and the token of a typed handle.

use crate::subject::{Payload, Role, Subject, repeated};
use quiescent_core::{Handle, HandleGuard, Kind, RundownRef, Token};

/// What is behind the tokens that are measured.
#[derive(Debug, Default)]
pub struct Boxed(pub Payload);

static BOXED: Kind<Boxed> = Kind::new("measured");

impl Handle for Boxed {
    fn kind() -> &'static Kind<Boxed> {
        &BOXED
    }
}

/// A handle that nobody has used yet.
pub fn new_token() -> Token<Boxed> {
    Token::open(Boxed::default()).expect("there is memory")
}

pub fn subjects() -> Vec<Box<dyn Subject>> {
    let guarded = || (HandleGuard::new(), Payload::default());
    let run_down = || (RundownRef::new(), Payload::default());
    vec![
        Box::new(repeated(
            "HandleGuard",
            Role::Ours,
            [guarded(), guarded()],
            || (),
            |(guard, payload), ()| {
                let _inside = guard.try_enter().expect("it is open");
                payload.touch()
            },
        )),
        Box::new(repeated(
            "RundownRef",
            Role::Ours,
            [run_down(), run_down()],
            || (),
            |(rundown, payload), ()| {
                let _inside = rundown.try_acquire().expect("it is open");
                payload.touch()
            },
        )),
        Box::new(repeated(
            "Token::enter",
            Role::Ours,
            [new_token(), new_token()],
            || (),
            |token, ()| token.enter(c"measured").expect("it is open").0.touch(),
        )),
    ]
}
