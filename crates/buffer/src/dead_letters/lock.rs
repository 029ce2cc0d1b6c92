//! The lock that commands have among themselves.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::DeadLetters;

const NAME: &str = "lock";

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another command holds it.
    #[error("another command is changing the dead letters ({} is locked): try again when it is done", .0.display())]
    Held(PathBuf),
    /// The file cannot be opened or locked.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The right to take letters away. Given back when dropped, or when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// A lock on a medium that no other process sees.
    #[must_use]
    pub const fn private() -> Self {
        Self { _file: None }
    }
}

impl DeadLetters {
    /// Takes the lock without waiting. The directory must exist on the real file system.
    pub fn lock_for_changes(&self) -> Result<Lock, LockError> {
        let path = self.directory.join(NAME);
        let failed = |source| LockError::Io { path: path.clone(), source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: Some(file) }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held(path)),
            Err(error) => Err(failed(error.into())),
        }
    }
}
