//! The fuzz bodies, driven by generated input.

#![allow(clippy::unwrap_used, reason = "a test")]

use nephoscope_model::{fuzz, json};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

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

/// Bytes from pieces that matter to a grammar, with some noise.
fn pieces(alphabet: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => prop::sample::select(alphabet).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\"a\"",
    "\"b\":",
    "{\"a\":",
    "[1,",
    "0",
    "1",
    "-",
    ".",
    "e",
    "E+",
    "null",
    "true",
    "false",
    "NaN",
    "Infinity",
    "-Infinity",
    " ",
    "\n",
    "\\ud83d",
    "\\ude00",
    "\\u00e9",
    "\\n",
    "é",
    "😀",
    "9223372036854775808",
    "1e400",
    "1.5",
    "\u{0}",
];

const MAPS: &[&str] = &[
    "\"a\": 1",
    ", ",
    "\"bb\": \"twelve bytes\"",
    ", \"bb\": null",
    "\"a\": {\"bb\": [true, {\"c\": -1.5}], \"d\": \"\"}",
    ", \"é\": \"😀\"",
    "\"\\n\": \"\\\"\"",
    "}",
    "{",
    "\"",
    "\\",
];

const TIMES: &[&str] = &[
    "2026", "-07", "-21", "T", " ", "13", ":56", ":12", ".123456", ",5", "Z", "+", "-", "05", ":", "30", "9",
    "0001", "\n",
];

const TEXTS: &[&str] = &[
    "a", "1", "_", ".", "e5", "-", "inf", "nan", " ", "\u{a0}", "\u{1c}", "é", "ß", "İ", "ǰ", "Σ", "ς",
    "\u{345}", "٤", "😀", "'", "\"", "\\", "\u{0}",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json_returns_and_repeats(bytes in pieces(JSON)) {
        fuzz::json(&bytes);
    }

    /// Maps, so that more of them are right.
    #[test]
    fn maps_read_the_same_by_entries_and_in_another_text(bytes in pieces(MAPS)) {
        let text = format!("{{{}}}", String::from_utf8_lossy(&bytes));
        fuzz::json(text.as_bytes());
        fuzz::json(text.replace('"', "\\\"").as_bytes());
    }

    #[test]
    fn times_return_and_repeat(bytes in pieces(TIMES)) {
        fuzz::time(&bytes);
    }

    #[test]
    fn texts_return_and_repeat(bytes in pieces(TEXTS)) {
        fuzz::text(&bytes);
    }

    /// An independent parser agrees on everything that is JSON in the strict sense.
    #[test]
    fn serde_json_agrees(bytes in pieces(JSON)) {
        if let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(&bytes) {
            let ours = json::parse(&bytes).unwrap();
            // Its map is sorted, its floats may be off by a bit and its integers end at 64 bits, so shapes are compared.
            prop_assert_eq!(shape_of(&ours), shape_of_theirs(&theirs));
        }
    }
}

fn shape_of(value: &nephoscope_model::Value) -> String {
    use nephoscope_model::Value;
    match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => "number".into(),
        Value::Str(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(shape_of).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(key, value)| format!("{key:?}:{}", shape_of(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn shape_of_theirs(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(_) => "number".into(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shape_of_theirs).collect::<Vec<_>>().join(","))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(key, value)| format!("{key:?}:{}", shape_of_theirs(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
    }
}
