//! The calls that a backend has not yet handed out: each has a key while it is under way.
//!
//! A key is used again after its call is over, under another serial number, so that an event that comes late for an earlier
//! call is told from one for the present.

use crate::backend::completion::call::Call;
use crate::shared::Shared;

/// Where a call is. See the head of `completion.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody looks at it; it waits to be woken.
    Asleep,
    /// In the queue of those to be looked at.
    Queued,
    /// Somebody looks at it.
    Looking,
    /// The same, and it was woken meanwhile: it will be queued again.
    LookingWoken,
}

/// What the outside knows a call by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) key: u32,
    serial: u32,
}

/// No call has this key.
pub(super) const NO_KEY: u32 = u32::MAX;

impl Name {
    /// In one number.
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.key)
    }

    #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
    pub(super) fn from_bits(bits: u64) -> Name {
        Name { key: bits as u32, serial: (bits >> 32) as u32 }
    }
}

pub(super) struct Entry {
    pub(super) call: Shared<Call>,
    pub(super) phase: Phase,
    serial: u32,
    /// What its descriptor is ready for, so far.
    pub(super) readiness: u32,
}

/// The entries of a backend, by key.
pub(super) struct Entries {
    entries: Vec<Slot>,
    vacant: Option<u32>,
    live: usize,
}

enum Slot {
    Vacant { next: Option<u32>, serial: u32 },
    Taken(Entry),
}

impl Entries {
    pub(super) const fn new() -> Entries {
        Entries { entries: Vec::new(), vacant: None, live: 0 }
    }

    /// How many are under way.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// A bound of all keys so far.
    pub(super) fn keys(&self) -> usize {
        self.entries.len()
    }

    /// An entry for a call that the caller is about to look at; the call gets its name. `None`: there is no memory, or no key.
    pub(super) fn insert(&mut self, call: &Shared<Call>) -> Option<()> {
        let (key, serial) = match self.vacant {
            Some(key) => match self.entries[key as usize] {
                Slot::Vacant { next, serial } => {
                    self.vacant = next;
                    (key, serial)
                }
                Slot::Taken(_) => return None,
            },
            None => {
                let key = u32::try_from(self.entries.len()).ok().filter(|key| *key < NO_KEY)?;
                self.entries.try_reserve(1).ok()?;
                self.entries.push(Slot::Vacant { next: None, serial: 0 });
                (key, 0)
            }
        };
        call.set_name(Name { key, serial });
        let entry = Entry { call: call.clone(), phase: Phase::Looking, serial, readiness: 0 };
        self.entries[key as usize] = Slot::Taken(entry);
        self.live += 1;
        Some(())
    }

    /// Every call, taken out.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let all = std::mem::replace(self, Entries::new()).entries;
        all.into_iter().filter_map(|slot| if let Slot::Taken(entry) = slot { Some(entry) } else { None })
    }

    pub(super) fn get(&mut self, key: u32) -> Option<&mut Entry> {
        match self.entries.get_mut(key as usize) {
            Some(Slot::Taken(entry)) => Some(entry),
            _ => None,
        }
    }

    /// The entry with that name, if its call is still under way.
    pub(super) fn named(&mut self, name: Name) -> Option<&mut Entry> {
        self.get(name.key).filter(|entry| entry.serial == name.serial)
    }

    /// The call is over: its key is vacant.
    pub(super) fn remove(&mut self, name: Name) -> Option<Entry> {
        let Name { key, serial } = name;
        self.named(name)?;
        let vacant = Slot::Vacant { next: self.vacant, serial: serial.wrapping_add(1) };
        self.vacant = Some(key);
        self.live -= 1;
        match std::mem::replace(&mut self.entries[key as usize], vacant) {
            Slot::Taken(entry) => Some(entry),
            Slot::Vacant { .. } => None,
        }
    }
}
