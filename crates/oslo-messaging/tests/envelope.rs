//! Envelopes: tables of cases. Any bytes at all are in the suite `fuzz`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "envelope/bodies.rs"]
mod bodies;

use std::io::Write;

use bodies::{v2, zlib, zstd};
use nephoscope_oslo_messaging::Delivery;
use nephoscope_oslo_messaging::envelope::{
    DECOMPRESSED_BYTES_MAX, Document, Notification, Parsed, RecentIds, Rejection, Version, open, open_parts,
};
use serde_json::json;

fn document(body: &str) -> Result<Document<'_>, Rejection> {
    open_parts(body.as_bytes(), Some("utf-8"), None)
}

fn with<T>(body: &str, look: impl FnOnce(&Notification<'_>) -> T) -> T {
    let document = document(body).unwrap();
    match document.notification().unwrap() {
        Parsed::Notification(notification) => look(&notification),
        Parsed::NeedsTolerantParse(text) => panic!("not plain: {text}"),
    }
}

fn cause(body: &str) -> &'static str {
    match document(body) {
        Err(rejection) => rejection.cause(),
        Ok(document) => match document.notification() {
            Err(rejection) => rejection.cause(),
            Ok(Parsed::NeedsTolerantParse(_)) => "tolerant",
            Ok(Parsed::Notification(_)) => "plain",
        },
    }
}

#[test]
fn the_header_is_read_and_the_payload_left_alone() {
    let inner = r#"{"message_id": "m", "publisher_id": "a\"b", "event_type": "e", "priority": "INFO", "payload" :
        {"x": 1e3, "y": [ ]}, "timestamp": "2026-11-22 09:31:27.990959", "_unique_id": "u", "_context_roles": ["a"],
        "other": {"_context_no": 1}, "_context_user": null, "_msg_id": null}"#;
    for body in [inner.to_owned(), v2(inner)] {
        with(&body, |notification| {
            assert_eq!(notification.message_id.as_deref(), Some("m"));
            assert_eq!(notification.publisher_id.as_deref(), Some("a\"b"));
            assert_eq!(notification.event_type.as_deref(), Some("e"));
            assert_eq!(notification.priority.as_deref(), Some("INFO"));
            assert_eq!(notification.timestamp.as_deref(), Some("2026-11-22 09:31:27.990959"));
            assert_eq!(notification.unique_id.as_deref(), Some("u"));
            assert_eq!(notification.payload.unwrap().get(), r#"{"x": 1e3, "y": [ ]}"#);
            let context: Vec<(&str, &str)> =
                notification.context.iter().map(|(name, value)| (&**name, value.get())).collect();
            assert_eq!(context, [("roles", r#"["a"]"#), ("user", "null")]);
        });
    }
    assert_eq!(document(inner).unwrap().version(), Version::V1);
    assert_eq!(document(&v2(inner)).unwrap().version(), Version::V2);
    assert_eq!(document(&v2(inner)).unwrap().text(), inner);
}

#[test]
fn of_a_repeated_key_the_last_value_holds() {
    with(
        r#"{"event_type": "a", "_context_x": 1, "_context_y": 2, "_context_x": 3, "event_type": "b", "payload": 1, "payload": 2}"#,
        |notification| {
            assert_eq!(notification.event_type.as_deref(), Some("b"));
            assert_eq!(notification.payload.unwrap().get(), "2");
            let context: Vec<_> =
                notification.context.iter().map(|(name, value)| (&**name, value.get())).collect();
            assert_eq!(context, [("y", "2"), ("x", "3")]);
        },
    );
}

#[test]
fn every_kind_of_body_has_its_verdict() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (body, expected) in [
        ("{}".to_owned(), "plain"),
        (r#"{"payload": {"deep": "#.to_owned() + &deep + "}}", "plain"),
        (r#"{"event_type": null, "message_id": null}"#.to_owned(), "plain"),
        // Not an envelope without both keys, as upstream.
        (r#"{"oslo.version": "7"}"#.to_owned(), "plain"),
        (r#"{"oslo.message": "{}"}"#.to_owned(), "plain"),
        // What Python writes and JSON does not know.
        (r#"{"payload": NaN}"#.to_owned(), "tolerant"),
        (r#"{"payload": -Infinity}"#.to_owned(), "tolerant"),
        (v2(r#"{"payload": {"x": NaN}}"#), "tolerant"),
        (r#"{"event_type": 7}"#.to_owned(), "tolerant"),
        (r#"{"priority": ["INFO"]}"#.to_owned(), "tolerant"),
        (r#"{"message_id": "\ud800"}"#.to_owned(), "tolerant"),
        (r#"{"message_id": 123456789012345678901234567890}"#.to_owned(), "tolerant"),
        (r#"{"payload": "\ud800"}"#.to_owned(), "plain"),
        (r#"{"payload": 123456789012345678901234567890}"#.to_owned(), "plain"),
        // Left to the tolerant parser, which refuses it too.
        (String::new(), "tolerant"),
        ("no json".to_owned(), "tolerant"),
        (r#"{"payload": 1"#.to_owned(), "tolerant"),
        (r#"{"a": 1} {"b": 2}"#.to_owned(), "tolerant"),
        (v2("no json"), "tolerant"),
        ("[1, 2]".to_owned(), "not_a_map"),
        ("\"text\"".to_owned(), "not_a_map"),
        (" 7".to_owned(), "not_a_map"),
        (v2("[1]"), "not_a_map"),
        (json!({"oslo.version": "1.0", "oslo.message": "{}"}).to_string(), "envelope_version"),
        (json!({"oslo.version": "2.1", "oslo.message": "{}"}).to_string(), "envelope_version"),
        (json!({"oslo.version": "2.0.1", "oslo.message": "{}"}).to_string(), "envelope_version"),
        (json!({"oslo.version": "x", "oslo.message": "{}"}).to_string(), "envelope_version"),
        (json!({"oslo.version": "2.0.0", "oslo.message": "{}"}).to_string(), "plain"),
        (json!({"oslo.version": 2.0, "oslo.message": "{}"}).to_string(), "envelope"),
        (json!({"oslo.version": "2.0", "oslo.message": {}}).to_string(), "envelope"),
        (json!({"oslo.version": "2.0", "oslo.message": null}).to_string(), "envelope"),
    ] {
        assert_eq!(cause(&body), expected, "{}", &body[..body.len().min(200)]);
    }
    assert_eq!(open_parts(b"\xff{}", None, None).unwrap_err().cause(), "not_utf8");
    assert_eq!(open_parts(b"{}", Some("utf-16"), None).unwrap_err().cause(), "charset");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_bodies_are_read() {
    let inner = json!({"event_type": "e", "payload": "x".repeat(10_000)}).to_string();
    let body = v2(&inner).into_bytes();
    for (bytes, encoding, compression) in [
        // kombu's way: the header says gzip, the bytes are zlib.
        (zlib(&body), Some("utf-8"), Some("application/x-gzip")),
        (gzip(&body), Some("utf-8"), Some("application/x-gzip")),
        (zstd(&body), Some("utf-8"), Some("application/zstd")),
        (gzip(&body), Some("gzip"), None),
        (zstd(&body), Some("zstd"), None),
        (zlib(&body), Some("deflate"), None),
        (body.clone(), Some("UTF-8"), Some("")),
        (body.clone(), None, None),
    ] {
        let delivery = Delivery {
            body: bytes,
            content_encoding: encoding.map(str::to_owned),
            compression: compression.map(str::to_owned),
            ..Delivery::default()
        };
        let document = open(&delivery).unwrap();
        assert_eq!(document.text(), inner, "{encoding:?} {compression:?}");
        assert_eq!(document.version(), Version::V2);
    }
    for name in ["application/x-bz2", "application/x-lzma", "application/x-brotli", "rot13"] {
        let rejection = open_parts(&body, Some("utf-8"), Some(name)).unwrap_err();
        assert_eq!(rejection.cause(), "compression_unsupported");
        assert!(rejection.to_string().contains(name));
    }
    for (name, bytes) in [("application/x-gzip", gzip(&body)), ("application/zstd", zstd(&body))] {
        for damaged in [&bytes[..bytes.len() / 2], b"no archive", b""] {
            assert_eq!(
                open_parts(damaged, None, Some(name)).unwrap_err().cause(),
                "compression_damaged",
                "{name}"
            );
        }
    }
}

#[test]
fn a_bomb_is_defused() {
    let size = usize::try_from(DECOMPRESSED_BYTES_MAX).unwrap() + 1;
    for (name, bomb) in [("gzip", zlib(&vec![b' '; size])), ("zstd", zstd(&vec![b' '; size]))] {
        assert!(bomb.len() < size / 100);
        assert_eq!(open_parts(&bomb, None, Some(name)).unwrap_err().cause(), "too_large", "{name}");
    }
}

#[test]
fn only_accepted_ids_count_as_seen() {
    let mut recent = RecentIds::default();
    // Delivered, given back, delivered again: it was never accepted, so it is no duplicate.
    assert!(!recent.contains("a"));
    assert!(!recent.contains("a"));
    recent.accepted("a");
    assert!(recent.contains("a"));
    recent.accepted("a");
    recent.accepted("");
    assert!(!recent.contains(""));
    for number in 0..15 {
        recent.accepted(&number.to_string());
    }
    assert!(recent.contains("a"), "sixteen are remembered");
    recent.accepted("one more");
    assert!(!recent.contains("a"));
    let mut none = RecentIds::new(0);
    none.accepted("a");
    assert!(!none.contains("a"));
}
