//! Text in fixed memory.

/// As much of `text` as fits into `room` bytes, cut between characters. (`str::floor_char_boundary` is newer than the
/// oldest compiler this builds with.)
pub(crate) fn fitting(text: &str, room: usize) -> &str {
    let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}
