//! Where a thread keeps the address of its own record.
//!
//! Every operation starts here, so on Linux with glibc on x86-64 this is one load relative to the thread pointer, also
//! from a shared library: the variable is declared in assembly, with the initial-exec model of thread-local storage. (A
//! Rust thread-local in a shared library is found through a call of `__tls_get_addr`, which costs as much as all the rest of an
//! operation.) It takes 8 bytes of the room that glibc keeps for libraries that are loaded later. musl refuses to load
//! such a library, so elsewhere it is a Rust thread-local.

use crate::handle::record::Record;
use std::ptr;

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod storage {
    use super::Record;
    use std::arch::{asm, global_asm};

    // Hidden: each object that carries this code has its own. The version in its name keeps two versions in one object apart.
    global_asm!(
        ".pushsection .tbss.quiescent_core, \"awT\", @nobits",
        ".p2align 3",
        concat!(".hidden ", "quiescent_core_record_", env!("CARGO_PKG_VERSION")),
        concat!(".globl ", "quiescent_core_record_", env!("CARGO_PKG_VERSION")),
        concat!(".type ", "quiescent_core_record_", env!("CARGO_PKG_VERSION"), ", @object"),
        concat!(".size ", "quiescent_core_record_", env!("CARGO_PKG_VERSION"), ", 8"),
        concat!("quiescent_core_record_", env!("CARGO_PKG_VERSION"), ":"),
        ".zero 8",
        ".popsection",
    );

    #[inline]
    pub(super) fn get() -> *const Record {
        let record;
        // SAFETY: reads the calling thread's own variable, at the offset that the dynamic linker has stored.
        unsafe {
            asm!(
                concat!("mov {record}, qword ptr [rip + quiescent_core_record_", env!("CARGO_PKG_VERSION"), "@GOTTPOFF]"),
                "mov {record}, qword ptr fs:[{record}]",
                record = out(reg) record,
                options(nostack, preserves_flags, readonly, pure),
            );
        }
        record
    }

    #[inline]
    pub(super) fn set(record: *const Record) {
        // SAFETY: writes the calling thread's own variable, which only this module uses.
        unsafe {
            asm!(
                concat!("mov {offset}, qword ptr [rip + quiescent_core_record_", env!("CARGO_PKG_VERSION"), "@GOTTPOFF]"),
                "mov qword ptr fs:[{offset}], {record}",
                offset = out(reg) _,
                record = in(reg) record,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod storage {
    use super::{Record, ptr};
    use std::cell::Cell;

    thread_local! {
        // Without a destructor, so that it can be read while other destructors run at the thread's end.
        static CURRENT: Cell<*const Record> = const { Cell::new(ptr::null()) };
    }

    #[inline]
    pub(super) fn get() -> *const Record {
        CURRENT.get()
    }

    pub(super) fn set(record: *const Record) {
        CURRENT.set(record);
    }
}

/// The calling thread's record, if it has one.
#[inline]
pub(crate) fn get() -> Option<&'static Record> {
    // SAFETY: null, or what this thread was given by `set`: records are leaked.
    unsafe { storage::get().as_ref() }
}

/// Makes `record` the calling thread's.
pub(crate) fn set(record: Option<&'static Record>) {
    storage::set(record.map_or(ptr::null(), ptr::from_ref));
}
