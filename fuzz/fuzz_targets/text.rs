//! Any text through what Python does with texts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| model::fuzz::text(data));
