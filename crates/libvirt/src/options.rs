//! How a connection is made and kept.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::event::EventKind;

/// How long a call is waited for, unless the caller says otherwise.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long opening may take as a whole: socket, TLS, authentication and the driver.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls that may be under way at once. A daemon reads no further request, not even keep-alive, while five of a
/// client's are unanswered (`max_client_requests`); one place is left for those.
pub const DEFAULT_IN_FLIGHT_MAX: usize = 4;
/// Where the machine's daemons have their sockets.
pub const DEFAULT_RUNTIME_DIR: &str = "/run/libvirt";

/// What a connection needs to know beside its URI.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Only what changes nothing may be called. Also decides between the sockets `…-sock-ro` and `…-sock`.
    pub read_only: bool,
    /// How long each call is waited for; [`Connection::with_timeout`](crate::Connection::with_timeout) changes it.
    pub call_timeout: Duration,
    /// How long opening may take as a whole.
    pub connect_timeout: Duration,
    /// Whether silence is taken for the connection's end.
    pub keep_alive: Option<KeepAlive>,
    /// Calls that may be under way at once; further ones wait for their turn, within their deadline. A call that was
    /// given up keeps its place until its answer comes, because the daemon still works on it.
    pub in_flight_max: usize,
    /// User and password, should the daemon want them.
    pub credentials: Option<Credentials>,
    /// Events to ask the daemon for. Who calls [`Connection::events`](crate::Connection::events) first and lists the
    /// domains then misses nothing.
    pub events: Vec<EventKind>,
    /// Where the machine's daemons have their sockets.
    pub runtime_dir: PathBuf,
    /// Where the user's own daemons have theirs: `$XDG_RUNTIME_DIR/libvirt`. Without it, `/run/user/ID/libvirt`.
    pub session_dir: Option<PathBuf>,
    /// Makes TLS connections, for URIs that want them.
    pub tls: Option<Arc<dyn TlsConnector>>,
}

impl Default for ConnectOptions {
    /// Read-only, with keep-alive, without events, credentials and TLS.
    fn default() -> Self {
        Self {
            read_only: true,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            keep_alive: Some(KeepAlive::default()),
            in_flight_max: DEFAULT_IN_FLIGHT_MAX,
            credentials: None,
            events: Vec::new(),
            runtime_dir: PathBuf::from(DEFAULT_RUNTIME_DIR),
            session_dir: None,
            tls: None,
        }
    }
}

/// When silence is taken for the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// After so long without a packet the daemon is asked whether it is there.
    pub interval: Duration,
    /// So many questions without an answer end the connection.
    pub count: u32,
}

impl Default for KeepAlive {
    /// Every 5 s, five times, as libvirt's own tools do.
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), count: 5 }
    }
}

/// User and password for SASL. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Anything that bytes can be read from and written to.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What [`TlsConnector::connect`] returns.
pub type TlsFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

/// Makes a TLS connection of a TCP connection. This crate names no TLS library: the caller brings one.
pub trait TlsConnector: fmt::Debug + Send + Sync {
    /// Shakes hands over `tcp`; `host` is the name or address that the daemon's certificate must be for.
    fn connect(&self, host: &str, tcp: TcpStream) -> TlsFuture;
}
