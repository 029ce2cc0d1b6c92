//! [`Heartbeats`]: when each pollster last ran, on a Unix socket (`[polling] heartbeat_socket_dir`).
//!
//! Whoever connects is told `<pollster> <time>` a line, the lines joined by line ends, and the connection is closed; container
//! health checks look for a pollster that has not run for long. Nothing is read.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// How long one client may take to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// The wait after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// When each pollster last ran. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Arc<Mutex<Vec<(String, String)>>>);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatSocketError {
    /// Something that is no socket stands there.
    #[error("{} exists and is not a socket; remove it, or set [polling] heartbeat_socket_dir to another directory", path.display())]
    NotASocket {
        /// What stands there.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {operation} the heartbeat socket {}; see [polling] heartbeat_socket_dir", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Where the socket of an agent with these namespaces stands.
#[must_use]
pub fn socket_path(directory: &Path, namespaces: &[String]) -> PathBuf {
    let mut sorted: Vec<&str> = namespaces.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    directory.join(format!("ceilometer-{}.socket", sorted.join("-")))
}

impl Heartbeats {
    /// A pollster runs at that time, an ISO 8601 text.
    pub fn beat(&self, pollster: &str, time: &str) {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match beats.iter_mut().find(|(known, _)| known == pollster) {
            Some((_, last)) => time.clone_into(last),
            None => beats.push((pollster.to_owned(), time.to_owned())),
        }
    }

    /// What a client is told: each pollster in the order of their first run.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (pollster, time) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let end = if text.is_empty() { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{end}{pollster} {time}");
        }
        text
    }

    /// Binds `path`, in place of a socket that another process has left there.
    ///
    /// # Errors
    /// [`HeartbeatSocketError`].
    pub fn bind(path: &Path) -> Result<StdListener, HeartbeatSocketError> {
        let failed =
            |operation, source| HeartbeatSocketError::Io { operation, path: path.to_owned(), source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                std::fs::remove_file(path).map_err(|error| failed("remove", error))?;
            }
            Ok(_) => return Err(HeartbeatSocketError::NotASocket { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", error)),
        }
        let listener = StdListener::bind(path).map_err(|error| failed("bind", error))?;
        listener.set_nonblocking(true).map_err(|error| failed("prepare", error))?;
        Ok(listener)
    }

    /// Answers clients until `stop`, one after another, and removes the socket. Needs a runtime.
    ///
    /// # Errors
    /// When the runtime cannot have the socket.
    pub async fn serve(
        self,
        listener: StdListener,
        path: PathBuf,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let listener = UnixListener::from_std(listener)?;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) => self.tell(client).await,
                Err(error) => {
                    tracing::warn!("the heartbeat socket gives no connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // It may be gone already.
        let _ = std::fs::remove_file(&path);
        Ok(())
    }

    async fn tell(&self, mut client: UnixStream) {
        let text = self.text();
        let told = tokio::time::timeout(PATIENCE, async {
            client.write_all(text.as_bytes()).await?;
            client.shutdown().await
        });
        match told.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("a client of the heartbeat socket has gone: {error}"),
            Err(_) => tracing::debug!("a client of the heartbeat socket does not read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_socket_has_the_name_of_the_sorted_namespaces() {
        let names = ["compute".to_owned(), "central".to_owned()];
        assert_eq!(
            socket_path(Path::new("/run"), &names),
            Path::new("/run/ceilometer-central-compute.socket")
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    #[allow(clippy::disallowed_methods, reason = "a test")]
    async fn whoever_connects_is_told_the_last_run_of_each() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.socket");
        // The standard library's listener leaves its file behind, as a killed process does.
        drop(StdListener::bind(&path).unwrap());
        let beats = Heartbeats::default();
        let stop = CancellationToken::new();
        let listener = Heartbeats::bind(&path).unwrap();
        let served = tokio::spawn(beats.clone().serve(listener, path.clone(), stop.clone()));
        let read = |path: PathBuf| {
            tokio::task::spawn_blocking(move || {
                let mut text = String::new();
                std::os::unix::net::UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
                text
            })
        };
        assert_eq!(read(path.clone()).await.unwrap(), "");
        beats.beat("b", "2026-11-26T05:00:00.5");
        beats.beat("a", "2026-11-26T05:00:01");
        beats.beat("b", "2026-11-26T05:05:00.5");
        assert_eq!(read(path.clone()).await.unwrap(), "b 2026-11-26T05:05:00.5\na 2026-11-26T05:00:01");
        stop.cancel();
        served.await.unwrap().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.socket");
        std::fs::write(&path, "precious").unwrap();
        let error = Heartbeats::bind(&path).unwrap_err();
        assert!(matches!(error, HeartbeatSocketError::NotASocket { .. }), "{error}");
        let error = Heartbeats::bind(&directory.path().join("none/x.socket")).unwrap_err();
        assert!(error.to_string().contains("[polling] heartbeat_socket_dir"), "{error}");
    }
}
