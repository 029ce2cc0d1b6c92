//! Any bytes as the body of a message: bare, and under each compression.
#![no_main]

use oslo_messaging::envelope::{self, Parsed};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let (encoding, compression) = match first % 4 {
        0 => (None, None),
        1 => (Some("utf-8"), None),
        2 => (Some("binary"), Some("application/x-gzip")),
        _ => (Some("utf-8"), Some("application/zstd")),
    };
    let Ok(document) = envelope::open_parts(body, encoding, compression) else { return };
    if let Ok(Parsed::Notification(notification)) = document.notification() {
        // What is left raw is a piece of the text.
        assert!(notification.payload.is_none_or(|raw| raw.get().len() <= document.text().len()));
    }
});
