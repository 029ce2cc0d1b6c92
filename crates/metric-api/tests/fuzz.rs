//! Whatever clients send is read or refused; a failing input is kept beside this file.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use nephoscope_metric_api::fuzz;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_170_402);
    }
    config
}

/// Pieces of searches.
fn search() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "and", "or", "not", "∧", "∨", "(", ")", "[", "]", ",", "=", "!=", "≠", "<=", ">", "like", "in", "host", "vcpus",
            "None", "null", "True", "'a%'", "\"x'y\"", "1", "-2.5e3", "5a8df9a1-4e23-5685-86fb-d4d184a6b844", "lifespan",
        ]).prop_map(str::to_owned),
        1 => "(?s).{0,6}",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.join(" "))
}

/// JSON of the keys and values that bodies have.
fn body() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        Just("1e400".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        "[-+0-9a-z :.]{0,12}".prop_map(|text| format!("\"{text}\"")),
        prop::sample::select(vec![
            "mean",
            "rate:mean",
            "metric",
            "aggregate",
            "rolling",
            "1 day",
            "2020-01-01"
        ])
        .prop_map(|text| format!("\"{text}\"")),
    ];
    let key = prop::sample::select(vec![
        "=",
        "!=",
        "like",
        "in",
        "and",
        "or",
        "not",
        "timestamp",
        "value",
        "measures",
        "operations",
        "name",
        "unit",
        "op",
        "path",
        "attributes",
        "type",
        "required",
        "archive_policy_name",
        "granularity",
        "points",
        "timespan",
        "definition",
    ]);
    leaf.prop_recursive(8, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..4).prop_map(|pairs| {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

/// A field of a message, right or wrong.
fn field() -> impl Strategy<Value = Vec<u8>> {
    (
        0..4_u8,
        prop::sample::select(vec![0_u8, 1, 2, 5, 7]),
        prop::collection::vec(any::<u8>(), 0..20),
        any::<bool>(),
    )
        .prop_map(|(number, kind, bytes, is_right)| {
            let mut field = vec![number << 3 | kind];
            if kind == 2 {
                field.push(if is_right { u8::try_from(bytes.len()).unwrap() } else { 0xff });
            }
            field.extend(bytes);
            field
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn texts_are_searches_or_refused(text in search()) {
        fuzz::filter_text(text.as_bytes());
    }

    #[test]
    fn any_text_is_a_search_or_refused(text in "(?s).{0,60}") {
        fuzz::filter_text(text.as_bytes());
    }

    #[test]
    fn bodies_are_read_or_refused(text in body()) {
        fuzz::bodies(text.as_bytes());
    }

    #[test]
    fn messages_are_read_or_refused(fields in prop::collection::vec(field(), 0..6)) {
        let message = fields.concat();
        fuzz::remote_write(&message);
        // As the only series of a message.
        let mut series = vec![0x0a, u8::try_from(message.len()).unwrap()];
        series.extend(message);
        fuzz::remote_write(&series);
    }

    #[test]
    fn lines_are_read_or_refused(text in "[a-c\\\\ ,=\"i0-9.\n]{0,40}", any in "(?s).{0,20}") {
        fuzz::line(text.as_bytes());
        fuzz::line(any.as_bytes());
        fuzz::line(format!("m,host=a {text} 1").as_bytes());
    }
}
