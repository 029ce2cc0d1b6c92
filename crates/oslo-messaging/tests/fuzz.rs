//! Generated input for everything that a stranger can send or an operator can write: envelopes and transport URLs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "envelope/bodies.rs"]
mod bodies;

use bodies::{v2, zlib, zstd};
use nephoscope_oslo_messaging::TransportUrl;
use nephoscope_oslo_messaging::envelope::{Parsed, open_parts};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use serde_json::Value;

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    config.cases = config.cases.max(2000);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_260_721);
    }
    config
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What a fuzzer runs: any body, whatever its properties say, is opened or rejected.
fn fuzz(body: &[u8], encoding: Option<&str>, compression: Option<&str>) {
    match open_parts(body, encoding, compression) {
        Ok(document) => match document.notification() {
            Ok(Parsed::Notification(notification)) => {
                assert!(notification.payload.is_none_or(|payload| document.text().contains(payload.get())));
            }
            Ok(Parsed::NeedsTolerantParse(text)) => assert_eq!(text, document.text()),
            Err(rejection) => assert!(!rejection.cause().is_empty()),
        },
        Err(rejection) => assert!(rejection.to_string().len() < 1000),
    }
}

proptest! {
    #![proptest_config(config())]

    /// The same as a full parse with serde_json finds.
    #[test]
    fn headers_are_what_a_full_parse_finds(
        map in prop::collection::hash_map(
            prop_oneof![
                Just("event_type".to_owned()), Just("payload".to_owned()), Just("_unique_id".to_owned()),
                "_context_\\PC{0,4}", "\\PC{0,4}",
            ],
            json_value(),
            0..8,
        ),
        enveloped in any::<bool>(),
    ) {
        let inner = Value::Object(map.into_iter().collect()).to_string();
        let reference: serde_json::Map<String, Value> = serde_json::from_str(&inner).unwrap();
        let body = if enveloped { v2(&inner) } else { inner };
        let document = open_parts(body.as_bytes(), Some("utf-8"), None).unwrap();
        let parsed = document.notification().unwrap();
        let plain = |key: &str| matches!(reference.get(key), None | Some(Value::Null | Value::String(_)));
        match parsed {
            Parsed::NeedsTolerantParse(_) => prop_assert!(!plain("event_type") || !plain("_unique_id")),
            Parsed::Notification(found) => {
                prop_assert!(plain("event_type") && plain("_unique_id"));
                prop_assert_eq!(found.event_type.as_deref(), reference.get("event_type").and_then(Value::as_str));
                prop_assert_eq!(found.unique_id.as_deref(), reference.get("_unique_id").and_then(Value::as_str));
                let payload = found.payload.map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
                prop_assert_eq!(payload.as_ref(), reference.get("payload"));
                let context: serde_json::Map<String, Value> = found
                    .context
                    .iter()
                    .map(|(name, value)| (format!("_context_{name}"), serde_json::from_str(value.get()).unwrap()))
                    .collect();
                let expected: serde_json::Map<String, Value> =
                    reference.into_iter().filter(|(key, _)| key.starts_with("_context_")).collect();
                prop_assert_eq!(context, expected);
            }
        }
    }

    #[test]
    fn any_bytes_are_opened_or_rejected(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\PC{0,100}".prop_map(String::into_bytes),
            "[\\[\\]{}\",:0-9a-z\\\\ ]{0,100}".prop_map(String::into_bytes),
            "\\{\"oslo.version\": ?\"2.0\", ?\"oslo.message\": ?\"[\\[\\]{}:0-9a-z\\\\\" ]{0,60}\"?\\}?".prop_map(String::into_bytes),
        ],
        encoding in prop::option::of(prop_oneof![Just("utf-8"), Just("gzip"), Just("zstd"), Just("deflate"), Just("x")]),
        compression in prop::option::of(prop_oneof![Just("application/x-gzip"), Just("application/zstd"), Just("?")]),
    ) {
        fuzz(&body, encoding, compression);
    }

    /// Damage to a compressed body is noticed, or does not matter.
    #[test]
    fn damaged_archives_are_survived(at in any::<prop::sample::Index>(), flip in 1_u8.., zstandard in any::<bool>()) {
        let body = v2(r#"{"event_type": "e", "payload": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}"#).repeat(3);
        let mut bytes = if zstandard { zstd(body.as_bytes()) } else { zlib(body.as_bytes()) };
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fuzz(&bytes, None, Some(if zstandard { "zstd" } else { "gzip" }));
    }

    /// Any text is read or refused.
    #[test]
    fn any_text_is_read_or_refused(text in "(rabbit)?:?/?/?\\PC{0,80}") {
        if let Ok(url) = text.parse::<TransportUrl>() {
            prop_assert!(!url.endpoints().is_empty());
            prop_assert!(url.to_string().starts_with("rabbit://"));
        }
    }
}
