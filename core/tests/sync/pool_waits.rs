//! Pools: waits that end by a grant, a deadline, a cancellation, the close, or a dropped future.

use crate::races::{close_wakes_all, grant_vs_cancel};
use crate::workshop::{Act, Broken, Shop, Thing, assert_whole, pool};
use quiescent_core::sync::{CancelToken, DestroyReason, PoolConfig, PoolError, PoolTryAcquireError, WarmupStrategy};
use quiescent_core::{Error, Interrupted, Wait, block_on};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// One resource, which is idle.
fn pool_of_one() -> Shop {
    let pool = pool(PoolConfig::new(1));
    drop(pool.acquire(Wait::FOREVER).unwrap());
    pool
}

const TIMED_OUT: PoolError<Broken> = PoolError::Interrupted(Interrupted::TimedOut);

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
}

#[test]
fn served_in_the_order_in_which_they_began_to_wait() {
    let pool = pool_of_one();
    let taken = pool.acquire(Wait::FOREVER).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    let in_line = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for n in 0..8_u32 {
            let (pool, order, in_line) = (&pool, &order, &in_line);
            scope.spawn(move || {
                let mut acquiring = Box::pin(pool.acquire_async());
                // In line from the first poll on. (It is counted just before.)
                assert!(block_on(&mut acquiring, Wait::NOT).is_err());
                in_line.fetch_add(1, Ordering::SeqCst);
                let _taken = block_on(acquiring, LONG.into()).unwrap().unwrap();
                order.lock().unwrap().push(n);
            });
            until(|| in_line.load(Ordering::SeqCst) == n + 1);
            assert_eq!(pool.stats().waiting, n + 1);
        }
        std::thread::sleep(TICK);
        // Given back on another thread.
        scope.spawn(move || drop(taken));
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    let stats = pool.stats();
    assert_eq!((stats.waits, stats.created), (8, 1));
    assert!(stats.wait_max >= TICK && stats.wait_total >= stats.wait_max + TICK, "{stats:?}");
    assert_whole(&pool);
}

#[test]
fn each_phase_has_a_deadline_of_its_own() {
    let config = PoolConfig { wait_timeout: TICK, create_timeout: TICK * 3, ..PoolConfig::new(1) };
    let pool = pool(config);
    pool.factory().next_creates(&[Act::Wait]);
    let start = Instant::now();
    let interrupted = PoolError::CreateInterrupted(Interrupted::TimedOut);
    assert_eq!(pool.acquire(LONG.into()).unwrap_err(), interrupted);
    assert!(start.elapsed() >= TICK * 3 && start.elapsed() < LONG / 3);
    assert_eq!((pool.stats().size, pool.stats().not_created), (0, 1));
    let taken = pool.acquire(LONG.into()).unwrap();
    let start = Instant::now();
    assert_eq!(pool.acquire(LONG.into()).unwrap_err(), TIMED_OUT);
    assert!(start.elapsed() >= TICK && start.elapsed() < LONG / 3);
    drop(taken);
    assert_whole(&pool);
}

#[test]
fn the_calls_own_deadline_bounds_it_all() {
    let pool = pool(PoolConfig::new(1));
    pool.factory().next_creates(&[Act::Wait]);
    // Nothing is begun where the deadline has passed before: then once more.
    let mut refused = pool.acquire(TICK.into()).unwrap_err();
    for _ in 0..100 {
        if refused == TIMED_OUT && !pool.factory().is_waiting() {
            refused = pool.acquire(TICK.into()).unwrap_err();
        }
    }
    assert_eq!(refused, PoolError::CreateInterrupted(Interrupted::TimedOut));
    drop(pool.acquire(LONG.into()).unwrap());
    pool.factory().next_checks(&[Act::Wait]);
    assert_eq!(pool.acquire(TICK.into()).unwrap_err(), TIMED_OUT);
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Unhealthy)], "nobody knows how it is");
    drop(pool.acquire(LONG.into()).unwrap());
    pool.factory().next_checks(&[Act::Wait]);
    assert_eq!(pool.try_acquire().unwrap_err(), PoolTryAcquireError::NoneIdle, "it did not answer at once");
    assert_whole(&pool);
}

#[test]
fn a_cancelled_wait_takes_nothing_and_leaves_the_line() {
    let pool = pool_of_one();
    let cancel = CancelToken::new().unwrap();
    let taken = pool.acquire(Wait::FOREVER).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.acquire(Wait::from(LONG).or_cancelled(&cancel)).map(drop));
        until(|| pool.stats().waiting == 1);
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Err(PoolError::Interrupted(Interrupted::Cancelled)));
    });
    drop(taken);
    let cancelled = pool.acquire(Wait::FOREVER.or_cancelled(&cancel)).unwrap_err();
    assert_eq!(cancelled, PoolError::Interrupted(Interrupted::Cancelled), "even if one is there");
    let cancelled = pool.warm_up(1, WarmupStrategy::BestEffort, Wait::FOREVER.or_cancelled(&cancel));
    assert_eq!(cancelled, Err(PoolError::Interrupted(Interrupted::Cancelled)));
    drop(pool.acquire(Wait::NOT).unwrap());
    assert_whole(&pool);
}

/// Polls `future` once, which waits, and drops it.
fn drop_waiting(future: impl Future) {
    let mut future = pin!(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_future_may_be_dropped_wherever_it_waits() {
    let pool = pool_of_one();
    let taken = pool.acquire(LONG.into()).expect("the place is back");
    drop_waiting(pool.acquire_async());
    assert_eq!((pool.stats().waiting, pool.stats().waits), (0, 1));
    drop(taken);
    // In the check.
    pool.factory().next_checks(&[Act::Wait]);
    drop_waiting(pool.acquire_async());
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Unhealthy)]);
    assert_whole(&pool);
    // In the making.
    pool.factory().next_creates(&[Act::Wait, Act::Wait]);
    drop_waiting(pool.acquire_async());
    drop_waiting(pool.warm_up_async(1, WarmupStrategy::Fail));
    assert_eq!(pool.stats().not_created, 2);
    assert_whole(&pool);
    // After it was handed the place, before it knew.
    let taken = pool.acquire(LONG.into()).expect("the place is back");
    let mut granted = Box::pin(pool.acquire_async());
    assert!(granted.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(taken);
    assert_eq!(pool.try_acquire().unwrap_err(), PoolTryAcquireError::NoneIdle, "it is the waiting one's");
    drop(granted);
    drop(pool.acquire(Wait::NOT).expect("the place is back"));
    assert_whole(&pool);
}

/// What has arrived, and was not looked at yet, is returned.
#[test]
fn a_resource_that_arrives_is_never_lost() {
    let pool = pool(PoolConfig::new(1));
    let taken = match pin!(pool.acquire_async()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(taken) => taken.unwrap(),
        Poll::Pending => panic!("nothing waits"),
    };
    drop(taken);
    assert_eq!(pool.stats().idle, 1);
    assert_whole(&pool);
}

/// Not even for a place: as many as it is to make are there, though all are out.
#[test]
fn a_warm_up_that_has_nothing_to_make_waits_for_nobody() {
    let pool = pool(PoolConfig::new(2));
    let _taken = [(); 2].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    assert_eq!(pool.warm_up(2, WarmupStrategy::Fail, TICK.into()), Ok(2));
    assert_eq!(pool.warm_up(9, WarmupStrategy::Fail, TICK.into()), Ok(2), "there can be no more");
    let answer = pin!(pool.warm_up_async(2, WarmupStrategy::Fail)).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(answer, Poll::Ready(Ok(2)));
    assert_eq!(pool.stats().waits, 0);
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let pool = pool_of_one();
    let taken = pool.acquire(Wait::FOREVER).unwrap();
    close_wakes_all(1000, |wait| pool.acquire(wait).expect_err("it is out").into(), || pool.close());
    assert_eq!(pool.acquire(Wait::FOREVER).unwrap_err(), PoolError::Closed);
    assert_eq!(pool.try_acquire().unwrap_err(), PoolTryAcquireError::Closed);
    assert_eq!(pool.stats().in_use, 1);
    drop(taken);
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Closing)]);
    assert_whole(&pool);
}

#[test]
fn the_close_destroys_the_idle_at_once_and_drains_the_others() {
    let pool = pool(PoolConfig::new(3));
    let [first, second, third] = [(); 3].map(|()| pool.acquire(Wait::FOREVER).unwrap());
    drop(first);
    assert_eq!(pool.drain(TICK.into()), Err(Interrupted::TimedOut));
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Closing)]);
    std::thread::scope(|scope| {
        let drain = scope.spawn(|| pool.drain(LONG.into()));
        std::thread::sleep(TICK);
        drop(second);
        assert!(!drain.is_finished());
        let kept = third.detach();
        assert_eq!(kept, Thing(3));
        assert_eq!(drain.join().unwrap(), Ok(()));
    });
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Closing), (2, DestroyReason::Closing)]);
    block_on(pool.drain_async(), Wait::NOT).expect("there is nothing any more");
    assert_whole(&pool);
}

/// Those that wait for the factory are woken as well.
#[test]
fn the_close_ends_a_making_and_a_check() {
    for is_check in [true, false] {
        let pool = if is_check { pool_of_one() } else { pool(PoolConfig::new(1)) };
        if is_check {
            pool.factory().next_checks(&[Act::Wait]);
        } else {
            pool.factory().next_creates(&[Act::Wait]);
        }
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.acquire(LONG.into()).map(drop));
            until(|| pool.factory().is_waiting());
            let start = Instant::now();
            assert_eq!(pool.drain(LONG.into()), Ok(()));
            assert_eq!(waiter.join().unwrap(), Err(PoolError::Closed));
            assert!(start.elapsed() < LONG / 3);
        });
        assert_eq!(pool.factory().destroyed().len(), usize::from(is_check));
        assert_whole(&pool);
    }
}

/// One that arrives as the pool is closed is destroyed, and not handed out.
#[test]
fn what_is_made_after_the_close_is_destroyed() {
    let pool = pool(PoolConfig::new(1));
    pool.factory().next_creates(&[Act::Wait]);
    let mut arriving = Box::pin(pool.acquire_async());
    let mut context = Context::from_waker(Waker::noop());
    assert!(arriving.as_mut().poll(&mut context).is_pending());
    pool.close();
    pool.factory().finish();
    assert!(matches!(arriving.as_mut().poll(&mut context), Poll::Ready(Err(PoolError::Closed))));
    assert_eq!(pool.factory().destroyed(), [(1, DestroyReason::Closing)]);
    assert_whole(&pool);
}

#[test]
fn cancel_vs_grant() {
    let pool = pool_of_one();
    grant_vs_cancel(
        || pool.acquire(Wait::FOREVER).expect("it is back"),
        |wait| pool.acquire(wait).map(drop).map_err(Error::from),
        || pool.stats().idle == 1 && pool.stats().waiting == 0,
    );
    assert_eq!(pool.factory().made(), 1);
    assert_whole(&pool);
}

/// Many threads, few resources, everything at once: each resource is somewhere, and destroyed once.
#[test]
fn everything_at_once() {
    let config =
        PoolConfig { min_size: 1, max_idle: 2, max_lifetime: Duration::from_micros(300), ..PoolConfig::new(3) };
    let pool = pool(config);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..3000_u32 {
                    match (thread + round) % 7 {
                        0 => drop(pool.try_acquire()),
                        1 => drop(pool.acquire(Duration::from_micros(50).into())),
                        2 => drop(pool.maintain()),
                        3 => drop(pool.acquire(LONG.into()).unwrap().detach()),
                        4 => pool.acquire(LONG.into()).unwrap().discard(),
                        5 => drop(pool.warm_up(2, WarmupStrategy::Fail, LONG.into()).unwrap()),
                        _ => drop(pool.acquire(LONG.into()).unwrap()),
                    }
                    assert!(pool.stats().size <= 3);
                }
            });
        }
    });
    assert_whole(&pool);
    assert_eq!(pool.drain(Wait::NOT), Ok(()));
    assert_whole(&pool);
}

#[cfg(feature = "tokio")]
#[test]
fn futures_run_on_tokio() {
    let pool = pool_of_one();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let task = {
            let pool = pool.clone();
            let taken = pool.acquire_async().await.unwrap();
            let task = tokio::spawn(async move { pool.acquire_async().await.unwrap().0 });
            tokio::task::yield_now().await;
            drop(taken);
            task
        };
        assert_eq!(task.await.unwrap(), 1);
        // A call that blocks may be made where a runtime runs.
        drop(pool.acquire(Wait::FOREVER).unwrap());
        pool.drain_async().await;
    });
    assert_whole(&pool);
}
