//! Event loops that are told of changes alone, as with `EPOLLET`.

use crate::completion::{Gate, backend, is_readable, over};
use quiescent_core::Wait;
use quiescent_core::backend::completion::{CompletionBackend, Outcome};
use std::future::{poll_fn, ready};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::task::Poll;

/// An event loop that is told of changes alone is told again by a poll that leaves something to be looked at.
#[test]
fn the_descriptor_tells_anew_after_a_poll_that_found_nothing() {
    for is_nested in [false, true] {
        let [outer, inner] = [backend(), backend()];
        let backend = if is_nested { &inner } else { &outer };
        if is_nested {
            outer.attach(&inner).expect("nobody drives it");
        }
        let edges = Edges::of(&outer);
        let gate = Gate::default();
        let mut passed = Box::pin(gate.clone().passed());
        let mut looks = 0;
        // Pending when it is looked at because it was woken, and woken again meanwhile.
        let twice = poll_fn(move |context| {
            looks += 1;
            let ready = passed.as_mut().poll(context);
            if looks == 2 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready
        });
        backend.submit(1, Wait::FOREVER, twice).expect("memory");
        gate.open();
        assert!(edges.is_told());
        assert_eq!(over(&outer), []);
        assert!(edges.is_told(), "a call is to be looked at");
        assert_eq!(over(&outer), [(1, Ok(()))]);
        assert_eq!(over(&outer), []);
        assert!(!edges.is_told() && !is_readable(&outer));
    }
}

/// What came while a backend was attached is told again when it is its own: whoever was told then could not poll it.
#[test]
fn the_descriptor_tells_anew_after_a_detachment() {
    for is_nested in [false, true] {
        let [outer, inner, innermost] = [backend(), backend(), backend()];
        outer.attach(&inner).expect("nobody drives it");
        let edges = Edges::of(&inner);
        if is_nested {
            inner.attach(&innermost).expect("nobody drives it");
        }
        let backend = if is_nested { &innermost } else { &inner };
        backend.submit(1, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
        assert!(edges.is_told() && !edges.is_told());
        assert!(outer.detach(&inner));
        assert!(edges.is_told(), "there is a completion");
        assert_eq!(over(&inner), [(1, Ok(()))]);
        assert!(!edges.is_told() && !is_readable(&inner));
    }
}

/// Tells when a backend's descriptor becomes readable, once.
struct Edges(OwnedFd);

impl Edges {
    fn of(backend: &CompletionBackend) -> Edges {
        // SAFETY: plain numbers.
        let set = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(set >= 0);
        // SAFETY: it was just opened.
        let set = unsafe { OwnedFd::from_raw_fd(set) };
        let events = u32::from_ne_bytes((libc::EPOLLIN | libc::EPOLLET).to_ne_bytes());
        let mut event = libc::epoll_event { events, u64: 0 };
        let watched = backend.watch().as_raw_fd();
        // SAFETY: `event` is readable.
        assert_eq!(unsafe { libc::epoll_ctl(set.as_raw_fd(), libc::EPOLL_CTL_ADD, watched, &raw mut event) }, 0);
        Edges(set)
    }

    fn is_told(&self) -> bool {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: one event, writable.
        let told = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, 0) };
        assert!(told >= 0);
        told == 1
    }
}
