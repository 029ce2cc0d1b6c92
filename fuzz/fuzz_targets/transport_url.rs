//! Any text as a transport URL.
#![no_main]

use oslo_messaging::TransportUrl;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(error) = String::from_utf8_lossy(data).parse::<TransportUrl>() {
        assert!(!error.to_string().is_empty());
    }
});
