//! A token that named a shell of this process: what every call on a handle begins with, and the life it names as the
//! protocol sees it.

use crate::Error;
use crate::handle::counters::{Counter, count};
use crate::handle::ending::Vacated;
use crate::handle::freed_hooks;
use crate::handle::kind::{self, AnyKind};
use crate::handle::lane;
use crate::handle::life::Life;
use crate::handle::misuse::{self, Misuse};
use crate::handle::record::{Own, Record};
use crate::handle::shell::{Identity, Refusal, Shell};
use crate::handle::slot::Slot;
use crate::handle::token::Parts;
use crate::handle::{DIRECTORY, process, records, vacant};

/// A token that named a shell of this process: the index is good, the generation not looked at yet. Two words, which
/// travel in registers.
#[derive(Clone, Copy)]
pub(crate) struct Resolved {
    pub(crate) token: u64,
    pub(crate) shell: &'static Shell,
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
        Resolved::look_up(token).ok_or_else(|| Resolved::explain(token))
    }

    /// The same, for a caller that does not want to know why there is none.
    #[inline(always)]
    pub(crate) fn look_up(token: u64) -> Option<Resolved> {
        let parts = Parts::split(token, process::mark())?;
        DIRECTORY.get(parts.index).map(|shell| Resolved { token, shell })
    }

    /// Why `token` names none.
    #[cold]
    #[inline(never)]
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
    #[inline]
    pub(crate) fn index(&self) -> u32 {
        Parts::unpack(self.token).index
    }

    /// What the calling thread has in flight here.
    pub(crate) fn own(&self) -> Own {
        Record::existing().map_or_else(Own::default, |record| record.own(self.token))
    }

    fn is_kind(&self) -> bool {
        self.shell.kind() == kind::KINDS
    }

    /// What to answer a leave without an enter.
    #[cold]
    pub(crate) fn nothing_to_leave(&self) -> Error {
        match self.shell.check(self.identity(None)) {
            Ok(_) => misuse::tell(Misuse::NotInside, self.token),
            Err(refusal) => return misuse::refuse(self.token, refusal),
        }
        Error::NotInside
    }

    /// Has the kind take back what the hold in `slot` has taken (the rest of it, if it was lessened), which is about to be
    /// released.
    #[inline]
    pub(crate) fn give_back(&self, slot: &Slot, is_lessened: bool) {
        if slot.taken() == 0 || !slot.notes(self.token) {
            return;
        }
        if let Some(hook) = kind::release_hook_of(self.shell) {
            // SAFETY: the hold is in flight, so the object is alive; the rest is the contract of `AnyKind::new`.
            Record::run_hook(self.token, || unsafe { hook(self.shell.object(), slot.taken(), is_lessened) });
        }
    }

    /// Releases a hold that is noted in `slot`, on whatever thread.
    #[inline]
    pub(crate) fn release(&self, slot: &Slot) {
        if Record::existing().is_some() {
            lane::leave(self.shell, *self, self.token, slot, None);
        } else {
            lane::leave_as_stranger(self.shell, *self, self.token, slot);
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

    fn is_protected(&self) -> bool {
        records::is_protected(self.token)
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
