//! [`Check`]: a rule that has been read.

use crate::credentials::{Credentials, Target};
use crate::template::Template;

/// A rule, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `@`, or an empty rule: everybody.
    True,
    /// `!`: nobody.
    False,
    /// `not`.
    Not(Box<Check>),
    /// `and`: all of them.
    And(Vec<Check>),
    /// `or`: one of them.
    Or(Vec<Check>),
    /// `rule:NAME`: what another rule says.
    Rule(String),
    /// `role:NAME`: whoever has the role.
    Role(Template),
    /// `'LITERAL':TEXT`: whether the text is the literal.
    Literal(String, Template),
    /// `ATTRIBUTE:TEXT`: whether an attribute of the credentials is the text; dots lead into maps.
    Attribute(Vec<String>, Template),
}

impl Check {
    /// Whether it holds. `rule` is asked for the check of another rule.
    pub(crate) fn holds<'p>(
        &self,
        target: &dyn Target,
        credentials: &Credentials,
        rule: &dyn Fn(&str) -> Option<&'p Self>,
    ) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Not(check) => !check.holds(target, credentials, rule),
            Self::And(checks) => checks.iter().all(|check| check.holds(target, credentials, rule)),
            Self::Or(checks) => checks.iter().any(|check| check.holds(target, credentials, rule)),
            Self::Rule(name) => rule(name).is_some_and(|check| check.holds(target, credentials, rule)),
            Self::Role(role) => role.fill(target).is_some_and(|role| credentials.has_role(&role)),
            Self::Literal(literal, text) => text.fill(target).is_some_and(|text| text == *literal),
            Self::Attribute(path, text) => text.fill(target).is_some_and(|text| credentials.is(path, &text)),
        }
    }

    /// Calls `see` with the name of every rule that it refers to.
    pub(crate) fn references<'c>(&'c self, see: &mut dyn FnMut(&'c str)) {
        match self {
            Self::Not(check) => check.references(see),
            Self::And(checks) | Self::Or(checks) => checks.iter().for_each(|check| check.references(see)),
            Self::Rule(name) => see(name),
            _ => {}
        }
    }
}
