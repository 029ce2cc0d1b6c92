//! Dead letters: messages that could not be processed, and records that a publisher's peer refuses for good, kept until an
//! operator has looked at them.
//!
//! ```text
//! dead-letters/
//!   20261125T224501123-5f0e9a3c.jsonl   letters that came together, one a line; never changed in place
//!   20261125T224501123-5f0e9a3c.damaged what was left of a file when only lines that cannot be read were in it
//!   .new-…                              being written by the agent; removed when it starts
//!   .edit-…                             being written by a command; removed by the next command
//!   lock                                held by the command that changes something
//! ```
//!
//! A file is written under a temporary name, synced, renamed, and the directory synced: it is there whole or not at
//! all. A letter is taken away by writing the file's other lines to a temporary name and renaming that over the file,
//! so a reader sees the file before or after. The agent only adds files and never looks at one again; commands only
//! change files that are there. So neither needs a lock against the other; commands have one among themselves.
//!
//! What a crash can leave: a temporary file, which nobody reads; a file whose messages were not acknowledged yet, so
//! that they are delivered again and become a second letter with the same `message_id`; a letter that was replayed
//! and is still there. Never an acknowledged message without its letter.

mod letter;
mod lock;
mod shelf;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::medium::{Medium, MediumFile};

pub use letter::{Letter, LetterId, NoId, Refused};
pub use lock::{Lock, LockError};
pub use shelf::{Contents, Damage, FILE_BYTES_MAX, Stored};

/// Name of the directory within the state directory.
pub const DIRECTORY: &str = "dead-letters";
/// Most files; more are refused, because every look at the directory reads all its names. As many blocks as the default
/// bound of bytes has, so that there the bytes decide, also when each file has one letter.
pub const FILES_MAX: usize = 65_536;

const SUFFIX: &str = ".jsonl";
const DAMAGED_SUFFIX: &str = ".damaged";
const NEW_PREFIX: &str = ".new-";
const EDIT_PREFIX: &str = ".edit-";
/// What a file takes on disk is a multiple of this, in bytes.
const BLOCK_BYTES: u64 = 4096;
/// While the store is full, the directory is measured again at most this often: an operator may have dropped letters.
const MEASURE_SECONDS: i64 = 1;
/// Names that are tried for a new file before something must be wrong.
const NAMES_TRIED: usize = 8;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files; one for each call of [`DeadLetters::write`].
    pub files: usize,
}

/// How much is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes on disk, in whole blocks.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

/// What [`DeadLetters::write`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Places, in the slice given, of the letters that did not fit; ascending.
    pub left_out: Vec<usize>,
    /// What is there now.
    pub usage: Usage,
}

/// Why letters could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct DeadLetterError {
    /// What was tried.
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DeadLetterError {
    let path = path.to_owned();
    move |source| DeadLetterError { operation, path, source }
}

/// The directory of dead letters. Synchronous: callers on an async runtime use a blocking thread.
#[derive(Debug)]
pub struct DeadLetters {
    directory: PathBuf,
    medium: Arc<dyn Medium>,
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The directory is there, durably, and was measured.
    is_open: bool,
    usage: Usage,
    measured: Option<Timestamp>,
}

impl DeadLetters {
    /// The store in `state_directory`. Nothing is touched yet.
    #[must_use]
    pub fn new(state_directory: &Path, medium: Arc<dyn Medium>, limits: Limits) -> Self {
        Self { directory: state_directory.join(DIRECTORY), medium, limits, inner: Mutex::default() }
    }

    /// Whether anything is kept at all.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.limits.bytes > 0 && self.limits.files > 0
    }

    /// The directory's path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory, removes what a crash left half written, and measures. [`Self::write`] does this by itself
    /// when it has not been done; called at the start, it tells early what is wrong.
    pub fn open(&self) -> Result<Usage, DeadLetterError> {
        self.open_locked(&mut self.lock())
    }

    /// Writes letters to a file of their own and returns when they are durable. Those that do not fit are left out.
    ///
    /// # Errors
    /// None of the letters is certain to be there; the same letters may be written again.
    pub fn write(&self, letters: &[Letter]) -> Result<Written, DeadLetterError> {
        let mut inner = self.lock();
        if !inner.is_open {
            self.open_locked(&mut inner)?;
        }
        let Some(now) = letters.first().map(|letter| letter.time) else {
            return Ok(Written { usage: inner.usage, ..Written::default() });
        };
        let stem = self.unused_stem(now)?;
        let (mut text, mut left_out) = self.fit(letters, &stem, inner.usage);
        if !left_out.is_empty() && inner.may_measure(now) {
            self.measure_locked(&mut inner)?;
            inner.measured = Some(now);
            (text, left_out) = self.fit(letters, &stem, inner.usage);
        }
        if !text.is_empty() {
            let temporary = self.directory.join(format!("{NEW_PREFIX}{stem}"));
            self.put(&temporary, &self.directory.join(format!("{stem}{SUFFIX}")), &text)?;
            inner.usage.bytes += on_disk(text.len() as u64);
            inner.usage.files += 1;
        }
        Ok(Written { left_out, usage: inner.usage })
    }

    /// Looks how much is there; commands may have taken letters away.
    pub fn measure(&self) -> Result<Usage, DeadLetterError> {
        let mut inner = self.lock();
        self.measure_locked(&mut inner)?;
        Ok(inner.usage)
    }

    /// Whether nothing more fits into `usage`, not even an empty letter.
    #[must_use]
    pub fn is_full(&self, usage: Usage) -> bool {
        usage.files >= self.limits.files || usage.bytes + BLOCK_BYTES > self.limits.bytes
    }

    fn open_locked(&self, inner: &mut Inner) -> Result<Usage, DeadLetterError> {
        let directory = &self.directory;
        self.medium.create_directory(directory).map_err(failed("make directory", directory))?;
        if let Some(parent) = directory.parent() {
            self.medium.sync_directory(parent).map_err(failed("sync directory", parent))?;
        }
        self.remove_leftovers(NEW_PREFIX)?;
        self.measure_locked(inner)?;
        inner.is_open = true;
        Ok(inner.usage)
    }

    fn measure_locked(&self, inner: &mut Inner) -> Result<(), DeadLetterError> {
        let mut usage = Usage::default();
        for name in self.names()? {
            if !name.starts_with('.') && (name.ends_with(SUFFIX) || name.ends_with(DAMAGED_SUFFIX)) {
                let path = self.directory.join(name);
                // One that has gone in the meantime takes no room.
                if let Some(size) = self.medium.size(&path).map_err(failed("look at", &path))? {
                    usage.bytes += on_disk(size);
                    usage.files += 1;
                }
            }
        }
        inner.usage = usage;
        Ok(())
    }

    /// The lines of the letters that fit, and the places of those that do not.
    fn fit(&self, letters: &[Letter], stem: &str, usage: Usage) -> (Vec<u8>, Vec<usize>) {
        let room = if usage.files < self.limits.files {
            self.limits.bytes.saturating_sub(usage.bytes) / BLOCK_BYTES * BLOCK_BYTES
        } else {
            0
        };
        let mut text = Vec::new();
        let mut left_out = Vec::new();
        for (place, letter) in letters.iter().enumerate() {
            let before = text.len();
            // A line is never shorter than its body: what cannot fit need not be written first.
            let may_fit = before as u64 + letter.body.len() as u64 <= room;
            if may_fit {
                letter.write_line(&LetterId::new(stem, place), &mut text);
            }
            if !may_fit || text.len() as u64 > room {
                text.truncate(before);
                left_out.push(place);
            }
        }
        (text, left_out)
    }

    fn unused_stem(&self, now: Timestamp) -> Result<String, DeadLetterError> {
        for _ in 0..NAMES_TRIED {
            let stem = format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%S%3f"), fastrand::u32(..));
            let path = self.directory.join(format!("{stem}{SUFFIX}"));
            // A rename would replace it.
            if self.medium.size(&path).map_err(failed("look at", &path))?.is_none() {
                return Ok(stem);
            }
        }
        Err(failed("find an unused name in", &self.directory)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Gives `text` the name `to`, durably, by way of `temporary`.
    fn put(&self, temporary: &Path, to: &Path, text: &[u8]) -> Result<(), DeadLetterError> {
        let put = || {
            let mut file = self.medium.append(temporary).map_err(failed("open", temporary))?;
            // What a failed attempt left under this name.
            file.truncate(0).map_err(failed("empty", temporary))?;
            write_all(&mut *file, text).map_err(failed("write", temporary))?;
            file.sync().map_err(failed("sync", temporary))?;
            self.medium.rename(temporary, to).map_err(failed("rename", temporary))?;
            self.medium.sync_directory(&self.directory).map_err(failed("sync directory", &self.directory))
        };
        put().inspect_err(|_| {
            // Most often the disk is full: the half file only makes it worse.
            let _ = self.medium.remove(temporary);
        })
    }

    fn remove_leftovers(&self, prefix: &str) -> Result<(), DeadLetterError> {
        for name in self.names()?.into_iter().filter(|name| name.starts_with(prefix)) {
            let path = self.directory.join(name);
            match self.medium.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Names that are ours are ASCII; others are not looked at.
    fn names(&self) -> Result<Vec<String>, DeadLetterError> {
        let names = self.medium.list(&self.directory).map_err(failed("read directory", &self.directory))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves numbers that the next measurement sets right.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn may_measure(&self, now: Timestamp) -> bool {
        self.measured.is_none_or(|last| {
            // Wall time may jump back.
            (now.as_second() - last.as_second()).abs() >= MEASURE_SECONDS
        })
    }
}

fn on_disk(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

fn write_all(file: &mut dyn MediumFile, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match file.write(data) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => data = data.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
