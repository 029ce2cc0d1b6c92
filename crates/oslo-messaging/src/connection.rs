//! One connection to one broker: TCP, TLS, login. No retries here; that is the supervisor's part.

mod socket;
mod tls;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_rs::Runtime;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::RustlsConnector;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{AsyncTcpStream, ConnectionProperties, ErrorKind};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::socket::{Cutter, GatedStream, Kit};
pub use self::tls::TlsError;
use crate::budget::Meter;
use crate::options::{LoginMethod, RabbitOptions};
use crate::url::Endpoint;

/// Wait for one TCP connection, name resolution included.
const TCP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for the TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for AMQP's handshake and login.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// Wait for an orderly close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Name resolution or TCP failed.
    #[error("cannot reach {endpoint}")]
    Unreachable {
        /// Host and port.
        endpoint: String,
        /// Reason.
        #[source]
        source: io::Error,
    },
    /// Nothing happened in time.
    #[error("{endpoint} did not answer within {seconds} s ({stage})")]
    Timeout {
        /// Host and port.
        endpoint: String,
        /// What was waited for.
        stage: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The files for TLS are unusable.
    #[error(transparent)]
    TlsFiles(#[from] TlsError),
    /// The TLS handshake failed.
    #[error("TLS handshake with {endpoint} failed")]
    Tls {
        /// Host and port.
        endpoint: String,
        /// Reason.
        #[source]
        source: io::Error,
    },
    /// The broker refuses user, password or certificate.
    #[error("{endpoint} refused the login of user {user:?}: {reply}")]
    Login {
        /// Host and port.
        endpoint: String,
        /// User name.
        user: String,
        /// The broker's words.
        reply: String,
    },
    /// The virtual host does not exist, or the user may not use it.
    #[error("{endpoint} refused virtual host {vhost:?}: {reply}")]
    VirtualHost {
        /// Host and port.
        endpoint: String,
        /// Virtual host.
        vhost: String,
        /// The broker's words.
        reply: String,
    },
    /// Anything else that AMQP or lapin reports.
    #[error("AMQP handshake with {endpoint} failed")]
    Protocol {
        /// Host and port.
        endpoint: String,
        /// Reason.
        #[source]
        source: lapin::Error,
    },
}

impl ConnectError {
    /// Short name of the cause, for a metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::TlsFiles(_) => "tls_files",
            Self::Tls { .. } => "tls",
            Self::Login { .. } => "login",
            Self::VirtualHost { .. } => "virtual_host",
            Self::Protocol { .. } => "protocol",
        }
    }
}

/// What every connection of a listener or notifier has in common.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) vhost: String,
    pub(crate) options: RabbitOptions,
    pub(crate) check_name: bool,
    /// Shown in the broker's list of connections.
    pub(crate) name: String,
    /// Frame size asked for. lapin keeps 32 frames of buffer in each direction, and what it sends goes round in all of it.
    pub(crate) frame_bytes: u32,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: lapin::Connection,
    cutter: Arc<Cutter>,
}

impl Link {
    /// Closes in order if the broker plays along, and the hard way if it does not.
    pub(crate) async fn close(self) {
        let close = self.connection.close(200, "bye".into());
        if !matches!(timeout(CLOSE_TIMEOUT, close).await, Ok(Ok(()))) {
            tracing::debug!("connection was not closed in order");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cutter.cut();
    }
}

/// Cuts the socket unless told that all went well; covers timeouts and cancellation alike.
struct CutOnDrop(Option<Arc<Cutter>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(cutter) = self.0.take() {
            cutter.cut();
        }
    }
}

/// Connects to `endpoint` and logs in.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    profile: &Profile,
    meter: Option<Arc<Meter>>,
) -> Result<Link, ConnectError> {
    let tcp = tcp(endpoint).await?;
    let cutter = Arc::new(Cutter::default());
    let mut guard = CutOnDrop(Some(Arc::clone(&cutter)));
    let mut stream = AsyncTcpStream::Plain(GatedStream::new(tcp, meter, Arc::clone(&cutter)));
    if profile.options.ssl {
        let config = tls::client_config(&profile.options, profile.check_name)?;
        let connector = RustlsConnector::from(config);
        stream = timeout(TLS_TIMEOUT, stream.into_rustls(&connector, &endpoint.host))
            .await
            .map_err(|_| timed_out(endpoint, "TLS handshake", TLS_TIMEOUT))?
            .map_err(|source| ConnectError::Tls { endpoint: endpoint.to_string(), source })?;
    }
    let handshake = handshake(endpoint, profile, stream);
    let connection = timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .map_err(|_| timed_out(endpoint, "AMQP handshake", HANDSHAKE_TIMEOUT))?
        .map_err(|source| classify(source, endpoint, profile))?;
    guard.0 = None;
    Ok(Link { connection, cutter })
}

async fn tcp(endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { endpoint: endpoint.to_string(), source };
    let tcp = timeout(TCP_CONNECT_TIMEOUT, TcpStream::connect((endpoint.host.as_str(), endpoint.port)))
        .await
        .map_err(|_| timed_out(endpoint, "TCP connect", TCP_CONNECT_TIMEOUT))?
        .map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    // Heartbeats find a dead peer first; this is for those who switch heartbeats off.
    rustix::net::sockopt::set_socket_keepalive(&tcp, true).map_err(|errno| unreachable(errno.into()))?;
    Ok(tcp)
}

fn timed_out(endpoint: &Endpoint, stage: &'static str, wait: Duration) -> ConnectError {
    ConnectError::Timeout { endpoint: endpoint.to_string(), stage, seconds: wait.as_secs() }
}

async fn handshake(
    endpoint: &Endpoint,
    profile: &Profile,
    stream: AsyncTcpStream<GatedStream>,
) -> lapin::Result<lapin::Connection> {
    let uri = AMQPUri {
        scheme: if profile.options.ssl { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: endpoint.username.clone(),
                password: endpoint.password.reveal().to_owned(),
            },
            host: endpoint.host.clone(),
            port: endpoint.port,
        },
        vhost: profile.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(profile.frame_bytes),
            heartbeat: Some(profile.options.heartbeat_timeout_threshold),
            auth_mechanism: Some(match profile.options.rabbit_login_method {
                LoginMethod::Plain => SASLMechanism::Plain,
                LoginMethod::AmqPlain => SASLMechanism::AMQPlain,
                LoginMethod::External => SASLMechanism::External,
            }),
            ..AMQPQueryString::default()
        },
    };
    let properties = ConnectionProperties::default()
        .with_connection_name(profile.name.as_str().into())
        .with_client_property("product".into(), "nephoscope".into());
    // lapin asks for a stream; it gets the one that is open already, once.
    let ready = Mutex::new(Some(stream));
    let give = async move |_: AMQPUri, _: Runtime<Kit>| {
        let taken = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| lapin::Error::from(io::Error::from(io::ErrorKind::NotConnected)))
    };
    lapin::Connection::connector(uri, socket::runtime(), give, properties).await
}

fn classify(source: lapin::Error, endpoint: &Endpoint, profile: &Profile) -> ConnectError {
    let endpoint_text = endpoint.to_string();
    if let ErrorKind::ProtocolError(error) = source.kind() {
        let reply = error.get_message().to_string();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                return ConnectError::Login {
                    endpoint: endpoint_text,
                    user: endpoint.username.clone(),
                    reply,
                };
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                return ConnectError::VirtualHost {
                    endpoint: endpoint_text,
                    vhost: profile.vhost.clone(),
                    reply,
                };
            }
            _ => {}
        }
    }
    ConnectError::Protocol { endpoint: endpoint_text, source }
}
