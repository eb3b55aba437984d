//! Backends in backends, and descriptors of the caller's.

use crate::completion::{Gate, backend, is_readable, over};
use quiescent_core::backend::completion::{
    AttachError, CompletionBackend, FAILED, Outcome, PollError, READABLE, WRITABLE, WaitDescriptorError,
};
use quiescent_core::{Deadline, Error, Freed, Token, Wait};
use std::future::{poll_fn, ready};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;

/// The one completion that a poll hands out: user data, value.
fn next(backend: &CompletionBackend) -> (usize, usize) {
    let mut seen = None;
    backend.poll(1, Duration::from_secs(20).into(), |completion| seen = Some(completion)).expect("one");
    let seen = seen.expect("handed out");
    assert_eq!(seen.outcome.answer, Ok(None));
    (seen.user_data, seen.outcome.value)
}

#[test]
fn the_outer_one_drives_what_is_attached_after_itself() {
    let [outer, inner, innermost] = [backend(), backend(), backend()];
    inner.attach(&innermost).expect("nobody drives it");
    outer.attach(&inner).expect("nobody drives it");
    assert!(!is_readable(&outer));
    let gate = Gate::default();
    innermost.submit(3, Wait::FOREVER, gate.clone().passed()).expect("memory");
    inner.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    outer.submit(1, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert!(matches!(inner.poll(1, Deadline::PASSED, |_| {}), Err(PollError::Busy)));
    assert!(is_readable(&outer));
    gate.open();
    assert_eq!(over(&outer), [(1, Ok(())), (2, Ok(())), (3, Ok(()))]);
    assert!(!is_readable(&outer));
    innermost.submit(4, Duration::from_millis(5).into(), std::future::pending::<Outcome>()).expect("memory");
    let mut seen = None;
    outer.poll(1, Duration::from_secs(20).into(), |completion| seen = Some(completion.outcome)).expect("one");
    assert_eq!(seen, Some(Outcome::refused(Error::Timeout)), "a deadline inside wakes the outer one");
    assert!(outer.detach(&inner));
    assert!(!outer.detach(&inner));
    inner.submit(5, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert_eq!((over(&outer), over(&inner)), (vec![], vec![(5, Ok(()))]));
}

#[test]
fn circles_and_two_owners_are_refused() {
    let [first, second, third] = [backend(), backend(), backend()];
    assert!(matches!(first.attach(&first), Err(AttachError::Circle)));
    first.attach(&second).expect("free");
    second.attach(&third).expect("free");
    assert!(matches!(third.attach(&first), Err(AttachError::Circle)));
    assert!(matches!(first.attach(&third), Err(AttachError::Busy)));
    // What was refused is as it was.
    first.submit(1, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert_eq!(over(&first), [(1, Ok(()))]);
}

#[test]
fn either_may_go_first() {
    let [outer, inner] = [backend(), backend()];
    outer.attach(&inner).expect("free");
    inner.submit(1, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    drop(inner);
    assert_eq!(over(&outer), []);
    assert!(!is_readable(&outer), "what went does not keep it busy");
    let inner = backend();
    outer.attach(&inner).expect("free");
    drop(outer);
    inner.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert_eq!(over(&inner), [(2, Ok(()))]);
}

/// A call of `inner`, whose poll runs `run` at its second look.
fn run_when_opened(inner: &CompletionBackend, gate: &Gate, run: impl FnOnce() + Send + 'static) {
    let gate = gate.clone();
    let run = async move {
        gate.passed().await;
        run();
        Outcome::DONE
    };
    inner.submit(1, Wait::FOREVER, run).expect("memory");
}

/// A handle that is attached, and whether a call of its was discarded.
fn attached_handle(outer: &CompletionBackend) -> (Token<CompletionBackend>, Arc<AtomicBool>) {
    let discarded = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&discarded);
    let inner = CompletionBackend::new(move |_| told.store(true, Ordering::Relaxed)).expect("descriptors");
    let inner = Token::open(inner).expect("memory");
    outer.attach_handle(inner).expect("nobody drives it");
    (inner, discarded)
}

#[test]
fn an_attached_handle_is_not_freed_while_one_of_its_calls_is_looked_at() {
    let outer = backend();
    let (inner, discarded) = attached_handle(&outer);
    let (gate, seen, looking) = (Gate::default(), Arc::clone(&discarded), Arc::new(Barrier::new(2)));
    let here = Arc::clone(&looking);
    run_when_opened(&inner.enter(c"submit").expect("open"), &gate, move || {
        here.wait();
        // Time enough for the free to end, if it does not wait for this.
        std::thread::sleep(Duration::from_millis(50));
        assert!(!seen.load(Ordering::Relaxed), "discarded while it runs");
    });
    std::thread::scope(|scope| {
        let free = scope.spawn(|| {
            looking.wait();
            inner.free(Duration::from_secs(20))
        });
        gate.open();
        assert_eq!(over(&outer), [(1, Ok(()))], "handed out, once");
        assert_eq!(free.join().expect("no panic"), Ok(Freed::Destroyed));
    });
    assert!(!discarded.load(Ordering::Relaxed));
    assert_eq!(over(&outer), []);
    assert!(!outer.detach(&backend()) && !is_readable(&outer), "it is detached");
}

#[test]
fn what_a_call_runs_may_free_the_attached_handle_that_it_is_on() {
    let outer = backend();
    let (inner, discarded) = attached_handle(&outer);
    let (gate, seen) = (Gate::default(), Arc::clone(&discarded));
    run_when_opened(&inner.enter(c"submit").expect("open"), &gate, move || {
        assert_eq!(inner.free(Duration::from_secs(20)), Ok(Freed::Pending), "it is inside itself");
        assert!(!seen.load(Ordering::Relaxed), "discarded while it runs");
    });
    gate.open();
    assert_eq!(over(&outer), [(1, Ok(()))], "handed out, by the poll that then was the last one out");
    assert_eq!(inner.free(Duration::ZERO), Ok(Freed::AlreadyFreed));
    assert!(!discarded.load(Ordering::Relaxed));
}

#[test]
fn a_detachment_during_a_round_skips_nobody() {
    let [outer, first] = [backend(), backend()].map(Arc::new);
    let second = backend();
    outer.attach(&first).expect("nobody drives it");
    outer.attach(&second).expect("nobody drives it");
    let gate = Gate::default();
    let both = [Arc::clone(&outer), Arc::clone(&first)];
    run_when_opened(&first, &gate, move || assert!(both[0].detach(&both[1])));
    second.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    gate.open();
    assert_eq!(over(&outer), [(2, Ok(()))], "it was over before the poll began");
    assert_eq!(over(&first), [(1, Ok(()))]);
}

/// Two that take turns: each look at a call of one attaches the other.
#[test]
fn what_is_attached_during_a_round_does_not_keep_it() {
    let [outer, first, second] = [backend(), backend(), backend()].map(Arc::new);
    let looks = Arc::new(AtomicUsize::new(0));
    let gates = [Gate::default(), Gate::default()];
    for (own, other, gate) in [(&first, &second, &gates[0]), (&second, &first, &gates[1])] {
        let [outer, here, next] = [&outer, own, other].map(Arc::clone);
        let (looks, passed) = (Arc::clone(&looks), gate.clone().passed());
        let turn = async move {
            passed.await;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if looks.fetch_add(1, Ordering::Relaxed) > 100 {
                    return Poll::Ready(Outcome::DONE);
                }
                assert!(outer.detach(&here));
                outer.attach(&next).expect("nobody drives it");
                Poll::Pending
            })
            .await
        };
        own.submit(1, Wait::FOREVER, turn).expect("memory");
        gate.open();
    }
    outer.attach(&first).expect("nobody drives it");
    assert_eq!(over(&outer), []);
    assert_eq!(looks.load(Ordering::Relaxed), 1);
    // They hold each other.
    looks.store(1000, Ordering::Relaxed);
    assert_eq!((over(&outer), over(&first)), (vec![(1, Ok(()))], vec![(1, Ok(()))]));
}

/// What is in a backend that was detached goes with it: by a call of that one, or of what is in it.
#[test]
fn what_is_inside_of_what_was_detached_is_handed_out_by_that() {
    for is_deeper in [false, true] {
        let [outer, middle] = [backend(), backend()].map(Arc::new);
        let inner = backend();
        outer.attach(&middle).expect("nobody drives it");
        middle.attach(&inner).expect("nobody drives it");
        let gate = Gate::default();
        let both = [Arc::clone(&outer), Arc::clone(&middle)];
        let caller = if is_deeper { &inner } else { &*middle };
        run_when_opened(caller, &gate, move || {
            assert!(both[0].detach(&both[1]));
            assert!(matches!(both[1].poll(1, Deadline::PASSED, |_| {}), Err(PollError::Busy)), "until that look ends");
        });
        inner.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
        inner.wake();
        gate.open();
        assert_eq!(over(&outer), [], "it drives neither any more");
        let expected = if is_deeper { [2, 1] } else { [1, 2] };
        assert_eq!(over(&middle), expected.map(|call| (call, Ok(()))));
        assert_eq!(middle.poll(1, Deadline::PASSED, |_| {}).expect("woken"), 0);
    }
}

#[test]
fn what_is_over_is_handed_out_also_where_the_system_refuses_the_rest() {
    let [outer, inner] = [backend(), backend()];
    let _wake = inner.wake_descriptor().expect("descriptors");
    outer.attach(&inner).expect("nobody drives it");
    let file = std::fs::File::open("/proc/self/exe").expect("Linux");
    // The inner one's set is a file from now on, which the system does not look into.
    // SAFETY: both are open, and whoever owns them closes them as before.
    assert!(unsafe { libc::dup2(file.as_raw_fd(), inner.watch().as_raw_fd()) } >= 0);
    outer.submit(1, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert_eq!(next(&outer), (1, 0));
    let refused = outer.poll(1, Deadline::PASSED, |_| panic!("nothing is over"));
    assert!(matches!(refused, Err(PollError::Io(error)) if error.raw_os_error() == Some(libc::EINVAL)));
}

#[test]
fn a_descriptor_is_waited_for_until_it_is_ready() {
    let backend = backend();
    let (mut near, mut far) = UnixStream::pair().expect("descriptors");
    backend.wait_descriptor(1, Wait::FOREVER, near.as_fd(), READABLE).expect("fine");
    backend.wait_descriptor(2, Wait::FOREVER, near.as_fd(), READABLE | WRITABLE).expect("fine");
    assert!(is_readable(&backend), "it can be written to");
    assert_eq!(next(&backend), (2, WRITABLE as usize));
    assert!(!is_readable(&backend));
    far.write_all(b"x").expect("room");
    assert!(is_readable(&backend));
    assert_eq!(next(&backend), (1, READABLE as usize));
    assert!(!is_readable(&backend), "it is waited for no more");
    near.read_exact(&mut [0]).expect("written");
    backend.wait_descriptor(3, Duration::from_millis(5).into(), near.as_fd(), READABLE).expect("fine");
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(over(&backend), [(3, Err(Error::Timeout))]);
    backend.wait_descriptor(4, Wait::FOREVER, near.as_fd(), READABLE).expect("fine");
    // Ours stays what it was.
    drop(near);
    far.write_all(b"y").expect("the copy is open");
    assert_eq!(next(&backend), (4, READABLE as usize));
    assert_eq!(far.write_all(b"z").expect_err("closed").kind(), std::io::ErrorKind::BrokenPipe);
    backend.wait_descriptor(5, Wait::FOREVER, far.as_fd(), READABLE).expect("fine");
    assert_eq!(next(&backend), (5, (READABLE | FAILED) as usize));
}

#[test]
fn odd_descriptors() {
    let backend = backend();
    let file = std::fs::File::open("/proc/self/exe").expect("Linux");
    backend.wait_descriptor(1, Wait::FOREVER, file.as_fd(), READABLE).expect("fine");
    assert_eq!(next(&backend), (1, READABLE as usize), "a file is always ready");
    for interest in [0, FAILED, 8 | READABLE] {
        let refused = backend.wait_descriptor(2, Wait::FOREVER, file.as_fd(), interest);
        assert!(matches!(refused, Err(WaitDescriptorError::InvalidArgument)));
    }
    assert_eq!(over(&backend), []);
}

#[test]
fn the_wake_descriptor_ends_a_poll_and_may_outlive_the_backend() {
    let backend = backend();
    let wake = backend.wake_descriptor().expect("descriptors");
    let mut wake = std::fs::File::from(wake);
    wake.write_all(&1_u64.to_ne_bytes()).expect("room");
    assert!(is_readable(&backend));
    assert_eq!(backend.poll(1, Deadline::NEVER, |_| {}).expect("woken"), 0);
    assert!(!is_readable(&backend));
    drop(backend);
    // An eventfd takes it; of a pair of sockets the other one is closed, and that is told.
    let late = wake.write_all(&1_u64.to_ne_bytes()).map_err(|error| error.kind());
    let closed = if cfg!(quiescent_park_fallback) { Err(std::io::ErrorKind::BrokenPipe) } else { Ok(()) };
    assert_eq!(late, closed);
}

#[test]
fn whoever_runs_inside_a_look_knows_for_which_call() {
    let [outer, inner] = [backend(), backend()];
    outer.attach(&inner).expect("nobody drives it");
    assert_eq!(CompletionBackend::current(), None);
    let gate = Gate::default();
    let passed = gate.clone().passed();
    inner
        .submit(7, Wait::FOREVER, async move {
            let mut seen = passed.await;
            seen.value = CompletionBackend::current().expect("inside of a look");
            seen
        })
        .expect("memory");
    gate.open();
    assert_eq!((next(&outer), CompletionBackend::current()), ((7, 7), None));
    // A panic leaves none behind.
    outer.submit(8, Wait::FOREVER, async { panic!("of the test") }).expect("memory");
    assert_eq!((CompletionBackend::current(), over(&outer)), (None, vec![(8, Err(Error::Panic))]));
}
