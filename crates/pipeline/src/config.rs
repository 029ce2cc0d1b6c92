//! `pipeline.yaml` and `event_pipeline.yaml`: sources and sinks.
//!
//! Grammar and rules are Ceilometer's (`pipeline/base.py`); what it reports as an exception at the start of a
//! worker is reported here with line and column, all of it at once. Keys of older releases
//! (`transformers`, `interval`, `resources`, `discovery`) are ignored, as upstream does.

use std::collections::{HashMap, HashSet};

use definitions::{Problem, Severity, Source};
use yaml::{Kind, Node, Span};

use crate::{Filter, PublisherUrl, RecordsKind};

/// The pipelines that are used when there is no file: everything, to Gnocchi and to the message bus.
pub mod builtin {
    /// What Ceilometer packages as `pipeline.yaml`.
    pub const PIPELINE: &str = include_str!("../../../data/pipeline.yaml");
    /// What Ceilometer packages as `event_pipeline.yaml`.
    pub const EVENT_PIPELINE: &str = include_str!("../../../data/event_pipeline.yaml");
}

/// A valid pipeline file.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    sources: Vec<SourceEntry>,
    sinks: HashMap<String, Vec<ConfiguredPublisher>>,
}

#[derive(Debug, Clone)]
struct SourceEntry {
    name: String,
    place: String,
    filter: Filter,
    sinks: Vec<String>,
}

/// An entry under `publishers:`.
#[derive(Debug, Clone)]
pub struct ConfiguredPublisher {
    /// What is written there.
    pub url: PublisherUrl,
    /// Where, as `path:line:column`.
    pub place: String,
}

/// One source coupled with one sink.
#[derive(Debug, Clone)]
pub struct Pipeline<'a> {
    /// `source:sink`, or just the name when both have the same.
    pub name: String,
    /// Where the source is written, as `path:line:column`.
    pub place: &'a str,
    /// Which records it takes.
    pub filter: &'a Filter,
    /// The sink's name.
    pub sink: &'a str,
    /// Where they go.
    pub publishers: &'a [ConfiguredPublisher],
}

impl PipelineConfig {
    /// Reads a pipeline file of `kind`.
    ///
    /// # Errors
    /// Every problem that was found, in the order of the file.
    pub fn parse(file: Source<'_>, kind: RecordsKind) -> Result<Self, Vec<Problem>> {
        let mut reader =
            Reader { kind, path: file.path.to_owned(), problems: Vec::new(), source_names: HashSet::new() };
        let config = match yaml::parse(file.text) {
            Ok(root) => reader.read(&root),
            Err(error) => {
                let message = format!("this is not YAML: {}", error.problem);
                reader.problem(error.span, message, "mend the syntax here or shortly before");
                return Err(reader.problems);
            }
        };
        if reader.problems.is_empty() {
            return Ok(config);
        }
        reader.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(reader.problems)
    }

    /// Every source coupled with each of its sinks, in the order of the file.
    pub fn pipelines(&self) -> impl Iterator<Item = Pipeline<'_>> {
        self.sources.iter().flat_map(|source| {
            source.sinks.iter().map(|sink| Pipeline {
                name: if source.name == *sink { sink.clone() } else { format!("{}:{sink}", source.name) },
                place: &source.place,
                filter: &source.filter,
                sink,
                publishers: self.sinks.get(sink).map_or(&[], Vec::as_slice),
            })
        })
    }
}

struct Reader {
    kind: RecordsKind,
    path: String,
    problems: Vec<Problem>,
    source_names: HashSet<String>,
}

impl Reader {
    fn problem(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem {
            severity: Severity::Fatal,
            path: self.path.clone(),
            line: at.line,
            column: at.column,
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    fn read(&mut self, root: &Node) -> PipelineConfig {
        let mut config = PipelineConfig { sources: Vec::new(), sinks: HashMap::new() };
        if !matches!(root.kind, Kind::Map(_)) {
            self.problem(root.span, "the file must be a map", "begin with the keys sources: and sinks:");
            return config;
        }
        // Sinks first, so that a source's reference to one can be checked.
        for sink in self.list(root, "sinks", root.span) {
            self.read_sink(sink, &mut config);
        }
        let mut pipeline_names = HashSet::new();
        for source in self.list(root, "sources", root.span) {
            self.read_source(source, &mut config, &mut pipeline_names);
        }
        config
    }

    /// The entries of the required list under `key`.
    fn list<'n>(&mut self, parent: &'n Node, key: &str, at: Span) -> &'n [Node] {
        match parent.get(key) {
            Some(Node { kind: Kind::Seq(entries), .. }) => entries,
            Some(other) => {
                let message = format!("{key} must be a list, not {}", describe(other));
                self.problem(other.span, message, format!("write each entry of {key} behind a dash"));
                &[]
            }
            None => {
                self.problem(at, format!("{key} is missing"), format!("add a list {key}:"));
                &[]
            }
        }
    }

    /// The name of a source or sink, which no other one of its kind may have.
    fn name(&mut self, entry: &Node, what: &str, is_known: impl Fn(&str) -> bool) -> Option<String> {
        if !matches!(entry.kind, Kind::Map(_)) {
            self.problem(
                entry.span,
                format!("a {what} must be a map, not {}", describe(entry)),
                "write name: first",
            );
            return None;
        }
        let Some(node) = entry.get("name") else {
            self.problem(entry.span, format!("this {what} has no name"), "add name: and a text");
            return None;
        };
        let Some(name) = text(node) else {
            self.problem(
                node.span,
                format!("a {what}'s name must be a text, not {}", describe(node)),
                "quote it",
            );
            return None;
        };
        if is_known(&name) {
            let message = format!("a second {what} is named {name:?}");
            self.problem(node.span, message, "give each a name of its own");
        }
        Some(name)
    }

    fn read_sink(&mut self, entry: &Node, config: &mut PipelineConfig) {
        let Some(name) = self.name(entry, "sink", |name| config.sinks.contains_key(name)) else { return };
        let mut publishers = Vec::new();
        let nodes = self.list(entry, "publishers", entry.span);
        if let (true, Some(empty)) = (nodes.is_empty(), entry.get("publishers")) {
            let hint = "name at least one, for example file:///var/log/samples.json?json";
            self.problem(empty.span, format!("sink {name:?} has no publisher"), hint);
        }
        for node in nodes {
            if let Some(url) = text(node) {
                publishers.push(ConfiguredPublisher {
                    url: PublisherUrl::new(&url),
                    place: format!("{}:{}:{}", self.path, node.span.line, node.span.column),
                });
            } else {
                let message = format!("a publisher must be a URL, not {}", describe(node));
                self.problem(node.span, message, "write, for example, file:///var/log/samples.json?json");
            }
        }
        config.sinks.insert(name, publishers);
    }

    fn read_source(&mut self, entry: &Node, config: &mut PipelineConfig, pipelines: &mut HashSet<String>) {
        let known_names = std::mem::take(&mut self.source_names);
        let name = self.name(entry, "source", |name| known_names.contains(name));
        self.source_names = known_names;
        let Some(name) = name else { return };
        self.source_names.insert(name.clone());
        let key = match self.kind {
            RecordsKind::Samples => "meters",
            RecordsKind::Events => "events",
        };
        let mut names = Vec::new();
        for node in self.list(entry, key, entry.span) {
            if let Some(name) = text(node) {
                names.push(name);
            } else {
                let message = format!("an entry of {key} must be a text, not {}", describe(node));
                self.problem(node.span, message, "write a name or a pattern such as \"disk.*\"");
            }
        }
        let filter = match Filter::new(names.iter().map(String::as_str)) {
            Ok(filter) => Some(filter),
            Err(error) => {
                // A missing list was reported already.
                if let Some(node) = entry.get(key) {
                    self.problem(node.span, format!("{key} of source {name:?}: {error}"), error.hint());
                }
                None
            }
        };
        let mut sinks = Vec::new();
        let nodes = self.list(entry, "sinks", entry.span);
        if let (true, Some(empty)) = (nodes.is_empty(), entry.get("sinks")) {
            self.problem(
                empty.span,
                format!("source {name:?} has no sink"),
                "name at least one of the sinks below",
            );
        }
        for node in nodes {
            let Some(sink) = text(node).filter(|sink| config.sinks.contains_key(sink)) else {
                let mut known: Vec<_> = config.sinks.keys().map(String::as_str).collect();
                known.sort_unstable();
                let message =
                    format!("source {name:?} names the sink {}, which does not exist", describe(node));
                self.problem(node.span, message, format!("name one of: {}", known.join(", ")));
                continue;
            };
            let pipeline = if name == sink { sink.clone() } else { format!("{name}:{sink}") };
            if pipelines.insert(pipeline.clone()) {
                sinks.push(sink);
            } else {
                let message = format!("the pipeline {pipeline:?} (source and sink) exists already");
                self.problem(
                    node.span,
                    message,
                    "name each sink once, and give sources and sinks other names",
                );
            }
        }
        if let Some(filter) = filter {
            let place = format!("{}:{}:{}", self.path, entry.span.line, entry.span.column);
            config.sources.push(SourceEntry { name, place, filter, sinks });
        }
    }
}

/// A scalar's text: names and URLs need not be quoted, even when they look like a number.
fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Str(text) => Some(text.clone()),
        Kind::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".into(),
        Kind::Str(text) => format!("{text:?}"),
        Kind::Int(number) => number.to_string(),
        Kind::Bool(truth) => truth.to_string(),
        _ => node.type_name().into(),
    }
}

#[cfg(test)]
mod tests;
