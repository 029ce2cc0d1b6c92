//! A regular expression of Python's, a zero byte, and the text that it is matched with.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| expression::fuzz::pattern(data));
