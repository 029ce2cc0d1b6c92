//! What the index refuses, and why it cannot answer.

use std::fmt;

use model::Timestamp;
use uuid::Uuid;

/// A refusal or a failure. The texts are those that Gnocchi's indexer gives, because clients show and compare them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such resource type.
    #[error("Resource type {0} does not exist")]
    NoSuchResourceType(String),
    /// There is no such metric.
    #[error("Metric {0} does not exist")]
    NoSuchMetric(Uuid),
    /// There is no such resource.
    #[error("Resource {0} does not exist")]
    NoSuchResource(Uuid),
    /// There is no such archive policy.
    #[error("Archive policy {0} does not exist")]
    NoSuchArchivePolicy(String),
    /// There is no such archive policy rule.
    #[error("Archive policy rule {0} does not exist")]
    NoSuchArchivePolicyRule(String),
    /// No rule fits a metric's name.
    #[error("No Archive policy rule found for metric {}", Named(.0.as_deref()))]
    NoArchivePolicyRuleMatch(Option<String>),
    /// The archive policy cannot be changed in this way.
    #[error("Archive policy {name} does not support change: {message}")]
    UnsupportedArchivePolicyChange {
        /// The policy.
        name: String,
        /// What cannot be done.
        message: String,
    },
    /// The rule cannot be changed in this way.
    #[error("Archive policy rule {name} does not support change: {message}")]
    UnsupportedArchivePolicyRuleChange {
        /// The rule.
        name: String,
        /// What cannot be done.
        message: String,
    },
    /// Metrics or rules refer to the archive policy.
    #[error("Archive policy {0} is still in use")]
    ArchivePolicyInUse(String),
    /// Resources or revisions are of the type.
    #[error("Resource type {0} is still in use")]
    ResourceTypeInUse(String),
    /// The type is being made, changed or deleted.
    #[error("Resource type {name} state is {state} (expected: {expected})")]
    UnexpectedResourceTypeState {
        /// The type.
        name: String,
        /// The state that it should be in.
        expected: &'static str,
        /// The state that it is in.
        state: String,
    },
    /// The policy exists already.
    #[error("Archive policy {0} already exists")]
    ArchivePolicyAlreadyExists(String),
    /// The rule exists already.
    #[error("Archive policy rule {0} already exists")]
    ArchivePolicyRuleAlreadyExists(String),
    /// The resource type exists already.
    #[error("Resource type {0} already exists")]
    ResourceTypeAlreadyExists(String),
    /// The resource exists already.
    #[error("Resource {0} already exists")]
    ResourceAlreadyExists(Uuid),
    /// The resource has a metric of this name already, or a metric of this id exists.
    #[error("Named metric {} already exists", Named(.0.as_deref()))]
    NamedMetricAlreadyExists(Option<String>),
    /// The type has no such attribute.
    #[error("Resource type {resource_type} has no {attribute} attribute")]
    NoSuchAttribute {
        /// The type.
        resource_type: String,
        /// The name that it has not.
        attribute: String,
    },
    /// The type has such an attribute already.
    #[error("Resource type {resource_type} already has an attribute {attribute}")]
    AttributeAlreadyExists {
        /// The type.
        resource_type: String,
        /// The name.
        attribute: String,
    },
    /// A value cannot be that of an attribute.
    #[error("Value {value} for attribute {attribute} on resource type {resource_type} is invalid")]
    InvalidAttributeValue {
        /// The type.
        resource_type: String,
        /// The attribute.
        attribute: String,
        /// The value, as Python writes it.
        value: String,
    },
    /// An attribute that a resource of the type must have is not given.
    #[error("Resource type {resource_type} needs a value for attribute {attribute}")]
    AttributeRequired {
        /// The type.
        resource_type: String,
        /// The attribute.
        attribute: String,
    },
    /// A resource that ends before it begins.
    #[error("Start timestamp cannot be after end timestamp")]
    StartAfterEnd,
    /// An attribute cannot have this name.
    #[error("Resource attribute name {0} is invalid")]
    InvalidAttributeName(String),
    /// An attribute's lower bound is above its upper one. Gnocchi's text has the two blanks.
    #[error(
        "Resource attribute value min (or min_length) {min} must be less  than or equal to max (or max_length) {max}!"
    )]
    InvalidAttributeBounds {
        /// The lower bound.
        min: String,
        /// The upper bound.
        max: String,
    },
    /// What is said about filling existing resources does not fit the attribute.
    #[error("Option 'fill' of resource attribute {name} is invalid: {reason}")]
    InvalidFill {
        /// The attribute.
        name: String,
        /// Why.
        reason: String,
    },
    /// An attribute's kind cannot be changed.
    #[error(
        "Type update is not available yet. Changing {from} to {to} for attribute {attribute} of resource {resource_type}"
    )]
    AttributeKindChange {
        /// The kind that it has.
        from: &'static str,
        /// The kind that it should get.
        to: &'static str,
        /// The attribute.
        attribute: String,
        /// The resource type.
        resource_type: String,
    },
    /// A filter that is none.
    #[error("Unable to parse this query")]
    Query,
    /// A filter's value cannot be compared with the attribute.
    #[error("Invalid value: `{value}' for field `{field}'")]
    InvalidFilterValue {
        /// The value, as Python writes it.
        value: String,
        /// The attribute.
        field: String,
    },
    /// An operator that does not exist.
    #[error("Unknown operator `{0}'")]
    UnknownOperator(String),
    /// A filter of more parts than a database takes.
    #[error("The query has more than {limit} {what}")]
    FilterTooLarge {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A resource type of more attributes than a database's table has columns.
    #[error("Resource type {name} would have {found} attributes; at most {limit} are possible")]
    TooManyAttributes {
        /// The type.
        name: String,
        /// How many it would have.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Sort key, direction, or marker are wrong.
    #[error("Invalid pagination: `{0}'")]
    InvalidPagination(String),
    /// A text is longer than Gnocchi's tables allow.
    #[error("{field} is longer than {limit} characters")]
    TooLong {
        /// What it is of.
        field: &'static str,
        /// How long it may be.
        limit: usize,
    },
    /// A text holds the character NUL, which PostgreSQL cannot store.
    #[error("{field} contains the character NUL")]
    Nul {
        /// What it is of.
        field: String,
    },
    /// Something in the database is not what this program writes there.
    #[error("the index holds {what} that cannot be read: {reason}")]
    Stored {
        /// What it is.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(Box<sql::Error>),
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// A name that may be absent, which Python writes as `None`.
struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.unwrap_or("None"))
    }
}

/// Python's `str()` of an aware time in UTC.
pub(crate) fn time_text(time: Timestamp) -> String {
    let mut text = Vec::new();
    time.write_str(&mut text);
    text.extend_from_slice(b"+00:00");
    String::from_utf8_lossy(&text).into_owned()
}
