//! The real PyYAML as oracle: the same values and the same errors, for a table of probes and for generated
//! documents.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail")]

mod generated;
mod probes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nephoscope_yaml::{ErrorKind, Kind, Node, parse};
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

/// The YAML files that Ceilometer installs.
fn packaged_files() -> Vec<PathBuf> {
    let lib = python().parent().expect("bin").parent().expect("the environment").join("lib");
    let mut open: Vec<PathBuf> = std::fs::read_dir(lib)
        .expect("the environment has libraries")
        .map(|entry| entry.expect("an entry").path().join("site-packages/ceilometer"))
        .filter(|path| path.is_dir())
        .collect();
    let mut files = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// What PyYAML makes of each text.
fn oracle(texts: &[String]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/pyyaml.py");
    let mut child = Command::new(python())
        .arg(script)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python interpreter starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = serde_json::to_vec(texts).expect("texts are JSON");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("the writer ends").expect("the oracle reads everything");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("the oracle writes JSON");
    let results = answer["results"].as_array().expect("a list of results").clone();
    assert_eq!(results.len(), texts.len());
    results
}

/// Python's `repr` of a double.
fn repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Our value in the oracle's notation.
fn encode(node: &Node) -> Value {
    let list = |items: &[Node]| items.iter().map(encode).collect::<Vec<_>>();
    let pairs = |entries: &[(Node, Node)]| {
        entries.iter().map(|(key, value)| json!([encode(key), encode(value)])).collect::<Vec<_>>()
    };
    match &node.kind {
        Kind::Null => json!(["null"]),
        Kind::Bool(truth) => json!(["bool", truth]),
        Kind::Int(number) => json!(["int", number.to_string()]),
        Kind::BigInt(digits) => json!(["int", digits]),
        Kind::Float(number) => json!(["float", repr(*number)]),
        Kind::Str(text) => json!(["str", text]),
        Kind::Binary(bytes) => {
            json!(["bytes", bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))])
        }
        Kind::Timestamp(stamp) => json!(["time", stamp.to_string()]),
        Kind::Map(entries) => json!(["map", pairs(entries)]),
        Kind::Set(items) => {
            let mut items = list(items);
            items.sort_by_key(Value::to_string);
            json!(["set", items])
        }
        // Python's list of tuples is an ordinary list when it is empty.
        Kind::Pairs(entries) if entries.is_empty() => json!(["seq", []]),
        Kind::Pairs(entries) => json!(["pairs", pairs(entries)]),
        Kind::Seq(items) => json!(["seq", list(items)]),
    }
}

/// Python sorts a set's members by their JSON text with blanks after commas; ours has none.
fn normalised(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normalised).collect();
            if items.first().and_then(Value::as_str) == Some("set")
                && let Some(Value::Array(members)) = items.get_mut(1)
            {
                members.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

/// How ours and theirs differ, if they do.
///
/// Of several values that do not fit their tags PyYAML reports the outermost first, we the first. Where a
/// text may have several, `any_value_error` lets both stand.
fn difference(text: &str, theirs: &Value, any_value_error: bool) -> Option<String> {
    match (parse(text), theirs.get("value"), theirs.get("error")) {
        (Ok(node), Some(value), _) => {
            let ours = encode(&node);
            (ours != normalised(value)).then(|| format!("ours {ours}, theirs {value}"))
        }
        (Ok(node), None, error) => Some(format!("we read {}, PyYAML fails: {error:?}", encode(&node))),
        (Err(ours), Some(value), _) => Some(format!("we fail ({ours}), PyYAML reads {value}")),
        (Err(ours), None, Some(error)) => {
            let Some(place) = error.get("place").filter(|place| !place.is_null()) else {
                // A bare Python exception of a constructor: it has no place to compare.
                return None;
            };
            if any_value_error && error["kind"] == "ConstructorError" {
                return (ours.kind == ErrorKind::Syntax).then(|| format!("our error {ours}, theirs {error}"));
            }
            let own_place = json!([ours.span.line, ours.span.column]);
            if own_place != *place {
                return Some(format!("our error {ours}, theirs {error}"));
            }
            None
        }
        (Err(_), None, None) => Some("the oracle said nothing".to_owned()),
    }
}

/// The differences that we know and accept: text to reason.
fn accepted() -> BTreeMap<String, String> {
    let entries: Value =
        serde_json::from_str(include_str!("../fixtures/differences.json")).expect("the differences are JSON");
    entries
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let part = |key: &str| entry[key].as_str().expect("a text").to_owned();
            (part("text"), part("reason"))
        })
        .collect()
}

/// Compares every text; `accepted` must be exactly the texts that differ.
fn compare(texts: &[String], accepted: &BTreeMap<String, String>, any_value_error: bool) {
    let results = oracle(texts);
    let mut unexpected = Vec::new();
    let mut used = BTreeSet::new();
    for (text, theirs) in texts.iter().zip(&results) {
        if let Some(difference) = difference(text, theirs, any_value_error) {
            if accepted.contains_key(text) {
                used.insert(text.clone());
            } else {
                unexpected.push(format!("{text:?}\n    {difference}"));
            }
        }
    }
    assert!(
        unexpected.is_empty(),
        "{} of {} texts differ:\n{}",
        unexpected.len(),
        texts.len(),
        unexpected.join("\n")
    );
    let unused: Vec<_> = accepted.keys().filter(|text| !used.contains(*text)).collect();
    assert!(unused.is_empty(), "accepted differences that do not occur (any more): {unused:?}");
}

#[test]
fn probes_mean_what_they_mean_to_pyyaml() {
    let mut texts = probes::all();
    let accepted = accepted();
    let known: BTreeSet<String> = texts.iter().cloned().collect();
    texts.extend(accepted.keys().filter(|text| !known.contains(*text)).cloned());
    assert!(texts.len() > 800, "only {} probes", texts.len());
    compare(&texts, &accepted, false);
}

#[test]
fn generated_documents_mean_what_they_mean_to_pyyaml() {
    compare(&generated::documents(), &BTreeMap::new(), true);
}

#[test]
fn ceilometers_own_files_mean_what_they_mean_to_pyyaml() {
    let files = packaged_files();
    assert!(files.len() >= 5, "only {files:?}");
    let texts: Vec<String> =
        files.iter().map(|path| std::fs::read_to_string(path).expect("a readable file")).collect();
    assert!(texts.iter().any(|text| text.contains("<<: ")), "no file with merge keys among {files:?}");
    compare(&texts, &BTreeMap::new(), false);
}
