//! Handles, through the Rust surface, with real threads and the real clock.

#![cfg(not(loom))]

/// Makes `$type` a handle type with a kind of its own, in the block where it stands.
macro_rules! handle_type {
    ($type:ty, $name:literal) => {
        handle_type!($type, $name, |_| {});
    };
    ($type:ty, $name:literal, $on_close:expr) => {
        static OWN_KIND: quiescent_core::Kind<$type> = quiescent_core::Kind::new($name);
        impl quiescent_core::Handle for $type {
            fn kind() -> &'static quiescent_core::Kind<$type> {
                &OWN_KIND
            }
            fn on_close(&self) {
                let on_close: fn(&$type) = $on_close;
                on_close(self);
            }
        }
    };
}

mod boundary;
#[path = "../in_time/eventually.rs"]
mod eventually;
mod free;
mod freed_hooks;
mod hold;
mod kind;
#[path = "../in_time/lasting.rs"]
mod lasting;
mod many;
mod occupants;
mod panics;
mod report;
mod storm;
mod token;

use eventually::{LONG, MS, ended, eventually};
use lasting::{at_once, lasting};
use quiescent_core::{Error, Freed, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// What happened to the value behind a handle.
#[derive(Clone, Default)]
struct Fate(Arc<(AtomicUsize, AtomicUsize)>);

impl Fate {
    fn closes(&self) -> usize {
        self.0.0.load(SeqCst)
    }
    fn drops(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

/// A value that tells its fate.
struct Watched(Fate);
handle_type!(Watched, "watched", |watched| {
    assert_eq!(watched.0.drops(), 0, "on_close during or after drop");
    watched.0.0.0.fetch_add(1, SeqCst);
});
impl Drop for Watched {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, SeqCst);
    }
}

fn open() -> (Token<Watched>, Fate) {
    let fate = Fate::default();
    (Token::open(Watched(fate.clone())).expect("a new handle"), fate)
}

/// Runs `body` on another thread, to its end.
#[track_caller]
fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(body).join()).expect("no panic on the other thread")
}

/// Fails unless every use of `token` says that it is over, and its value was dropped once.
#[track_caller]
fn is_over(token: Token<Watched>, fate: &Fate) {
    assert_eq!(fate.drops(), 1, "how often the value was dropped");
    assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
    assert_eq!(token.hold(c"late").err(), Some(Error::Freed));
    assert_eq!(token.free(LONG), Ok(Freed::AlreadyFreed));
    assert_eq!(token.try_free(), Ok(Freed::AlreadyFreed));
    assert_eq!(token.wait_freed(Duration::ZERO), Ok(()));
    assert!(token.is_closing());
    assert_eq!(fate.drops(), 1, "how often the value was dropped");
}
