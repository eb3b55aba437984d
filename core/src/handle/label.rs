//! A short text that is read while it may be written: for people, never for decisions.

use crate::shim::{AtomicU64, Ordering};
use crate::text::fitting;

/// How many bytes of text fit, without the NUL that C sees behind them.
pub const LABEL_MAX: usize = 31;

const WORDS: usize = 4;

/// Up to 31 bytes of text in atomics. Two writers at once may mix their texts, a reader may see half of
/// a new one.
pub struct Label([AtomicU64; WORDS]);

impl Label {
    /// Empty.
    #[must_use]
    pub fn new() -> Label {
        Label(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Without text.
    #[inline]
    pub fn clear(&self) {
        for word in &self.0 {
            // Relaxed, here and below: nothing hangs on it.
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Stores what fits of `text`, cut between characters.
    pub fn set(&self, text: &str) {
        let mut bytes = [0; WORDS * 8];
        let text = fitting(text, LABEL_MAX).as_bytes();
        bytes[..text.len()].copy_from_slice(text);
        for (word, chunk) in self.0.iter().zip(bytes.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(chunk.try_into().unwrap_or_default()), Ordering::Relaxed);
        }
    }

    /// The text, padded with NULs: at least one.
    #[must_use]
    pub fn get(&self) -> [u8; LABEL_MAX + 1] {
        let mut bytes = [0; WORDS * 8];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(&self.0) {
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        bytes
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::new()
    }
}
