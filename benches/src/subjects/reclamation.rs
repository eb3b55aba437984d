//! Deferred reclamation: readers announce themselves, who destroys looks for them.

use crate::subject::{Payload, Role, Subject, repeated};
use arc_swap::ArcSwap;
use haphazard::{AtomicPtr, HazardPointer};
use std::sync::atomic::Ordering;

pub fn subjects() -> Vec<Box<dyn Subject>> {
    let epoch = || crossbeam_epoch::Atomic::new(Payload::default());
    let hazard = || AtomicPtr::from(Box::new(Payload::default()));
    let swap = || ArcSwap::from_pointee(Payload::default());
    vec![
        Box::new(repeated(
            "crossbeam-epoch pin",
            Role::Rival,
            [epoch(), epoch()],
            || (),
            |object, ()| {
                let pinned = crossbeam_epoch::pin();
                // SAFETY: never changed, so it points at the payload that it was made with.
                unsafe { object.load(Ordering::Acquire, &pinned).deref() }.touch()
            },
        )),
        Box::new(repeated(
            "haphazard protect",
            Role::Rival,
            [hazard(), hazard()],
            HazardPointer::new,
            |object, hazard| {
                let touched = object.safe_load(hazard).expect("it is there").touch();
                hazard.reset_protection();
                touched
            },
        )),
        Box::new(repeated("arc-swap load", Role::Rival, [swap(), swap()], || (), |object, ()| object.load().touch())),
    ]
}
