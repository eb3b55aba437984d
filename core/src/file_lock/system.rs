//! The calls of the operating system: each repeats itself after a signal, and answers an error number.
//!
//! Not those of `std::fs`: they allocate for long paths, and end the process when there is no memory.

use crate::file_lock::identity::{Found, Identity};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An open file.
pub(super) type Descriptor = OwnedFd;

/// The error number of a call that failed.
pub(super) type Errno = i32;

/// Of the call that just failed.
fn errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Repeats `call` until it is not interrupted; negative is an error.
pub(super) fn repeat<N: Copy + PartialOrd + From<i8>>(mut call: impl FnMut() -> N) -> Result<N, Errno> {
    loop {
        let answer = call();
        if answer >= N::from(0) {
            return Ok(answer);
        }
        let errno = errno();
        if errno != libc::EINTR {
            return Err(errno);
        }
    }
}

/// What the umask is taken from.
const CREATED: libc::mode_t = 0o666;
const OPEN: i32 = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;

/// Opens for reading and writing. Never blocks (on a pipe) and gets no terminal; not inherited through `exec`.
pub(super) fn open(path: &CStr, more_flags: i32) -> Result<OwnedFd, Errno> {
    let flags = OPEN | more_flags;
    // SAFETY: `path` is a C string; the mode is read if the file is created.
    let descriptor = repeat(|| unsafe { libc::open(path.as_ptr(), flags, CREATED as libc::c_uint) })?;
    // SAFETY: it was just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Opens for reading what is there; as [`open`] otherwise.
pub(super) fn open_to_read(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
    // SAFETY: `path` is a C string.
    let descriptor = repeat(|| unsafe { libc::open(path.as_ptr(), flags) })?;
    // SAFETY: it was just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes a file in `directory` that nobody finds, and that is gone with its descriptor unless it is given a name. An error: it cannot be
/// done here.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn open_nameless(directory: &CStr) -> Result<OwnedFd, Errno> {
    let file = open(directory, libc::O_TMPFILE)?;
    // Before Linux 6.0 the umask is not heeded on file systems without access lists. Who has none makes it the other way for nothing.
    if fstat(&file)?.st_mode & CREATED == CREATED { Err(libc::EOPNOTSUPP) } else { Ok(file) }
}

/// Gives a file that has no name this one, unless that is taken (`EEXIST`). Needs /proc.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn give_name(file: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    use std::fmt::Write;
    let mut nameless = [0; 40];
    // Of the thread, which may have descriptors of its own.
    let _ = write!(crate::text::Cut::within(&mut nameless), "/proc/thread-self/fd/{}", file.as_raw_fd());
    let from = nameless.as_ptr().cast();
    // SAFETY: two C strings, of which the first ends with a NUL as text in fixed memory does.
    let link = || unsafe { libc::linkat(libc::AT_FDCWD, from, libc::AT_FDCWD, path.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    repeat(link).map(|_| ())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn open_nameless(_directory: &CStr) -> Result<OwnedFd, Errno> {
    Err(libc::ENOSYS)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn give_name(_file: &OwnedFd, _path: &CStr) -> Result<(), Errno> {
    Err(libc::ENOSYS)
}

/// What `file` is.
pub(super) fn stat(file: &OwnedFd) -> Result<Found, Errno> {
    fstat(file).map(|stat| found(&stat))
}

fn fstat(file: &OwnedFd) -> Result<libc::stat, Errno> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is writable.
    repeat(|| unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: written.
    Ok(unsafe { stat.assume_init() })
}

/// What `path` leads to.
pub(super) fn stat_path(path: &CStr) -> Result<Found, Errno> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a C string, and `stat` is writable.
    repeat(|| unsafe { libc::stat(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: written.
    Ok(found(unsafe { stat.assume_init_ref() }))
}

/// Which file the descriptor of that number is. For a forked child.
pub(super) fn identity_of(descriptor: i32) -> Option<Identity> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a number, and `stat` is writable.
    let is_there = unsafe { libc::fstat(descriptor, stat.as_mut_ptr()) } == 0;
    // SAFETY: written, if that succeeded.
    is_there.then(|| found(unsafe { stat.assume_init_ref() }).identity)
}

/// Closes a descriptor that nobody owns. For a forked child.
pub(super) fn close(descriptor: i32) {
    // SAFETY: the caller knows that nobody uses it.
    unsafe { libc::close(descriptor) };
}

fn found(stat: &libc::stat) -> Found {
    let identity = Identity { device: stat.st_dev, inode: stat.st_ino };
    Found { identity, is_regular: stat.st_mode & libc::S_IFMT == libc::S_IFREG }
}

pub(super) fn make_directory(path: &CStr) -> Result<(), Errno> {
    // SAFETY: a C string.
    repeat(|| unsafe { libc::mkdir(path.as_ptr(), 0o777) }).map(|_| ())
}

/// Removes an empty directory.
pub(super) fn remove_directory(path: &CStr) {
    // SAFETY: a C string.
    unsafe { libc::rmdir(path.as_ptr()) };
}

/// `flock`, which never blocks here: whether it is locked now.
pub(super) fn lock(file: &OwnedFd, operation: i32) -> Result<bool, Errno> {
    // SAFETY: plain numbers.
    match repeat(|| unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(libc::EWOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Ends the lock of every copy of this descriptor, those in forked children included.
pub(super) fn unlock(file: &OwnedFd) {
    // SAFETY: plain numbers.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// As much of the beginning of `file` as there is.
pub(super) fn read_at_start(file: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: `bytes` is writable for its length.
    let read = repeat(|| unsafe { libc::pread(file.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), 0) })?;
    Ok(usize::try_from(read).unwrap_or(0))
}

/// Overwrites the beginning of `file`, in one step. Nothing beyond the limit of what this process may write into files: what begins there
/// is answered with a signal that ends the process, even if the file does not grow, and of what crosses it only a part is written.
pub(super) fn write_at_start(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut limit = std::mem::MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is writable.
    repeat(|| unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) })?;
    // SAFETY: written.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    if limit != libc::RLIM_INFINITY && usize::try_from(limit).is_ok_and(|limit| limit < bytes.len()) {
        return Err(libc::EFBIG);
    }
    // SAFETY: `bytes` is readable for its length.
    repeat(|| unsafe { libc::pwrite(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) }).map(|_| ())
}

/// The directory that relative paths begin at; with a NUL.
pub(super) fn current_directory(bytes: &mut [u8]) -> Result<&CStr, Errno> {
    // SAFETY: `bytes` is writable for its length.
    if unsafe { libc::getcwd(bytes.as_mut_ptr().cast(), bytes.len()) }.is_null() {
        return Err(errno());
    }
    CStr::from_bytes_until_nul(bytes).map_err(|_| libc::ERANGE)
}

/// This process.
pub(super) fn process_id() -> u32 {
    std::process::id()
}

/// Whether `process` of this machine certainly ended.
pub(super) fn has_ended(process: u32) -> bool {
    // SAFETY: signal 0 is none; plain numbers.
    libc::pid_t::try_from(process).is_ok_and(|process| unsafe { libc::kill(process, 0) } != 0 && errno() == libc::ESRCH)
}

/// This machine's name.
pub(super) fn host_name(bytes: &mut [u8]) {
    // SAFETY: `bytes` is writable for its length.
    if unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len()) } != 0 {
        bytes.fill(0);
    }
    if let Some(last) = bytes.last_mut() {
        *last = 0;
    }
}

/// Seconds since 1970.
pub(super) fn wall_clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
