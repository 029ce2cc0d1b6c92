//! The use cases of the metric store, once: for the HTTP API, for the embedded publisher, and for whoever else asks.
//!
//! [`Metrics`] holds the index (who and what) and the store (how much), and has one method for each use case. What may be
//! done is asked of the [`Caller`]; what may be seen of a listing becomes a filter that is searched with, so that no page
//! has holes. A [`Refusal`] says why something was not done, in the words of Gnocchi's API, and knows nothing of HTTP.
//!
//! - `archive_policies`, `resources`, `metrics`: what is measured, and how it is kept.
//! - `measures`, `batches`: measures in and out.
//! - `value_search`, `aggregates`: computations over them.
//! - `statsd`: measures that come as datagrams.
//! - `import`: what a running Gnocchi has.
//! - `lives`: ends of resources that follow from their measures.
//! - `salvage`: metrics whose part of the store was damaged.
//! - `backup`, `fsck`, `usage`: what operators do with index and measures together.
//! - [`view`]: the records as the API shows them.

mod access;
mod aggregates;
mod archive_policies;
mod backup;
mod batches;
mod fsck;
mod import;
mod lives;
mod measures;
mod metrics;
mod reader;
mod refusal;
mod resources;
mod salvage;
mod service;
mod statsd;
mod usage;
mod value_search;
pub mod view;

pub use access::{Caller, Policies, Rule, Scope, Target, policy_defaults};
pub use aggregates::{AggregatesQuery, Group, ResourceSearch, Result as AggregatesResult};
pub use archive_policies::{computed_policy, stored_policy};
pub use backup::{
    BackupError, INDEX, IndexKind, MEASURES, Manifest, ManifestError, Replacement, Restoration, RestoreError,
    SettleError, StoredFile, journal as replacement_journal, look_unused, restore,
    settle as settle_replacement, verify_backup,
};
pub use batches::{NamedMeasures, ResourceMeasures};
pub use fsck::{Check, CheckError, fsck};
pub use import::{ImportError, ImportedMetric, ImportedSeries, series_checksum, shown_series};
pub use lives::CleanUp;
pub use measures::{Granularity, Measure, MeasuresQuery};
pub use metrics::MetricOrder;
pub use refusal::{Kind, Refusal};
pub use resources::{GivenMetric, GivenResource};
pub use service::{Metrics, OpenError, Settings};
pub use statsd::{MAX_STATSD_METRICS, Statsd, StatsdFault, StatsdMeasure, StatsdResource};
pub use usage::{FileBytes, Usage, usage_offline};
pub use value_search::{Predicate, PredicateOperator};
