//! The thread that measures: on a core of its own, and told when it was descheduled.

use std::io;

/// The calling thread stays on one core until this is dropped; then it may run where it might before.
#[derive(Debug)]
pub struct Pinned {
    before: libc::cpu_set_t,
}

/// How often the calling thread has been off its core: it gave it up, or it was taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// It waited for something.
    pub voluntary: libc::c_long,
    /// Something else wanted the core.
    pub involuntary: libc::c_long,
}

/// The cores this process may run on.
pub fn cores() -> io::Result<Vec<usize>> {
    let set = affinity()?;
    let most = usize::try_from(libc::CPU_SETSIZE).expect("a small number");
    // SAFETY: `core` is below CPU_SETSIZE.
    Ok((0..most).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect())
}

/// The first two cores: for the thread that measures, and the one beside it.
///
/// With one core there is nothing beside: that is an error, because most of the report would be wrong.
pub fn two_cores() -> io::Result<[usize; 2]> {
    match cores()?[..] {
        [first, second, ..] => Ok([first, second]),
        _ => Err(io::Error::other("two cores are needed to measure two threads")),
    }
}

impl Pinned {
    /// Pins the calling thread to `core`.
    pub fn to(core: usize) -> io::Result<Pinned> {
        let before = affinity()?;
        // SAFETY: all-zero bytes are the empty set.
        let mut only: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: `core` came from `cores`, so it is below CPU_SETSIZE.
        unsafe { libc::CPU_SET(core, &mut only) };
        set_affinity(&only)?;
        Ok(Pinned { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Refused only if the cores were taken away meanwhile; then there is nothing to go back to.
        let _ = set_affinity(&self.before);
    }
}

impl Switches {
    /// As of now.
    pub fn now() -> Switches {
        // SAFETY: all-zero bytes are a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is writable.
        let answer = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
        assert_eq!(answer, 0, "RUSAGE_THREAD is always there on Linux");
        Switches { voluntary: usage.ru_nvcsw, involuntary: usage.ru_nivcsw }
    }
}

fn affinity() -> io::Result<libc::cpu_set_t> {
    // SAFETY: all-zero bytes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is writable and as long as said.
    match unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } {
        0 => Ok(set),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: `set` is readable and as long as said.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
