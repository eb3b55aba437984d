//! Pools: what is handed out, what is destroyed, and why.

use crate::workshop::{Act, Broken, Thing, Workshop, assert_whole, pool};
use quiescent_core::sync::{
    AsyncResourceFactory, Blocking, DestroyReason, GenericPool, Pool, PoolConfig, PoolError, PoolTryAcquireError,
    WarmupStrategy,
};
use quiescent_core::{Deadline, Error, Interrupted, Wait, block_on};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(50);

fn up_to(max_size: u32) -> PoolConfig {
    PoolConfig::new(max_size)
}

#[test]
fn sizes_that_make_no_sense() {
    let refuse = |config| assert_eq!(GenericPool::new(Workshop::default(), config).err(), Some(Error::InvalidArgument));
    refuse(up_to(0));
    refuse(up_to(PoolConfig::MAX_SIZE + 1));
    refuse(PoolConfig { min_size: 3, ..up_to(2) });
    refuse(PoolConfig { max_idle: 0, ..up_to(2) });
    refuse(PoolConfig { max_idle: 1, min_size: 2, ..up_to(2) });
}

#[test]
fn made_when_needed_and_used_again_the_last_one_first() {
    let pool = pool(up_to(3));
    assert_eq!(pool.stats().size, 0);
    let (mut one, two) = (pool.acquire(Wait::FOREVER).unwrap(), pool.acquire(Wait::FOREVER).unwrap());
    assert_eq!((&*one, &*two), (&Thing(1), &Thing(2)));
    one.0 = 11;
    assert_eq!((pool.stats().in_use, pool.stats().idle), (2, 0));
    drop(two);
    drop(one);
    assert_eq!(*pool.try_acquire().unwrap(), Thing(11), "as it was left");
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), Thing(11));
    assert_eq!(*pool.factory().recycled.lock().unwrap(), [2, 11, 11, 11]);
    assert_eq!((pool.stats().acquired, pool.stats().created), (4, 2));
    assert_whole(&pool);
}

#[test]
fn the_pool_is_an_object_and_a_clone_the_same() {
    let pool = pool(up_to(1));
    let same = pool.clone();
    let object: &dyn Pool<Resource = Thing, Error = Broken, Guard = _> = &same;
    let taken = block_on(object.acquire_async(), Wait::FOREVER).unwrap().unwrap();
    assert_eq!(object.try_acquire().unwrap_err(), PoolTryAcquireError::NoneIdle);
    assert_eq!((pool.stats().in_use, object.stats().in_use), (1, 1));
    drop(taken);
    drop(object.acquire(Wait::FOREVER).unwrap());
    assert_eq!(object.maintain(), None);
    object.close();
    assert!(pool.is_closed());
    assert_whole(&pool);
}

#[test]
fn a_closure_is_a_factory() {
    let pool = GenericPool::new(async || Ok::<_, Broken>(String::from("made")), up_to(1)).unwrap();
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), "made");
    let pool = GenericPool::new(Blocking(|| Err::<u32, _>(Broken)), up_to(1)).unwrap();
    let refused = pool.acquire(Wait::FOREVER).unwrap_err();
    assert_eq!(refused, PoolError::Create(Broken));
    assert_eq!(Error::from(refused), Error::Io);
}

#[test]
fn none_is_made_by_a_call_that_does_not_wait() {
    let pool = pool(up_to(2));
    assert_eq!(pool.try_acquire().unwrap_err(), PoolTryAcquireError::NoneIdle);
    assert_eq!(pool.acquire(Wait::NOT).unwrap_err(), PoolError::Interrupted(Interrupted::TimedOut));
    assert_eq!(pool.factory().made(), 0);
    drop(pool.acquire(Wait::FOREVER).unwrap());
    drop(pool.acquire(Wait::NOT).unwrap());
    assert_whole(&pool);
}

#[test]
fn what_fails_its_check_is_destroyed_and_another_taken() {
    let pool = pool(up_to(2));
    let both = [pool.acquire(Wait::FOREVER).unwrap(), pool.acquire(Wait::FOREVER).unwrap()];
    drop(both);
    pool.factory().next_checks(&[Act::Fail, Act::Fail]);
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), Thing(3), "a fresh one is not checked");
    assert_eq!(pool.factory().destroyed(), [(2, DestroyReason::Unhealthy), (1, DestroyReason::Unhealthy)]);
    assert_whole(&pool);
}

#[test]
fn panics_are_contained_and_lose_nothing() {
    let pool = pool(up_to(1));
    let shop = pool.factory();
    shop.next_creates(&[Act::Panic, Act::Fail]);
    assert_eq!(pool.acquire(Wait::FOREVER).unwrap_err(), PoolError::Panicked);
    assert_eq!(pool.acquire(Wait::FOREVER).unwrap_err(), PoolError::Create(Broken));
    assert_eq!((pool.stats().size, pool.stats().not_created), (0, 2));
    drop(pool.acquire(Wait::FOREVER).expect("the place is back"));
    shop.next_checks(&[Act::Panic]);
    assert_eq!(pool.acquire(Wait::FOREVER).unwrap_err(), PoolError::Panicked);
    assert_eq!(shop.destroyed(), [(1, DestroyReason::Unhealthy)]);

    shop.next_recycles(&[Act::Panic, Act::Fail]);
    drop(pool.acquire(Wait::FOREVER).unwrap());
    drop(pool.acquire(Wait::FOREVER).unwrap());
    assert_eq!(shop.destroyed()[1..], [(2, DestroyReason::Unhealthy), (3, DestroyReason::Unhealthy)]);
    shop.panics_in_destroy.store(true, Ordering::SeqCst);
    pool.acquire(Wait::FOREVER).unwrap().discard();
    drop(pool.acquire(Wait::FOREVER).expect("the place is back"));
    assert_whole(&pool);
}

#[test]
fn what_a_panicking_holder_had_is_destroyed_and_the_pool_goes_on() {
    let pool = pool(up_to(1));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = pool.acquire(Wait::FOREVER).unwrap();
        panic!("as it was told to");
    }));
    assert!(unwound.is_err());
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Unhealthy)]);
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), Thing(2));
    assert_whole(&pool);
}

#[test]
fn detached_and_discarded() {
    let pool = pool(up_to(1));
    let kept = pool.acquire(Wait::FOREVER).unwrap().detach();
    assert_eq!((kept, pool.stats().size, pool.stats().detached), (Thing(1), 0, 1));
    pool.acquire(Wait::FOREVER).expect("there is a place for another").discard();
    assert_eq!(pool.factory().destroyed(), [(2, DestroyReason::Unhealthy)]);
    assert!(pool.factory().recycled.lock().unwrap().is_empty());
    assert_whole(&pool);
}

#[test]
fn what_comes_back_beyond_enough_is_surplus() {
    let pool = pool(PoolConfig { max_idle: 1, ..up_to(3) });
    let all = [(); 3].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(all);
    assert_eq!(pool.factory().destroyed(), [(2, DestroyReason::Surplus), (3, DestroyReason::Surplus)]);
    assert_whole(&pool);
}

#[test]
fn what_was_idle_too_long_goes_but_the_minimum_stays() {
    let pool = pool(PoolConfig { min_size: 1, idle_timeout: TICK, ..up_to(4) });
    let all = [(); 3].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    assert_eq!(pool.maintain(), Some(TICK), "what is in use may be due after that time");
    let start = Instant::now();
    drop(all);
    let next = pool.maintain().expect("there is a timeout");
    let destroyed = pool.factory().destroyed();
    assert!(next <= TICK, "{next:?}");
    // Unless this thread was kept from running for so long.
    assert!(destroyed.is_empty() && next > Duration::ZERO || start.elapsed() >= TICK, "{next:?}, {destroyed:?}");
    std::thread::sleep(TICK + next);
    pool.maintain();
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Idle), (2, DestroyReason::Idle)]);
    std::thread::sleep(TICK * 2);
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), Thing(3), "it stays, and is used");
    let all = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(all);
    std::thread::sleep(TICK * 2);
    assert_eq!(pool.try_acquire().unwrap().0, 3, "it is looked at when something is taken, too: one goes, one is kept");
    assert_eq!(pool.factory().destroyed()[2..], [(4, DestroyReason::Idle)]);
    assert_whole(&pool);
}

#[test]
fn what_lived_too_long_goes_when_it_comes_back_is_taken_or_by_maintain() {
    let pool = pool(PoolConfig { max_lifetime: TICK, ..up_to(4) });
    let held = pool.acquire(Wait::FOREVER).unwrap();
    std::thread::sleep(TICK * 2);
    drop(held);
    assert!(pool.factory().recycled.lock().unwrap().is_empty());
    let start = Instant::now();
    let [first, second] = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(first);
    drop(second);
    // Where this thread was kept from running for so long, they have gone as they came back.
    let order = if start.elapsed() < TICK { [1, 3, 2, 4] } else { [1, 2, 3, 4] };
    std::thread::sleep(TICK * 2);
    assert_eq!(*pool.acquire(Wait::FOREVER).unwrap(), Thing(4));
    std::thread::sleep(TICK * 2);
    pool.maintain();
    let mut destroyed = pool.factory().destroyed();
    if order.is_sorted() {
        destroyed.sort_unstable_by_key(|(number, _)| *number);
    }
    assert_eq!(destroyed, order.map(|number| (number, DestroyReason::Expired)));
    assert_whole(&pool);
}

/// At the minimal size one that is too old stays until it is taken: then it is replaced.
#[test]
fn what_lived_too_long_is_replaced_at_the_minimum() {
    let pool = pool(PoolConfig { min_size: 2, max_lifetime: TICK, ..up_to(2) });
    let both = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    std::thread::sleep(TICK * 2);
    drop(both);
    pool.maintain();
    assert_eq!((pool.stats().idle, pool.factory().destroyed().len()), (2, 0));
    assert_eq!(pool.try_acquire().unwrap_err(), PoolTryAcquireError::NoneIdle, "to replace one takes time");
    let taken = pool.acquire(Wait::FOREVER).unwrap();
    assert_eq!((&*taken, pool.stats().size), (&Thing(3), 2));
    assert_eq!(pool.factory().destroyed(), [(2, DestroyReason::Expired)]);
    drop(taken);
    assert_whole(&pool);
}

#[test]
fn warmed_up_as_far_as_the_strategy_says() {
    let fresh = || {
        let pool = pool(PoolConfig { min_size: 2, ..up_to(4) });
        pool.factory().next_creates(&[Act::Succeed, Act::Fail, Act::Succeed, Act::Panic]);
        pool
    };
    let pool = fresh();
    assert_eq!(pool.warm_up(4, WarmupStrategy::Fail, Wait::FOREVER), Err(PoolError::Create(Broken)));
    assert_eq!((pool.stats().idle, pool.factory().made()), (1, 1), "what was made stays");
    assert_whole(&pool);

    let pool = fresh();
    assert_eq!(pool.warm_up(4, WarmupStrategy::BestEffort, Wait::FOREVER), Ok(2));
    assert_eq!(pool.warm_up(99, WarmupStrategy::Fail, Wait::FOREVER), Ok(4), "no more than there may be");
    assert_eq!(pool.warm_up(3, WarmupStrategy::Fail, Wait::FOREVER), Ok(4));
    assert!(pool.factory().recycled.lock().unwrap().is_empty(), "what was never used needs no cleaning");
    assert_whole(&pool);

    let pool = fresh();
    assert_eq!(pool.warm_up(4, WarmupStrategy::RequireMinimum, Wait::FOREVER), Ok(2));
    let pool = fresh();
    assert_eq!(pool.warm_up(2, WarmupStrategy::RequireMinimum, Wait::FOREVER), Err(PoolError::Create(Broken)));
    assert_eq!(block_on(pool.warm_up_async(2, WarmupStrategy::RequireMinimum), Wait::FOREVER), Ok(Ok(2)));
    assert_eq!(
        pool.warm_up(4, WarmupStrategy::Fail, Wait::NOT),
        Err(PoolError::CreateInterrupted(Interrupted::TimedOut))
    );
    assert_eq!(pool.warm_up(4, WarmupStrategy::BestEffort, Wait::NOT), Ok(2));
    pool.close();
    assert_eq!(pool.warm_up(4, WarmupStrategy::BestEffort, Wait::FOREVER), Err(PoolError::Closed));
    assert_whole(&pool);
}

/// Whose methods use their own pool.
#[derive(Default)]
struct Inward {
    pool: OnceLock<GenericPool<Inward>>,
    depth: AtomicU32,
}

impl AsyncResourceFactory for Inward {
    type Resource = u32;
    type Error = Broken;

    async fn create(&self, _until: Deadline) -> Result<u32, Broken> {
        let depth = self.depth.fetch_add(1, Ordering::SeqCst);
        if depth == 0 {
            drop(self.pool.get().expect("it was set").acquire(Wait::FOREVER));
        } else if depth == 1 {
            // All places are taken, by these two calls: it waits for itself, up to its deadline.
            let refused = self.pool.get().expect("it was set").acquire(TICK.into());
            assert_eq!(refused.err(), Some(PoolError::Interrupted(Interrupted::TimedOut)));
        }
        Ok(depth)
    }

    fn recycle(&self, resource: &mut u32) -> bool {
        let pool = self.pool.get().expect("it was set");
        assert!(pool.stats().in_use > 0);
        pool.maintain();
        // The other one, once.
        if *resource == 0 {
            drop(pool.try_acquire().expect("the other one is idle"));
        }
        true
    }

    fn destroy(&self, _resource: u32, _reason: DestroyReason) {
        assert!(self.pool.get().expect("it was set").stats().leaving > 0);
        self.pool.get().expect("it was set").close();
    }
}

#[test]
fn the_factory_may_use_the_same_pool() {
    let pool = GenericPool::new(Inward::default(), up_to(2)).unwrap();
    assert!(pool.factory().pool.set(pool.clone()).is_ok());
    let start = Instant::now();
    let taken = pool.acquire(Wait::FOREVER).expect("no lock is in the way");
    drop(taken);
    pool.close();
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(pool.stats().size, 0);
}

/// What is being destroyed is still one of those that there may be.
#[test]
fn a_warm_up_beside_one_that_leaves_makes_no_more_than_there_may_be() {
    #[derive(Default)]
    struct Warming(OnceLock<GenericPool<Warming>>, AtomicU32);
    impl AsyncResourceFactory for Warming {
        type Resource = ();
        type Error = Broken;
        async fn create(&self, _until: Deadline) -> Result<(), Broken> {
            Ok(())
        }
        fn destroy(&self, (): (), _reason: DestroyReason) {
            let pool = self.0.get().expect("it was set");
            let there = pool.warm_up(2, WarmupStrategy::Fail, Wait::FOREVER).unwrap_or(0);
            self.1.fetch_max(there + 1, Ordering::SeqCst);
        }
    }
    let pool = GenericPool::new(Warming::default(), up_to(2)).unwrap();
    assert!(pool.factory().0.set(pool.clone()).is_ok());
    let [first, second] = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(first);
    second.discard();
    assert_eq!(pool.factory().1.load(Ordering::SeqCst), 2, "there is one, and the one that leaves");
    pool.close();
    assert_eq!(pool.stats().size, 0);
}

#[test]
fn the_last_share_destroys_what_is_idle() {
    struct Telling(std::sync::Arc<std::sync::Mutex<Vec<DestroyReason>>>);
    impl AsyncResourceFactory for Telling {
        type Resource = ();
        type Error = Broken;
        async fn create(&self, _until: Deadline) -> Result<(), Broken> {
            Ok(())
        }
        fn destroy(&self, (): (), reason: DestroyReason) {
            self.0.lock().unwrap().push(reason);
        }
    }
    let told = std::sync::Arc::default();
    let pool = GenericPool::new(Telling(std::sync::Arc::clone(&told)), up_to(2)).unwrap();
    let [first, second] = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(first);
    drop(pool);
    assert!(told.lock().unwrap().is_empty(), "one that is out has a share");
    drop(second);
    assert_eq!(*told.lock().unwrap(), [DestroyReason::Closing; 2]);
}
