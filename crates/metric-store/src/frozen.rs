//! [`Frozen`]: a medium on which a store is looked at, and nothing is changed.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use buffer::medium::{Medium, MediumFile, MediumLock};

/// Reads as the medium below it; what would change a file fails, as on a file system that is read-only. Opening a store
/// needs none of it: what it cannot tidy up it leaves.
#[derive(Debug)]
pub(crate) struct Frozen(pub(crate) Arc<dyn Medium>);

/// The lock of a directory that is not there: nobody can use it.
#[derive(Debug)]
struct NoLock;

impl MediumLock for NoLock {}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Medium for Frozen {
    fn append(&self, _path: &Path) -> io::Result<Box<dyn MediumFile>> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        self.0.open(path)
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        refused()
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        self.0.size(path)
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    /// A directory that is absent lists as an empty one.
    fn create_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(directory)
    }

    fn lock(&self, directory: &Path) -> io::Result<Box<dyn MediumLock>> {
        match self.0.lock(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(NoLock)),
            locked => locked,
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }
}
