//! The rules are the real Gnocchi's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use nephoscope_metric::policy_defaults;
use serde_json::json;

#[test]
fn the_defaults_are_gnocchis() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gnocchi_policies.py");
    let answer = testkit::ask_python(script, &["{}"]).unwrap().remove(0);
    let mut theirs: Vec<_> = answer.as_array().unwrap().clone();
    theirs.sort_by_key(|rule| rule[0].to_string());
    for rule in &theirs {
        // No scope, or every one: either way none is refused.
        assert!(rule[2].as_array().is_none_or(|scopes| scopes.len() == 3), "{rule}");
    }
    let theirs: Vec<_> = theirs.iter().map(|rule| json!([rule[0], rule[1]])).collect();
    let mut ours: Vec<_> = policy_defaults().iter().map(|rule| json!([rule.name, rule.check])).collect();
    ours.sort_by_key(|rule| rule[0].to_string());
    assert_eq!(ours, theirs);
    assert!(oslo_policy::Policy::of_defaults(&policy_defaults()).is_ok());
}
