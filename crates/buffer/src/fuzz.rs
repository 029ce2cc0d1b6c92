//! Bodies of fuzz targets: plain functions over bytes that must return whatever they are given. Property tests drive
//! them with committed seeds; a fuzzer can do so as well.

use crate::dead_letters::{Letter, LetterId};

/// Reads any bytes as a line of a file of dead letters; what can be read is written and reads back equal.
///
/// # Panics
/// When it does not read back equal.
pub fn letter(line: &[u8]) {
    let Ok((id, letter)) = Letter::parse(line) else { return };
    let again = letter.to_json(&id);
    let read = Letter::parse(again.as_bytes()).ok();
    assert!(read.is_some_and(|read| read == (id, letter)), "does not read back equal: {again}");
}

/// Takes any bytes as a message's body; its letter reads back equal.
///
/// # Panics
/// When it does not.
pub fn body(body: &[u8]) {
    let letter = Letter { body: body.to_vec(), ..Letter::default() };
    let Ok(id) = "s-1".parse::<LetterId>() else { return };
    let read = Letter::parse(letter.to_json(&id).as_bytes()).ok();
    assert!(read.is_some_and(|read| read == (id, letter)), "does not read back equal: {body:?}");
}

/// Whether the bytes are a letter's line.
#[must_use]
pub fn is_letter(line: &[u8]) -> bool {
    Letter::parse(line).is_ok()
}
