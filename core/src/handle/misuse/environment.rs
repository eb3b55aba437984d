//! `QUIESCENT_MISUSE`: what is done about misuse, without a change to the program.

use crate::handle::misuse::last_words;
use crate::handle::misuse::{MisuseLevel, set_default};

/// Reads it. Called once, before the process's first handle.
pub(crate) fn read() {
    match value().as_deref() {
        None | Some(b"") => {}
        Some(b"ignore") => set_default(MisuseLevel::Ignore),
        Some(b"count") => set_default(MisuseLevel::Count),
        Some(b"abort") => set_default(MisuseLevel::Abort),
        // A test suite that believes itself guarded is to know.
        Some(_) => last_words::say("quiescent: QUIESCENT_MISUSE is neither ignore nor count nor abort\n"),
    }
}

/// Not by `std::env`, which ends the process if there is no memory for a copy.
#[cfg(unix)]
fn value() -> Option<std::borrow::Cow<'static, [u8]>> {
    // SAFETY: the name is a C string. The value is looked at before this returns to the program, which must not change its
    // environment beside its other threads' calls in any case.
    unsafe {
        let value = libc::getenv(c"QUIESCENT_MISUSE".as_ptr());
        (!value.is_null()).then(|| std::ffi::CStr::from_ptr(value).to_bytes().into())
    }
}

#[cfg(not(unix))]
fn value() -> Option<std::borrow::Cow<'static, [u8]>> {
    std::env::var("QUIESCENT_MISUSE").ok().map(|value| value.into_bytes().into())
}
