//! `polling.yaml`: what is polled how often.
//!
//! Grammar and rules are those of Ceilometer's `PollingManager` and `PollingSource`; what it reports as an exception at the
//! start of a worker, and what it stumbles over later, is reported here with line and column, all of it at once.

mod interval;

use definitions::{Problem, Severity, Source};
use pipeline::Filter;
use yaml::{Kind, Node, Span};

/// Keys of a source.
const KEYS: [&str; 6] =
    ["name", "interval", "meters", "resources", "discovery", "group_id_coordination_expression"];

/// A valid `polling.yaml`.
#[derive(Debug, Clone, Default)]
pub struct PollingConfig {
    /// The sources in the order of the file. Names may repeat.
    pub sources: Vec<PollingSource>,
}

/// An entry of `sources:`.
#[derive(Debug, Clone)]
pub struct PollingSource {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub place: Written,
    /// Seconds from the start of one run to the start of the next; more than 0.
    pub interval_seconds: u64,
    /// Which pollsters it takes, by their names.
    pub filter: Filter,
    /// The entries of `meters:` as they are written.
    pub meters: Vec<Entry>,
    /// Resources that need not be discovered.
    pub resources: Vec<String>,
    /// Discoveries, instead of the pollsters' own.
    pub discovery: Vec<Entry>,
    /// How agents share the pollsters of this source.
    pub group_id_coordination_expression: Option<String>,
}

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The text.
    pub text: String,
    /// Where it is written.
    pub place: Written,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file, as messages name it.
    pub path: String,
    /// Line and column, from 1.
    pub span: Span,
}

impl Written {
    /// A problem at this place.
    pub(crate) fn problem(&self, severity: Severity, message: String, hint: impl Into<String>) -> Problem {
        let Span { line, column } = self.span;
        Problem { severity, path: self.path.clone(), line, column, message, hint: Some(hint.into()) }
    }
}

impl PollingConfig {
    /// Reads the file. With the problems that do not prevent its use.
    ///
    /// # Errors
    /// Every problem, in the order of the file, when one of them is fatal.
    pub fn parse(file: Source<'_>) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut reader = Reader { path: file.path, problems: Vec::new() };
        let config = match yaml::parse(file.text) {
            Ok(root) => reader.read(&root),
            Err(error) => {
                let message = format!("this is not YAML: {}", error.problem);
                reader.fatal(error.span, message, "mend the syntax here or shortly before");
                Self::default()
            }
        };
        let mut problems = reader.problems;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
            return Err(problems);
        }
        Ok((config, problems))
    }
}

struct Reader<'f> {
    path: &'f str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn at(&self, span: Span) -> Written {
        Written { path: self.path.to_owned(), span }
    }

    fn fatal(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.at(span).problem(Severity::Fatal, message.into(), hint);
        self.problems.push(problem);
    }

    fn warning(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.at(span).problem(Severity::Warning, message.into(), hint);
        self.problems.push(problem);
    }

    fn read(&mut self, root: &Node) -> PollingConfig {
        let mut config = PollingConfig::default();
        if !matches!(root.kind, Kind::Map(_)) {
            let message = format!("the file must be a map, not {}", describe(root));
            self.fatal(root.span, message, "begin with the key sources:");
            return config;
        }
        let Some(list) = root.get("sources") else {
            self.fatal(root.span, "sources is missing", "add a list sources:");
            return config;
        };
        let Kind::Seq(entries) = &list.kind else {
            let message = format!("sources must be a list, not {}", describe(list));
            self.fatal(list.span, message, "write each source behind a dash");
            return config;
        };
        if entries.is_empty() {
            self.warning(
                list.span,
                "there is no source: nothing is polled",
                "add a source with name, interval, meters",
            );
        }
        for entry in entries {
            let source = self.source(entry);
            let Some(source) = source else { continue };
            if config.sources.iter().any(|known| known.name == source.name) {
                let message = format!("a second source is named {:?}", source.name);
                let hint = "with the same interval the two are one, and where both select a pollster the later one's \
                            resources and discovery count: give each a name of its own";
                self.warning(source.place.span, message, hint);
            }
            config.sources.push(source);
        }
        config
    }

    fn source(&mut self, entry: &Node) -> Option<PollingSource> {
        let Kind::Map(keys) = &entry.kind else {
            let message = format!("a source must be a map, not {}", describe(entry));
            self.fatal(entry.span, message, "write name: first");
            return None;
        };
        for (key, _) in keys {
            let known = key.as_str().is_some_and(|key| KEYS.contains(&key));
            if !known {
                let message = format!("there is no key {} in a source: it is ignored", describe(key));
                self.warning(key.span, message, format!("the keys are {}", KEYS.join(", ")));
            }
        }
        let name = self.name(entry);
        let interval_seconds = self.interval(entry);
        let (meters, filter) = self.meters(entry);
        let resources = self.texts(entry, "resources", "the resource's id or address");
        let discovery = self.texts(entry, "discovery", "a discovery's name, such as \"endpoint:compute\"");
        let expression = match entry.get("group_id_coordination_expression") {
            Some(node) if node.is_truthy() => {
                let expression = text(node);
                if expression.is_none() {
                    let message =
                        format!("group_id_coordination_expression must be a text, not {}", describe(node));
                    self.fatal(node.span, message, "quote it");
                }
                expression
            }
            _ => None,
        };
        Some(PollingSource {
            name: name?,
            place: self.at(entry.span),
            interval_seconds: interval_seconds?,
            filter: filter?,
            meters,
            resources: resources.into_iter().map(|entry| entry.text).collect(),
            discovery,
            group_id_coordination_expression: expression,
        })
    }

    fn name(&mut self, entry: &Node) -> Option<String> {
        let Some(node) = entry.get("name") else {
            self.fatal(entry.span, "this source has no name", "add name: and a text");
            return None;
        };
        let name = text(node);
        if name.is_none() {
            let message = format!("a source's name must be a text, not {}", describe(node));
            self.fatal(node.span, message, "quote it");
        }
        name
    }

    fn interval(&mut self, entry: &Node) -> Option<u64> {
        let Some(node) = entry.get("interval") else {
            self.fatal(
                entry.span,
                "this source has no interval",
                "add interval: and seconds, for example 300",
            );
            return None;
        };
        match interval::seconds(node) {
            Ok(seconds) => Some(seconds),
            Err(problem) => {
                let message = format!("interval is {}, {problem}", describe(node));
                self.fatal(node.span, message, "write whole seconds, more than 0, for example 300");
                None
            }
        }
    }

    fn meters(&mut self, entry: &Node) -> (Vec<Entry>, Option<Filter>) {
        let nothing = (Vec::new(), None);
        let Some(node) = entry.get("meters") else {
            self.fatal(entry.span, "this source has no meters", "add a list meters:, \"*\" for all");
            return nothing;
        };
        let nodes: Vec<&Node> = match &node.kind {
            _ if !node.is_truthy() => {
                self.fatal(node.span, "meters is empty", "list at least one name, or \"*\" for all");
                return nothing;
            }
            Kind::Seq(entries) => entries.iter().collect(),
            // Python goes through a text by its characters, and through a map by its keys.
            Kind::Str(all) if all == "*" => {
                self.warning(node.span, "meters is a text, not a list", "write meters: [\"*\"]");
                vec![node]
            }
            Kind::Map(entries) => {
                self.warning(
                    node.span,
                    "meters is a map, of which the keys count",
                    "write a dash before each name",
                );
                entries.iter().map(|(key, _)| key).collect()
            }
            _ => {
                let message = format!("meters must be a list, not {}", describe(node));
                self.fatal(node.span, message, "write each name behind a dash");
                return nothing;
            }
        };
        let mut meters = Vec::new();
        let mut is_complete = true;
        for node in nodes {
            match node.as_str() {
                Some(name) if !name.is_empty() => {
                    meters.push(Entry { text: name.to_owned(), place: self.at(node.span) });
                }
                _ => {
                    let message = format!("an entry of meters must be a name, not {}", describe(node));
                    self.fatal(node.span, message, "write a name or a pattern such as \"disk.*\", in quotes");
                    is_complete = false;
                }
            }
        }
        if !is_complete {
            return nothing;
        }
        match Filter::new(meters.iter().map(|entry| entry.text.as_str())) {
            Ok(filter) => (meters, Some(filter)),
            Err(error) => {
                self.fatal(node.span, format!("meters: {error}"), error.hint());
                nothing
            }
        }
    }

    /// The texts under `key`, which may be missing.
    fn texts(&mut self, entry: &Node, key: &str, what: &str) -> Vec<Entry> {
        let Some(node) = entry.get(key).filter(|node| node.is_truthy()) else { return Vec::new() };
        let Kind::Seq(entries) = &node.kind else {
            let message = format!("{key} must be a list, not {}", describe(node));
            self.fatal(node.span, message, format!("write each entry of {key} behind a dash"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for node in entries {
            if let Some(text) = text(node) {
                texts.push(Entry { text, place: self.at(node.span) });
            } else {
                let message = format!("an entry of {key} must be a text, not {}", describe(node));
                self.fatal(node.span, message, format!("write {what}, in quotes"));
            }
        }
        texts
    }
}

/// A scalar's text: names and ids need not be quoted, even when they look like a number.
fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Str(text) => Some(text.clone()),
        Kind::Int(number) => Some(number.to_string()),
        Kind::BigInt(digits) => Some(digits.clone()),
        _ => None,
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".into(),
        Kind::Str(text) => format!("{text:?}"),
        Kind::Int(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Bool(truth) => truth.to_string(),
        _ => node.type_name().into(),
    }
}

#[cfg(test)]
mod tests;
