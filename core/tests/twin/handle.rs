//! Handles beside their twin.

use crate::handle_model::{Aim, Form, KINDS, Twin, thread_name};
use crate::handle_operation::{Operation, Patience, Target, Via, WORKERS, operation};
use crate::handle_outcome::{Answer, Event, Outcome, Told};
use crate::worker::{self, Entries, Shared, Worker};
use crate::{LONG, Story, check, pick};
use quiescent_core::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[test]
fn handles_answer_as_their_twin() {
    check(400, 80, operation(), play);
}

fn play(operations: &[Operation], story: &mut Story) -> Result<(), String> {
    let mut world = World {
        story,
        twin: Twin::new(WORKERS),
        workers: (0..WORKERS).map(|worker| Worker::start(worker, thread_name((worker, 0)))).collect(),
        shared: Arc::default(),
    };
    for operation in operations {
        world.step(operation)?;
    }
    world.wind_up()?;
    for worker in world.workers {
        worker.end();
    }
    Ok(())
}

/// Both sides, and what is told of them.
pub struct World<'story> {
    pub story: &'story mut Story,
    pub twin: Twin,
    pub workers: Vec<Worker>,
    pub shared: Arc<Shared>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn as_what(via: Option<usize>) -> String {
    via.map_or("of any kind".into(), |kind| format!("of kind {kind}"))
}

impl World<'_> {
    fn step(&mut self, operation: &Operation) -> Result<(), String> {
        match *operation {
            Operation::Open(kind) => self.open(kind),
            Operation::Enter(worker, target, via) => self.enter(worker, target, via, Form::Entry),
            Operation::Hold(worker, target, via) => self.enter(worker, target, via, Form::Hold),
            Operation::Leave(n) => match self.twin.pick(n, |item| item.form == Form::Entry) {
                Some((number, item)) => self.leave(number, item.by.0),
                None => Ok(()),
            },
            Operation::Detach(n) => self.detach(n),
            Operation::EnterLikeC(worker, target, via) => {
                let form = self.twin.next_detached();
                self.enter(worker, target, via, form)
            }
            Operation::LeaveLikeC(worker, target) => {
                self.on(target, |world, aim, raw| world.leave_like_c(worker, aim, raw))
            }
            Operation::LeaveDetached(n) => match self.twin.pick(n, |item| matches!(item.form, Form::Detached(_))) {
                Some((_, item)) => {
                    let raw = lock(&self.shared.handles)[item.handle];
                    self.leave_like_c(item.by.0, Aim::Handle(item.handle), raw)
                }
                None => Ok(()),
            },
            Operation::Release(worker, n) => match self.twin.pick(n, |item| item.form == Form::Hold) {
                Some((number, _)) => self.leave(number, worker),
                None => Ok(()),
            },
            Operation::IntoToken(worker, n) => self.make_token(worker, n),
            Operation::ReleaseToken(worker, target) => self.on(target, |world, aim, raw| {
                let expected = world.twin.release_token(aim, worker);
                world.act(worker, &format!("release {aim:?} as a hold"), expected, move |_| {
                    worker::hold_token(raw).release().into()
                })
            }),
            Operation::Free(worker, target, via, patience) => {
                self.on(target, |world, aim, raw| world.free(worker, aim, raw, world.under(aim, via), patience))
            }
            Operation::FreeWhileLeaving { worker, target, how } => {
                self.on(target, |world, aim, raw| match world.twin.find(aim, None) {
                    Ok(handle) if world.twin.would_wait(handle, worker) => {
                        world.free_while_leaving(worker, handle, raw, how)
                    }
                    _ => Ok(()),
                })
            }
            Operation::TryFree(worker, target, via) => self.on(target, |world, aim, raw| {
                let via = world.under(aim, via);
                let expected = world.twin.try_free(worker, aim, via);
                world.act(worker, &format!("try_free {aim:?} {}", as_what(via)), expected, move |_| {
                    worker::access(raw, via).try_free().into()
                })
            }),
            Operation::WaitFreed(worker, target, via, patience) => self.on(target, |world, aim, raw| {
                let via = world.under(aim, via);
                let expected = world.twin.wait_freed(worker, aim, via);
                let waits = world.twin.find(aim, via).is_ok_and(|handle| !world.twin.waits_for_itself(handle, worker));
                let timeout = timeout(patience, waits);
                let what = format!("wait_freed({timeout:?}) {aim:?} {}", as_what(via));
                world.act(worker, &what, expected, move |_| worker::access(raw, via).wait_freed(timeout).into())
            }),
            Operation::WaitWhileLeaving(worker, target) => self.on(target, |world, aim, raw| {
                let Ok(handle) = world.twin.find(aim, None) else { return Ok(()) };
                world.wait_while_leaving(worker, handle, raw)
            }),
            Operation::OnFreed(worker, target, via) => {
                self.on(target, |world, aim, raw| world.on_freed(worker, aim, raw, world.under(aim, via)))
            }
            Operation::IsClosing(worker, target, via) => self.on(target, |world, aim, raw| {
                let via = world.under(aim, via);
                let expected = world.twin.is_closing(aim, via);
                world.act(worker, &format!("is_closing {aim:?} {}", as_what(via)), expected, move |_| {
                    Answer::IsClosing(worker::access(raw, via).is_closing())
                })
            }),
            Operation::Info(worker, target) => self.on(target, |world, aim, raw| {
                let expected = world.twin.info(aim);
                world.act(worker, &format!("info {aim:?}"), expected, move |_| match worker::any(raw).info() {
                    Ok(info) => Answer::Info(info.life, info.in_flight, info.holds),
                    Err(error) => Answer::Refused(error),
                })
            }),
            Operation::Occupants(worker, target) => {
                self.on(target, |world, aim, raw| world.occupants(worker, aim, raw))
            }
            Operation::Replace(worker) => {
                self.replace(worker);
                Ok(())
            }
        }
    }

    /// Has `worker` do something, and compares what comes of it.
    pub fn act(
        &mut self,
        worker: usize,
        what: &str,
        expected: Outcome,
        job: impl FnOnce(&mut Entries) -> Answer + Send + 'static,
    ) -> Result<(), String> {
        self.begin(worker, what, job);
        self.settle(worker, expected)
    }

    pub fn begin(&mut self, worker: usize, what: &str, job: impl FnOnce(&mut Entries) -> Answer + Send + 'static) {
        self.story.tell(format!("worker {worker}: {what}"));
        self.workers[worker].begin(job);
    }

    pub fn settle(&mut self, worker: usize, expected: Outcome) -> Result<(), String> {
        let answer = self.workers[worker].answer();
        let mut events = self.shared.log.take();
        // Once or more often is the same.
        events.dedup_by(|next, first| next == first && matches!(next, Event::OnClose { .. }));
        self.story.compare(&Told((answer, events)), &Told(expected))
    }

    /// Has `worker` do something while a free waits, and compares the answer alone.
    pub fn interject(
        &mut self,
        worker: usize,
        what: &str,
        expected: &Answer,
        job: impl FnOnce(&mut Entries) -> Answer + Send + 'static,
    ) -> Result<(), String> {
        self.begin(worker, what, job);
        self.story.compare(&self.workers[worker].answer(), expected)
    }

    /// What `target` means now, if there is such a thing.
    pub fn on(
        &mut self,
        target: Target,
        act: impl FnOnce(&mut Self, Aim, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let newest = |count: usize, n: usize| count.checked_sub(1).map(|last| last - n % count);
        let live = self.twin.live();
        let aimed = match target {
            Target::Live(n) => {
                newest(live.len(), n).map(|n| (Aim::Handle(live[n]), lock(&self.shared.handles)[live[n]]))
            }
            Target::Handle(n) => {
                newest(self.twin.handles(), n).map(|n| (Aim::Handle(n), lock(&self.shared.handles)[n]))
            }
            Target::HoldToken(n) => {
                newest(self.twin.hold_tokens(), n).map(|n| (Aim::HoldToken(n), lock(&self.shared.hold_tokens)[n]))
            }
            Target::Garbage(n) => {
                let good = lock(&self.shared.handles).first().copied();
                Some(garbage(n, good))
            }
        };
        match aimed {
            Some((aim, raw)) => act(self, aim, raw),
            None => Ok(()),
        }
    }

    /// Which kind `via` is.
    pub fn under(&self, aim: Aim, via: Via) -> Option<usize> {
        match via {
            Via::Right => Some(self.twin.kind(aim)),
            Via::Wrong => Some((self.twin.kind(aim) + 1) % KINDS),
            Via::Any => None,
        }
    }

    fn open(&mut self, kind: usize) -> Result<(), String> {
        let handle = self.twin.handles();
        let expected = self.twin.open(kind);
        let shared = Arc::clone(&self.shared);
        self.act(0, &format!("open Handle({handle}) of kind {kind}"), expected, move |_| {
            worker::open(kind, handle, Arc::clone(&shared.log)).map(|raw| lock(&shared.handles).push(raw)).into()
        })
    }

    pub fn occupants(&mut self, worker: usize, aim: Aim, raw: usize) -> Result<(), String> {
        let expected = self.twin.occupants(aim);
        self.act(worker, &format!("occupants {aim:?}"), expected, move |_| {
            worker::occupants(raw).map_or_else(Answer::Refused, Answer::Occupants)
        })
    }

    pub fn free(
        &mut self,
        worker: usize,
        aim: Aim,
        raw: usize,
        via: Option<usize>,
        patience: Patience,
    ) -> Result<(), String> {
        let waits = self.twin.find(aim, via).is_ok_and(|handle| self.twin.would_wait(handle, worker));
        let timeout = timeout(patience, waits);
        let expected = self.twin.free(worker, aim, via);
        let what = format!("free({timeout:?}) {aim:?} {}", as_what(via));
        self.act(worker, &what, expected, move |_| worker::access(raw, via).free(timeout).into())
    }

    fn on_freed(&mut self, worker: usize, aim: Aim, raw: usize, via: Option<usize>) -> Result<(), String> {
        let callback = self.twin.next_callback();
        let expected = self.twin.on_freed(worker, aim, via);
        let what = format!("on_freed {aim:?} {}, callback {callback}", as_what(via));
        let shared = Arc::clone(&self.shared);
        self.act(worker, &what, expected, move |_| {
            let run = move || shared.log.add(|thread| Event::OnFreed { callback, thread });
            worker::access(raw, via).on_freed(Box::new(run)).into()
        })
    }

    fn replace(&mut self, worker: usize) {
        let by = self.twin.thread(worker);
        if !self.twin.which(|item| item.by == by && !item.is_hold()).is_empty() {
            return;
        }
        self.story.tell(format!("worker {worker}: its thread ends, and another takes its place"));
        self.twin.threads[worker] += 1;
        let next = Worker::start(worker, thread_name(self.twin.thread(worker)));
        std::mem::replace(&mut self.workers[worker], next).end();
    }

    /// Everything leaves, and everything is freed: whatever was not destroyed is destroyed now.
    fn wind_up(&mut self) -> Result<(), String> {
        let all = self.twin.which(|_| true);
        self.all_leave(0, &all, Self::leave)?;
        for handle in 0..self.twin.handles() {
            let raw = lock(&self.shared.handles)[handle];
            self.free(1, Aim::Handle(handle), raw, None, Patience::None)?;
        }
        Ok(())
    }
}

/// `waits`: it would, for somebody who does not come.
fn timeout(patience: Patience, waits: bool) -> Duration {
    match patience {
        Patience::None => Duration::ZERO,
        Patience::Long if !waits => LONG,
        Patience::Brief | Patience::Long => Duration::from_millis(2),
    }
}

/// The `n`-th sort of value that is no handle, made from a good one where there is one.
fn garbage(n: usize, good: Option<usize>) -> (Aim, usize) {
    let Some(good) = good else { return (Aim::Garbage(Error::Null), 0) };
    let bad = Aim::Garbage(Error::BadHandle);
    let generation = ((1 << 28) - 1) << 36;
    let raws = [
        (Aim::Garbage(Error::Null), 0),
        // Even, as an address.
        (bad, good & !1),
        // Generations never handed out.
        (bad, good & !generation),
        (bad, good | generation),
        // Another process's key.
        (bad, good ^ 2),
        // An index never handed out.
        (bad, good | ((1 << 24) - 1) << 12),
    ];
    pick(&raws, n).unwrap_or((bad, 0))
}
