//! Holds: something taken and not yet given back, released exactly once, on any thread.
//!
//! A hold is in flight on its handle and stands, with the moment it was taken, in the record of the
//! thread that took it. In C it is a token of its own, a shell whose object is that slot, so that a
//! second release, a stale or a foreign value is a typed error.

use crate::Error;
use crate::handle::any::AnyHandle;
use crate::handle::free;
use crate::handle::kind::{self, AnyKind};
use crate::handle::life::Life;
use crate::handle::misuse;
use crate::handle::record::Record;
use crate::handle::resolved::Resolved;
use crate::handle::shell::{Lessened, Refusal, Tenant};
use crate::handle::slot::{Phase, Slot};
use crate::handle::token::Parts;
use crate::handle::{Freed, Handle, Token, process, vacant};
use std::ffi::{CStr, c_char, c_void};

/// A hold on a handle of whatever kind. Ended by [`RawHold::release`], on any thread.
#[must_use]
pub struct RawHold {
    resolved: Resolved,
    slot: &'static Slot,
}

/// What a C caller says is a hold: any value at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct HoldToken(AnyHandle);

impl RawHold {
    /// Takes a hold and answers the object, alive until the release.
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    pub unsafe fn take(
        handle: AnyHandle,
        kind: AnyKind,
        operation: *const c_char,
    ) -> Result<(*mut c_void, RawHold), Error> {
        let explain = |refusal| misuse::refuse_entry(handle.bits(), kind, refusal);
        // SAFETY: the caller's promise.
        let (resolved, slot) = unsafe { handle.enter_to_hold(kind, operation, Phase::Held, explain) }?;
        Ok((resolved.shell.object(), RawHold { resolved, slot }))
    }

    /// [`RawHold::take`] by a caller whose kind is beyond doubt; or the wait for a hold.
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    #[inline(always)]
    pub(crate) unsafe fn take_own(
        handle: AnyHandle,
        kind: AnyKind,
        operation: *const c_char,
        phase: Phase,
    ) -> Result<(*mut c_void, RawHold), Error> {
        let explain = |refusal| misuse::refuse(handle.bits(), refusal);
        // SAFETY: the caller's promise.
        let (resolved, slot) = unsafe { handle.enter_to_hold(kind, operation, phase, explain) }?;
        Ok((resolved.shell.object(), RawHold { resolved, slot }))
    }

    /// Gives it back.
    #[inline]
    pub fn release(self) {
        self.resolved.release(self.slot);
    }

    #[cold]
    #[inline(never)]
    fn give_up(self, error: Error) -> Error {
        self.give_back(false);
        error
    }

    /// Gives back what was taken (if the hold was lessened: the rest), and then the hold.
    #[inline]
    fn give_back(self, is_lessened: bool) {
        self.resolved.give_back(self.slot, is_lessened);
        self.release();
    }

    /// The wait is over: `taken` is what the handle's kind takes back when the hold is given back.
    #[inline]
    pub(crate) fn take_over(&self, taken: u64, since: u64) {
        self.slot.set_taken(taken);
        self.slot.set_phase(Phase::Held, since);
    }

    /// When it was taken, or begun to be waited for.
    #[inline]
    pub(crate) fn since(&self) -> u64 {
        self.slot.since()
    }

    /// What the calling thread has taken from the same handle, and not passed on.
    pub(crate) fn own_holds(&self) -> u32 {
        self.resolved.own().holds
    }

    /// A token for C.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`]; then the hold is given back.
    #[inline(always)]
    pub fn into_token(self) -> Result<HoldToken, Error> {
        let key = process::key();
        let (index, shell) = match vacant::take() {
            Ok(taken) => taken,
            Err(error) => return Err(self.give_up(error)),
        };
        let slot: *const Slot = self.slot;
        let tenant =
            Tenant { kind: kind::HOLDS, object: slot.cast_mut().cast(), target: self.resolved.token, key, index };
        let generation = shell.open(tenant, self.slot.since());
        Ok(HoldToken(AnyHandle::from_bits(Parts { key, index, generation }.join())))
    }
}

impl HoldToken {
    /// Whatever the caller has, as C holds it.
    #[must_use]
    pub fn from_raw<C>(raw: *const C) -> HoldToken {
        HoldToken(AnyHandle::from_raw(raw))
    }

    /// For C. Never to be dereferenced.
    #[must_use]
    pub fn into_raw<C>(self) -> *mut C {
        self.0.into_raw()
    }

    /// From now on the hold belongs to another thread than the one that took it: that may wait for it. Without effect on one
    /// that is released meanwhile.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Freed`] (released), [`Error::Forked`].
    pub fn pass_on(self) -> Result<(), Error> {
        let hold = Resolved::find(self.0.bits())?;
        let (slot, since) = self.read(&hold, |slot| (slot, slot.since()))?;
        // If it is released now the slot may become another hold's; but then that one has another time.
        slot.pass_on(since);
        Ok(())
    }

    /// Gives back a part of what the hold has taken of a `T`, by `give`, if `may` says that there is such a part. What is left
    /// is given back with the hold, by [`Handle::on_release_rest`]. Once for each hold. Not while `T` is being freed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: `may` says no, or it was lessened before. [`Error::WrongKind`]: no hold, or not of a `T`.
    /// [`Error::Freed`]: it is released, or `T` is being freed. [`Error::Null`], [`Error::BadHandle`], [`Error::Forked`],
    /// [`Error::NoMemory`].
    pub(crate) fn lessen<T: Handle>(
        self,
        operation: &'static CStr,
        may: impl FnOnce(u64) -> bool,
        give: impl FnOnce(&T),
    ) -> Result<(), Error> {
        let hold = Resolved::find(self.0.bits())?;
        let (taken, held) = self.read(&hold, |slot| (slot.taken(), hold.shell.target()))?;
        // Whoever releases the hold meanwhile may end what is held.
        let value = Token::<T>::of(AnyHandle::from_bits(held)).enter(operation)?;
        if !may(taken) {
            return Err(Error::InvalidArgument);
        }
        match hold.shell.lessen(hold.generation()) {
            Lessened::Now => {
                give(&value);
                Ok(())
            }
            Lessened::Before => Err(Error::InvalidArgument),
            Lessened::Over => Err(Error::Freed),
        }
    }

    /// What `look` sees of the hold, whose slot it is while the hold is not released: and it was not before this returns.
    fn read<V>(self, hold: &Resolved, look: impl FnOnce(&'static Slot) -> V) -> Result<V, Error> {
        let check = || hold.shell.check(hold.identity(Some(kind::HOLDS)));
        let explain = |refusal| misuse::refuse(self.0.bits(), refusal);
        check().map_err(explain)?;
        let slot = hold.shell.object().cast::<Slot>();
        // It was a hold's: looked up while this one was alive.
        check().map_err(explain)?;
        // SAFETY: the object of a hold is a slot, and records are leaked.
        let seen = look(unsafe { &*slot });
        check().map_err(explain)?;
        Ok(seen)
    }

    /// Releases the hold, after what it had taken is given back: [`Freed::Destroyed`] to the one call that did, [`Freed::AlreadyFreed`] to
    /// every other.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Forked`].
    #[inline]
    pub fn release(self) -> Result<Freed, Error> {
        self.end(RawHold::give_back)
    }

    /// Releases a hold of a `T`; what it had taken is for `redeem`, in place of [`Handle::on_release`]. `None`: another call released
    /// it, or is about to.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`] (also a hold of something else), [`Error::Forked`]: it was not
    /// released. [`Error::Panic`].
    pub(crate) fn redeem<T: Handle, O>(self, redeem: impl FnOnce(&T, u64) -> O) -> Result<Option<O>, Error> {
        let hold = Resolved::find(self.0.bits())?;
        let is_alive = || hold.shell.check(hold.identity(Some(kind::HOLDS))).is_ok();
        let is_of_kind = || {
            let held = Resolved::find(hold.shell.target()).ok()?;
            Some(held.shell.is_of(Some(T::kind().expected().bits())))
        };
        // A hold that is alive before and after: what was seen in between is its own. Otherwise its end says what is wrong.
        if is_alive() && is_of_kind() != Some(true) && is_alive() {
            return Err(misuse::refuse(self.0.bits(), Refusal::WrongKind));
        }
        let mut answer = None;
        let freed = self.end(|hold, _is_lessened| {
            let taken = hold.slot.taken();
            let object: *const T = hold.resolved.shell.object().cast_const().cast();
            Record::run_hook(hold.resolved.token, || {
                // SAFETY: the hold is in flight, so the object is alive, and it was just seen to be a `T`.
                kind::contain(|| answer = Some(redeem(unsafe { &*object }, taken)));
            });
            hold.release();
        })?;
        if freed == Freed::AlreadyFreed { Ok(None) } else { answer.ok_or(Error::Panic).map(Some) }
    }

    /// Ends it: `give_back` is called by the one call that does, and told whether the hold was lessened.
    #[inline]
    fn end(self, give_back: impl FnOnce(RawHold, bool)) -> Result<Freed, Error> {
        let hold = Resolved::find(self.0.bits())?;
        let look = || (hold.shell.object().cast::<Slot>(), hold.shell.target());
        let ((slot, target), vacated) = match hold.shell.end_at_once(hold.identity(Some(kind::HOLDS)), look) {
            Ok(ended) => ended,
            Err(Refusal::Stale) => return Ok(free::freed_again(&hold)),
            Err(refusal) => return Err(misuse::refuse(self.0.bits(), refusal)),
        };
        let held = Resolved::find(target);
        vacant::give_back(hold.index(), vacated.generation);
        // SAFETY: the object of a hold is a slot, and records are leaked.
        give_back(RawHold { resolved: held?, slot: unsafe { &*slot } }, vacated.notify);
        Ok(Freed::Destroyed)
    }
}
