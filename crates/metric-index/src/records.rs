//! What the index keeps, and what it is asked.

use std::sync::Arc;

use model::Timestamp;
use uuid::Uuid;

use crate::{ArchivePolicy, Attribute, AttributeValue, Filter};

/// The type that every resource is of, whatever else it is.
pub const GENERIC: &str = "generic";

/// The revision number of what a resource is now.
pub const CURRENT: i64 = -1;

/// A kind of resource with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceType {
    /// Its name.
    pub name: String,
    /// Its attributes, in order.
    pub attributes: Vec<Attribute>,
    /// `active`; other states are those of changes under way.
    pub state: String,
}

/// An attribute that a type gets, and the value of the resources that exist already.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledAttribute {
    /// The attribute.
    pub attribute: Attribute,
    /// Given to every resource and revision that has no value; must not be absent when the attribute is required.
    pub fill: Option<AttributeValue>,
}

/// A change of a resource type's attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypeChange {
    /// New ones.
    pub add: Vec<FilledAttribute>,
    /// Names of those that go, with all their values.
    pub delete: Vec<String>,
    /// Those whose bounds or necessity change; their kind cannot.
    pub update: Vec<FilledAttribute>,
}

/// A resource, as it is or as it was in a revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: Uuid,
    /// Its type's name.
    pub resource_type: String,
    /// Who made it: `USER` or `USER:PROJECT`.
    pub creator: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it came to be as it is.
    pub revision_start: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whose it is.
    pub user_id: Option<String>,
    /// Whose it is.
    pub project_id: Option<String>,
    /// The id as it was submitted.
    pub original_resource_id: String,
    /// The attributes of the type that was asked for, in its order.
    pub attributes: Vec<(String, AttributeValue)>,
    /// [`CURRENT`], or the number of the revision.
    pub revision: i64,
    /// When it ceased to be so.
    pub revision_end: Option<Timestamp>,
    /// Its active metrics, by name.
    pub metrics: Vec<ResourceMetric>,
}

impl Resource {
    /// The entity tag of Gnocchi's API: it changes with every revision.
    pub fn etag(&self) -> String {
        let mut hash = sha1_smol::Sha1::new();
        hash.update(self.id.to_string().as_bytes());
        hash.update(self.revision_start.to_iso().as_bytes());
        hash.update(b"+00:00");
        hash.digest().to_string()
    }
}

/// A metric of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceMetric {
    /// Its name in the resource.
    pub name: Option<String>,
    /// Its id.
    pub id: Uuid,
    /// Its archive policy.
    pub archive_policy_name: String,
    /// Its unit.
    pub unit: Option<String>,
}

/// A metric that a resource gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricSource {
    /// One that exists and has the same creator; it gets the new name.
    Existing(Uuid),
    /// A new one.
    New {
        /// Its id.
        id: Uuid,
        /// Its archive policy.
        archive_policy_name: String,
        /// Its unit.
        unit: Option<String>,
    },
}

/// A resource to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResource {
    /// Its type's name.
    pub resource_type: String,
    /// Its id.
    pub id: Uuid,
    /// Who makes it.
    pub creator: Option<String>,
    /// Whose it is.
    pub user_id: Option<String>,
    /// Whose it is.
    pub project_id: Option<String>,
    /// When it began; now, when absent.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The id as it was submitted; the id itself, when absent.
    pub original_resource_id: Option<String>,
    /// Attributes of its type.
    pub attributes: Vec<(String, AttributeValue)>,
    /// Its metrics with their names.
    pub metrics: Vec<(String, MetricSource)>,
}

impl NewResource {
    /// One of which nothing is known but this.
    pub fn new(resource_type: impl Into<String>, id: Uuid) -> Self {
        Self {
            resource_type: resource_type.into(),
            id,
            creator: None,
            user_id: None,
            project_id: None,
            started_at: None,
            ended_at: None,
            original_resource_id: None,
            attributes: Vec::new(),
            metrics: Vec::new(),
        }
    }
}

/// A change of a resource. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceChange {
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended; `Some(None)` when it goes on.
    pub ended_at: Option<Option<Timestamp>>,
    /// Whose it is.
    pub user_id: Option<Option<String>>,
    /// Whose it is.
    pub project_id: Option<Option<String>>,
    /// Attributes of the type that the resource is changed as.
    pub attributes: Vec<(String, AttributeValue)>,
    /// What becomes of its metrics.
    pub metrics: MetricsChange,
}

/// A change of a resource's metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MetricsChange {
    /// None.
    #[default]
    Keep,
    /// More of them.
    Append(Vec<(String, MetricSource)>),
    /// Others: those that it has go on without a resource.
    Replace(Vec<(String, MetricSource)>),
}

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The resource as it is now.
    pub resource: Resource,
    /// Whether what it was before has become a revision.
    pub revised: bool,
}

/// Which part of a listing, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many at most.
    pub limit: Option<u32>,
    /// The last item of the page before: an id, or `ID@REVISION` where there are revisions.
    pub marker: Option<String>,
    /// Keys with a direction, as `started_at:desc-nullslast`.
    pub sorts: Vec<String>,
}

/// Which resources to list.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceQuery {
    /// The type to see them as.
    pub resource_type: String,
    /// Those that fit.
    pub filter: Option<Filter>,
    /// With the attributes of their own types.
    pub details: bool,
    /// With all revisions.
    pub history: bool,
    /// Order and part.
    pub page: Page,
}

impl ResourceQuery {
    /// All resources of a type.
    pub fn of(resource_type: impl Into<String>) -> Self {
        let page = Page::default();
        Self { resource_type: resource_type.into(), filter: None, details: false, history: false, page }
    }
}

/// Whether a metric is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricStatus {
    /// It is.
    #[default]
    Active,
    /// It was deleted, and its data can go.
    Delete,
}

impl MetricStatus {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Delete => "delete",
        }
    }
}

/// A metric to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMetric {
    /// Its id.
    pub id: Uuid,
    /// Who makes it.
    pub creator: Option<String>,
    /// Its archive policy.
    pub archive_policy_name: String,
    /// Its name.
    pub name: Option<String>,
    /// Its unit.
    pub unit: Option<String>,
    /// The resource that it is of.
    pub resource_id: Option<Uuid>,
}

/// A metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its id.
    pub id: Uuid,
    /// Who made it.
    pub creator: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its unit.
    pub unit: Option<String>,
    /// The resource that it is of.
    pub resource_id: Option<Uuid>,
    /// What is kept of it.
    pub archive_policy: Arc<ArchivePolicy>,
    /// Whether it is in use.
    pub status: MetricStatus,
    /// Whether its raw data is to be cut because its policy's back window has shrunk.
    pub needs_raw_data_truncation: bool,
    /// When measures came last.
    pub last_measure: Timestamp,
    /// The resource as a generic one, where details were asked for.
    pub resource: Option<Arc<Resource>>,
}

/// Which metrics to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricQuery {
    /// With their resources.
    pub details: bool,
    /// In use or not.
    pub status: MetricStatus,
    /// Those that fit.
    pub filter: Option<Filter>,
    /// Of these only those that somebody may see: those that fit this,
    pub policy_filter: Option<Filter>,
    /// or whose resource, as a generic one, fits this.
    pub resource_policy_filter: Option<Filter>,
    /// Order and part.
    pub page: Page,
}

/// What went with resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// How many resources.
    pub resources: u64,
    /// Their metrics, which now wait to be expunged.
    pub metrics: Vec<Uuid>,
}

/// How much there is in an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// Archive policies.
    pub archive_policies: u64,
    /// Archive policy rules.
    pub archive_policy_rules: u64,
    /// Resource types, the generic one included.
    pub resource_types: u64,
    /// Resources.
    pub resources: u64,
    /// What resources were before.
    pub revisions: u64,
    /// Metrics in use.
    pub metrics: u64,
    /// Metrics that were deleted and whose data may not be gone yet.
    pub deleted_metrics: u64,
}
