//! Locks between processes: each waits in another process, is cancelled, or just waits.

use quiescent_core::sync::CancelToken;
use quiescent_core::{FileLock, LockMode, Wait};
use std::fs::File;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The lock of a file, by one library.
pub trait Locking {
    /// As the report calls it.
    fn name(&self) -> &'static str;
    /// Takes it, waiting, and gives it back when `held` returns. By processes that wait for nothing else.
    fn hold(&self, path: &Path, held: &mut dyn FnMut());
    /// Waits, in this process, for what another one has, until it is cancelled after `wait`: from then to the answer. `None`: it cannot be.
    fn cancelled(&self, path: &Path, wait: Duration) -> Option<Duration>;
    /// So many threads wait for it, and `begun` gives it back, after a while. Back when all have had it.
    fn all_wait(&self, path: &Path, waiters: usize, begun: &mut dyn FnMut());
}

/// Opened as every one of them has it opened.
pub fn open(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).open(path).expect("a file to lock")
}

/// Each on a thread of its own.
fn on_threads(waiters: usize, wait: impl Fn() + Sync, begun: &mut dyn FnMut()) {
    std::thread::scope(|scope| {
        for _ in 0..waiters {
            scope.spawn(&wait);
        }
        begun();
    });
}

/// Ours.
pub struct Ours;

impl Locking for Ours {
    fn name(&self) -> &'static str {
        "FileLock"
    }

    fn hold(&self, path: &Path, held: &mut dyn FnMut()) {
        let lock = FileLock::open(path).expect("a file to lock");
        let _hold = lock.acquire(LockMode::Exclusive, Wait::FOREVER).expect("nobody closes it");
        held();
    }

    fn cancelled(&self, path: &Path, wait: Duration) -> Option<Duration> {
        let lock = FileLock::open(path).expect("a file to lock");
        let cancel = CancelToken::new().expect("memory");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let answer = lock.acquire(LockMode::Exclusive, Wait::FOREVER.or_cancelled(&cancel));
                assert!(answer.is_err(), "somebody has it");
                Instant::now()
            });
            std::thread::sleep(wait);
            let at = Instant::now();
            cancel.cancel();
            Some(waiter.join().expect("it does not panic").saturating_duration_since(at))
        })
    }

    fn all_wait(&self, path: &Path, waiters: usize, begun: &mut dyn FnMut()) {
        on_threads(waiters, || self.hold(path, &mut || ()), begun);
    }
}

/// `fd-lock`, awaited on a thread of tokio's.
pub struct FdLock(Option<Runtime>);

impl FdLock {
    /// With a runtime of its own.
    pub fn new() -> FdLock {
        FdLock(Some(tokio::runtime::Builder::new_current_thread().build().expect("a runtime")))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("until the drop")
    }
}

impl Drop for FdLock {
    fn drop(&mut self) {
        // What became of those that were given up is not waited for.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Locking for FdLock {
    fn name(&self) -> &'static str {
        "fd-lock + spawn_blocking"
    }

    fn hold(&self, path: &Path, held: &mut dyn FnMut()) {
        let lock = open(path);
        let locked = self.runtime().block_on(async {
            let wait = tokio::task::spawn_blocking(|| {
                // The guard borrows: it is kept where it is, and forgotten with its unlock.
                let mut lock = fd_lock::RwLock::new(lock);
                std::mem::forget(lock.write().expect("locked"));
                lock.into_inner()
            });
            wait.await.expect("it does not panic")
        });
        held();
        drop(locked);
    }

    fn cancelled(&self, path: &Path, wait: Duration) -> Option<Duration> {
        let lock = open(path);
        let (cancel, cancelled) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            let canceller = scope.spawn(move || {
                std::thread::sleep(wait);
                let at = Instant::now();
                assert!(cancel.send(()).is_ok(), "it waits");
                at
            });
            let answered = self.runtime().block_on(async {
                let waiting = tokio::task::spawn_blocking(|| drop(fd_lock::RwLock::new(lock).write()));
                assert!(cancelled.await.is_ok());
                waiting.abort();
                Instant::now()
            });
            Some(answered.saturating_duration_since(canceller.join().expect("it does not panic")))
        })
    }

    fn all_wait(&self, path: &Path, waiters: usize, begun: &mut dyn FnMut()) {
        let locks: Vec<_> = (0..waiters).map(|_| open(path)).collect();
        let wait = |lock| drop(fd_lock::RwLock::new(lock).write());
        self.runtime().block_on(async {
            let waits: Vec<_> = locks.into_iter().map(|lock| tokio::task::spawn_blocking(move || wait(lock))).collect();
            begun();
            for wait in waits {
                wait.await.expect("it does not panic");
            }
        });
    }
}

/// `fs4`, on a thread that is given up.
pub struct Fs4;

impl Locking for Fs4 {
    fn name(&self) -> &'static str {
        "fs4 on a thread"
    }

    fn hold(&self, path: &Path, held: &mut dyn FnMut()) {
        let file = open(path);
        fs4::fs_std::FileExt::lock_exclusive(&file).expect("locked");
        held();
        fs4::fs_std::FileExt::unlock(&file).expect("unlocked");
    }

    fn cancelled(&self, path: &Path, wait: Duration) -> Option<Duration> {
        let file = open(path);
        let (held, is_held) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = fs4::fs_std::FileExt::lock_exclusive(&file);
            // Nobody is there any more.
            let _ = held.send(());
        });
        assert!(is_held.recv_timeout(wait).is_err(), "somebody has it");
        None
    }

    fn all_wait(&self, path: &Path, waiters: usize, begun: &mut dyn FnMut()) {
        on_threads(waiters, || self.hold(path, &mut || ()), begun);
    }
}
