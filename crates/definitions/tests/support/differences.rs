//! The expected differences from Ceilometer (`tests/oracle/expected_differences.yaml`), and the judge that holds
//! outcomes against them.

use std::collections::BTreeMap;

const FILE: &str = include_str!("../../../../tests/oracle/expected_differences.yaml");
const DOCUMENTED: &str = include_str!("../../../../docs/differences.md");

/// How many kinds of unexpected difference are shown.
const SHOWN: usize = 25;

/// How much of a difference is shown, in characters.
const DETAIL: usize = 1200;

/// A difference that we know and want.
struct Rule {
    /// `samples`, `event`, `load`, `publish`, or what Gnocchi has after a day.
    subject: String,
    /// The case that it is confined to.
    case: Option<String>,
    /// How upstream's outcome begins, one of these, and whether it occurred.
    upstream: Vec<(String, bool)>,
    /// Our outcome, one of these, and whether it occurred.
    ours: Vec<(String, bool)>,
}

impl Rule {
    /// Whether it allows a difference; if so, notes that it was needed.
    fn allows(&mut self, subject: &str, case: &str, upstream: &str, ours: &str) -> bool {
        let original = case.strip_suffix(" mutated").unwrap_or(case);
        if self.subject != subject || self.case.as_deref().is_some_and(|own| own != case && own != original) {
            return false;
        }
        let upstream = self.upstream.iter_mut().find(|(own, _)| upstream.starts_with(own.as_str()));
        let ours = self.ours.iter_mut().find(|(own, _)| own == ours);
        let (Some(upstream), Some(ours)) = (upstream, ours) else { return false };
        (upstream.1, ours.1) = (true, true);
        true
    }
}

/// Holds differences against the rules of one suite.
pub(crate) struct Judge {
    rules: Vec<Rule>,
    /// By the rule that would allow them: how many there are, and one of them.
    unexpected: BTreeMap<String, (usize, String)>,
    /// Expected ones that occurred.
    pub(crate) expected: usize,
    /// What was compared, as the suite counts it.
    pub(crate) compared: usize,
}

/// The rows of `docs/differences.md`, each as `Section: text of the first cell`.
fn documented() -> Vec<String> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in DOCUMENTED.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if let Some(row) = line.strip_prefix("| ") {
            rows.push(format!("{section}: {row}"));
        }
    }
    rows
}

impl Judge {
    /// The rules of a suite. Panics unless each has a reason and is linked to a row of the documentation.
    pub(crate) fn new(suite: &str) -> Self {
        let documented = documented();
        let rules = yaml::parse(FILE).unwrap();
        let mut own = Vec::new();
        for rule in rules.as_seq().unwrap() {
            let key = |key: &str| rule.get(key).and_then(|value| value.as_str()).map(str::to_owned);
            let line = rule.span.line;
            assert!(key("reason").is_some_and(|reason| reason.len() > 20), "line {line}: no reason");
            let see = key("see").unwrap_or_else(|| panic!("line {line}: no link to docs/differences.md"));
            let linked = documented.iter().filter(|row| row.starts_with(&see)).count();
            assert_eq!(linked, 1, "line {line}: rows of docs/differences.md that begin with {see:?}");
            let suites = rule.get("suites").map_or(vec!["converters"], |suites| {
                suites.as_seq().unwrap().iter().map(|suite| suite.as_str().unwrap()).collect()
            });
            assert!(
                suites.iter().all(|suite| [
                    "converters",
                    "resources",
                    "agents",
                    "publishers",
                    "day",
                    "compute",
                    "instances",
                    "exporter"
                ]
                .contains(suite)),
                "line {line}"
            );
            if suites.contains(&suite) {
                // One text, or a list of them.
                let texts = |key: &str| -> Vec<(String, bool)> {
                    let value = rule.get(key).unwrap();
                    let items = value.as_seq().unwrap_or(std::slice::from_ref(value));
                    items.iter().map(|item| (item.as_str().unwrap().to_owned(), false)).collect()
                };
                own.push(Rule {
                    subject: key("subject").unwrap(),
                    case: key("case"),
                    upstream: texts("upstream"),
                    ours: texts("ours"),
                });
            }
        }
        Self { rules: own, unexpected: BTreeMap::new(), expected: 0, compared: 0 }
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
        if self.rules.iter_mut().any(|rule| rule.allows(subject, case, upstream, ours)) {
            self.expected += 1;
        } else {
            let upstream = upstream.chars().take(45).collect::<String>();
            let rule =
                format!("- {{subject: {subject}, case: {case:?}, upstream: {upstream:?}, ours: {ours}}}");
            let entry = self.unexpected.entry(rule).or_insert_with(|| (0, detail()));
            entry.0 += 1;
        }
    }

    /// Panics if there was an unexpected difference, or a rule of the suite that nothing needed.
    pub(crate) fn end(self) {
        for (rule, (count, detail)) in self.unexpected.iter().take(SHOWN) {
            println!("{rule} # {count} times, once\n  {}", detail.chars().take(DETAIL).collect::<String>());
        }
        assert!(self.unexpected.is_empty(), "{} kinds of unexpected difference", self.unexpected.len());
        let mut unseen = Vec::new();
        for rule in &self.rules {
            for (outcome, _) in rule.upstream.iter().chain(&rule.ours).filter(|(_, seen)| !seen) {
                unseen.push(format!("{outcome:?} of {} {:?}", rule.subject, rule.case));
            }
        }
        assert!(unseen.is_empty(), "expected but not seen: {unseen:#?}");
    }
}
