//! In tasks of smol's, or wherever else the reactor of `async-io` runs: it has a thread of its own.

use crate::backend::integration::{Integration, Watch, run};
use crate::backend::{BackendError, DefaultHandle, LinksIoBackend, PollingFlags};
use ::async_io::Async;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

/// With the reactor of `async-io`: in smol, or in any other runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncIo;

impl Integration for AsyncIo {
    fn run_with<L, W, O>(link: L, work: W) -> impl Future<Output = Result<O, BackendError>>
    where
        L: LinksIoBackend,
        W: AsyncFnOnce(&L::Link) -> O,
    {
        run::<AsyncIo, L, W, O>(link, work)
    }
}

/// The reactor tells as long as the descriptor is ready, once for each time that it is asked.
impl Watch for AsyncIo {
    type Watched<'a> = Async<BorrowedFd<'a>>;

    fn begin<'a>(handle: DefaultHandle<'a>, _flags: &PollingFlags) -> Result<Async<BorrowedFd<'a>>, BackendError> {
        Ok(Async::new_nonblocking(handle)?)
    }

    fn poll_ready(
        watched: &mut Async<BorrowedFd<'_>>,
        context: &mut Context<'_>,
        (read, write): (bool, bool),
    ) -> Poll<io::Result<()>> {
        let readable = if read { watched.poll_readable(context)? } else { Poll::Pending };
        let writable = if write { watched.poll_writable(context)? } else { Poll::Pending };
        if readable.is_ready() || writable.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}
