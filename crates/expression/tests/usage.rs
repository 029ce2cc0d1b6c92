//! How the crate is used: the paths of Ceilometer's files, full paths, the quick way, errors.

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::borrow::Cow;

use model::Value;
use nephoscope_expression::{Glob, JsonPath, Pattern};

fn notification() -> Value {
    model::json::parse(
        r#"{"event_type": "image.upload", "publisher_id": "image.host",
            "payload": {"size": 5, "id": "i", "host": "h", "nodename": "n", "none": null, "outcome": "success",
                "metrics": [{"name": "cpu.frequency", "value": 1600}, {"name": "cpu.percent", "value": 0.29}],
                "name_to_id": "host@lvm#pool", "volume_attachment": null, "nodes": [{"name": "x"}, {"name": "y"}]}}"#,
    )
    .expect("it is JSON")
}

fn first(path: &str) -> Value {
    let root = notification();
    let path = JsonPath::parse(path).expect("a path");
    path.first_non_null(&root).map_or(Value::Null, Cow::into_owned)
}

#[test]
fn first_values_of_the_packaged_definitions() {
    for (path, value) in [
        ("$.payload.size", Value::Int(5)),
        ("$.payload.none", Value::Null),
        ("$.payload.metrics[?(@.name='cpu.frequency')].value", Value::Int(1600)),
        ("$.payload.metrics[?(@.name='cpu.percent')].value * 100", Value::Float(28.999_999_999_999_996)),
        ("$.payload.host + \"_\" + $.payload.nodename", Value::from("h_n")),
        ("$.payload.name_to_id.`split(#, 0, 1)`", Value::from("host@lvm")),
        (
            "$.payload.outcome.`sub(/.*/, )` + 'identity.authenticate.' + $.payload.outcome",
            Value::from("identity.authenticate.success"),
        ),
        ("$.payload.volume_attachment[0].server_id", Value::Null),
        ("(payload.none)|(payload.id)", Value::from("i")),
        ("image.size", Value::Null),
    ] {
        assert_eq!(first(path), value, "{path}");
    }
}

#[test]
fn matches_carry_their_full_path() {
    let root = notification();
    let paths = |text: &str| -> Vec<String> {
        let path = JsonPath::parse(text).expect("a path");
        path.find(&root).iter().map(nephoscope_expression::Match::path).collect()
    };
    assert_eq!(paths("$.payload.nodes[*].name"), ["payload.nodes.[0].name", "payload.nodes.[1].name"]);
    assert_eq!(paths("payload.(id|none)"), ["payload.id", "payload.none"]);
    assert_eq!(
        paths("$..name"),
        [
            "payload.metrics.[0].name",
            "payload.metrics.[1].name",
            "payload.nodes.[0].name",
            "payload.nodes.[1].name",
        ]
    );
    assert_eq!(paths("payload.size + 1"), [""]);
}

#[test]
fn plain_paths_take_the_quick_way_and_borrow() {
    let root = notification();
    for (text, plain) in [
        ("$.payload.size", true),
        ("payload.nodes[0].name", true),
        ("(payload.none)|(payload.size)", true),
        ("payload.'size'", true),
        ("payload.size,id", false),
        ("payload.*", false),
        ("payload..size", false),
        ("payload.size + 1", false),
        ("payload.$.payload", false),
    ] {
        assert_eq!(JsonPath::parse(text).expect("a path").is_plain(), plain, "{text}");
    }
    let path = JsonPath::parse("payload.size").expect("a path");
    assert!(matches!(path.first_non_null(&root), Some(Cow::Borrowed(Value::Int(5)))));
}

#[test]
fn errors_say_where_and_what() {
    for (path, message) in [
        ("B/s", "expected the end of the path, found / (column 2 of \"B/s\")"),
        ("%", "unexpected character '%' (column 1 of \"%\")"),
        ("5 minutes", "expected an operator after the number, found \"minutes\" (column 3 of \"5 minutes\")"),
        ("payload.", "expected a path, found the end (column 9 of \"payload.\")"),
        ("a['b", "the ' here is never closed (column 3 of \"a['b\")"),
        ("1", "expected an operator after the number, found the end (column 2 of \"1\")"),
    ] {
        assert_eq!(JsonPath::parse(path).expect_err("no path").to_string(), message);
    }
    let error = Pattern::new("a(b").expect_err("no pattern");
    assert_eq!(error.to_string(), "missing ), unterminated subpattern (column 2 of the pattern \"a(b\")");
}

#[test]
fn compiled_expressions_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<JsonPath>();
    shared::<Pattern>();
    shared::<Glob>();
}
