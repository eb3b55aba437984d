//! Driving a backend in a task of a runtime.
//!
//! Each integration is one future: it takes the backend, polls a future of the caller's beside it, and in between has the
//! runtime watch what the backend gives to be watched. What it runs with it owns, or borrows for as long as it runs: the
//! caller's future and the handle are dropped before that.
//!
//! What was seen ready is cleared, and polled for at the next turn of the runtime: a backend that leaves it ready keeps its
//! task busy, but not the other ones from running.

#[cfg(all(unix, feature = "async-io"))]
mod async_io;
mod null;
#[cfg(all(unix, feature = "tokio-backend"))]
mod tokio;

#[cfg(all(unix, feature = "async-io"))]
pub use async_io::AsyncIo;
pub use null::{Null, NullImpl};
#[cfg(all(unix, feature = "tokio-backend"))]
pub use tokio::Tokio;

use crate::backend::{BackendError, DefaultHandle, IoBackend, LinksIoBackend, PollingFlags, RefLink, WithBackend};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

/// A way to drive backends: that of one runtime.
pub trait Integration: Copy + Default {
    /// Runs `work` with what `link` leads to, and drives its backend meanwhile. Dropping the future drops the work, then gives
    /// back the backend, then drops the link.
    ///
    /// # Errors
    /// [`BackendError::Busy`] (at its first poll), [`BackendError::Ended`], [`BackendError::Unwatched`],
    /// [`BackendError::NoInterest`], [`BackendError::Io`].
    fn run_with<L, W, O>(link: L, work: W) -> impl Future<Output = Result<O, BackendError>>
    where
        L: LinksIoBackend,
        W: AsyncFnOnce(&L::Link) -> O;

    /// The same with a backend that is borrowed, and that so nobody else drives.
    ///
    /// # Errors
    /// As [`Integration::run_with`], but never [`BackendError::Busy`], unless a handle was forgotten.
    fn run_with_mut<B, W, O>(backend: &mut B, work: W) -> impl Future<Output = Result<O, BackendError>>
    where
        B: IoBackend,
        W: AsyncFnOnce(&B) -> O,
    {
        Self::run_with(RefLink::new(&*backend), work)
    }
}

/// How a runtime watches.
trait Watch: Sized {
    /// What is watched.
    type Watched<'a>;

    /// Begins to watch `handle`, for `flags` at most.
    fn begin<'a>(handle: DefaultHandle<'a>, flags: &PollingFlags) -> Result<Self::Watched<'a>, BackendError>;

    /// Whether it is ready, for reading or for writing as is asked, or else has `context` woken as soon as it is.
    fn poll_ready(
        watched: &mut Self::Watched<'_>,
        context: &mut Context<'_>,
        interest: (bool, bool),
    ) -> Poll<io::Result<()>>;
}

/// Runs `work` as [`Integration::run_with`] says, watching in one way.
async fn run<R: Watch, L, W, O>(link: L, work: W) -> Result<O, BackendError>
where
    L: LinksIoBackend,
    W: AsyncFnOnce(&L::Link) -> O,
{
    // Dropped from the last to the first.
    let link = link;
    let backend = link.link();
    let held = backend.get_backend()?;
    let polling = backend.polling_handle();
    let mut watched = match polling {
        Some(polling) => {
            polling.interest()?;
            let watched = R::begin(polling.handle, &polling.max_flags)?;
            Some((polling, watched))
        }
        None => None,
    };
    let mut driven = pin!(WithBackend::new(work(backend), held));
    poll_fn(|context| {
        if let Poll::Ready(answer) = driven.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        let Some((polling, watched)) = &mut watched else { return Poll::Pending };
        let ready = match polling.interest() {
            Ok(interest) => R::poll_ready(watched, context, interest),
            Err(error) => return Poll::Ready(Err(error)),
        };
        match ready {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) => {
                polling.clear();
                context.waker().wake_by_ref();
            }
            Poll::Pending => {}
        }
        Poll::Pending
    })
    .await
}
