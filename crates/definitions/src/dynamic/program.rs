//! [`ProgramPollster`]: a pollster that is a program of the site, in whatever language.

use std::time::Duration;

use model::{MeterKind, Text};
use yaml::Node;

use super::reader::{Reader, described};
use crate::Place;

/// The keys of a definition.
const KEYS: [&str; 7] = ["name", "program", "namespaces", "sample_type", "unit", "timeout", "environment"];

/// A program that prints samples.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramPollster {
    /// Its name, which `meters:` in `polling.yaml` is compared with, and with which the names of its samples begin.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// The program's path.
    pub program: String,
    /// What it is started with. No shell reads it.
    pub arguments: Vec<String>,
    /// Variables of its environment, besides the few that every program has.
    pub environment: Vec<(String, String)>,
    /// The time that it may take; unset if the operator has not set it.
    pub timeout: Option<Duration>,
    /// How values relate, where a sample does not say it.
    pub kind: Option<MeterKind>,
    /// The unit, where a sample does not say it.
    pub unit: Option<Text>,
}

impl Reader<'_> {
    /// Reads a definition that has the key `program`.
    pub(super) fn program(&mut self, node: &Node) -> Option<ProgramPollster> {
        let before = self.problems.len();
        self.known_keys(node, "a pollster that is a program", &KEYS, |_| false);
        let warnings = self.problems.len() - before;
        let name = self.name(node);
        if let Some((_, given)) =
            node.entry("name").filter(|_| name.as_ref().is_some_and(|name| name.contains('{')))
        {
            self.error(
                given.span,
                "the name has a placeholder",
                "leave it out: a program names its samples itself",
            );
        }
        let command = self.command(node);
        let kind = Self::given(node, "sample_type").and_then(|given| {
            let kind = given.as_str().and_then(MeterKind::from_name);
            if kind.is_none() {
                let message = format!("sample_type is {}", described(given));
                self.error(given.span, message, "write gauge, delta or cumulative");
            }
            kind
        });
        let unit = Self::given(node, "unit").and_then(|given| self.text("unit", given));
        let timeout = Self::given(node, "timeout").and_then(|given| self.seconds("timeout", given, false));
        let environment = self.environment(node);
        let (mut command, name) = (command?, name?);
        let program = command.remove(0);
        (self.problems.len() == before + warnings).then(|| ProgramPollster {
            name,
            place: Place::of(node, &self.path),
            program,
            arguments: command,
            environment,
            timeout,
            kind,
            unit: unit.map(Text::from),
        })
    }

    /// The program with its arguments: at least one text.
    fn command(&mut self, node: &Node) -> Option<Vec<String>> {
        const HINT: &str =
            "write the program's path and its arguments as a list: [/usr/local/lib/raid, --json]";
        let given = self.required(node, "program", HINT)?;
        let items = given.as_seq().unwrap_or(std::slice::from_ref(given));
        let command: Option<Vec<String>> = items.iter().map(|item| self.text("program", item)).collect();
        let command = command?;
        let program = command.first()?;
        if !program.starts_with('/') {
            self.error(given.span, format!("program is {program:?}, which is no absolute path"), HINT);
            return None;
        }
        if command.iter().any(|part| part.contains('\0')) {
            self.error(given.span, "program has a character that no argument can have", HINT);
            return None;
        }
        Some(command)
    }

    fn environment(&mut self, node: &Node) -> Vec<(String, String)> {
        const HINT: &str = "write a map from the variable's name to its value";
        let Some(given) = Self::given(node, "environment") else { return Vec::new() };
        let variables = self.texts("environment", given, HINT);
        for (name, value) in &variables {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                self.error(given.span, format!("the variable {name:?} cannot be set"), HINT);
            }
        }
        variables
    }
}
