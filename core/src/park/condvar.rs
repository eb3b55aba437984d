//! Where there is no futex: a fixed table of `parking_lot` mutexes and condition variables, chosen by
//! address.
//!
//! The half is compared under the bucket's lock and a waker takes that lock too, so no change is slept
//! through. Words that share a bucket wake each other for nothing, which every caller allows for.

use crate::deadline::{self, Deadline};
use crate::park::Half;
use crate::shim::{AtomicU64, Ordering};
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

struct Bucket {
    lock: Mutex<()>,
    changed: Condvar,
}

const BUCKETS: usize = 64;
static TABLE: [Bucket; BUCKETS] = [const { Bucket { lock: Mutex::new(()), changed: Condvar::new() } }; BUCKETS];

fn bucket(word: &AtomicU64) -> &'static Bucket {
    let address = std::ptr::from_ref(word).addr();
    &TABLE[(address >> 6 ^ address >> 12) % BUCKETS]
}

pub(super) fn wait(word: &AtomicU64, half: Half, expected: u32, deadline: Deadline) {
    let bucket = bucket(word);
    let mut locked = bucket.lock.lock();
    let bits = word.load(Ordering::Acquire);
    let now = match half {
        Half::Low => bits & u64::from(u32::MAX),
        Half::High => bits >> 32,
    };
    if now != u64::from(expected) {
        return;
    }
    match deadline.nanos() {
        None => bucket.changed.wait(&mut locked),
        Some(until) => {
            let left = Duration::from_nanos(until.saturating_sub(deadline::now()));
            bucket.changed.wait_for(&mut locked, left);
        }
    }
}

pub(super) fn wake_all(word: &AtomicU64, _half: Half) {
    let bucket = bucket(word);
    drop(bucket.lock.lock());
    bucket.changed.notify_all();
}
