//! Enter and leave, from a token to a lane.
//!
//! The usual case (the hazard lane is open, one of the thread's first two slots is empty) is compiled into the caller, calls nothing, and so
//! has nothing to keep for the time after a call. Everything else is done by one call, from the beginning.

use crate::Error;
use crate::handle::any::AnyHandle;
use crate::handle::kind::AnyKind;
use crate::handle::lane::{self, BySlot};
use crate::handle::misuse;
use crate::handle::record::Record;
use crate::handle::resolved::Resolved;
use crate::handle::shell::{Refusal, Shell};
use crate::handle::slot::{Phase, Slot};
use crate::word::State;
use std::ffi::{c_char, c_void};

/// An operation in flight on a handle, noted in the calling thread's record. Ended by
/// [`RawEntry::leave`], on the same thread; dropping it without is safe (the free then waits out its
/// deadline).
#[must_use]
pub(crate) struct RawEntry {
    // Both from `'static` references. As references they would have a `Result` keep its error in the place of another field, and
    // the compiler handle that in two halves.
    shell: *const Shell,
    slot: *const Slot,
    token: u64,
    /// The word, for `lane::leave`.
    seen: State,
}

/// What an attempt to enter a handle without a call came to. Everything else is done out of line, from the beginning, so
/// that nothing has to be kept for it meanwhile.
enum AtOnce {
    /// It is in.
    In(RawEntry),
    /// The handle has to be looked at more closely.
    Not,
    /// It was freed, or changed otherwise, in the midst: the slot is filled.
    Filled(&'static Slot),
}

impl AnyHandle {
    /// Begins an operation and answers the object, alive until [`AnyHandle::leave`] on the same thread.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Freed`], [`Error::Forked`],
    /// [`Error::Limit`] (16,777,214 in flight), [`Error::NoMemory`] (a thread's first call, or more
    /// than eight operations at once).
    ///
    /// # Safety
    /// `operation` is null or a C string that is never given back.
    #[inline]
    pub unsafe fn enter(self, kind: AnyKind, operation: *const c_char) -> Result<*mut c_void, Error> {
        // SAFETY: the caller's promise.
        match unsafe { self.enter_at_once(kind, operation) } {
            Ok(object) => Ok(object),
            // SAFETY: the caller's promise.
            Err(filled) => unsafe { self.enter_after(kind, operation, filled) },
        }
    }

    /// [`AnyHandle::enter`], if it is done with a few looks and stores. Otherwise [`AnyHandle::enter_after`] is to be called
    /// with what this answers.
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn enter_at_once(
        self,
        kind: AnyKind,
        operation: *const c_char,
    ) -> Result<*mut c_void, Option<&'static Slot>> {
        let Some(record) = Record::existing() else { return Err(None) };
        match self.attempt(record, record.early_slot(), kind, operation) {
            AtOnce::In(entry) => {
                record.begin(entry.slot(), entry.shell());
                Ok(entry.object())
            }
            AtOnce::Not => Err(None),
            AtOnce::Filled(slot) => Err(Some(slot)),
        }
    }

    /// The whole of [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn enter_after(
        self,
        kind: AnyKind,
        operation: *const c_char,
        filled: Option<&'static Slot>,
    ) -> Result<*mut c_void, Error> {
        self.empty(filled);
        let resolved = Resolved::find(self.bits())?;
        let record = Record::current()?;
        let slot = record.vacant_slot()?;
        match lane::enter(resolved.shell, resolved, kind.bits(), self.bits(), slot, operation) {
            Ok(_) => {
                record.begin(slot, resolved.shell);
                Ok(resolved.shell.object())
            }
            Err(refusal) => Err(misuse::refuse_entry(self.bits(), kind, refusal)),
        }
    }

    /// Enters by the hazard lane, if it is open, noted in `slot` (if there is one): an empty one of `record`, the calling
    /// thread's.
    #[inline(always)]
    fn attempt(
        self,
        record: &'static Record,
        slot: Option<&'static Slot>,
        kind: AnyKind,
        operation: *const c_char,
    ) -> AtOnce {
        let Some(slot) = slot else { return AtOnce::Not };
        let Some((shell, seen)) = self.seen_before(record).or_else(|| self.found_by(record)) else {
            return AtOnce::Not;
        };
        match lane::enter_by_slot(shell, seen, kind.bits(), self.bits(), slot, operation) {
            BySlot::In(seen) => AtOnce::In(RawEntry { shell, slot, token: self.bits(), seen }),
            BySlot::Shut => AtOnce::Not,
            BySlot::Changed => AtOnce::Filled(slot),
        }
    }

    /// The shell in which the calling thread found its last operation, if that is this handle's, and its word.
    #[inline(always)]
    fn seen_before(self, record: &Record) -> Option<(&'static Shell, State)> {
        let shell = record.recent_shell()?;
        Some((shell, shell.look_as(self.bits())?))
    }

    /// This handle's shell, and its word. The next operation of the calling thread looks there first.
    #[inline(always)]
    fn found_by(self, record: &Record) -> Option<(&'static Shell, State)> {
        let shell = Resolved::look_up(self.bits())?.shell;
        let seen = shell.look_as(self.bits())?;
        record.set_recent_shell(shell);
        Some((shell, seen))
    }

    /// Takes back what an attempt left in a slot.
    fn empty(self, filled: Option<&'static Slot>) {
        if let (Some(slot), Some(resolved)) = (filled, Resolved::look_up(self.bits())) {
            lane::step_back(resolved.shell, resolved, self.bits(), slot);
        }
    }

    /// Begins an operation that is ended by its entry: not by [`AnyHandle::leave`].
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn enter_own(self, kind: AnyKind, operation: *const c_char) -> Result<RawEntry, Error> {
        // SAFETY: the caller's promise.
        match unsafe { self.enter_own_at_once(kind, operation) } {
            Ok(entry) => Ok(entry),
            // SAFETY: the caller's promise.
            Err(filled) => unsafe { self.enter_own_after(kind, operation, filled) },
        }
    }

    /// [`AnyHandle::enter_own`], if it is done with a few looks and stores. Otherwise [`AnyHandle::enter_own_after`] is to be
    /// called with what this answers.
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn enter_own_at_once(
        self,
        kind: AnyKind,
        operation: *const c_char,
    ) -> Result<RawEntry, Option<&'static Slot>> {
        let Some(record) = Record::existing() else { return Err(None) };
        match self.attempt(record, record.early_slot(), kind, operation) {
            AtOnce::In(entry) => Ok(entry),
            AtOnce::Not => Err(None),
            AtOnce::Filled(slot) => Err(Some(slot)),
        }
    }

    /// The whole of [`AnyHandle::enter_own`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn enter_own_after(
        self,
        kind: AnyKind,
        operation: *const c_char,
        filled: Option<&'static Slot>,
    ) -> Result<RawEntry, Error> {
        let slot = self.fill_own(kind, operation, filled)?;
        // SAFETY: set by `fill_own`.
        let shell = unsafe { slot.shell() };
        // A word that is never seen: the leave looks closer.
        Ok(RawEntry { shell, slot, token: self.bits(), seen: State::vacant(0) })
    }

    /// Enters, and answers the slot alone, whose shell is set: an entry would be answered in memory, and then the usual case
    /// would put its own there, too, in parts, to be read as a whole, which a processor stalls at.
    #[cold]
    #[inline(never)]
    fn fill_own(
        self,
        kind: AnyKind,
        operation: *const c_char,
        filled: Option<&'static Slot>,
    ) -> Result<&'static Slot, Error> {
        self.empty(filled);
        let resolved = Resolved::find(self.bits())?;
        let slot = Record::current()?.vacant_slot()?;
        match lane::enter(resolved.shell, resolved, kind.bits(), self.bits(), slot, operation) {
            Ok(_) => {
                slot.set_shell(resolved.shell);
                Ok(slot)
            }
            Err(refusal) => Err(misuse::refuse(self.bits(), refusal)),
        }
    }

    /// Takes a hold, or begins to wait for one: as an operation in flight, but it may be released on any thread, and the
    /// record knows since when. `explain` says what to answer if the shell refuses.
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn enter_to_hold(
        self,
        kind: AnyKind,
        operation: *const c_char,
        phase: Phase,
        explain: impl FnOnce(Refusal) -> Error,
    ) -> Result<(Resolved, &'static Slot), Error> {
        let at_once = match Record::existing() {
            Some(record) => self.attempt(record, record.early_hold(phase), kind, operation),
            None => AtOnce::Not,
        };
        match at_once {
            AtOnce::In(entry) => Ok((Resolved { token: self.bits(), shell: entry.shell() }, entry.slot())),
            AtOnce::Not => self.hold_after(kind, operation, phase, None, explain),
            AtOnce::Filled(slot) => self.hold_after(kind, operation, phase, Some(slot), explain),
        }
    }

    /// The whole of [`AnyHandle::enter_to_hold`].
    #[cold]
    #[inline(never)]
    fn hold_after(
        self,
        kind: AnyKind,
        operation: *const c_char,
        phase: Phase,
        filled: Option<&'static Slot>,
        explain: impl FnOnce(Refusal) -> Error,
    ) -> Result<(Resolved, &'static Slot), Error> {
        self.empty(filled);
        let resolved = Resolved::find(self.bits())?;
        let slot = Record::current()?.vacant_hold(phase)?;
        lane::enter(resolved.shell, resolved, kind.bits(), self.bits(), slot, operation).map_err(explain)?;
        Ok((resolved, slot))
    }

    /// Ends the latest operation on this handle that the calling thread began with [`AnyHandle::enter`] (or detached from its
    /// [`crate::Entry`]) and that is still in flight. If the handle was freed meanwhile and this was the last one out, destroys the object.
    ///
    /// # Errors
    /// [`Error::NotInside`]: this thread is not inside. [`Error::Null`], [`Error::BadHandle`], [`Error::Freed`],
    /// [`Error::Forked`].
    ///
    /// # Safety
    /// The object is not used afterwards by virtue of that operation.
    #[inline]
    pub unsafe fn leave(self) -> Result<(), Error> {
        if self.leave_at_once() { Ok(()) } else { self.leave_begun() }
    }

    /// [`AnyHandle::leave`], if the thread's latest operation is meant, and it is in the hazard lane; `false`: nothing was done.
    #[inline(always)]
    pub(crate) fn leave_at_once(self) -> bool {
        let Some((slot, shell)) = Record::existing().and_then(|record| record.take_latest_filled(self.bits())) else {
            return false;
        };
        // A slot that is filled notes a token that was found before.
        lane::leave_filled(shell, Resolved { token: self.bits(), shell }, slot, None);
        true
    }

    /// The whole of [`AnyHandle::leave`].
    #[cold]
    #[inline(never)]
    pub(crate) fn leave_begun(self) -> Result<(), Error> {
        let resolved = Resolved::find(self.bits())?;
        let Some(slot) = Record::take_begun(self.bits()) else { return Err(resolved.nothing_to_leave()) };
        lane::leave(resolved.shell, resolved, self.bits(), slot, None);
        Ok(())
    }
}

impl RawEntry {
    #[inline(always)]
    fn shell(&self) -> &'static Shell {
        // SAFETY: see the field.
        unsafe { &*self.shell }
    }

    #[inline(always)]
    fn slot(&self) -> &'static Slot {
        // SAFETY: see the field.
        unsafe { &*self.slot }
    }

    /// Ends the operation.
    #[inline(always)]
    pub(crate) fn leave(self) {
        let (shell, slot) = (self.shell(), self.slot());
        let RawEntry { token, seen, .. } = self;
        lane::leave(shell, Resolved { token, shell }, token, slot, Some(seen));
    }

    /// From now on the operation is left by its token.
    pub(crate) fn detach(&self) {
        // In a forked child there may be none: then what was entered is the parent's.
        if let Some(record) = Record::existing() {
            record.begin(self.slot(), self.shell());
        }
    }

    /// The object, alive while this is.
    #[must_use]
    #[inline]
    pub(crate) fn object(&self) -> *mut c_void {
        self.shell().object()
    }
}
