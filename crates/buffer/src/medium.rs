//! [`Medium`]: the few file operations that durable queues and publishers need, as a trait.
//!
//! The product uses [`Disk`]. Tests put a faulty medium in its place: one that writes short, runs out of
//! space, fails to sync, or loses everything that was not synced.

use std::ffi::OsString;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// A place that holds files.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Opens `path` for appending, creating it (mode 0640) when it is absent.
    fn append(&self, path: &Path) -> io::Result<Box<dyn MediumFile>>;
    /// Opens `path`, which must exist, for reading; a write to it fails.
    fn open(&self, path: &Path) -> io::Result<Box<dyn MediumFile>>;
    /// Gives `from` the name `to`, replacing what was there. Either may be a directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The size of `path` in bytes; `None` when it does not exist.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Makes creations, renames and removals in `directory` durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory (mode 0750) with its parents, durably; one that exists is left as it is.
    fn create_directory(&self, directory: &Path) -> io::Result<()>;
    /// The names of everything in `directory`, in no particular order; none when it does not exist.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Locks `directory` against everybody else, other processes included, until the lock is dropped (`flock(2)` on
    /// the directory itself, so that no lock file can be in the way).
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when somebody else holds it.
    fn lock(&self, directory: &Path) -> io::Result<Box<dyn MediumLock>>;
    /// The whole of the file `path`. It is for the caller to look at its [`size`](Self::size) first.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// A lock of a directory; dropping it ends it.
pub trait MediumLock: fmt::Debug + Send + Sync {}

/// An open file of a [`Medium`], written at its end only.
pub trait MediumFile: fmt::Debug + Send {
    /// Appends some of `data` and returns how many bytes were taken, as `write(2)` does.
    fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    /// Makes everything written so far durable (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
    /// The size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts the file to `size` bytes.
    fn truncate(&mut self, size: u64) -> io::Result<()>;
    /// Fills `buffer` with what stands at `offset`; fails when there is less.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Whether the open file still is what `path` names (it is not after a log rotation by others).
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Medium for Disk {
    fn append(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
        Ok(Box::new(DiskFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        Ok(Box::new(DiskFile { file: File::open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if directory.is_dir() {
            return Ok(());
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.create_directory(parent)?;
        }
        match DirBuilder::new().mode(0o750).create(directory) {
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            created => created?,
        }
        // A file in a directory that a power cut takes away is lost as well.
        self.sync_directory(parent.unwrap_or(Path::new(".")))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        match std::fs::read_dir(directory) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn lock(&self, directory: &Path) -> io::Result<Box<dyn MediumLock>> {
        let held = File::open(directory)?;
        match held.try_lock() {
            Ok(()) => Ok(Box::new(DiskLock { _held: held })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The lock ends with the open directory.
#[derive(Debug)]
struct DiskLock {
    _held: File,
}

impl MediumLock for DiskLock {}

#[derive(Debug)]
struct DiskFile {
    file: File,
}

impl MediumFile for DiskFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        self.file.read_exact_at(buffer, offset)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let open = self.file.metadata()?;
        match std::fs::metadata(path) {
            Ok(named) => Ok(named.dev() == open.dev() && named.ino() == open.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
