//! What a backend sleeps in, and what an event loop watches in its place: an epoll set with a bell, a timer, and the
//! descriptors that calls wait for.
//!
//! | in the set | readable while |
//! |---|---|
//! | the bell | something is to be looked at or handed out (the engine rings and quiets it, under its lock) |
//! | the wake descriptor | somebody wrote to it, to end the next poll |
//! | the timer | the first moment of the calls has passed; set only while somebody watches |
//! | a call's descriptor, a copy of the caller's | it is ready; seen once |
//! | an attached backend's set | that one's is readable |
//!
//! All of them are closed with this; what is rung late keeps it alive.

use crate::backend::Event;
use crate::backend::completion::AttachError;
use crate::backend::completion::entries::{NO_KEY, Name};
use crate::deadline::Deadline;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// See the file head.
pub(super) struct Poller {
    set: OwnedFd,
    bell: Event,
    wake: Event,
    timer: OwnedFd,
}

/// One thing that was seen.
pub(super) enum Seen {
    /// The bell, the timer, or an attached backend: the engine looks by itself.
    Inside,
    /// The wake descriptor; it is quiet again.
    Wake,
    /// A call's descriptor, by the name that it was added with.
    Descriptor { name: Name, readiness: u32 },
}

/// Readable, or at its end.
pub const READABLE: u32 = 1;
/// Writable.
pub const WRITABLE: u32 = 2;
/// Broken, or hung up.
pub const FAILED: u32 = 4;

// Not names of calls.
const INSIDE: u64 = NO_KEY as u64;
const WAKE: u64 = INSIDE | 1 << 32;

/// So many are seen at once; others stay to be seen.
const EVENTS: u16 = 64;

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        // SAFETY: plain numbers.
        let set = open(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: plain numbers.
        let timer =
            open(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })?;
        let poller = Poller { set, bell: Event::new()?, wake: Event::new()?, timer };
        poller.control(libc::EPOLL_CTL_ADD, poller.bell.as_fd(), libc::EPOLLIN, INSIDE)?;
        poller.control(libc::EPOLL_CTL_ADD, poller.timer.as_fd(), libc::EPOLLIN, INSIDE)?;
        poller.control(libc::EPOLL_CTL_ADD, poller.wake.as_fd(), libc::EPOLLIN, WAKE)?;
        Ok(poller)
    }

    /// Readable while anything in it is.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }

    /// To be written to, in order to end the next poll. The caller's own.
    pub(super) fn wake_descriptor(&self) -> io::Result<OwnedFd> {
        self.wake.ringing_fd().try_clone_to_owned()
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    pub(super) fn quiet(&self) {
        self.bell.clear();
    }

    /// From `moment` on the timer is readable; never: not at all.
    pub(super) fn set_timer(&self, moment: Deadline) {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = moment.nanos().map_or(zero, |nanos| time(nanos.max(1)));
        let setting = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `setting` is readable, and nothing is to be written. It cannot fail: the descriptor is a timer's.
        unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const setting,
                std::ptr::null_mut(),
            );
        }
    }

    /// Has `name` seen once, as soon as `descriptor` is ready for any of `interest`.
    ///
    /// What is always ready (a regular file) is refused with `EPERM`.
    pub(super) fn add(&self, descriptor: BorrowedFd<'_>, interest: u32, name: Name) -> io::Result<()> {
        let flag = |bit, flag| if interest & bit == 0 { 0 } else { flag };
        let events =
            flag(READABLE, libc::EPOLLIN | libc::EPOLLRDHUP) | flag(WRITABLE, libc::EPOLLOUT) | libc::EPOLLONESHOT;
        self.control(libc::EPOLL_CTL_ADD, descriptor, events, name.to_bits())
    }

    /// Looks into `inner` whenever this is looked into.
    pub(super) fn attach(&self, inner: &Poller) -> Result<(), AttachError> {
        let attached = self.control(libc::EPOLL_CTL_ADD, inner.as_fd(), libc::EPOLLIN, INSIDE);
        attached.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => AttachError::Circle,
            _ => AttachError::Io(error),
        })
    }

    /// Ends what [`Poller::attach`] began.
    pub(super) fn detach(&self, inner: &Poller) {
        self.remove(inner.as_fd());
    }

    /// Forgets a descriptor.
    pub(super) fn remove(&self, descriptor: BorrowedFd<'_>) {
        // It fails if it is not there: nothing to forget.
        let _ = self.control(libc::EPOLL_CTL_DEL, descriptor, 0, 0);
    }

    fn control(&self, operation: i32, descriptor: BorrowedFd<'_>, events: i32, name: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: u32::from_ne_bytes(events.to_ne_bytes()), u64: name };
        // SAFETY: `event` is readable.
        let answer =
            unsafe { libc::epoll_ctl(self.set.as_raw_fd(), operation, descriptor.as_raw_fd(), &raw mut event) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sleeps until something is there, `until` passes or a signal comes, and tells what was seen.
    pub(super) fn wait(&self, until: Deadline, mut seen: impl FnMut(Seen)) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS as usize];
        let timeout = until.milliseconds_left().map_or(-1, |left| i32::try_from(left).unwrap_or(i32::MAX));
        // SAFETY: `events` is writable, for as many as there are.
        let count = unsafe { libc::epoll_wait(self.set.as_raw_fd(), events.as_mut_ptr(), i32::from(EVENTS), timeout) };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        };
        for event in &events[..count] {
            match event.u64 {
                INSIDE => seen(Seen::Inside),
                WAKE => {
                    self.wake.clear();
                    seen(Seen::Wake);
                }
                name => seen(Seen::Descriptor {
                    name: Name::from_bits(name),
                    readiness: readiness(i32::from_ne_bytes(event.events.to_ne_bytes())),
                }),
            }
        }
        Ok(())
    }
}

fn readiness(events: i32) -> u32 {
    let bit = |flags, bit| if events & flags == 0 { 0 } else { bit };
    bit(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP, READABLE)
        | bit(libc::EPOLLOUT, WRITABLE)
        | bit(libc::EPOLLERR | libc::EPOLLHUP, FAILED)
}

fn time(nanos: u64) -> libc::timespec {
    let seconds = libc::time_t::try_from(nanos / 1_000_000_000).unwrap_or(libc::time_t::MAX);
    libc::timespec { tv_sec: seconds, tv_nsec: libc::c_long::try_from(nanos % 1_000_000_000).unwrap_or(0) }
}

/// What the kernel just opened, or why not.
fn open(descriptor: i32) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
