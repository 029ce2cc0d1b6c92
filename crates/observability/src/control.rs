//! A Unix socket for live commands: a client sends one line, and gets lines until either side ends.
//!
//! The socket belongs to one user ([`ControlSocket`]); what a line means is told by the handler that
//! [`ControlServer::serve`] is given. Everything about a client is bounded: how many there are, how long the line is and
//! how long it may take, and how long a client may leave what it is sent unread.

mod socket;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::causes;
use crate::metrics::{CauseCounter, Component, Counter, Gauge};

pub use socket::{ControlSocket, ControlSocketError, connect_control};

/// What the server allows its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlLimits {
    /// Clients at once; one more is told so and let go. Default 16.
    pub clients: usize,
    /// Length of a request at most, in bytes without the line's end. Default 256 KiB.
    pub request_bytes: usize,
    /// A client must have sent its request within this time. Default 5 s.
    pub request_timeout: Duration,
    /// A client that has left what it was sent unread for so long is let go. Default 10 s.
    pub write_timeout: Duration,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            clients: 16,
            request_bytes: 256 * 1024,
            request_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Pause after `accept` failed (out of descriptors, for example), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Time that handlers get to finish once the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(2);

causes! {
    /// Why a client was let go before its time.
    pub enum LetGo {
        /// There are as many clients as are allowed.
        Busy => "busy",
        /// It did not send its request in time.
        NoRequest => "no_request",
        /// Its request is too long or is not UTF-8.
        BadRequest => "bad_request",
        /// It does not read what it is sent.
        Slow => "slow",
    }
}

/// What the server counts.
#[derive(Debug, Clone)]
pub struct ControlMetrics {
    clients: Gauge,
    requests: Counter,
    let_go: CauseCounter<LetGo>,
}

impl ControlMetrics {
    /// Registers the metrics under the component's name.
    pub fn register(component: &Component) -> Self {
        Self {
            clients: component.gauge("clients", "Clients of the control socket now"),
            requests: component.counter("requests", "Requests that came over the control socket"),
            let_go: component.counter_by_cause(
                "clients_let_go",
                "Clients of the control socket that were let go before they had ended",
            ),
        }
    }
}

/// A bound control socket that does not serve yet.
#[derive(Debug)]
pub struct ControlServer {
    socket: ControlSocket,
    listener: UnixListener,
    limits: ControlLimits,
    metrics: ControlMetrics,
}

/// The server's end of a connection, once the request has come.
#[derive(Debug)]
pub struct ControlClient {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    write_timeout: Duration,
    metrics: ControlMetrics,
    _place: Place,
}

/// The client has gone, or does not read.
#[derive(Debug, thiserror::Error)]
pub enum ControlClientError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// Nothing was read for the time allowed.
    #[error("the client has not read for {seconds} s")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
}

/// One of the places for clients, counted while it is taken.
#[derive(Debug)]
struct Place {
    metrics: ControlMetrics,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.clients.dec();
    }
}

impl ControlServer {
    /// Serves `socket`. Must run inside a tokio runtime.
    pub fn new(mut socket: ControlSocket, metrics: ControlMetrics) -> io::Result<Self> {
        let listener = UnixListener::from_std(socket.listener()?)?;
        Ok(Self { socket, listener, limits: ControlLimits::default(), metrics })
    }

    /// The same server with other limits.
    #[must_use]
    pub fn with_limits(self, limits: ControlLimits) -> Self {
        Self { limits, ..self }
    }

    /// Hands every request, without its line's end, to `handler`, until `stop` is cancelled; then lets handlers finish
    /// for a moment, and removes the socket. Each handler runs on its own, and should end when `stop` is cancelled.
    pub async fn serve<H, F>(self, stop: CancellationToken, handler: H)
    where
        H: Fn(String, ControlClient) -> F,
        F: Future<Output = ()> + Send + 'static,
        H: Clone + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.limits.clients.max(1)));
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            // Forget those that have ended, so that the set stays as small as the limit.
            while clients.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(permit) => {
                        let (stop, handler) = (stop.clone(), handler.clone());
                        let (limits, metrics) = (self.limits, self.metrics.clone());
                        clients.spawn(async move {
                            let listened = listen(stream, permit, limits, metrics);
                            let heard = tokio::select! {
                                () = stop.cancelled() => None,
                                heard = listened => heard,
                            };
                            if let Some((request, client)) = heard {
                                handler(request, client).await;
                            }
                        });
                    }
                    Err(_) => self.refuse(&stream),
                },
                Err(error) => {
                    let path = self.socket.path().display();
                    tracing::warn!(%error, %path, "cannot accept a client of the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let finished =
            tokio::time::timeout(DRAIN_TIME, async { while clients.join_next().await.is_some() {} });
        if finished.await.is_err() {
            clients.abort_all();
        }
    }

    /// Says that there is no place. A line fits into the buffer of a new connection; nobody waits for it to be read.
    fn refuse(&self, stream: &UnixStream) {
        self.metrics.let_go.increment(LetGo::Busy);
        let line = format!("{{\"error\": \"{} clients are connected already\"}}\n", self.limits.clients);
        let _ = stream.try_write(line.as_bytes());
    }
}

/// Waits for the request.
async fn listen(
    stream: UnixStream,
    permit: OwnedSemaphorePermit,
    limits: ControlLimits,
    metrics: ControlMetrics,
) -> Option<(String, ControlClient)> {
    metrics.clients.inc();
    let place = Place { metrics: metrics.clone(), _permit: permit };
    let (read, write) = stream.into_split();
    let write_timeout = limits.write_timeout;
    let mut client = ControlClient { read, write, write_timeout, metrics: metrics.clone(), _place: place };
    let line = client.line(limits.request_bytes);
    let (cause, words) = match tokio::time::timeout(limits.request_timeout, line).await {
        Ok(Ok(Some(request))) => {
            metrics.requests.inc();
            return Some((request, client));
        }
        // It has gone without a word, as one that looks whether somebody is here.
        Ok(Err(_)) => return None,
        Ok(Ok(None)) => (LetGo::BadRequest, "the request is too long, or is not UTF-8"),
        Err(_) => (LetGo::NoRequest, "no request came"),
    };
    metrics.let_go.increment(cause);
    let _ = client.send(format!("{{\"error\": \"{words}\"}}\n").as_bytes()).await;
    None
}

impl ControlClient {
    /// Reads a line of at most `most` bytes; `None` when it is longer, or is not UTF-8.
    async fn line(&mut self, most: usize) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let read = self.read.read(&mut piece).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = piece.get(..read).unwrap_or_default();
            let end = piece.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(piece.get(..end.unwrap_or(read)).unwrap_or_default());
            if line.len() > most {
                return Ok(None);
            }
            if end.is_some() {
                return Ok(String::from_utf8(line).ok());
            }
        }
    }

    /// Sends `text`, waiting while the client reads.
    ///
    /// # Errors
    /// [`ControlClientError`]; there is no use in sending more then.
    pub async fn send(&mut self, mut text: &[u8]) -> Result<(), ControlClientError> {
        // The deadline holds for each piece that is read, not for a long text as a whole.
        while !text.is_empty() {
            let Ok(written) = tokio::time::timeout(self.write_timeout, self.write.write(text)).await else {
                self.metrics.let_go.increment(LetGo::Slow);
                return Err(ControlClientError::Slow { seconds: self.write_timeout.as_secs() });
            };
            let written = written?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            text = text.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Completes when the client has closed its end, or says anything more, for which there is no use.
    pub async fn gone(&mut self) {
        let _ = self.read.read(&mut [0]).await;
    }
}
