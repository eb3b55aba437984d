//! Linux: a private futex on the 32-bit half of the word (`futex(2)`, `FUTEX_WAIT_BITSET` for its
//! absolute monotonic deadline).

use crate::deadline::Deadline;
use crate::park::Half;
use crate::shim::AtomicU64;

fn address(word: &AtomicU64, half: Half) -> *mut u32 {
    let first: *mut u32 = word.as_ptr().cast();
    let is_second = (half == Half::High) == cfg!(target_endian = "little");
    first.wrapping_add(usize::from(is_second))
}

pub(super) fn wait(word: &AtomicU64, half: Half, expected: u32, deadline: Deadline) {
    let until = deadline.nanos().map(|nanos| libc::timespec {
        tv_sec: libc::time_t::try_from(nanos / 1_000_000_000).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::try_from(nanos % 1_000_000_000).unwrap_or(0),
    });
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the address is that of a live, aligned 32-bit half of `word`, `until` is null or points at a
    // timespec on this stack, and FUTEX_WAIT_BITSET reads nothing else. Errors (EAGAIN, EINTR,
    // ETIMEDOUT) all mean: look again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            address(word, half),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            expected,
            until,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

pub(super) fn wake_all(word: &AtomicU64, half: Half) {
    // SAFETY: a private wake uses the address as a key and does not read what is there.
    unsafe {
        libc::syscall(libc::SYS_futex, address(word, half), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX);
    }
}
