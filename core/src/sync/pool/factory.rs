//! Who makes, checks, cleans and destroys the resources.

use crate::deadline::Deadline;
use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Makes the resources of a pool and looks after them. A closure that answers a future is one, for resources that need nothing
/// but to be made; [`Blocking`] makes one of a closure that blocks.
///
/// The methods run without any lock of the pool's, on the thread that acquires or gives back, beside each other, and may use
/// the same pool. A panic in one is contained. Methods that block are as good as those that wait, where whoever acquires may
/// be blocked.
pub trait AsyncResourceFactory: Send + Sync {
    /// What is pooled. Dropped to get rid of it, unless [`AsyncResourceFactory::destroy`] does more.
    type Resource: Send;
    /// Why one could not be made.
    type Error: Send;

    /// Makes a resource.
    ///
    /// The future is dropped if the acquire ends first: at the deadline, cancelled, by the close, or dropped itself. What it
    /// has made by then is its own to clean up. `until` tells when that deadline is, for one that blocks: what such a
    /// one makes too late is used all the same.
    fn create(&self, until: Deadline) -> impl Future<Output = Result<Self::Resource, Self::Error>> + Send;

    /// Whether an idle resource may be handed out. If not, or if this panics or is dropped before it answers, the resource is
    /// destroyed as unhealthy.
    fn check(&self, _resource: &mut Self::Resource) -> impl Future<Output = bool> + Send {
        ready(true)
    }

    /// Cleans a resource that came back, on the thread that gives it back, and answers whether it may be used again. Should
    /// be quick.
    fn recycle(&self, _resource: &mut Self::Resource) -> bool {
        true
    }

    /// Destroys a resource, once for each.
    fn destroy(&self, resource: Self::Resource, _reason: DestroyReason) {
        drop(resource);
    }
}

/// Why a resource was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestroyReason {
    /// It was idle for longer than the idle timeout.
    Idle = 0,
    /// It lived for longer than the maximum.
    Expired = 1,
    /// A check or a recycling said no, panicked, or was dropped half-way; its holder said so, or panicked.
    Unhealthy = 2,
    /// The pool was closed.
    Closing = 3,
    /// It came back when enough others were idle.
    Surplus = 4,
}

impl DestroyReason {
    /// How many there are.
    pub(super) const COUNT: usize = 5;
}

impl<F, Made, Resource, Error> AsyncResourceFactory for F
where
    F: Fn() -> Made + Send + Sync,
    Made: Future<Output = Result<Resource, Error>> + Send,
    Resource: Send,
    Error: Send,
{
    type Resource = Resource;
    type Error = Error;

    fn create(&self, _until: Deadline) -> impl Future<Output = Result<Resource, Error>> + Send {
        self()
    }
}

/// A factory whose making is a call that may block.
#[derive(Clone, Copy, Debug)]
pub struct Blocking<F>(pub F);

impl<F, Resource, Error> AsyncResourceFactory for Blocking<F>
where
    F: Fn() -> Result<Resource, Error> + Send + Sync,
    Resource: Send,
    Error: Send,
{
    type Resource = Resource;
    type Error = Error;

    fn create(&self, _until: Deadline) -> impl Future<Output = Result<Resource, Error>> + Send {
        ready((self.0)())
    }
}

/// Something of the factory's panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs something of the factory's.
pub(super) fn contained<O>(body: impl FnOnce() -> O) -> Result<O, Panicked> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        // Leaked: its own destructor may panic.
        std::mem::forget(payload);
        Panicked
    })
}

/// The same, of a future that waits.
pub(super) async fn contained_async<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match contained(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
