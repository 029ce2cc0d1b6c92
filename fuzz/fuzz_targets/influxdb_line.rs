//! Lines of InfluxDB's protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metric_api::fuzz::line(data));
