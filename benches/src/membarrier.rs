//! The barrier that makes every running thread of the process pass one.

use crate::error::Error;
use std::io;

const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

/// Once per process, before the first.
pub fn register() -> Result<(), Error> {
    call(REGISTER_PRIVATE_EXPEDITED).map_err(|error| Error::new(format!("the kernel refuses membarrier: {error}")))
}

/// One barrier.
pub fn issue() {
    call(PRIVATE_EXPEDITED).expect("registered before");
}

fn call(command: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    match unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
