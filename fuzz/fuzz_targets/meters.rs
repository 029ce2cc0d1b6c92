//! Any text as meter definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| definitions::fuzz::meters(data));
