//! Where no heavy side is known.

pub(crate) fn is_available() -> bool {
    false
}

#[inline]
pub(crate) fn light() {}

pub(crate) fn heavy() -> bool {
    false
}
