//! What every exported function answers, as a number.

use crate::error::Error;
use crate::handle::Freed;

/// The answer of an exported function: `0` and above is fine, below is a refusal. The numbers are never
/// used again for something else.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(i32);

#[allow(non_upper_case_globals, reason = "reads as the variants it stands for")]
impl Status {
    /// Done. Of a free: this call freed it, the object is destroyed.
    pub const Ok: Status = Status(0);
    /// Closed, but somebody is still inside: the last one out destroys the object.
    pub const FreePending: Status = Status(1);
    /// Another call freed it: the object is destroyed.
    pub const AlreadyFreed: Status = Status(2);

    /// A status of the author's own library: `code` is at least 100, or at most -100.
    ///
    /// # Panics
    /// For a code that is kept for this library's statuses (a compile error in a constant).
    pub const fn own(code: i32) -> Status {
        assert!(code >= 100 || code <= -100, "-99 to 99 are kept for the library's own statuses");
        Status(code)
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> i32 {
        self.0
    }
}

impl From<()> for Status {
    fn from((): ()) -> Status {
        Status::Ok
    }
}

impl From<Freed> for Status {
    fn from(freed: Freed) -> Status {
        match freed {
            Freed::Destroyed => Status::Ok,
            Freed::Pending => Status::FreePending,
            Freed::AlreadyFreed => Status::AlreadyFreed,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        Status(error.code())
    }
}

impl From<Result<Freed, Error>> for Status {
    fn from(result: Result<Freed, Error>) -> Status {
        result.map_or_else(Status::from, Status::from)
    }
}
