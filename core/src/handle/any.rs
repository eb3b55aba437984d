//! A handle of whatever kind, as an untrusted 64-bit value. Every typed and every C function goes
//! through here.

use crate::handle::counters::{Counter, count};
use crate::handle::free;
use crate::handle::freed_hooks::{self, FreedHook};
use crate::handle::kind::{self, AnyKind};
use crate::handle::lane;
use crate::handle::life::Life;
use crate::handle::misuse;
use crate::handle::record::Record;
use crate::handle::resolved::Resolved;
use crate::handle::shell::Tenant;
use crate::handle::token::Parts;
use crate::handle::{Freed, process, vacant};
use crate::word::State;
use crate::{Deadline, Error, deadline};
use std::ffi::c_void;
use std::time::Duration;

/// What a caller says is a handle: any value at all. Each call finds out, without a wild read and
/// without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct AnyHandle(u64);

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

    /// The holds of it that the calling thread has taken and not passed on.
    #[cfg(unix)]
    pub(crate) fn holds_of_this_thread(self) -> u32 {
        Resolved::find(self.bits()).map_or(0, |resolved| resolved.own().holds)
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
        let tenant = Tenant { kind: kind.bits(), object, target: 0, key, index };
        count(Counter::Opened);
        let generation = shell.open(tenant, deadline::last_tick());
        Ok(AnyHandle(Parts { key, index, generation }.join()))
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

    /// [`AnyHandle::free`]; and what to answer for it later, once it is over.
    pub(crate) fn free_and_tell_later(self, kind: Option<AnyKind>, timeout: Duration) -> Result<(Freed, Freed), Error> {
        let resolved = Resolved::find_handle(self.0, kind)?;
        let id = resolved.identity(kind.map(AnyKind::bits));
        Ok(free::free_and_tell_later(resolved.shell, id, timeout, resolved)?)
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
        match free::outlive(resolved.shell, Deadline::after(timeout), &resolved) {
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
