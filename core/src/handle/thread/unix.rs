//! POSIX threads.

use crate::handle::record::Record;
use crate::shim::{AtomicU64, Ordering};
use std::cell::Cell;
use std::ffi::c_void;

/// The pthread key plus one; 0: none yet. A pthread key rather than a Rust thread-local destructor:
/// the latter ends the process when it cannot be registered, and runs before the host's own key
/// destructors, which may still leave.
static KEY: AtomicU64 = AtomicU64::new(0);

/// How often key destructors are called while values are set again (`PTHREAD_DESTRUCTOR_ITERATIONS`):
/// POSIX promises four.
const ROUNDS: u32 = 4;

thread_local! {
    // Without a destructor.
    static ROUND: Cell<u32> = const { Cell::new(0) };
}

/// Asks for [`Record::end`] to be called with `record` at the end of this thread.
pub(crate) fn at_end(record: &'static Record) -> bool {
    let Some(key) = key() else { return false };
    // SAFETY: the key exists for ever.
    unsafe { libc::pthread_setspecific(key, std::ptr::from_ref(record).cast()) == 0 }
}

fn key() -> Option<libc::pthread_key_t> {
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        return libc::pthread_key_t::try_from(known - 1).ok();
    }
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is writable, and the destructor has the right type.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
        return None;
    }
    // Signed in places, and never negative.
    let number = u64::try_from(i128::from(key)).unwrap_or(0);
    match KEY.compare_exchange(0, number + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(key),
        Err(first) => {
            // SAFETY: created above, and nobody has seen it.
            unsafe { libc::pthread_key_delete(key) };
            libc::pthread_key_t::try_from(first - 1).ok()
        }
    }
}

unsafe extern "C" fn destructor(record: *mut c_void) {
    // SAFETY: the value was set in `at_end`: a leaked record.
    let record: &'static Record = unsafe { &*record.cast::<Record>() };
    let round = ROUND.get() + 1;
    ROUND.set(round);
    // Another key's destructor may still leave, in this round or the next: ours asks to be called again.
    if !(record.has_operations() && round < ROUNDS && at_end(record)) {
        record.end();
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments, cannot fail.
    u64::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or(0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::pthread_self() as u64 }
}

pub(crate) fn name() -> [u8; 16] {
    let mut name = [0u8; 16];
    // SAFETY: sixteen writable bytes; the name is cut or refused if it does not fit.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    unsafe {
        libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
    }
    // SAFETY: as above.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    unsafe {
        libc::pthread_getname_np(libc::pthread_self(), name.as_mut_ptr().cast(), name.len());
    }
    name[15] = 0;
    name
}
