//! Looks through index and measures of a store that no server has open, and whether they belong together.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use metric_index::{Index, MetricStatus};
use metric_store::MetricId;
use observability::clock::Clock;
use uuid::Uuid;

/// Metrics that the index is asked for at once.
const IDS_AT_ONCE: u32 = 5_000;
/// Metrics that are named; further ones are counted.
const NAMED: usize = 100;

/// What [`fsck`] saw.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// What it saw of the measures.
    pub measures: metric_store::Report,
    /// What is wrong with the index.
    pub index: Vec<String>,
    /// Metrics that the index has.
    pub indexed: usize,
    /// Metrics in use without measures in the store: most often none have come yet.
    pub without_measures: usize,
    /// The first metrics that have measures, and that the index does not have.
    pub unknown: Vec<Uuid>,
    /// How many there are in all.
    pub unknown_count: usize,
    /// Whether the index could be read, so that both were compared.
    pub is_compared: bool,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A server has it open.
    #[error("{} is in use by a running server; stop it first, or look at a backup that was restored elsewhere", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// There is no store.
    #[error("there is no store of measures in {}", directory.display())]
    Absent {
        /// The directory.
        directory: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The database of the index cannot be reached.
    #[error("cannot reach the index: {0}")]
    Index(metric_index::Error),
}

/// Looks through the measures in `directory`, and the index at `url`. Neither is changed, but for what SQLite itself
/// completes when it opens a file.
///
/// # Errors
/// [`CheckError`]; never for what the files contain.
pub async fn fsck(directory: &Path, url: &str, clock: Clock) -> Result<Check, CheckError> {
    let own = directory.to_owned();
    let looked = tokio::task::spawn_blocking(move || measures(&own)).await;
    let measures = looked.unwrap_or_else(|error| {
        Err(CheckError::Io { directory: directory.to_owned(), source: io::Error::other(error) })
    })?;
    let mut check = Check { measures, ..Check::default() };
    if let Some(file) = sqlite_file(url).filter(|file| !file.exists()) {
        check.index.push(format!("{} is not there", file.display()));
        return Ok(check);
    }
    let index = match Index::open(url, sql::Options::default(), clock).await {
        Ok(index) => index,
        Err(metric_index::Error::Database(error)) if is_elsewhere(&error) => {
            return Err(CheckError::Index((*error).into()));
        }
        Err(error) => {
            check.index.push(error.to_string());
            return Ok(check);
        }
    };
    match index.check().await {
        Ok(found) => check.index.extend(found),
        Err(error) => check.index.push(error.to_string()),
    }
    if let Err(error) = compare(&index, &mut check).await {
        check.index.push(error.to_string());
    }
    index.close().await;
    Ok(check)
}

impl Check {
    /// How many places are damaged.
    pub fn damaged(&self) -> usize {
        let log = self.log_damage().count();
        let missing = usize::from(self.measures.log.missing_records > 0);
        self.measures.findings_count + log + missing + self.index.len() + self.unknown_count
    }

    /// What is damaged of the log; the unfinished write of a process that was killed is not.
    pub fn log_damage(&self) -> impl Iterator<Item = &buffer::segment_log::Damage> {
        let damage = self.measures.log.damage.iter();
        damage.filter(|damage| damage.kind != buffer::segment_log::DamageKind::TornTail)
    }
}

fn measures(directory: &Path) -> Result<metric_store::Report, CheckError> {
    if !directory.is_dir() {
        return Err(CheckError::Absent { directory: directory.to_owned() });
    }
    let medium: Arc<dyn Medium> = Arc::new(Disk);
    metric_store::fsck(&medium, directory).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => CheckError::InUse { directory: directory.to_owned() },
        _ => CheckError::Io { directory: directory.to_owned(), source },
    })
}

fn sqlite_file(url: &str) -> Option<PathBuf> {
    match sql::Address::parse(url) {
        Ok(sql::Address::Sqlite(path)) => Some(path),
        _ => None,
    }
}

/// Whether the database is out of reach, which says nothing of what is in it.
fn is_elsewhere(error: &sql::Error) -> bool {
    error.is_outage() || matches!(error, sql::Error::Url(_) | sql::Error::Tls(_) | sql::Error::Locked { .. })
}

async fn compare(index: &Index, check: &mut Check) -> Result<(), metric_index::Error> {
    let mut left: HashSet<MetricId> = check.measures.ids.iter().copied().collect();
    let mut after = None;
    loop {
        let ids = index.metric_ids(after, IDS_AT_ONCE).await?;
        let Some((last, _)) = ids.last() else { break };
        after = Some(*last);
        check.indexed += ids.len();
        for (id, status) in &ids {
            let is_there = left.remove(&MetricId(*id.as_bytes()));
            check.without_measures += usize::from(!is_there && *status == MetricStatus::Active);
        }
    }
    check.is_compared = true;
    check.unknown_count = left.len();
    let mut unknown: Vec<Uuid> = left.into_iter().map(|id| Uuid::from_bytes(id.0)).collect();
    unknown.sort_unstable();
    unknown.truncate(NAMED);
    check.unknown = unknown;
    Ok(())
}
