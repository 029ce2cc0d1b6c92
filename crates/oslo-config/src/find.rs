//! Where configuration files lie.

use crate::loader::{Loader, Source};
use crate::problem::{Origin, Problem};
use std::path::{Component, Path, PathBuf};

/// Configuration files read from one directory at most.
pub(crate) const MAX_FILES_OF_DIRECTORY: usize = 1000;

/// What to read, in order, and where to look for other files.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) files: Vec<PathBuf>,
    /// Directories that [`crate::Config::find_file`] searches.
    pub(crate) search: Vec<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

/// The directories that are searched by default, first one first.
pub(crate) fn standard_directories(loader: &Loader) -> Vec<PathBuf> {
    let mut out = Vec::new();
    if let Some(home) = &loader.home {
        out.push(home.join(format!(".{}", loader.project)));
        out.push(home.clone());
    }
    out.push(loader.etc.join(&loader.project));
    out.push(loader.etc.clone());
    for variable in ["SNAP_COMMON", "SNAP"] {
        if let Some(snap) = loader.env.get(variable).filter(|path| !path.is_empty()) {
            out.push(Path::new(snap).join("etc").join(&loader.project));
        }
    }
    out
}

/// Orders files and directories as oslo.config does: default files and default directories first
/// (each kind only if the command line names none of it), then the command line's in its order.
pub(crate) fn plan(loader: &Loader) -> Plan {
    let mut plan = Plan::default();
    let standard = standard_directories(loader);
    let files_given = loader.sources.iter().any(|source| matches!(source, Source::File(_)));
    let directories_given = loader.sources.iter().any(|source| matches!(source, Source::Directory(_)));
    let mut config_files = Vec::new();
    if loader.default_sources && !files_given {
        for name in [&loader.project, &loader.program] {
            config_files.extend(first(&standard, &format!("{name}.conf")));
        }
        plan.files.extend(config_files.iter().cloned());
    }
    if loader.default_sources && !directories_given {
        for name in [&loader.project, &loader.program] {
            if let Some(directory) = first(&standard, &format!("{name}.conf.d")) {
                plan.add_directory(&directory);
            }
        }
    }
    for source in &loader.sources {
        match source {
            Source::File(path) => {
                let path = fix(loader, path);
                config_files.push(path.clone());
                plan.files.push(path);
            }
            Source::Directory(path) => {
                let path = fix(loader, path);
                plan.add_directory(&path);
                plan.search.push(path);
            }
        }
    }
    plan.search.extend(config_files.iter().rev().filter_map(|file| file.parent().map(Path::to_path_buf)));
    plan.search.extend(standard);
    plan
}

fn first(directories: &[PathBuf], name: &str) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join(name)).find(|path| path.exists())
}

impl Plan {
    fn add_directory(&mut self, directory: &Path) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.problems.push(
                    Problem::new(
                        Origin::Path(directory.to_owned()),
                        format!("cannot read configuration directory: {error}"),
                    )
                    .hint("create it, or name another directory with --config-dir"),
                );
                return;
            }
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name().is_some_and(|name| {
                    let name = name.as_encoded_bytes();
                    name.ends_with(b".conf") && !name.starts_with(b".")
                })
            })
            .take(MAX_FILES_OF_DIRECTORY + 1)
            .collect();
        if found.len() > MAX_FILES_OF_DIRECTORY {
            self.problems.push(
                Problem::new(
                    Origin::Path(directory.to_owned()),
                    format!("more than {MAX_FILES_OF_DIRECTORY} files end with .conf"),
                )
                .hint("merge them, or name another directory with --config-dir"),
            );
            return;
        }
        found.sort();
        self.files.extend(found);
    }
}

/// Replaces a leading `~` by the home directory and makes the path absolute, without looking at the
/// file system.
pub(crate) fn fix(loader: &Loader, path: &Path) -> PathBuf {
    let mut full = match (path.strip_prefix("~"), &loader.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    };
    if let (true, Some(base)) = (full.is_relative(), &loader.working_directory) {
        full = base.join(full);
    }
    let mut out = PathBuf::new();
    for part in full.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.has_root() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
