//! Why something was not done.

use metric_index::Error;
use model::{Map, Value};

/// What sort of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked makes no sense, or not here.
    Invalid,
    /// The caller may not.
    Forbidden,
    /// What was asked for is not there.
    Unknown,
    /// What was to be made is there.
    Conflict,
    /// It might go another time.
    Unavailable,
    /// It went wrong, and not by the caller's fault.
    Failed,
}

/// A refusal with its description: a text, or a map whose key `cause` says what it is about.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{description:?}")]
pub struct Refusal {
    /// Its sort.
    pub kind: Kind,
    /// What Gnocchi's clients are told.
    pub description: Value,
}

impl Refusal {
    /// One of any sort.
    pub fn new(kind: Kind, description: impl Into<Value>) -> Self {
        Self { kind, description: description.into() }
    }

    /// What was asked makes no sense.
    pub fn invalid(description: impl Into<Value>) -> Self {
        Self::new(Kind::Invalid, description)
    }

    /// What was asked for is not there.
    pub fn unknown(description: impl Into<Value>) -> Self {
        Self::new(Kind::Unknown, description)
    }

    /// The caller may not.
    pub fn forbidden() -> Self {
        Self::new(Kind::Forbidden, "")
    }

    /// A map that begins with the cause.
    pub fn because<const N: usize>(kind: Kind, cause: &str, facts: [(&str, Value); N]) -> Self {
        let mut description = Map::new();
        description.insert("cause", cause);
        for (key, value) in facts {
            description.insert(key, value);
        }
        Self::new(kind, description)
    }

    /// The same as something that was asked wrongly: what is missing was named in a body, not in an address.
    #[must_use]
    pub fn in_body(mut self) -> Self {
        if self.kind == Kind::Unknown {
            self.kind = Kind::Invalid;
        }
        self
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NoSuchResourceType(_)
            | Error::NoSuchMetric(_)
            | Error::NoSuchResource(_)
            | Error::NoSuchArchivePolicy(_)
            | Error::NoSuchArchivePolicyRule(_) => Kind::Unknown,
            Error::ArchivePolicyAlreadyExists(_)
            | Error::ArchivePolicyRuleAlreadyExists(_)
            | Error::ResourceTypeAlreadyExists(_)
            | Error::ResourceAlreadyExists(_)
            | Error::NamedMetricAlreadyExists(_) => Kind::Conflict,
            Error::Database(_) | Error::Stored { .. } => Kind::Failed,
            _ => Kind::Invalid,
        };
        if kind == Kind::Failed {
            tracing::error!(error = &error as &dyn std::error::Error, "the index failed");
            return Self::new(Kind::Unavailable, "The index cannot be used now. Please retry.");
        }
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_in_a_body_is_wrong() {
        let missing = Refusal::from(Error::NoSuchArchivePolicy("a".to_owned()));
        assert_eq!(missing, Refusal::unknown("Archive policy a does not exist"));
        assert_eq!(missing.in_body(), Refusal::invalid("Archive policy a does not exist"));
    }

    #[test]
    fn a_cause_comes_first() {
        let refusal = Refusal::because(Kind::Invalid, "Unknown metrics", [("detail", "a".into())]);
        assert_eq!(
            model::json::to_string(&refusal.description),
            r#"{"cause": "Unknown metrics", "detail": "a"}"#
        );
    }
}
