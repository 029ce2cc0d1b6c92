//! A Python expression, a zero byte, and the JSON that it is applied to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| python_expression::fuzz::expression(data));
