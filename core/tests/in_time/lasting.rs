//! How long a call takes: no less than it promises, and not much longer.

use std::time::{Duration, Instant};

/// Nothing that is to end does so later than this, also on a machine with other things to do. Shorter than
/// any wait that is not to happen.
const SLACK: Duration = Duration::from_secs(4);

/// Runs `call` and fails unless it took at least `least` and not much longer.
#[track_caller]
pub fn lasting<R>(least: Duration, call: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = call();
    let took = start.elapsed();
    assert!(took >= least, "ended after {took:?}, before its {least:?} were over");
    assert!(took < least + SLACK, "took {took:?} instead of {least:?}");
    result
}

#[track_caller]
pub fn at_once<R>(call: impl FnOnce() -> R) -> R {
    lasting(Duration::ZERO, call)
}
