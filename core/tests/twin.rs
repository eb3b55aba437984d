//! Naive twins: for each clever thing a plain one beside it, without atomics and without cases, that
//! says what every call must answer.
//!
//! Random sequences of operations are carried out on both, and every answer is compared; a sequence that
//! ends in two different answers is shrunk and told as a story. Nothing races here (the models in
//! `tests/loom` do that): whatever threads there are act one after the other, so that every answer has
//! one right value.
//!
//! `PROPTEST_CASES` sets how many sequences, `PROPTEST_RNG_SEED` which ones; a failure prints both.

#![cfg(not(loom))]

#[path = "twin/cache_aware_rundown.rs"]
mod cache_aware_rundown;
#[path = "twin/guard.rs"]
mod guard;
#[path = "twin/handle.rs"]
mod handle;
#[path = "twin/handle_entering.rs"]
mod handle_entering;
#[path = "twin/handle_model.rs"]
mod handle_model;
#[path = "twin/handle_operation.rs"]
mod handle_operation;
#[path = "twin/handle_outcome.rs"]
mod handle_outcome;
#[path = "twin/handle_waiting.rs"]
mod handle_waiting;
#[path = "twin/pool.rs"]
mod pool;
#[path = "twin/rundown.rs"]
mod rundown;
#[path = "twin/worker.rs"]
mod worker;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything takes that somebody ends at once, on the slowest machine.
const SOON: Duration = Duration::from_secs(10);

/// Longer than that: a timeout of a call that must not wait for it to pass.
const LONG: Duration = Duration::from_secs(30);

/// What has happened so far, one line a step.
#[derive(Default)]
struct Story {
    steps: Vec<String>,
}

impl Story {
    /// What is done next. Before it is done, so that a panic is told too.
    fn tell(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    /// What it came to; an error if the twin says otherwise.
    fn compare<A: PartialEq + Debug>(&mut self, real: &A, twin: &A) -> Result<(), String> {
        if let Some(step) = self.steps.last_mut() {
            step.push_str(&format!(" -> {real:?}"));
        }
        if real == twin { Ok(()) } else { Err(format!("the twin says {twin:?}")) }
    }
}

/// Plays `cases` sequences (or `PROPTEST_CASES`) of up to `length` operations; `play` answers where the
/// twins differ.
fn check<O: Clone + Debug>(
    cases: u32,
    length: usize,
    operation: impl Strategy<Value = O>,
    play: impl Fn(&[O], &mut Story) -> Result<(), String>,
) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.max_shrink_time == 0 {
        config.max_shrink_time = 10_000;
    }
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(()),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    let cases = config.cases;

    let outcome = TestRunner::new(config).run(&vec(operation, 1..length), |operations| {
        let mut story = Story::default();
        let ended = catch_unwind(AssertUnwindSafe(|| play(&operations, &mut story)));
        let why = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(panic) => format!("panicked: {}", message_of(&*panic)),
        };
        let steps = story.steps.iter().enumerate().map(|(n, step)| format!("{:>4}. {step}\n", n + 1));
        Err(TestCaseError::fail(format!("\n{}      but {why}", steps.collect::<String>())))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(story, _)) => {
            panic!("{story}\n\nAgain: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} cargo test --test twin\n")
        }
        Err(TestError::Abort(reason)) => panic!("no cases: {reason}"),
    }
}

/// Carries out `wait` while another thread does `act`, as soon as it sees that the wait has `begun`.
fn meanwhile<A>(begun: impl Fn() -> bool + Send + Sync, act: impl FnOnce() + Send, wait: impl FnOnce() -> A) -> A {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !begun() && !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            act();
        });
        let start = Instant::now();
        let answer = wait();
        over.store(true, Ordering::Relaxed);
        assert!(start.elapsed() < SOON, "nobody woke it");
        answer
    })
}

/// What a caught panic says.
fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(without words)".into())
}

/// The `n`-th of `list`, counted around; `None` if it is empty.
fn pick<T: Copy>(list: &[T], n: usize) -> Option<T> {
    list.get(n % list.len().max(1)).copied()
}
