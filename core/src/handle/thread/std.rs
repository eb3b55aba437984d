//! Where there are no POSIX threads: what std offers.

use crate::handle::record::Record;
use crate::shim::{AtomicU64, Ordering};
use std::cell::RefCell;

struct AtEnd(&'static Record);
impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.end();
    }
}
thread_local!(static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) });

pub(crate) fn at_end(record: &'static Record) -> bool {
    AT_END.try_with(|at_end| *at_end.borrow_mut() = Some(AtEnd(record))).is_ok()
}

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
