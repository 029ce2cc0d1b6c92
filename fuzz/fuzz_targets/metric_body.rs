//! A body of the metric API, as each of those that routes take.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metric_api::fuzz::bodies(data));
