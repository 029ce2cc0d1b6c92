//! Records of a running Gnocchi, as its API shows them, into index and store.
//!
//! Every step may be repeated: what is there already, and equal, is left; what is there and differs is an error. A
//! resource's history is replayed: it is made at the time of its first revision, and changed at that of each later one.

mod aggregates;
mod records;
mod resources;

use uuid::Uuid;

use archive::ArchivePolicy;

use crate::Refusal;

pub use aggregates::{ImportedSeries, series_checksum, shown_series};

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not what Gnocchi's API shows.
    #[error("{what} cannot be read: {shown}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// What it is.
        shown: String,
    },
    /// One of its name is there, and is another one.
    #[error("{what} {name} is there, and differs")]
    Differs {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The index does not take it.
    #[error("the index does not take {what} {name}: {source}")]
    Index {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: metric_index::Error,
    },
    /// The store does not take it.
    #[error("the store does not take the aggregates of metric {id}: {refusal}")]
    Store {
        /// Whose they are.
        id: Uuid,
        /// Why.
        refusal: Refusal,
    },
}

/// A metric that was imported, and what is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedMetric {
    /// Its id.
    pub id: Uuid,
    /// Its archive policy.
    pub policy: ArchivePolicy,
}
