//! The definitions of dynamic pollsters: where they are, and what is wrong with them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use definitions::dynamic::Request;
use definitions::{DynamicPollster, DynamicPollsters, Place, Problem, Severity, Source};
use oslo_config::Config;
use oslo_config::options::{polling, polling_in_default};
use pollsters::dynamic::Surroundings;
use pollsters::{Namespace, Registry, Tools};

use crate::settings::definitions::read_file;
use crate::settings::openstack::Sessions;

/// Makes dynamic pollsters of definitions, at the start and at each reload: what they need besides, which stays.
pub(crate) struct Maker {
    /// The pollsters of the tables.
    tables: Registry,
    tools: Tools,
    surroundings: Surroundings,
}

impl Maker {
    pub(crate) fn new(tables: Registry, tools: Tools, sessions: &Sessions) -> Self {
        Self { tables, tools, surroundings: sessions.of_dynamic_pollsters() }
    }

    /// The pollsters of the tables and those of the definitions. Those that cannot be made are left out.
    pub(crate) fn registry(&self, definitions: &DynamicPollsters) -> (Registry, Vec<Problem>) {
        let mut registry = self.tables.clone();
        let surroundings = self.surroundings.clone();
        let problems = pollsters::dynamic::add(&mut registry, definitions, &self.tools, surroundings);
        registry.note_elsewhere(definitions.elsewhere.iter().cloned());
        (registry, problems)
    }
}

/// Makes errors fatal: what a start leaves out, a reload does not take.
pub(crate) fn refuse_errors(problems: &mut [Problem]) {
    for problem in problems.iter_mut().filter(|problem| problem.severity == Severity::Error) {
        problem.severity = Severity::Fatal;
    }
}

/// Reads the definitions for these namespaces. What is wrong leaves out a pollster or a file, as in Ceilometer; a file
/// that is no YAML, with which Ceilometer does not start, is fatal.
pub(crate) fn read(config: &Config, namespaces: &[&Namespace]) -> (DynamicPollsters, Vec<Problem>) {
    let mut problems = Vec::new();
    let files = files(config);
    let texts: Vec<_> =
        files.iter().filter_map(|path| read_file(path, &mut Vec::new(), &mut problems)).collect();
    let sources: Vec<Source<'_>> =
        texts.iter().map(|text| Source { path: &text.name, text: &text.text }).collect();
    let names: Vec<&str> = namespaces.iter().map(|namespace| namespace.name).collect();
    let (definitions, mut found) = DynamicPollsters::load(&sources, &names);
    problems.append(&mut found);
    problems.append(&mut writable(&definitions, &files));
    (definitions, problems)
}

/// Every `*.yaml` of the directories, each directory's sorted. One that does not exist has none.
fn files(config: &Config) -> Vec<PathBuf> {
    let directories = if config.is_set(&polling::POLLSTERS_DEFINITIONS_DIRS) {
        config.get(&polling::POLLSTERS_DEFINITIONS_DIRS)
    } else {
        config.get(&polling_in_default::POLLSTERS_DEFINITIONS_DIRS)
    };
    let mut files = Vec::new();
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        let mut own: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let is_hidden =
                    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                !is_hidden && path.extension().is_some_and(|extension| extension == "yaml")
            })
            .collect();
        own.sort();
        files.append(&mut own);
    }
    files
}

/// Warns of files that anybody may write and that hold commands, which run as this agent's user.
fn writable(definitions: &DynamicPollsters, files: &[PathBuf]) -> Vec<Problem> {
    /// Others may write.
    const OTHERS: u32 = 0o002;
    let is_open = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
    };
    let mut problems = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let is_here = |place: &Place| *place.path == *name;
        let has_command = definitions.programs.iter().any(|program| is_here(&program.place))
            || definitions
                .pollsters
                .iter()
                .any(|pollster| is_here(&pollster.place) && runs_commands(pollster));
        let is_open = is_open(path) || path.parent().is_some_and(is_open);
        if has_command && is_open {
            problems.push(Problem {
                severity: Severity::Warning,
                path: name,
                line: 1,
                column: 1,
                message:
                    "everybody may change this file, or its directory, and it holds commands that this agent runs"
                        .into(),
                hint: Some("let only root write it: chmod o-w".into()),
            });
        }
    }
    problems
}

/// Whether the pollster, or a field of its metadata, is a command.
fn runs_commands(pollster: &DynamicPollster) -> bool {
    matches!(pollster.request, Request::Command(_))
        || pollster.extra.iter().any(|field| runs_commands(&field.pollster))
}
