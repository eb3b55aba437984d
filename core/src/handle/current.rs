//! Where a thread keeps the address of its own record.
//!
//! Every operation starts here. A Rust thread-local in a shared library is found through `__tls_get_addr`, which costs as
//! much as half of the rest of an operation. So on Linux with glibc on x86-64 the variable is declared in assembly, and
//! found through a descriptor (TLSDESC; A. Oliva, G. Araujo: "Speeding Up Thread-Local Storage Access in Dynamic
//! Libraries", 2006): usually one call of two instructions, which changes no register but its result; in a program the
//! linker removes even that.
//!
//! The initial-exec model would be one load less. But a library that uses it is refused by `dlopen` ("cannot allocate
//! memory in static TLS block") once other libraries have used up the little room there is for such.

use crate::handle::record::Record;
use std::ptr;

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod storage {
    use super::Record;
    use std::arch::{asm, global_asm};

    /// The variable's name. Hidden: each object that carries this code has its own; and two versions in one object have two.
    macro_rules! variable {
        () => {
            concat!(
                "quiescent_core_record_",
                env!("CARGO_PKG_VERSION_MAJOR"),
                "_",
                env!("CARGO_PKG_VERSION_MINOR"),
                "_",
                env!("CARGO_PKG_VERSION_PATCH")
            )
        };
    }

    global_asm!(
        ".pushsection .tbss.quiescent_core, \"awT\", @nobits",
        ".p2align 3",
        concat!(".hidden ", variable!()),
        concat!(".globl ", variable!()),
        concat!(".type ", variable!(), ", @object"),
        concat!(".size ", variable!(), ", 8"),
        concat!(variable!(), ":"),
        ".zero 8",
        ".popsection",
    );

    /// Where the variable is, from the thread pointer.
    #[inline]
    fn offset() -> usize {
        let offset;
        // SAFETY: asks the dynamic linker for the calling thread's own variable. It changes no register but rax; should it
        // have to allocate the variable first, old versions of glibc change vector registers as well.
        unsafe {
            asm!(
                concat!("lea rax, [rip + ", variable!(), "@TLSDESC]"),
                concat!("call qword ptr [rax + ", variable!(), "@TLSCALL]"),
                out("rax") offset,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(pure, readonly),
            );
        }
        offset
    }

    #[inline]
    pub(super) fn get() -> *const Record {
        let record;
        // SAFETY: reads the calling thread's own variable.
        unsafe {
            asm!(
                "mov {record}, qword ptr fs:[{offset}]",
                record = lateout(reg) record,
                offset = in(reg) offset(),
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
                "mov qword ptr fs:[{offset}], {record}",
                offset = in(reg) offset(),
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
