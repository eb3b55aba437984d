//! Allocation that can fail. `Box::new` ends the process instead, which a library in somebody else's
//! process must not.

use std::alloc::{Layout, alloc};

/// `value` in a box, or `None` when there is no memory (then `value` is dropped).
pub(crate) fn try_box<T>(value: T) -> Option<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Some(Box::new(value));
    }
    // SAFETY: the layout is not of size zero.
    let memory = unsafe { alloc(layout) }.cast::<T>();
    if memory.is_null() {
        return None;
    }
    // SAFETY: `memory` is fresh, of this layout, from the global allocator: as `Box` wants it.
    unsafe {
        memory.write(value);
        Some(Box::from_raw(memory))
    }
}
