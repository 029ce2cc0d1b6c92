//! [`Policy`]: the rules of a service.

use std::collections::{HashMap, HashSet};

use crate::check::Check;
use crate::credentials::{Credentials, Target};
use crate::error::{Error, Place};
use crate::parse;

/// Rules that refer to each other, in a chain, at most.
const CHAIN_MAX: usize = 100;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole system.
    System,
    /// A domain.
    Domain,
    /// A project, or nothing.
    Project,
}

/// A rule as a service has it unless an operator says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDefault {
    /// Its name.
    pub name: &'static str,
    /// The rule.
    pub check: &'static str,
    /// What a token must be for; anything if empty.
    pub scopes: &'static [Scope],
    /// A former name with the rule that it had. What an operator says of that name holds for this one as well.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl RuleDefault {
    /// A rule for tokens of any scope.
    pub const fn new(name: &'static str, check: &'static str) -> Self {
        Self { name, check, scopes: &[], deprecated: None }
    }
}

/// A rule of a file.
#[derive(Debug, Clone)]
pub(crate) struct FileRule {
    pub(crate) name: String,
    pub(crate) check: Check,
    pub(crate) place: Place,
}

/// Rules by name; without rules, nobody may do anything.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: HashMap<String, Check>,
    scopes: HashMap<&'static str, &'static [Scope]>,
    /// The rule that counts where there is none of a name.
    default_rule: String,
}

impl Policy {
    /// The defaults alone.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn of_defaults(defaults: &[RuleDefault]) -> Result<Self, Error> {
        Self::merged(defaults, &[], "default", true)
    }

    /// The defaults, and rules of files that count more; of equal names the last one counts.
    pub(crate) fn merged(
        defaults: &[RuleDefault],
        given: &[FileRule],
        default_rule: &str,
        new_defaults_only: bool,
    ) -> Result<Self, Error> {
        let mut rules: HashMap<String, Check> =
            given.iter().map(|rule| (rule.name.clone(), rule.check.clone())).collect();
        let read = |rule: &str, text: &str| {
            let wrong = |problem| Error::Rule { place: None, rule: rule.to_owned(), problem };
            parse::text(text).map_err(wrong)
        };
        for default in defaults {
            if rules.contains_key(default.name) {
                continue;
            }
            let own = read(default.name, default.check)?;
            let check = match default.deprecated {
                None => own,
                Some((former, was)) => {
                    let was_check = read(former, was)?;
                    let overridden = rules.get(former).filter(|check| {
                        former != default.name
                            && **check != was_check
                            && **check != Check::Rule(default.name.to_owned())
                    });
                    match overridden {
                        Some(check) => check.clone(),
                        None if !new_defaults_only && was != default.check => Check::Or(vec![own, was_check]),
                        None => own,
                    }
                }
            };
            rules.insert(default.name.to_owned(), check);
        }
        let scopes = defaults.iter().map(|default| (default.name, default.scopes)).collect();
        let policy = Self { rules, scopes, default_rule: default_rule.to_owned() };
        if let Some(name) = policy.cycle() {
            let place = given.iter().rev().find(|rule| rule.name == name).map(|rule| rule.place.clone());
            let problem =
                "it refers to itself, perhaps by way of other rules; nothing can be decided by it".to_owned();
            return Err(Error::Rule { place, rule: name, problem });
        }
        Ok(policy)
    }

    /// Whether a rule lets somebody do something with the target. What there is no rule for is allowed to nobody.
    pub fn allows(&self, rule: &str, target: &dyn Target, credentials: &Credentials) -> bool {
        let Some(check) = self.find(rule) else { return false };
        if let Some(scopes) = self.scopes.get(rule).filter(|scopes| !scopes.is_empty()) {
            let scope = if credentials.truth("system") {
                Scope::System
            } else if credentials.truth("domain_id") {
                Scope::Domain
            } else {
                Scope::Project
            };
            if !scopes.contains(&scope) {
                return false;
            }
        }
        check.holds(target, credentials, &|name| self.find(name))
    }

    fn find(&self, name: &str) -> Option<&Check> {
        self.rules.get(name).or_else(|| self.rules.get(&self.default_rule))
    }

    /// Rules of this name that others refer to, and that are not there.
    pub(crate) fn undefined(&self) -> Vec<(&str, &str)> {
        let mut missing = Vec::new();
        for (name, check) in &self.rules {
            check.references(&mut |other| {
                if self.find(other).is_none() {
                    missing.push((name.as_str(), other));
                }
            });
        }
        missing.sort_unstable();
        missing
    }

    /// Whether another rule refers to this one.
    pub(crate) fn is_referred_to(&self, name: &str) -> bool {
        let mut is_found = name == self.default_rule;
        for check in self.rules.values() {
            check.references(&mut |other| is_found |= other == name);
        }
        is_found
    }

    /// A rule that refers to itself, or the beginning of a chain that is too long to be followed.
    fn cycle(&self) -> Option<String> {
        let mut names: Vec<&str> = self.rules.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut safe = HashSet::new();
        names.into_iter().find(|name| self.leads_back(name, &mut Vec::new(), &mut safe)).map(str::to_owned)
    }

    fn leads_back<'p>(&'p self, name: &'p str, way: &mut Vec<&'p str>, safe: &mut HashSet<&'p str>) -> bool {
        // Another name for the default rule.
        let name = if self.rules.contains_key(name) { name } else { self.default_rule.as_str() };
        if safe.contains(name) {
            return false;
        }
        if way.contains(&name) || way.len() > CHAIN_MAX {
            return true;
        }
        let Some(check) = self.rules.get(name) else { return false };
        way.push(name);
        let mut others = Vec::new();
        check.references(&mut |other| others.push(other));
        let leads_back = others.into_iter().any(|other| self.leads_back(other, way, safe));
        way.pop();
        if !leads_back {
            safe.insert(name);
        }
        leads_back
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use model::{Map, Value};

    use super::*;

    fn given(name: &str, text: &str) -> FileRule {
        let place = Place { file: PathBuf::from("policy.yaml"), line: 1, column: 1 };
        FileRule { name: name.to_owned(), check: parse::text(text).unwrap(), place }
    }

    fn with_roles(roles: &[&str]) -> Credentials {
        let mut known = Map::new();
        known.insert("roles", Value::List(roles.iter().map(|role| (*role).into()).collect()));
        Credentials::new(known)
    }

    #[test]
    fn a_rule_that_refers_to_itself_is_refused() {
        for rules in [
            vec![given("a", "rule:a")],
            vec![given("a", "role:x or not rule:b"), given("b", "rule:c"), given("c", "rule:a and @")],
            vec![given("default", "rule:missing")],
        ] {
            let error = Policy::merged(&[], &rules, "default", true).unwrap_err();
            assert!(error.to_string().contains("refers to itself"), "{error}");
        }
        let tree = [given("a", "rule:b and rule:c"), given("b", "rule:c"), given("c", "@")];
        assert!(Policy::merged(&[], &tree, "default", true).is_ok());
    }

    /// What counts where a rule has been given a new name, or a new default.
    #[test]
    fn former_names_and_defaults() {
        let renamed = [RuleDefault {
            deprecated: Some(("old", "role:member")),
            ..RuleDefault::new("new", "role:admin")
        }];
        let allows = |rules: &[FileRule], new_only, role: &str| {
            let policy = Policy::merged(&renamed, rules, "default", new_only).unwrap();
            policy.allows("new", &(), &with_roles(&[role]))
        };
        assert!(!allows(&[], true, "member"));
        assert!(allows(&[], false, "member") && allows(&[], false, "admin"));
        // What was said of the old name holds, and only that.
        assert!(
            allows(&[given("old", "role:x")], true, "x") && !allows(&[given("old", "role:x")], true, "admin")
        );
        assert!(allows(&[given("old", "rule:new")], true, "admin"));
        assert!(allows(&[given("new", "role:y"), given("old", "role:x")], false, "y"));
    }

    #[test]
    fn tokens_of_another_scope() {
        let rules = [RuleDefault { scopes: &[Scope::Project], ..RuleDefault::new("a", "") }];
        let policy = Policy::of_defaults(&rules).unwrap();
        let of = |name: &str| {
            let mut known = Map::new();
            known.insert(name, "all");
            policy.allows("a", &(), &Credentials::new(known))
        };
        assert_eq!(
            [of("project_id"), of("domain_id"), of("system_scope"), of("system")],
            [true, false, false, false]
        );
    }
}
