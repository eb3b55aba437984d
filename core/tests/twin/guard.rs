//! The guard's twin.

use crate::{SOON, Story, check, meanwhile};
use proptest::prelude::{Just, Strategy, prop_oneof};
use quiescent_core::{BeginFree, EnterError, HandleGuard, WaitDrained};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// What a guard is, without a word to put it into.
#[derive(Default)]
struct Twin {
    inside: u32,
    /// Of those, the ones whose `HandleOp` was forgotten: they can leave as a C program does.
    forgotten: u32,
    closed: bool,
    reported: bool,
}

impl Twin {
    fn enter(&mut self) -> Result<(), EnterError> {
        if self.closed {
            return Err(EnterError::Closed);
        }
        self.inside += 1;
        Ok(())
    }

    /// `helped`: all leave while it waits.
    fn begin_free(&mut self, helped: bool) -> BeginFree {
        if std::mem::replace(&mut self.closed, true) {
            return BeginFree::AlreadyFreeing;
        }
        self.drain(helped);
        self.reported = self.inside == 0;
        if self.reported { BeginFree::Drained } else { BeginFree::TimedOut }
    }

    fn wait_drained(&mut self, helped: bool) -> WaitDrained {
        if !self.closed {
            return WaitDrained::NotFreeing;
        }
        self.drain(helped);
        if self.inside > 0 {
            WaitDrained::TimedOut
        } else if std::mem::replace(&mut self.reported, true) {
            WaitDrained::AlreadyReported
        } else {
            WaitDrained::Drained
        }
    }

    fn drain(&mut self, helped: bool) {
        if helped {
            self.inside = 0;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    TryEnter,
    Enter,
    /// Drops one of the `HandleOp`s.
    Leave(usize),
    Forget(usize),
    LeaveLikeC,
    BeginFree,
    WaitDrained,
    /// Begins a free; once it is closed another thread leaves for all.
    BeginFreeHelped,
    /// Waits; meanwhile another thread leaves for all.
    WaitDrainedHelped,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        8 => Just(TryEnter),
        4 => Just(Enter),
        8 => (0..6_usize).prop_map(Leave),
        1 => (0..6_usize).prop_map(Forget),
        2 => Just(LeaveLikeC),
        2 => Just(BeginFree),
        3 => Just(WaitDrained),
        1 => Just(BeginFreeHelped),
        1 => Just(WaitDrainedHelped),
    ]
}

fn play(operations: &[Operation], story: &mut Story) -> Result<(), String> {
    let guard = HandleGuard::new();
    // Not dropped after a failure: a leave too many would panic once more.
    let mut inside = ManuallyDrop::new(Vec::new());
    let mut twin = Twin::default();
    for operation in operations {
        // All can leave only if none was forgotten; only a free that closes, and a wait after it, wait.
        let all_may_leave = twin.forgotten == 0;
        match *operation {
            Operation::TryEnter => {
                story.tell("try_enter");
                let entered = guard.try_enter();
                let real = entered.is_some();
                inside.extend(entered);
                story.compare(&real, &twin.enter().is_ok())?;
            }
            Operation::Enter => {
                story.tell("enter");
                let entered = guard.enter();
                let real = entered.as_ref().map(|_| ()).map_err(|refused| *refused);
                inside.extend(entered.ok());
                story.compare(&real, &twin.enter())?;
            }
            Operation::Leave(n) if !inside.is_empty() => {
                let n = n % inside.len();
                story.tell(format!("drop operation {n} of {}", inside.len()));
                drop(inside.remove(n));
                twin.inside -= 1;
            }
            Operation::Forget(n) if !inside.is_empty() => {
                let n = n % inside.len();
                story.tell(format!("forget operation {n} of {}", inside.len()));
                std::mem::forget(inside.remove(n));
                twin.forgotten += 1;
            }
            Operation::LeaveLikeC if twin.forgotten > 0 || twin.inside == 0 => {
                story.tell("leave, without an operation to drop");
                // SAFETY: for one that was forgotten; or nobody is inside, and it changes nothing.
                let real = unsafe { guard.leave() };
                let was_inside = twin.inside > 0;
                twin.inside -= u32::from(was_inside);
                twin.forgotten -= u32::from(was_inside);
                story.compare(&real, &was_inside)?;
            }
            Operation::BeginFreeHelped if all_may_leave && !twin.closed => {
                story.tell("begin_free(10 s), and all leave");
                let all = std::mem::take(&mut *inside);
                let real = meanwhile(|| guard.look().is_closed(), || drop(all), || guard.begin_free_detailed(SOON));
                story.compare(&real, &twin.begin_free(true))?;
            }
            Operation::WaitDrainedHelped if all_may_leave && twin.closed => {
                story.tell("wait_drained(10 s), and all leave");
                let all = std::mem::take(&mut *inside);
                let real = meanwhile(|| true, || drop(all), || guard.wait_drained_detailed(SOON));
                story.compare(&real, &twin.wait_drained(true))?;
            }
            Operation::BeginFree | Operation::BeginFreeHelped => {
                story.tell("begin_free(0)");
                story.compare(&guard.begin_free_detailed(Duration::ZERO), &twin.begin_free(false))?;
            }
            Operation::WaitDrained | Operation::WaitDrainedHelped => {
                story.tell("wait_drained(0)");
                story.compare(&guard.wait_drained_detailed(Duration::ZERO), &twin.wait_drained(false))?;
            }
            // Nothing to drop, to forget, or to leave for.
            Operation::Leave(_) | Operation::Forget(_) | Operation::LeaveLikeC => continue,
        }
        if guard.look().count() != twin.inside {
            return Err(format!("{} are counted, where the twin counts {}", guard.look().count(), twin.inside));
        }
    }
    drop(ManuallyDrop::into_inner(inside));
    Ok(())
}

#[test]
fn a_guard_answers_as_its_twin() {
    check(1_500, 40, operation(), play);
}
