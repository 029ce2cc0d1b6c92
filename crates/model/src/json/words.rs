//! Eight bytes of a text at once.

pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is a quote, a backslash or a control character.
///
/// The lowest one is right. Behind it there may be false ones.
pub(super) const fn special(word: u64) -> u64 {
    (below(word, 0x20) | below(word ^ (ONES * b'"' as u64), 1) | below(word ^ (ONES * b'\\' as u64), 1))
        & HIGH
}

/// A byte below `bound` makes the high bit of (byte - bound) & !byte. A false one may follow a true one, never precede it.
const fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(ONES * bound) & !word
}
