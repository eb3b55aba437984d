//! The futures on whatever runs them: tokio's runtimes, with one thread and with several, and nothing but a thread.

use quiescent_core::sync::{Barrier, CancelToken, GenericPool, Mutex, Notify, OnceCell, PoolConfig, RwLock, Semaphore};
use quiescent_core::{Wait, block_on};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What hangs or spins is given up after this long.
const LIMIT: Duration = Duration::from_secs(30);

fn runtimes() -> [Runtime; 2] {
    let built = [Builder::new_current_thread().build(), Builder::new_multi_thread().worker_threads(3).build()];
    built.map(|runtime| runtime.expect("a runtime"))
}

/// Runs `work` on a thread of its own: what it answers, unless that takes too long.
fn in_time<O: Send + 'static>(work: impl FnOnce() -> O + Send + 'static) -> O {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(work()));
    answered.recv_timeout(LIMIT).expect("it hangs, or spins, or has panicked")
}

/// Runs `future` on each runtime and on a thread without one.
fn everywhere<F: Future<Output = ()> + Send + 'static>(make: fn() -> F) {
    in_time(move || {
        for runtime in runtimes() {
            runtime.block_on(make());
        }
        assert_eq!(block_on(make(), Wait::FOREVER), Ok(()));
    });
}

/// All of them, in turn: each task a thread without a runtime may as well run.
async fn all<O>(tasks: Vec<std::pin::Pin<Box<dyn Future<Output = O> + Send>>>) -> Vec<O> {
    let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        for task in &mut tasks {
            if let Some(Poll::Ready(answer)) = task.as_mut().map(|task| task.as_mut().poll(context)) {
                answers.push(answer);
                *task = None;
            }
        }
        if answers.len() == tasks.len() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers
}

#[test]
fn locks() {
    everywhere(|| async {
        let (mutex, rwlock) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new([0; 2])));
        let tasks = (0..50).map(|_| {
            let (mutex, rwlock) = (Arc::clone(&mutex), Arc::clone(&rwlock));
            Box::pin(async move {
                for _ in 0..20 {
                    let mut locked = Arc::clone(&mutex).lock_owned_async().await.expect("open");
                    let before = *locked;
                    give_way().await;
                    *locked = before + 1;
                    drop(locked);
                    let mut written = rwlock.write_async().await.expect("open");
                    written[0] += 1;
                    give_way().await;
                    written[1] += 1;
                    drop(written);
                    let read = rwlock.read_async().await.expect("open");
                    assert_eq!(read[0], read[1]);
                }
            }) as _
        });
        all(tasks.collect()).await;
        assert_eq!((*mutex.try_lock().expect("unlocked"), *rwlock.try_read().expect("unlocked")), (1000, [1000; 2]));
    });
}

#[test]
fn values_made_once_and_pools() {
    everywhere(|| async {
        let cell = Arc::new(OnceCell::new());
        let made = Arc::new(AtomicU32::new(0));
        let factory = {
            let made = Arc::clone(&made);
            move || {
                let number = made.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<u32, std::convert::Infallible>(number) }
            }
        };
        let pool = GenericPool::new(factory, PoolConfig::new(3)).expect("allowed");
        let tasks = (0..50_u32).map(|number| {
            let (cell, pool) = (Arc::clone(&cell), pool.clone());
            Box::pin(async move {
                let init = || async move {
                    give_way().await;
                    number
                };
                let first = *cell.get_or_init_async(init).await.expect("open");
                for _ in 0..20 {
                    let resource = pool.acquire_async().await.expect("open");
                    assert!(*resource < 3);
                    give_way().await;
                }
                first
            }) as _
        });
        let firsts: Vec<u32> = all(tasks.collect()).await;
        assert!(firsts.iter().all(|first| *first == firsts[0]), "made more than once: {firsts:?}");
        assert_eq!(made.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn semaphores() {
    everywhere(|| async {
        let semaphore = Arc::new(Semaphore::new(2, 2).expect("allowed"));
        let inside = Arc::new(AtomicU32::new(0));
        let tasks = (0..50).map(|_| {
            let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
            Box::pin(async move {
                for _ in 0..20 {
                    let permit = semaphore.acquire_async(1).await.expect("open");
                    assert!(inside.fetch_add(1, Ordering::Relaxed) < 2);
                    give_way().await;
                    inside.fetch_sub(1, Ordering::Relaxed);
                    drop(permit);
                }
            }) as _
        });
        all(tasks.collect()).await;
        assert_eq!(semaphore.available(), 2);
    });
}

/// Pending once.
async fn give_way() {
    let mut has_given_way = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut has_given_way, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn cancel_tokens() {
    everywhere(|| async {
        let token = CancelToken::new().expect("memory");
        let child = token.child().expect("memory");
        let canceller = Box::pin(async move {
            give_way().await;
            token.cancel();
        });
        all(vec![Box::pin(async move { child.cancelled().await }) as _, canceller]).await;
    });
}

#[test]
fn barriers() {
    everywhere(|| async {
        let barrier = Arc::new(Barrier::new(8).expect("allowed"));
        let tasks = (0..8).map(|_| {
            let barrier = Arc::clone(&barrier);
            Box::pin(async move {
                let mut led = 0;
                for _ in 0..100 {
                    led += u32::from(barrier.wait_async().await.expect("open").is_leader());
                }
                led
            }) as _
        });
        assert_eq!(all(tasks.collect()).await.into_iter().sum::<u32>(), 100);
    });
}

#[test]
fn notifies() {
    everywhere(|| async {
        let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let other = (Arc::clone(&ping), Arc::clone(&pong));
        let one = Box::pin(async move {
            for _ in 0..1000 {
                ping.notify_one();
                pong.notified().await.expect("open");
            }
        });
        let other = Box::pin(async move {
            for _ in 0..1000 {
                other.0.notified().await.expect("open");
                other.1.notify_one();
            }
        });
        all(vec![one as _, other]).await;
    });
}

/// Tasks of their own, on several threads at once.
#[test]
fn tasks_of_a_runtime_meet() {
    in_time(|| {
        for runtime in runtimes() {
            let (barrier, semaphore) = (Arc::new(Barrier::new(6).unwrap()), Arc::new(Semaphore::new(1, 1).unwrap()));
            let tasks: Vec<_> = (0..6)
                .map(|_| {
                    let (barrier, semaphore) = (Arc::clone(&barrier), Arc::clone(&semaphore));
                    runtime.spawn(async move {
                        for _ in 0..200 {
                            barrier.wait_async().await.expect("open");
                            drop(Arc::clone(&semaphore).acquire_owned_async(1).await.expect("open"));
                        }
                    })
                })
                .collect();
            for task in tasks {
                runtime.block_on(task).expect("no panic");
            }
            assert_eq!((barrier.arrived(), semaphore.available()), (0, 1));
        }
    });
}

/// A task that is aborted drops its future, and so leaves the line.
#[test]
fn a_task_that_is_aborted_leaves_nothing_behind() {
    in_time(|| {
        for runtime in runtimes() {
            let (barrier, notify) = (Arc::new(Barrier::new(2).unwrap()), Arc::new(Notify::new()));
            let semaphore = Arc::new(Semaphore::new(0, 1).unwrap());
            let (b, n, s) = (Arc::clone(&barrier), Arc::clone(&notify), Arc::clone(&semaphore));
            let tasks = [
                runtime.spawn(async move { b.wait_async().await.is_ok() }),
                runtime.spawn(async move { n.notified().await.is_ok() }),
                runtime.spawn(async move { s.acquire_async(1).await.is_ok() }),
            ];
            runtime.block_on(async {
                while barrier.arrived() == 0 {
                    tokio::task::yield_now().await;
                }
            });
            for task in tasks {
                task.abort();
                assert!(runtime.block_on(task).expect_err("it waits").is_cancelled());
            }
            assert_eq!(barrier.arrived(), 0);
            notify.notify_one();
            assert_eq!(notify.wait(Wait::NOT), Ok(()), "nobody else took it");
            semaphore.add(1).unwrap();
            assert_eq!(semaphore.available(), 1);
        }
    });
}

/// Two callers hand each other a permit, each waiting for the other: every acquire finds none and has to wait.
#[derive(Default)]
struct Turns([Option<Arc<Semaphore>>; 2]);

impl Turns {
    fn new() -> Turns {
        Turns([(); 2].map(|()| Some(Arc::new(Semaphore::new(0, 1).expect("allowed")))))
    }

    fn take(&self, mine: usize, rounds: u32) {
        let [mine, other] = [mine, 1 - mine].map(|side| self.0[side].as_ref().expect("there"));
        for _ in 0..rounds {
            mine.acquire(1, Wait::FOREVER).expect("open").forget();
            other.add(1).expect("one at most");
        }
    }
}

/// tokio tells a task that it has done enough for now; a call that blocks cannot give way, and must not hear it.
#[cfg(feature = "tokio")]
#[test]
fn a_task_may_block_as_often_as_it_likes() {
    in_time(|| {
        for runtime in runtimes() {
            let turns = Arc::new(Turns::new());
            let partner = Arc::clone(&turns);
            let partner = std::thread::spawn(move || partner.take(1, 2000));
            let task = Arc::clone(&turns);
            let task = runtime.spawn(async move { task.take(0, 2000) });
            turns.0[0].as_ref().expect("there").add(1).expect("one at most");
            runtime.block_on(task).expect("no panic");
            partner.join().expect("no panic");
        }
    });
}

/// The same with the other kinds, and a token that is not cancelled.
#[cfg(feature = "tokio")]
#[test]
fn a_task_may_block_in_every_kind() {
    in_time(|| {
        for runtime in runtimes() {
            let barrier = Arc::new(Barrier::new(2).unwrap());
            let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let meet = |barrier: &Barrier, mine: &Notify, other: &Notify| {
                let cancel = CancelToken::new().expect("memory");
                for _ in 0..1500 {
                    barrier.wait(Wait::FOREVER.or_cancelled(&cancel)).expect("open");
                    other.notify_one();
                    mine.wait(Wait::FOREVER.or_cancelled(&cancel)).expect("open");
                }
            };
            let (b, i, o) = (Arc::clone(&barrier), Arc::clone(&ping), Arc::clone(&pong));
            let partner = std::thread::spawn(move || meet(&b, &i, &o));
            let task = runtime.spawn(async move { meet(&barrier, &pong, &ping) });
            runtime.block_on(task).expect("no panic");
            partner.join().expect("no panic");
        }
    });
}

/// A future that is polled by different wakers in turn keeps the last.
#[test]
fn a_future_may_move_from_one_runtime_to_another() {
    let notify = Notify::new();
    let mut waiter = pin!(notify.notified());
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(waiter.as_mut().poll(&mut nobody).is_pending());
    std::thread::scope(|scope| {
        let waker = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            notify.notify_one();
        });
        assert_eq!(block_on(waiter, LIMIT.into()), Ok(Ok(())));
        waker.join().expect("no panic");
    });
}
