//! Any text as a URI of libvirt.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libvirt::fuzz::uri(&String::from_utf8_lossy(data)));
