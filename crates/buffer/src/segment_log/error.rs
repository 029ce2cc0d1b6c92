//! What can go wrong with a segment log, and what it found.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a log cannot be opened. What the directory contains is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else uses the directory.
    #[error("{} is in use by another process, or by another buffer of this one", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory itself cannot be used.
    #[error("cannot {operation} {}: {source}", directory.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Why records were not taken; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log is at its bound; it takes records again once others are done with.
    #[error(
        "the buffer is full: {held_bytes} of {max_bytes} bytes are used and {more_bytes} more do not fit"
    )]
    Full {
        /// Bytes that it takes on disk.
        held_bytes: u64,
        /// Bytes that the records would add.
        more_bytes: u64,
        /// The bound.
        max_bytes: u64,
    },
    /// A record is larger than any may be.
    #[error("a record of {bytes} bytes is larger than the {} that one may have", super::MAX_RECORD_BYTES)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The operating system refused. The segment is not written to any more; a further attempt begins another.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl AppendError {
    /// A short name for the metric label.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::TooLarge { .. } => "record_too_large",
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => "no_space",
                io::ErrorKind::QuotaExceeded => "quota",
                io::ErrorKind::ReadOnlyFilesystem => "read_only",
                io::ErrorKind::PermissionDenied => "permission",
                _ => "input_output",
            },
        }
    }
}

/// Reading or committing failed; it may be tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct LogError {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// What is wrong with a file, or with a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// A segment ends in something that is no whole record: a write that a crash cut short.
    TornTail,
    /// Something that is no record, with intact records behind it.
    CorruptRecord,
    /// Nothing in the file can be read as a segment.
    NotASegment,
    /// A later release wrote it, in this version of the format.
    NewerVersion(u16),
    /// The operating system does not let it be read.
    Unreadable,
    /// Its records are older than those of the segment before it.
    OutOfOrder,
    /// The file does not belong here.
    Foreign,
    /// The cursor cannot be read: what was done with already may come again.
    BadCursor,
    /// A record is intact, but the program cannot read what it says.
    Undecodable,
}

impl DamageKind {
    /// A short name: a metric label, and the end of the quarantined file's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TornTail => "torn",
            Self::CorruptRecord => "corrupt",
            Self::NotASegment => "not_a_segment",
            Self::NewerVersion(_) => super::quarantine::NEWER,
            Self::Unreadable => "unreadable",
            Self::OutOfOrder => "out_of_order",
            Self::Foreign => "foreign",
            Self::BadCursor => "bad_cursor",
            Self::Undecodable => "undecodable",
        }
    }
}

/// Something that could not be read and was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub kind: DamageKind,
    /// The file's name in the log's directory.
    pub file: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Where it is kept, relative to the log's directory; `None` when it could not be, or the quarantine is full.
    pub quarantined_as: Option<String>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, file, offset, bytes, quarantined_as } = self;
        match kind {
            DamageKind::TornTail => write!(f, "{file}: the last {bytes} bytes are an unfinished write")?,
            DamageKind::CorruptRecord => write!(f, "{file}: {bytes} bytes at offset {offset} are damaged")?,
            DamageKind::NotASegment => {
                write!(f, "{file}: none of its {bytes} bytes can be read as a segment")?;
            }
            DamageKind::NewerVersion(version) => write!(
                f,
                "{file}: written by a later release (format version {version}, this one reads up to {}); to deliver it, \
                 run that release with the file back in its place",
                super::format::VERSION
            )?,
            DamageKind::Unreadable => write!(f, "{file}: cannot be read")?,
            DamageKind::OutOfOrder => {
                write!(f, "{file}: its records are older than those of the segment before it")?;
            }
            DamageKind::Foreign => write!(f, "{file}: does not belong here")?,
            DamageKind::BadCursor => {
                write!(f, "{file}: damaged, so that records which were delivered may be delivered again")?;
            }
            DamageKind::Undecodable => write!(f, "{file}: a record of {bytes} bytes cannot be decoded")?,
        }
        match quarantined_as {
            Some(name) => write!(f, "; kept as {name}"),
            None => f.write_str("; not kept"),
        }
    }
}

/// Damages that a [`Found`] describes one by one.
pub const MAX_DESCRIBED: usize = 100;

/// What was found that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Records that were in the log once and are gone, as far as their sequence numbers tell.
    pub missing_records: u64,
    /// What could not be read, the first [`MAX_DESCRIBED`] of it.
    pub damage: Vec<Damage>,
    /// How much there was of it in all.
    pub damage_count: u64,
}

impl Found {
    pub(super) fn add(&mut self, damage: Damage) {
        self.add_with(|| damage);
    }

    /// Counts a damage; describes it, and keeps a copy, while there are not too many.
    pub(super) fn add_with(&mut self, describe: impl FnOnce() -> Damage) {
        self.damage_count += 1;
        if self.damage.len() < MAX_DESCRIBED {
            self.damage.push(describe());
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing_records == 0 && self.damage_count == 0
    }
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that wait.
    pub records: u64,
    /// What could not be read.
    pub found: Found,
    /// Files that were removed from the quarantine because it was over its bound.
    pub pruned_files: usize,
}
