//! Finds an option's text in the files, under its name and its former names.

use super::Raw;
use crate::ini::{Entry, normalise};
use crate::loader::{ParsedFile, Problems};
use crate::option::Deprecated;
use crate::problem::{Origin, Problem};
use crate::registry::Slot;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Every assignment by group and key.
pub(crate) struct Occurrences<'a> {
    files: &'a [ParsedFile],
    /// For each file, the entries of a group and key in order.
    by_name: Vec<HashMap<(String, &'a str), Vec<&'a Entry>>>,
    /// Former names that have been warned about.
    warned: RefCell<HashSet<(String, String)>>,
}

struct Name {
    group: String,
    key: &'static str,
}

fn names(slot: &Slot) -> Vec<Name> {
    let former = slot.opt.deprecated.iter().map(|Deprecated { group, name }| Name {
        group: normalise(group.unwrap_or(&slot.group)),
        key: name.unwrap_or(slot.opt.name),
    });
    let current = Name { group: normalise(&slot.group), key: slot.opt.name };
    std::iter::once(current).chain(former).collect()
}

impl<'a> Occurrences<'a> {
    pub(crate) fn new(files: &'a [ParsedFile]) -> Self {
        let by_name = files
            .iter()
            .map(|file| {
                let mut map: HashMap<(String, &str), Vec<&Entry>> = HashMap::new();
                for entry in &file.ini.entries {
                    if let Some(section) = file.ini.sections.get(entry.section) {
                        map.entry((section.normalised(), entry.key.as_str())).or_default().push(entry);
                    }
                }
                map
            })
            .collect();
        Self { files, by_name, warned: RefCell::new(HashSet::new()) }
    }

    fn entries(&self, file: usize, name: &Name) -> &[&'a Entry] {
        self.by_name[file].get(&(name.group.clone(), name.key)).map_or(&[], Vec::as_slice)
    }

    fn origin(&self, file: usize, entry: &Entry) -> Origin {
        Origin::File { path: self.files[file].path.clone(), line: entry.at.line, column: entry.at.column }
    }

    /// The value that counts of a single-valued option: the newest file that has it under any of its
    /// names decides; within that file the current name comes before former ones, the first former
    /// one before the next, and the last occurrence before earlier ones.
    pub(crate) fn single(&self, slot: &Slot) -> Option<(&'a str, Origin, Option<usize>)> {
        let names = names(slot);
        for file in (0..self.files.len()).rev() {
            for (rank, name) in names.iter().enumerate() {
                if let Some(entry) = self.entries(file, name).last() {
                    return Some((&entry.value, self.origin(file, entry), rank.checked_sub(1)));
                }
            }
        }
        None
    }

    pub(crate) fn one(&self, slot: &Slot, warnings: &mut Problems) -> Option<(Option<Raw>, Origin)> {
        let (text, origin, former) = self.single(slot)?;
        if let Some(former) = former {
            self.warn(slot, former, &origin, warnings);
        }
        Some((Some(Raw::Text(text.to_owned())), origin))
    }

    /// All values of a multi-valued option, oldest file first; within a file the values under the
    /// last former name come first and those under the current name last, as oslo.config has it.
    pub(crate) fn many(&self, slot: &Slot, warnings: &mut Problems) -> Option<(Option<Raw>, Origin)> {
        let names = names(slot);
        let mut values = Vec::new();
        let mut last = None;
        for file in 0..self.files.len() {
            for (rank, name) in names.iter().enumerate().rev() {
                for entry in self.entries(file, name) {
                    if values.len() > super::MAX_VALUES {
                        break;
                    }
                    let origin = self.origin(file, entry);
                    if let Some(former) = rank.checked_sub(1) {
                        self.warn(slot, former, &origin, warnings);
                    }
                    values.push((entry.value.clone(), origin.clone()));
                    last = Some(origin);
                }
            }
        }
        Some((Some(Raw::Many(values)), last?))
    }

    fn warn(&self, slot: &Slot, former: usize, origin: &Origin, warnings: &mut Problems) {
        let names = names(slot);
        let (Some(current), Some(old)) = (names.first(), names.get(former + 1)) else {
            return;
        };
        if !self.warned.borrow_mut().insert((old.group.clone(), old.key.to_owned())) {
            return;
        }
        let message = format!("option {} of [{}] is deprecated", old.key, old.group);
        let hint = format!("write {} in [{}]", current.key, slot.group);
        warnings.push(Problem::new(origin.clone(), message).hint(hint));
    }
}
