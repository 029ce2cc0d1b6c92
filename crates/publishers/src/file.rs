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

mod lines;
mod options;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use buffer::medium::Medium;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, Refusals};

use lines::Lines;
pub use options::{FileOptions, Format, Rotation};
use writer::{Part, Writer};

/// Text that is printed before it is handed to the disk, in bytes; one record more may stand behind it.
const PART_BYTES: usize = 1024 * 1024;
/// Memory that is kept for the next part, in bytes.
const KEPT_BYTES: usize = 256 * 1024;

/// Appends records to a file. Cheap to make: the file is opened when the first record comes.
#[derive(Debug)]
pub struct FilePublisher {
    format: Format,
    writer: Arc<Mutex<Writer>>,
    lines: Lines,
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
        let format = options.format;
        Ok(Self {
            format,
            writer: Arc::new(Mutex::new(Writer::new(options, medium))),
            lines: Lines::default(),
        })
    }

    async fn publish_all(&mut self, groups: &[Records]) -> Result<(), PublishError> {
        // What an attempt that failed has left.
        self.lines.clear(KEPT_BYTES);
        let mut is_first = true;
        // Printed here, on the thread that made the records: their memory is given back where it was taken, and the
        // thread that waits for the disk gets plain bytes.
        for records in groups {
            if self.lines.text().len() >= PART_BYTES {
                self.write(Part { is_first, is_last: false }).await?;
                is_first = false;
            }
            self.lines.print(records, self.format);
        }
        self.write(Part { is_first, is_last: true }).await
    }

    /// Writes the lines on a thread that may block.
    async fn write(&mut self, part: Part) -> Result<(), PublishError> {
        let writer = Arc::clone(&self.writer);
        let lines = std::mem::take(&mut self.lines);
        let written = tokio::task::spawn_blocking(move || {
            // A panic while the lock was held leaves the position in doubt: `write` starts by opening anew.
            let mut writer = writer.lock().unwrap_or_else(|poisoned| {
                let mut writer = PoisonError::into_inner(poisoned);
                writer.forget();
                writer
            });
            let written = writer.write(&lines, part);
            (lines, written)
        });
        match written.await {
            Ok((lines, written)) => {
                self.lines = lines;
                self.lines.clear(KEPT_BYTES);
                written.map_err(|error| PublishError { cause: error.cause(), message: error.to_string() })
            }
            Err(stopped) => Err(PublishError { cause: "panic", message: stopped.to_string() }),
        }
    }
}

impl Publisher for FilePublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await.map(|()| Refusals::default()) })
    }
}
