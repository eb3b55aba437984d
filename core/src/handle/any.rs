//! A handle of whatever kind, as an untrusted 64-bit value. Every typed and every C function goes
//! through here.

use crate::handle::counters::{Counter, count};
use crate::handle::free;
use crate::handle::freed_hooks::{self, FreedHook};
use crate::handle::kind::{self, AnyKind};
use crate::handle::lane;
use crate::handle::life::Life;
use crate::handle::misuse::{self, Misuse};
use crate::handle::record::{Own, Record};
use crate::handle::shell::{Identity, Refusal, Shell, Tenant, Vacated};
use crate::handle::slot::Slot;
use crate::handle::token::Parts;
use crate::handle::{DIRECTORY, Freed, process, records, vacant};
use crate::word::State;
use crate::{Deadline, Error, deadline};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// What a caller says is a handle: any value at all. Each call finds out, without a wild read and
/// without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct AnyHandle(u64);

/// A token that named a shell of this process: the index is good, the generation not looked at yet. Two words, which
/// travel in registers.
#[derive(Clone, Copy)]
pub(crate) struct Resolved {
    pub(crate) token: u64,
    pub(crate) shell: &'static Shell,
}

/// An operation in flight on a handle, noted in the calling thread's record. Ended by
/// [`RawEntry::leave`], on the same thread; dropping it without is safe (the free then waits out its
/// deadline).
#[must_use]
pub(crate) struct RawEntry {
    resolved: Resolved,
    slot: &'static Slot,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::NeverIssued => Error::BadHandle,
            Refusal::Stale | Refusal::Closed => Error::Freed,
            Refusal::WrongKind => Error::WrongKind,
            Refusal::Limit => Error::Limit,
        }
    }
}

impl Resolved {
    /// Finds the shell that `token` names.
    #[inline]
    pub(crate) fn find(token: u64) -> Result<Resolved, Error> {
        match Parts::split(token, process::mark()).and_then(|parts| DIRECTORY.get(parts.index)) {
            Some(shell) => Ok(Resolved { token, shell }),
            None => Err(Resolved::explain(token)),
        }
    }

    /// Why `token` names none.
    #[cold]
    fn explain(token: u64) -> Error {
        match Parts::of(token) {
            None if token == 0 => Error::Null,
            Some(parts) if parts.generation != 0 && process::is_ancestor(parts.key) => Error::Forked,
            _ => Error::BadHandle,
        }
    }

    /// Finds the shell of a handle proper, of `kind` if that is given: holds have a release of their
    /// own. A life that is over passes: what to make of it is the operation's.
    #[inline]
    pub(crate) fn find_handle(token: u64, kind: Option<AnyKind>) -> Result<Resolved, Error> {
        let resolved = Resolved::find(token)?;
        let expected = kind.map_or(kind::HOLDS, AnyKind::bits);
        match (resolved.shell.check(resolved.identity(Some(expected))), kind) {
            (Ok(_), Some(_)) | (Err(Refusal::Stale), _) | (Err(Refusal::WrongKind), None) => Ok(resolved),
            (Ok(_), None) => Err(misuse::refuse(token, Refusal::WrongKind)),
            (Err(refusal), _) => Err(misuse::refuse(token, refusal)),
        }
    }

    #[inline]
    pub(crate) fn identity(&self, kind: Option<u64>) -> Identity {
        Identity { generation: self.generation(), kind }
    }

    /// Which shell it is.
    pub(crate) fn index(&self) -> u32 {
        Parts::unpack(self.token).index
    }

    /// What the calling thread has in flight here.
    fn own(&self) -> Own {
        Record::existing().map_or_else(Own::default, |record| record.own(self.token))
    }

    fn is_kind(&self) -> bool {
        self.shell.kind() == kind::KINDS
    }

    /// Ends an operation of the calling thread's that is noted in `slot`.
    #[inline(always)]
    fn leave(&self, slot: &Slot) {
        lane::leave(self.shell, *self, self.token, slot);
    }

    /// What to answer a leave without an enter.
    #[cold]
    fn nothing_to_leave(&self) -> Error {
        match self.shell.check(self.identity(None)) {
            Ok(_) => misuse::tell(Misuse::NotInside, self.token),
            Err(refusal) => return misuse::refuse(self.token, refusal),
        }
        Error::NotInside
    }

    /// Releases a hold that is noted in `slot`, on whatever thread.
    pub(crate) fn release(&self, slot: &Slot) {
        // In a forked child it is not: there, what was taken is the parent's.
        if slot.notes(self.token) {
            slot.clear();
            let was_inside = lane::leave_counted(self.shell, *self);
            debug_assert!(was_inside, "a slot stands for one count");
        }
    }
}

impl Life for Resolved {
    #[inline]
    fn generation(&self) -> u32 {
        Parts::unpack(self.token).generation
    }

    fn protecting(&self) -> u32 {
        records::protecting(self.token)
    }

    fn is_alone(&self) -> bool {
        records::are_own()
    }

    fn on_close(&self) -> bool {
        let hooks = kind::hooks_of(self.shell);
        if let Some(hook) = hooks.on_close {
            // SAFETY: the closer is counted, so the object is alive; the rest is the contract of `AnyKind::new`.
            Record::run_hook(self.token, || unsafe { hook(self.shell.object(), hooks.ctx) });
        }
        hooks.on_close.is_some() || self.may_wait_for_itself_later()
    }

    fn waits_for_itself(&self, in_flight: u32) -> bool {
        let own = self.own();
        let holds_all = own.holds > 0 && own.holds >= in_flight;
        own.entries > 0 || holds_all || (self.is_kind() && kind::is_kept_by_caller(self.token))
    }

    fn may_wait_for_itself_later(&self) -> bool {
        self.own().holds > 0 || self.is_kind()
    }

    fn on_wait(&self) {
        if !self.is_kind() {
            count(Counter::Drains);
        }
    }

    fn freed_again(&self) {
        misuse::tell(Misuse::DoubleFree, self.token);
    }

    fn on_destroy(&self) {
        Record::run_hook(self.token, || kind::destroy_object(self.shell));
    }

    fn vacated(&self, vacated: Vacated) {
        // Read before the shell is another's. The kind's own end may follow: this was its last handle.
        let kind = self.shell.kind();
        if vacated.notify {
            // The handle still counts on its kind: a callback that ends the kind waits for itself.
            Record::run_hook(kind, || freed_hooks::run_ended(self.shell));
        }
        vacant::give_back(self.index(), vacated.generation);
        kind::release(kind);
    }
}

impl AnyHandle {
    /// Whatever the caller has, as C holds it.
    #[must_use]
    #[inline]
    pub fn from_raw<C>(raw: *const C) -> AnyHandle {
        AnyHandle(raw.addr() as u64)
    }

    /// For C. Never to be dereferenced.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "handles exist on 64-bit targets only")]
    pub fn into_raw<C>(self) -> *mut C {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> AnyHandle {
        AnyHandle(bits)
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// A new handle of `kind` for `object`. When it is refused, `object` is still the caller's.
    ///
    /// # Errors
    /// As its kind: [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Forked`], and
    /// [`Error::Freed`] once the kind is closed. [`Error::NoMemory`], [`Error::Limit`] (16,777,216
    /// shells are in use or retired).
    ///
    /// # Safety
    /// `object` is what the kind's callbacks expect, alive until `on_destroy`, and may be used and
    /// destroyed on any thread.
    pub unsafe fn open(kind: AnyKind, object: *mut c_void) -> Result<AnyHandle, Error> {
        let key = process::key_or_draw()?;
        // So that a free on this thread needs no memory later.
        Record::current()?;
        kind.retain()?;
        let (index, shell) = vacant::take().inspect_err(|_| kind::release(kind.bits()))?;
        let tenant = Tenant { kind: kind.bits(), object, target: 0, key };
        count(Counter::Opened);
        let generation = shell.open(tenant, deadline::last_tick());
        Ok(AnyHandle(Parts { key, index, generation }.join()))
    }

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
        let resolved = Resolved::find(self.0)?;
        let record = Record::current()?;
        let slot = record.vacant_slot()?;
        match lane::enter(resolved.shell, resolved, kind.bits(), self.0, slot, operation) {
            Ok(()) => {
                record.begin(slot);
                Ok(resolved.shell.object())
            }
            Err(refusal) => Err(misuse::refuse_entry(self.0, kind, refusal)),
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
        let resolved = Resolved::find(self.0)?;
        let slot = Record::current()?.vacant_slot()?;
        match lane::enter(resolved.shell, resolved, kind.bits(), self.0, slot, operation) {
            Ok(()) => Ok(RawEntry { resolved, slot }),
            Err(refusal) => Err(misuse::refuse(self.0, refusal)),
        }
    }

    /// Takes a hold: as an operation in flight, but it may be released on any thread, and the record
    /// knows since when. `explain` says what to answer if the shell refuses.
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    pub(crate) unsafe fn enter_to_hold(
        self,
        kind: AnyKind,
        operation: *const c_char,
        explain: impl FnOnce(Refusal) -> Error,
    ) -> Result<(*mut c_void, Resolved, &'static Slot), Error> {
        let resolved = Resolved::find(self.0)?;
        let record = Record::current()?;
        resolved.shell.admit(resolved.identity(Some(kind.bits()))).map_err(explain)?;
        // Without a slot for it, it is counted out again.
        let slot = record.note_hold(self.0, operation, deadline::now()).inspect_err(|_| {
            lane::leave_counted(resolved.shell, resolved);
        })?;
        Ok((resolved.shell.object(), resolved, slot))
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
        let resolved = Resolved::find(self.0)?;
        let Some(slot) = Record::take_begun(self.0) else { return Err(resolved.nothing_to_leave()) };
        lane::leave(resolved.shell, resolved, self.0, slot);
        Ok(())
    }

    /// Whether a new operation would be refused: `true` unless this is a handle that is open.
    #[must_use]
    pub fn is_closing(self, kind: Option<AnyKind>) -> bool {
        Resolved::find_handle(self.0, kind)
            .and_then(|resolved| Ok(resolved.shell.check(resolved.identity(None))?))
            .map_or(true, State::is_closed)
    }

    /// Frees: closes, wakes what blocks, waits up to `timeout` for those inside, destroys. See
    /// [`Freed`]. `kind`, if given, must be the handle's.
    ///
    /// A caller that is inside itself, or whose own holds are all that is in flight, is answered
    /// [`Freed::Pending`] at once.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (also for a hold), [`Error::Forked`].
    /// Nothing was freed.
    pub fn free(self, kind: Option<AnyKind>, timeout: Duration) -> Result<Freed, Error> {
        let resolved = Resolved::find_handle(self.0, kind)?;
        let id = resolved.identity(kind.map(AnyKind::bits));
        Ok(free::free(resolved.shell, id, timeout, resolved)?)
    }

    /// Frees if nobody is inside.
    ///
    /// # Errors
    /// [`Error::Busy`]: somebody is inside; the handle stays as it was. Others as [`AnyHandle::free`].
    pub fn try_free(self, kind: Option<AnyKind>) -> Result<Freed, Error> {
        let resolved = Resolved::find_handle(self.0, kind)?;
        let id = resolved.identity(kind.map(AnyKind::bits));
        free::try_free(resolved.shell, id, &resolved)?.ok_or(Error::Busy)
    }

    /// Waits up to `timeout` until the object is destroyed, by whomever. Any number of threads may wait,
    /// any number of times.
    ///
    /// # Errors
    /// [`Error::Timeout`]; [`Error::Deadlock`]: the caller itself keeps it alive (it is inside, or its own holds are all that is in flight).
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (a hold), [`Error::Forked`].
    pub fn wait_freed(self, kind: Option<AnyKind>, timeout: Duration) -> Result<(), Error> {
        let resolved = Resolved::find_handle(self.0, kind)?;
        match free::outlive(resolved.shell, resolved.generation(), Deadline::after(timeout), &resolved) {
            free::Outlived::Yes => Ok(()),
            free::Outlived::Late => Err(Error::Timeout),
            free::Outlived::WaitsForItself => Err(Error::Deadlock),
        }
    }

    /// Has `run` called once, right after the object is destroyed, on the thread that destroyed it. When
    /// it is destroyed already, calls it at once and answers [`Freed::AlreadyFreed`]; else
    /// [`Freed::Pending`]. A panic in it is contained.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (a hold),
    /// [`Error::Forked`]. Then it is never called.
    pub fn on_freed(self, kind: Option<AnyKind>, run: Box<dyn FnOnce() + Send>) -> Result<Freed, Error> {
        let resolved = Resolved::find_handle(self.0, kind)?;
        let generation = resolved.generation();
        let hook = FreedHook::new(generation, run).ok_or(Error::NoMemory)?;
        let in_time = freed_hooks::register(resolved.shell, hook);
        Ok(if in_time { Freed::Pending } else { Freed::AlreadyFreed })
    }

    /// Gives the handle a name for people, cut to 31 bytes.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (a hold), [`Error::Freed`],
    /// [`Error::Forked`].
    pub fn set_label(self, label: &str) -> Result<(), Error> {
        let resolved = Resolved::find_handle(self.0, None)?;
        let id = resolved.identity(None);
        // Counted meanwhile, so that the label does not land in the shell's next life.
        resolved.shell.admit(id).map_err(|refusal| misuse::refuse(self.0, refusal))?;
        resolved.shell.label.set(label);
        lane::leave_counted(resolved.shell, resolved);
        Ok(())
    }
}

impl RawEntry {
    /// Ends the operation.
    #[inline(always)]
    pub(crate) fn leave(self) {
        self.resolved.leave(self.slot);
    }

    /// From now on the operation is left by its token.
    pub(crate) fn detach(&self) {
        // In a forked child there may be none: then what was entered is the parent's.
        if let Some(record) = Record::existing() {
            record.begin(self.slot);
        }
    }

    /// The object, alive while this is.
    #[must_use]
    #[inline]
    pub(crate) fn object(&self) -> *mut c_void {
        self.resolved.shell.object()
    }
}
