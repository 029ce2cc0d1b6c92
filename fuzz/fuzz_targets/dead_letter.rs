//! Any bytes as a line of the dead letters, and as the body of a letter.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    buffer::fuzz::letter(bytes);
    buffer::fuzz::body(bytes);
});
