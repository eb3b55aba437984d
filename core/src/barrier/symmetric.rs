//! Both sides alike.

use super::full;

#[cfg(not(loom))]
pub(crate) fn is_available() -> bool {
    true
}

pub(crate) fn light() {
    full();
}

pub(crate) fn heavy() -> bool {
    full();
    true
}
