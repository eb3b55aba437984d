//! Reader-writer locks: an operation reads, the free writes.

use crate::subject::{Payload, Role, Subject, repeated};

pub fn subjects() -> Vec<Box<dyn Subject>> {
    let standard = || std::sync::RwLock::new(Payload::default());
    let parking = || parking_lot::RwLock::new(Payload::default());
    vec![
        Box::new(repeated(
            "std RwLock read",
            Role::Rival,
            [standard(), standard()],
            || (),
            |object, ()| object.read().expect("no panic").touch(),
        )),
        Box::new(repeated(
            "parking_lot RwLock read",
            Role::Rival,
            [parking(), parking()],
            || (),
            |object, ()| object.read().touch(),
        )),
    ]
}
