//! A future, and the backend that drives it.

use crate::backend::{BackendError, BackendHandle};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future that drives a backend each time it is polled: its own future first, then the backend, then what that is on
    /// top of. The backend is given back when this is dropped, after its own future.
    ///
    /// It answers what its own future answers, or [`BackendError::Ended`] as soon as a backend completes.
    #[must_use = "a future does nothing unless it is polled"]
    pub struct WithBackend<'a, B: ?Sized, F> {
        #[pin]
        future: F,
        backend: BackendHandle<'a, B>,
    }
}

impl<'a, B: ?Sized, F> WithBackend<'a, B, F> {
    /// `future`, driven by `backend`.
    pub fn new(future: F, backend: BackendHandle<'a, B>) -> WithBackend<'a, B, F> {
        WithBackend { future, backend }
    }
}

impl<B: Future<Output = ()> + Send + ?Sized, F: Future> Future for WithBackend<'_, B, F> {
    type Output = Result<F::Output, BackendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => match this.backend.drive(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}
