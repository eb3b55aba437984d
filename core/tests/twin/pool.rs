//! The pool's twin.

use crate::{Story, check, pick};
use proptest::prelude::{Just, Strategy, prop_oneof};
use quiescent_core::sync::{
    AsyncResourceFactory, DestroyReason, GenericPool, PoolConfig, PoolError, PoolTryAcquireError, PooledResource,
    WarmupStrategy,
};
use quiescent_core::{Deadline, Interrupted, Wait};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// What the factory is to do next, and what it did.
#[derive(Clone, Debug, Default, PartialEq)]
struct Script {
    /// Answers of the next calls; those after them succeed.
    answers: VecDeque<Answer>,
    made: u32,
    destroyed: Vec<(u32, DestroyReason)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Yes,
    No,
    Panic,
}

impl Script {
    fn next(&mut self) -> Answer {
        self.answers.pop_front().unwrap_or(Answer::Yes)
    }

    fn create(&mut self) -> Result<u32, PoolError<()>> {
        match self.next() {
            Answer::Yes => {
                self.made += 1;
                Ok(self.made)
            }
            Answer::No => Err(PoolError::Create(())),
            Answer::Panic => Err(PoolError::Panicked),
        }
    }
}

struct Scripted(Mutex<Script>);

impl Scripted {
    fn answer(&self) -> bool {
        let answer = self.0.lock().unwrap().next();
        // resume_unwind: without a word on stderr.
        if answer == Answer::Panic {
            std::panic::resume_unwind(Box::new("as it was told to"));
        }
        answer == Answer::Yes
    }
}

impl AsyncResourceFactory for Scripted {
    type Resource = u32;
    type Error = ();

    async fn create(&self, _until: Deadline) -> Result<u32, ()> {
        if !self.answer() {
            return Err(());
        }
        let mut script = self.0.lock().unwrap();
        script.made += 1;
        Ok(script.made)
    }

    async fn check(&self, _resource: &mut u32) -> bool {
        self.answer()
    }

    fn recycle(&self, _resource: &mut u32) -> bool {
        self.answer()
    }

    fn destroy(&self, resource: u32, reason: DestroyReason) {
        self.0.lock().unwrap().destroyed.push((resource, reason));
    }
}

/// What a pool is, without places, entries and futures.
struct Twin {
    config: PoolConfig,
    script: Script,
    idle: Vec<u32>,
    out: Vec<u32>,
    closed: bool,
    acquired: u64,
    not_created: u64,
    detached: u64,
}

impl Twin {
    fn destroy(&mut self, resource: u32, reason: DestroyReason) {
        self.script.destroyed.push((resource, reason));
    }

    fn is_full(&self) -> bool {
        self.out.len() == self.config.max_size as usize
    }

    fn size(&self) -> u32 {
        u32::try_from(self.idle.len() + self.out.len()).unwrap()
    }

    fn hand_out(&mut self, resource: u32) -> u32 {
        self.out.push(resource);
        self.acquired += 1;
        resource
    }

    /// One that is idle and passes its check.
    fn take_idle(&mut self) -> Result<Option<u32>, PoolError<()>> {
        while let Some(resource) = self.idle.pop() {
            match self.script.next() {
                Answer::Yes => return Ok(Some(self.hand_out(resource))),
                Answer::No => self.destroy(resource, DestroyReason::Unhealthy),
                Answer::Panic => {
                    self.destroy(resource, DestroyReason::Unhealthy);
                    return Err(PoolError::Panicked);
                }
            }
        }
        Ok(None)
    }

    fn create(&mut self) -> Result<u32, PoolError<()>> {
        self.script.create().inspect_err(|_| self.not_created += 1)
    }

    fn acquire(&mut self) -> Result<u32, PoolError<()>> {
        if self.closed {
            return Err(PoolError::Closed);
        }
        if self.is_full() {
            return Err(PoolError::Interrupted(Interrupted::TimedOut));
        }
        match self.take_idle()? {
            Some(resource) => Ok(resource),
            None => {
                let made = self.create()?;
                Ok(self.hand_out(made))
            }
        }
    }

    fn try_acquire(&mut self) -> Result<u32, PoolTryAcquireError> {
        if self.closed {
            return Err(PoolTryAcquireError::Closed);
        }
        if self.is_full() {
            return Err(PoolTryAcquireError::NoneIdle);
        }
        match self.take_idle() {
            Ok(found) => found.ok_or(PoolTryAcquireError::NoneIdle),
            Err(_) => Err(PoolTryAcquireError::Panicked),
        }
    }

    fn give_back(&mut self, resource: u32) {
        self.out.retain(|out| *out != resource);
        if self.closed {
            self.destroy(resource, DestroyReason::Closing);
        } else if self.script.next() != Answer::Yes {
            self.destroy(resource, DestroyReason::Unhealthy);
        } else {
            self.shelve(resource);
        }
    }

    fn shelve(&mut self, resource: u32) {
        if self.idle.len() >= self.config.max_idle.min(self.config.max_size) as usize {
            self.destroy(resource, DestroyReason::Surplus);
        } else {
            self.idle.push(resource);
        }
    }

    fn warm_up(&mut self, target: u32, strategy: WarmupStrategy) -> Result<u32, PoolError<()>> {
        let target = target.min(self.config.max_size);
        let mut last = None;
        for _ in 0..target {
            let made = if self.closed {
                return Err(PoolError::Closed);
            } else if self.size() >= target || self.idle.len() >= self.config.max_idle as usize {
                break;
            } else {
                self.create()
            };
            match made {
                Ok(resource) => self.shelve(resource),
                Err(error) if strategy == WarmupStrategy::Fail => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if strategy == WarmupStrategy::RequireMinimum && self.size() < self.config.min_size => {
                Err(error)
            }
            _ => Ok(self.size()),
        }
    }

    fn close(&mut self) {
        self.closed = true;
        while let Some(resource) = self.idle.pop() {
            self.destroy(resource, DestroyReason::Closing);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A call of the factory's to come fails.
    Script(Answer),
    Acquire,
    AcquireAsync,
    TryAcquire,
    GiveBack(usize),
    Detach(usize),
    Discard(usize),
    WarmUp(u32, WarmupStrategy),
    Maintain,
    Close,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let strategy =
        prop_oneof![Just(WarmupStrategy::Fail), Just(WarmupStrategy::BestEffort), Just(WarmupStrategy::RequireMinimum)];
    prop_oneof![
        4 => prop_oneof![Just(Answer::Yes), Just(Answer::No), Just(Answer::Panic)].prop_map(Script),
        12 => Just(Acquire),
        4 => Just(AcquireAsync),
        6 => Just(TryAcquire),
        16 => (0..6_usize).prop_map(GiveBack),
        2 => (0..6_usize).prop_map(Detach),
        2 => (0..6_usize).prop_map(Discard),
        3 => (0..6_u32, strategy).prop_map(|(target, strategy)| WarmUp(target, strategy)),
        1 => Just(Maintain),
        1 => Just(Close),
    ]
}

type Held = PooledResource<Scripted>;

fn play(config: PoolConfig, operations: &[Operation], story: &mut Story) -> Result<(), String> {
    let pool = GenericPool::new(Scripted(Mutex::default()), config).expect("these are allowed");
    let mut held: Vec<Held> = Vec::new();
    let mut twin = Twin {
        config,
        script: Script::default(),
        idle: Vec::new(),
        out: Vec::new(),
        closed: false,
        acquired: 0,
        not_created: 0,
        detached: 0,
    };
    for operation in operations {
        let numbers: Vec<u32> = held.iter().map(|held| **held).collect();
        let mut remove = |n: usize| {
            let resource = pick(&numbers, n)?;
            let at = numbers.iter().position(|number| *number == resource)?;
            Some((held.remove(at), resource))
        };
        match *operation {
            Operation::Script(answer) => {
                pool.factory().0.lock().unwrap().answers.push_back(answer);
                twin.script.answers.push_back(answer);
            }
            Operation::Acquire => {
                story.tell("acquire");
                let real = keep(pool.acquire(Wait::FOREVER), &mut held);
                story.compare(&real, &twin.acquire())?;
            }
            Operation::AcquireAsync if twin.is_full() && !twin.closed => {}
            Operation::AcquireAsync => {
                story.tell("acquire_async");
                let real = keep(quiescent_core::block_on(pool.acquire_async(), Wait::FOREVER).unwrap(), &mut held);
                story.compare(&real, &twin.acquire())?;
            }
            Operation::TryAcquire => {
                story.tell("try_acquire");
                let real = keep(pool.try_acquire(), &mut held);
                story.compare(&real, &twin.try_acquire())?;
            }
            Operation::GiveBack(n) => {
                if let Some((resource, number)) = remove(n) {
                    story.tell(format!("give {number} back"));
                    drop(resource);
                    twin.give_back(number);
                }
            }
            Operation::Detach(n) => {
                if let Some((resource, number)) = remove(n) {
                    story.tell(format!("detach {number}"));
                    twin.out.retain(|out| *out != number);
                    twin.detached += 1;
                    story.compare(&resource.detach(), &number)?;
                }
            }
            Operation::Discard(n) => {
                if let Some((resource, number)) = remove(n) {
                    story.tell(format!("discard {number}"));
                    resource.discard();
                    twin.out.retain(|out| *out != number);
                    twin.destroy(number, DestroyReason::Unhealthy);
                }
            }
            Operation::WarmUp(target, strategy) => {
                story.tell(format!("warm_up({target}, {strategy:?})"));
                let real = pool.warm_up(target, strategy, Wait::FOREVER);
                story.compare(&real, &twin.warm_up(target, strategy))?;
            }
            Operation::Maintain => {
                story.tell("maintain");
                story.compare(&pool.maintain(), &None)?;
            }
            Operation::Close => {
                story.tell("close");
                pool.close();
                twin.close();
            }
        }
        let stats = pool.stats();
        let real =
            (stats.size, stats.idle as usize, stats.in_use as usize, stats.creating + stats.leaving + stats.waiting);
        let counts = (stats.acquired, stats.not_created, stats.detached);
        story.tell("look");
        story.compare(&real, &(twin.size(), twin.idle.len(), twin.out.len(), 0))?;
        story.compare(&counts, &(twin.acquired, twin.not_created, twin.detached))?;
        story.compare(&*pool.factory().0.lock().unwrap(), &twin.script)?;
    }
    Ok(())
}

fn keep<E>(acquired: Result<Held, E>, held: &mut Vec<Held>) -> Result<u32, E> {
    acquired.map(|resource| {
        let number = *resource;
        held.push(resource);
        number
    })
}

#[test]
fn a_pool_answers_as_its_twin() {
    check(400, 60, operation(), |operations, story| {
        // Each sequence in pools of three sizes: the third has room for all that is idle, the first for hardly any.
        for (min_size, max_size, max_idle) in [(0, 2, 1), (2, 3, 2), (1, 4, u32::MAX)] {
            // Nobody else would give one back.
            let wait_timeout = Duration::from_micros(50);
            let config = PoolConfig { min_size, max_idle, wait_timeout, ..PoolConfig::new(max_size) };
            play(config, operations, story)?;
        }
        Ok(())
    });
}
