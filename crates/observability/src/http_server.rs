//! An HTTP server for a router, within limits that hold whatever clients do. It speaks HTTP/1.1, plain or over what a
//! [`Handshake`] makes of a connection.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What the server allows its clients. The default suits scrapers and probes on the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once; one more waits in the kernel's backlog until another has ended. Default 32.
    pub connections: usize,
    /// A client must send a request's header within this time, and an idle connection is closed after it. So long may a
    /// handshake take as well. Default 10 s.
    pub header_timeout: Duration,
    /// A connection takes no further request after this time, and ends after this time and [`LAST_ANSWER`], whatever it
    /// does, so that a client that never reads cannot hold its place. Default 5 min.
    pub connection_lifetime: Duration,
    /// A request whose header is longer is refused; a connection's buffers are as large. Default 16 KiB.
    pub header_bytes: usize,
    /// Time that open connections get to finish once the server is told to stop. Default 2 s.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 32,
            header_timeout: Duration::from_secs(10),
            connection_lifetime: Duration::from_mins(5),
            header_bytes: 16 * 1_024,
            drain: Duration::from_secs(2),
        }
    }
}

/// Time for the answer that a connection is given when its lifetime is over.
pub const LAST_ANSWER: Duration = Duration::from_secs(10);
/// Pause after `accept` failed (out of descriptors, for example), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is done with a connection before HTTP is spoken over it.
pub trait Handshake: Clone + Send + Sync + 'static {
    /// What comes of a connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Makes it. An error ends the connection; it is the client's trouble.
    fn shake(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Nothing: plain HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Stream = TcpStream;

    async fn shake(&self, stream: TcpStream) -> io::Result<TcpStream> {
        Ok(stream)
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {hint}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What to do about it.
    pub hint: &'static str,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => "the port is taken; set another listen address",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; use a higher one",
            _ => "the system refused",
        };
        Self { address, hint, source }
    }
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Binds `address` (port 0: a free one), so that a conflict is found at once and not in the background.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(address).await.map_err(|error| BindError::new(address, error))?;
        let address = listener.local_addr().map_err(|error| BindError::new(address, error))?;
        Ok(Self { listener, address })
    }

    /// Binds `address` where there is no runtime yet; [`Self::adopt`] takes what comes of it.
    pub fn bind_early(address: SocketAddr) -> Result<StdListener, BindError> {
        StdListener::bind(address).map_err(|error| BindError::new(address, error))
    }

    /// Takes a listener that was bound before. Must run inside a tokio runtime.
    pub fn adopt(listener: StdListener) -> Result<Self, BindError> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().map_err(|error| BindError::new(unknown, error))?;
        let failed = |error| BindError::new(address, error);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address that was bound, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop` is cancelled. From then on connections are refused, idle ones are closed, and requests
    /// that have begun are answered, for [`ServerLimits::drain`].
    pub async fn serve<H: Handshake>(
        self,
        router: Router,
        handshake: H,
        limits: ServerLimits,
        stop: CancellationToken,
    ) {
        let places = Arc::new(Semaphore::new(limits.connections.max(1)));
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            // Forget those that have ended, so that the set stays as small as the limit.
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (router, handshake, stop) = (router.clone(), handshake.clone(), stop.clone());
                    connections.spawn(async move {
                        // A client that went away, sent nonsense or stayed too long is its own trouble.
                        match tokio::time::timeout(limits.header_timeout, handshake.shake(stream)).await {
                            Ok(Ok(stream)) => serve_connection(stream, router, limits, stop).await,
                            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                            Err(_elapsed) => tracing::debug!("a handshake took too long"),
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let finished =
            tokio::time::timeout(limits.drain, async { while connections.join_next().await.is_some() {} });
        if finished.await.is_err() {
            connections.abort_all();
        }
    }
}

async fn serve_connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(8_192))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = async {
        tokio::select! {
            served = connection.as_mut() => return served,
            () = stop.cancelled() => {}
            () = tokio::time::sleep(limits.connection_lifetime) => {}
        }
        // What is being answered is answered in full.
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Ok(Err(error)) = tokio::time::timeout(limits.connection_lifetime + LAST_ANSWER, served).await {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// Whether a request asks for OpenMetrics: it is for those who name it, everybody else gets the older text.
pub fn wants_openmetrics(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named =
                parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused =
                parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32));
            named && !refused
        })
}
