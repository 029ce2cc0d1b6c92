//! Hostile expressions and hostile data end within their bounds.

#![allow(clippy::expect_used, reason = "a test may fail")]

use model::{Map, Value};
use nephoscope_expression::jsonpath::{MAX_NESTING, MAX_PATH_BYTES, MAX_STEPS, MAX_TOKENS};
use nephoscope_expression::pattern::{self, Substitution};
use nephoscope_expression::{Glob, JsonPath, Pattern};

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).expect("a path")
}

fn problem(text: &str) -> String {
    JsonPath::parse(text).expect_err("no path").to_string()
}

#[test]
fn paths_are_bounded_in_length_tokens_and_nesting() {
    assert!(problem(&"a".repeat(MAX_PATH_BYTES + 1)).contains("longer than"));
    assert!(problem(&"a.".repeat(MAX_TOKENS)).contains("more than"));
    for opening in ["(", "a[?(", "a[?", "a.(", "1 + (", "a[/("] {
        assert!(problem(&opening.repeat(MAX_NESTING + 2)).contains("nested deeper"), "{opening}");
    }
    let deep = format!("{}a{}", "(".repeat(MAX_NESTING - 2), ")".repeat(MAX_NESTING - 2));
    assert_eq!(path(&deep).find(&Value::Null).len(), 0);
    // Long chains to the left are as deep as they are long.
    for operator in ["..", "|", " where "] {
        let long = vec!["a"; MAX_TOKENS / 2].join(operator);
        assert_eq!(path(&long).find(&Value::Null).len(), 0);
    }
}

/// A list in a list in a list….
fn nested(depth: usize) -> Value {
    let mut value = Value::Int(1);
    for _ in 0..depth {
        value = Value::from(vec![value]);
    }
    value
}

#[test]
fn descending_stops_at_its_bounds() {
    let matches = path("$..missing").find(&Value::Null);
    assert!(!matches.is_truncated());

    let deep = nested(400);
    let matches = path("$..[0]").find(&deep);
    assert!(matches.is_truncated(), "the data are deeper than the descent may be");
    assert!(matches.len() > 100);

    // Each further step multiplies what the one before found.
    let wide = Value::from((0..300).map(|_| nested(3)).collect::<Vec<_>>());
    let matches = path("$..*..[*]..[*]..[*]|($..[*]..[*]..[*]..[*])").find(&wide);
    assert!(matches.is_truncated() || matches.len() < MAX_STEPS);
    let many = Value::from((0..1000_i64).map(Value::from).collect::<Vec<_>>());
    let pairs = path("$[*].$[*].$[*]").find(&many);
    assert!(pairs.is_truncated());
    assert!(pairs.len() <= MAX_STEPS);
}

#[test]
fn computed_values_do_not_grow_without_bound() {
    let datum = Value::Map(Map::from_iter([("a", Value::from("x".repeat(1000))), ("l", nested(1))]));
    for text in
        ["a * 999999999999", "$.a * 1000 * 1000 * 1000", "$.a * 99999999999999999999", "$.l * 999999999"]
    {
        assert_eq!(path(text).find(&datum).len(), 0, "{text}");
    }
    assert_eq!(path("$.a * 2").find(&datum).len(), 1);
    let nines = "9".repeat(4300);
    assert_eq!(path(&format!("{nines} * {nines}")).find(&datum).len(), 0);
    assert_eq!(path(&format!("{nines} - {nines}")).find(&datum).len(), 1);
    assert!(problem(&format!("{nines}9 + 1")).contains("too long"));
}

#[test]
fn patterns_that_explode_count_as_no_match() {
    let text = format!("{}!", "a".repeat(60));
    for hostile in ["(a*)*$", "(a|aa)+$", "(?=(a+)+b)", "(a+)+\\1$", "((a*)*)*b\\1", "(?:(a|a)*)*(?!a)b"] {
        assert!(!Pattern::new(hostile).expect("a pattern").is_match(&text), "{hostile}");
    }
    assert!(Pattern::new("((a{1000}){1000}){1000}").is_err());
    assert!(Pattern::new(&"(".repeat(pattern::MAX_NESTING + 2)).is_err());
    assert!(Pattern::new(&"a".repeat(pattern::MAX_PATTERN_BYTES + 1)).is_err());
    let doubling = Substitution::new("a", &r"\g<0>".repeat(100)).expect("a substitution");
    assert_eq!(doubling.apply(&"a".repeat(1000), 1000), None);
}

#[test]
fn globs_take_no_exponential_time() {
    let text = "a".repeat(5000);
    assert!(!Glob::new(&"*a".repeat(30)).is_match(&format!("{text}b")));
    assert!(Glob::new(&"*a".repeat(30)).is_match(&text));
    // Brackets that are never closed.
    assert!(Glob::new(&"[".repeat(100_000)).is_match(&"[".repeat(100_000)));
    assert!(!Glob::new(&"[a".repeat(50_000)).is_match("[a"));
}
