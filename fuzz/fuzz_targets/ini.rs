//! Any bytes as a configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oslo_config::fuzz::fuzz_ini(data));
