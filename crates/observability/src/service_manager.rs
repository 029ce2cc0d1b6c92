//! systemd's notification protocol (`sd_notify(3)`), and a watchdog tied to real progress.
//!
//! The binary hands over what it found in its environment as [`NotifySettings`]; without a socket every call does
//! nothing. A message that cannot be delivered is logged once and never holds the program up.

mod watchdog;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;

pub use watchdog::{Progress, ProgressRegistry};

/// A service manager that does not take a datagram within this time is left without it.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// How often it is asked for more time, and for how much: well below the 90 s that systemd waits by itself.
const HOLD_EVERY: Duration = Duration::from_secs(20);
const HOLD_FOR: Duration = Duration::from_secs(90);

/// What the service manager put into the environment, read by the binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// `NOTIFY_SOCKET`: a path, or an abstract name after `@`.
    pub socket: Option<OsString>,
    /// `WATCHDOG_USEC` as a duration, if it is meant for this process (`WATCHDOG_PID`).
    pub watchdog: Option<Duration>,
}

impl NotifySettings {
    /// From the values of `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` and this process's id. A watchdog value
    /// that is no positive number of microseconds, or is meant for another process, is no watchdog.
    pub fn from_values(
        socket: Option<&OsStr>,
        watchdog_microseconds: Option<&str>,
        watchdog_pid: Option<&str>,
        own_pid: u32,
    ) -> Self {
        let is_ours = watchdog_pid.is_none_or(|pid| pid.trim().parse() == Ok(own_pid));
        let watchdog = watchdog_microseconds
            .and_then(|text| text.trim().parse().ok())
            .filter(|microseconds| is_ours && *microseconds > 0)
            .map(Duration::from_micros);
        Self { socket: socket.filter(|socket| !socket.is_empty()).map(OsStr::to_owned), watchdog }
    }
}

/// Why the notification socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServiceManagerError {
    /// Neither an absolute path nor an abstract name.
    #[error(
        "cannot notify the service manager over {socket:?}: only absolute paths and abstract names (@…) are known"
    )]
    Unsupported {
        /// The value of `NOTIFY_SOCKET`.
        socket: OsString,
    },
    /// The name is too long, or the system refused a socket.
    #[error("cannot notify the service manager over {socket:?}")]
    Socket {
        /// The value of `NOTIFY_SOCKET`.
        socket: OsString,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// The way to the service manager. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServiceManager(Option<Arc<Connection>>);

#[derive(Debug)]
struct Connection {
    socket: UnixDatagram,
    address: SocketAddr,
    complained: AtomicBool,
}

impl ServiceManager {
    /// Opens the socket that `settings` name; without one, a manager whose calls do nothing.
    pub fn connect(settings: &NotifySettings) -> Result<Self, ServiceManagerError> {
        let Some(name) = &settings.socket else { return Ok(Self(None)) };
        let failed = |source| ServiceManagerError::Socket { socket: name.clone(), source };
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name).map_err(failed)?,
            [b'/', ..] => SocketAddr::from_pathname(name).map_err(failed)?,
            _ => return Err(ServiceManagerError::Unsupported { socket: name.clone() }),
        };
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT)).map_err(failed)?;
        Ok(Self(Some(Arc::new(Connection { socket, address, complained: AtomicBool::new(false) }))))
    }

    /// A manager whose calls do nothing.
    pub fn absent() -> Self {
        Self(None)
    }

    /// Whether somebody listens.
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// The role does its work (`READY=1`); also ends a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// The configuration is read anew (`RELOADING=1` with the time, as `Type=notify-reload` wants it). Call
    /// [`ServiceManager::ready`] when it is done.
    pub fn reloading(&self, clock: &Clock) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock.monotonic().as_micros()));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// The role drains (`STOPPING=1`).
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
    }

    /// Start, reload or stop takes up to `more` from now on (`EXTEND_TIMEOUT_USEC`).
    pub fn extend_timeout(&self, more: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", more.as_micros()));
    }

    /// Waits for something that may take longer than the manager waits for a start, and asks it for more time meanwhile.
    pub async fn hold_while<T>(&self, clock: &Clock, status: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = clock.sleep(HOLD_EVERY) => {
                    self.status(status);
                    self.extend_timeout(HOLD_FOR);
                }
            }
        }
    }

    fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        let Some(connection) = &self.0 else { return };
        match connection.socket.send_to_addr(message.as_bytes(), &connection.address) {
            Ok(_) => connection.complained.store(false, Ordering::Relaxed),
            Err(error) => {
                if !connection.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "cannot notify the service manager");
                }
            }
        }
    }
}

/// Newlines separate assignments in the protocol; a status that quotes a peer must not make new ones.
fn one_line(status: &str) -> String {
    status.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests;
