//! What index and store hold, and what they take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use buffer::medium::Disk;
use metric_index::Index;
use metric_store::Store;

use crate::service::{NotWritten, OpenError};
use crate::{Metrics, Refusal};

/// Bytes of a store's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileBytes {
    /// The log.
    pub log: u64,
    /// States of the metrics.
    pub states: u64,
    /// Chunks.
    pub chunks: u64,
    /// A SQLite index with its own log.
    pub index: u64,
    /// What was damaged and is kept to be looked at.
    pub quarantine: u64,
    /// The files of it.
    pub quarantined_files: u64,
    /// Since when the oldest part of the log has been there; none where there is no log.
    pub oldest_log: Option<SystemTime>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// What the index has.
    pub index: metric_index::Stock,
    /// What the store has.
    pub store: metric_store::Stats,
    /// What both take on disk.
    pub files: FileBytes,
}

impl Metrics {
    /// How much there is of everything. It looks at every metric.
    ///
    /// # Errors
    /// The index or the store cannot be used.
    pub async fn usage(&self) -> Result<Usage, Refusal> {
        let index = self.index.stock().await?;
        let (directory, file) = (self.directory.clone(), self.index.file().map(Path::to_owned));
        self.on_store(move |reader| {
            let store = reader.store()?.stats().map_err(NotWritten::from)?;
            Ok(Usage { index, store, files: file_bytes(&directory, file.as_deref()) })
        })
        .await
    }
}

/// As [`Metrics::usage`], of a store that no server has open; no measure changes.
///
/// # Errors
/// [`OpenError`]: among others, a server has it open.
pub async fn usage_offline(directory: &Path, index: &Index) -> Result<Usage, OpenError> {
    let stock = index.stock().await?;
    let (directory, file) = (directory.to_owned(), index.file().map(Path::to_owned));
    let looked = tokio::task::spawn_blocking(move || {
        let (store, _) = Store::open_frozen(Arc::new(Disk), &directory)?;
        let stats = store.stats().unwrap_or_default();
        Ok(Usage { index: stock, store: stats, files: file_bytes(&directory, file.as_deref()) })
    });
    looked.await.unwrap_or(Err(OpenError::Interrupted))
}

/// What is there now; files that go meanwhile are passed over.
fn file_bytes(directory: &Path, index: Option<&Path>) -> FileBytes {
    let mut found = FileBytes::default();
    let log = directory.join("log");
    for (path, bytes, since) in files(&log) {
        found.log += bytes;
        if path.extension().is_some_and(|extension| extension == "log") {
            found.oldest_log = Some(found.oldest_log.map_or(since, |oldest| oldest.min(since)));
        }
    }
    for (_, bytes, _) in files(&log.join("quarantine")) {
        found.quarantine += bytes;
        found.quarantined_files += 1;
    }
    for (path, bytes, _) in files(&directory.join("states")) {
        if path.extension().is_some_and(|extension| extension == "damaged") {
            found.quarantine += bytes;
            found.quarantined_files += 1;
        } else {
            found.states += bytes;
        }
    }
    found.chunks = files(&directory.join("chunks")).map(|(_, bytes, _)| bytes).sum();
    if let Some(index) = index {
        for suffix in ["", "-wal"] {
            let mut name = index.as_os_str().to_owned();
            name.push(suffix);
            found.index += std::fs::metadata(PathBuf::from(name)).map_or(0, |metadata| metadata.len());
        }
    }
    found
}

/// The files of a directory, with their sizes and the time since when they have been there.
fn files(directory: &Path) -> impl Iterator<Item = (PathBuf, u64, SystemTime)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let since = metadata.created().or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Some((entry.path(), metadata.len(), since))
    })
}
