//! Any bytes as an answer, an event or an error of libvirt's daemon.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libvirt::fuzz::payload(data));
