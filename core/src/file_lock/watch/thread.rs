//! Starts the thread of the watcher. Not with `std::thread`, which ends the process when there is no memory.

use crate::file_lock::process::Process;
use crate::file_lock::system::Errno;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

/// Wakers run on it, which may be anybody's.
const STACK: usize = 512 << 10;

/// Starts the thread, detached, with all signals blocked: they are the program's own threads'.
pub(super) fn start(process: &'static Process) -> Result<(), Errno> {
    let argument: *const Process = process;
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: each is written by the call that has it first, and used only if that succeeded. The process is leaked.
    unsafe {
        let failed = libc::pthread_attr_init(attributes.as_mut_ptr());
        if failed != 0 {
            return Err(failed);
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let failed = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), main, argument.cast_mut().cast());
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if failed == 0 { Ok(()) } else { Err(failed) }
    }
}

extern "C" fn main(argument: *mut c_void) -> *mut c_void {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: a C string of less than 16 bytes.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"qz-file-lock".as_ptr());
    }
    // SAFETY: what `start` passed, which is leaked.
    super::run(unsafe { &*argument.cast::<Process>() });
    ptr::null_mut()
}
