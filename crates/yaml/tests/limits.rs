//! Hostile documents end in an error that names the bound, and quickly.

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::fmt::Write;

use nephoscope_yaml::limits::{MAX_DEPTH, MAX_INTEGER_DIGITS, MAX_TEXT_BYTES};
use nephoscope_yaml::{ErrorKind, Kind, parse};

fn limit(text: &str) -> String {
    let error = parse(text).expect_err("a bound is exceeded");
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    error.to_string()
}

#[test]
fn collections_nest_up_to_the_bound() {
    let flow = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&flow(MAX_DEPTH)).is_ok());
    assert!(limit(&flow(MAX_DEPTH + 1)).contains("nest deeper"));
    assert!(limit(&"[".repeat(100_000)).contains("nest deeper"));
    assert!(limit(&"{a: ".repeat(100_000)).contains("nest deeper"));
    assert!(limit(&"- ".repeat(100_000)).contains("nest deeper"));
    assert!(limit(&"? ".repeat(100_000)).contains("nest deeper"));
    let mut block = String::new();
    for depth in 0..1000 {
        let _ = writeln!(block, "{}a:", " ".repeat(depth));
    }
    assert!(limit(&block).contains("nest deeper"));
}

#[test]
fn aliases_cannot_multiply_without_bound() {
    // The "billion laughs": nine levels of ten aliases each.
    let mut laughs = String::from("a0: &a0 [lol]\n");
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(laughs, "a{level}: &a{level} [{inner}]");
    }
    assert!(limit(&laughs).contains("after expanding aliases"));

    // The same with merge keys, which copy no node and so need a count of their own.
    let mut merges = String::from("a0: &a0 {k0: v}\n");
    for level in 1..40 {
        let inner = level - 1;
        let _ = writeln!(merges, "a{level}: &a{level} {{<<: *a{inner}, ? {{<<: *a{inner}}} : x}}");
    }
    assert!(parse(&merges).is_err());
    let mut merges = String::from("a0: &a0 {k0: v}\n");
    for level in 1..40 {
        let inner = level - 1;
        let _ = writeln!(merges, "a{level}: &a{level} {{<<: *a{inner}, <<: *a{inner}}}");
    }
    assert!(limit(&merges).contains("after expanding aliases"));

    // A long text, repeated.
    let mut long = format!("a: &a {}\nb:\n", "x".repeat(1_000_000));
    for _ in 0..100 {
        long.push_str("- *a\n");
    }
    assert!(limit(&long).contains("bytes of text"));
}

#[test]
fn integers_have_a_longest_length() {
    let digits = "7".repeat(MAX_INTEGER_DIGITS);
    assert_eq!(parse(&digits).map(|node| node.kind), Ok(Kind::BigInt(digits.clone())));
    assert!(parse(&format!("{digits}7")).is_err());
    assert!(parse(&format!("0x{}", "f".repeat(1_000_000))).is_err());
    assert!(parse(&format!("1{}", ":59".repeat(1_000_000))).is_err());
}

#[test]
fn texts_have_a_longest_length() {
    assert!(limit(&" ".repeat(MAX_TEXT_BYTES + 1)).contains("longer than"));
}

#[test]
fn a_large_honest_file_is_read() {
    let mut text = String::new();
    for number in 0..5000 {
        let _ = writeln!(text, "- name: meter.{number}\n  type: gauge\n  unit: B\n  volume: $.payload.size");
    }
    let node = parse(&text).expect("it is YAML");
    assert_eq!(node.as_seq().map(<[_]>::len), Some(5000));
}
