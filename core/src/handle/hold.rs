//! Holds: something taken and not yet given back, released exactly once, on any thread.
//!
//! A hold is in flight on its handle and stands, with the moment it was taken, in the record of the
//! thread that took it. In C it is a token of its own, a shell whose object is that slot, so that a
//! second release, a stale or a foreign value is a typed error.

use crate::handle::any::AnyHandle;
use crate::handle::ending::TryClose;
use crate::handle::free;
use crate::handle::kind::{self, AnyKind};
use crate::handle::life::Life;
use crate::handle::misuse;
use crate::handle::resolved::Resolved;
use crate::handle::shell::{Refusal, Tenant};
use crate::handle::slot::Slot;
use crate::handle::token::Parts;
use crate::handle::{Freed, process, vacant};
use crate::{Error, deadline};
use std::ffi::{c_char, c_void};

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
        let (object, resolved, slot) = unsafe { handle.enter_to_hold(kind, operation, explain) }?;
        Ok((object, RawHold { resolved, slot }))
    }

    /// [`RawHold::take`] by a caller whose kind is beyond doubt.
    ///
    /// # Errors
    /// As [`AnyHandle::enter`].
    ///
    /// # Safety
    /// As [`AnyHandle::enter`].
    pub(crate) unsafe fn take_own(
        handle: AnyHandle,
        kind: AnyKind,
        operation: *const c_char,
    ) -> Result<(*mut c_void, RawHold), Error> {
        let explain = |refusal| misuse::refuse(handle.bits(), refusal);
        // SAFETY: the caller's promise.
        let (object, resolved, slot) = unsafe { handle.enter_to_hold(kind, operation, explain) }?;
        Ok((object, RawHold { resolved, slot }))
    }

    /// Gives it back.
    pub fn release(self) {
        self.resolved.release(self.slot);
    }

    /// A token for C.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`]; then the hold is released.
    pub fn into_token(self) -> Result<HoldToken, Error> {
        let key = process::key();
        let (index, shell) = match vacant::take() {
            Ok(taken) => taken,
            Err(error) => {
                self.release();
                return Err(error);
            }
        };
        let slot: *const Slot = self.slot;
        let tenant =
            Tenant { kind: kind::HOLDS, object: slot.cast_mut().cast(), target: self.resolved.token, key, index };
        let generation = shell.open(tenant, deadline::now());
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

    /// Releases the hold: [`Freed::Destroyed`] to the one call that did, [`Freed::AlreadyFreed`] to
    /// every other.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Forked`].
    pub fn release(self) -> Result<Freed, Error> {
        let hold = Resolved::find(self.0.bits())?;
        match hold.shell.try_close(hold.identity(Some(kind::HOLDS))) {
            Ok(TryClose::Idle) => {}
            // Nobody enters a hold, so it is never busy, and has no hazard lane.
            Ok(_) => return Ok(Freed::AlreadyFreed),
            Err(Refusal::Stale) => return Ok(free::freed_again(&hold)),
            Err(refusal) => return Err(misuse::refuse(self.0.bits(), refusal)),
        }
        let slot = hold.shell.object().cast::<Slot>();
        let held = Resolved::find(hold.shell.target());
        vacant::give_back(hold.index(), hold.shell.vacate(hold.generation()).generation);
        // SAFETY: the object of a hold is a slot, and records are leaked.
        held?.release(unsafe { &*slot });
        Ok(Freed::Destroyed)
    }
}
