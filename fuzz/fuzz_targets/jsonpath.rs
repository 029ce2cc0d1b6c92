//! A JSONPath, a zero byte, and the JSON that it is applied to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| expression::fuzz::jsonpath(data));
