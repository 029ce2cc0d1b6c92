//! A backup takes the place of a store, also of one that a server has open.
//!
//! It is copied whole to a place beside the store (`.restoring`), looked through, opened once and closed, while the store is
//! used. Then one file decides that the next start opens it ([`super::change_over`]). The old store stays under another
//! name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use metric_store::{Limits, Store};
use model::Timestamp;
use observability::clock::Clock;

use super::change_over::{COMPANIONS, ChangeOver, Kind, Part, SettleError, lock_store};
use super::files::{exists, with_suffix};
use super::restore::{failed, fitting, in_the_making, nothing_pending, put_together};
use super::{MEASURES, Manifest, Restoration, RestoreError, verify_backup};
use crate::{Metrics, Settings};

/// Names that are tried for what is kept.
const NAMES: usize = 1_000;
/// Room that stays on the disk when the copy is there.
const ROOM_BYTES: u64 = 16 << 20;

/// A backup that lies ready beside the store whose place it is to take.
#[derive(Debug)]
pub struct Replacement {
    /// What the backup consists of.
    pub manifest: Manifest,
    /// Where the old parts will be.
    pub kept: Vec<PathBuf>,
    target: Restoration,
    change_over: ChangeOver,
}

impl Replacement {
    /// Copies the backup to a place beside the store, and looks whether it can be opened. What an earlier attempt has left
    /// there is removed. The store may be in use, and is not touched.
    ///
    /// # Errors
    /// [`RestoreError`]; what was copied until then is removed.
    pub async fn prepare(backup: &Path, target: &Restoration, clock: Clock) -> Result<Self, RestoreError> {
        let now = Timestamp::from_microseconds(clock.now().as_microsecond()).unwrap_or(Timestamp::EPOCH);
        let target = absolute(target)?;
        let (from, to) = (backup.to_owned(), target.clone());
        // Nothing of an earlier decision is removed.
        let manifest = blocking(move || ready(&from, &to)).await?;
        let prepared = Self::copied(backup, target.clone(), manifest, now, clock).await;
        if prepared.is_err() {
            discarded(target).await;
        }
        prepared
    }

    async fn copied(
        backup: &Path,
        target: Restoration,
        manifest: Manifest,
        now: Timestamp,
        clock: Clock,
    ) -> Result<Self, RestoreError> {
        let (from, to, listed) = (backup.to_owned(), target.clone(), manifest.clone());
        blocking(move || put_together(&Disk, &from, &listed, &to)).await?;
        opened(&target, clock).await?;
        blocking(move || {
            sync(&Disk, &target)?;
            let (change_over, kept) = planned(&Disk, &target, now)?;
            Ok(Self { manifest, kept, target, change_over })
        })
        .await
    }

    /// Decides that the next start opens the backup ([`settle`](super::settle)): for a server that has the store open, and ends now.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing is decided then, unless it says otherwise.
    pub async fn decide(self) -> Result<(), RestoreError> {
        blocking(move || Ok(self.change_over.write(&Disk)?)).await
    }

    /// Puts the backup into place now; no server may have the store open.
    ///
    /// # Errors
    /// [`RestoreError`]; what has begun is completed by [`settle`](super::settle).
    pub async fn put_into_place(self) -> Result<(), RestoreError> {
        blocking(move || {
            let _store = lock_store(&Disk, &self.change_over.directory)?;
            self.change_over.write(&Disk)?;
            Ok(self.change_over.carry_out(&Disk)?)
        })
        .await
    }

    /// Removes what was copied.
    pub async fn discard(self) {
        discarded(self.target).await;
    }
}

/// Looks whether no server has the store in `directory` open.
///
/// # Errors
/// [`SettleError::InUse`] when one has.
pub fn look_unused(directory: &Path) -> Result<(), SettleError> {
    lock_store(&Disk, directory).map(drop)
}

async fn blocking<T, F>(work: F) -> Result<T, RestoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, RestoreError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(RestoreError::Interrupted))
}

/// The journal names things for whoever reads it, wherever that works.
fn absolute(target: &Restoration) -> Result<Restoration, RestoreError> {
    let path = |path: &Path| std::path::absolute(path).map_err(failed("find", path));
    let index = target.index.as_deref().map(path).transpose()?;
    Ok(Restoration { directory: path(&target.directory)?, index })
}

/// Everything that can be known before something is written.
fn ready(backup: &Path, target: &Restoration) -> Result<Manifest, RestoreError> {
    nothing_pending(&Disk, &target.directory)?;
    let elsewhere = target.index.as_ref().filter(|_| target.index_inside().is_none());
    for path in [&target.directory].into_iter().chain(elsewhere) {
        movable(path)?;
    }
    fitting(&Disk, backup, target)?;
    let medium: Arc<dyn Medium> = Arc::new(Disk);
    let (manifest, report) = verify_backup(&medium, backup)?;
    if report.findings_count > 0 {
        return Err(RestoreError::Unreadable { places: report.findings_count });
    }
    discard(target)?;
    enough_room(target, &manifest)?;
    Ok(manifest)
}

/// Whether something else can get the name.
fn movable(path: &Path) -> Result<(), RestoreError> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let parent = path.parent().and_then(|parent| std::fs::metadata(parent).ok());
    if found.is_symlink() || parent.is_some_and(|parent| parent.dev() != found.dev()) {
        return Err(RestoreError::NotMovable { path: path.to_owned() });
    }
    Ok(())
}

/// The server writes to the same disk, and is not to suffer.
fn enough_room(target: &Restoration, manifest: &Manifest) -> Result<(), RestoreError> {
    let Some(parent) = target.directory.parent() else { return Ok(()) };
    Disk.create_directory(parent).map_err(failed("make", parent))?;
    let found = rustix::fs::statvfs(parent).map_err(|error| failed("look at", parent)(error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = manifest.bytes().saturating_add(ROOM_BYTES);
    if free < needed {
        return Err(RestoreError::NoRoom { directory: parent.to_owned(), needed, free });
    }
    Ok(())
}

/// Opens what was copied, which completes it and takes it to this release's form, and closes it.
async fn opened(target: &Restoration, clock: Clock) -> Result<(), RestoreError> {
    let measures = in_the_making(&target.directory).join(MEASURES);
    let Some(index) = target.new_index() else {
        return blocking(move || match Store::open(Arc::new(Disk), &measures, Limits::default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(not_opened(&error)),
        })
        .await;
    };
    let url = sql::Address::Sqlite(index.clone()).to_string();
    let opened = Metrics::open(&measures, &url, Settings::default(), clock).await;
    let (metrics, _) = opened.map_err(|error| not_opened(&error))?;
    let check = metrics.index().check().await;
    metrics.index().close().await;
    drop(metrics);
    let found = check.map_err(|error| not_opened(&error))?;
    if let Some(first) = found.first() {
        let reason = format!("{} places of the index are damaged, the first: {first}", found.len());
        return Err(RestoreError::NotOpened { reason });
    }
    // What SQLite keeps beside a file that is closed would be lost.
    let left = COMPANIONS.map(|suffix| with_suffix(&index, suffix));
    match left.iter().find(|path| std::fs::metadata(path).is_ok_and(|found| found.len() > 0)) {
        Some(path) => Err(RestoreError::NotOpened { reason: format!("{} did not go", path.display()) }),
        None => Ok(()),
    }
}

fn not_opened(error: &dyn std::error::Error) -> RestoreError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    RestoreError::NotOpened { reason }
}

/// Makes what opening has written durable.
fn sync(medium: &dyn Medium, target: &Restoration) -> Result<(), RestoreError> {
    let directory = in_the_making(&target.directory);
    if let Some(index) = target.new_index() {
        let synced = medium.append(&index).and_then(|mut file| file.sync());
        synced.map_err(failed("sync", &index))?;
        super::files::sync_parent(medium, &index).map_err(failed("sync the directory of", &index))?;
    }
    let measures = directory.join(MEASURES);
    let parts = ["log", "chunks", "states"].map(|part| measures.join(part));
    for path in parts.iter().chain([&measures, &directory]) {
        medium.sync_directory(path).map_err(failed("sync", path))?;
    }
    super::files::sync_parent(medium, &directory).map_err(failed("sync the directory of", &directory))
}

/// What is to be renamed, and where the old parts will be.
fn planned(
    medium: &dyn Medium,
    target: &Restoration,
    now: Timestamp,
) -> Result<(ChangeOver, Vec<PathBuf>), RestoreError> {
    let mut parts = Vec::new();
    let elsewhere = target.index.as_ref().filter(|_| target.index_inside().is_none());
    // The index first: it may be on a disk that refuses.
    let places = elsewhere.map(|index| (Kind::Sqlite, index)).into_iter();
    let places: Vec<_> = places.chain([(Kind::Directory, &target.directory)]).collect();
    let suffix = free_suffix(medium, &places, now)?;
    let mut kept = Vec::new();
    for (kind, place) in places {
        let part =
            Part { kind, place: place.clone(), kept: with_suffix(place, &suffix), new: in_the_making(place) };
        if exists(medium, place).map_err(failed("look at", place))? {
            kept.push(part.kept.clone());
        }
        parts.push(part);
    }
    Ok((ChangeOver { directory: target.directory.clone(), parts }, kept))
}

/// `.replaced-` and the time, with which no name is taken.
fn free_suffix(
    medium: &dyn Medium,
    places: &[(Kind, &PathBuf)],
    now: Timestamp,
) -> Result<String, RestoreError> {
    let iso = now.to_iso();
    let time: String =
        iso.split('.').next().unwrap_or(&iso).chars().filter(|c| !matches!(c, '-' | ':')).collect();
    for number in 1..=NAMES {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let suffix = format!(".replaced-{time}Z{more}");
        let mut is_free = true;
        for (_, place) in places {
            let path = with_suffix(place, &suffix);
            is_free &= !exists(medium, &path).map_err(failed("look at", &path))?;
        }
        if is_free {
            return Ok(suffix);
        }
    }
    Err(RestoreError::Interrupted)
}

async fn discarded(target: Restoration) {
    let done = blocking(move || discard(&target)).await;
    if let Err(error) = done {
        tracing::warn!("what was copied of the backup stays: {error}");
    }
}

/// Removes what is being put together, or is left of it.
fn discard(target: &Restoration) -> Result<(), RestoreError> {
    let absent = |done: std::io::Result<()>| match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    };
    let directory = in_the_making(&target.directory);
    absent(std::fs::remove_dir_all(&directory)).map_err(failed("remove", &directory))?;
    if let (Some(index), None) = (target.new_index(), target.index_inside()) {
        let companions = COMPANIONS.map(|suffix| with_suffix(&index, suffix));
        for path in companions.iter().chain([&index]) {
            absent(std::fs::remove_file(path)).map_err(failed("remove", path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
