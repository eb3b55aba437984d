//! Handles of a Rust type: what an author implements, and the typed token.

use crate::allocate::try_box;
use crate::handle::any::AnyHandle;
use crate::handle::free::Freed;
use crate::handle::hold::{HoldToken, RawHold};
use crate::handle::kind::{AnyKind, Hooks, contain};
use crate::handle::operation::RawEntry;
use crate::handle::process;
use crate::handle::slot::{Phase, Slot};
use crate::handle::token::Parts;
use crate::shim::{AtomicU64, Ordering};
use crate::{Error, deadline};
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::time::Duration;

/// A type whose values foreign code holds by tokens. `Drop` is its destructor.
pub trait Handle: Sized + Send + Sync + 'static {
    /// The kind of the handles of this type: a `static` of the author's.
    fn kind() -> &'static Kind<Self>;

    /// Wakes whatever blocks inside operations on this value, because it is being freed.
    ///
    /// Called by the thread that frees, when operations or holds are in flight, and again with growing
    /// pauses (1 to 64 ms) until they have left: an operation may have been admitted just before and
    /// begin to block just after. So it must be idempotent. Never called during or after `drop`. A
    /// panic in it is contained and counted.
    fn on_close(&self) {}

    /// Takes back what a hold of this value had taken (not 0): see [`crate::ffi::take`]. Called once for each, on the thread that
    /// releases it, before the hold ends. A panic in it is contained and counted.
    fn on_release(&self, _taken: u64) {}

    /// As [`Handle::on_release`], of a hold that was lessened: takes back the rest. See [`crate::ffi::lessen`].
    fn on_release_rest(&self, _taken: u64) {}
}

/// The kind of the handles of one Rust type. Make it a `static`.
pub struct Kind<T> {
    name: &'static str,
    token: AtomicU64,
    of: PhantomData<fn(T) -> T>,
}

/// A typed handle: what foreign code holds. Plain data, to copy and to send; whether it is still alive
/// each use finds out.
#[repr(transparent)]
pub struct Token<T> {
    handle: AnyHandle,
    of: PhantomData<fn(T) -> T>,
}

/// An operation in flight: the value, alive while this is. It ends on the thread that began it, and so
/// cannot be sent.
///
/// Forgetting it is safe: the free then waits out its deadline and stays pending.
#[must_use = "the operation ends when this is dropped"]
pub struct Entry<T> {
    entry: ManuallyDrop<RawEntry>,
    of: PhantomData<*const T>,
}

/// A hold: the value, alive until this is dropped, on whichever thread.
#[must_use = "the hold is released when this is dropped"]
pub struct Hold<T> {
    object: *const T,
    hold: ManuallyDrop<RawHold>,
}

// SAFETY: a hold may be released, and its value used and dropped, on any thread, as `T` (a `Handle`)
// allows.
unsafe impl<T: Send + Sync> Send for Hold<T> {}
// SAFETY: shares `&T` only.
unsafe impl<T: Sync> Sync for Hold<T> {}

impl<T: Handle> Kind<T> {
    /// A kind, called `name` (cut to 31 bytes) in reports. It costs nothing until its first handle.
    #[must_use]
    pub const fn new(name: &'static str) -> Kind<T> {
        Kind { name, token: AtomicU64::new(0), of: PhantomData }
    }

    /// Ends the kind: no new handles, the existing ones are freed, all within `timeout`. Answers how
    /// many are left: with none, no code of `T`'s runs any more on behalf of a handle.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`].
    pub fn close(&'static self, timeout: Duration) -> Result<(Freed, usize), Error> {
        self.any()?.close(timeout)
    }

    /// The kind as the untyped layer knows it: made at the first use, and again in a forked child.
    fn any(&self) -> Result<AnyKind, Error> {
        let known = self.token.load(Ordering::Acquire);
        if Parts::split(known, process::mark()).is_some() {
            return Ok(AnyKind::from_bits(known));
        }
        let hooks =
            Hooks { on_close: Some(on_close::<T>), on_destroy: Some(on_destroy::<T>), ctx: std::ptr::null_mut() };
        // SAFETY: the callbacks are those of `T`, only `Token::open` opens handles of this kind, for boxed `T`s,
        // and nothing unwinds out of them.
        let made = unsafe { AnyKind::with_holds(self.name, hooks, Some(on_release::<T>)) }?;
        match self.token.compare_exchange(known, made.bits(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(made),
            Err(first) => {
                let freed = made.handle().free(None, Duration::ZERO);
                debug_assert_eq!(freed, Ok(Freed::Destroyed), "nobody has seen it");
                Ok(AnyKind::from_bits(first))
            }
        }
    }

    /// For a comparison only: a kind that was not made yet has no handles.
    #[inline]
    pub(super) fn expected(&self) -> AnyKind {
        AnyKind::from_bits(self.token.load(Ordering::Relaxed))
    }
}

unsafe extern "C" fn on_close<T: Handle>(object: *mut c_void, _ctx: *mut c_void) {
    // SAFETY: an object of this kind is a boxed `T`, alive: the closer is counted.
    contain(|| unsafe { &*object.cast::<T>() }.on_close());
}

unsafe extern "C" fn on_release<T: Handle>(object: *mut c_void, taken: u64, is_lessened: bool) {
    // SAFETY: an object of this kind is a boxed `T`, alive: the hold is in flight.
    let value = unsafe { &*object.cast::<T>() };
    contain(|| if is_lessened { value.on_release_rest(taken) } else { value.on_release(taken) });
}

unsafe extern "C" fn on_destroy<T: Handle>(object: *mut c_void, _ctx: *mut c_void) {
    // SAFETY: an object of this kind is a boxed `T`, and the end of a handle has one owner.
    contain(|| drop(unsafe { Box::from_raw(object.cast::<T>()) }));
}

impl<T: Handle> Token<T> {
    /// A new handle for `value`. When it is refused, `value` is dropped.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`], and [`Error::Freed`] once the kind is closed.
    pub fn open(value: T) -> Result<Token<T>, Error> {
        let kind = T::kind().any()?;
        let object = Box::into_raw(try_box(value).ok_or(Error::NoMemory)?);
        // SAFETY: a boxed `T` is what this kind's callbacks expect, and `T` is `Send + Sync`.
        match unsafe { AnyHandle::open(kind, object.cast()) } {
            Ok(handle) => Ok(Token { handle, of: PhantomData }),
            Err(error) => {
                // SAFETY: refused: it is still ours.
                drop(unsafe { Box::from_raw(object) });
                Err(error)
            }
        }
    }

    /// Begins an operation: the value, alive while the answer is. `operation` names it in reports.
    ///
    /// Never blocks; allocates nothing after the thread's first call (up to eight operations at once).
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Freed`], [`Error::Forked`],
    /// [`Error::Limit`], [`Error::NoMemory`].
    // Always: what it answers is in registers then. In memory it is written in parts and read as a whole, which a processor
    // stalls at.
    #[inline(always)]
    pub fn enter(self, operation: &'static CStr) -> Result<Entry<T>, Error> {
        // SAFETY: a `'static` C string.
        let entry = unsafe { self.handle.enter_own(T::kind().expected(), operation.as_ptr()) }?;
        Ok(Entry { entry: ManuallyDrop::new(entry), of: PhantomData })
    }

    /// [`Token::enter`], if it is done with a few looks and stores. Otherwise [`Token::enter_after`] is to be called with what
    /// this answers.
    #[inline(always)]
    pub(crate) fn enter_at_once(self, operation: &'static CStr) -> Result<Entry<T>, Option<&'static Slot>> {
        // SAFETY: a `'static` C string.
        let entry = unsafe { self.handle.enter_own_at_once(T::kind().expected(), operation.as_ptr()) }?;
        Ok(Entry { entry: ManuallyDrop::new(entry), of: PhantomData })
    }

    /// The whole of [`Token::enter`].
    pub(crate) fn enter_after(
        self,
        operation: &'static CStr,
        filled: Option<&'static Slot>,
    ) -> Result<Entry<T>, Error> {
        // SAFETY: a `'static` C string.
        let entry = unsafe { self.handle.enter_own_after(T::kind().expected(), operation.as_ptr(), filled) }?;
        Ok(Entry { entry: ManuallyDrop::new(entry), of: PhantomData })
    }

    /// Takes a hold: as [`Token::enter`], for what outlives a call or leaves on another thread.
    ///
    /// # Errors
    /// As [`Token::enter`].
    pub fn hold(self, operation: &'static CStr) -> Result<Hold<T>, Error> {
        // SAFETY: a `'static` C string.
        unsafe { self.enter_to_hold(operation.as_ptr(), Phase::Held) }
    }

    /// Begins to wait for something to hold: see [`Hold::keep`]. In reports the thread is waiting.
    ///
    /// # Errors
    /// As [`Token::enter`].
    #[inline]
    pub(crate) fn wait_to_hold(self, operation: &'static CStr) -> Result<Hold<T>, Error> {
        // SAFETY: a `'static` C string.
        unsafe { self.enter_to_hold(operation.as_ptr(), Phase::Waiting) }
    }

    /// # Safety
    /// `operation` is null or a C string that is never given back.
    #[inline]
    unsafe fn enter_to_hold(self, operation: *const c_char, phase: Phase) -> Result<Hold<T>, Error> {
        // SAFETY: the caller's promise.
        let (object, hold) = unsafe { RawHold::take_own(self.handle, T::kind().expected(), operation, phase) }?;
        Ok(Hold { object: object.cast(), hold: ManuallyDrop::new(hold) })
    }

    /// Frees: closes, calls [`Handle::on_close`] while somebody is inside, waits up to `timeout` for
    /// them, drops the value.
    ///
    /// A thread that is inside itself, or whose own holds are all that is in flight, is answered
    /// [`Freed::Pending`] at once; a timeout of zero never waits.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Forked`]. Nothing was
    /// freed.
    pub fn free(self, timeout: Duration) -> Result<Freed, Error> {
        self.handle.free(Some(T::kind().expected()), timeout)
    }

    /// Frees if nobody is inside.
    ///
    /// # Errors
    /// [`Error::Busy`]: somebody is inside; the handle stays as it was, and nobody was refused for it. Others as [`Token::free`].
    pub fn try_free(self) -> Result<Freed, Error> {
        self.handle.try_free(Some(T::kind().expected()))
    }

    /// Waits up to `timeout` until the value is dropped, by whomever. Any number of threads may wait,
    /// any number of times.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Deadlock`] (the caller itself is inside), [`Error::Null`],
    /// [`Error::BadHandle`], [`Error::Forked`].
    pub fn wait_freed(self, timeout: Duration) -> Result<(), Error> {
        self.handle.wait_freed(Some(T::kind().expected()), timeout)
    }

    /// Has `run` called once, right after the value is dropped, by the thread that dropped it; at once
    /// if that has happened already ([`Freed::AlreadyFreed`], else [`Freed::Pending`]). A panic in
    /// it is contained and counted.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Null`], [`Error::BadHandle`], [`Error::Forked`]; then it is never
    /// called.
    pub fn on_freed(self, run: impl FnOnce() + Send + 'static) -> Result<Freed, Error> {
        self.handle.on_freed(Some(T::kind().expected()), try_box(|| contain(run)).ok_or(Error::NoMemory)?)
    }

    /// Whether operations should come to an end: `true` unless the handle is open.
    #[must_use]
    pub fn is_closing(self) -> bool {
        self.handle.is_closing(Some(T::kind().expected()))
    }

    /// What may be a handle of this type. Each use finds out.
    pub(crate) fn of(handle: AnyHandle) -> Token<T> {
        Token { handle, of: PhantomData }
    }

    /// The untyped handle.
    #[must_use]
    pub fn any(self) -> AnyHandle {
        self.handle
    }

    /// Whatever a caller has, as C holds it. Each use finds out what it is.
    #[must_use]
    #[inline]
    pub fn from_raw<C>(raw: *const C) -> Token<T> {
        Token { handle: AnyHandle::from_raw(raw), of: PhantomData }
    }

    /// For C. Never to be dereferenced.
    #[must_use]
    pub fn into_raw<C>(self) -> *mut C {
        self.handle.into_raw()
    }
}

impl<T: Handle> Entry<T> {
    /// Gives the entry up and keeps the operation in flight, to be ended by [`AnyHandle::leave`] on this thread: for a C
    /// surface that has an enter and a leave of its own.
    pub fn detach(self) {
        ManuallyDrop::new(self).entry.detach();
    }
}

impl<T: Handle> Deref for Entry<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: entered under this kind, so the object is a boxed `T`, alive until the leave in `drop`.
        unsafe { &*self.entry.object().cast::<T>() }
    }
}

impl<T> Drop for Entry<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: dropped once, and not used afterwards.
        unsafe { ManuallyDrop::take(&mut self.entry) }.leave();
    }
}

impl<T: Handle> Hold<T> {
    /// A token for C, to be released with [`crate::ffi::release`]. When it is refused, the hold is
    /// released.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`].
    #[inline]
    pub fn into_token(self) -> Result<HoldToken, Error> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the hold is taken once.
        unsafe { ManuallyDrop::take(&mut this.hold) }.into_token()
    }
}

impl<T: Handle> Hold<T> {
    /// The wait is over, and `taken` is what [`Handle::on_release`] is told when the hold is released: a token for C.
    /// `waited`: some time has passed since it began.
    ///
    /// # Errors
    /// [`Error::NoMemory`], [`Error::Limit`]; then it is given back.
    #[inline]
    pub(crate) fn keep(self, taken: u64, waited: bool) -> Result<HoldToken, Error> {
        self.hold.take_over(taken, if waited { deadline::now() } else { self.hold.since() });
        self.into_token()
    }

    /// What the calling thread has taken from the same handle, and not passed on.
    pub(crate) fn own_holds(&self) -> u32 {
        self.hold.own_holds()
    }
}

impl<T: Handle> Deref for Hold<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: taken under this kind, so the object is a boxed `T`, alive until the release.
        unsafe { &*self.object }
    }
}

impl<T> Drop for Hold<T> {
    fn drop(&mut self) {
        // SAFETY: dropped once, and not used afterwards.
        unsafe { ManuallyDrop::take(&mut self.hold) }.release();
    }
}

impl<T> Clone for Token<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Token<T> {}
impl<T> PartialEq for Token<T> {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}
impl<T> Eq for Token<T> {}
impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:#x})", self.handle.bits())
    }
}
impl<T: Handle + fmt::Debug> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&**self).finish()
    }
}
impl<T: Handle + fmt::Debug> fmt::Debug for Hold<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&**self).finish()
    }
}
