//! Linux.

use crate::shim::{AtomicU32, Ordering, compiler_fence};

const UNKNOWN: u32 = 0;
const REGISTERED: u32 = 1;
const MISSING: u32 = 2;

/// Whether this address space is registered, which the first command requires. A forked child inherits
/// it; after exec this starts anew.
static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

pub(crate) fn is_available() -> bool {
    // Relaxed: the kernel orders its own registration; two threads may both ask, which is harmless.
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => register(),
        state => state == REGISTERED,
    }
}

#[cold]
fn register() -> bool {
    let is_registered = command(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    STATE.store(if is_registered { REGISTERED } else { MISSING }, Ordering::Relaxed);
    is_registered
}

#[inline]
pub(crate) fn light() {
    compiler_fence(Ordering::SeqCst);
}

pub(crate) fn heavy() -> bool {
    // A process that was checkpointed and restored has lost its registration. One that was forbidden the call since
    // (seccomp) is refused both.
    let ordered = command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
        || (register() && command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    if !ordered {
        // No further handle opens its lane.
        STATE.store(MISSING, Ordering::Relaxed);
    }
    ordered
}

fn command(command: libc::c_int) -> bool {
    // SAFETY: takes numbers only, and changes nothing of this process's memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
