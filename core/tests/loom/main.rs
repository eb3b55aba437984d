//! Models of the protocol, one per race, named after it. Run them with `scripts/loom`.
//!
//! loom runs a model in every interleaving, and lets every load see every value that the memory model
//! allows. What a model protects is an [`object::Object`] in loom's own cells, so that an operation that
//! was not ordered before the destructor is reported even where it happened to run first. A sleeper that
//! nobody wakes is a deadlock, which is reported too.
//!
//! A model answers how the race went, and says beforehand which ways there are: [`explore`] fails if one
//! was missing as well as if another turned up. So a model cannot quietly stop racing.
//!
//! Whoever is woken in a model sees what was done before, which a futex does not promise (`src/park/model.rs`). So for each
//! ordering there is a model in which nobody sleeps; those have "awake" in their names.

#![cfg(loom)]

mod backend;
mod barrier;
mod cache_aware_rundown;
mod completion;
mod directory;
mod every_execution;
mod file_lock;
mod free;
mod freed_hooks;
mod guard;
mod hold;
mod lane;
mod mutex;
mod notify;
mod object;
mod once;
mod pool;
mod rundown;
mod rwlock;
mod scene;
mod shell;
mod take_over;
mod wait;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Runs `model` in every execution, and checks that the ways it went are `expected`, no fewer, no more.
fn explore<O: Ord + Debug + Send + 'static>(
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    // Not the one of LOOM_MAX_PREEMPTIONS, which is for those that are cut.
    builder.preemption_bound = None;
    explore_with(builder, expected, model);
}

/// [`explore`], in the executions with at most `preemptions` preemptions: for models that would take
/// minutes otherwise. Each mistake that these models were shown was found within these bounds.
/// `LOOM_MAX_PREEMPTIONS` sets another bound.
fn explore_at_most<O: Ord + Debug + Send + 'static>(
    preemptions: usize,
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    explore_with(builder, expected, model);
}

fn explore_with<O: Ord + Debug + Send + 'static>(
    builder: loom::model::Builder,
    expected: impl IntoIterator<Item = O>,
    model: impl Fn() -> O + Send + Sync + 'static,
) {
    let outcomes = Arc::new(Mutex::new(BTreeMap::new()));
    let start = Instant::now();
    let seen = Arc::clone(&outcomes);
    builder.check(move || {
        let outcome = model();
        *seen.lock().expect("no other model uses it").entry(outcome).or_insert(0_u64) += 1;
    });
    let outcomes = outcomes.lock().expect("no other model uses it");
    let name = std::thread::current().name().unwrap_or("a model").to_owned();
    let executions: u64 = outcomes.values().sum();
    println!("{name}: {executions} executions, {} outcomes, {:.2?}", outcomes.len(), start.elapsed());

    let expected: Vec<O> = expected.into_iter().collect();
    let missing: Vec<&O> = expected.iter().filter(|outcome| !outcomes.contains_key(outcome)).collect();
    let surprising: Vec<&O> = outcomes.keys().filter(|outcome| !expected.contains(outcome)).collect();
    assert!(
        missing.is_empty() && surprising.is_empty(),
        "{name}: never went {missing:?}, and went {surprising:?} instead"
    );
}

/// Runs `work` on a thread of the model that shares `stage`.
fn with<S: Send + Sync + 'static, O: 'static>(
    stage: &Arc<S>,
    work: impl FnOnce(&S) -> O + 'static,
) -> loom::thread::JoinHandle<O> {
    let stage = Arc::clone(stage);
    loom::thread::spawn(move || work(&stage))
}

/// Where threads of a model line up, so that each may be the first to start.
///
/// loom notices that two steps may come in either order by looking at the last step on the same word. A
/// thread that looks and then changes hides by its own look an earlier look of another thread's; with a
/// thread that only looks, the order "changed first" may so be missed. Lining up makes every thread
/// start first once, and orders nothing else.
fn line_up() {
    loom::lazy_static! {
        static ref LINE: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
    }
    LINE.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
}

/// The answer of a thread of the model.
fn join<O>(thread: loom::thread::JoinHandle<O>) -> O {
    thread.join().expect("a thread of a model does not panic")
}
