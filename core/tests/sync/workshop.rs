//! A factory that does what a test tells it, and notes what it did.

use quiescent_core::Deadline;
use quiescent_core::sync::{AsyncResourceFactory, DestroyReason, GenericPool, PoolConfig};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Poll, Waker};

/// What a resource is: its number, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Thing(pub u32);

/// What the next call of a method does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Succeed,
    Fail,
    Panic,
    /// Waits until [`Workshop::finish`].
    Wait,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

#[derive(Default)]
pub struct Workshop {
    made: AtomicU32,
    creates: Mutex<VecDeque<Act>>,
    checks: Mutex<VecDeque<Act>>,
    recycles: Mutex<VecDeque<Act>>,
    pub recycled: Mutex<Vec<u32>>,
    destroyed: Mutex<Vec<(u32, DestroyReason)>>,
    pub panics_in_destroy: AtomicBool,
    is_finished: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

pub type Shop = GenericPool<Workshop>;

pub fn pool(config: PoolConfig) -> Shop {
    GenericPool::new(Workshop::default(), config).expect("these are allowed")
}

fn next(acts: &Mutex<VecDeque<Act>>) -> Act {
    acts.lock().unwrap().pop_front().unwrap_or(Act::Succeed)
}

fn act(act: Act) -> bool {
    assert!(act != Act::Panic, "as it was told to");
    act != Act::Fail
}

impl Workshop {
    pub fn next_creates(&self, acts: &[Act]) {
        self.creates.lock().unwrap().extend(acts);
    }

    pub fn next_checks(&self, acts: &[Act]) {
        self.checks.lock().unwrap().extend(acts);
    }

    pub fn next_recycles(&self, acts: &[Act]) {
        self.recycles.lock().unwrap().extend(acts);
    }

    pub fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }

    pub fn destroyed(&self) -> Vec<(u32, DestroyReason)> {
        self.destroyed.lock().unwrap().clone()
    }

    /// Whether a create or check waits to be finished.
    pub fn is_waiting(&self) -> bool {
        self.waiting.lock().unwrap().is_some()
    }

    pub fn finish(&self) {
        self.is_finished.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waiting.lock().unwrap().take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|context| {
            *self.waiting.lock().unwrap() = Some(context.waker().clone());
            if self.is_finished.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn carry_out(&self, what: Act) -> bool {
        if what == Act::Wait {
            self.wait().await;
        }
        act(what)
    }
}

impl AsyncResourceFactory for Workshop {
    type Resource = Thing;
    type Error = Broken;

    async fn create(&self, _until: Deadline) -> Result<Thing, Broken> {
        if self.carry_out(next(&self.creates)).await {
            Ok(Thing(self.made.fetch_add(1, Ordering::SeqCst) + 1))
        } else {
            Err(Broken)
        }
    }

    async fn check(&self, _thing: &mut Thing) -> bool {
        self.carry_out(next(&self.checks)).await
    }

    fn recycle(&self, thing: &mut Thing) -> bool {
        self.recycled.lock().unwrap().push(thing.0);
        act(next(&self.recycles))
    }

    fn destroy(&self, thing: Thing, reason: DestroyReason) {
        self.destroyed.lock().unwrap().push((thing.0, reason));
        assert!(!self.panics_in_destroy.load(Ordering::SeqCst), "as it was told to");
    }
}

/// Nothing is lost, and nobody is inside.
pub fn assert_whole(pool: &Shop) {
    let stats = pool.stats();
    let shop = pool.factory();
    assert_eq!(stats.idle, stats.size, "somebody is inside: {stats:?}");
    assert_eq!((stats.creating, stats.leaving, stats.waiting), (0, 0, 0));
    assert_eq!(stats.created, u64::from(shop.made()));
    assert_eq!(stats.destroyed_total(), shop.destroyed().len() as u64);
    assert_eq!(stats.created, u64::from(stats.size) + stats.detached + stats.destroyed_total());
    let mut numbers: Vec<u32> = shop.destroyed().iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), shop.destroyed().len(), "one was destroyed twice");
}
