//! The log file: opened by name, opened anew when the name leads elsewhere, put aside by size or time.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::LineLoss;
use super::options::{Rotation, RotationInterval};
use super::rotation;

/// Log lines name users and projects: not for everybody.
const MODE: u32 = 0o640;
/// After a rotation failed, lines go on into the same file and it is not tried again for this long.
const RETRY_ROTATION: Duration = Duration::from_mins(1);

/// A log file that survives being renamed, removed and rotated.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    rotation: Rotation,
    max_files: usize,
    time_zone: TimeZone,
    open: Option<Open>,
    rotate_not_before: Timestamp,
}

#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    bytes: u64,
    /// When an interval rotation is due.
    due: Option<Timestamp>,
}

impl FileSink {
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        max_files: usize,
        time_zone: TimeZone,
        now: Timestamp,
    ) -> io::Result<Self> {
        let mut sink = Self {
            path: path.to_owned(),
            rotation,
            max_files,
            time_zone,
            open: None,
            rotate_not_before: Timestamp::MIN,
        };
        sink.reopen(now)?;
        Ok(sink)
    }

    /// Closes the file and opens whatever its name leads to now.
    pub(super) fn reopen(&mut self, now: Timestamp) -> io::Result<()> {
        self.open = None;
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&self.path)?;
        let metadata = file.metadata()?;
        let due = match self.rotation {
            Rotation::Interval(interval) => {
                // A file with old lines is due by their age, not by the age of this process.
                let since = if metadata.len() > 0 { metadata.modified().ok() } else { None };
                let since = since.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(now);
                Some(rotation::next_due(interval, since, &self.time_zone))
            }
            Rotation::None | Rotation::Size(_) => None,
        };
        let (device, inode, bytes) = (metadata.dev(), metadata.ino(), metadata.len());
        self.open = Some(Open { file, device, inode, bytes, due });
        Ok(())
    }

    /// Appends whole lines.
    pub(super) fn write(&mut self, text: &[u8], now: Timestamp) -> Result<(), LineLoss> {
        if !self.is_current() && self.reopen(now).is_err() {
            return Err(LineLoss::Failed);
        }
        if self.is_due(text.len(), now) && now >= self.rotate_not_before {
            if self.rotate(now).is_err() {
                self.rotate_not_before = now.saturating_add(RETRY_ROTATION).unwrap_or(Timestamp::MAX);
            }
            if self.open.is_none() && self.reopen(now).is_err() {
                return Err(LineLoss::Failed);
            }
        }
        let Some(open) = &mut self.open else { return Err(LineLoss::Failed) };
        match open.file.write_all(text) {
            Ok(()) => {
                open.bytes = open.bytes.saturating_add(text.len() as u64);
                Ok(())
            }
            Err(_) => Err(LineLoss::Failed),
        }
    }

    /// Whether the name still leads to the file that we hold. Others rotate by renaming it.
    fn is_current(&self) -> bool {
        let Some(open) = &self.open else { return false };
        fs::metadata(&self.path).is_ok_and(|found| found.dev() == open.device && found.ino() == open.inode)
    }

    fn is_due(&self, more: usize, now: Timestamp) -> bool {
        let Some(open) = &self.open else { return false };
        match self.rotation {
            Rotation::None => false,
            Rotation::Size(limit) => {
                self.max_files > 0 && open.bytes > 0 && open.bytes.saturating_add(more as u64) > limit
            }
            Rotation::Interval(_) => open.due.is_some_and(|due| now >= due),
        }
    }

    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        match self.rotation {
            Rotation::None => {}
            Rotation::Size(_) => self.rotate_by_number()?,
            Rotation::Interval(interval) => self.rotate_by_time(interval)?,
        }
        self.reopen(now)?;
        if let (Rotation::Interval(interval), Some(open)) = (self.rotation, &mut self.open) {
            // Also when the file could not be put aside because its name was taken: try at the next interval.
            open.due = Some(rotation::next_due(interval, now, &self.time_zone));
        }
        Ok(())
    }

    /// `log` becomes `log.1`, which becomes `log.2`, and the last one goes, as Python's `RotatingFileHandler` does.
    fn rotate_by_number(&self) -> io::Result<()> {
        for number in (1..self.max_files).rev() {
            rename_if_there(&self.beside(&number.to_string()), &self.beside(&(number + 1).to_string()))?;
        }
        rename_if_there(&self.path, &self.beside("1"))
    }

    /// `log` becomes `log.<time at which its interval began>`, and the oldest go, as Python's
    /// `TimedRotatingFileHandler` does.
    fn rotate_by_time(&self, interval: RotationInterval) -> io::Result<()> {
        let Some(due) = self.open.as_ref().and_then(|open| open.due) else { return Ok(()) };
        let target = self.beside(&rotation::suffix(interval, due, &self.time_zone));
        // Never over an older file: its lines would be lost.
        if !target.try_exists()? {
            rename_if_there(&self.path, &target)?;
        }
        if self.max_files > 0 {
            self.remove_oldest(interval)?;
        }
        Ok(())
    }

    fn remove_oldest(&self, interval: RotationInterval) -> io::Result<()> {
        let Some(name) = self.path.file_name() else { return Ok(()) };
        let mut prefix = name.to_owned();
        prefix.push(".");
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut old: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let suffix = file_name.to_str().and_then(|name| name.strip_prefix(prefix.to_str()?));
            if suffix.is_some_and(|suffix| rotation::is_suffix(interval, suffix)) {
                old.push(entry.path());
            }
        }
        old.sort();
        let surplus = old.len().saturating_sub(self.max_files);
        old.iter().take(surplus).try_for_each(fs::remove_file)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(".");
        path.push(suffix);
        path.into()
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}
