//! One file as this process uses it: who waits for it here, and who holds it.
//!
//! Every name of a file, every thread and every task comes to the same domain. It exists while somebody waits for the file or holds
//! it, in one table for the whole process.
//!
//! # Two queues, one behind the other
//!
//! | permit | of | taken by | given back |
//! |---|---|---|---|
//! | *front* | one | whoever is next | once it holds the lock, or gives up |
//! | *room* | [`ALL`] | the one at the front: all of it to hold alone, one to share | by the release |
//!
//! Both are `tokio::sync::Semaphore`, first in, first out. Only the one at the front waits for room, and only the one that has both
//! talks to the operating system. So those that share are let in together, and none passes one that came before.

use crate::file_lock::LockMode;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::identity::Identity;
use crate::file_lock::process::Process;
use crate::handle::AnyHandle;
use crate::shared::Shared;
use crate::sync::this_thread;
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::Semaphore;

/// So many may share a file within one process.
const ALL: u32 = 1 << 20;

/// The files that this process uses now.
pub(super) struct Table(Mutex<Option<HashMap<Identity, Listed>>>);

struct Listed {
    domain: Shared<Domain>,
    uses: usize,
}

/// See the file head.
pub(super) struct Domain {
    front: Semaphore,
    room: Semaphore,
    holders: Mutex<Vec<Holding>>,
}

/// A hold of this process's.
#[derive(Clone, Copy)]
struct Holding {
    number: u64,
    thread: u64,
    /// The handle through which C took it: that knows whether the thread has passed it on.
    handle: Option<AnyHandle>,
}

/// Who takes a hold, as far as that is known.
#[derive(Clone, Copy)]
pub(super) enum Taker {
    /// A future, whichever thread drives it.
    Task,
    /// The calling thread.
    Thread,
    /// The calling thread, for a hold of this handle.
    Handle(AnyHandle),
}

/// A share of a domain, which keeps it in the table.
pub(super) struct InUse {
    pub(super) domain: Shared<Domain>,
    pub(super) identity: Identity,
    process: &'static Process,
}

/// What one that waits or holds has of the domain's permits. Given back by its drop.
pub(super) struct Turn {
    in_use: InUse,
    is_front: bool,
    room: u32,
    /// Among the holders; 0: not yet.
    number: u64,
}

impl Table {
    pub(super) fn new() -> Table {
        Table(Mutex::new(None))
    }
}

impl InUse {
    /// The domain of the file, made if nobody uses it yet.
    pub(super) fn begin(identity: Identity) -> Result<InUse, FileLockIoError> {
        let process = Process::current()?;
        let mut table = process.table.0.lock();
        let table = table.get_or_insert_with(HashMap::new);
        if let Some(listed) = table.get_mut(&identity) {
            listed.uses += 1;
            return Ok(InUse { domain: listed.domain.clone(), identity, process });
        }
        table.try_reserve(1).map_err(|_| FileLockIoError::no_memory())?;
        let domain = Domain {
            front: Semaphore::const_new(1),
            room: Semaphore::const_new(ALL as usize),
            holders: Mutex::new(Vec::new()),
        };
        let domain = Shared::try_new(domain).ok_or_else(FileLockIoError::no_memory)?;
        table.insert(identity, Listed { domain: domain.clone(), uses: 1 });
        Ok(InUse { domain, identity, process })
    }

    /// Whether it is this process's, and not inherited from a parent.
    pub(super) fn is_ours(&self) -> bool {
        self.process.is_current()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let mut table = self.process.table.0.lock();
        let Some(table) = table.as_mut() else { return };
        if let Some(listed) = table.get_mut(&self.identity) {
            listed.uses -= 1;
            if listed.uses == 0 {
                table.remove(&self.identity);
            }
        }
    }
}

impl Domain {
    /// Whether the calling thread would wait for itself.
    pub(super) fn is_held_by_this_thread(&self) -> bool {
        let own = this_thread();
        let holders = self.holders.lock();
        holders.iter().any(|holding| {
            holding.thread == own && holding.handle.is_none_or(|handle| handle.holds_of_this_thread() > 0)
        })
    }
}

impl Turn {
    /// Comes after those that wait, and waits for them and for those that hold it.
    pub(super) async fn wait(in_use: InUse, mode: LockMode) -> Turn {
        let mut turn = Turn { in_use, is_front: false, room: 0, number: 0 };
        let room = room(mode);
        // Never closed.
        if let Ok(permit) = turn.in_use.domain.front.acquire().await {
            permit.forget();
        }
        turn.is_front = true;
        if let Ok(permit) = turn.in_use.domain.room.acquire_many(room).await {
            permit.forget();
        }
        turn.room = room;
        turn
    }

    /// The same, if nobody waits or is in the way; else what was given.
    pub(super) fn try_now(in_use: InUse, mode: LockMode) -> Result<Turn, InUse> {
        let room = room(mode);
        let taken = {
            let front = in_use.domain.front.try_acquire();
            let rooms = in_use.domain.room.try_acquire_many(room);
            match (front, rooms) {
                (Ok(front), Ok(rooms)) => {
                    front.forget();
                    rooms.forget();
                    true
                }
                _ => false,
            }
        };
        if taken { Ok(Turn { in_use, is_front: true, room, number: 0 }) } else { Err(in_use) }
    }

    pub(super) fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// It holds the lock from now on: among the holders, and the next one is at the front.
    pub(super) fn hold(&mut self, taker: Taker, number: u64) -> Result<(), FileLockIoError> {
        let (thread, handle) = match taker {
            Taker::Task => (0, None),
            Taker::Thread => (this_thread(), None),
            Taker::Handle(handle) => (this_thread(), Some(handle)),
        };
        let mut holders = self.in_use.domain.holders.lock();
        holders.try_reserve(1).map_err(|_| FileLockIoError::no_memory())?;
        holders.push(Holding { number, thread, handle });
        drop(holders);
        self.number = number;
        self.is_front = false;
        self.in_use.domain.front.add_permits(1);
        Ok(())
    }

    /// It is no longer the thread's that took it.
    pub(super) fn pass_on(&self) {
        if let Some(holding) = self.in_use.domain.holders.lock().iter_mut().find(|one| one.number == self.number) {
            holding.thread = 0;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // In a forked child nothing of this is ours; whoever held a lock inside may never give it back.
        if !self.in_use.is_ours() {
            return;
        }
        let domain = &self.in_use.domain;
        if self.number != 0 {
            domain.holders.lock().retain(|one| one.number != self.number);
        }
        if self.room > 0 {
            domain.room.add_permits(self.room as usize);
        }
        if self.is_front {
            domain.front.add_permits(1);
        }
    }
}

fn room(mode: LockMode) -> u32 {
    match mode {
        LockMode::Exclusive => ALL,
        LockMode::Shared => 1,
    }
}
