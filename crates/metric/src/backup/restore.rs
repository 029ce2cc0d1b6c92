//! From a backup to a directory that a server can open.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::Medium;

use super::change_over::{SettleError, journal};
use super::files::{self, exists, sync_parent, with_suffix};
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
    #[error(
        "{} is not empty; a backup is restored only where nothing is, unless --replace is given, which keeps what is there \
         under another name",
        path.display()
    )]
    Occupied {
        /// What there is.
        path: PathBuf,
    },
    /// A restoration did not come to its end.
    #[error(
        "{} is left from a restoration that did not come to its end; remove it first, or give --replace, which does it",
        path.display()
    )]
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
    /// The files are what was written, and not all of what is in them can be read.
    #[error(
        "{places} places of the measures in the backup cannot be read: `nephoscope metric fsck --backup` names them. To take \
         what can be read, stop the server, move the store away, and restore without --replace"
    )]
    Unreadable {
        /// How many.
        places: usize,
    },
    /// What was copied cannot be opened.
    #[error("the store in the backup cannot be opened: {reason}")]
    NotOpened {
        /// Why not.
        reason: String,
    },
    /// There is no room for a second store.
    #[error("{} has {free} bytes free, and {needed} are needed, because the old store is kept", directory.display())]
    NoRoom {
        /// Where.
        directory: PathBuf,
        /// What it takes.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// What is there cannot be renamed.
    #[error(
        "{} is a symbolic link or a file system of its own, in whose place nothing else can be put; stop the server, move \
         what is in it away, and restore without --replace",
        path.display()
    )]
    NotMovable {
        /// What.
        path: PathBuf,
    },
    /// An earlier replacement waits for a start.
    #[error("{} is there: a restoration was begun, and the next start of the server completes it", journal.display())]
    Pending {
        /// The journal.
        journal: PathBuf,
    },
    /// The change-over failed.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The thread that worked ended.
    #[error("the restoration did not come to its end")]
    Interrupted,
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

pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
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
    let manifest = fitting(medium, backup, target)?;
    look_at_target(medium, target)?;
    verify(medium, backup, &manifest)?;
    put_together(medium, backup, &manifest, target)?;
    if let (Some(index), None) = (&target.index, target.index_inside()) {
        rename(medium, &in_the_making(index), index)?;
    }
    rename(medium, &in_the_making(&target.directory), &target.directory)?;
    Ok(manifest)
}

impl Restoration {
    /// The index's file, if it stands beside the measures and comes to its place with them.
    pub(super) fn index_inside(&self) -> Option<&Path> {
        self.index.as_deref().filter(|index| index.parent() == Some(&self.directory))
    }

    /// The index's file while everything is put together.
    pub(super) fn new_index(&self) -> Option<PathBuf> {
        match (&self.index, self.index_inside()) {
            (_, Some(index)) => {
                Some(in_the_making(&self.directory).join(index.file_name().unwrap_or_default()))
            }
            (Some(index), None) => Some(in_the_making(index)),
            (None, None) => None,
        }
    }
}

/// The name of something that is not whole yet.
pub(super) fn in_the_making(path: &Path) -> PathBuf {
    with_suffix(path, ".restoring")
}

/// The manifest of a backup whose index is of the kind that is configured.
pub(super) fn fitting(
    medium: &dyn Medium,
    backup: &Path,
    target: &Restoration,
) -> Result<Manifest, RestoreError> {
    let manifest = Manifest::read(medium, backup)
        .map_err(|source| RestoreError::Manifest { backup: backup.to_owned(), source })?;
    let configured = if target.index.is_some() { IndexKind::Sqlite } else { IndexKind::PostgreSql };
    if manifest.index == configured {
        return Ok(manifest);
    }
    let (backup, configured) = (manifest.index.as_str(), configured.as_str());
    Err(RestoreError::OtherIndex { backup, configured })
}

/// Copies the backup, durably, to where it is put together.
pub(super) fn put_together(
    medium: &dyn Medium,
    backup: &Path,
    manifest: &Manifest,
    target: &Restoration,
) -> Result<(), RestoreError> {
    let directory = in_the_making(&target.directory);
    let index = target.new_index();
    for file in &manifest.files {
        let to = match &index {
            Some(index) if file.name == INDEX => index.clone(),
            _ => directory.join(&file.name),
        };
        copy(medium, backup, file, &to)?;
    }
    for part in ["chunks", "states"] {
        let path = directory.join(MEASURES).join(part);
        medium.create_directory(&path).map_err(failed("make", &path))?;
        medium.sync_directory(&path).map_err(failed("sync", &path))?;
    }
    medium.sync_directory(&directory).map_err(failed("sync", &directory))?;
    match index {
        Some(index) => sync_parent(medium, &index).map_err(failed("sync the directory of", &index)),
        None => Ok(()),
    }
}

fn look_at_target(medium: &dyn Medium, target: &Restoration) -> Result<(), RestoreError> {
    let directory = &target.directory;
    nothing_pending(medium, directory)?;
    if !medium.list(directory).map_err(failed("list", directory))?.is_empty() {
        return Err(RestoreError::Occupied { path: directory.clone() });
    }
    let index = target.index.iter();
    for path in index.clone().chain([directory]).map(|path| in_the_making(path)) {
        if exists(medium, &path).map_err(failed("look at", &path))? {
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

/// Looks whether an earlier replacement waits to be carried out.
pub(super) fn nothing_pending(medium: &dyn Medium, directory: &Path) -> Result<(), RestoreError> {
    let journal = journal(directory);
    match medium.size(&journal).map_err(failed("look at", &journal))? {
        Some(_) => Err(RestoreError::Pending { journal }),
        None => Ok(()),
    }
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
    sync_parent(medium, to).map_err(failed("sync the directory of", to))
}
