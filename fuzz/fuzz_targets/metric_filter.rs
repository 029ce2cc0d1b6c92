//! A search of resources as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metric_api::fuzz::filter_text(data));
