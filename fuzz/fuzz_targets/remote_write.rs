//! A body of Prometheus' remote write, packed and unpacked.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metric_api::fuzz::remote_write(data));
