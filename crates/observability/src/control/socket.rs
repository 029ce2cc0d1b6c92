//! [`ControlSocket`]: a socket that only its user may connect to, and that only a dead process loses.
//!
//! Beside `NAME.sock` lies `NAME.lock`, which the process that serves the socket keeps locked while it lives. Who holds
//! the lock may remove what a dead process has left and bind anew; the kernel lets a lock go with its process, however
//! that ends. The lock's file stays: removing it would let two processes lock two files of one name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlSocketError {
    /// Another process serves it.
    #[error("{} is served by another process", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket stands there.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// What stands there.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A bound socket. Dropped, it is removed.
#[derive(Debug)]
pub struct ControlSocket {
    listener: Option<UnixListener>,
    path: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

impl ControlSocket {
    /// Binds `path`, makes its directory if that is missing, and replaces what a dead process has left.
    ///
    /// # Errors
    /// [`ControlSocketError::Taken`] when a living process serves it, which is left alone.
    pub fn bind(path: &Path) -> Result<Self, ControlSocketError> {
        let failed = |operation: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| ControlSocketError::Io { operation, path, source }
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed("make the directory", directory))?;
        }
        let lock_path = path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(MODE)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ControlSocketError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source)),
        }
        remove_dead(path)?;
        let listener = bind_private(path).map_err(|error| failed("bind", path)(error.into()))?;
        Ok(Self { listener: Some(listener), path: path.to_owned(), _lock: lock })
    }

    /// Where it is bound.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listener, which does not block.
    pub(super) fn listener(&mut self) -> io::Result<UnixListener> {
        self.listener.take().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The lock is still held: nobody else has bound it meanwhile. A socket that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket that nobody serves.
fn remove_dead(path: &Path) -> Result<(), ControlSocketError> {
    let failed = |operation: &'static str, source: io::Error| ControlSocketError::Io {
        operation,
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(ControlSocketError::NotASocket { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", error)),
    }
    // Somebody may have removed the lock of one that lives.
    if is_served(path).map_err(|error| failed("connect to", error.into()))? {
        return Err(ControlSocketError::Taken { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(|error| failed("remove", error))
}

/// Whether a process listens.
fn is_served(path: &Path) -> Result<bool, Errno> {
    match connect_at_once(path) {
        Ok(_) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Connects to a control socket, as its client. Does not wait: where as many connections as the kernel keeps wait to be
/// accepted, which they do when the process is stuck, it fails with `WouldBlock`. The stream itself blocks.
pub fn connect_control(path: &Path) -> io::Result<UnixStream> {
    let stream = connect_at_once(path)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn connect_at_once(path: &Path) -> Result<UnixStream, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Binds a socket that has its mode from the first moment: Linux makes the file with the mode of the unbound socket, as
/// far as the umask allows.
fn bind_private(path: &Path) -> Result<UnixListener, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_socket_is_its_owners_and_goes_with_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/agent.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, MODE);
        assert_eq!(fs::metadata(path.with_extension("lock")).unwrap().permissions().mode() & 0o7777, MODE);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
        ControlSocket::bind(&path).unwrap();
    }

    #[test]
    fn a_living_socket_is_not_stolen_not_even_without_its_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        let refused = ControlSocket::bind(&path).unwrap_err();
        assert!(matches!(refused, ControlSocketError::Taken { .. }), "{refused}");
        fs::remove_file(path.with_extension("lock")).unwrap();
        let refused = ControlSocket::bind(&path).unwrap_err();
        assert_eq!(refused.to_string(), format!("{} is served by another process", path.display()));
        UnixStream::connect(&path).unwrap();
        drop(socket);
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_and_other_files_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        // The standard library's listener leaves its file behind, as a killed process does.
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let socket = ControlSocket::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(socket);
        fs::write(&path, "precious").unwrap();
        let refused = ControlSocket::bind(&path).unwrap_err();
        assert!(matches!(refused, ControlSocketError::NotASocket { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_cannot_be_bound_is_an_error_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(200)).join("agent.sock");
        let refused = ControlSocket::bind(&long).unwrap_err().to_string();
        assert!(refused.starts_with("cannot bind /") && refused.contains("too long"), "{refused}");
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = ControlSocket::bind(&file.join("agent.sock")).unwrap_err().to_string();
        assert!(refused.starts_with("cannot make the directory"), "{refused}");
    }
}
