//! The function that is told of misuse, and its context: a pair that is read as one, without a lock that a fork could
//! leave taken.
//!
//! Every pair that was ever set stays in memory, once, so that a thread which has just looked one up may call it: there are
//! as many as there are different ones.

use crate::Error;
use crate::allocate::try_box;
use crate::handle::misuse::Misuse;
use crate::shim::{AtomicPtr, Ordering};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Told of a misuse: a [`Misuse`] as its number, and what the caller passed for a handle, kind or hold.
pub type MisuseHook = unsafe extern "C" fn(misuse: i32, handle: *const c_void, ctx: *mut c_void);

struct Pair {
    hook: MisuseHook,
    ctx: *mut c_void,
    next: *const Pair,
}

/// All pairs, the latest first.
static KNOWN: AtomicPtr<Pair> = AtomicPtr::new(ptr::null_mut());
/// The one that is set; null: none.
static CURRENT: AtomicPtr<Pair> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    // Without a destructor: usable while a thread ends.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Sets the function that is told of every misuse, on the thread that does it, unless the level is
/// [`crate::handle::MisuseLevel::Ignore`]; `None`: nobody. A misuse by the function itself is counted, but not told.
///
/// # Errors
/// [`Error::NoMemory`]: it is as it was.
///
/// # Safety
/// `hook` may be called with `ctx` on any thread, on several at once, and by calls that began before it was replaced. It
/// does not unwind.
pub unsafe fn set_misuse_hook(hook: Option<MisuseHook>, ctx: *mut c_void) -> Result<(), Error> {
    let pair = hook.map_or(Ok(ptr::null()), |hook| known(hook, ctx))?;
    // Release: who calls it comes after what the program did before it set it.
    CURRENT.store(pair.cast_mut(), Ordering::Release);
    Ok(())
}

/// The pair of these two. (Two threads that set a new one at once may make it twice.)
fn known(hook: MisuseHook, ctx: *mut c_void) -> Result<*const Pair, Error> {
    // Acquire: pairs with the release that linked it.
    let first: *const Pair = KNOWN.load(Ordering::Acquire);
    // SAFETY: pairs are leaked: null, or alive for ever.
    let mut pairs = std::iter::successors(unsafe { first.as_ref() }, |pair| unsafe { pair.next.as_ref() });
    if let Some(pair) = pairs.find(|pair| ptr::fn_addr_eq(pair.hook, hook) && pair.ctx == ctx) {
        return Ok(pair);
    }
    let pair = Box::into_raw(try_box(Pair { hook, ctx, next: first }).ok_or(Error::NoMemory)?);
    let mut first = first.cast_mut();
    while let Err(now) = KNOWN.compare_exchange(first, pair, Ordering::AcqRel, Ordering::Acquire) {
        first = now;
        // SAFETY: nobody else has seen it yet.
        unsafe { (*pair).next = first };
    }
    Ok(pair)
}

/// Tells whoever is set.
pub(super) fn call(misuse: Misuse, token: u64) {
    // SAFETY: pairs are leaked: null, or alive for ever.
    let Some(pair) = (unsafe { CURRENT.load(Ordering::Acquire).as_ref() }) else { return };
    if !RUNNING.replace(true) {
        let handle: *const c_void = crate::AnyHandle::from_bits(token).into_raw();
        // SAFETY: the promise of who set it.
        unsafe { (pair.hook)(misuse as i32, handle, pair.ctx) };
        RUNNING.set(false);
    }
}
