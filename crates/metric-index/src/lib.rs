//! The index of the metric store: resource types, resources with their history, metrics, archive policies and rules, in
//! SQLite or PostgreSQL.
//!
//! It behaves as Gnocchi's indexer does, and gives its errors in its words; where it differs on purpose,
//! `docs/differences.md` says so. [`Index`] has one method for each use case; every method is one transaction.
//!
//! - [`Filter`] is what is searched for; it is compiled to SQL with bound values, over the present and over history.
//! - [`Page`] is order and part of a listing.
//! - [`resource_id`] makes ids of texts that are no UUIDs.
//! - [`time`] reads times and spans as users write them.
//!
//! The tables are in `migrations/`. Attributes of a resource type are columns of two tables of its own, so that they
//! have types and indexes.

mod attribute;
mod columns;
mod error;
mod filter;
mod ids;
mod index;
mod pagination;
mod policy;
mod records;
pub mod time;
mod type_row;

pub use attribute::{Attribute, AttributeValue, Bound, Kind};
pub use error::Error;
pub use filter::{Comparison, Filter};
pub use ids::{IdError, MAX_ORIGINAL_ID, parse_uuid, resource_id};
pub use index::{Index, NamedMetrics, named};
pub use policy::{ArchivePolicy, ArchivePolicyRule, Definition};
pub use records::{
    CURRENT, Changed, Deleted, FilledAttribute, GENERIC, Metric, MetricQuery, MetricSource, MetricStatus,
    MetricsChange, NewMetric, NewResource, Page, Resource, ResourceChange, ResourceMetric, ResourceQuery,
    ResourceType, Stock, TypeChange,
};
