//! The queues that callers wait in: `tokio::sync`'s.
//!
//! In a model they are the same queues, but loom does not see into them: it would take two operations on a queue for steps
//! that may as well come in the other order, and would not try both. So there each operation is also a step on a word that
//! loom sees. The step orders what the queue's own lock orders; a mere look at a queue orders as a look.

#[cfg(not(loom))]
pub(crate) use tokio::sync::futures::Notified;
#[cfg(not(loom))]
pub(crate) use tokio::sync::{Notify, Semaphore};

#[cfg(loom)]
pub(crate) use stepped::{Notified, Notify, Semaphore};

#[cfg(loom)]
mod stepped {
    use crate::shim::{AtomicUsize, Ordering};
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::sync::{AcquireError, SemaphorePermit, TryAcquireError};

    struct Steps(AtomicUsize);

    impl Steps {
        fn new() -> Steps {
            Steps(AtomicUsize::new(0))
        }

        /// What changes the queue comes next.
        fn change(&self) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }

        /// A look at the queue comes next.
        fn look(&self) {
            // Not a load, which might see less than the queue shows.
            self.0.fetch_add(0, Ordering::Acquire);
        }
    }

    /// A place in a queue, from its first poll on.
    pub(crate) struct Stepped<'a, F> {
        steps: &'a Steps,
        future: Pin<Box<F>>,
        in_line: bool,
    }

    impl<'a, F> Stepped<'a, F> {
        fn new(steps: &'a Steps, future: F) -> Stepped<'a, F> {
            Stepped { steps, future: Box::pin(future), in_line: false }
        }
    }

    impl<F: Future> Future for Stepped<'_, F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            self.steps.change();
            let answer = self.future.as_mut().poll(context);
            self.in_line = answer.is_pending();
            answer
        }
    }

    impl<F> Drop for Stepped<'_, F> {
        fn drop(&mut self) {
            if self.in_line && !std::thread::panicking() {
                self.steps.change();
            }
        }
    }

    pub(crate) type Notified<'a> = Stepped<'a, tokio::sync::futures::Notified<'a>>;

    impl Notified<'_> {
        pub(crate) fn enable(mut self: Pin<&mut Self>) -> bool {
            self.steps.change();
            let is_over = self.future.as_mut().enable();
            self.in_line = !is_over;
            is_over
        }
    }

    pub(crate) struct Notify {
        steps: Steps,
        queue: tokio::sync::Notify,
    }

    impl Notify {
        pub(crate) fn const_new() -> Notify {
            Notify { steps: Steps::new(), queue: tokio::sync::Notify::const_new() }
        }

        pub(crate) fn notified(&self) -> Notified<'_> {
            self.steps.look();
            Stepped::new(&self.steps, self.queue.notified())
        }

        pub(crate) fn notify_one(&self) {
            self.steps.change();
            self.queue.notify_one();
        }

        pub(crate) fn notify_waiters(&self) {
            self.steps.change();
            self.queue.notify_waiters();
        }
    }

    pub(crate) struct Semaphore {
        steps: Steps,
        queue: tokio::sync::Semaphore,
    }

    impl Semaphore {
        pub(crate) fn const_new(permits: usize) -> Semaphore {
            Semaphore::new(permits)
        }

        pub(crate) fn new(permits: usize) -> Semaphore {
            Semaphore { steps: Steps::new(), queue: tokio::sync::Semaphore::new(permits) }
        }

        pub(crate) fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
            self.acquire_many(1)
        }

        pub(crate) fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
            self.try_acquire_many(1)
        }

        pub(crate) fn acquire_many(
            &self,
            permits: u32,
        ) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
            Stepped::new(&self.steps, self.queue.acquire_many(permits))
        }

        pub(crate) fn try_acquire_many(&self, permits: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
            // One that is refused is a mere look.
            self.steps.look();
            let permit = self.queue.try_acquire_many(permits)?;
            self.steps.change();
            Ok(permit)
        }

        pub(crate) fn add_permits(&self, permits: usize) {
            self.steps.change();
            self.queue.add_permits(permits);
        }

        pub(crate) fn forget_permits(&self, permits: usize) -> usize {
            self.steps.change();
            self.queue.forget_permits(permits)
        }

        pub(crate) fn available_permits(&self) -> usize {
            self.steps.look();
            self.queue.available_permits()
        }

        pub(crate) fn close(&self) {
            self.steps.change();
            self.queue.close();
        }

        pub(crate) fn is_closed(&self) -> bool {
            self.steps.look();
            self.queue.is_closed()
        }
    }
}
