//! A cell of a C caller's pointer.

use crate::error::Error;
use crate::handle::{Handle, Kind};
use crate::sync::{OnceCell, OnceCellError};
use crate::wait::Wait;
use std::ffi::c_void;

/// A value that is made once by a C caller's callback, and destroyed by another one together with the cell.
#[derive(Debug)]
pub struct OncePointer {
    cell: OnceCell<Pointer>,
    destroy: Option<DestroyValue>,
    ctx: Pointer,
}

/// Destroys a value.
pub type DestroyValue = unsafe extern "C" fn(value: *mut c_void, ctx: *mut c_void);

/// Makes a value and writes it to `out_value`; or answers a negative status.
pub type InitValue = unsafe extern "C" fn(ctx: *mut c_void, out_value: *mut *mut c_void) -> i32;

/// A callback that makes a value, with its context.
#[derive(Clone, Copy, Debug)]
pub struct Init {
    init: InitValue,
    ctx: *mut c_void,
}

// SAFETY: the promise of `Init::new`.
unsafe impl Send for Init {}
// SAFETY: as above.
unsafe impl Sync for Init {}

impl Init {
    /// `init`, to be called with `ctx`.
    ///
    /// # Errors
    /// [`Error::Null`].
    ///
    /// # Safety
    /// `init` is NULL or may be called once with `ctx`, on whichever thread it is used. If it does not answer a negative number, it has
    /// written a value, or that is NULL. It does not unwind.
    pub unsafe fn new(init: Option<InitValue>, ctx: *mut c_void) -> Result<Init, Error> {
        Ok(Init { init: init.ok_or(Error::Null)?, ctx })
    }

    fn run(self) -> Result<Pointer, Error> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the promise of `Init::new`; `value` is writable.
        let answer = unsafe { (self.init)(self.ctx, &raw mut value) };
        if answer < 0 { Err(Error::of_code(answer).unwrap_or(Error::InvalidArgument)) } else { Ok(Pointer(value)) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pointer(*mut c_void);
// SAFETY: the caller's promise: used and destroyed on any thread.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

static KIND: Kind<OncePointer> = Kind::new("once");

impl Handle for OncePointer {
    fn kind() -> &'static Kind<OncePointer> {
        &KIND
    }

    fn on_close(&self) {
        self.cell.close();
    }
}

impl OncePointer {
    /// Empty.
    ///
    /// # Safety
    /// `destroy`, if given, may be called once, on any thread, with `ctx` and the value that the cell has then. The
    /// values may be used on any thread. Nothing unwinds out of it.
    #[must_use]
    pub unsafe fn new(destroy: Option<DestroyValue>, ctx: *mut c_void) -> OncePointer {
        OncePointer { cell: OnceCell::new(), destroy, ctx: Pointer(ctx) }
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::Busy`]: there is none.
    pub fn get(&self) -> Result<*mut c_void, Error> {
        self.cell.get().map(|value| value.0).ok_or(Error::Busy)
    }

    /// Gives the cell a value, which it destroys.
    ///
    /// # Errors
    /// [`Error::Limit`]: it has one; [`Error::Busy`]: somebody is making one; [`Error::Freed`]. Then `value` is still
    /// the caller's.
    pub fn set(&self, value: *mut c_void) -> Result<(), Error> {
        self.cell.set(Pointer(value)).map(|_| ()).map_err(OnceCellError::into)
    }

    /// The value; if there is none, the one that `init` makes, or whoever else does meanwhile.
    ///
    /// # Errors
    /// [`Error::Null`]: `init`. What `init` answers if it is negative; [`Error::InvalidArgument`] if that is no status
    /// of this library's. Others as [`OnceCell::get_or_try_init`].
    ///
    /// # Safety
    /// `init` is NULL or may be called once with `ctx`, on this thread. If it does not answer a negative number, it has
    /// written a value, or that is NULL. It does not unwind.
    pub unsafe fn get_or_init(
        &self,
        init: Option<InitValue>,
        ctx: *mut c_void,
        wait: Wait<'_>,
    ) -> Result<*mut c_void, Error> {
        // SAFETY: the caller's promise.
        let init = unsafe { Init::new(init, ctx) }?;
        Ok(self.cell.get_or_try_init(|| init.run(), wait)?.0)
    }

    /// The same as a future, which may be dropped at any time; then the next in line tries.
    ///
    /// # Errors
    /// As [`OncePointer::get_or_init`].
    pub async fn get_or_init_async(&self, init: Init) -> Result<*mut c_void, Error> {
        Ok(self.cell.get_or_try_init_async(|| std::future::ready(init.run())).await?.0)
    }
}

impl Drop for OncePointer {
    fn drop(&mut self) {
        if let (Some(value), Some(destroy)) = (self.cell.take(), self.destroy) {
            // SAFETY: the promise of whoever made the cell, whose value this was.
            unsafe { destroy(value.0, self.ctx.0) };
        }
    }
}
