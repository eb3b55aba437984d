//! Tokens: what foreign code holds instead of an address.
//!
//! ```text
//!  63              36 35           12 11        1  0
//! |    generation    |     index     |   key     | 1 |
//! ```
//!
//! Odd, so that no aligned address is one. The key is the process's own (11 bits; another copy of the
//! library, and a parent before a fork, have another). The index names a shell, the generation one life
//! of it. A value that is none of ours is refused with certainty if it is NULL, even, or of a generation
//! or index never handed out; other odd values with a probability of 2046 in 2047 by the key, and beyond
//! that only if index and generation happen to be those of a live handle.

/// How many bits the generation has: a shell lives 2^28 - 1 times and is then retired.
pub const GENERATION_BITS: u32 = 28;
/// How many bits the index has: 2^24 shells.
pub const INDEX_BITS: u32 = 24;
/// How many bits the key has.
pub const KEY_BITS: u32 = 11;

const KEY_SHIFT: u32 = 1;
const MARK: u64 = (1 << INDEX_SHIFT) - 1;
const INDEX_SHIFT: u32 = KEY_SHIFT + KEY_BITS;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;

/// The last generation a token can name.
pub const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// A token taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) key: u32,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Parts {
    /// The token of these parts.
    #[inline]
    pub(crate) fn join(self) -> u64 {
        debug_assert!(self.key < 1 << KEY_BITS && self.index < 1 << INDEX_BITS && self.generation <= GENERATION_MAX);
        1 | u64::from(self.key) << KEY_SHIFT
            | u64::from(self.index) << INDEX_SHIFT
            | u64::from(self.generation) << GENERATION_SHIFT
    }

    /// The parts of `token`, if its lowest bits are `mark`: see [`Parts::mark`].
    #[inline]
    pub(crate) fn split(token: u64, mark: u64) -> Option<Parts> {
        (token & MARK == mark).then(|| Parts::unpack(token))
    }

    /// The lowest bits of the tokens with this key.
    pub(crate) fn mark(key: u32) -> u64 {
        u64::from(key) << KEY_SHIFT | 1
    }

    /// The parts of `token`; `None` for an even number.
    pub(crate) fn of(token: u64) -> Option<Parts> {
        (token & 1 == 1).then(|| Parts::unpack(token))
    }

    /// The parts of `token`, which is one.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "no field is wider than 28 bits")]
    pub(crate) fn unpack(token: u64) -> Parts {
        let field = |shift: u32, bits: u32| ((token >> shift) & ((1 << bits) - 1)) as u32;
        Parts {
            key: field(KEY_SHIFT, KEY_BITS),
            index: field(INDEX_SHIFT, INDEX_BITS),
            generation: field(GENERATION_SHIFT, GENERATION_BITS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_and_splitting_are_inverse_at_the_ends_of_each_field() {
        for key in [0, 1, (1 << KEY_BITS) - 1] {
            for index in [0, 1, (1 << INDEX_BITS) - 1] {
                for generation in [0, 1, GENERATION_MAX] {
                    let parts = Parts { key, index, generation };
                    assert_eq!(Parts::of(parts.join()), Some(parts));
                    assert_eq!(Parts::split(parts.join(), Parts::mark(key)), Some(parts));
                    assert_eq!(Parts::split(parts.join(), Parts::mark(key ^ 1)), None);
                }
            }
        }
    }

    #[test]
    fn even_values_are_no_tokens() {
        for value in [0, 2, 0x7fff_ffff_fff0, u64::MAX - 1] {
            assert_eq!(Parts::of(value), None);
            assert_eq!(Parts::split(value, Parts::mark(7)), None);
        }
    }
}
