//! What the comparisons with Ceilometer share: its Python, and the judge of differences.

#![allow(dead_code, reason = "each suite uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use model::Value;

/// How many kinds of difference are shown.
const SHOWN: usize = 25;

/// How much of a difference is shown.
const DETAIL: usize = 1200;

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

/// A difference that we know and want.
struct Rule {
    /// `samples`, `event` or `load`.
    subject: String,
    /// The case of `cases.yaml` that it is confined to.
    case: Option<String>,
    /// How upstream's outcome begins.
    upstream: String,
    ours: String,
    used: bool,
}

pub(crate) struct Judge {
    rules: Vec<Rule>,
    /// By the rule that would allow them: how many there are, and one of them.
    unexpected: BTreeMap<String, (usize, String)>,
    pub(crate) compared: usize,
    /// The definitions that made something which Ceilometer made as well.
    pub(crate) agreed: BTreeSet<String>,
}

impl Judge {
    pub(crate) fn new(file: &str) -> Self {
        let text = std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap();
        let rules = yaml::parse(&text).unwrap();
        let rules = rules.as_seq().unwrap().iter().map(|rule| {
            let key = |key: &str| rule.get(key).and_then(|value| value.as_str()).map(str::to_owned);
            assert!(
                key("reason").is_some_and(|reason| reason.len() > 20),
                "line {}: no reason",
                rule.span.line
            );
            Rule {
                subject: key("subject").unwrap(),
                case: key("case"),
                upstream: key("upstream").unwrap(),
                ours: key("ours").unwrap(),
                used: false,
            }
        });
        Self { rules: rules.collect(), unexpected: BTreeMap::new(), compared: 0, agreed: BTreeSet::new() }
    }

    /// Notes two outcomes that are not equal.
    pub(crate) fn differ(
        &mut self,
        subject: &str,
        case: &str,
        upstream: &str,
        ours: &str,
        detail: impl FnOnce() -> String,
    ) {
        let rule = self.rules.iter_mut().find(|rule| {
            rule.subject == subject
                && rule.case.as_deref().is_none_or(|own| own == case)
                && upstream.starts_with(&rule.upstream)
                && ours == rule.ours
        });
        if let Some(rule) = rule {
            rule.used = true;
        } else {
            let upstream = upstream.chars().take(45).collect::<String>();
            let rule =
                format!("- {{subject: {subject}, case: {case:?}, upstream: {upstream:?}, ours: {ours}}}");
            let entry = self.unexpected.entry(rule).or_insert_with(|| (0, detail()));
            entry.0 += 1;
        }
    }

    pub(crate) fn end(self) {
        for (rule, (count, detail)) in self.unexpected.iter().take(SHOWN) {
            println!("{rule} # {count} times, once\n  {}", detail.chars().take(DETAIL).collect::<String>());
        }
        assert!(self.unexpected.is_empty(), "{} kinds of unexpected difference", self.unexpected.len());
        for rule in &self.rules {
            assert!(rule.used, "expected but not seen: {} {:?} {}", rule.subject, rule.case, rule.upstream);
        }
    }
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
