//! Any text as an option's value.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oslo_config::fuzz::fuzz_value(data));
