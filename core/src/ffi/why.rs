//! Refusals that have more to say than their number: the operating system's error, the file, who holds it.

use crate::error::Error;
use crate::ffi::{Status, last_error};
use std::cell::Cell;
use std::fmt::Display;

/// An error with details, in words.
pub trait Explain: Display {
    /// What the call answers.
    fn error(&self) -> Error;

    /// The operating system's error number, or 0.
    fn os_error(&self) -> i32;

    /// Whether the words say more than those of [`Explain::error`].
    fn says_more(&self) -> bool;
}

/// Keeps the reason of a refusal until the call answers, for [`crate::ffi::last_error`] and [`crate::ffi::last_os_error`].
///
/// ```
/// # use quiescent_core::ffi::{Explain, Status, Why, call};
/// fn exported<E: Explain>(body: impl Fn() -> Result<(), E>) -> Status {
///     let why = Why::new();
///     let status = call(|| body().map_err(|error| why.keep(error)));
///     why.tell(status)
/// }
/// ```
pub struct Why<E>(Cell<Option<E>>);

impl<E: Explain> Why<E> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Why<E> {
        Why(Cell::new(None))
    }

    /// What to answer; its details in place of those that were kept before.
    pub fn keep(&self, error: E) -> Error {
        let answer = error.error();
        self.0.set(error.says_more().then_some(error));
        answer
    }

    /// What was kept becomes the thread's last error, if `status` is its number; answers `status`.
    pub fn tell(&self, status: Status) -> Status {
        if let Some(error) = self.0.take().filter(|error| Status::from(error.error()) == status) {
            last_error::tell_why(&error, error.os_error());
        }
        status
    }
}

impl<E: Explain> Default for Why<E> {
    fn default() -> Why<E> {
        Why::new()
    }
}
