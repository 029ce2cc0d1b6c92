//! Where publishers' buffers lie on disk, and how they are bounded.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use buffer::medium::{Medium, MediumLock};
use buffer::segment_log::Limits;
use observability::clock::Clock;

use crate::{PipelineMetrics, PublisherUrl, RecordsKind};

/// How publishers' queues go on on disk when memory does not suffice.
#[derive(Debug, Clone)]
pub struct BufferOptions {
    /// What files are written through.
    pub medium: Arc<dyn Medium>,
    /// The directory that holds one directory for each publisher.
    pub directory: PathBuf,
    /// Bytes on disk for each publisher at most.
    pub disk_bytes: u64,
    /// Records that a publisher has not accepted for so long go to disk.
    pub spill_after: Duration,
    /// Records on disk that are older are dropped and counted; `None`: they never are.
    pub max_age: Option<Duration>,
    /// When the oldest record on disk is older, the state says so; `None`: it never does.
    pub age_alarm: Option<Duration>,
    /// The time that records are stamped with.
    pub clock: Clock,
}

impl BufferOptions {
    pub(crate) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        // A small buffer has small segments, because disk space is given back a segment at a time.
        let segment_bytes = defaults.segment_bytes.min(self.disk_bytes / 8).max(1);
        let quarantine_bytes = defaults.quarantine_bytes.min(self.disk_bytes);
        Limits { max_bytes: self.disk_bytes, segment_bytes, quarantine_bytes }
    }
}

/// Why a buffer directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BufferDirectoryError {
    /// Another process uses it.
    #[error("the buffer directory {} is in use by another process", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// It cannot be made or written to.
    #[error("cannot {operation} the buffer directory {}", directory.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A buffer directory that this process has for itself.
#[derive(Debug)]
pub struct BufferDirectory {
    _lock: Box<dyn MediumLock>,
}

impl BufferDirectory {
    /// Makes `directory` where it is absent, locks it and tries whether files can be made there.
    ///
    /// # Errors
    /// [`BufferDirectoryError`] when it cannot be used.
    pub fn take(medium: &dyn Medium, directory: &Path) -> Result<Self, BufferDirectoryError> {
        let failed = |operation, source| BufferDirectoryError::Io {
            operation,
            directory: directory.to_owned(),
            source,
        };
        medium.create_directory(directory).map_err(|source| failed("make", source))?;
        let lock = medium.lock(directory).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => BufferDirectoryError::Locked { directory: directory.to_owned() },
            _ => failed("lock", source),
        })?;
        let probe = directory.join(".probe");
        medium.append(&probe).map_err(|source| failed("write to", source))?;
        medium.remove(&probe).map_err(|source| failed("write to", source))?;
        Ok(Self { _lock: lock })
    }
}

/// Gives each publisher its directory's name, and remembers whose it is.
#[derive(Debug, Default)]
pub struct BufferNames(HashMap<String, PublisherUrl>);

impl BufferNames {
    /// The name for a publisher, the same whenever it is asked for: its [key](PublisherUrl::key), with a number where
    /// two publishers differ in user and password only.
    pub(crate) fn assign(&mut self, url: &PublisherUrl, kind: RecordsKind) -> String {
        let mut name = url.key(kind);
        let first = name.clone();
        let mut number = 2;
        while self.0.entry(name.clone()).or_insert_with(|| url.clone()) != url {
            name = format!("{first}-{number}");
            number += 1;
        }
        name
    }

    /// Reports, by warnings and a gauge, the buffers in `directory` that belong to no publisher any more. They are never
    /// removed. Returns their names.
    pub fn report_orphans(
        &self,
        medium: &dyn Medium,
        directory: &Path,
        metrics: &PipelineMetrics,
    ) -> Vec<String> {
        let Ok(names) = medium.list(directory) else { return Vec::new() };
        let names = names.into_iter().map(|name| name.to_string_lossy().into_owned());
        let mut orphans: Vec<_> = names
            .filter(|name| !self.0.contains_key(name) && holds_records(medium, &directory.join(name)))
            .collect();
        orphans.sort();
        for name in &orphans {
            tracing::warn!(
                buffer = %directory.join(name).display(),
                "records wait here for a publisher that is in no pipeline; name it again to deliver them, or remove the \
                 directory"
            );
        }
        metrics.orphans.set(i64::try_from(orphans.len()).unwrap_or(i64::MAX));
        orphans
    }
}

fn holds_records(medium: &dyn Medium, directory: &Path) -> bool {
    let names = medium.list(directory).unwrap_or_default();
    names.iter().any(|name| name.to_string_lossy().starts_with("segment-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directorys_name_can_be_read_and_keeps_no_secret() {
        let name = |text: &str, kind| BufferNames::default().assign(&PublisherUrl::new(text), kind);
        let low = name("gnocchi://?archive_policy=low", RecordsKind::Samples);
        assert_eq!(low, "samples-gnocchi-f8fc7ee834abebdf");
        assert_ne!(low, name("gnocchi://?archive_policy=high", RecordsKind::Samples));
        assert_ne!(low, name("gnocchi://?archive_policy=low", RecordsKind::Events));
        let with_password = name("notifier://user:secret@rabbit:5672/v", RecordsKind::Events);
        assert!(with_password.starts_with("events-notifier---rabbit-5672-v-"), "{with_password}");
        assert_eq!(with_password, name("notifier://user:changed@rabbit:5672/v", RecordsKind::Events));
        let long = name(&format!("file:///{}", "é/x".repeat(100)), RecordsKind::Events);
        assert!(long.len() < 80 && long.is_ascii(), "{long}");
        let mut names = BufferNames::default();
        let [first, second] = ["a", "b"]
            .map(|user| names.assign(&PublisherUrl::new(&format!("x://{user}@h")), RecordsKind::Samples));
        assert_eq!(second, format!("{first}-2"));
        assert_eq!(names.assign(&PublisherUrl::new("x://b@h"), RecordsKind::Samples), second);
    }
}
