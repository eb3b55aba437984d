//! Driving a future and its backend on a thread that blocks.
//!
//! # States
//!
//! | the thread | a waker's call |
//! |---|---|
//! | awake | marks it as called: it polls once more before it sleeps |
//! | asleep on the handle, or about to be | marks it as called, and calls the handle's own waker, which makes the handle ready |
//! | called | changes nothing |
//!
//! That is the [parker](crate::park::Parker), asleep on what the backend is watched by instead of a word of its own. The
//! waker that is handed to futures marks first: so it is not lost even where a backend takes the handle's calls by itself,
//! after the future beside it was polled; and a call while it polls costs no system call.
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | call | release | be awake: acquire | what the caller did before |

use crate::backend::{BackendError, BackendHandle, Pollable, PollingHandle, WithBackend};
use crate::deadline::Deadline;
use crate::shim::{AtomicU32, Ordering};
use crate::wait::{self, Wait};
use std::future::Future;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Drives `future` and `backend` on this thread until the future completes, at most as long as `wait` says. The future is
/// dropped in any case, then the backend is given back.
///
/// In between it sleeps on `polling`, or until it is woken, where there is nothing to be watched; it never spins, unless the
/// backend leaves ready what it is watched by. A deadline that has passed still lets both be polled once. With something
/// to be watched it takes some memory, and ends the process when there is none. Not for signal handlers.
///
/// # Errors
/// [`BackendError::Ended`], [`BackendError::Interrupted`], [`BackendError::NoInterest`], [`BackendError::Io`].
pub fn block_on<F: Future, B: Future<Output = ()> + Send + ?Sized, H: Pollable>(
    future: F,
    backend: BackendHandle<'_, B>,
    polling: Option<PollingHandle<'_, H>>,
    wait: Wait<'_>,
) -> Result<F::Output, BackendError> {
    let driven = WithBackend::new(future, backend);
    let Some(polling) = polling else {
        return wait::block_on(driven, wait)?;
    };
    wait.check()?;
    polling.interest()?;
    let calls = Arc::new(Calls { state: AtomicU32::new(AWAKE), asleep: polling.waker.clone() });
    let waker = Waker::from(Arc::clone(&calls));
    wait::drive(driven, wait, &waker, |deadline| calls.sleep(&polling, deadline))?
}

/// See the file head.
struct Calls {
    state: AtomicU32,
    /// Wakes the thread when it is asleep.
    asleep: Waker,
}

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const CALLED: u32 = 2;

impl Calls {
    /// Unless it was called since it was awake.
    fn sleep<H: Pollable>(&self, polling: &PollingHandle<'_, H>, deadline: Deadline) -> Result<(), BackendError> {
        let slept = match self.state.compare_exchange(AWAKE, ASLEEP, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => polling.wait(deadline),
            Err(_called) => Ok(()),
        };
        self.state.swap(AWAKE, Ordering::Acquire);
        slept
    }

    fn call(&self) {
        if self.state.swap(CALLED, Ordering::Release) == ASLEEP {
            self.asleep.wake_by_ref();
        }
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.call();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call();
    }
}
