//! What the models protect: an object whose every touch is checked by loom, and a shell it lives in.

use loom::cell::UnsafeCell;
use quiescent_core::handle::pieces::{Identity, Life, Shell, Slot, Tenant, Vacated, run_ended};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An object with a part for each thread of a model.
pub struct Object {
    /// Written by operations, each its own, and by the destructor.
    parts: [UnsafeCell<u32>; 3],
    /// Read by `on_close`, written by the destructor.
    wakers: UnsafeCell<u32>,
    /// std's, so that loom does not see it and it orders nothing.
    destroyed: AtomicU32,
}

// SAFETY: the cells are loom's, which checks every access; unordered ones end the model.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    pub fn new() -> Object {
        Object {
            parts: std::array::from_fn(|_| UnsafeCell::new(0)),
            wakers: UnsafeCell::new(0),
            destroyed: AtomicU32::new(0),
        }
    }

    /// An operation on part `part`, by one thread at a time.
    pub fn operate(&self, part: usize) {
        assert!(!self.is_destroyed(), "an operation ran on a destroyed object");
        // SAFETY: checked by loom.
        self.parts[part].with_mut(|part| unsafe { *part += 1 });
    }

    /// What `operate` changed of part `part`, seen by whoever comes after it.
    pub fn look_at(&self, part: usize) {
        // SAFETY: checked by loom.
        self.parts[part].with(|part| unsafe { *part });
    }

    /// The same of all parts.
    pub fn look_at_all(&self) {
        (0..self.parts.len()).for_each(|part| self.look_at(part));
    }

    /// Makes the object anew, by the thread that shut it down.
    pub fn re_initialise(&self) {
        for part in &self.parts {
            // SAFETY: checked by loom.
            part.with_mut(|part| unsafe { *part = 0 });
        }
    }

    /// The hook that wakes what blocks.
    pub fn on_close(&self) {
        assert!(!self.is_destroyed(), "on_close ran after the destructor");
        // SAFETY: checked by loom.
        self.wakers.with(|wakers| unsafe { assert_eq!(*wakers, 0, "on_close ran after the destructor") });
    }

    /// The destructor.
    pub fn destroy(&self) {
        assert_eq!(self.destroyed.fetch_add(1, Ordering::Relaxed), 0, "the object was destroyed twice");
        self.re_initialise();
        // SAFETY: checked by loom.
        self.wakers.with_mut(|wakers| unsafe { *wakers += 1 });
    }

    pub fn is_destroyed(&self) -> bool {
        self.destroyed.load(Ordering::Relaxed) != 0
    }

    /// What whoever was told "destroyed" relies on: the destructor has returned, and what it did is
    /// seen.
    pub fn expect_destroyed(&self) {
        assert!(self.is_destroyed(), "told that the object was destroyed before it was");
        // SAFETY: checked by loom.
        self.wakers.with(|wakers| unsafe { assert_eq!(*wakers, 1, "the destructor is still running") });
    }
}

/// A shell, the objects of its first two lives, and a slot for each of three threads.
pub struct House {
    pub shell: Shell,
    pub objects: [Object; 2],
    pub slots: [Slot; 3],
    /// Whether another thread than the closer has linked a record.
    pub linked: loom::sync::atomic::AtomicBool,
}

/// Two kinds of handles.
pub const RED: u64 = 101;
pub const BLUE: u64 = 103;

impl House {
    pub fn new() -> House {
        House {
            shell: Shell::new(),
            objects: [Object::new(), Object::new()],
            slots: std::array::from_fn(|_| Slot::new()),
            linked: loom::sync::atomic::AtomicBool::new(true),
        }
    }

    /// A house whose first life has begun, of kind red.
    pub fn open() -> House {
        let house = House::new();
        house.move_in(0, RED);
        house
    }

    /// Begins the next life. Its object's number stands in the shell where the address would.
    pub fn move_in(&self, object: usize, kind: u64) -> u32 {
        let number = std::ptr::without_provenance_mut(object);
        self.shell.open(Tenant { kind, object: number, target: 0, key: 0, index: 0 }, 0)
    }

    /// The object that the shell says is its own.
    pub fn object(&self) -> &Object {
        &self.objects[self.shell.object().addr()]
    }

    /// This house in its first life, as the caller sees it.
    pub fn resident(&self) -> Resident<'_> {
        Resident {
            house: self,
            generation: 1,
            inside: false,
            was_alone: Cell::new(false),
            calls: Rc::new(Cell::new(1)),
        }
    }

    /// The same in its second life.
    pub fn second(&self) -> Resident<'_> {
        Resident { generation: 2, ..self.resident() }
    }

    /// As a caller that is inside itself.
    pub fn resident_inside(&self) -> Resident<'_> {
        Resident { inside: true, ..self.resident() }
    }
}

/// The token of life `generation`, which is red.
pub fn life(generation: u32) -> Identity {
    Identity { generation, kind: Some(RED) }
}

/// What slots that protect life `generation` hold.
pub fn token(generation: u32) -> u64 {
    u64::from(generation) << 36 | 1
}

/// The token of a second life that is blue.
pub const SECOND: Identity = Identity { generation: 2, kind: Some(BLUE) };

/// One life of a [`House`], as the caller sees it.
pub struct Resident<'house> {
    pub house: &'house House,
    pub generation: u32,
    pub inside: bool,
    /// What it answered when asked whether it is alone.
    pub was_alone: Cell<bool>,
    /// How often `on_close` is still wanted.
    pub calls: Rc<Cell<u32>>,
}

impl Life for Resident<'_> {
    fn generation(&self) -> u32 {
        self.generation
    }
    fn protecting(&self) -> u32 {
        self.house.slots.iter().filter(|slot| slot.protects(token(self.generation))).count() as u32
    }
    fn is_alone(&self) -> bool {
        self.was_alone.set(!self.house.linked.load(loom::sync::atomic::Ordering::Relaxed));
        self.was_alone.get()
    }
    fn on_close(&self) -> bool {
        self.house.object().on_close();
        self.calls.set(self.calls.get().saturating_sub(1));
        self.calls.get() > 0
    }
    fn waits_for_itself(&self, _in_flight: u32) -> bool {
        self.inside
    }
    fn may_wait_for_itself_later(&self) -> bool {
        false
    }
    fn on_destroy(&self) {
        self.house.object().destroy();
    }
    fn vacated(&self, vacated: Vacated) {
        if vacated.notify {
            run_ended(&self.house.shell);
        }
    }
}

/// The lanes take a life by value, to be kept in registers.
impl Life for &Resident<'_> {
    fn generation(&self) -> u32 {
        (*self).generation()
    }
    fn protecting(&self) -> u32 {
        (*self).protecting()
    }
    fn is_alone(&self) -> bool {
        (*self).is_alone()
    }
    fn on_close(&self) -> bool {
        (*self).on_close()
    }
    fn waits_for_itself(&self, in_flight: u32) -> bool {
        (*self).waits_for_itself(in_flight)
    }
    fn may_wait_for_itself_later(&self) -> bool {
        (*self).may_wait_for_itself_later()
    }
    fn on_destroy(&self) {
        (*self).on_destroy();
    }
    fn vacated(&self, vacated: Vacated) {
        (*self).vacated(vacated);
    }
}
