//! From a backup to a directory that a server can open.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::Medium;

use super::files;
use super::{INDEX, IndexKind, MEASURES, Manifest, ManifestError, StoredFile};

/// Files that are named one by one; the others are counted.
const NAMED: usize = 20;

/// Where a backup goes.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The directory of the metric store; absent or empty.
    pub directory: PathBuf,
    /// The index's file, absent; none when the index is in PostgreSQL.
    pub index: Option<PathBuf>,
}

/// Why nothing was restored. What there was is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used.
    #[error("{}: {source}", backup.display())]
    Manifest {
        /// The backup's directory.
        backup: PathBuf,
        /// What is wrong with the manifest.
        source: ManifestError,
    },
    /// Files of the backup are not what was written.
    #[error("the backup is damaged: {}", files.join("; "))]
    Damaged {
        /// The files, and what is wrong with each.
        files: Vec<String>,
    },
    /// There is something already.
    #[error("{} is not empty; a backup is restored only where nothing is: move it away first", path.display())]
    Occupied {
        /// What there is.
        path: PathBuf,
    },
    /// A restoration did not come to its end.
    #[error("{} is left from a restoration that did not come to its end; remove it first", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// Backup and configuration have their indexes in different places.
    #[error("the index of the backup is in {backup}, and [indexer] url leads to {configured}")]
    OtherIndex {
        /// Where that of the backup is.
        backup: &'static str,
        /// Where that of the configuration is.
        configured: &'static str,
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
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Io { operation, path, source }
}

/// Looks whether a backup is what was written, and whether the measures in it can be read.
///
/// # Errors
/// [`RestoreError`].
pub fn verify_backup(
    medium: &Arc<dyn Medium>,
    backup: &Path,
) -> Result<(Manifest, metric_store::Report), RestoreError> {
    let manifest = Manifest::read(&**medium, backup)
        .map_err(|source| RestoreError::Manifest { backup: backup.to_owned(), source })?;
    verify(&**medium, backup, &manifest)?;
    let measures = backup.join(MEASURES);
    let report = metric_store::fsck(medium, &measures).map_err(failed("read", &measures))?;
    Ok((manifest, report))
}

/// Restores the backup in a directory. Everything is looked at before anything is written, and the store's directory gets
/// its name when all of it is there.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(medium: &dyn Medium, backup: &Path, target: &Restoration) -> Result<Manifest, RestoreError> {
    let manifest = Manifest::read(medium, backup)
        .map_err(|source| RestoreError::Manifest { backup: backup.to_owned(), source })?;
    let configured = if target.index.is_some() { IndexKind::Sqlite } else { IndexKind::PostgreSql };
    if manifest.index != configured {
        let (backup, configured) = (manifest.index.as_str(), configured.as_str());
        return Err(RestoreError::OtherIndex { backup, configured });
    }
    let in_the_making = with_suffix(&target.directory);
    look_at_target(medium, target, &in_the_making)?;
    verify(medium, backup, &manifest)?;
    // The index that stands beside the measures comes to its place with them.
    let own_index = target.index.as_deref();
    let inside = own_index.filter(|index| index.parent() == Some(&target.directory));
    for file in &manifest.files {
        let to = match (own_index, inside) {
            (Some(index), None) if file.name == INDEX => with_suffix(index),
            (_, Some(index)) if file.name == INDEX => {
                in_the_making.join(index.file_name().unwrap_or_default())
            }
            _ => in_the_making.join(&file.name),
        };
        copy(medium, backup, file, &to)?;
    }
    for part in ["chunks", "states"] {
        let path = in_the_making.join(MEASURES).join(part);
        medium.create_directory(&path).map_err(failed("make", &path))?;
        medium.sync_directory(&path).map_err(failed("sync", &path))?;
    }
    medium.sync_directory(&in_the_making).map_err(failed("sync", &in_the_making))?;
    if let (Some(index), None) = (own_index, inside) {
        rename(medium, &with_suffix(index), index)?;
    }
    rename(medium, &in_the_making, &target.directory)?;
    Ok(manifest)
}

/// The name of something that is not whole yet.
fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

fn look_at_target(
    medium: &dyn Medium,
    target: &Restoration,
    in_the_making: &Path,
) -> Result<(), RestoreError> {
    let directory = &target.directory;
    if !medium.list(directory).map_err(failed("list", directory))?.is_empty() {
        return Err(RestoreError::Occupied { path: directory.clone() });
    }
    let index = target.index.iter();
    let left = index.clone().map(|index| with_suffix(index)).chain([in_the_making.to_owned()]);
    for path in left {
        if medium.size(&path).map_err(failed("look at", &path))?.is_some() {
            return Err(RestoreError::Unfinished { path });
        }
    }
    for path in index {
        if medium.size(path).map_err(failed("look at", path))?.is_some_and(|bytes| bytes > 0) {
            return Err(RestoreError::Occupied { path: path.clone() });
        }
    }
    Ok(())
}

/// Looks at every file.
fn verify(medium: &dyn Medium, backup: &Path, manifest: &Manifest) -> Result<(), RestoreError> {
    let mut damaged = Vec::new();
    for file in &manifest.files {
        let found = files::checksum(medium, &backup.join(&file.name));
        if let Some(words) = difference(file, found) {
            damaged.push(words);
        }
    }
    if damaged.is_empty() {
        return Ok(());
    }
    let more = damaged.len().saturating_sub(NAMED);
    damaged.truncate(NAMED);
    if more > 0 {
        damaged.push(format!("{more} more files"));
    }
    Err(RestoreError::Damaged { files: damaged })
}

/// What is wrong with a file.
fn difference(file: &StoredFile, found: io::Result<(u64, u32)>) -> Option<String> {
    let name = &file.name;
    match found {
        Ok((bytes, _)) if bytes != file.bytes => {
            Some(format!("{name} has {bytes} bytes instead of {}", file.bytes))
        }
        Ok((_, checksum)) if checksum != file.checksum => {
            Some(format!("{name} has changed since it was written (checksum)"))
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{name} is missing")),
        Err(error) => Some(format!("{name} cannot be read: {error}")),
    }
}

fn copy(medium: &dyn Medium, backup: &Path, file: &StoredFile, to: &Path) -> Result<(), RestoreError> {
    if let Some(parent) = to.parent() {
        medium.create_directory(parent).map_err(failed("make", parent))?;
    }
    let copied = files::copy(medium, &backup.join(&file.name), to).map_err(failed("write", to))?;
    match difference(file, Ok(copied)) {
        None => Ok(()),
        Some(words) => Err(RestoreError::Damaged { files: vec![words] }),
    }
}

fn rename(medium: &dyn Medium, from: &Path, to: &Path) -> Result<(), RestoreError> {
    medium.rename(from, to).map_err(failed("put into place", to))?;
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            medium.sync_directory(parent).map_err(failed("sync", parent))
        }
        _ => Ok(()),
    }
}
