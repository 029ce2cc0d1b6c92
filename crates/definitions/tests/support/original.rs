//! What the comparisons with Ceilometer share: its Python, and how its answers are read.

#![allow(dead_code, reason = "each suite uses its part")]

use std::path::PathBuf;

use model::Value;

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
pub(crate) const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The Python of the test environment (`scripts/provision test` makes it).
pub(crate) fn python() -> PathBuf {
    let environment = std::env::var_os("NEPHOSCOPE_VENV")
        .map_or_else(|| PathBuf::from(TOP).join("target/venv"), PathBuf::from);
    let python = environment.join("bin/python");
    assert!(python.exists(), "no {}: run scripts/provision test, or set NEPHOSCOPE_VENV", python.display());
    python
}

pub(crate) fn text<'v>(case: &'v Value, key: &str) -> Option<&'v str> {
    case.get(key).and_then(Value::as_str)
}

pub(crate) fn texts(answer: &Value, key: &str) -> Vec<String> {
    let list = answer.get(key).and_then(Value::as_list).unwrap_or_default();
    list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

/// Two texts from a little before the place where they differ.
pub(crate) fn apart(ours: &str, theirs: &str) -> String {
    let same = ours.chars().zip(theirs.chars()).take_while(|(one, other)| one == other).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(60)).take(200).collect::<String>();
    format!("ours   {}\n  theirs {}", from(ours), from(theirs))
}
