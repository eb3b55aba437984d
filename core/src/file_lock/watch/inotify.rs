//! Linux tells when a file is closed.

use crate::deadline::Deadline;
use crate::file_lock::system::{Errno, repeat};
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What the thread sleeps on.
pub(super) struct Notifier {
    /// `None`: the user has too many of them (128 by default) already. Then only time wakes.
    inotify: Option<OwnedFd>,
    /// An eventfd: somebody calls.
    call: OwnedFd,
}

/// A file that is watched, or `-1`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched(i32);

const NOT: Watched = Watched(-1);

/// Room for about 250 notices; there may be more, for the next time.
#[repr(align(8))]
struct Notices([u8; 4096]);

/// Where the header of a notice ends, behind which its name would be.
const HEADER: usize = size_of::<libc::inotify_event>();

impl Notifier {
    pub(super) fn new() -> Result<Notifier, Errno> {
        // SAFETY: plain numbers.
        let call = repeat(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: it was just opened.
        let call = unsafe { OwnedFd::from_raw_fd(call) };
        // SAFETY: plain numbers.
        let inotify = repeat(|| unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) });
        // SAFETY: it was just opened.
        let inotify = inotify.ok().map(|inotify| unsafe { OwnedFd::from_raw_fd(inotify) });
        Ok(Notifier { inotify, call })
    }

    /// That very file, whatever its name leads to by now.
    pub(super) fn watch(&self, file: &OwnedFd) -> Watched {
        let Some(inotify) = &self.inotify else { return NOT };
        let mask =
            libc::IN_CLOSE_WRITE | libc::IN_CLOSE_NOWRITE | libc::IN_ATTRIB | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF;
        let mut name = [0; 32];
        // It fits: 14 bytes and a number.
        let _ = write!(&mut name[..31], "/proc/self/fd/{}", file.as_raw_fd());
        let Ok(name) = CStr::from_bytes_until_nul(&name) else { return NOT };
        // SAFETY: a C string. Where there is no /proc only time wakes.
        Watched(unsafe { libc::inotify_add_watch(inotify.as_raw_fd(), name.as_ptr(), mask) })
    }

    pub(super) fn unwatch(&self, watched: Watched) {
        if let (Some(inotify), true) = (&self.inotify, watched != NOT) {
            // SAFETY: plain numbers. It fails if the file is gone, and the watch with it.
            unsafe { libc::inotify_rm_watch(inotify.as_raw_fd(), watched.0) };
        }
    }

    /// Ends the sleep, or the next one.
    pub(super) fn wake(&self) {
        let one = 1_u64;
        // SAFETY: eight readable bytes. It fails only if many have called already.
        unsafe { libc::write(self.call.as_raw_fd(), (&raw const one).cast(), size_of_val(&one)) };
    }

    /// Until then, or a call, or a change.
    pub(super) fn sleep(&self, deadline: Deadline) {
        let left = deadline.milliseconds_left().map_or(i32::MAX, |left| i32::try_from(left).unwrap_or(i32::MAX));
        let inotify = self.inotify.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let mut both = [inotify, self.call.as_raw_fd()].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        // SAFETY: two entries; a negative descriptor is passed over. Interrupted, it is called again.
        unsafe { libc::poll(both.as_mut_ptr(), 2, left) };
        if both[1].revents != 0 {
            let mut calls = 0_u64;
            // SAFETY: eight writable bytes.
            unsafe { libc::read(self.call.as_raw_fd(), (&raw mut calls).cast(), size_of_val(&calls)) };
        }
    }

    /// What was changed since the last time.
    pub(super) fn changes(&self, mut changed: impl FnMut(Watched)) {
        let Some(inotify) = &self.inotify else { return };
        let mut notices = Notices([0; 4096]);
        // SAFETY: writable for its length. Without notices it fails, as it does not block.
        let read = unsafe { libc::read(inotify.as_raw_fd(), notices.0.as_mut_ptr().cast(), notices.0.len()) };
        let mut rest = notices.0.get(..usize::try_from(read).unwrap_or(0)).unwrap_or(&[]);
        while rest.len() >= HEADER {
            // SAFETY: so many bytes are there; a notice is plain data.
            let notice = unsafe { rest.as_ptr().cast::<libc::inotify_event>().read_unaligned() };
            changed(Watched(notice.wd));
            rest = rest.get(HEADER + notice.len as usize..).unwrap_or(&[]);
        }
    }
}
