//! Any text as YAML 1.1.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| yaml::fuzz::parse(data));
