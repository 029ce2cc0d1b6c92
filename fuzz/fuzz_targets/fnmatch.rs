//! A glob, a zero byte, and the text that it is matched with.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| expression::fuzz::fnmatch(data));
