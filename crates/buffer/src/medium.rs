//! [`Medium`]: the few file operations that durable queues and publishers need, as a trait.
//!
//! The product uses [`Disk`]. Tests put a faulty medium in its place: one that writes short, runs out of
//! space, fails to sync, or loses everything that was not synced.

use std::ffi::OsString;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A place that holds files.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Opens `path` for appending, creating it (mode 0640) when it is absent.
    fn append(&self, path: &Path) -> io::Result<Box<dyn MediumFile>>;
    /// Gives `from` the name `to`, replacing what was there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The size of `path` in bytes; `None` when it does not exist.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Makes creations, renames and removals in `directory` durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Makes `directory` and those above it (mode 0750) where they do not exist.
    fn create_directory(&self, directory: &Path) -> io::Result<()>;
    /// The names of what is in `directory`, in any order; none when it does not exist.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Removes the file `path`.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The whole of the file `path`. It is for the caller to look at its [`size`](Self::size) first.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

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

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        DirBuilder::new().recursive(true).mode(0o750).create(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        match std::fs::read_dir(directory) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

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
