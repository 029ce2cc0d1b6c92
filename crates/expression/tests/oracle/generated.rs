//! Generated cases, always the same ones.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many times as many cases are made: a soak sets `NEPHOSCOPE_ORACLE_FACTOR`, a build does not.
fn factor() -> usize {
    std::env::var("NEPHOSCOPE_ORACLE_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

fn sample<T: std::fmt::Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count * factor()).map(|_| strategy.new_tree(&mut runner).expect("a case").current()).collect()
}

fn datum() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "1",
        "2",
        "-1",
        "1.5",
        "2.0",
        "12345678901234567890",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "\"1\"",
        "\"a-b\"",
        "\"xy\"",
    ])
    .prop_map(str::to_owned);
    let key = prop::sample::select(vec!["a", "b", "c", "d", "a.b"]);
    let node = leaf.prop_recursive(4, 20, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    });
    // A map or list at the top, where there is something to find.
    (node.clone(), node.clone(), node)
        .prop_map(|(a, b, c)| format!("{{\"a\": {a}, \"b\": {b}, \"c\": [{c}, {a}]}}"))
}

fn step() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        ".a",
        ".b",
        ".c",
        ".d",
        ".*",
        ".a,b",
        "[0]",
        "[1]",
        "[-1]",
        "[*]",
        "[1:]",
        "[:1]",
        "['a']",
        "['a.b']",
        "..a",
        "..b",
        "..*",
        "..[0]",
        ".`len`",
        ".`sorted`",
        ".`parent`",
        ".`this`",
        ".$",
        ".@",
        "|a",
        "|b",
        " where a",
        " where b",
        "[?a]",
        "[?a=1]",
        "[?b='a']",
        "[?@>1]",
        "[?@='a']",
        "[?a>0 & b]",
        "[?@.a=1 & @.b=2]",
        "[?@~'a']",
        ".`split(-, 0, -1)`",
        ".`sub(/a/, z)`",
        " + 1",
        " * 2",
        " - 1",
        " + 'x'",
        " + $.a",
        " * $.b",
        " + 1.5",
        " + b.c",
        " & a",
        "[a,b]",
        ".(a|b)",
        ".(b.c)",
        "|(a.b)",
    ])
}

pub(crate) fn jsonpath() -> Vec<Vec<String>> {
    let first = prop::sample::select(vec![
        "$", "a", "b", "c", "@", "*", "(a|b)", "'a'", "[0]", "[*]", "`this`", "$.c", "(a.b)", "1 + a",
        "2 * $.b",
    ]);
    let sensible = (first, prop::collection::vec(step(), 0..5))
        .prop_map(|(first, steps)| format!("{first}{}", steps.concat()));
    let soup = prop::collection::vec(
        prop::sample::select(vec![
            "a", "b", "c", ".", "..", "$", "@", "*", "|", "&", ",", "[", "]", "(", ")", "[0]", "[*]", "[?",
            "=", ">", "1", "2.5", "-1", "+", "-", " ", "'x'", "where", " where ", "`len`", "`sorted`",
            "`parent`", ":", "[1:]", "/", "\\", "[/a]", "[\\b]", "true", "~", "_", "?",
        ]),
        1..9,
    )
    .prop_map(|parts| parts.concat());
    let mut cases = sample(2500, (sensible, datum()).prop_map(|(path, datum)| vec![path, datum]));
    cases.extend(sample(2500, (soup, datum()).prop_map(|(path, datum)| vec![path, datum])));
    cases
}

pub(crate) fn patterns() -> Vec<Vec<String>> {
    let soup = prop::collection::vec(
        prop::sample::select(vec![
            "a", "b", "c", "é", ".", "^", "$", "*", "+", "?", "{1}", "{1,2}", "{,2}", "{", "}", "(", ")",
            "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<n>", "(?P=n)", "(?>", "(?i)", "(?i:", "(?s:", "(?m:",
            "(?x:", "(?(1)", "|", "[", "]", "[ab]", "[^a]", "-", "\\1", "\\b", "\\B", "\\d", "\\w", "\\W",
            "\\s", "\\S", "\\Z", "\\A", "\\.", "\\n", " ", "#", "(a)", "(b|c)", ")?", ")*",
        ]),
        1..9,
    )
    .prop_map(|parts| parts.concat());
    sample(6000, (soup, "[abcé1. \n_-]{0,6}").prop_map(|(pattern, text)| vec![pattern, text]))
}

pub(crate) fn substitutions() -> Vec<Vec<String>> {
    let pattern = prop::collection::vec(
        prop::sample::select(vec![
            "a", "b", "x", ".", "*", "?", "+", "(a)", "(b)?", "(", ")", "|", "^", "$", "\\b", "[ab]", "*?",
            "??", "(?=a)", "(?!b)",
        ]),
        1..5,
    )
    .prop_map(|parts| parts.concat());
    let replacement = prop::collection::vec(
        prop::sample::select(vec!["x", "\\1", "\\g<1>", "\\g<0>", "\\\\", "\\n", "-", "\\2", "1"]),
        0..3,
    )
    .prop_map(|parts| parts.concat());
    sample(
        3000,
        (pattern, replacement, "[abx \n]{0,6}")
            .prop_map(|(pattern, replacement, text)| vec![pattern, replacement, text]),
    )
}

pub(crate) fn globs() -> Vec<Vec<String>> {
    sample(
        8000,
        ("[\\[\\]!^*?a-d\\\\&~|.-]{0,8}", "[a-d\\[\\]!.^&|~\\\\-]{0,5}")
            .prop_map(|(glob, text)| vec![glob, text]),
    )
}
