//! Copies of index and measures that belong together, made while both are in use; and their way back.
//!
//! ```text
//! manifest.json    what the copy consists of; written last: a copy without it did not come to its end
//! measures/        the store of measures (docs/metric-store.md), without a log
//! index.sqlite     the index, unless it is in PostgreSQL
//! ```
//!
//! Measures are copied first, the index after them, and no metric is expunged meanwhile: so the index has every metric that
//! the measures are of. Metrics that were deleted in between are there as deleted ones, and go after the restoration.

mod change_over;
mod files;
mod manifest;
mod replace;
mod restore;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use metric_store::CheckpointError;

use crate::Metrics;

pub use change_over::{SettleError, journal, settle};
pub use manifest::{IndexKind, Manifest, ManifestError, StoredFile};
pub use replace::{Replacement, look_unused};
pub use restore::{Restoration, RestoreError, restore, verify_backup};

/// The measures' directory in a backup, and beside the index.
pub const MEASURES: &str = "measures";
/// The index's file in a backup.
pub const INDEX: &str = "index.sqlite";

/// Why there is no backup. What was copied until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already.
    #[error("{} is not empty; name a directory that is absent or empty", directory.display())]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The measures cannot be copied.
    #[error("cannot copy the measures: {0}")]
    Measures(#[from] CheckpointError),
    /// The index cannot be copied.
    #[error("cannot copy the index: {0}")]
    Index(#[from] metric_index::Error),
    /// The thread that copied ended.
    #[error("the copy was not made to the end")]
    Interrupted,
}

impl Metrics {
    /// Copies index and measures to `directory`, which must be absent or empty, while both are in use. What was accepted
    /// before the call is in the copy. An index in PostgreSQL is not: `pg_dump` makes that part, right after this one.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn backup(&self, directory: &Path) -> Result<Manifest, BackupError> {
        let taken_at = self.now();
        let target = directory.to_owned();
        blocking(move || make_ready(&Disk, &target)).await?;
        let index = {
            // Whoever deletes does not wait for it: what was deleted is expunged later.
            let _gate = self.expunging.write().await;
            let (store, measures) = (Arc::clone(&self.store), directory.join(MEASURES));
            blocking(move || Ok(store.backup(&measures)?)).await?;
            if self.index.file().is_some() {
                self.index.backup(&directory.join(INDEX)).await?;
                IndexKind::Sqlite
            } else {
                IndexKind::PostgreSql
            }
        };
        let directory = directory.to_owned();
        blocking(move || finish(&Disk, &directory, taken_at, index)).await
    }
}

async fn blocking<T, F>(work: F) -> Result<T, BackupError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BackupError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BackupError::Interrupted))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { operation, path, source }
}

/// Makes the directory, and looks whether it is empty.
fn make_ready(medium: &dyn Medium, directory: &Path) -> Result<(), BackupError> {
    medium.create_directory(directory).map_err(failed("make", directory))?;
    if medium.list(directory).map_err(failed("list", directory))?.is_empty() {
        Ok(())
    } else {
        Err(BackupError::NotEmpty { directory: directory.to_owned() })
    }
}

/// Writes down what was copied.
fn finish(
    medium: &dyn Medium,
    directory: &Path,
    taken_at: model::Timestamp,
    index: IndexKind,
) -> Result<Manifest, BackupError> {
    let mut files = Vec::new();
    if index == IndexKind::Sqlite {
        let path = directory.join(INDEX);
        // SQLite does not sync what it copies into.
        medium.append(&path).and_then(|mut file| file.sync()).map_err(failed("sync", &path))?;
        files.push(stored(medium, directory, INDEX)?);
    }
    for part in ["chunks", "states"] {
        let path = directory.join(MEASURES).join(part);
        let mut names = medium.list(&path).map_err(failed("list", &path))?;
        names.sort();
        for name in names.iter().filter_map(|name| name.to_str()) {
            files.push(stored(medium, directory, &format!("{MEASURES}/{part}/{name}"))?);
        }
    }
    let manifest = Manifest { taken_at, index, files };
    manifest.write(medium, directory).map_err(failed("write the manifest in", directory))?;
    Ok(manifest)
}

fn stored(medium: &dyn Medium, directory: &Path, name: &str) -> Result<StoredFile, BackupError> {
    let path = directory.join(name);
    let (bytes, checksum) = files::checksum(medium, &path).map_err(failed("read", &path))?;
    Ok(StoredFile { name: name.to_owned(), bytes, checksum })
}
