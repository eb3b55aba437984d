//! Neither Unix nor Windows: what std offers.

use crate::shim::{AtomicU64, Ordering};

/// A number of our own: there is no portable one.
pub(crate) fn id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn name() -> [u8; 16] {
    let mut name = [0; 16];
    let thread = std::thread::current();
    let text = thread.name().unwrap_or("").as_bytes();
    let length = text.len().min(15);
    name[..length].copy_from_slice(&text[..length]);
    name
}
