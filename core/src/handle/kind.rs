//! Kinds: what the handles of one sort have in common. A kind is itself a handle, of the kind of kinds.
//!
//! Each live handle counts as in flight on its kind, from before it is opened until after its last
//! callback returned. So freeing a kind is the ordinary free: close (no new handles), wait for those in
//! flight (its handles), destroy. And once it is destroyed no callback of it can start.

use crate::allocate::try_box;
use crate::handle::any::AnyHandle;
use crate::handle::counters::{Counter, count};
use crate::handle::ending::Vacated;
use crate::handle::free::{self, Begun, Freed};
use crate::handle::label::Label;
use crate::handle::lane;
use crate::handle::life::Life;
use crate::handle::many::{self, Batch};
use crate::handle::misuse;
use crate::handle::record::Record;
use crate::handle::resolved::Resolved;
use crate::handle::shell::{Shell, Tenant};
use crate::handle::token::Parts;
use crate::handle::{DIRECTORY, process, vacant};
use crate::shim::{AtomicU64, Ordering};
use crate::{Deadline, Error, deadline};
use std::cell::RefCell;
use std::ffi::c_void;
use std::time::Duration;

/// The kind of kinds. Even, so no token.
pub(crate) const KINDS: u64 = 2;
/// The kind of holds.
pub(crate) const HOLDS: u64 = 4;

/// A callback: the handle's object, and the kind's context.
pub type Hook = unsafe extern "C" fn(object: *mut c_void, ctx: *mut c_void);

/// Takes back what a hold had taken of the handle's object, or the rest of it if it was lessened. Called once for each, before
/// the hold ends.
pub(crate) type ReleaseHook = unsafe extern "C" fn(object: *mut c_void, taken: u64, is_lessened: bool);

/// A kind's callbacks.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Wakes what blocks. May be called more than once.
    pub on_close: Option<Hook>,
    /// Destroys the object. Called once.
    pub on_destroy: Option<Hook>,
    /// Passed to both.
    pub ctx: *mut c_void,
}

const NO_HOOKS: Hooks = Hooks { on_close: None, on_destroy: None, ctx: std::ptr::null_mut() };

struct KindObject {
    name: Label,
    hooks: Hooks,
    on_release: Option<ReleaseHook>,
}

/// What a caller says is a kind: any value at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct AnyKind(AnyHandle);

impl AnyKind {
    /// A new kind, called `name` (cut to 31 bytes) in reports.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`].
    ///
    /// # Safety
    /// The callbacks may be called from any thread with each object that a handle of this kind is opened
    /// for, until the kind is destroyed. They do not unwind.
    pub unsafe fn new(name: &str, hooks: Hooks) -> Result<AnyKind, Error> {
        // SAFETY: the caller's promise.
        unsafe { AnyKind::with_holds(name, hooks, None) }
    }

    /// The same, of objects that holds take something of.
    ///
    /// # Errors
    /// As [`AnyKind::new`].
    ///
    /// # Safety
    /// As [`AnyKind::new`], and so may `on_release` be called.
    pub(crate) unsafe fn with_holds(
        name: &str,
        hooks: Hooks,
        on_release: Option<ReleaseHook>,
    ) -> Result<AnyKind, Error> {
        let key = process::key_or_draw()?;
        Record::current()?;
        let object = try_box(KindObject { name: Label::new(), hooks, on_release }).ok_or(Error::NoMemory)?;
        object.name.set(name);
        let (index, shell) = vacant::take()?;
        let tenant = Tenant { kind: KINDS, object: Box::into_raw(object).cast(), target: 0, key, index };
        let generation = shell.open(tenant, deadline::now());
        Ok(AnyKind(AnyHandle::from_bits(Parts { key, index, generation }.join())))
    }

    /// Whatever the caller has, as C holds it.
    #[must_use]
    pub fn from_raw<C>(raw: *const C) -> AnyKind {
        AnyKind(AnyHandle::from_raw(raw))
    }

    /// As a handle, which it is.
    #[must_use]
    pub fn handle(self) -> AnyHandle {
        self.0
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0.bits()
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> AnyKind {
        AnyKind(AnyHandle::from_bits(bits))
    }

    /// Counts a handle that is about to be opened.
    pub(crate) fn retain(self) -> Result<(), Error> {
        let resolved = Resolved::find(self.bits())?;
        resolved.shell.admit(resolved.identity(Some(KINDS))).map_err(|refusal| misuse::refuse(self.bits(), refusal))
    }

    /// What to answer a caller that named this kind, when `error` is that a handle is not of it: it may
    /// be no kind at all.
    #[inline]
    pub(crate) fn explain(self, error: Error) -> Error {
        if error == Error::WrongKind { self.explain_mismatch() } else { error }
    }

    #[cold]
    fn explain_mismatch(self) -> Error {
        match Resolved::find(self.bits()).and_then(|kind| Ok(kind.shell.check(kind.identity(Some(KINDS)))?)) {
            // A kind that is over has no live handles: the handle is of another.
            Ok(_) | Err(Error::Freed | Error::WrongKind) => Error::WrongKind,
            Err(error) => error,
        }
    }

    /// `handle` as a kind, if it is one that is not over.
    pub(crate) fn of(handle: AnyHandle) -> Option<AnyKind> {
        let found = Resolved::find(handle.bits()).ok()?;
        found.shell.check(found.identity(Some(KINDS))).is_ok().then_some(AnyKind(handle))
    }

    /// How many handles of this kind are not over. Looks at every shell.
    #[must_use]
    pub fn count_live(self) -> usize {
        many::live(Some(self.bits())).count()
    }

    /// A handle of this kind that is not over.
    pub(crate) fn any_live(self) -> Option<AnyHandle> {
        many::live(Some(self.bits())).next().map(|handle| AnyHandle::from_bits(handle.token))
    }

    /// Ends the kind: no new handles, the existing ones are freed, all within `timeout`. Answers how
    /// many handles are left: with none, no callback of this kind can start any more, and the code
    /// behind them may be unloaded.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Forked`],
    /// [`Error::NoMemory`].
    pub fn close(self, timeout: Duration) -> Result<(Freed, usize), Error> {
        let kind = Resolved::find(self.bits())?;
        let deadline = Deadline::after(timeout);
        // Before anything is closed. Handles that are opened meanwhile may find no room, and are counted as
        // left.
        let batch = RefCell::new(Batch::with_room(self.count_live() + SPARE_ROOM)?);
        let life = KindLife { kind, deadline, batch };
        let begun = free::begin(kind.shell, kind.identity(Some(KINDS)), life);
        let freed = match begun.map_err(|refusal| misuse::refuse(self.bits(), refusal))? {
            Begun::Over(freed) => freed,
            Begun::Stale(life) => free::freed_again(&life),
            Begun::Closed(closing) => {
                let mut closings = [closing];
                free::finish(&mut closings, deadline);
                closings[0].outcome()
            }
            // Somebody else closed it, with `free` perhaps: its handles may still be open.
            Begun::Lost(life) => {
                life.free_handles();
                free::outlive(kind.shell, deadline, &kind).into()
            }
        };
        // What still counts on the kind: its handles, and those whose last callbacks are running.
        let left = kind.shell.check(kind.identity(None)).map_or(0, |state| state.count() as usize);
        Ok((freed, left))
    }
}

/// A kind that is closed together with its handles.
struct KindLife {
    kind: Resolved,
    deadline: Deadline,
    batch: RefCell<Batch>,
}

/// For handles that are being opened while their kind is closed.
const SPARE_ROOM: usize = 64;

impl KindLife {
    fn free_handles(&self) {
        // Busy when a callback of one of the handles closes the kind again; then the outer call has them.
        if let Ok(mut batch) = self.batch.try_borrow_mut() {
            batch.free_live(Some(self.kind.token), self.deadline);
        }
    }
}

impl Life for KindLife {
    fn generation(&self) -> u32 {
        self.kind.generation()
    }

    fn protecting(&self) -> u32 {
        self.kind.protecting()
    }

    fn is_alone(&self) -> bool {
        self.kind.is_alone()
    }

    /// What keeps a kind from draining is its handles. One that was being opened during the close is
    /// found the next time.
    fn on_close(&self) -> bool {
        self.free_handles();
        true
    }

    fn waits_for_itself(&self, in_flight: u32) -> bool {
        self.kind.waits_for_itself(in_flight)
    }

    fn may_wait_for_itself_later(&self) -> bool {
        self.kind.may_wait_for_itself_later()
    }

    fn freed_again(&self) {
        self.kind.freed_again();
    }

    fn on_destroy(&self) {
        self.kind.on_destroy();
    }

    fn vacated(&self, vacated: Vacated) {
        self.kind.vacated(vacated);
    }
}

/// Whether the caller keeps `kind` from draining: one of its handles waits for the caller itself.
#[cold]
pub(crate) fn is_kept_by_caller(kind: u64) -> bool {
    many::live(Some(kind)).any(|handle| handle.waits_for_itself(free::in_flight(handle.shell.look(), &handle)))
}

/// The kind's object, from its token. The caller knows that a handle of it is counted.
#[inline]
fn object_of(kind: u64) -> Option<&'static KindObject> {
    let shell = DIRECTORY.get(Parts::of(kind)?.index)?;
    // SAFETY: a counted handle keeps its kind's object alive, and only kinds have this kind of object; even
    // ones (holds, the kind of kinds) were refused by `split`.
    unsafe { shell.object().cast::<KindObject>().as_ref() }
}

/// The callbacks for the object in `shell`, whose life cannot end meanwhile.
pub(crate) fn hooks_of(shell: &Shell) -> Hooks {
    object_of(shell.kind()).map_or(NO_HOOKS, |kind| kind.hooks)
}

/// What takes back what holds of the object in `shell` had taken; one of them is in flight.
#[inline]
pub(crate) fn release_hook_of(shell: &Shell) -> Option<ReleaseHook> {
    object_of(shell.kind()).and_then(|kind| kind.on_release)
}

/// The name of `kind`, padded with NULs; the caller is counted.
pub(crate) fn name_of(kind: u64) -> [u8; 32] {
    match kind {
        KINDS => *b"kind\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        kind => object_of(kind).map_or([0; 32], |kind| kind.name.get()),
    }
}

/// Destroys what `shell` stands for; the caller owns its end.
pub(crate) fn destroy_object(shell: &Shell) {
    if shell.kind() == KINDS {
        // SAFETY: made in `AnyKind::new`; the end has one owner.
        drop(unsafe { Box::from_raw(shell.object().cast::<KindObject>()) });
        return;
    }
    let hooks = hooks_of(shell);
    if let Some(hook) = hooks.on_destroy {
        // SAFETY: the end has one owner and comes after the last leave; the rest is the contract of
        // `AnyKind::new`.
        unsafe { hook(shell.object(), hooks.ctx) };
    }
    // Before the life is over: whoever has waited for its end finds it counted.
    count(Counter::Freed);
}

/// A handle of `kind` is over, after its last callback.
pub(crate) fn release(kind: u64) {
    if let Ok(kind) = Resolved::find(kind) {
        lane::leave_counted(kind.shell, kind);
    }
}

static HOOK_PANICS: AtomicU64 = AtomicU64::new(0);

/// How many panics in `on_close`, destructors and `on_freed` callbacks written in Rust were contained so
/// far, in this process.
#[must_use]
pub fn hook_panics() -> u64 {
    HOOK_PANICS.load(Ordering::Relaxed)
}

/// Runs a hook written in Rust. A panic goes no further (Rust's panic hook has printed it by then) and
/// is counted.
#[inline]
pub(crate) fn contain(hook: impl FnOnce()) {
    if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook)) {
        // Leaked: its own destructor may panic.
        std::mem::forget(payload);
        HOOK_PANICS.fetch_add(1, Ordering::Relaxed);
    }
}
