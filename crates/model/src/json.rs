//! JSON as Python's `json` module reads and writes it.
//!
//! The producers are Python programs, so the dialect is theirs: `NaN`, `Infinity` and `-Infinity` are numbers,
//! integers have any size, of equal keys the last value wins, and a `\ud800` without its partner is legal. One
//! parser of our own covers all of it; a general JSON library would refuse part of these and round part of the
//! floats.
//!
//! Two limits stand against hostile input: [`MAX_DEPTH`] and [`MAX_INTEGER_DIGITS`].
//!
//! A lone surrogate has no place in a Rust text. It becomes U+FFFD, and [`Document::replaced_surrogates`] counts
//! it, so that the loss can be reported.

mod bound;
mod cursor;
mod entries;
mod parse;
mod words;
mod write;

pub use bound::memory_bound;
pub use cursor::Cursor;
pub use entries::Entries;
pub use parse::{Document, ParseError, parse, parse_document};
pub use write::{quote, to_compact_string, to_string, write, write_compact, write_string};

/// How deep lists and maps may nest. Python's own bound lies near 1000 levels; real notifications stay below 20.
pub const MAX_DEPTH: usize = 256;

/// How many digits an integer may have: Python's own limit for conversions between text and integer.
pub const MAX_INTEGER_DIGITS: usize = 4300;
