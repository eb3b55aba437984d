//! Where there are no POSIX threads: a record ends with a thread-local of std's.

use crate::handle::record::Record;
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
