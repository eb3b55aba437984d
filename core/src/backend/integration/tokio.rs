//! In tasks of tokio's, whose reactor watches.

use crate::Deadline;
use crate::backend::integration::{Integration, Watch, run};
use crate::backend::{BackendError, DefaultHandle, LinksIoBackend, Pollable, PollingFlags};
use ::tokio::io::Interest;
use ::tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

/// In tasks of tokio's. Outside of a runtime a backend that gives something to be watched is refused as
/// [`BackendError::Io`]. The runtime must have been built with `enable_io`; tokio panics otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Integration for Tokio {
    fn run_with<L, W, O>(link: L, work: W) -> impl Future<Output = Result<O, BackendError>>
    where
        L: LinksIoBackend,
        W: AsyncFnOnce(&L::Link) -> O,
    {
        run::<Tokio, L, W, O>(link, work)
    }
}

/// The reactor tells when a descriptor *becomes* ready, and remembers that. So that a backend which leaves some of it for
/// its next poll is polled again, as where a thread blocks, the memory is wiped only when the descriptor is ready no more.
impl Watch for Tokio {
    type Watched<'a> = AsyncFd<BorrowedFd<'a>>;

    fn begin<'a>(handle: DefaultHandle<'a>, flags: &PollingFlags) -> Result<AsyncFd<BorrowedFd<'a>>, BackendError> {
        let interest = match flags.get() {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return Err(BackendError::NoInterest),
        };
        ::tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        // What is new says of itself that the descriptor must stay open as long: a borrowed one does.
        #[allow(deprecated, reason = "its new name came with a later tokio than this package asks for")]
        let watched = AsyncFd::with_interest(handle, interest)?;
        Ok(watched)
    }

    fn poll_ready(
        watched: &mut AsyncFd<BorrowedFd<'_>>,
        context: &mut Context<'_>,
        (read, write): (bool, bool),
    ) -> Poll<io::Result<()>> {
        let mut ready = false;
        if read {
            let flags = PollingFlags::new().read(true);
            ready |= still(watched, &flags, || watched.poll_read_ready(context))?;
        }
        if write {
            let flags = PollingFlags::new().write(true);
            ready |= still(watched, &flags, || watched.poll_write_ready(context))?;
        }
        if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Whether it is ready for `flags`, as the reactor remembers and as it is.
fn still<'a>(
    watched: &AsyncFd<BorrowedFd<'_>>,
    flags: &PollingFlags,
    mut remembered: impl FnMut() -> Poll<io::Result<AsyncFdReadyGuard<'a, BorrowedFd<'a>>>>,
) -> io::Result<bool> {
    let Poll::Ready(guard) = remembered() else { return Ok(false) };
    let mut guard = guard?;
    if watched.get_ref().poll(flags, Deadline::PASSED)? {
        return Ok(true);
    }
    guard.clear_ready();
    // Has the task woken when it becomes so. That the other end was closed is never forgotten: it is for the backend to see.
    match remembered() {
        Poll::Ready(guard) => guard.map(|_| true),
        Poll::Pending => Ok(false),
    }
}
