//! Version: which library this is.

use std::ffi::{CStr, c_char};

/// The library's version: "1.2.3". Compare it with QZ_VERSION, the header's. Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn qz_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };
    VERSION.as_ptr()
}

/// The number of the library's binary interface, which its soname ends in. A program works with the
/// library if this equals its QZ_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn qz_abi_version() -> u32 {
    const ABI: u32 = match u32::from_str_radix(env!("QUIESCENT_ABI"), 10) {
        Ok(abi) => abi,
        Err(_) => panic!("build.rs sets a number"),
    };
    ABI
}
