//! [`Metrics`]: index and store together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use archive::{ArchivePolicy, MethodSet};
use buffer::medium::Disk;
use metric_index::{Index, MetricQuery, MetricStatus, Page};
use metric_store::{Limits, MetricId, Opened, Store, WriteError};
use model::Timestamp;
use observability::clock::Clock;
use uuid::Uuid;

use crate::{Kind, Refusal};

/// Metrics that are forgotten by one turn of the janitor.
const EXPUNGED_AT_ONCE: u32 = 500;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Aggregation methods of policies that name none (`[archive_policy] default_aggregation_methods`).
    pub default_methods: MethodSet,
    /// How large the store may become.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_methods: ArchivePolicy::default_methods(), limits: Limits::default() }
    }
}

/// Why it cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The index cannot be used.
    #[error("cannot open the index of metrics")]
    Index(#[from] metric_index::Error),
    /// The store cannot be used.
    #[error("cannot open the store of measures")]
    Store(#[from] metric_store::OpenError),
    /// The thread that opened the store ended.
    #[error("the store of measures was not opened to the end")]
    Interrupted,
}

/// Index and store. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) index: Index,
    pub(crate) store: Arc<Store>,
    pub(crate) settings: Settings,
    clock: Clock,
    /// When measures came last, until it is noted in the index.
    last_measures: Arc<Mutex<HashMap<Uuid, Timestamp>>>,
}

impl Metrics {
    /// Opens the store in `directory`, and the index at `url`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        directory: &Path,
        url: &str,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Opened), OpenError> {
        let index = Index::open(url, sql::Options::default(), clock.clone()).await?;
        let (directory, limits) = (directory.to_owned(), settings.limits);
        let opened =
            tokio::task::spawn_blocking(move || Store::open(Arc::new(Disk), &directory, limits)).await;
        let (store, found) = opened.map_err(|_| OpenError::Interrupted)??;
        let store = Arc::new(store);
        Ok((Self { index, store, settings, clock, last_measures: Arc::default() }, found))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.clock.now().as_microsecond()).unwrap_or(Timestamp::EPOCH)
    }

    /// The index, for what needs no more than it.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Aggregation methods of policies that name none.
    pub fn default_methods(&self) -> MethodSet {
        self.settings.default_methods
    }

    /// Does something with the store where waiting for the disk holds up nobody.
    pub(crate) async fn on_store<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "work on the store of measures did not end");
            Err(Refusal::new(Kind::Failed, ""))
        })
    }

    pub(crate) fn note_last_measures(&self, metrics: impl Iterator<Item = Uuid>) {
        let now = self.now();
        let mut times = self.last_measures.lock().unwrap_or_else(PoisonError::into_inner);
        times.extend(metrics.map(|metric| (metric, now)));
    }

    /// Forgets the data of deleted metrics, then the metrics.
    pub(crate) async fn expunge(&self, metrics: Vec<Uuid>) -> Result<(), Refusal> {
        let ids: Vec<MetricId> = metrics.iter().map(|metric| MetricId(*metric.as_bytes())).collect();
        self.on_store(move |store| store.remove(ids).map_err(|error| unwritten(&error))).await?;
        for metric in metrics {
            match self.index.expunge_metric(metric).await {
                // Somebody else was quicker.
                Ok(()) | Err(metric_index::Error::NoSuchMetric(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What is to be done now and then: the next part of the store is written to disk, deleted metrics are forgotten, and
    /// the times of the last measures noted. One of [`Self::STEPS`] steps, which the caller spreads over an interval.
    ///
    /// # Errors
    /// Nothing is lost; the next step tries again.
    pub async fn maintain(&self) -> Result<(), Refusal> {
        self.on_store(|store| {
            store.checkpoint_next().map_err(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a part of the store was not written"
                );
                Refusal::new(Kind::Failed, error.to_string())
            })
        })
        .await?;
        let times = std::mem::take(&mut *self.last_measures.lock().unwrap_or_else(PoisonError::into_inner));
        let times: Vec<(Uuid, Timestamp)> = times.into_iter().collect();
        self.index.set_last_measures(&times).await?;
        let page = Page { limit: Some(EXPUNGED_AT_ONCE), ..Page::default() };
        let query = MetricQuery { status: MetricStatus::Delete, page, ..MetricQuery::default() };
        let deleted: Vec<Uuid> = self.index.metrics(&query).await?.iter().map(|metric| metric.id).collect();
        if deleted.is_empty() { Ok(()) } else { self.expunge(deleted).await }
    }

    /// Steps of [`Self::maintain`] that write all of the store.
    pub const STEPS: usize = Store::SHARDS;
}

/// A write that the store did not take.
pub(crate) fn unwritten(error: &WriteError) -> Refusal {
    if let WriteError::TooLarge { .. } = error {
        return Refusal::invalid(error.to_string());
    }
    tracing::error!(error = error as &dyn std::error::Error, "measures were not taken");
    Refusal::new(Kind::Unavailable, "The store of measures does not take them now. Please retry.")
}
