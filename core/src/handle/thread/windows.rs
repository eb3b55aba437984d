//! Windows: its own number for the thread, and the thread's description.

use std::ffi::c_void;
use std::ptr;
use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::Threading::{GetCurrentThread, GetCurrentThreadId};

pub(crate) fn id() -> u64 {
    // SAFETY: it takes nothing and cannot fail.
    u64::from(unsafe { GetCurrentThreadId() })
}

/// What `SetThreadDescription` was told, also by std for a thread that has a name. Empty for a thread without.
pub(crate) fn name() -> [u8; 16] {
    let mut name = [0; 16];
    let Some(get_description) = get_description() else { return name };
    let mut description = ptr::null_mut();
    // SAFETY: the calling thread's own handle, and writable; a description that it answers ends with a NUL and is the caller's
    // to give back.
    unsafe {
        if get_description(GetCurrentThread(), &raw mut description) >= 0 && !description.is_null() {
            let length = (0..name.len()).take_while(|&at| *description.add(at) != 0).count();
            cut(std::slice::from_raw_parts(description, length), &mut name);
            LocalFree(description.cast::<c_void>());
        }
    }
    name
}

type GetDescription = unsafe extern "system" fn(thread: HANDLE, description: *mut *mut u16) -> i32;

/// `GetThreadDescription`, looked up by name: the first Windows that has it has it in this module only, and a library that
/// imported it from elsewhere would not load there.
fn get_description() -> Option<GetDescription> {
    // SAFETY: two C strings. The module is part of every process and is never unloaded. The type is the function's.
    unsafe {
        let module = GetModuleHandleA(c"kernelbase.dll".as_ptr().cast());
        let found = GetProcAddress(module, c"GetThreadDescription".as_ptr().cast())?;
        Some(std::mem::transmute::<unsafe extern "system" fn() -> isize, GetDescription>(found))
    }
}

/// As UTF-8, what fits whole before a last NUL.
fn cut(text: &[u16], name: &mut [u8; 16]) {
    let mut length = 0;
    for character in char::decode_utf16(text.iter().copied()) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        if length + character.len_utf8() > 15 {
            return;
        }
        length += character.encode_utf8(&mut name[length..]).len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_of(text: &str) -> String {
        let mut name = [0; 16];
        cut(&text.encode_utf16().collect::<Vec<_>>(), &mut name);
        String::from_utf8(name.to_vec()).expect("whole characters").trim_end_matches('\0').to_owned()
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(cut_of("fifteen of them"), "fifteen of them");
        assert_eq!(cut_of("sixteen of those"), "sixteen of thos");
        assert_eq!(cut_of("ääääääää"), "äääääää");
        assert_eq!(cut_of("three 🦀🦀🦀"), "three 🦀🦀");
    }

    #[test]
    fn a_thread_has_its_number_and_its_name() {
        let here = id();
        assert_eq!((here, name()), (id(), name()));
        let named = std::thread::Builder::new().name("a long name for a thread".to_owned());
        let (number, name) = named.spawn(|| (id(), name())).expect("a thread").join().expect("no panic");
        assert_ne!(number, here);
        assert_eq!(&name, b"a long name for\0");
    }
}
