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
use crate::file_lock::taker::{Taker, Whose};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::sync::queue::Semaphore;
use std::collections::HashMap;

/// So many may share a file within one process.
const ALL: u32 = 1 << 20;

/// The files that this process uses now.
pub(super) struct Table(Lock<Files>);

struct Files {
    used: Option<HashMap<Identity, Listed>>,
    /// The number of the last use.
    last: u64,
}

struct Listed {
    domain: Shared<Domain>,
    uses: usize,
}

/// See the file head.
pub(super) struct Domain {
    front: Semaphore,
    room: Semaphore,
    holders: Lock<Vec<Holding>>,
}

/// A hold of this process's.
struct Holding {
    /// The use's.
    number: u64,
    whose: Whose,
}

/// A use of a domain, which keeps it in the table.
pub(super) struct InUse {
    domain: Shared<Domain>,
    pub(super) identity: Identity,
    /// No other use in this process has the same.
    pub(super) number: u64,
    process: &'static Process,
}

/// What one that waits or holds has of the domain's permits. Given back by its drop.
pub(super) struct Turn {
    in_use: InUse,
    is_front: bool,
    room: u32,
    is_holder: bool,
}

impl Table {
    pub(super) fn new() -> Table {
        Table(Lock::new(Files { used: None, last: 0 }))
    }
}

impl Files {
    /// The domain of the file, made if nobody uses it yet, for one use more.
    fn enter(&mut self, identity: Identity) -> Result<Shared<Domain>, FileLockIoError> {
        let used = self.used.get_or_insert_with(HashMap::new);
        if let Some(listed) = used.get_mut(&identity) {
            listed.uses += 1;
            return Ok(listed.domain.clone());
        }
        used.try_reserve(1).map_err(|_| FileLockIoError::no_memory())?;
        let domain = Domain {
            front: Semaphore::const_new(1),
            room: Semaphore::const_new(ALL as usize),
            holders: Lock::new(Vec::new()),
        };
        let domain = Shared::try_new(domain).ok_or_else(FileLockIoError::no_memory)?;
        used.insert(identity, Listed { domain: domain.clone(), uses: 1 });
        Ok(domain)
    }

    /// One use less; what nobody uses any more.
    fn leave(&mut self, identity: Identity) -> Option<Listed> {
        let used = self.used.as_mut()?;
        let listed = used.get_mut(&identity)?;
        listed.uses -= 1;
        if listed.uses == 0 { used.remove(&identity) } else { None }
    }
}

impl Domain {
    /// Takes the front, and from there the room. Who takes room without being at the front is in the way of the one who is: of
    /// two that try each would find the other, and neither would hold it.
    fn try_take(&self, room: u32) -> bool {
        let Ok(front) = self.front.try_acquire() else { return false };
        let Ok(rooms) = self.room.try_acquire_many(room) else { return false };
        front.forget();
        rooms.forget();
        true
    }
}

impl InUse {
    /// The domain of the file, made if nobody uses it yet.
    pub(super) fn begin(identity: Identity) -> Result<InUse, FileLockIoError> {
        let process = Process::current()?;
        process.table.0.with(|files| {
            let domain = files.enter(identity)?;
            files.last += 1;
            Ok(InUse { domain, identity, number: files.last, process })
        })
    }

    /// Whether the calling thread would wait for itself.
    pub(super) fn is_held_by_this_thread(&self) -> bool {
        self.domain.holders.with(|holders| holders.iter().any(|holding| holding.whose.is_this_threads()))
    }

    /// Whether it is this process's, and not inherited from a parent.
    fn is_ours(&self) -> bool {
        self.process.is_current()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if self.is_ours() {
            // Not under the lock.
            drop(self.process.table.0.with(|files| files.leave(self.identity)));
        }
    }
}

impl Turn {
    /// Comes after those that wait, and waits for them and for those that hold it.
    pub(super) async fn wait(in_use: InUse, mode: LockMode) -> Turn {
        let mut turn = Turn { in_use, is_front: false, room: 0, is_holder: false };
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
        if in_use.domain.try_take(room) {
            Ok(Turn { in_use, is_front: true, room, is_holder: false })
        } else {
            Err(in_use)
        }
    }

    pub(super) fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// It holds the lock from now on: among the holders, and the next one is at the front.
    pub(super) fn hold(&mut self, taker: Taker) -> Result<(), FileLockIoError> {
        let holding = Holding { number: self.in_use.number, whose: taker.takes() };
        self.in_use.domain.holders.with(|holders| {
            holders.try_reserve(1).map_err(|_| FileLockIoError::no_memory())?;
            holders.push(holding);
            Ok::<(), FileLockIoError>(())
        })?;
        self.is_holder = true;
        self.is_front = false;
        self.in_use.domain.front.add_permits(1);
        Ok(())
    }

    /// It is no longer the thread's that took it.
    pub(super) fn pass_on(&self) {
        self.in_use.domain.holders.with(|holders| {
            if let Some(holding) = holders.iter_mut().find(|holding| holding.number == self.in_use.number) {
                holding.whose = Whose::Nobodys;
            }
        });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // In a forked child nothing of this is ours; whoever held a lock inside may never give it back.
        if !self.in_use.is_ours() {
            return;
        }
        let domain = &self.in_use.domain;
        if self.is_holder {
            domain.holders.with(|holders| holders.retain(|holding| holding.number != self.in_use.number));
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
