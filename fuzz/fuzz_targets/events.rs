//! Any text as event definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| definitions::fuzz::events(data));
