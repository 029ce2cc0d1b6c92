//! The effective configuration.

use crate::option::{Handle, Read, Type};
use crate::options;
use crate::problem::Origin;
use crate::registry::{Index, Slot};
use crate::resolve::Effective;
use crate::value::Value;
use crate::write;
use std::path::{Path, PathBuf};

/// What stands for a secret wherever options are shown.
const HIDDEN: &str = "****";

/// A checked configuration. It does not change; a reload makes another one.
#[derive(Debug, Clone)]
pub struct Config {
    slots: Vec<Slot>,
    index: Index,
    values: Vec<Effective>,
    search: Vec<PathBuf>,
}

/// An option as [`Config::show`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Group.
    pub group: &'a str,
    /// Option.
    pub name: &'static str,
    /// Value in one line, `None` if unset; stars if it is secret. It need not read back: see
    /// [`Shown::assignments`].
    pub value: Option<String>,
    /// The lines that give the option this value in a file: quoted, dollar signs doubled, one for each of
    /// several values. A comment if it is unset, or if no file can hold the value. Stars if it is secret.
    pub assignments: Vec<String>,
    /// Where the value came from.
    pub origin: &'a Origin,
}

/// An option that differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Group.
    pub group: String,
    /// Option.
    pub name: &'static str,
    /// Value before; stars if it is secret.
    pub before: Option<String>,
    /// Value now; stars if it is secret.
    pub after: Option<String>,
}

/// Whose credentials to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsOf {
    /// `[service_credentials]`: pollsters and discovery.
    Service,
    /// `[gnocchi]`: the Gnocchi publisher and `ceilometer-upgrade`.
    Gnocchi,
    /// `[zaqar]`: the Zaqar publisher.
    Zaqar,
    /// `[keystone_authtoken]`: validation of the tokens of requests.
    Tokens,
}

/// The options of one set of credentials, after `auth_section` has been followed.
#[derive(Debug, Clone)]
pub struct Credentials<'a> {
    config: &'a Config,
    /// Section of the session's options: TLS, time limit, region, interface.
    pub session_section: String,
    /// Section of the authentication plugin's options.
    pub auth_section: String,
}

impl Config {
    pub(crate) fn new(slots: Vec<Slot>, index: Index, values: Vec<Effective>, search: Vec<PathBuf>) -> Self {
        Self { slots, index, values, search }
    }

    fn effective(&self, group: &str, name: &str) -> Option<&Effective> {
        self.values.get(self.index.get(group, name)?)
    }

    /// Reads an option.
    pub fn get<T: Read>(&self, handle: &Handle<T>) -> Type<'_, T> {
        self.get_in(handle.opt.group, handle)
    }

    /// Reads an option of a group other than its first; only credentials stand in several groups.
    fn get_in<T: Read>(&self, group: &str, handle: &Handle<T>) -> Type<'_, T> {
        static NULL: Value = Value::Null;
        let value = self.effective(group, handle.opt.name).map_or(&NULL, |effective| &effective.value);
        T::read(value, &handle.opt)
    }

    /// Where an option's value came from. `None` if the loader's registry lacks the option.
    pub fn origin<T>(&self, handle: &Handle<T>) -> Option<&Origin> {
        Some(&self.effective(handle.opt.group, handle.opt.name)?.origin)
    }

    /// Whether what was written for the option is in error, so that its value is only the default.
    pub(crate) fn is_refused<T>(&self, handle: &Handle<T>) -> bool {
        self.effective(handle.opt.group, handle.opt.name).is_some_and(|effective| effective.refused)
    }

    /// Whether somebody set the option, so that its value is not just the default.
    pub fn is_set<T>(&self, handle: &Handle<T>) -> bool {
        self.origin(handle)
            .is_some_and(|origin| !matches!(origin, Origin::Default | Origin::DefaultFromEnv(_)))
    }

    /// The value of an option named by text, for tools; `None` if there is no such option.
    pub fn value(&self, group: &str, name: &str) -> Option<&Value> {
        Some(&self.effective(group, name)?.value)
    }

    /// Credentials, with `auth_section` followed as Ceilometer and keystoneauth do: `[gnocchi]` and
    /// `[zaqar]` read everything from the section they name (`service_credentials` unless set), and
    /// that section may name yet another for its authentication plugin.
    pub fn credentials(&self, of: CredentialsOf) -> Credentials<'_> {
        let service = "service_credentials";
        let session_section = match of {
            CredentialsOf::Service => service.to_owned(),
            CredentialsOf::Gnocchi => self.get(&options::gnocchi::AUTH_SECTION).to_owned(),
            CredentialsOf::Zaqar => self.get(&options::zaqar::AUTH_SECTION).to_owned(),
            CredentialsOf::Tokens => options::metric::TOKENS_SECTION.to_owned(),
        };
        let session_section = if session_section.is_empty() { service.to_owned() } else { session_section };
        let auth_section = match self.value(&session_section, options::AUTH_SECTION_NAME) {
            Some(Value::Str(section)) if !section.is_empty() => section.clone(),
            _ => session_section.clone(),
        };
        Credentials { config: self, session_section, auth_section }
    }

    /// Every option with its value and origin, group by group in the order of the reference.
    pub fn show(&self) -> impl Iterator<Item = Shown<'_>> {
        self.slots.iter().zip(&self.values).map(|(slot, effective)| {
            let value = shown(effective);
            let assignments = match &value {
                Some(hidden) if effective.secret && !hidden.is_empty() => {
                    vec![format!("{} = {hidden}", slot.opt.name)]
                }
                _ => write::assignments(slot.opt, &effective.value),
            };
            Shown { group: &slot.group, name: slot.opt.name, value, assignments, origin: &effective.origin }
        })
    }

    /// Options whose value differs from that in `old`.
    pub fn changes(&self, old: &Self) -> Vec<Change> {
        let mut out = Vec::new();
        for (slot, now) in self.slots.iter().zip(&self.values) {
            let before = old.effective(&slot.group, slot.opt.name);
            if before.is_none_or(|before| before.value != now.value) {
                out.push(Change {
                    group: slot.group.to_string(),
                    name: slot.opt.name,
                    before: before.and_then(shown),
                    after: shown(now),
                });
            }
        }
        for (slot, before) in old.slots.iter().zip(&old.values) {
            if self.effective(&slot.group, slot.opt.name).is_none() {
                out.push(Change {
                    group: slot.group.to_string(),
                    name: slot.opt.name,
                    before: shown(before),
                    after: None,
                });
            }
        }
        out
    }

    /// Finds a file such as `pipeline.yaml`: first in the directories given with `--config-dir`, then
    /// beside the configuration files, last file first, then in the default directories.
    pub fn find_file(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        self.search.iter().map(|directory| directory.join(&name)).find(|path| path.exists())
    }
}

impl<'a> Credentials<'a> {
    /// Reads an option of [`options::keystone`] from the section that it counts in.
    pub fn get<T: Read>(&self, handle: &Handle<T>) -> Type<'a, T> {
        let section = if options::keystone::is_session_option(handle.opt.name) {
            &self.session_section
        } else {
            &self.auth_section
        };
        self.config.get_in(section, handle)
    }
}

fn shown(effective: &Effective) -> Option<String> {
    match &effective.value {
        Value::Null => None,
        Value::Str(text) if text.is_empty() => Some(String::new()),
        Value::List(items) if items.is_empty() => Some(String::new()),
        _ if effective.secret => Some(HIDDEN.to_owned()),
        value => Some(value.to_string()),
    }
}
