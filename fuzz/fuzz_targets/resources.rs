//! Any text as resource definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| definitions::fuzz::resources(data));
