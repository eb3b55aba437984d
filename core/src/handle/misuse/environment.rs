//! `QUIESCENT_MISUSE`: what is done about misuse, without a change to the program.
//!
//! Not read by `std::env` where that can be avoided: it ends the process if there is no memory for a copy.

use crate::handle::misuse::last_words;
use crate::handle::misuse::{MisuseLevel, set_default};

/// Reads it. Called once, before the process's first handle.
pub(crate) fn read() {
    with_value(|value| match value {
        b"" => {}
        b"ignore" => set_default(MisuseLevel::Ignore),
        b"count" => set_default(MisuseLevel::Count),
        b"abort" => set_default(MisuseLevel::Abort),
        // A test suite that believes itself guarded is to know.
        _ => last_words::say("quiescent: QUIESCENT_MISUSE is neither ignore nor count nor abort\n"),
    });
}

/// Shows its value, empty where there is none.
#[cfg(unix)]
fn with_value(look: impl FnOnce(&[u8])) {
    // SAFETY: the name is a C string. The value is looked at before this returns to the program, which must not change its
    // environment beside its other threads' calls in any case.
    unsafe {
        let value = libc::getenv(c"QUIESCENT_MISUSE".as_ptr());
        look(if value.is_null() { b"" } else { std::ffi::CStr::from_ptr(value).to_bytes() });
    }
}

#[cfg(windows)]
fn with_value(look: impl FnOnce(&[u8])) {
    use windows_sys::Win32::System::Environment::GetEnvironmentVariableA;
    // One that is longer is none that we know.
    let mut value = [0; 16];
    // SAFETY: a C string, and writable for its length.
    let length = unsafe { GetEnvironmentVariableA(c"QUIESCENT_MISUSE".as_ptr().cast(), value.as_mut_ptr(), 16) };
    // Of one that does not fit it tells the length that would do, and writes nothing.
    let length = value.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    look(&value[..length]);
}

#[cfg(not(any(unix, windows)))]
fn with_value(look: impl FnOnce(&[u8])) {
    look(std::env::var("QUIESCENT_MISUSE").unwrap_or_default().as_bytes());
}
