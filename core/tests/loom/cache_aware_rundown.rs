//! Races on a [`CacheAwareRundown`]. It has two stripes here: that of thread 0 and that of thread 1.

use crate::object::Object;
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::{CacheAwareRundown, RundownError};
use std::sync::Arc;
use std::time::Duration;

const AT_ONCE: Duration = Duration::ZERO;

/// Something that is shut down and opened again.
struct Device {
    rundown: CacheAwareRundown,
    object: Object,
}

impl Device {
    fn new() -> Arc<Device> {
        let rundown = CacheAwareRundown::new().expect("memory");
        assert_eq!(rundown.stripes(), 2);
        Arc::new(Device { rundown, object: Object::new() })
    }

    /// A device that is shut.
    fn shut() -> Arc<Device> {
        let device = Device::new();
        assert!(device.run_down(), "nothing is acquired");
        device
    }

    fn run_down(&self) -> bool {
        self.rundown.wait_for_rundown_timeout(AT_ONCE)
    }

    /// Uses the device as thread `thread`, if it is up.
    fn operate(&self, thread: u32) -> Result<(), RundownError> {
        let reference = self.rundown.try_acquire_n_on(thread, 1)?;
        self.object.operate(thread as usize);
        drop(reference);
        Ok(())
    }

    fn acquire(&self, thread: u32) {
        std::mem::forget(self.rundown.try_acquire_n_on(thread, 1).expect("the device is up"));
    }

    /// Uses what was acquired by `acquire`, and releases it.
    fn operate_and_release(&self, thread: u32) {
        self.object.operate(thread as usize);
        // SAFETY: each model releases what it acquired by `acquire`, once.
        assert_eq!(unsafe { self.rundown.release(1, thread) }, Ok(()));
    }

    /// Whether each stripe admits, or each says the same refusal.
    fn all_stripes(&self) -> Result<(), RundownError> {
        let [first, second] = [0, 1].map(|thread| self.rundown.try_acquire_n_on(thread, 0).map(drop));
        assert_eq!(first, second, "half of it is open: {:?}", self.rundown);
        first
    }

    /// What a wait that returned relies on, where nobody opens it again.
    fn expect_closed(&self) {
        for thread in [0, 1] {
            assert!(self.operate(thread).is_err(), "admitted after a wait returned: {:?}", self.rundown);
        }
    }
}

/// Two acquire, each from its stripe, while a third runs the device down without waiting.
#[test]
fn acquire_vs_rundown_awake() {
    explore_at_most(3, [(true, 0), (true, 1), (true, 2), (false, 1), (false, 2)], || {
        let device = Device::new();
        let users = [0, 1].map(|thread| with(&device, move |device| device.operate(thread).is_ok()));
        let complete = device.run_down();
        if complete {
            device.object.re_initialise();
        }
        device.expect_closed();
        let admitted = users.into_iter().map(join).filter(|admitted| *admitted).count();
        assert!(device.run_down(), "all have left");
        device.object.re_initialise();
        (complete, admitted)
    });
}

/// The last references of both stripes are released as the one who waits falls asleep.
#[test]
fn release_vs_parked_waiter() {
    explore_at_most(3, [()], || {
        let device = Device::new();
        device.acquire(0);
        device.acquire(1);
        let releasers = [0, 1].map(|thread| with(&device, move |device| device.operate_and_release(thread)));
        device.rundown.wait_for_rundown();
        device.object.re_initialise();
        releasers.into_iter().for_each(join);
    });
}

/// Two wait for one run-down, which both begin.
#[test]
fn two_waiters() {
    explore_at_most(2, [()], || {
        let device = Device::new();
        device.acquire(1);
        let waiters = [0, 1].map(|_| with(&device, |device| device.rundown.wait_for_rundown()));
        device.operate_and_release(1);
        waiters.into_iter().for_each(join);
        assert_eq!(device.all_stripes(), Err(RundownError::Completed));
    });
}

/// Two run the device down, a third has a reference that it releases: whichever returns first, nobody is
/// admitted after it.
#[test]
fn rundown_vs_rundown_awake() {
    explore_at_most(2, [(true, true), (true, false), (false, true), (false, false)], || {
        let device = Device::new();
        device.acquire(1);
        let releaser = with(&device, |device| {
            line_up();
            device.operate_and_release(1);
        });
        let other = with(&device, |device| {
            line_up();
            let complete = device.run_down();
            device.expect_closed();
            complete
        });
        line_up();
        let complete = device.run_down();
        device.expect_closed();
        join(releaser);
        let answers = (complete, join(other));
        assert_eq!(device.all_stripes(), Err(RundownError::Completed));
        answers
    });
}

/// One runs the device down, opens it again and uses it on both stripes; another runs it down at any
/// moment, and may be half-way through when it is opened. Then it is all open or all shut.
#[test]
fn rundown_vs_rundown_and_re_init_awake() {
    explore_at_most(3, [(true, true), (true, false), (false, true), (false, false)], || {
        let device = Device::new();
        let other = with(&device, |device| {
            line_up();
            device.run_down()
        });
        line_up();
        device.rundown.wait_for_rundown();
        device.object.re_initialise();
        device.rundown.re_init().expect("the other opens nothing");
        let _used = [0, 1].map(|thread| device.operate(thread).is_ok());
        // Not complete for the other: the owner was about to say that a stripe is, or was using it again.
        let complete = join(other);
        let found = device.all_stripes();
        assert_ne!(found, Err(RundownError::InProgress), "nothing is out: {:?}", device.rundown);
        (complete, found.is_ok())
    });
}

/// The same where the other sleeps, and a user has a reference in the first life: it neither sleeps
/// through the end of that life nor is lost in the next one.
#[test]
fn wait_vs_re_init_and_second_rundown() {
    let seconds = [Ok(()), Err(RundownError::InProgress), Err(RundownError::Completed)];
    explore_at_most(2, seconds.map(|second| format!("{second:?}")), || {
        let device = Device::new();
        device.acquire(0);
        assert!(!device.run_down());
        let owner = with(&device, |device| {
            device.operate_and_release(0);
            device.object.re_initialise();
            device.rundown.re_init().expect("the waiter cannot have opened it");
            line_up();
            let second = device.operate(1);
            device.rundown.wait_for_rundown();
            second
        });
        line_up();
        device.rundown.wait_for_rundown();
        format!("{:?}", join(owner))
    });
}

/// Whoever acquires after `re_init` sees what was made before it, also by a stripe that another opened.
#[test]
fn re_init_vs_acquire_awake() {
    for threads in [[0, 1], [0, 0]] {
        explore([0, 1, 2], move || {
            let device = Device::shut();
            let users = [0, 1].map(|user| {
                let thread = threads[user];
                with(&device, move |device| {
                    let reference = device.rundown.try_acquire_n_on(thread, 1);
                    reference.map(|_reference| device.object.operate(user)).is_ok()
                })
            });
            device.object.re_initialise();
            device.rundown.re_init().expect("complete");
            let admitted = users.into_iter().map(join).filter(|admitted| *admitted).count();
            assert_eq!(device.all_stripes(), Ok(()), "opened");
            admitted
        });
    }
}

/// `re_init` beside a run-down, and beside an acquire that may open the stripe for the one when the other
/// closes it.
#[test]
fn re_init_vs_rundown_awake() {
    explore_at_most(
        3,
        [(true, true, false), (true, true, true), (true, false, false), (true, false, true), (false, false, true)],
        || {
            let device = Device::shut();
            let user = with(&device, |device| {
                line_up();
                device.operate(1).is_ok()
            });
            let other = with(&device, |device| {
                line_up();
                device.run_down()
            });
            line_up();
            device.object.re_initialise();
            device.rundown.re_init().expect("complete");
            let (used, complete) = (join(user), join(other));
            let found = device.all_stripes();
            assert_ne!(found, Err(RundownError::InProgress), "nothing is out: {:?}", device.rundown);
            (complete, found.is_ok(), used)
        },
    );
}

/// Two open it again: one does.
#[test]
fn re_init_vs_re_init_awake() {
    explore([(true, false), (false, true)], || {
        let device = Device::shut();
        let owners = [0, 1].map(|_| with(&device, |device| device.rundown.re_init().is_ok()));
        let [first, second] = owners.map(join);
        assert_eq!(device.all_stripes(), Ok(()));
        (first, second)
    });
}

/// `re_init` as the last reference is released: it opens what is complete, and nothing else.
#[test]
fn re_init_vs_last_release_awake() {
    explore([Ok(()), Err(RundownError::InProgress)].map(|found| format!("{found:?}")), || {
        let device = Device::new();
        device.acquire(1);
        assert!(!device.run_down());
        let releaser = with(&device, |device| {
            line_up();
            device.operate_and_release(1);
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
