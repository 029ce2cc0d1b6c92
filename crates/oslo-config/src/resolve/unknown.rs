//! Warnings about sections and options that nobody knows.

use crate::environment;
use crate::ini::{normalise, quoted};
use crate::loader::{Loader, ParsedFile, Problems};
use crate::options::{REMOVED_OPTIONS, SILENT_SECTIONS};
use crate::problem::{Origin, Problem};
use crate::registry::{Index, Slot};
use crate::suggest::nearest;
use std::collections::{BTreeMap, BTreeSet};

struct Known<'a> {
    /// Section to keys, current and former.
    keys: BTreeMap<String, BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    fn new(slots: &'a [Slot]) -> Self {
        let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut add = |group: &str, key: &'a str| {
            keys.entry(normalise(group)).or_default().insert(key);
        };
        for slot in slots {
            add(&slot.group, slot.opt.name);
            for old in slot.opt.deprecated {
                add(old.group.unwrap_or(&slot.group), old.name.unwrap_or(slot.opt.name));
            }
        }
        Self { keys }
    }

    fn sections(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Another section that has exactly this option, if only one has.
    fn elsewhere(&self, key: &str) -> Option<&str> {
        let mut having = self.keys.iter().filter(|(_, keys)| keys.contains(key));
        let (section, _) = having.next()?;
        having.next().is_none().then_some(section)
    }

    fn hint(&self, section: &str, key: &str) -> Option<String> {
        let near = self.keys.get(section).and_then(|keys| nearest(key, keys.iter().copied()));
        match (near, self.elsewhere(key)) {
            (Some(near), _) => Some(format!("did you mean {near}?")),
            (None, Some(section)) => Some(format!("it belongs to [{section}]")),
            (None, None) => None,
        }
    }
}

pub(crate) fn report(
    loader: &Loader,
    files: &[ParsedFile],
    slots: &[Slot],
    index: &Index,
    warnings: &mut Problems,
) {
    let known = Known::new(slots);
    for file in files {
        report_file(file, &known, warnings);
    }
    for variable in loader.env.keys() {
        let Some((group, name)) = environment::parse(variable) else {
            continue;
        };
        // Other programs may own `OS_<SOMETHING>__…`; only a group of ours makes it a mistake.
        let Some(keys) = known.keys.get(&group) else {
            continue;
        };
        let is_silent = index.get(&group, &name).is_some() || removed(&group, &name);
        if is_silent {
            continue;
        }
        if warnings.is_full() {
            warnings.count();
            continue;
        }
        let mut problem = Problem::new(
            Origin::Env(variable.clone()),
            format!("there is no option {} in [{group}]", quoted(&name)),
        );
        problem.hint = nearest(&name, keys.iter().copied())
            .map(|near| format!("did you mean {}?", environment::variable(&group, near)));
        warnings.push(problem);
    }
}

fn report_file(file: &ParsedFile, known: &Known<'_>, warnings: &mut Problems) {
    let origin =
        |at: crate::ini::Position| Origin::File { path: file.path.clone(), line: at.line, column: at.column };
    let mut unknown_sections = BTreeSet::new();
    for section in &file.ini.sections {
        let name = section.normalised();
        if known.keys.contains_key(&name)
            || SILENT_SECTIONS.contains(&name.as_str())
            || !unknown_sections.insert(name.clone())
        {
            continue;
        }
        if warnings.is_full() {
            warnings.count();
            continue;
        }
        let mut problem = Problem::new(
            origin(section.at),
            format!("unknown section {}", quoted(&format!("[{}]", section.name))),
        );
        problem.hint = nearest(&name, known.sections()).map(|near| format!("did you mean [{near}]?"));
        warnings.push(problem);
    }
    for entry in &file.ini.entries {
        let Some(section) = file.ini.sections.get(entry.section) else {
            continue;
        };
        let name = section.normalised();
        let Some(keys) = known.keys.get(&name) else {
            continue;
        };
        if keys.contains(entry.key.as_str()) || removed(&name, &entry.key) {
            continue;
        }
        if warnings.is_full() {
            warnings.count();
            continue;
        }
        let mut problem = Problem::new(
            origin(entry.at),
            format!("unknown option {} in [{}]", quoted(&entry.key), section.name),
        );
        problem.hint = known.hint(&name, &entry.key);
        warnings.push(problem);
    }
}

fn removed(section: &str, key: &str) -> bool {
    REMOVED_OPTIONS.iter().any(|(group, keys)| *group == section && keys.contains(&key))
}
