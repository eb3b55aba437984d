//! Nothing, locked instructions, and guards that are made of them.

use super::TwoWords;
use crate::subject::{Payload, Role, Subject, repeated};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
struct Object<G> {
    guard: G,
    payload: Payload,
}

struct RunDown(run_down::RundownRef);

impl Default for RunDown {
    fn default() -> RunDown {
        RunDown(run_down::RundownRef::new())
    }
}

fn both<T: Default>() -> [T; 2] {
    [T::default(), T::default()]
}

pub fn subjects() -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(repeated("plain call", Role::Baseline, both(), || (), |object: &Payload, ()| object.touch())),
        Box::new(repeated(
            "one locked add",
            Role::Rival,
            both(),
            || (),
            |object: &Object<AtomicU64>, ()| {
                object.guard.fetch_add(1, Ordering::Relaxed);
                object.payload.touch()
            },
        )),
        Box::new(repeated(
            "two locked adds",
            Role::Rival,
            both(),
            || (),
            |object: &Object<AtomicU64>, ()| {
                object.guard.fetch_add(1, Ordering::Relaxed);
                let touched = object.payload.touch();
                object.guard.fetch_sub(1, Ordering::Relaxed);
                touched
            },
        )),
        Box::new(repeated(
            "two-word guard",
            Role::Rival,
            both(),
            || (),
            |object: &Object<TwoWords>, ()| {
                assert!(object.guard.enter(), "it is open");
                let touched = object.payload.touch();
                object.guard.leave();
                touched
            },
        )),
        Box::new(repeated(
            "run-down",
            Role::Rival,
            both(),
            || (),
            |object: &Object<RunDown>, ()| {
                let _inside = object.guard.0.try_acquire().expect("it is open");
                object.payload.touch()
            },
        )),
        Box::new(repeated(
            "Arc clone + drop",
            Role::Rival,
            both(),
            || (),
            |object: &Arc<Payload>, ()| Arc::clone(object).touch(),
        )),
    ]
}
