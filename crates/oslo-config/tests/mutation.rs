//! A real file, changed one token at a time: it either still loads, with whatever is odd about it named, or it
//! fails and the error names file, line, option and what to write instead.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use bench::Bench;
use nephoscope_oslo_config::{Loaded, Problem, Registry};
use std::collections::BTreeSet;

const CEILOMETER_CONF: &str = include_str!("fixtures/ceilometer.conf");

/// A piece of a line, by its bytes in the file.
struct Token {
    kind: Kind,
    line: u32,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Section,
    Key,
    Separator,
    Value,
    Continuation,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let body = line.trim_end();
        let mut add = |kind, start: usize, end: usize| {
            let line = u32::try_from(number + 1).expect("short file");
            out.push(Token { kind, line, start: offset + start, end: offset + end });
        };
        if body.starts_with('[') {
            add(Kind::Section, 0, body.len());
        } else if body.starts_with('\t') {
            add(Kind::Continuation, 1, body.len());
        } else if let Some((key, _)) = body.split_once(" = ").filter(|_| !body.starts_with('#')) {
            add(Kind::Key, 0, key.len());
            add(Kind::Separator, key.len(), key.len() + 3);
            add(Kind::Value, key.len() + 3, body.len());
        }
        offset += line.len();
    }
    out
}

/// What a slip of the hand makes of a token.
fn mutations(token: &str) -> Vec<String> {
    let first = token.chars().next().map_or(0, char::len_utf8);
    let middle = token.len() / 2;
    let at = (0..=middle).rev().find(|at| token.is_char_boundary(*at)).unwrap_or(0);
    let mut out = vec![
        String::new(),
        token[first..].to_owned(),
        format!("{token}{token}"),
        format!("{}~{}", &token[..at], &token[at..]),
        format!("{}\n{}", &token[..at], &token[at..]),
        format!("{token}$nonsense"),
        format!("${{{token}"),
        format!("\"{token}"),
        format!(" {token}"),
        token.to_uppercase(),
        token.replace('_', "-"),
        "x".to_owned(),
        "-1".to_owned(),
        "99999999999999999999".to_owned(),
        "\u{1f52d}".to_owned(),
        "=".to_owned(),
        "[".to_owned(),
    ];
    out.retain(|mutant| mutant != token);
    out
}

#[test]
fn one_changed_token_is_survived_or_named() {
    let bench = Bench::new();
    let original = bench.load(CEILOMETER_CONF).expect("loads");
    let known: BTreeSet<String> = Registry::builtin().iter().map(|(_, opt)| opt.name.to_owned()).collect();
    let lines = u32::try_from(CEILOMETER_CONF.lines().count()).expect("short file");
    let (mut loaded, mut refused, mut warned) = (0, 0, 0);
    for token in tokens(CEILOMETER_CONF) {
        let original_text = &CEILOMETER_CONF[token.start..token.end];
        for mutant in mutations(original_text) {
            let text =
                format!("{}{mutant}{}", &CEILOMETER_CONF[..token.start], &CEILOMETER_CONF[token.end..]);
            let story = format!("line {}: {original_text:?} became {mutant:?}", token.line);
            match bench.load(&text) {
                Ok(now) => {
                    loaded += 1;
                    warned += usize::from(survived(&original, &now, &token, &mutant, &known, &story));
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.problems.is_empty(), "{story}");
                    for problem in &error.problems {
                        named(problem, &bench, &text, lines, &story);
                    }
                    let near = |problem: &Problem| {
                        let line = problem.line().unwrap_or(0);
                        // What refers to the changed option may stand elsewhere.
                        line.abs_diff(token.line) <= 1 || problem.message.contains("in the value of")
                    };
                    assert!(error.problems.iter().any(near), "{story}: {error}");
                }
            }
        }
    }
    assert!(
        loaded > 300 && refused > 150 && warned > 100,
        "{loaded} loaded, {refused} refused, {warned} warned"
    );
}

/// Checks a mutant that loads; tells whether it drew a new warning.
fn survived(
    original: &Loaded,
    now: &Loaded,
    token: &Token,
    mutant: &str,
    known: &BTreeSet<String>,
    story: &str,
) -> bool {
    for warning in &now.warnings {
        assert!(warning.line().is_some() && warning.file().is_some(), "{story}: {warning}");
    }
    let new = now.warnings.len() > original.warnings.len()
        || now.warnings.iter().any(|warning| warning.line() == Some(token.line));
    let plain_key = token.kind == Kind::Key
        && !mutant.is_empty()
        && !mutant.contains(['=', '\n', '[', ' '])
        && !known.contains(mutant)
        && !mutant.starts_with(['#', ';']);
    if plain_key && !in_section_of_others(token) {
        assert!(new, "{story}: a misspelt option draws no warning");
    }
    new
}

/// The last section of the file belongs to another library; nothing in it is looked at.
fn in_section_of_others(token: &Token) -> bool {
    let start = CEILOMETER_CONF.find("[keystone_authtoken]").expect("section");
    token.start > start
}

fn named(problem: &Problem, bench: &Bench, text: &str, lines: u32, story: &str) {
    assert_eq!(problem.file(), Some(bench.path("a.conf").as_path()), "{story}: {problem}");
    let line = problem.line().unwrap_or(0);
    assert!((1..=lines + 1).contains(&line), "{story}: {problem}");
    assert!(problem.column().is_some_and(|column| column >= 1), "{story}: {problem}");
    assert!(problem.hint.as_ref().is_some_and(|hint| hint.len() > 8), "{story}: {problem}");
    if problem.message.contains("option ") && !problem.message.contains("no option name") {
        let key_line = text.lines().nth(line as usize - 1).unwrap_or_default();
        let key = key_line.split([' ', '=', ':']).next().unwrap_or_default();
        assert!(problem.message.contains(key), "{story}: {problem} does not name {key}");
    }
}
