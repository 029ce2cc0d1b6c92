//! The set of options that a loader knows.

use crate::option::Opt;
use crate::options;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A set of options: Nephoscope's table, or another one in a test.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(crate) slots: Vec<Slot>,
}

/// An option in a group. Credentials are declared once and stand in several groups.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) group: Cow<'static, str>,
    pub(crate) opt: &'static Opt,
}

impl Registry {
    /// Every option of [`options`].
    pub fn builtin() -> Self {
        let mut registry = Self::new(options::all());
        for group in options::CREDENTIAL_GROUPS {
            registry.add_credentials(group);
        }
        registry
    }

    /// Every option of [`options::metric`]: those of Gnocchi's configuration.
    pub fn metric() -> Self {
        let mut registry = Self::new(options::metric::all());
        registry.add_credentials(options::metric::TOKENS_SECTION);
        registry
    }

    /// Just these options, each in its own group.
    pub fn new(opts: impl IntoIterator<Item = &'static Opt>) -> Self {
        let slots = opts.into_iter().map(|opt| Slot { group: Cow::Borrowed(opt.group), opt }).collect();
        Self { slots }
    }

    /// Every option with its group; credentials appear once for each of their groups.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static Opt)> {
        self.slots.iter().map(|slot| (slot.group.as_ref(), slot.opt))
    }

    /// Adds the credential options to a group, where they are not there yet.
    pub(crate) fn add_credentials(&mut self, group: &str) {
        let known: HashSet<&str> =
            self.slots.iter().filter(|slot| slot.group == group).map(|slot| slot.opt.name).collect();
        let new: Vec<Slot> = options::credentials()
            .filter(|opt| !known.contains(opt.name))
            .map(|opt| Slot { group: Cow::Owned(group.to_owned()), opt })
            .collect();
        self.slots.extend(new);
    }
}

/// Finds options by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    groups: HashMap<String, HashMap<&'static str, usize>>,
    /// Former group and name, with hyphens made underscores, to the option that replaced it.
    former: HashMap<(String, String), usize>,
}

impl Index {
    pub(crate) fn new(slots: &[Slot]) -> Self {
        let mut index = Self::default();
        for (number, slot) in slots.iter().enumerate() {
            index.groups.entry(slot.group.to_string()).or_default().insert(slot.opt.name, number);
            for old in slot.opt.deprecated {
                // A former name without a group is filed under DEFAULT, also for options of other
                // groups: oslo.config does so, and `$name` finds it from everywhere.
                let group = old.group.unwrap_or("DEFAULT").to_owned();
                let name = old.name.unwrap_or(slot.opt.name).replace('-', "_");
                index.former.insert((group, name), number);
            }
        }
        index
    }

    pub(crate) fn get(&self, group: &str, name: &str) -> Option<usize> {
        self.groups.get(group)?.get(name).copied()
    }

    pub(crate) fn former(&self, group: &str, name: &str) -> Option<usize> {
        self.former.get(&(group.to_owned(), name.to_owned())).copied()
    }

    /// Whether there is such a group, other than `DEFAULT`, which oslo.config does not count as one.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        group != "DEFAULT" && self.groups.contains_key(group)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }
}
