//! Text in fixed memory.

use std::fmt;
use std::marker::PhantomData;

/// As much of `text` as fits into `room` bytes, cut between characters. (`str::floor_char_boundary` is newer than the
/// oldest compiler this builds with.)
pub(crate) fn fitting(text: &str, room: usize) -> &str {
    let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// Writes as much as fits into given memory, always with a NUL behind it, and counts the whole. Writing never fails.
pub(crate) struct Cut<'m> {
    next: *mut u8,
    /// How many bytes still fit, apart from the NUL; `None`: not even that did.
    room: Option<usize>,
    length: usize,
    memory: PhantomData<&'m mut [u8]>,
}

impl<'m> Cut<'m> {
    /// Into `memory`.
    pub(crate) fn within(memory: &'m mut [u8]) -> Cut<'m> {
        // SAFETY: it is.
        unsafe { Cut::at(memory.as_mut_ptr(), memory.len()) }
    }

    /// # Safety
    /// `memory` is writable for `size` bytes during `'m`.
    pub(crate) unsafe fn at(memory: *mut u8, size: usize) -> Cut<'m> {
        if size > 0 {
            // SAFETY: the caller's promise.
            unsafe { memory.write(0) };
        }
        Cut { next: memory, room: size.checked_sub(1), length: 0, memory: PhantomData }
    }

    /// How long the whole text is, without the NUL.
    #[cfg(not(loom))]
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.length += more.len();
        let Some(room) = self.room else { return Ok(()) };
        let fits = fitting(more, room);
        // After a gap nothing more is written.
        self.room = Some(if fits.len() < more.len() { 0 } else { room - fits.len() });
        // SAFETY: there is room for what fits, and one more.
        unsafe {
            self.next.copy_from_nonoverlapping(fits.as_ptr(), fits.len());
            self.next = self.next.add(fits.len());
            self.next.write(0);
        }
        Ok(())
    }
}

/// Text padded with NULs, as a person reads it: on one line, whatever is in it.
pub(crate) struct Padded<'t>(pub(crate) &'t [u8]);

impl Padded<'_> {
    /// Without the padding; `None`: not UTF-8.
    fn text(&self) -> Option<&str> {
        let bytes = self.0.split(|&byte| byte == 0).next()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            // Cut inside its last character.
            Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
            Err(_) => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.first().is_none_or(|&byte| byte == 0)
    }
}

impl fmt::Display for Padded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let text = self.text().unwrap_or("(not UTF-8)");
        text.chars().try_for_each(|letter| f.write_char(if letter.is_control() { '?' } else { letter }))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn what_does_not_fit_is_counted_and_nothing_is_written_after_it() {
        let pieces = ["äb", "c", "ä", "d"];
        let whole = pieces.concat();
        for size in 0..10 {
            let mut memory = [0x5A; 10];
            let mut cut = Cut::within(&mut memory[..size]);
            pieces.iter().for_each(|piece| cut.write_str(piece).expect("never fails"));
            assert_eq!(cut.length(), whole.len());
            let written = if size > 0 { memory.split(|byte| *byte == 0).next().expect("a NUL") } else { &[] };
            assert_eq!(written, fitting(&whole, size.saturating_sub(1)).as_bytes(), "{size} bytes of memory");
            assert!(memory[size..].iter().all(|byte| *byte == 0x5A), "written past {size} bytes");
        }
    }

    #[test]
    fn padded_text_is_one_line() {
        let shown = |bytes: &[u8]| Padded(bytes).to_string();
        assert_eq!(shown(b"one\0\0"), "one");
        assert_eq!((shown(b"no padding"), shown(b"\0"), shown(b"")), ("no padding".into(), "".into(), "".into()));
        assert_eq!(shown("two\nlines\u{85}\t\0".as_bytes()), "two?lines??");
        assert_eq!(shown(b"cut \xC3"), "cut ", "inside its last character");
        assert_eq!(shown(b"\xFF\0"), "(not UTF-8)");
        assert!(Padded(b"\0x").is_empty() && Padded(b"").is_empty() && !Padded(b"x").is_empty());
    }
}
