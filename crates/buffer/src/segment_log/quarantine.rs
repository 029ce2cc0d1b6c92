//! [`Quarantine`]: where that goes which cannot be read, for a human to look at.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::medium::{Medium, MediumFile};

use super::write_all;

pub(super) const NAME: &str = "quarantine";
/// Files that are kept at most.
const MAX_FILES: usize = 1_000;
/// Attempts to find a name that is free.
const MAX_NAMES: u32 = 100;
/// How much is copied at once.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Ends the name of what a later release wrote; such a file is never removed by itself.
pub(super) const NEWER: &str = "newer_version";

/// The `quarantine` directory. Nothing that fails here is an error for the log: what cannot be kept is reported so.
#[derive(Debug)]
pub(super) struct Quarantine {
    directory: PathBuf,
    limit_bytes: u64,
    ready: bool,
    /// Bytes in there, as far as known.
    pub(super) bytes: u64,
    files: usize,
}

impl Quarantine {
    pub(super) fn new(log_directory: &Path, limit_bytes: u64) -> Self {
        Self { directory: log_directory.join(NAME), limit_bytes, ready: false, bytes: 0, files: 0 }
    }

    /// Takes stock, and removes the oldest files (by name: names begin with the segment's number) beyond the bounds,
    /// but for those of a later release. Returns how many were removed.
    pub(super) fn prune(&mut self, medium: &dyn Medium) -> usize {
        let Ok(names) = medium.list(&self.directory) else { return 0 };
        let mut files: Vec<_> = names
            .into_iter()
            .map(|name| {
                let size = medium.size(&self.directory.join(&name)).ok().flatten();
                (name, size.unwrap_or(0))
            })
            .collect();
        files.sort();
        self.bytes = files.iter().map(|(_, size)| size).sum();
        self.files = files.len();
        let mut removed = 0;
        for (name, size) in files {
            if self.bytes <= self.limit_bytes && self.files <= MAX_FILES {
                break;
            }
            let precious = name.to_string_lossy().contains(NEWER);
            if !precious && medium.remove(&self.directory.join(&name)).is_ok() {
                self.bytes -= size;
                self.files -= 1;
                removed += 1;
            }
        }
        removed
    }

    /// Moves `from` here and returns its new name, relative to the log's directory.
    pub(super) fn take(&mut self, medium: &dyn Medium, from: &Path, reason: &str) -> Option<String> {
        let name = format!("{}.{reason}", from.file_name()?.to_string_lossy());
        let moved = self.make_ready(medium).and_then(|()| {
            let name = self.free_name(medium, &name)?;
            let size = medium.size(from)?.unwrap_or(0);
            medium.rename(from, &self.directory.join(&name))?;
            self.bytes += size;
            self.files += 1;
            Ok(name)
        });
        match moved {
            Ok(name) => Some(format!("{NAME}/{name}")),
            Err(error) => {
                tracing::warn!(file = %from.display(), "cannot move a bad file to quarantine: {error}");
                None
            }
        }
    }

    /// Copies `range` of `file` here, as far as there is room, and returns the copy's name. A copy that an earlier
    /// start made is not made again.
    pub(super) fn copy(
        &mut self,
        medium: &dyn Medium,
        file: &mut dyn MediumFile,
        range: Range<u64>,
        name: &str,
    ) -> Option<String> {
        let room = self.room();
        let path = self.directory.join(name);
        if let Ok(Some(_)) = medium.size(&path) {
            return Some(format!("{NAME}/{name}"));
        }
        let end = range.end.min(range.start.saturating_add(room));
        if range.start >= end {
            return None;
        }
        let copied = self.make_ready(medium).and_then(|()| {
            let mut to = medium.append(&path)?;
            let mut place = range.start;
            while place < end {
                let length = (end - place).min(CHUNK_BYTES);
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_at(place, &mut bytes)?;
                write_all(&mut *to, &bytes)?;
                place += length;
            }
            to.sync()
        });
        self.kept(medium, name, end - range.start, copied)
    }

    /// Keeps `bytes` here under `name`, if there is room.
    pub(super) fn keep(&mut self, medium: &dyn Medium, bytes: &[u8], name: &str) -> Option<String> {
        if bytes.len() as u64 > self.room() {
            return None;
        }
        let written = self.make_ready(medium).and_then(|()| {
            let mut to = medium.append(&self.directory.join(name))?;
            write_all(&mut *to, bytes)?;
            to.sync()
        });
        self.kept(medium, name, bytes.len() as u64, written)
    }

    fn kept(
        &mut self,
        medium: &dyn Medium,
        name: &str,
        bytes: u64,
        result: io::Result<()>,
    ) -> Option<String> {
        match result {
            Ok(()) => {
                self.bytes += bytes;
                self.files += 1;
                Some(format!("{NAME}/{name}"))
            }
            Err(error) => {
                tracing::warn!(file = name, "cannot keep bad bytes in quarantine: {error}");
                // The disk may be full: half a copy helps nobody.
                let _ = medium.remove(&self.directory.join(name));
                None
            }
        }
    }

    fn room(&self) -> u64 {
        if self.files < MAX_FILES { self.limit_bytes.saturating_sub(self.bytes) } else { 0 }
    }

    fn make_ready(&mut self, medium: &dyn Medium) -> io::Result<()> {
        if !self.ready {
            medium.create_directory(&self.directory)?;
            self.ready = true;
        }
        Ok(())
    }

    fn free_name(&self, medium: &dyn Medium, name: &str) -> io::Result<String> {
        for number in 1..=MAX_NAMES {
            let candidate = if number == 1 { name.to_owned() } else { format!("{name}.{number}") };
            if medium.size(&self.directory.join(&candidate))?.is_none() {
                return Ok(candidate);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
