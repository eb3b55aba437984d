//! A grant and a cancellation at the same moment, over and over, the same for every kind.

use quiescent_core::sync::CancelToken;
use quiescent_core::{Error, Wait};
use std::sync::Barrier;
use std::time::Duration;

/// As many as promised: 10^5.
pub const ROUNDS: u32 = 100_000;

/// Runs `ROUNDS` rounds. In each, something is `taken` by this thread; another waits for it by `wait_for`, and answers `Ok`
/// if it got it (and has given it back), or why not. Then this thread gives it back and cancels, in this order or the other, a
/// little apart. `is_whole` says after each round whether everything is back.
pub fn grant_vs_cancel<G>(
    take: impl Fn() -> G,
    wait_for: impl Fn(Wait<'_>) -> Result<(), Error> + Sync,
    is_whole: impl Fn() -> bool,
) {
    take_a_name();
    let gate = Barrier::new(2);
    let token = std::sync::Mutex::new(CancelToken::new().expect("memory"));
    let (mut granted, mut cancelled) = (0, 0);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut answers = Vec::with_capacity(ROUNDS as usize);
            for _ in 0..ROUNDS {
                gate.wait();
                let cancel = token.lock().expect("no panic").clone();
                answers.push(wait_for(Wait::from(Duration::from_secs(60)).or_cancelled(&cancel)));
                gate.wait();
            }
            answers
        });
        let begun = namesakes();
        for round in 0..ROUNDS {
            let cancel = CancelToken::new().expect("memory");
            *token.lock().expect("no panic") = cancel.clone();
            let taken = take();
            gate.wait();
            let pause = || (0..round % 97 * 7).for_each(|_| std::hint::spin_loop());
            pause();
            if round % 2 == 0 {
                drop(taken);
                (0..round % 11).for_each(|_| std::hint::spin_loop());
                cancel.cancel();
            } else {
                cancel.cancel();
                (0..round % 11).for_each(|_| std::hint::spin_loop());
                drop(taken);
            }
            gate.wait();
            assert!(is_whole(), "something was lost in round {round}");
        }
        assert!(namesakes() <= begun, "waits leave no threads");
        for answer in waiter.join().expect("no panic") {
            match answer {
                Ok(()) => granted += 1,
                Err(Error::Cancelled) => cancelled += 1,
                Err(error) => panic!("a wait ended with {error:?}"),
            }
        }
    });
    println!("{granted} granted, {cancelled} cancelled");
    assert!(granted > 100 && cancelled > 100, "{granted} granted and {cancelled} cancelled: hardly a race");
}

/// Gives the calling thread a name that no other test's has, and those that it begins.
#[cfg(target_os = "linux")]
fn take_a_name() {
    static RACES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = RACES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::fs::write("/proc/thread-self/comm", format!("race {number}")).expect("there is /proc");
}

#[cfg(not(target_os = "linux"))]
fn take_a_name() {}

/// How many threads have the calling thread's name: a thread that the library began would have its beginner's.
#[cfg(target_os = "linux")]
fn namesakes() -> usize {
    let own = std::fs::read_to_string("/proc/thread-self/comm").expect("there is /proc");
    let threads = std::fs::read_dir("/proc/self/task").expect("there is /proc");
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| *name == own).count()
}

#[cfg(not(target_os = "linux"))]
fn namesakes() -> usize {
    2
}

/// `waiting` threads that all block in `wait_for` get out when `close` runs, with `Error::Freed`, and none is lost.
pub fn close_wakes_all(waiting: usize, wait_for: impl Fn(Wait<'_>) -> Error + Sync, close: impl FnOnce()) {
    let inside = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..waiting)
            .map(|_| {
                let run = || {
                    inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    wait_for(Duration::from_secs(60).into())
                };
                std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, run).expect("a thread")
            })
            .collect();
        while inside.load(std::sync::atomic::Ordering::SeqCst) < waiting {
            std::thread::yield_now();
        }
        // So that most of them sleep; those that do not yet are answered all the same.
        std::thread::sleep(Duration::from_millis(50));
        let start = std::time::Instant::now();
        close();
        for waiter in waiters {
            assert_eq!(waiter.join().expect("no panic"), Error::Freed);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "they were woken by their deadlines");
    });
}
