//! How much memory is taken: by this process, and by the kernel for its threads.

use crate::error::Error;
use std::fs;

/// Bytes of this process that are resident.
pub fn resident() -> Result<u64, Error> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    // SAFETY: takes no pointers.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok();
    pages.zip(page).map(|(pages, page)| pages * page).ok_or_else(|| Error::new("cannot read /proc/self/statm"))
}

/// Bytes of the stacks that threads have in the kernel, of all processes. `None`: it does not tell.
pub fn kernel_stacks() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("KernelStack:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
