//! Calls that complete: once each, in time, whatever their futures do.

use crate::eventually::{LONG, ended};
use crate::readable;
use quiescent_core::backend::completion::{Completion, CompletionBackend, Outcome, PollError};
use quiescent_core::sync::{CancelToken, OwnedSemaphorePermit, Semaphore};
use quiescent_core::{Deadline, Error, Wait};
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

pub fn backend() -> CompletionBackend {
    CompletionBackend::new(|_| {}).expect("descriptors")
}

/// What a poll hands out at once: user data and answers.
pub fn over(backend: &CompletionBackend) -> Vec<(usize, Result<(), Error>)> {
    let mut all = Vec::new();
    let put = |completion: Completion| {
        all.push((completion.user_data, completion.outcome.answer.map(|_freed| ())));
    };
    match backend.poll(usize::MAX, Deadline::PASSED, put) {
        Ok(count) => assert_eq!(count, all.len()),
        Err(PollError::TimedOut) => {}
        Err(error) => panic!("{error}"),
    }
    all
}

pub fn is_readable(backend: &CompletionBackend) -> bool {
    readable(backend.watch())
}

/// Ready as soon as somebody opens it; wakes whoever looked last.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    pub fn open(&self) {
        let waker = {
            let mut gate = self.0.lock().expect("no panic");
            gate.0 = true;
            gate.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub fn passed(self) -> impl Future<Output = Outcome> + Send {
        poll_fn(move |context| {
            let mut gate = self.0.lock().expect("no panic");
            gate.1 = Some(context.waker().clone());
            if gate.0 { Poll::Ready(Outcome::DONE) } else { Poll::Pending }
        })
    }
}

#[test]
fn what_is_over_comes_out_in_its_order_as_much_as_there_is_room_for() {
    let backend = backend();
    for user_data in 1..=20 {
        backend.submit(user_data, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    }
    assert_eq!(backend.pending(), 20);
    let mut seen = Vec::new();
    assert!(matches!(backend.poll(0, Deadline::PASSED, |_| {}), Err(PollError::NoRoom)));
    for room in [1, 3, 9, 100] {
        let handed = backend.poll(room, Deadline::NEVER, |completion| seen.push(completion.user_data)).expect("some");
        assert!(handed <= room);
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    assert!(matches!(backend.poll(1, Deadline::PASSED, |_| {}), Err(PollError::TimedOut)));
    assert_eq!(backend.pending(), 0);
}

#[test]
fn a_call_ends_at_its_deadline_and_not_before() {
    let backend = backend();
    backend.submit(2, Wait::NOT, pending::<Outcome>()).expect("memory");
    backend.submit(3, Wait::NOT, ready(Outcome::DONE)).expect("memory");
    assert_eq!(over(&backend), [(2, Err(Error::Timeout)), (3, Ok(()))]);
    let start = Instant::now();
    let timeout = Duration::from_millis(30);
    backend.submit(1, timeout.into(), pending::<Outcome>()).expect("memory");
    let mut late = None;
    backend.poll(1, LONG.into(), |completion| late = Some(completion)).expect("one");
    assert!(start.elapsed() >= timeout, "early: {:?}", start.elapsed());
    let late = late.expect("handed out");
    assert_eq!((late.user_data, late.outcome), (1, Outcome::refused(Error::Timeout)));
}

#[test]
fn a_token_ends_a_call_before_it_begins_while_it_waits_or_at_the_tokens_deadline() {
    let backend = backend();
    let looked = Arc::new(AtomicUsize::new(0));
    let token = CancelToken::new().expect("memory");
    token.cancel();
    let count = Arc::clone(&looked);
    let future = poll_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Poll::<Outcome>::Pending
    });
    backend.submit(1, Wait::FOREVER.or_cancelled(&token), future).expect("memory");
    assert_eq!((over(&backend), looked.load(Ordering::Relaxed)), (vec![(1, Err(Error::Cancelled))], 0));

    let token = CancelToken::new().expect("memory");
    backend.submit(2, Wait::FOREVER.or_cancelled(&token), pending::<Outcome>()).expect("memory");
    assert_eq!(over(&backend), []);
    token.cancel();
    assert_eq!(over(&backend), [(2, Err(Error::Cancelled))]);

    let token = CancelToken::new().expect("memory");
    backend.submit(3, Wait::FOREVER.or_cancelled(&token), pending::<Outcome>()).expect("memory");
    let start = Instant::now();
    std::thread::scope(|scope| {
        // Set while the driver sleeps without end.
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            token.cancel_at(Duration::from_millis(20).into()).expect("our own");
        });
        let mut answer = None;
        backend.poll(1, LONG.into(), |completion| answer = Some(completion.outcome.answer)).expect("one");
        assert_eq!(answer, Some(Err(Error::Cancelled)));
    });
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[test]
fn a_panic_ends_one_call() {
    let backend = backend();
    let gates = [Gate::default(), Gate::default()];
    let passed = gates[0].clone().passed();
    backend.submit(1, Wait::FOREVER, async { panic!("at the first look") }).expect("memory");
    let late = async {
        passed.await;
        panic!("while it is driven")
    };
    backend.submit(2, Wait::FOREVER, late).expect("memory");
    backend.submit(3, Wait::FOREVER, gates[1].clone().passed()).expect("memory");
    assert_eq!(over(&backend), [(1, Err(Error::Panic))]);
    gates.iter().for_each(Gate::open);
    assert_eq!(over(&backend), [(2, Err(Error::Panic)), (3, Ok(()))]);
}

#[test]
fn a_panic_of_who_collects_loses_only_what_it_was_given() {
    let backend = backend();
    for call in 1..=5 {
        backend.submit(call, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    }
    let mut given = 0;
    let put = |_| {
        given += 1;
        assert!(given < 2, "of the test");
    };
    let poll = AssertUnwindSafe(|| backend.poll(5, Deadline::PASSED, put));
    catch_unwind(poll).expect_err("it panics at the second one");
    assert_eq!(backend.pending(), 3);
    assert_eq!(over(&backend), [3, 4, 5].map(|call| (call, Ok(()))));
}

#[test]
fn what_wakes_itself_does_not_keep_others_from_being_handed_out() {
    let backend = backend();
    let restless = poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<Outcome>::Pending
    });
    backend.submit(1, Wait::FOREVER, restless).expect("memory");
    backend.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert_eq!(over(&backend), [(2, Ok(()))]);
    let start = Instant::now();
    assert!(matches!(backend.poll(1, Duration::from_millis(20).into(), |_| {}), Err(PollError::TimedOut)));
    assert!(start.elapsed() < LONG, "the deadline is kept");
}

/// Four submit, one drives, two more try to: each call completes once, nobody drives beside another.
#[test]
fn many_threads_submit_and_one_at_a_time_drives() {
    const EACH: usize = 20_000;
    let backend = backend();
    let permits = Semaphore::new(3, 3).map(Arc::new).expect("fine");
    let seen: Vec<AtomicUsize> = (0..4 * EACH).map(|_| AtomicUsize::new(0)).collect();
    let handed = AtomicUsize::new(0);
    let busy = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (backend, permits) = (&backend, &permits);
            scope.spawn(move || {
                for call in 0..EACH {
                    let permits = Arc::clone(permits);
                    let future = async move {
                        let permit = permits.acquire_async(1).await.expect("not closed");
                        drop(permit);
                        Outcome::DONE
                    };
                    backend.submit(thread * EACH + call, Wait::FOREVER, future).expect("memory");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                // Also until one of the two met the other: else nothing was tried.
                while handed.load(Ordering::Relaxed) < 4 * EACH || busy.load(Ordering::Relaxed) == 0 {
                    let put = |completion: Completion| {
                        assert_eq!(completion.outcome, Outcome::DONE);
                        seen[completion.user_data].fetch_add(1, Ordering::Relaxed);
                        handed.fetch_add(1, Ordering::Relaxed);
                    };
                    match backend.poll(64, Duration::from_millis(5).into(), put) {
                        Ok(_) | Err(PollError::TimedOut) => {}
                        Err(PollError::Busy) => {
                            busy.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    assert_eq!((permits.available(), backend.pending()), (3, 0));
}

/// A permit is handed on while the call that waits for it is cancelled: it is never lost, each call ends once.
#[test]
fn cancels_race_with_grants() {
    const ROUNDS: usize = 20_000;
    let backend = backend();
    let permits = Arc::new(Semaphore::new(1, 1).expect("fine"));
    let (mut granted, mut cancelled) = (0, 0);
    std::thread::scope(|scope| {
        let (to_release, releases) = std::sync::mpsc::channel::<OwnedSemaphorePermit>();
        scope.spawn(move || releases.iter().for_each(drop));
        for round in 0..ROUNDS {
            let permit = Arc::clone(&permits).acquire_owned(1, LONG.into()).expect("it came back");
            let token = CancelToken::new().expect("memory");
            let waiter = Arc::clone(&permits);
            let future = async move {
                drop(waiter.acquire_async(1).await.expect("not closed"));
                Outcome::DONE
            };
            backend.submit(round, Wait::FOREVER.or_cancelled(&token), future).expect("memory");
            to_release.send(permit).expect("it listens");
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            if round % 3 == 0 {
                std::thread::yield_now();
            }
            token.cancel();
            let mut answer = None;
            backend.poll(8, LONG.into(), |completion| answer = Some(completion)).expect("one");
            let completion = answer.expect("handed out");
            assert_eq!(completion.user_data, round);
            match completion.outcome.answer {
                Ok(_) => granted += 1,
                Err(error) => {
                    assert_eq!(error, Error::Cancelled);
                    cancelled += 1;
                }
            }
        }
    });
    println!("{granted} granted, {cancelled} cancelled");
    assert_eq!((permits.available(), backend.pending()), (1, 0));
    assert!(granted > 0 && cancelled > 0, "{granted} granted, {cancelled} cancelled: nothing raced");
}

/// A hundred thousand with deadlines, in no order: each ends after its moment, and then nobody wakes up. (That it takes no thread is seen in
/// ffi-tests/c/backend_many.c, which has its process for itself.)
#[test]
fn a_hundred_thousand_timers_need_no_ticking() {
    const CALLS: usize = 100_000;
    let backend = backend();
    let start = Instant::now();
    let moment = |call: usize| Duration::from_millis(300 + (call * 7919 % 400) as u64);
    for call in 0..CALLS {
        let deadline = Deadline::after(moment(call).saturating_sub(start.elapsed()));
        backend.submit(call, Wait::until(deadline), pending::<Outcome>()).expect("memory");
    }
    assert_eq!(backend.pending(), CALLS);
    let mut seen = vec![false; CALLS];
    while backend.pending() > 0 {
        let put = |completion: Completion| {
            assert_eq!(completion.outcome, Outcome::refused(Error::Timeout));
            assert!(start.elapsed() >= moment(completion.user_data), "early");
            assert!(!std::mem::replace(&mut seen[completion.user_data], true), "twice");
        };
        backend.poll(1000, LONG.into(), put).expect("some");
    }
    assert!(seen.iter().all(|seen| *seen));
    backend.submit(0, LONG.into(), pending::<Outcome>()).expect("memory");
    let woken = voluntary_switches();
    assert!(matches!(backend.poll(1, Duration::from_millis(500).into(), |_| {}), Err(PollError::TimedOut)));
    let woken = voluntary_switches() - woken;
    assert!(woken <= 2, "slept half a second and was woken {woken} times");
}

fn voluntary_switches() -> i64 {
    // SAFETY: the answer is plain numbers, for which zeros are fine.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) }, 0);
    usage.ru_nvcsw
}

/// The descriptor is readable exactly while a poll would find something.
#[test]
fn the_descriptor_tells_when_to_poll() {
    let backend = backend();
    let gate = Gate::default();
    backend.submit(1, Wait::FOREVER, gate.clone().passed()).expect("memory");
    assert!(!is_readable(&backend));
    gate.open();
    assert!(is_readable(&backend), "a call is to be looked at");
    assert_eq!(over(&backend), [(1, Ok(()))]);
    assert!(!is_readable(&backend));
    backend.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    backend.submit(3, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    assert!(is_readable(&backend));
    backend.poll(1, Deadline::PASSED, |_| {}).expect("one");
    assert!(is_readable(&backend), "there is another");
    backend.poll(1, Deadline::PASSED, |_| {}).expect("one");
    assert!(!is_readable(&backend));
    let start = Instant::now();
    backend.submit(4, Duration::from_millis(20).into(), pending::<Outcome>()).expect("memory");
    assert!(!is_readable(&backend) || start.elapsed() >= Duration::from_millis(20));
    std::thread::sleep(Duration::from_millis(25));
    assert!(is_readable(&backend), "its deadline has passed");
    assert_eq!(over(&backend), [(4, Err(Error::Timeout))]);
    assert!(!is_readable(&backend));
    backend.submit(5, LONG.into(), pending::<Outcome>()).expect("memory");
    backend.submit(6, Duration::from_millis(10).into(), pending::<Outcome>()).expect("memory");
    std::thread::sleep(Duration::from_millis(15));
    assert!(is_readable(&backend), "an earlier deadline than the one before");
    assert_eq!(over(&backend), [(6, Err(Error::Timeout))]);
    backend.wake();
    assert!(is_readable(&backend));
    assert_eq!(backend.poll(1, Deadline::NEVER, |_| {}).expect("woken"), 0);
    assert!(!is_readable(&backend));
    assert!(matches!(backend.poll(1, Deadline::PASSED, |_| {}), Err(PollError::TimedOut)), "it was taken");
}

/// What is woken by a call that the driver looks at is told, although nobody rang while it looked.
#[test]
fn what_a_look_wakes_is_told() {
    let backend = backend();
    let gates = [Gate::default(), Gate::default()];
    let (passed, next) = (gates[0].clone().passed(), gates[1].clone());
    backend.submit(2, Wait::FOREVER, gates[1].clone().passed()).expect("memory");
    let opens = async move {
        let outcome = passed.await;
        next.open();
        outcome
    };
    backend.submit(1, Wait::FOREVER, opens).expect("memory");
    gates[0].open();
    assert!(is_readable(&backend));
    let mut first = 0;
    backend.poll(1, Deadline::NEVER, |completion| first = completion.user_data).expect("one");
    assert_eq!(first, 1);
    assert!(is_readable(&backend), "the other is to be looked at");
    assert_eq!(over(&backend), [(2, Ok(()))]);
    assert!(!is_readable(&backend));
}

/// A driver that sleeps up to a late deadline is woken for an earlier one that comes meanwhile.
#[test]
fn an_earlier_deadline_wakes_the_driver() {
    let backend = backend();
    backend.submit(1, LONG.into(), pending::<Outcome>()).expect("memory");
    std::thread::scope(|scope| {
        let driver = scope.spawn(|| {
            let mut first = 0;
            backend.poll(1, LONG.into(), |completion| first = completion.user_data).expect("one");
            first
        });
        std::thread::sleep(Duration::from_millis(20));
        backend.submit(2, Duration::from_millis(5).into(), pending::<Outcome>()).expect("memory");
        assert_eq!(ended(driver), 2);
    });
}

/// What is under way, and what nobody collected, is discarded once each when the backend goes; its futures are dropped; a wake-up that
/// comes later touches nothing.
#[test]
fn a_backend_that_goes_discards_each_call_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let backend = CompletionBackend::new(move |user_data| tell.lock().expect("no panic").push(user_data));
    let backend = backend.expect("descriptors");
    let gate = Gate::default();
    let kept = Arc::new(());
    let own = Arc::clone(&kept);
    let passed = gate.clone().passed();
    let waiting = async move {
        let outcome = passed.await;
        drop(own);
        outcome
    };
    backend.submit(1, Wait::FOREVER, waiting).expect("memory");
    backend.submit(2, Wait::FOREVER, ready(Outcome::DONE)).expect("memory");
    backend.submit(3, Wait::FOREVER, pending::<Outcome>()).expect("memory");
    drop(backend);
    let mut discarded = std::mem::take(&mut *told.lock().expect("no panic"));
    discarded.sort_unstable();
    assert_eq!(discarded, [1, 2, 3]);
    assert_eq!(Arc::strong_count(&kept), 1, "the future is dropped");
    gate.open();
    assert_eq!(*told.lock().expect("no panic"), [0; 0]);
}

#[test]
fn after_a_close_nothing_begins_and_the_poll_in_progress_returns() {
    let backend = backend();
    std::thread::scope(|scope| {
        let driver = scope.spawn(|| backend.poll(1, LONG.into(), |_| {}));
        std::thread::sleep(Duration::from_millis(20));
        backend.close();
        assert!(matches!(ended(driver), Err(PollError::Closed)));
    });
    assert_eq!(backend.submit(1, Wait::FOREVER, ready(Outcome::DONE)), Err(Error::Freed));
    assert_eq!(backend.pending(), 0);
}
