//! A directory that agents of one machine share, or of several by a network file system.
//!
//! `DIRECTORY/nephoscope/GROUP/MEMBER`, where the group is the start of the SHA-256 of its name. A member's file holds its
//! weight; writing it again shows that the member is alive, and its time of change is when it did so last, by the file
//! system's own clock: clocks of agents need not agree.
//!
//! tooz's driver has a layout of its own there, and cannot tell who is dead; its files are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{BackendError, Found, Question};

/// The weight of this agent.
const WEIGHT: u32 = 1;
/// Members of a group at most; what is beyond is not looked at.
const MAX_MEMBERS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct FileBackend {
    directory: PathBuf,
    /// Time for one access: a file system of the network may hang.
    limit: Duration,
    alive: Duration,
    /// Held by the thread that is at it.
    at_work: Arc<Mutex<()>>,
}

impl FileBackend {
    pub(crate) fn new(directory: &Path, limit: Duration, alive: Duration) -> Self {
        let directory = directory.join("nephoscope");
        Self { directory, limit, alive, at_work: Arc::default() }
    }

    pub(crate) async fn look(&self, question: Question) -> Result<BTreeMap<String, Found>, BackendError> {
        let (directory, alive) = (self.directory.clone(), self.alive);
        self.run(move || {
            let Question { member, groups, prunes } = question;
            let found = groups.into_iter().map(|group| {
                let found = look(&place(&directory, &group), &member, alive, prunes)?;
                Ok((group, found))
            });
            found.collect()
        })
        .await
    }

    pub(crate) async fn leave(&self, member: &str, groups: &BTreeSet<String>) -> Result<(), BackendError> {
        let files: Vec<PathBuf> =
            groups.iter().map(|group| place(&self.directory, group).join(member)).collect();
        self.run(move || {
            for file in files {
                remove(&file)?;
                // Only one that nobody is in can be removed.
                if let Some(group) = file.parent() {
                    let _ = fs::remove_dir(group);
                }
            }
            Ok(())
        })
        .await
    }

    /// Runs it in a thread, one at a time; what hangs is waited for no longer than the limit.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let running = async {
            let guard = Arc::clone(&self.at_work).lock_owned().await;
            let thread = tokio::task::spawn_blocking(move || {
                let _guard: OwnedMutexGuard<()> = guard;
                work()
            });
            thread.await.unwrap_or_else(|error| Err(self.wrong(error.to_string())))
        };
        let late = |_| Err(self.wrong(format!("no answer within {} s", self.limit.as_secs_f64())));
        tokio::time::timeout(self.limit, running).await.unwrap_or_else(late)
    }

    fn wrong(&self, reason: String) -> BackendError {
        BackendError::File { path: self.directory.display().to_string(), reason }
    }
}

/// The directory of a group.
fn place(directory: &Path, group: &str) -> PathBuf {
    let name = Sha256::digest(group).iter().take(16).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    directory.join(name)
}

fn look(group: &Path, member: &str, alive: Duration, prunes: bool) -> Result<Found, BackendError> {
    let is_new = !group.is_dir();
    let now = beat(group, member)?;
    let mut members = BTreeMap::from([(member.to_owned(), WEIGHT)]);
    for entry in fs::read_dir(group).map_err(|error| wrong(group, &error))?.take(MAX_MEMBERS) {
        let entry = entry.map_err(|error| wrong(group, &error))?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        // One that leaves meanwhile is gone.
        let Ok(beaten) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        if name == member {
            continue;
        }
        // A time to come is as wrong as one long past.
        if now.duration_since(beaten).unwrap_or_else(|ahead| ahead.duration()) > alive {
            if prunes {
                remove(&path)?;
            }
            continue;
        }
        let weight = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        members.insert(name, weight.unwrap_or(WEIGHT));
    }
    Ok(Found { is_new, members })
}

/// Writes the member's file; returns when that was, by the file system's clock.
fn beat(group: &Path, member: &str) -> Result<SystemTime, BackendError> {
    let path = group.join(member);
    let written = || {
        // The last one to leave may remove the directory just now: then once more.
        fs::create_dir_all(group)?;
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        writeln!(file, "{WEIGHT}")?;
        file.metadata()?.modified()
    };
    written().or_else(|_| written()).map_err(|error| wrong(&path, &error))
}

fn remove(path: &Path) -> Result<(), BackendError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(wrong(path, &error)),
        _ => Ok(()),
    }
}

fn wrong(path: &Path, error: &io::Error) -> BackendError {
    BackendError::File { path: path.display().to_string(), reason: error.to_string() }
}
