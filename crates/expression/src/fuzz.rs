//! Bodies for fuzzing: they take any bytes and may only return.
//!
//! The first bytes are the expression, what follows the first zero byte is what it is applied to.

use model::Value;

use crate::jsonpath::{JsonPath, MAX_STEPS};
use crate::pattern::{Pattern, Substitution};
use crate::{Glob, fnmatch};

fn halves(data: &[u8]) -> (String, Vec<u8>) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let first = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    (first, parts.next().unwrap_or_default().to_vec())
}

/// Compiles a path and applies it to the JSON behind the zero byte (or to a small datum of every type).
///
/// # Panics
/// If the quick way to the first value disagrees with the general one, or a bound is exceeded.
pub fn jsonpath(data: &[u8]) {
    let (path, datum) = halves(data);
    let compiled = match JsonPath::parse(&path) {
        Ok(compiled) => compiled,
        Err(error) => {
            let most = path.chars().count() + 1;
            assert!((1..=most).contains(&error.column), "{error} in a path of {most} characters");
            return;
        }
    };
    let sample =
        br#"{"a": {"b": [1, 2.5, null, "x-y", {"c": true}]}, "b": "t", "c": [[3, 1, 2], {}], "d": 1}"#;
    let Some(root) = model::json::parse(&datum).or_else(|_| model::json::parse(sample)).ok() else { return };
    let matches = compiled.find(&root);
    assert!(matches.len() <= MAX_STEPS);
    if matches.is_truncated() {
        return;
    }
    let first = matches.iter().find(|found| !found.value.is_null());
    let quick = compiled.first_non_null(&root);
    let same = match (first, &quick) {
        (Some(first), Some(quick)) => same_value(&first.value, quick),
        (None, None) => true,
        _ => false,
    };
    assert!(same, "{path:?}: first match {first:?}, quickly {quick:?}");
    for found in matches.iter().take(8) {
        assert!(found.path().len() <= datum.len() + sample.len() + path.len() * 8, "{path:?}");
    }
}

/// Equality under which not-a-number equals itself.
fn same_value(left: &Value, right: &Value) -> bool {
    left == right || format!("{left:?}") == format!("{right:?}")
}

/// Compiles a glob, whatever it is, and matches it.
///
/// # Panics
/// If a glob of stars alone rejects a text.
pub fn fnmatch(data: &[u8]) {
    let (glob, text) = halves(data);
    let text = String::from_utf8_lossy(&text);
    let compiled = fnmatch::Glob::new(&glob);
    let matched = compiled.is_match(&text);
    if !glob.is_empty() && glob.bytes().all(|byte| byte == b'*') {
        assert!(matched, "{glob:?} on {text:?}");
    }
    // A star on either side can only add matches.
    assert!(!matched || Glob::new(&format!("*{glob}*")).is_match(&text) || glob.contains('['));
}

/// Compiles a pattern, matches it and substitutes with it.
///
/// # Panics
/// If an error lies outside the pattern, or a result exceeds its bound.
pub fn pattern(data: &[u8]) {
    /// The bound of a substitution's result, in bytes.
    const BOUND: usize = 64 * 1024;
    let (pattern, text) = halves(data);
    let text = String::from_utf8_lossy(&text);
    match Pattern::new(&pattern) {
        Err(error) => {
            let most = pattern.chars().count() + 1;
            assert!((1..=most).contains(&error.column), "{error} in a pattern of {most} characters");
        }
        Ok(compiled) => {
            compiled.is_match(&text);
            for replacement in ["", r"<\1\g<0>>"] {
                if let Ok(substitution) = Substitution::new(&pattern, replacement) {
                    let result = substitution.apply(&text, BOUND);
                    assert!(result.is_none_or(|result| result.len() <= BOUND));
                }
            }
        }
    }
}
