//! The lock of a directory.

use crate::process::Other;
use crate::{Scratch, elsewhere, long, soon};
use quiescent_core::file_lock::{PackLock, PackLockError, PackLockErrorOrCancelled};
use quiescent_core::sync::CancelToken;
use quiescent_core::{Error, Wait, block_on};
use std::os::unix::fs::symlink;
use std::time::Duration;

#[test]
fn one_holder_by_whatever_call() {
    let scratch = Scratch::new("pack");
    let directory = scratch.path("new/pack");
    let pack = PackLock::open(&directory).unwrap();
    assert_eq!(pack.path(), directory.join(".pack.lock"));
    let hold = block_on(pack.acquire_async(), long()).unwrap().unwrap();
    let same = PackLock::open(scratch.path("new/../new/pack")).unwrap();
    let busy = |answer: Result<_, PackLockError>| matches!(answer.map(drop), Err(PackLockError::Busy(Some(_))));
    assert!(busy(same.try_acquire()));
    match elsewhere(|| same.acquire(soon())) {
        Err(PackLockErrorOrCancelled::Error(error)) => assert!(busy(Err(error))),
        answer => panic!("{answer:?}"),
    }
    let other_sidecar = PackLock::open_named(&directory, "index.lock").unwrap();
    drop(other_sidecar.try_acquire().expect("another lock"));
    drop(hold);
    let hold = pack.acquire(long()).unwrap();
    // Re-entry is told at once, through whatever name; without a wait it is busy as for anybody.
    symlink(&directory, scratch.path("link")).unwrap();
    let through_link = PackLock::open(scratch.path("link")).unwrap();
    for pack in [&pack, &same, &through_link] {
        match pack.acquire(Wait::FOREVER) {
            Err(error @ PackLockErrorOrCancelled::Deadlock) => assert_eq!(Error::from(error), Error::Deadlock),
            answer => panic!("{answer:?}"),
        }
        assert!(busy(pack.try_acquire()));
    }
    drop(hold.pass_on());
    drop(same.try_acquire().unwrap());
    for name in ["", ".", "..", "a/b", "/x"] {
        assert_eq!(PackLock::open_named(&directory, name).unwrap_err().errno(), libc::EINVAL, "{name:?}");
    }
}

#[test]
fn cancelled_in_a_real_wait() {
    let scratch = Scratch::new("pack-cancel");
    let pack = PackLock::open(scratch.path("")).unwrap();
    let mut other = Other::play("hold", pack.path(), 0);
    assert_eq!(other.says(), "held");
    let cancel = CancelToken::new().unwrap();
    std::thread::scope(|scope| {
        let future = scope.spawn(|| block_on(pack.acquire_cancellable(cancel.clone()), long()).unwrap().map(drop));
        let blocked = scope.spawn(|| pack.acquire(Wait::FOREVER.or_cancelled(&cancel)).map(drop));
        std::thread::sleep(Duration::from_millis(30));
        cancel.cancel();
        assert!(matches!(future.join().unwrap(), Err(PackLockErrorOrCancelled::Cancelled)));
        assert!(matches!(blocked.join().unwrap(), Err(PackLockErrorOrCancelled::Cancelled)));
    });
    other.go_on();
    drop(block_on(pack.acquire_cancellable(CancelToken::new().unwrap()), long()).unwrap().unwrap());
    other.ends();
}

#[cfg(feature = "tokio")]
#[test]
fn a_token_of_tokio_utils() {
    let scratch = Scratch::new("pack-tokio");
    let pack = PackLock::open(scratch.path("")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let hold = runtime.block_on(pack.acquire_cancellable(tokio_util::sync::CancellationToken::new())).unwrap();
    let token = tokio_util::sync::CancellationToken::new();
    token.cancel();
    let answer = runtime.block_on(pack.acquire_cancellable(token));
    assert!(matches!(answer, Err(PackLockErrorOrCancelled::Cancelled)));
    drop(hold);
}
