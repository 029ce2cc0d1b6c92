//! [`Metrics`]: index and store together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use archive::{ArchivePolicy, MethodSet};
use buffer::medium::{Disk, Medium};
use buffer::segment_log::AppendError;
use metric_index::{Filter, Index, MetricQuery, MetricStatus, Page};
use metric_store::{Limits, MetricId, Opened, Store, WriteError};
use model::Timestamp;
use observability::clock::Clock;
use tokio::sync::{RwLock, Semaphore};
use uuid::Uuid;

use crate::lives::LastMeasures;
use crate::reader::{Reader, Waiting};
use crate::salvage::Lost;
use crate::{Caller, Kind, Refusal};

/// Metrics that are forgotten by one turn of the janitor.
const EXPUNGED_AT_ONCE: u32 = 500;

/// Reads of the store that are under way at once; others wait.
const READS_AT_ONCE: usize = 32;
/// The same of writes: those that come together share a sync.
const WRITES_AT_ONCE: usize = 256;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Aggregation methods of policies that name none (`[archive_policy] default_aggregation_methods`).
    pub default_methods: MethodSet,
    /// How large the store may become.
    pub limits: Limits,
    /// Metrics that a project may have, or a user who has no project; 0: any number. Those who create metrics at the same
    /// moment may come a few above it.
    pub max_project_metrics: u64,
    /// Cells of the tables that one request computes with at most, and all together: times by metrics, at each granularity.
    pub max_cells: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_methods: ArchivePolicy::default_methods(),
            limits: Limits::default(),
            max_project_metrics: 0,
            max_cells: 200_000_000,
        }
    }
}

/// Cells of a permit of `cells`.
const PERMIT_CELLS: usize = 1_024;

/// Permits for so many cells.
pub(crate) fn cell_permits(cells: usize) -> usize {
    cells.div_ceil(PERMIT_CELLS).min(Semaphore::MAX_PERMITS)
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
    /// Where the measures are.
    pub(crate) directory: Arc<Path>,
    /// Held for writing while a backup is made: the index must not forget a metric that the copy has measures of.
    pub(crate) expunging: Arc<RwLock<()>>,
    clock: Clock,
    /// When measures came last, until it is noted in the index.
    pub(crate) last_measures: Arc<Mutex<HashMap<Uuid, LastMeasures>>>,
    /// Why the store takes no measures; none while it takes them.
    write_trouble: Arc<Mutex<Option<String>>>,
    /// Metrics of damaged states that wait to be put back.
    pub(crate) lost: Arc<Mutex<Lost>>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    /// What tables of all requests may take.
    pub(crate) cells: Arc<Semaphore>,
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
        Self::open_on(Arc::new(Disk), directory, url, settings, clock).await
    }

    /// The same on a medium of the caller's.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_on(
        medium: Arc<dyn Medium>,
        directory: &Path,
        url: &str,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Opened), OpenError> {
        let index = Index::open(url, sql::Options::default(), clock.clone()).await?;
        let (place, limits) = (directory.to_owned(), settings.limits);
        let cells = Arc::new(Semaphore::new(cell_permits(settings.max_cells)));
        let opened = tokio::task::spawn_blocking(move || Store::open(medium, &place, limits)).await;
        let (store, found) = opened.map_err(|_| OpenError::Interrupted)??;
        let metrics = Self {
            index,
            store: Arc::new(store),
            settings,
            directory: directory.into(),
            expunging: Arc::default(),
            clock,
            last_measures: Arc::default(),
            write_trouble: Arc::default(),
            lost: Arc::new(Mutex::new(Lost { metrics: found.lost.clone(), sample: found.sample.clone() })),
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            writes: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
            cells,
        };
        if let Err(refusal) = metrics.put_back().await {
            tracing::error!(
                metrics = found.lost.len(),
                reason = %refusal,
                "metrics whose states are damaged cannot be put back now; it is tried again"
            );
        }
        Ok((metrics, found))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.clock.now().as_microsecond()).unwrap_or(Timestamp::EPOCH)
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The index, for what needs no more than it.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Aggregation methods of policies that name none.
    pub fn default_methods(&self) -> MethodSet {
        self.settings.default_methods
    }

    /// Cells that one request computes with at most.
    pub(crate) fn max_cells(&self) -> usize {
        self.settings.max_cells
    }

    /// Reads of the store where waiting for the disk holds up nobody. When its caller is dropped, as by a deadline, `work` is told
    /// by its reader.
    pub(crate) async fn on_store<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, Refusal> + Send + 'static,
    {
        let waiting = Waiting::default();
        let given_up = waiting.flag();
        self.blocking(&self.reads, move |store| work(&Reader::new(store, &given_up))).await
    }

    /// Reads of the store that are under way. One that nobody waits for any more ends soon.
    pub fn reads_under_way(&self) -> usize {
        READS_AT_ONCE - self.reads.available_permits()
    }

    /// The same of what changes the store. Whether it took the change is remembered.
    pub(crate) async fn write_store<F>(&self, work: F) -> Result<(), Refusal>
    where
        F: FnOnce(&Store) -> Result<(), NotWritten> + Send + 'static,
    {
        let trouble = Arc::clone(&self.write_trouble);
        self.blocking(&self.writes, move |store| {
            let done = work(store);
            let why = match &done {
                Ok(()) => None,
                Err(NotWritten::Refused(_)) => return done.map_err(Refusal::from),
                Err(NotWritten::Store(error)) => Some(reason(error)),
            };
            let mut known = trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if known.is_some() != why.is_some() {
                if let Some(why) = &why {
                    tracing::error!(%why, "the store takes no measures");
                } else {
                    tracing::info!("the store takes measures again");
                }
            }
            *known = why;
            drop(known);
            done.map_err(Refusal::from)
        })
        .await
    }

    /// Works on a thread that may wait. The place is kept until the work ends, even if nobody waits for it any more.
    async fn blocking<T, F>(&self, places: &Arc<Semaphore>, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        let place = Arc::clone(places).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&store);
            drop(place);
            done
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "work on the store of measures did not end");
            Err(Refusal::new(Kind::Failed, ""))
        })
    }

    /// Why the store takes no measures, as far as the last attempt tells; none if it took them.
    pub fn write_trouble(&self) -> Option<String> {
        self.write_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries whether the store takes measures again, if it did not.
    ///
    /// # Errors
    /// It still does not.
    pub async fn try_to_write(&self) -> Result<(), Refusal> {
        if self.write_trouble().is_none() {
            return Ok(());
        }
        self.write_store(|store| Ok(store.probe()?)).await
    }

    /// Refuses so many new metrics if their project would have more than it may.
    pub(crate) async fn check_room(&self, caller: &Caller, new: usize) -> Result<(), Refusal> {
        let limit = self.settings.max_project_metrics;
        if limit == 0 || new == 0 {
            return Ok(());
        }
        let (whose, filter) = match (&caller.project_id, &caller.creator) {
            (Some(project), _) => (project, Filter::equal("created_by_project_id", project.as_str())),
            (None, Some(creator)) => (creator, Filter::equal("creator", creator.as_str())),
            (None, None) => return Ok(()),
        };
        let present = self.index.count_metrics(Some(&filter)).await?;
        if present.saturating_add(new as u64) <= limit {
            return Ok(());
        }
        let reason = format!("{whose} has {present} metrics of {limit} that it may have");
        let facts = [("detail", limit.to_string().into()), ("reason", reason.into())];
        Err(Refusal::because(Kind::Forbidden, "Too many metrics", facts))
    }

    /// Forgets the data of deleted metrics, then the metrics; later, while a backup is made.
    pub(crate) async fn expunge(&self, metrics: Vec<Uuid>) -> Result<(), Refusal> {
        let Ok(_gate) = self.expunging.try_read() else { return Ok(()) };
        let ids: Vec<MetricId> = metrics.iter().map(|metric| MetricId(*metric.as_bytes())).collect();
        self.write_store(move |store| Ok(store.remove(ids)?)).await?;
        for metric in metrics {
            match self.index.expunge_metric(metric).await {
                // Somebody else was quicker.
                Ok(()) | Err(metric_index::Error::NoSuchMetric(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// [`Self::expunge`] of metrics that are deleted in the index already: what does not go now goes in the next
    /// [`Self::maintain`].
    pub(crate) async fn expunge_soon(&self, metrics: Vec<Uuid>) {
        if let Err(refusal) = self.expunge(metrics).await {
            tracing::warn!(?refusal, "the data of deleted metrics stay for now");
        }
    }

    /// What is to be done now and then: the next part of the store is written to disk, deleted metrics are forgotten, the
    /// times of the last measures noted, and ends that measures have reached taken back. One of [`Self::STEPS`] steps, which the caller spreads over an interval.
    ///
    /// # Errors
    /// Nothing is lost; the next step tries again.
    pub async fn maintain(&self) -> Result<(), Refusal> {
        let put_back = self.put_back().await;
        if put_back.is_ok() {
            self.on_store(|reader| {
                reader.store()?.checkpoint_next().map_err(|error| {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a part of the store was not written"
                    );
                    Refusal::new(Kind::Failed, error.to_string())
                })
            })
            .await?;
        }
        self.follow_measures().await?;
        let page = Page { limit: Some(EXPUNGED_AT_ONCE), ..Page::default() };
        let query = MetricQuery { status: MetricStatus::Delete, page, ..MetricQuery::default() };
        let deleted: Vec<Uuid> = self.index.metrics(&query).await?.iter().map(|metric| metric.id).collect();
        if !deleted.is_empty() {
            self.expunge(deleted).await?;
        }
        put_back
    }

    /// Steps of [`Self::maintain`] that write all of the store.
    pub const STEPS: usize = Store::SHARDS;
}

/// Something that the store did not take.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// By the request's fault.
    Refused(Refusal),
    /// By its own, or that of the machine.
    Store(WriteError),
}

impl From<WriteError> for NotWritten {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge { .. } => Self::Refused(Refusal::invalid(error.to_string())),
            error => Self::Store(error),
        }
    }
}

impl From<Refusal> for NotWritten {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotWritten> for Refusal {
    fn from(not_written: NotWritten) -> Self {
        match not_written {
            NotWritten::Refused(refusal) => refusal,
            NotWritten::Store(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "measures were not taken");
                let reason = reason(&error);
                Self::new(
                    Kind::Unavailable,
                    format!("The store of measures takes none now: {reason}. Please retry."),
                )
            }
        }
    }
}

/// Why the store did not take something, without the names of its files.
fn reason(error: &WriteError) -> String {
    match error {
        WriteError::Log(error) => match &**error {
            AppendError::Io { source, .. } => source.kind().to_string(),
            AppendError::Full { .. } => "its log is as large as it may be".to_owned(),
            error @ AppendError::TooLarge { .. } => error.to_string(),
        },
        error => error.to_string(),
    }
}
