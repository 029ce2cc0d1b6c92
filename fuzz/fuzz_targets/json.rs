//! Any bytes as JSON in Python's dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| model::fuzz::json(data));
