//! `file:///path?max_bytes=N&backup_count=N&json`: appends records to a file, one a line.
//!
//! **Accepted** means written and synced (`fdatasync`). All batches that wait are written together and
//! synced once. When a write or a sync fails, the file is cut back to where the last sync ended and the
//! same records are offered again, so a failure leaves neither half a record nor a second copy behind. A
//! sync that failed is never repeated on its own, because the kernel may have dropped the pages it could
//! not write: the records themselves are written again.
//!
//! A line that a crash tore is removed when the file is opened again; its records were not acknowledged
//! and come once more. A file that was moved away (by logrotate, for example) is followed: the next
//! record goes to a new file under the configured name.
//!
//! The options and the two formats are Ceilometer's `publisher/file.py`; rotation is that of Python's
//! `RotatingFileHandler`, which counts characters where this one counts bytes.

mod options;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use buffer::medium::Medium;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records};

pub use options::{FileOptions, Format, Rotation};
use writer::Writer;

/// Appends records to a file. Cheap to make: the file is opened when the first record comes.
#[derive(Debug)]
pub struct FilePublisher {
    writer: Arc<Mutex<Writer>>,
}

/// What went wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot {operation} {}: {source}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

impl FileError {
    /// The label under which failures are counted.
    fn cause(&self) -> &'static str {
        let Self::Io { source, .. } = self;
        match source.kind() {
            io::ErrorKind::StorageFull => "no_space",
            io::ErrorKind::QuotaExceeded => "quota",
            io::ErrorKind::PermissionDenied => "permission",
            io::ErrorKind::ReadOnlyFilesystem => "read_only",
            io::ErrorKind::NotFound => "no_directory",
            _ => "input_output",
        }
    }
}

impl FilePublisher {
    /// The publisher for `url`, writing through `medium`.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when the URL has no path or its numbers are none.
    pub fn new(url: &PublisherUrl, medium: Arc<dyn Medium>) -> Result<Self, BuildError> {
        let options = FileOptions::from_url(url)?;
        Ok(Self { writer: Arc::new(Mutex::new(Writer::new(options, medium))) })
    }
}

impl Publisher for FilePublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        let writer = Arc::clone(&self.writer);
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || {
                // A panic while the lock was held leaves the position in doubt: `write` starts by opening anew.
                let mut writer = writer.lock().unwrap_or_else(|poisoned| {
                    let mut writer = PoisonError::into_inner(poisoned);
                    writer.forget();
                    writer
                });
                writer.write(&groups)
            });
            match written.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(PublishError { cause: error.cause(), message: error.to_string() }),
                Err(stopped) => Err(PublishError { cause: "panic", message: stopped.to_string() }),
            }
        })
    }
}
