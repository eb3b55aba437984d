//! How a waiter learns that a lock which another process holds may be free.
//!
//! One thread for the whole process sleeps for all that wait. It wakes a waiter when the system tells that the locked file was closed
//! (or removed, or renamed) by somebody, and from time to time: after 1 ms, then after an eighth longer each, up to 50 ms. For not
//! every holder closes the file when it unlocks it, not every file system tells, and not every system, nor one whose limits of
//! inotify are reached. So who is not told comes late by an eighth of the time that it waited, and by 50 ms at most. The waiter
//! looks again by itself.
//!
//! The thread begins with the first wait, and ends, with its descriptors, a tenth of a second after the last one. It handles no
//! signals. A wait that ends is off the list when its drop returns: nothing of it is left.
//!
//! # No wake-up is lost
//!
//! The waiter begins the watch, then tries once more, then sleeps. Who closes the file after that try is told of; who did before
//! let it succeed.

use crate::deadline::Deadline;
#[cfg(not(loom))]
use crate::deadline::now;
#[cfg(loom)]
use crate::file_lock::model::{self as notifier, self as thread, now};
use crate::file_lock::process::Process;
use crate::file_lock::system::{Descriptor, Errno};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::sync::queue::Notify;
use notifier::{Notifier, Watched};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(all(not(loom), any(target_os = "linux", target_os = "android"), not(quiescent_file_lock_back_off)))]
#[path = "watch/inotify.rs"]
mod notifier;
#[cfg(all(not(loom), any(not(any(target_os = "linux", target_os = "android")), quiescent_file_lock_back_off)))]
#[path = "watch/back_off.rs"]
mod notifier;
#[cfg(not(loom))]
#[path = "watch/thread.rs"]
mod thread;

const MILLISECOND: u64 = 1_000_000;
const FIRST_PAUSE: u64 = MILLISECOND;
const LONGEST_PAUSE: u64 = 50 * MILLISECOND;
/// How long the thread stays when nobody waits.
const LINGER: u64 = 100 * MILLISECOND;
/// So many are woken between two looks at the list.
const BATCH: usize = 32;

/// All that wait in this process.
pub(super) struct Watcher(Lock<State>);

struct State {
    /// While there is a thread.
    notifier: Option<Shared<Notifier>>,
    /// Until when that sleeps.
    sleeps_until: u64,
    waits: Vec<Entry>,
    last: u64,
}

struct Entry {
    number: u64,
    watched: Watched,
    changed: Shared<Notify>,
    /// When it is woken next, and how long after that again.
    due: u64,
    pause: u64,
}

/// A wait: ends with its drop.
pub(super) struct Watch {
    process: &'static Process,
    number: u64,
    changed: Shared<Notify>,
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher(Lock::new(State { notifier: None, sleeps_until: 0, waits: Vec::new(), last: 0 }))
    }
}

impl Watch {
    /// Begins to watch `file`, which stays open until the drop.
    pub(super) fn begin(process: &'static Process, file: &Descriptor) -> Result<Watch, Errno> {
        let changed = Shared::try_new(Notify::const_new()).ok_or(libc::ENOMEM)?;
        let number = process.watcher.0.with(|state| state.begin(process, file, &changed))?;
        Ok(Watch { process, number, changed })
    }

    /// Waits until the lock may be free. What came since the last wait is not missed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A forked child has neither the thread nor a say in what it watches.
        if !self.process.is_current() {
            return;
        }
        self.process.watcher.0.with(|state| state.end(self.number));
    }
}

impl State {
    /// Puts a wait on the list; its number.
    fn begin(&mut self, process: &'static Process, file: &Descriptor, changed: &Shared<Notify>) -> Result<u64, Errno> {
        self.waits.try_reserve(1).map_err(|_| libc::ENOMEM)?;
        let notifier = match &self.notifier {
            Some(notifier) => notifier.clone(),
            None => {
                let notifier = Shared::try_new(Notifier::new()?).ok_or(libc::ENOMEM)?;
                // It waits for our lock.
                thread::start(process)?;
                self.sleeps_until = 0;
                self.notifier = Some(notifier.clone());
                notifier
            }
        };
        self.last += 1;
        let due = now() + FIRST_PAUSE;
        let watched = notifier.watch(file);
        let (number, changed) = (self.last, changed.clone());
        self.waits.push(Entry { number, watched, changed, due, pause: FIRST_PAUSE });
        if due < self.sleeps_until {
            notifier.wake();
        }
        Ok(number)
    }

    fn end(&mut self, number: u64) {
        if let Some(position) = self.waits.iter().position(|entry| entry.number == number) {
            let entry = self.waits.swap_remove(position);
            if let Some(notifier) = &self.notifier {
                notifier.unwatch(entry.watched);
            }
        }
    }

    /// `watched` was changed.
    fn tell(&mut self, watched: Watched) {
        for entry in self.waits.iter_mut().filter(|entry| entry.watched == watched) {
            entry.due = 0;
            entry.pause = FIRST_PAUSE;
        }
    }

    /// Until when the thread is to sleep; `None`: it ends. `alone_since`: since when nobody waits.
    fn rest(&mut self, alone_since: &mut Option<u64>) -> Option<u64> {
        let until = match self.next_due() {
            Some(due) => {
                *alone_since = None;
                due
            }
            None => *alone_since.get_or_insert_with(now) + LINGER,
        };
        if self.waits.is_empty() && now() >= until {
            self.notifier = None;
            return None;
        }
        self.sleeps_until = until;
        Some(until)
    }

    fn next_due(&self) -> Option<u64> {
        self.waits.iter().map(|entry| entry.due).min()
    }

    /// Those that are to be woken, as many as fit; whether there may be more.
    fn take_due(&mut self, batch: &mut [Option<Shared<Notify>>; BATCH]) -> bool {
        let now = now();
        let due = self.waits.iter_mut().filter(|entry| entry.due <= now);
        let mut full = true;
        let mut due = due.fuse();
        for place in batch {
            let Some(entry) = due.next() else {
                full = false;
                break;
            };
            *place = Some(entry.changed.clone());
            entry.due = now + entry.pause;
            entry.pause = (entry.pause + entry.pause / 8).min(LONGEST_PAUSE);
        }
        full
    }
}

/// The thread.
pub(super) fn run(process: &'static Process) {
    let watcher = &process.watcher.0;
    let Some(notifier) = watcher.with(|state| state.notifier.clone()) else { return };
    let mut alone_since = None;
    while let Some(until) = watcher.with(|state| state.rest(&mut alone_since)) {
        notifier.sleep(Deadline::from_bits(until));
        notifier.changes(|watched| watcher.with(|state| state.tell(watched)));
        loop {
            let mut batch = [const { None }; BATCH];
            let may_be_more = watcher.with(|state| state.take_due(&mut batch));
            for changed in batch.into_iter().flatten() {
                // A waker is anybody's code: not under our lock, and its panic ends here.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| changed.notify_one())) {
                    std::mem::forget(payload);
                }
            }
            if !may_be_more {
                break;
            }
        }
    }
}
