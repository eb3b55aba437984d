//! Races on a [`RundownRef`].

use crate::object::Object;
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::{RundownError, RundownRef};
use std::sync::Arc;
use std::time::Duration;

const AT_ONCE: Duration = Duration::ZERO;

/// Something that is shut down and opened again.
struct Device {
    rundown: RundownRef,
    object: Object,
}

impl Device {
    fn new() -> Arc<Device> {
        Arc::new(Device { rundown: RundownRef::new(), object: Object::new() })
    }

    /// Uses the device, if it is up.
    fn operate(&self, part: usize) -> Result<(), RundownError> {
        let reference = self.rundown.try_acquire()?;
        self.object.operate(part);
        drop(reference);
        Ok(())
    }

    fn acquire(&self, references: u32) {
        std::mem::forget(self.rundown.try_acquire_n(references).expect("the device is up"));
    }

    fn release(&self, references: u32) {
        // SAFETY: each model releases what it acquired by `acquire`.
        assert!(unsafe { self.rundown.release(references) });
    }
}

/// Two acquire while a third runs the device down without waiting.
#[test]
fn acquire_vs_rundown_awake() {
    explore_at_most(3, [(true, 0), (true, 1), (true, 2), (false, 1), (false, 2)], || {
        let device = Device::new();
        let users = [0, 1].map(|part| with(&device, move |device| device.operate(part).is_ok()));
        let complete = device.rundown.wait_for_rundown_timeout(AT_ONCE);
        if complete {
            device.object.re_initialise();
        }
        let admitted = users.into_iter().map(join).filter(|admitted| *admitted).count();
        assert!(device.rundown.wait_for_rundown_timeout(AT_ONCE), "all have left");
        device.object.re_initialise();
        (complete, admitted)
    });
}

/// The last reference is released as the one who waits falls asleep. Several are taken at once and given
/// back in parts.
#[test]
fn release_vs_parked_waiter() {
    explore_at_most(3, [()], || {
        let device = Device::new();
        device.acquire(3);
        let releasers = [(0, 1), (1, 2)].map(|(part, references)| {
            with(&device, move |device| {
                device.object.operate(part);
                device.release(references);
            })
        });
        device.rundown.wait_for_rundown();
        device.object.re_initialise();
        releasers.into_iter().for_each(join);
    });
}

/// Two wait for one run-down.
#[test]
fn two_waiters() {
    explore_at_most(3, [()], || {
        let device = Device::new();
        device.acquire(1);
        let waiters = [0, 1].map(|_| with(&device, |device| device.rundown.wait_for_rundown()));
        device.release(1);
        waiters.into_iter().for_each(join);
        assert_eq!(device.rundown.try_acquire().map(drop), Err(RundownError::Completed));
    });
}

/// One waits for a run-down; the device is opened again at once, and run down a second time: the waiter
/// neither sleeps through the first run-down nor is lost in the second.
#[test]
fn wait_vs_re_init_and_second_rundown() {
    explore([Ok(()), Err(RundownError::Completed)].map(|second| format!("{second:?}")), || {
        let device = Device::new();
        device.acquire(1);
        assert!(!device.rundown.wait_for_rundown_timeout(AT_ONCE));
        let owner = with(&device, |device| {
            line_up();
            device.object.operate(0);
            device.release(1);
            device.object.re_initialise();
            device.rundown.re_init().expect("the waiter cannot have opened it");
            let second = device.operate(0);
            device.rundown.wait_for_rundown();
            second
        });
        line_up();
        device.rundown.wait_for_rundown();
        format!("{:?}", join(owner))
    });
}

/// The same with a reference out in the second life when the waiter wakes up: the first run-down is
/// over for it all the same, or it has begun the second one and waits for that.
#[test]
fn two_waiters_vs_re_init() {
    explore_at_most(2, [true, false], || {
        let device = Device::new();
        device.acquire(1);
        assert!(!device.rundown.wait_for_rundown_timeout(AT_ONCE));
        let waiters = [0, 1].map(|_| with(&device, |device| device.rundown.wait_for_rundown()));
        device.release(1);
        device.rundown.re_init().expect("nobody else opens it");
        let second = device.operate(0).is_ok();
        waiters.into_iter().for_each(join);
        second
    });
}

/// Whoever acquires after `re_init` sees what was made before it.
#[test]
fn re_init_vs_acquire_awake() {
    explore([0, 1, 2], || {
        let device = Device::new();
        assert!(device.rundown.wait_for_rundown_timeout(AT_ONCE), "nothing is acquired");
        let users = [0, 1].map(|part| with(&device, move |device| device.operate(part).is_ok()));
        device.object.re_initialise();
        device.rundown.re_init().expect("complete");
        users.into_iter().map(join).filter(|admitted| *admitted).count()
    });
}

/// Two open it again: one does.
#[test]
fn re_init_vs_re_init_awake() {
    explore([(true, false), (false, true)], || {
        let device = Device::new();
        assert!(device.rundown.wait_for_rundown_timeout(AT_ONCE), "nothing is acquired");
        let owners = [0, 1].map(|_| with(&device, |device| device.rundown.re_init().is_ok()));
        let [first, second] = owners.map(join);
        device.operate(0).expect("open");
        (first, second)
    });
}

/// `re_init` as the last reference is released: it opens what is complete, and nothing else.
#[test]
fn re_init_vs_last_release_awake() {
    explore([Ok(()), Err(RundownError::InProgress)].map(|found| format!("{found:?}")), || {
        let device = Device::new();
        device.acquire(1);
        assert!(!device.rundown.wait_for_rundown_timeout(AT_ONCE));
        let releaser = with(&device, |device| {
            line_up();
            device.object.operate(0);
            device.release(1);
        });
        line_up();
        let found = device.rundown.re_init();
        if found.is_ok() {
            device.object.re_initialise();
        }
        join(releaser);
        format!("{found:?}")
    });
}

/// Two begin the run-down of an idle device, a third acquires: it counts one completed run-down.
#[test]
fn rundown_vs_rundown_awake() {
    explore_at_most(
        3,
        [(true, true, false), (true, true, true), (true, false, true), (false, true, true), (false, false, true)],
        || {
            let device = Device::new();
            let user = with(&device, |device| {
                line_up();
                device.operate(0).is_ok()
            });
            let other = with(&device, |device| {
                line_up();
                device.rundown.wait_for_rundown_timeout(AT_ONCE)
            });
            line_up();
            let first = device.rundown.wait_for_rundown_timeout(AT_ONCE);
            let (used, second) = (join(user), join(other));
            assert!(format!("{:?}", device.rundown).contains("generation 1 "), "{:?}", device.rundown);
            (first, second, used)
        },
    );
}
