//! An option that the table calls effective is read by the program.
//!
//! The story: the first table called options effective that nothing read yet, so an operator could set
//! `[notification] workers` and neither get workers nor a warning.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use nephoscope_oslo_config::{Registry, Support};
use std::collections::BTreeSet;
use std::path::Path;

/// Every word of the program's sources.
fn words(directory: &Path, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("sources of the program") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            words(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            let split = text.split(|character: char| !(character.is_alphanumeric() || character == '_'));
            out.extend(split.map(str::to_owned));
        }
    }
}

#[test]
fn effective_options_are_read() {
    let mut found = BTreeSet::new();
    words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../nephoscope/src"), &mut found);
    let registry = Registry::builtin();
    let effective: Vec<String> = registry
        .iter()
        .filter(|(_, opt)| opt.support == Support::Effective)
        .map(|(group, opt)| format!("{group}.{}", opt.name))
        .collect();
    assert!(effective.len() > 50, "{effective:?}");
    // The handle of an option is its name in capitals.
    let unread: Vec<&String> = effective
        .iter()
        .filter(|full| {
            let name = full.split_once('.').map_or("", |(_, name)| name);
            !found.contains(&name.to_uppercase())
        })
        .collect();
    assert!(unread.is_empty(), "called effective, but nothing reads them: {unread:?}");
}
