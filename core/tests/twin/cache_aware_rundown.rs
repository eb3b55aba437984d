//! The cache-aware run-down's twin.

use crate::{SOON, Story, check, meanwhile};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use quiescent_core::{CacheAwareRundown, CacheAwareRundownGuard, Error, RundownError};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// The most references that can be out on a stripe, as documented.
const MOST: u32 = 16_777_214;

/// What a stripe is, without a word to put it into.
#[derive(Clone, Copy, Default)]
struct TwinStripe {
    out: u32,
    /// Of those, the ones whose guard was forgotten: they can be released as a C program does.
    forgotten: u32,
}

/// And the whole: it is open or it is closed.
struct Twin {
    stripes: Vec<TwinStripe>,
    closed: bool,
}

impl Twin {
    fn is_idle(&self) -> bool {
        self.stripes.iter().all(|stripe| stripe.out == 0)
    }

    fn acquire(&mut self, stripe: usize, references: u32) -> Result<(u32, usize), RundownError> {
        if self.closed {
            return Err(if self.is_idle() { RundownError::Completed } else { RundownError::InProgress });
        }
        if references > MOST - self.stripes[stripe].out {
            return Err(RundownError::Limit);
        }
        self.stripes[stripe].out += references;
        Ok((references, stripe))
    }

    fn release_like_c(&mut self, stripe: usize, references: u32) -> Result<(), Error> {
        let stripe = self.stripes.get_mut(stripe).ok_or(Error::InvalidArgument)?;
        if references > stripe.out {
            return Err(Error::NotInside);
        }
        stripe.out -= references;
        stripe.forgotten -= references;
        Ok(())
    }

    /// Whether the release is one of those that a C program may make, or one that is refused.
    fn may_release(&self, stripe: usize, references: u32) -> bool {
        self.stripes.get(stripe).is_none_or(|stripe| references <= stripe.forgotten || references > stripe.out)
    }

    fn dropped(&mut self, guard: &CacheAwareRundownGuard<'_>) {
        self.stripes[guard.stripe() as usize].out -= guard.references();
    }

    fn wait(&mut self) -> bool {
        self.closed = true;
        self.is_idle()
    }

    fn re_init(&mut self) -> Result<(), RundownError> {
        if !self.closed {
            return Err(RundownError::NotBegun);
        }
        if !self.is_idle() {
            return Err(RundownError::InProgress);
        }
        self.closed = false;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// As the thread of a number.
    TryAcquire(u32, u32),
    /// Drops one of the guards.
    Release(usize),
    Forget(usize),
    ReleaseLikeC(u32, u32),
    Wait,
    /// Waits while another thread drops the guards, but for this many.
    WaitHelped(usize),
    ReInit,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let references = || select(vec![0, 1, 1, 1, 2, 3, 1 << 16, MOST - 2, MOST - 1, MOST, MOST + 1, u32::MAX]);
    let stripes = || select(vec![0, 1, 2, 3, 7, 63, 64, u32::MAX]);
    prop_oneof![
        12 => (0..6_u32, references()).prop_map(|(thread, references)| TryAcquire(thread, references)),
        10 => (0..6_usize).prop_map(Release),
        1 => (0..6_usize).prop_map(Forget),
        3 => (stripes(), references()).prop_map(|(stripe, references)| ReleaseLikeC(stripe, references)),
        3 => Just(Wait),
        2 => (0..3_usize).prop_map(WaitHelped),
        5 => Just(ReInit),
    ]
}

fn play(operations: &[Operation], story: &mut Story) -> Result<(), String> {
    let rundown = CacheAwareRundown::new().map_err(|error| error.to_string())?;
    let stripes = rundown.stripes() as usize;
    // Not dropped after a failure: a release too many would panic once more.
    let mut guards = ManuallyDrop::new(Vec::new());
    let mut twin = Twin { stripes: vec![TwinStripe::default(); stripes], closed: false };
    for operation in operations {
        match *operation {
            Operation::TryAcquire(thread, references) => {
                story.tell(format!("try_acquire_n({references}) as thread {thread}"));
                let acquired = rundown.try_acquire_n_on(thread, references);
                let real = acquired.as_ref().map(|guard| (guard.references(), guard.stripe() as usize));
                let real = real.map_err(|refused| *refused);
                guards.extend(acquired.ok());
                story.compare(&real, &twin.acquire(thread as usize % stripes, references))?;
            }
            Operation::Release(n) if !guards.is_empty() => {
                let n = n % guards.len();
                story.tell(format!("drop guard {n} of {}", guards.len()));
                let guard = guards.remove(n);
                twin.dropped(&guard);
                drop(guard);
            }
            Operation::Forget(n) if !guards.is_empty() => {
                let n = n % guards.len();
                story.tell(format!("forget guard {n} of {}", guards.len()));
                let guard = guards.remove(n);
                twin.stripes[guard.stripe() as usize].forgotten += guard.references();
                std::mem::forget(guard);
            }
            Operation::ReleaseLikeC(stripe, references) if twin.may_release(stripe as usize, references) => {
                story.tell(format!("release {references} of stripe {stripe}, without a guard to drop"));
                // SAFETY: of those that were forgotten; or more than are out there, and it changes nothing.
                let real = unsafe { rundown.release(references, stripe) };
                story.compare(&real, &twin.release_like_c(stripe as usize, references))?;
            }
            Operation::WaitHelped(kept) => {
                let kept = kept.min(guards.len());
                let dropped = guards.split_off(kept);
                dropped.iter().for_each(|guard| twin.dropped(guard));
                // Long enough to be asleep when the others are released.
                let timeout = if twin.is_idle() { SOON } else { Duration::from_millis(3) };
                story.tell(format!("wait({timeout:?}), and {} guards are dropped", dropped.len()));
                // Asks in the one way that changes nothing: no references are acquired, and none released.
                let begun = || rundown.try_acquire_n_on(0, 0).is_err();
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
            Operation::Release(_) | Operation::Forget(_) | Operation::ReleaseLikeC(..) => {}
        }
        let complete = twin.closed && twin.is_idle();
        if rundown.is_complete() != complete {
            return Err(format!("complete: {}, the twin says {complete}", rundown.is_complete()));
        }
    }
    drop(ManuallyDrop::into_inner(guards));
    Ok(())
}

#[test]
fn a_cache_aware_rundown_answers_as_its_twin() {
    check(1_500, 40, operation(), play);
}
