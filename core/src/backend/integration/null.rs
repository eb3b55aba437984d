//! In any runtime, where nothing has to be watched.

use crate::backend::integration::{Integration, Watch, run};
use crate::backend::{BackendError, DefaultHandle, LinksIoBackend, PollingFlags};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// In any runtime: for backends that give nothing to be watched and wake by themselves. One that does is refused as
/// [`BackendError::Unwatched`]: it would never be polled again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

pin_project! {
    /// What [`Null::run_with`](Integration::run_with) returns.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct NullImpl<F> {
        #[pin]
        running: F,
    }
}

impl<F: Future> Future for NullImpl<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().running.poll(context)
    }
}

impl Integration for Null {
    #[allow(refining_impl_trait, reason = "so that the future has a name")]
    fn run_with<L, W, O>(link: L, work: W) -> NullImpl<impl Future<Output = Result<O, BackendError>>>
    where
        L: LinksIoBackend,
        W: AsyncFnOnce(&L::Link) -> O,
    {
        NullImpl { running: run::<Null, L, W, O>(link, work) }
    }
}

impl Watch for Null {
    type Watched<'a> = Infallible;

    fn begin<'a>(_handle: DefaultHandle<'a>, _flags: &PollingFlags) -> Result<Infallible, BackendError> {
        Err(BackendError::Unwatched)
    }

    fn poll_ready(
        watched: &mut Infallible,
        _context: &mut Context<'_>,
        _interest: (bool, bool),
    ) -> Poll<io::Result<()>> {
        match *watched {}
    }
}
