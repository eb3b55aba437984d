//! Races of a pool's resources: whatever returns, is acquired and is closed at the same time, each resource is destroyed
//! exactly once, and none is lost.

use crate::{explore, explore_at_most, join, with};
use loom::cell::UnsafeCell;
use quiescent_core::sync::{AsyncResourceFactory, DestroyReason, GenericPool, PoolConfig, PoolError};
use quiescent_core::{Deadline, Wait};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What each resource is to its users: loom reports two who touch it without an order between them.
struct Thing(UnsafeCell<u32>);

// SAFETY: the cell is loom's, which checks every access.
unsafe impl Send for Thing {}

impl Thing {
    fn touch(&self) {
        // SAFETY: checked by loom.
        self.0.with_mut(|thing| unsafe { *thing += 1 });
    }
}

/// Its counts are std's, so that they order nothing.
#[derive(Default)]
struct Shop {
    made: AtomicU32,
    destroyed: AtomicU32,
}

impl AsyncResourceFactory for Shop {
    type Resource = Thing;
    type Error = Infallible;

    async fn create(&self, _until: Deadline) -> Result<Thing, Infallible> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Thing(UnsafeCell::new(0)))
    }

    fn recycle(&self, thing: &mut Thing) -> bool {
        thing.touch();
        true
    }

    fn destroy(&self, thing: Thing, _reason: DestroyReason) {
        thing.touch();
        self.destroyed.fetch_add(1, Ordering::Relaxed);
    }
}

type Shops = GenericPool<Shop>;

fn pool(max_size: u32) -> Arc<Shops> {
    Arc::new(GenericPool::new(Shop::default(), PoolConfig::new(max_size)).expect("this is allowed"))
}

/// Takes one, uses it and gives it back.
fn use_one(pool: &Shops, wait: Wait<'_>) -> &'static str {
    match pool.acquire(wait) {
        Ok(thing) => {
            thing.touch();
            "used"
        }
        Err(PoolError::Closed) => "closed",
        Err(_) => "nothing",
    }
}

/// Nobody is inside, and every resource that was made was destroyed, or is idle.
fn settle(pool: &Shops) -> (u32, u32) {
    let (stats, shop) = (pool.stats(), pool.factory());
    let (made, destroyed) = (shop.made.load(Ordering::Relaxed), shop.destroyed.load(Ordering::Relaxed));
    assert_eq!((stats.in_use, stats.creating, stats.leaving, stats.waiting), (0, 0, 0, 0), "something is left behind");
    assert_eq!((stats.created, stats.destroyed_total()), (u64::from(made), u64::from(destroyed)));
    assert_eq!(stats.idle, made - destroyed, "one is lost, or there twice");
    (made, destroyed)
}

/// One that is given back meets the close.
#[test]
fn return_vs_close() {
    explore([(1, 1)], || {
        let pool = pool(1);
        let thing = pool.acquire(Wait::FOREVER).expect("it is made");
        let returner = with(&pool, move |_| {
            thing.touch();
            drop(thing);
        });
        pool.close();
        join(returner);
        settle(&pool)
    });
}

/// A call without a wait meets one that is given back: the resource is one's or idle, and nobody makes a second.
#[test]
fn return_vs_acquire() {
    explore_at_most(3, ["used", "nothing"], || {
        let pool = pool(1);
        let thing = pool.acquire(Wait::FOREVER).expect("it is made");
        let returner = with(&pool, move |_| {
            thing.touch();
            drop(thing);
        });
        let got = use_one(&pool, Wait::NOT);
        join(returner);
        assert_eq!(settle(&pool), (1, 0));
        got
    });
}

/// Somebody who sleeps until one is given back.
#[test]
fn return_vs_parked_acquire() {
    explore_at_most(3, ["used"], || {
        let pool = pool(1);
        let thing = pool.acquire(Wait::FOREVER).expect("it is made");
        let returner = with(&pool, move |_| {
            thing.touch();
            drop(thing);
        });
        let got = use_one(&pool, Wait::FOREVER);
        join(returner);
        assert_eq!(settle(&pool), (1, 0));
        got
    });
}

/// One is given back, somebody waits for it, and the pool is closed: whoever waits gets it or is told, and it is destroyed once.
#[test]
fn return_vs_acquire_vs_close() {
    explore_at_most(2, [("used", 1), ("closed", 1)], || {
        let pool = pool(1);
        let thing = pool.acquire(Wait::FOREVER).expect("it is made");
        let returner = with(&pool, move |_| {
            thing.touch();
            drop(thing);
        });
        let waiter = with(&pool, |pool| use_one(pool, Wait::FOREVER));
        pool.close();
        join(returner);
        let got = join(waiter);
        let (made, destroyed) = settle(&pool);
        assert_eq!(made, destroyed);
        (got, made)
    });
}

/// Two take one each as the pool is closed: what is made is destroyed.
#[test]
fn two_acquires_vs_close() {
    let ways = ["used", "closed"].into_iter().flat_map(|first| ["used", "closed"].map(|second| (first, second)));
    explore_at_most(2, ways, || {
        let pool = pool(1);
        let users = [0, 1].map(|_| with(&pool, |pool| use_one(pool, Wait::FOREVER)));
        pool.close();
        let [first, second] = users.map(join);
        let (made, destroyed) = settle(&pool);
        assert_eq!(made, destroyed);
        (first, second)
    });
}

/// Two close at once: what is idle is destroyed by one of them.
#[test]
fn close_vs_close() {
    explore([(2, 2)], || {
        let pool = pool(2);
        let both = [0, 1].map(|_| pool.acquire(Wait::FOREVER).expect("it is made"));
        drop(both);
        let other = with(&pool, Shops::close);
        pool.close();
        join(other);
        settle(&pool)
    });
}

/// Whoever waits for the last one to come back is woken.
#[test]
fn return_vs_parked_drain() {
    explore_at_most(3, [(2, 2)], || {
        let pool = pool(2);
        let [first, second] = [0, 1].map(|_| pool.acquire(Wait::FOREVER).expect("it is made"));
        let returner = with(&pool, move |_| drop(first));
        drop(second);
        assert_eq!(pool.drain(Wait::FOREVER), Ok(()));
        assert_eq!(pool.stats().size, 0);
        join(returner);
        settle(&pool)
    });
}
