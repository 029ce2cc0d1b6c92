//! The expected differences (`expected_differences.json`), and the judge that holds answers against them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const FILE: &str = include_str!("expected_differences.json");
const DOCUMENTED: &str = include_str!("../../../../docs/differences.md");
/// How many unexpected differences are shown.
const SHOWN: usize = 60;
/// How much of each, in characters.
const DETAIL: usize = 420;

/// A difference that we know and want.
#[derive(Debug, Deserialize)]
struct Rule {
    /// The case's label.
    case: String,
    /// Gnocchi's answer, or how it begins.
    upstream: String,
    /// Ours, or how it begins.
    ours: String,
    reason: String,
    /// How the row of docs/differences.md begins that tells users of it.
    see: String,
    #[serde(skip)]
    occurred: bool,
}

/// Holds answers against each other.
pub(crate) struct Judge {
    rules: BTreeMap<String, Rule>,
    unexpected: Vec<String>,
    pub(crate) compared: usize,
}

impl Judge {
    pub(crate) fn new() -> Self {
        let rules: Vec<Rule> = serde_json::from_str(FILE).unwrap();
        for rule in &rules {
            assert!(rule.reason.len() > 20, "{}: no reason", rule.case);
            let rows = DOCUMENTED.lines().filter(|line| line.starts_with(&format!("| {}", rule.see))).count();
            assert_eq!(rows, 1, "{}: rows of docs/differences.md that begin with {:?}", rule.case, rule.see);
        }
        let rules = rules.into_iter().map(|rule| (rule.case.clone(), rule)).collect();
        Self { rules, unexpected: Vec::new(), compared: 0 }
    }

    pub(crate) fn compare(&mut self, label: &str, question: &Value, upstream: &Value, ours: &Value) {
        self.compared += 1;
        if upstream == ours {
            return;
        }
        let (upstream, ours) = (upstream.to_string(), ours.to_string());
        if let Some(rule) = self.rules.get_mut(label)
            && upstream.starts_with(&rule.upstream)
            && ours.starts_with(&rule.ours)
        {
            rule.occurred = true;
            return;
        }
        let cut = |text: &str| text.chars().take(DETAIL).collect::<String>();
        self.unexpected.push(format!(
            "{label}: {}\n  gnocchi: {}\n  ours:    {}",
            cut(&question.to_string()),
            cut(&upstream),
            cut(&ours)
        ));
    }

    pub(crate) fn finish(self) {
        let shown = self.unexpected.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(
            self.unexpected.is_empty(),
            "{} of {} answers differ; the first:\n{shown}",
            self.unexpected.len(),
            self.compared
        );
        let unused: Vec<&String> =
            self.rules.iter().filter(|(_, rule)| !rule.occurred).map(|(case, _)| case).collect();
        assert!(unused.is_empty(), "expected differences that do not occur (any more): {unused:?}");
    }
}
