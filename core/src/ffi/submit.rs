//! The calls that do not wait, but complete on a backend.

use crate::backend::CompletionBackend;
#[cfg(unix)]
use crate::backend::completion::WaitDescriptorError;
use crate::backend::completion::{Completion, Outcome};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::ffi::{Status, call, cancel_token, free_timeout, last_error, timeout};
use crate::handle::{AnyHandle, Entry, Handle, Hold, Token};
use crate::wait::Wait;
use pin_project_lite::pin_project;
use std::ffi::{CStr, c_void};
use std::future::Future;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What an asynchronous call has taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// What [`Handle::on_release`] is told when the hold is released (not 0).
    pub taken: u64,
    /// What the completion tells.
    pub value: usize,
}

/// Nothing else to tell.
impl From<u64> for Taken {
    fn from(taken: u64) -> Taken {
        Taken { taken, value: 0 }
    }
}

/// Why an asynchronous call was not done.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    error: Error,
    os_error: i32,
}

impl Refused {
    /// With the operating system's error number, or 0.
    #[must_use]
    pub fn new(error: Error, os_error: i32) -> Refused {
        Refused { error, os_error }
    }
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused::new(error.into(), 0)
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Outcome {
        Outcome { os_error: refused.os_error, ..Outcome::refused(refused.error) }
    }
}

/// Where and how a call completes, as a C caller names it.
#[derive(Clone, Copy, Debug)]
pub struct Submission<B, C> {
    /// The backend's handle.
    pub backend: *mut B,
    /// The caller's own.
    pub user_data: *mut c_void,
    /// Up to when.
    pub timeout_ms: i64,
    /// What ends it, or NULL.
    pub cancel: *mut C,
}

impl<B, C> Submission<B, C> {
    /// Submits what `begin` begins on the backend.
    fn submit(
        self,
        operation: &'static CStr,
        timeout: impl FnOnce(i64) -> Result<Duration, Error>,
        begin: impl FnOnce(&CompletionBackend, usize, Wait<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let deadline = Deadline::after(timeout(self.timeout_ms)?);
        let cancel = cancel_token(self.cancel)?;
        let backend: Entry<CompletionBackend> = Token::from_raw(self.backend).enter(operation)?;
        begin(&backend, self.user_data.addr(), Wait::new(deadline, cancel.as_ref()))
    }
}

pin_project! {
    /// A future, and what is told of its end. (An async block would keep the future twice, before and while it is awaited.)
    struct Told<F, M> {
        #[pin]
        future: F,
        tell: M,
    }
}

impl<F: Future, M: Fn(F::Output) -> Outcome> Future for Told<F, M> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        this.future.poll(context).map(this.tell)
    }
}

/// Begins to take something of the value behind `handle`: `take` waits for it. Its completion has the hold.
///
/// From now on the call is in flight on `handle`, waiting, by the thread that submitted it. Refused before `take` runs: a bad timeout,
/// handle, backend or cancel token.
pub fn take_async<T, B, C, F>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    on: Submission<B, C>,
    take: impl FnOnce(Hold<T>) -> F,
) -> Status
where
    T: Handle,
    F: Future<Output = (Hold<T>, Result<Taken, Refused>)> + Send + 'static,
{
    call(|| {
        on.submit(operation, timeout, |backend, user_data, wait| {
            let taking = take(Token::<T>::from_raw(handle).wait_to_hold(operation)?);
            let keep = |(hold, taken): (Hold<T>, Result<Taken, Refused>)| {
                let kept = taken.and_then(|taken| Ok((hold.keep(taken.taken, true)?, taken.value)));
                match kept {
                    Ok((hold, value)) => Outcome { hold: Some(hold), value, ..Outcome::DONE },
                    Err(refused) => refused.into(),
                }
            };
            backend.submit(user_data, wait, Told { future: taking, tell: keep })
        })
    })
}

/// Begins to wait for something of the value behind `handle`: its completion tells what `wait` answers. As [`take_async`].
pub fn wait_async<T, B, C, F>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    on: Submission<B, C>,
    wait_for: impl FnOnce(Hold<T>) -> F,
) -> Status
where
    T: Handle,
    F: Future<Output = (Hold<T>, Result<usize, Refused>)> + Send + 'static,
{
    call(|| {
        on.submit(operation, timeout, |backend, user_data, wait| {
            let waiting = wait_for(Token::<T>::from_raw(handle).wait_to_hold(operation)?);
            let tell = |(_hold, answer): (Hold<T>, Result<usize, Refused>)| {
                answer.map_or_else(Outcome::from, |value| Outcome { value, ..Outcome::DONE })
            };
            backend.submit(user_data, wait, Told { future: waiting, tell })
        })
    })
}

/// Frees the handle, and completes when it is destroyed; or, as a free that blocks, at the deadline.
pub fn free_async<B, C>(handle: *mut impl Sized, operation: &'static CStr, on: Submission<B, C>) -> Status {
    call(|| {
        on.submit(operation, free_timeout, |backend, user_data, wait| {
            backend.free(user_data, wait, AnyHandle::from_raw(handle), None)
        })
    })
}

/// Completes when the handle is destroyed, by whomever.
pub fn wait_freed_async<B, C>(handle: *mut impl Sized, operation: &'static CStr, on: Submission<B, C>) -> Status {
    call(|| {
        on.submit(operation, timeout, |backend, user_data, wait| {
            backend.wait_freed(user_data, wait, AnyHandle::from_raw(handle), None)
        })
    })
}

/// Completes when a descriptor is ready.
///
/// # Safety
/// `descriptor` is open, or a number that is none.
#[cfg(unix)]
pub unsafe fn wait_descriptor_async<B, C>(
    descriptor: i32,
    interest: u32,
    operation: &'static CStr,
    on: Submission<B, C>,
) -> Status {
    let mut os_error = 0;
    let status = call(|| {
        on.submit(operation, timeout, |backend, user_data, wait| {
            if descriptor < 0 {
                os_error = libc::EBADF;
                return Err(Error::Io);
            }
            // SAFETY: the caller's promise; a number that is none is only asked to be copied, which refuses it.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            backend.wait_descriptor(user_data, wait, descriptor, interest).map_err(|error| match error {
                WaitDescriptorError::Io(error) => {
                    os_error = error.raw_os_error().unwrap_or(0);
                    Error::Io
                }
                other => other.into(),
            })
        })
    });
    tell_os_error(status, os_error, "the descriptor cannot be waited for")
}

/// A refusal of the operating system's, in words and as its number; with 0 in the words of `what` alone.
pub fn tell_os_error(status: Status, os_error: i32, what: &str) -> Status {
    if status == Error::Io.into() && os_error == 0 {
        last_error::tell_why(&format_args!("QZ_ERR_IO: {what}"), 0);
    } else if status == Error::Io.into() {
        let error = std::io::Error::from_raw_os_error(os_error);
        last_error::tell_why(&format_args!("QZ_ERR_IO: {what}: {error}"), os_error);
    }
    status
}

/// What a C caller is told of a completion, apart from its user data and value.
pub fn status_of(completion: &Completion) -> Status {
    match completion.outcome.answer {
        Ok(None) => Status::Ok,
        Ok(Some(freed)) => freed.into(),
        Err(error) => error.into(),
    }
}
