//! Python itself as the oracle: the expressions of a table and thousands of generated ones.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nephoscope_python_expression::{EvalError, Evaluation, Expression, Limits, Object};
use serde_json::{Value, json};

/// The variables that every case may use.
const VARIABLES: &str = r#"{
    "value": {"a": [1, 2.5, null, "x-y", {"rel": "next", "href": "http://h/x"}], "b": "t$u v", "c": {"d": true},
        "e": 7, "some_field": "s", "key1": {"subKey1": [{"d": 3}]}, "id": "i1", "é": "ü"},
    "text": " http://Ab$cd ,e\t", "n": 7, "f": 2.5, "big": 123456789012345678901234567890,
    "links": [{"rel": "prev", "href": "p"}, {"rel": "next", "href": "http:n"}],
    "words": ["b", "a", "c"], "numbers": [3, 1, 2], "empty": [], "none": null,
    "sample": {"project_id": "p1", "id": 7}, "extra_metadata_captured": {"domain_id": "d1", "project_name": "pn"},
    "extra_metadata_by_name": {"project_name": {"value": "v", "metadata": {"id": "m1"}}}
}"#;

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

fn oracle(cases: &[String]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/upstream.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python interpreter starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // As a text: numbers and the order of keys stay as they are.
    let input = json!({ "variables": VARIABLES, "cases": cases }).to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("the writer ends").expect("the oracle reads everything");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the oracle writes JSON");
    assert_eq!(results.len(), cases.len());
    results
}

struct Variables {
    names: Vec<String>,
    values: Vec<model::Value>,
}

impl Variables {
    fn new() -> Self {
        let all = model::json::parse(VARIABLES).expect("the variables are JSON");
        let all = all.as_map().expect("a map");
        let names = all.iter().map(|(name, _)| name.to_owned()).collect();
        Self { names, values: all.values().cloned().collect() }
    }

    fn evaluate(&self, expression: &Expression) -> Result<String, EvalError> {
        let mut evaluation = Evaluation::new(Limits::default());
        let objects: Vec<Object> =
            self.values.iter().map(|value| evaluation.object(value)).collect::<Result<_, _>>()?;
        let result = evaluation.run(expression, &objects)?;
        let text = format!("{result:?}");
        let is_nameless = text.starts_with('<') && !text.starts_with("<class");
        Ok(if is_nameless { "<object>".to_owned() } else { text })
    }

    fn difference(&self, case: &str, theirs: &Value) -> Option<String> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let compiled = Expression::compile(case.trim(), &names);
        let expression = match (compiled, theirs.get("syntax")) {
            (Err(_), Some(_)) => return None,
            (Err(error), None) => return Some(format!("we refuse it ({error}), Python: {theirs}")),
            (Ok(_), Some(error)) => return Some(format!("we accept it, Python: {error}")),
            (Ok(expression), None) => expression,
        };
        let ours = match self.evaluate(&expression) {
            Ok(text) => json!({ "value": text }),
            Err(error) => json!({ "raises": error.exception.name(), "message": error.message }),
        };
        let same = match (ours.get("value"), theirs.get("value")) {
            // A tuple of functions has no text here.
            (Some(ours), Some(theirs)) if ours == "<object>" => {
                theirs.as_str().is_some_and(|text| text.contains("<object>"))
            }
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => ours["raises"] == theirs["raises"],
            _ => false,
        };
        (!same).then(|| format!("ours {ours}, theirs {theirs}"))
    }
}

/// The differences that we know and accept: case to reason.
fn accepted() -> BTreeMap<String, String> {
    let entries: Value =
        serde_json::from_str(include_str!("../fixtures/differences.json")).expect("the differences are JSON");
    let entries = entries.as_array().expect("a list").iter();
    let text = |entry: &Value, key: &str| entry[key].as_str().expect("a text").to_owned();
    entries.map(|entry| (text(entry, "case"), text(entry, "reason"))).collect()
}

/// Compares all cases; what differs must be exactly what is accepted.
fn compare(mut cases: Vec<String>, accepted: &BTreeMap<String, String>) {
    cases.extend(accepted.keys().cloned());
    cases.sort();
    cases.dedup();
    let variables = Variables::new();
    let results = oracle(&cases);
    let mut unexpected = Vec::new();
    let mut used = BTreeSet::new();
    let mut values = 0;
    for (case, theirs) in cases.iter().zip(&results) {
        values += usize::from(theirs.get("value").is_some());
        if let Some(difference) = variables.difference(case, theirs) {
            if accepted.contains_key(case) {
                used.insert(case.clone());
            } else {
                unexpected.push(format!("{case}\n    {difference}"));
            }
        }
    }
    assert!(
        unexpected.is_empty(),
        "{} of {} cases differ:\n{}",
        unexpected.len(),
        cases.len(),
        unexpected.join("\n")
    );
    let unused: Vec<_> = accepted.keys().filter(|case| !used.contains(*case)).collect();
    assert!(unused.is_empty(), "accepted differences that do not occur (any more): {unused:?}");
    assert!(values * 3 > cases.len(), "only {values} of {} cases have a value", cases.len());
}

#[test]
fn the_table_has_pythons_values() {
    let table = include_str!("../fixtures/expressions.txt");
    let cases: Vec<String> = table
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("##"))
        .map(|line| line.replace("\\N", "\n"))
        .collect();
    assert!(cases.len() > 400, "only {} cases", cases.len());
    compare(cases, &accepted());
}

#[test]
fn generated_expressions_have_pythons_values() {
    compare(generated::expressions(), &BTreeMap::new());
}
