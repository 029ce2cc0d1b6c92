//! What every key of a definition must be.

use std::sync::Arc;

use model::Value;
use yaml::{Kind, Node, Span};

use super::attribute::Attribute;
use crate::field::to_value;
use crate::{Problem, Severity};

/// Reads the keys of one definition and collects what is wrong with them.
pub(crate) struct Reader<'f> {
    pub(crate) path: Arc<str>,
    /// The lines of the file, in which operations are pointed at.
    pub(crate) lines: &'f [&'f str],
    pub(crate) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(crate) fn problem(
        &mut self,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem {
            severity,
            path: self.path.to_string(),
            line: span.line,
            column: span.column,
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problem(Severity::Error, span, message, hint);
    }

    /// Warns of keys that there are not in `what`, but for those that `is_known` knows besides.
    pub(crate) fn known_keys(
        &mut self,
        node: &Node,
        what: &str,
        keys: &[&str],
        is_known: impl Fn(&str) -> bool,
    ) {
        for (key, _) in node.as_map().unwrap_or_default() {
            if !key.as_str().is_some_and(|key| keys.contains(&key) || is_known(key)) {
                let message = format!("there is no key {} in {what}: it is ignored", described(key));
                let hint = format!("the keys are {}", keys.join(", "));
                self.problem(Severity::Warning, key.span, message, hint);
            }
        }
    }

    /// The value of a key, unless it is null, which is as good as none.
    pub(crate) fn given<'n>(map: &'n Node, key: &str) -> Option<&'n Node> {
        map.get(key).filter(|node| !node.is_null())
    }

    /// The value of a key that must be there and be something.
    pub(crate) fn required<'n>(&mut self, map: &'n Node, key: &str, hint: &str) -> Option<&'n Node> {
        match map.get(key) {
            Some(node) if node.is_truthy() => Some(node),
            Some(node) => {
                self.error(node.span, format!("{key} is {}", described(node)), hint);
                None
            }
            None => {
                self.error(map.span, format!("{key} is missing"), hint);
                None
            }
        }
    }

    /// A text; numbers are as good.
    pub(crate) fn text(&mut self, key: &str, node: &Node) -> Option<String> {
        match &node.kind {
            Kind::Str(text) => Some(text.clone()),
            Kind::Int(number) => Some(number.to_string()),
            Kind::BigInt(digits) => Some(digits.clone()),
            _ => {
                self.error(
                    node.span,
                    format!("{key} is {}, not a text", described(node)),
                    "write it in quotes",
                );
                None
            }
        }
    }

    pub(crate) fn seconds(
        &mut self,
        key: &str,
        node: &Node,
        may_be_zero: bool,
    ) -> Option<std::time::Duration> {
        let seconds = node.as_f64().filter(|seconds| {
            seconds.is_finite() && (*seconds > 0.0 || may_be_zero && *seconds == 0.0) && *seconds < 1e9
        });
        let seconds = seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        if seconds.is_none() {
            let hint = if may_be_zero { "write seconds, 0 or more" } else { "write seconds, more than 0" };
            self.error(node.span, format!("{key} is {}", described(node)), hint);
        }
        seconds
    }

    pub(crate) fn boolean(&mut self, key: &str, node: &Node) -> Option<bool> {
        let truth = node.as_bool();
        if truth.is_none() {
            self.error(
                node.span,
                format!("{key} is {}, not a boolean", described(node)),
                "write true or false",
            );
        }
        truth
    }

    /// The elements of a list.
    pub(crate) fn list<'n>(&mut self, key: &str, node: &'n Node, hint: &str) -> &'n [Node] {
        node.as_seq().unwrap_or_else(|| {
            self.error(node.span, format!("{key} is {}, not a list", described(node)), hint);
            &[]
        })
    }

    /// The entries of a map.
    pub(crate) fn map<'n>(&mut self, key: &str, node: &'n Node, hint: &str) -> &'n [(Node, Node)] {
        node.as_map().unwrap_or_else(|| {
            self.error(node.span, format!("{key} is {}, not a map", described(node)), hint);
            &[]
        })
    }

    /// A map from text to text.
    pub(crate) fn texts(&mut self, key: &str, node: &Node, hint: &str) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for (name, value) in self.map(key, node, hint) {
            if let (Some(name), Some(value)) = (self.text(key, name), self.text(key, value)) {
                texts.push((name, value));
            }
        }
        texts
    }

    pub(crate) fn value(node: &Node) -> Value {
        to_value(node)
    }

    /// `path | operation`.
    pub(crate) fn attribute(&mut self, key: &str, node: &Node) -> Option<Attribute> {
        let text = self.text(key, node)?;
        match Attribute::compile(&text) {
            Ok(attribute) => Some(attribute),
            Err(wrong) => {
                let (span, place) = self.inside(node, wrong.line, wrong.column);
                self.error(span, format!("{key}: {}{place}", wrong.message), wrong.hint);
                None
            }
        }
    }

    /// The place of a line and column of a scalar's text, as far as it can be told from the file; else the scalar's, and the
    /// place in words.
    fn inside(&self, node: &Node, line: u32, column: u32) -> (Span, String) {
        let start =
            usize::try_from(node.span.line).ok().and_then(|line| self.lines.get(line.checked_sub(1)?));
        let first =
            start.and_then(|text| text.chars().nth(usize::try_from(node.span.column).ok()?.checked_sub(1)?));
        let quote = match first {
            Some('|' | '>' | '&' | '*' | '!') | None => None,
            Some('"' | '\'') => Some(1),
            Some(_) => Some(0),
        };
        match quote {
            Some(quote) if line == 1 => {
                (Span { line: node.span.line, column: node.span.column + quote + column - 1 }, String::new())
            }
            _ => (node.span, format!(" (line {line}, column {column} of the text)")),
        }
    }
}

/// What is written, in words.
pub(crate) fn described(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".into(),
        Kind::Str(text) => format!("{text:?}"),
        Kind::Int(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Bool(truth) => truth.to_string(),
        Kind::Seq(items) if items.is_empty() => "an empty list".into(),
        Kind::Map(entries) if entries.is_empty() => "an empty map".into(),
        _ => node.type_name().into(),
    }
}
