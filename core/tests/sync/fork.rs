//! What each type is in a forked child: as it was, with what other threads of the parent had taken taken for ever. (A handle of
//! the parent's is refused there: that is tested in C.)

#![cfg(unix)]

use quiescent_core::sync::{Barrier, GenericPool, Mutex, Notify, OnceCell, PoolConfig, RwLock, Semaphore};
use quiescent_core::{Wait, block_on};
use std::time::Duration;

/// Runs `claims` in a forked child, which has this thread alone, and fails if they do not hold or take too long.
fn in_child(claims: impl FnOnce() -> bool) {
    // SAFETY: the child runs nothing but `claims`, which take no lock that another thread may have, and ends without unwinding.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        // SAFETY: `alarm` ends a child that hangs; `_exit` is for children.
        unsafe {
            libc::alarm(20);
            libc::_exit(i32::from(!claims()));
        }
    }
    let mut status = 0;
    // SAFETY: `status` is writable, and this is our child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "in the child it is otherwise, or it hung");
}

fn soon() -> Wait<'static> {
    Duration::from_millis(20).into()
}

/// Runs `claims` in a child while another thread does `take` and keeps what that answers.
fn while_another_has<G>(take: impl FnOnce() -> G + Send, claims: impl FnOnce() -> bool) {
    let gate = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _kept = take();
            gate.wait();
            gate.wait();
        });
        gate.wait();
        in_child(claims);
        gate.wait();
    });
}

#[test]
fn what_another_thread_had_stays_taken() {
    let (mutex, rwlock, semaphore) = (Mutex::new(()), RwLock::new(()), Semaphore::new(1, 1).unwrap());
    while_another_has(
        || mutex.lock(Wait::FOREVER).unwrap(),
        || mutex.try_lock().is_err() && mutex.lock(soon()).is_err(),
    );
    while_another_has(
        || rwlock.read(Wait::FOREVER).unwrap(),
        || rwlock.write(soon()).is_err() && rwlock.try_read().is_ok(),
    );
    while_another_has(|| semaphore.acquire(1, Wait::FOREVER).unwrap(), || semaphore.acquire(1, soon()).is_err());
}

#[test]
fn what_this_thread_had_it_has_there_as_well() {
    let (mutex, rwlock) = (Mutex::new(1), RwLock::new(1));
    let (locked, written) = (mutex.lock(Wait::FOREVER).unwrap(), rwlock.write(Wait::FOREVER).unwrap());
    in_child(|| {
        drop((locked, written));
        mutex.try_lock().is_ok() && rwlock.try_write().is_ok()
    });
}

#[test]
fn what_nobody_had_works() {
    let (mutex, cell, notify) = (Mutex::new(()), OnceCell::new(), Notify::new());
    let pool = GenericPool::new(|| async { Ok::<u32, std::convert::Infallible>(7) }, PoolConfig::new(1)).unwrap();
    in_child(|| {
        notify.notify_one();
        mutex.lock(soon()).is_ok()
            && cell.get_or_init(|| 5, soon()).is_ok_and(|value| *value == 5)
            && notify.wait(soon()).is_ok()
            // One is made only if there is time left.
            && pool.acquire(Duration::from_secs(10).into()).is_ok_and(|resource| *resource == 7)
    });
    assert!(cell.get().is_none(), "the parent's is another");
}

/// An arrival of another thread counts in the child, though nobody is there to go on.
#[test]
fn a_barrier_counts_who_had_arrived() {
    let barrier = Barrier::new(2).unwrap();
    let mut arriving = Box::pin(barrier.wait_async());
    assert!(block_on(&mut arriving, Wait::NOT).is_err());
    in_child(|| barrier.arrived() == 1 && barrier.wait(soon()).is_ok_and(|all| all.is_leader()));
    assert_eq!(barrier.arrived(), 1, "the parent's is another");
}
