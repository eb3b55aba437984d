//! Which call a thread looks at, so that what the call runs can be told for whom.

use std::cell::Cell;

#[cfg(not(loom))]
thread_local! {
    // Without a destructor, so that it can be read while other destructors run at the thread's end.
    static USER_DATA: Cell<Option<usize>> = const { Cell::new(None) };
}
// A model's threads are one to std.
#[cfg(loom)]
loom::thread_local! {
    static USER_DATA: Cell<Option<usize>> = Cell::new(None);
}

/// The user data of the call that this thread looks at: the innermost one, if what a call runs looks at others.
pub(super) fn user_data() -> Option<usize> {
    USER_DATA.with(Cell::get)
}

/// This thread looks at a call as long as this lives, also while that unwinds.
pub(super) struct Looking {
    outer: Option<usize>,
}

impl Looking {
    pub(super) fn begin(user_data: usize) -> Looking {
        Looking { outer: USER_DATA.with(|current| current.replace(Some(user_data))) }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        USER_DATA.with(|current| current.set(self.outer));
    }
}
