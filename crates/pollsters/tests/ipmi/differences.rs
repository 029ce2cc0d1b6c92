//! The expected differences, and the judge that holds outcomes against them.

use std::collections::BTreeMap;

const FILE: &str = include_str!("expected_differences.yaml");
const DOCUMENTED: &str = include_str!("../../../../docs/differences.md");

struct Rule {
    case: String,
    upstream: String,
    has_occurred: bool,
}

/// Holds differences against the entries of one test.
pub(crate) struct Judge {
    rules: Vec<Rule>,
    /// How many there are of each that is not expected, and one of them.
    unexpected: BTreeMap<String, (usize, String)>,
    pub(crate) expected: usize,
}

impl Judge {
    /// Panics unless each entry has a reason, and is linked to a row of the documentation.
    pub(crate) fn new(test: &str) -> Self {
        let mut rules = Vec::new();
        for entry in yaml::parse(FILE).unwrap().as_seq().unwrap() {
            let line = entry.span.line;
            let key = |key: &str| {
                let value = entry.get(key).and_then(|value| value.as_str());
                value.unwrap_or_else(|| panic!("line {line}: no {key}")).to_owned()
            };
            let (reason, see) = (key("reason"), format!("| {}", key("see")));
            assert!(reason.len() > 20, "line {line}: no reason");
            let linked = DOCUMENTED.lines().filter(|row| row.starts_with(&see)).count();
            assert_eq!(linked, 1, "line {line}: rows of docs/differences.md that begin with {see:?}");
            assert!(["parser", "generated", "simulated"].contains(&key("test").as_str()), "line {line}");
            if key("test") == test {
                rules.push(Rule { case: key("case"), upstream: key("upstream"), has_occurred: false });
            }
        }
        assert!(!rules.is_empty());
        Self { rules, unexpected: BTreeMap::new(), expected: 0 }
    }

    /// Notes two outcomes that are not equal.
    pub(crate) fn differ(&mut self, case: &str, upstream: &str, detail: impl FnOnce() -> String) {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.case == case && upstream.starts_with(rule.upstream.as_str()));
        if let Some(rule) = rule {
            rule.has_occurred = true;
            self.expected += 1;
        } else {
            let entry = self.unexpected.entry(format!("case: {case}, upstream: {upstream:.80}"));
            entry.or_insert_with(|| (0, detail())).0 += 1;
        }
    }

    /// Panics if there was an unexpected difference, or an entry that nothing needed.
    pub(crate) fn end(self) {
        for (rule, (count, detail)) in &self.unexpected {
            println!("{rule} # {count} times, once\n{detail}");
        }
        assert!(self.unexpected.is_empty(), "{} kinds of unexpected difference", self.unexpected.len());
        let unseen = self.rules.iter().filter(|rule| !rule.has_occurred);
        let unseen: Vec<String> = unseen.map(|rule| format!("{}: {}", rule.case, rule.upstream)).collect();
        assert!(unseen.is_empty(), "expected but not seen: {unseen:#?}");
    }
}
