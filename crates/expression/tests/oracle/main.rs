//! The originals as oracles: jsonpath-rw with its extension, `fnmatch` and `re` of Python.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod generated;
mod tables;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nephoscope_expression::jsonpath::ParseError;
use nephoscope_expression::pattern::{PatternError, Substitution};
use nephoscope_expression::{Glob, JsonPath, Pattern};
use serde_json::{Value, json};

/// The interpreter of the environment with the upstream libraries.
fn python() -> PathBuf {
    let venv = std::env::var_os("NEPHOSCOPE_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "{} is missing: make the Python environment first (scripts/provision), or set NEPHOSCOPE_VENV",
        python.display()
    );
    python
}

/// Runs cases of one kind through the original.
fn oracle(kind: &str, cases: &[Vec<String>]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/upstream.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python interpreter starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = json!({ kind: cases }).to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("the writer ends").expect("the oracle reads everything");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("the oracle writes JSON");
    let results = answer[kind].as_array().expect("a list of results").clone();
    assert_eq!(results.len(), cases.len());
    results
}

/// The differences of a kind that we know and accept: case to reason.
fn accepted(kind: &str) -> BTreeMap<Vec<String>, String> {
    let entries: Value =
        serde_json::from_str(include_str!("../fixtures/differences.json")).expect("the differences are JSON");
    let entries = entries[kind].as_array().expect("a list of differences");
    entries
        .iter()
        .map(|entry| {
            let case = entry["case"].as_array().expect("a case");
            let case = case.iter().map(|part| part.as_str().expect("a text").to_owned()).collect();
            (case, entry["reason"].as_str().expect("a reason").to_owned())
        })
        .collect()
}

/// Compares all cases; what differs must be exactly what is accepted.
fn compare(kind: &str, cases: &[Vec<String>], difference: impl Fn(&[String], &Value) -> Option<String>) {
    let accepted = accepted(kind);
    let mut cases = cases.to_vec();
    cases.extend(accepted.keys().cloned());
    cases.sort();
    cases.dedup();
    let results = oracle(kind, &cases);
    let mut unexpected = Vec::new();
    let mut used = BTreeSet::new();
    for (case, theirs) in cases.iter().zip(&results) {
        if let Some(difference) = difference(case, theirs) {
            if accepted.contains_key(case) {
                used.insert(case.clone());
            } else {
                unexpected.push(format!("{case:?}\n    {difference}"));
            }
        }
    }
    assert!(
        unexpected.is_empty(),
        "{} of {} cases of {kind} differ:\n{}",
        unexpected.len(),
        cases.len(),
        unexpected.join("\n")
    );
    let unused: Vec<_> = accepted.keys().filter(|case| !used.contains(*case)).collect();
    assert!(unused.is_empty(), "accepted differences that do not occur (any more): {unused:?}");
}

fn jsonpath_difference(case: &[String], theirs: &Value) -> Option<String> {
    let [path, datum] = case else { panic!("a path and a datum") };
    let compiled = PATH.with(|last| last.get(path.clone(), |path| JsonPath::parse(path)));
    let datum = model::json::parse(datum).expect("the datum is JSON");
    path_difference(&compiled, &datum, theirs)
}

fn path_difference(
    compiled: &Result<JsonPath, ParseError>,
    datum: &model::Value,
    theirs: &Value,
) -> Option<String> {
    let compiled = match (compiled, theirs.get("invalid")) {
        (Err(_), Some(_)) => return None,
        (Err(error), None) => return Some(format!("we refuse it ({error}), upstream: {theirs}")),
        (Ok(_), Some(error)) => return Some(format!("we accept it, upstream refuses: {error}")),
        (Ok(compiled), None) => compiled,
    };
    let matches = compiled.find(datum);
    assert!(!matches.is_truncated(), "{compiled:?} on {datum:?}");
    let text = |value: &model::Value| model::json::to_string(value);
    let ours: Vec<Value> = matches.iter().map(|found| json!([found.path(), text(&found.value)])).collect();
    // The quick way must agree with the slow one, whatever upstream says.
    let first = matches.iter().find(|found| !found.value.is_null()).map(|found| found.value.as_ref());
    let quick = compiled.first_non_null(datum);
    assert_eq!(quick.as_deref(), first, "first value of {compiled:?} on {datum:?}");
    let theirs = match (theirs.get("found"), theirs.get("tolerant")) {
        (Some(found), _) | (None, Some(found)) => found.clone(),
        // Upstream raised even in its tolerant form.
        (None, None) => return None,
    };
    let ours = Value::Array(ours);
    (ours != theirs).then(|| format!("ours {ours}, theirs {theirs}"))
}

#[test]
fn paths_of_the_table_find_what_upstream_finds() {
    let cases = tables::jsonpath();
    assert!(cases.len() > 2000, "only {} cases", cases.len());
    compare("jsonpath", &cases, jsonpath_difference);
}

#[test]
fn generated_paths_find_what_upstream_finds() {
    compare("jsonpath-generated", &generated::jsonpath(), jsonpath_difference);
}

/// Real notifications as paths see them.
fn notifications() -> Vec<model::Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/notifications.jsonl");
    let lines = std::fs::read_to_string(file).expect("the corpus is readable");
    let envelopes = lines.lines().map(|line| {
        let record: Value = serde_json::from_str(line).expect("a record");
        let body: Value =
            serde_json::from_str(record["body"].as_str().expect("a body")).expect("an envelope");
        let message = body["oslo.message"].as_str().expect("a message").to_owned();
        model::json::parse(&message).expect("a notification")
    });
    envelopes
        .map(|message| {
            let message = message.as_map().expect("a map").clone();
            let get = |key: &str| message.get(key).cloned().unwrap_or_default();
            let ctxt: model::Map = message
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix("_context_")?.to_owned(), value.clone())))
                .collect();
            let metadata =
                model::Map::from_iter([("message_id", get("message_id")), ("timestamp", get("timestamp"))]);
            model::Value::Map(model::Map::from_iter([
                ("ctxt", model::Value::Map(ctxt)),
                ("publisher_id", get("publisher_id")),
                ("event_type", get("event_type")),
                ("payload", get("payload")),
                ("metadata", model::Value::Map(metadata)),
            ]))
        })
        .collect()
}

#[test]
fn packaged_paths_find_in_real_notifications_what_upstream_finds() {
    let texts = oracle("packaged", &[vec![]]).remove(0);
    let texts: Vec<String> = serde_json::from_value(texts).expect("texts");
    assert!(texts.iter().any(|text| text == "$.payload.size"), "no paths among {} texts", texts.len());
    let notifications = notifications();
    assert!(notifications.len() > 100);
    let cases: Vec<Vec<String>> = notifications
        .iter()
        .map(|datum| std::iter::once(model::json::to_string(datum)).chain(texts.iter().cloned()).collect())
        .collect();
    let paths: Vec<_> = texts.iter().map(|text| (text, JsonPath::parse(text))).collect();
    let (mut found, mut differences) = (0, Vec::new());
    for (datum, results) in notifications.iter().zip(oracle("corpus", &cases)) {
        for ((text, compiled), theirs) in paths.iter().zip(results.as_array().expect("results")) {
            found += theirs["found"].as_array().map_or(0, Vec::len);
            let difference = path_difference(compiled, datum, theirs);
            differences.extend(difference.map(|difference| format!("{text}: {difference}")));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(found > 1000, "only {found} matches");
}

/// Hands out what was made for the last key again: cases come sorted, so that equal keys are neighbours.
struct Last<K, V>(RefCell<Option<(K, V)>>);

impl<K: PartialEq, V: Clone> Last<K, V> {
    const fn new() -> Self {
        Self(RefCell::new(None))
    }

    fn get(&self, key: K, make: impl FnOnce(&K) -> V) -> V {
        let mut last = self.0.borrow_mut();
        match &*last {
            Some((known, value)) if *known == key => value.clone(),
            _ => {
                let value = make(&key);
                *last = Some((key, value.clone()));
                value
            }
        }
    }
}

thread_local! {
    static PATH: Last<String, Result<JsonPath, ParseError>> = const { Last::new() };
    static PATTERN: Last<String, Result<Pattern, PatternError>> = const { Last::new() };
    static SUBSTITUTION: Last<[String; 2], Result<Substitution, PatternError>> = const { Last::new() };
}

fn match_difference(case: &[String], theirs: &Value) -> Option<String> {
    let [pattern, text] = case else { panic!("a pattern and a text") };
    let compiled = PATTERN.with(|last| last.get(pattern.clone(), |pattern| Pattern::new(pattern)));
    match (compiled, theirs.get("match").and_then(Value::as_bool)) {
        (Err(_), None) => None,
        (Err(error), Some(_)) => Some(format!("we refuse it ({error}), Python accepts it")),
        (Ok(_), None) => Some(format!("we accept it, Python refuses it: {}", theirs["invalid"])),
        (Ok(pattern), Some(theirs)) => {
            let ours = pattern.is_match(text);
            (ours != theirs).then(|| format!("ours {ours}, theirs {theirs}"))
        }
    }
}

#[test]
fn patterns_of_the_table_match_what_python_matches() {
    let cases = tables::patterns();
    assert!(cases.len() > 2000, "only {} cases", cases.len());
    compare("match", &cases, match_difference);
}

#[test]
fn generated_patterns_match_what_python_matches() {
    compare("match-generated", &generated::patterns(), match_difference);
}

fn sub_difference(case: &[String], theirs: &Value) -> Option<String> {
    let [pattern, replacement, text] = case else { panic!("a pattern, a replacement and a text") };
    let key = [pattern.clone(), replacement.clone()];
    let compiled = SUBSTITUTION
        .with(|last| last.get(key, |[pattern, replacement]| Substitution::new(pattern, replacement)));
    let ours = match (compiled, theirs.get("invalid")) {
        (Err(_), Some(_)) => return None,
        (Err(error), None) => return Some(format!("we refuse it ({error}), Python: {theirs}")),
        (Ok(_), Some(error)) => return Some(format!("we accept it, Python refuses it: {error}")),
        (Ok(substitution), None) => substitution.apply(text, 1 << 20),
    };
    let theirs = theirs.get("result").and_then(Value::as_str);
    (ours.as_deref() != theirs).then(|| format!("ours {ours:?}, theirs {theirs:?}"))
}

#[test]
fn substitutions_yield_what_python_yields() {
    let mut cases = tables::substitutions();
    cases.extend(generated::substitutions());
    compare("sub", &cases, sub_difference);
}

#[test]
fn globs_match_what_python_matches() {
    let mut cases = tables::globs();
    cases.extend(generated::globs());
    compare("glob", &cases, |case, theirs| {
        let [glob, text] = case else { panic!("a glob and a text") };
        let ours = Glob::new(glob).is_match(text);
        (Some(ours) != theirs.as_bool()).then(|| format!("ours {ours}, theirs {theirs}"))
    });
}
