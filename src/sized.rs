//! Structs that the library reads and writes for a caller whose header may be newer.

use quiescent_core::Error;

/// A caller's struct may be of a later version, larger than ours, but not smaller than the first.
pub(crate) fn check_output<S>(out: *mut S, size: usize) -> Result<(), Error> {
    if out.is_null() {
        Err(Error::Null)
    } else if size < size_of::<S>() || size % align_of::<S>() != 0 {
        Err(Error::InvalidArgument)
    } else {
        Ok(())
    }
}

/// # Safety
/// `out` is writable for `size` bytes, at least those of `S`.
pub(crate) unsafe fn write_sized<S>(out: *mut S, size: usize, value: S) {
    // SAFETY: the caller's promise.
    unsafe {
        out.cast::<u8>().write_bytes(0, size);
        out.write(value);
    }
}

/// Reads a caller's struct that may be of a later version, larger than ours.
///
/// # Safety
/// `from` is NULL or points at an `S`, which begins with its own size, of that size.
pub(crate) unsafe fn read_sized<S: Copy>(from: *const S) -> Result<S, Error> {
    if from.is_null() {
        return Err(Error::Null);
    }
    // SAFETY: the caller's promise.
    let size = unsafe { from.cast::<usize>().read() };
    if size < size_of::<S>() {
        return Err(Error::InvalidArgument);
    }
    // SAFETY: it is at least as large as this version of it.
    Ok(unsafe { from.read() })
}
