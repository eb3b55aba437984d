//! The run-down's twin.

use crate::{SOON, Story, check, meanwhile};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use quiescent_core::{RundownError, RundownGuard, RundownRef};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// The most references that can be out, as documented.
const MOST: u32 = 16_777_214;

/// What a run-down is, without a word to put it into.
#[derive(Default)]
struct Twin {
    out: u32,
    /// Of those, the ones whose guard was forgotten: they can be released as a C program does.
    forgotten: u32,
    closed: bool,
}

impl Twin {
    fn acquire(&mut self, references: u32) -> Result<u32, RundownError> {
        if self.closed {
            return Err(if self.out == 0 { RundownError::Completed } else { RundownError::InProgress });
        }
        if references > MOST - self.out {
            return Err(RundownError::Limit);
        }
        self.out += references;
        Ok(references)
    }

    fn release_like_c(&mut self, references: u32) -> bool {
        let are_out = references <= self.out;
        if are_out {
            self.out -= references;
            self.forgotten -= references;
        }
        are_out
    }

    fn wait(&mut self) -> bool {
        self.closed = true;
        self.out == 0
    }

    fn re_init(&mut self) -> Result<(), RundownError> {
        if !self.closed {
            return Err(RundownError::NotBegun);
        }
        if self.out > 0 {
            return Err(RundownError::InProgress);
        }
        self.closed = false;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    TryAcquire,
    TryAcquireMany(u32),
    /// Drops one of the guards.
    Release(usize),
    Forget(usize),
    ReleaseLikeC(u32),
    Wait,
    /// Waits while another thread drops the guards, but for this many.
    WaitHelped(usize),
    ReInit,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let references = || select(vec![0, 1, 2, 3, 1 << 16, MOST - 2, MOST - 1, MOST, MOST + 1, 1 << 24, u32::MAX]);
    prop_oneof![
        6 => Just(TryAcquire),
        6 => references().prop_map(TryAcquireMany),
        10 => (0..6_usize).prop_map(Release),
        1 => (0..6_usize).prop_map(Forget),
        2 => references().prop_map(ReleaseLikeC),
        3 => Just(Wait),
        2 => (0..3_usize).prop_map(WaitHelped),
        4 => Just(ReInit),
    ]
}

fn play(operations: &[Operation], story: &mut Story) -> Result<(), String> {
    let rundown = RundownRef::new();
    // Not dropped after a failure: a release too many would panic once more.
    let mut guards = ManuallyDrop::new(Vec::new());
    let mut twin = Twin::default();
    for operation in operations {
        match *operation {
            Operation::TryAcquire | Operation::TryAcquireMany(_) => {
                let (acquired, references) = if let Operation::TryAcquireMany(references) = *operation {
                    story.tell(format!("try_acquire_n({references})"));
                    (rundown.try_acquire_n(references), references)
                } else {
                    story.tell("try_acquire");
                    (rundown.try_acquire(), 1)
                };
                let real = acquired.as_ref().map(RundownGuard::references).map_err(|refused| *refused);
                guards.extend(acquired.ok());
                story.compare(&real, &twin.acquire(references))?;
            }
            Operation::Release(n) if !guards.is_empty() => {
                let n = n % guards.len();
                story.tell(format!("drop guard {n} of {}", guards.len()));
                let guard = guards.remove(n);
                twin.out -= guard.references();
                drop(guard);
            }
            Operation::Forget(n) if !guards.is_empty() => {
                let n = n % guards.len();
                story.tell(format!("forget guard {n} of {}", guards.len()));
                let guard = guards.remove(n);
                twin.forgotten += guard.references();
                std::mem::forget(guard);
            }
            Operation::ReleaseLikeC(references) if references <= twin.forgotten || references > twin.out => {
                story.tell(format!("release {references}, without a guard to drop"));
                // SAFETY: of those that were forgotten; or more than are out, and it changes nothing.
                let real = unsafe { rundown.release(references) };
                story.compare(&real, &twin.release_like_c(references))?;
            }
            Operation::WaitHelped(kept) => {
                let kept = kept.min(guards.len());
                let dropped = guards.split_off(kept);
                let released: u32 = dropped.iter().map(RundownGuard::references).sum();
                twin.out -= released;
                // Long enough to be asleep when the others are released.
                let timeout = if twin.out == 0 { SOON } else { Duration::from_millis(3) };
                story.tell(format!("wait({timeout:?}), and {released} are released"));
                // Asks in the one way that changes nothing: no references are acquired, and none released.
                let begun = || rundown.try_acquire_n(0).is_err();
                let real = meanwhile(begun, || drop(dropped), || rundown.wait_for_rundown_timeout(timeout));
                story.compare(&real, &twin.wait())?;
            }
            Operation::Wait => {
                story.tell("wait(0)");
                story.compare(&rundown.wait_for_rundown_timeout(Duration::ZERO), &twin.wait())?;
            }
            Operation::ReInit => {
                story.tell("re_init");
                story.compare(&rundown.re_init(), &twin.re_init())?;
            }
            // Nothing to drop, to forget, or to release.
            Operation::Release(_) | Operation::Forget(_) | Operation::ReleaseLikeC(_) => {}
        }
    }
    drop(ManuallyDrop::into_inner(guards));
    Ok(())
}

#[test]
fn a_rundown_answers_as_its_twin() {
    check(1_500, 40, operation(), play);
}
