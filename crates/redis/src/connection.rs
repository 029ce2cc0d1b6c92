//! One connection to one server: a request, an answer, a deadline.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nephoscope_http::tls::client_tls;
use observability::clock::{Clock, MonotonicTime};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServerError {
    /// No answer in time.
    #[error("{server}: no answer within {} s", limit.as_secs_f64())]
    Timeout {
        /// Who.
        server: String,
        /// How long we waited.
        limit: Duration,
    },
    /// No connection, or it broke.
    #[error("{server}: {reason}")]
    Connection {
        /// Who.
        server: String,
        /// What happened.
        reason: String,
    },
    /// It failed a moment ago, and is left alone for a while.
    #[error("no server can be used at the moment: what failed is left alone for a while")]
    Resting,
    /// An answer that is none, or a refusal.
    #[error("{server}: {reason}")]
    Answer {
        /// Who.
        server: String,
        /// What it said.
        reason: String,
    },
}

impl ServerError {
    /// The label under which it is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Connection { .. } => "connection",
            Self::Resting => "resting",
            Self::Answer { .. } => "answer",
        }
    }
}

/// A server that cannot be reached as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct AddressError {
    /// What is wrong, with the option and its value.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl AddressError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// How far an answer has been read.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// More is to come.
    More,
    /// The answer, and how many bytes it has.
    Done(T, usize),
    /// It is no answer, or a refusal.
    Bad(String),
}

/// Reads the answer to what is sent first on a connection.
pub type Welcome = fn(&[u8]) -> Progress<()>;

/// How a server is reached.
#[derive(Debug, Clone)]
pub struct ServerOptions<'o> {
    /// The option that names it, for errors.
    pub option: &'static str,
    /// The options that name the files of TLS, for errors.
    pub tls_options: &'static str,
    /// `host`, `host:port`, `[address]:port`, or the path of a socket from its `/` on.
    pub address: &'o str,
    /// The port where the address names none.
    pub default_port: u16,
    /// TLS, if it is to be used.
    pub tls: Option<&'o nephoscope_http::TlsOptions>,
    /// Time for one access.
    pub timeout: Duration,
    /// How long the server is left alone when it has failed.
    pub rest: Duration,
    /// The most bytes of an answer.
    pub answer_bytes_max: usize,
}

/// A server, with its connection while there is one.
pub struct Server {
    place: Place,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    rest: Duration,
    answer_bytes_max: usize,
    clock: Clock,
    stream: tokio::sync::Mutex<Option<Stream>>,
    rests_until: Mutex<Option<MonotonicTime>>,
}

enum Place {
    Tcp(String, u16),
    Socket(PathBuf),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}
type Stream = Box<dyn Both>;

impl Server {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// An address that is none, or TLS files that cannot be used.
    pub fn new(options: &ServerOptions<'_>, clock: Clock) -> Result<Self, AddressError> {
        let option = options.option;
        let mut tls = None;
        let place = if options.address.starts_with('/') {
            Place::Socket(options.address.into())
        } else {
            let (host, port) = host_and_port(options.address, options.default_port).ok_or_else(|| {
                AddressError::new(format!("{option}: {:?} is no server", options.address), "write host:port")
            })?;
            if let Some(given) = options.tls {
                let config = client_tls(given).map_err(|error| {
                    AddressError::new(
                        format!("TLS towards {host}: {error}"),
                        format!("correct {}", options.tls_options),
                    )
                })?;
                let name = ServerName::try_from(host.clone()).map_err(|error| {
                    AddressError::new(format!("{option}: {host}: {error}"), "write host:port")
                })?;
                tls = Some((TlsConnector::from(Arc::new(config)), name));
            }
            Place::Tcp(host, port)
        };
        Ok(Self {
            tls,
            place,
            timeout: options.timeout,
            rest: options.rest,
            answer_bytes_max: options.answer_bytes_max,
            clock,
            stream: tokio::sync::Mutex::new(None),
            rests_until: Mutex::new(None),
        })
    }

    /// For messages.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Tcp(host, port) => format!("{host}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        }
    }

    /// Whether it may be asked: it has not failed lately.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        rests_until.is_none_or(|until| self.clock.monotonic() >= until)
    }

    /// Sends a request and reads its answer. On a new connection, `hello` and its answer come first.
    ///
    /// # Errors
    /// [`ServerError`]; the request may have been carried out all the same.
    pub async fn ask<T>(
        &self,
        hello: Option<(&[u8], Welcome)>,
        request: &[u8],
        answer: impl Fn(&[u8]) -> Progress<T>,
    ) -> Result<T, ServerError> {
        if !self.is_up() {
            return Err(ServerError::Resting);
        }
        let asked = tokio::time::timeout(self.timeout, self.exchange(hello, request, &answer)).await;
        let asked =
            asked.unwrap_or_else(|_| Err(ServerError::Timeout { server: self.name(), limit: self.timeout }));
        let rests_until = match &asked {
            Err(ServerError::Timeout { .. } | ServerError::Connection { .. }) => {
                Some(self.clock.monotonic().plus(self.rest))
            }
            _ => None,
        };
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = rests_until;
        asked
    }

    async fn exchange<T>(
        &self,
        hello: Option<(&[u8], Welcome)>,
        request: &[u8],
        answer: &impl Fn(&[u8]) -> Progress<T>,
    ) -> Result<T, ServerError> {
        let mut place = self.stream.lock().await;
        // Whatever interrupts us: a connection that is not put back is closed, so that no answer is taken for another's.
        if let Some(mut stream) = place.take() {
            match self.once(&mut stream, request, answer).await {
                // The server has closed it while it was idle.
                Err(ServerError::Connection { .. }) => {}
                other => {
                    if other.is_ok() {
                        *place = Some(stream);
                    }
                    return other;
                }
            }
        }
        let mut stream = self.connect().await.map_err(|error| self.broken(&error))?;
        if let Some((hello, welcome)) = hello {
            self.once(&mut stream, hello, &welcome).await?;
        }
        let answered = self.once(&mut stream, request, answer).await?;
        *place = Some(stream);
        Ok(answered)
    }

    async fn connect(&self) -> io::Result<Stream> {
        let stream = match &self.place {
            Place::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
            Place::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        };
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }

    async fn once<T>(
        &self,
        stream: &mut Stream,
        request: &[u8],
        answer: &impl Fn(&[u8]) -> Progress<T>,
    ) -> Result<T, ServerError> {
        let io = |error: io::Error| self.broken(&error);
        stream.write_all(request).await.map_err(io)?;
        stream.flush().await.map_err(io)?;
        let mut received = Vec::new();
        loop {
            match answer(&received) {
                Progress::Done(answer, length) if length == received.len() => return Ok(answer),
                Progress::Done(..) => return Err(self.bad("more than one answer".to_owned())),
                Progress::Bad(reason) => return Err(self.bad(reason)),
                Progress::More if received.len() > self.answer_bytes_max => {
                    return Err(self.bad(format!("an answer of more than {} bytes", self.answer_bytes_max)));
                }
                Progress::More => {}
            }
            if stream.read_buf(&mut received).await.map_err(io)? == 0 {
                return Err(self.broken(&io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn broken(&self, error: &io::Error) -> ServerError {
        ServerError::Connection { server: self.name(), reason: error.to_string() }
    }

    fn bad(&self, reason: String) -> ServerError {
        ServerError::Answer { server: self.name(), reason }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The first line of `bytes`, without its end, and how many bytes it has with it.
#[must_use]
pub fn line(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes.get(..end)?;
    Some((std::str::from_utf8(line).unwrap_or("(no text)"), end + 2))
}

/// `host`, `host:port`, `[address]:port`, and python-memcached's `inet:` and `inet6:` before them.
fn host_and_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    let text = text.trim();
    let text = text.strip_prefix("inet6:").or_else(|| text.strip_prefix("inet:")).unwrap_or(text);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        match rest {
            "" => (host, None),
            rest => (host, Some(rest.strip_prefix(':')?)),
        }
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = port.map_or(Ok(default_port), str::parse).ok().filter(|port| *port != 0)?;
    let is_host = !host.is_empty() && !host.contains(['/', ' ', '@']);
    is_host.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_in_several_ways() {
        for (text, expected) in [
            ("localhost:11211", Some(("localhost", 11211))),
            ("cache", Some(("cache", 7))),
            (" 10.0.0.1:1 ", Some(("10.0.0.1", 1))),
            ("[::1]:5", Some(("::1", 5))),
            ("[::1]", Some(("::1", 7))),
            ("::1", Some(("::1", 7))),
            ("inet:cache:9", Some(("cache", 9))),
            ("inet6:[fe80::1]:9", Some(("fe80::1", 9))),
            ("cache:x", None),
            ("cache:0", None),
            ("cache:70000", None),
            (":11211", None),
            ("[::1", None),
            ("[::1]x", None),
            ("unix:/run/memcached.sock", None),
            ("", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_and_port(text, 7), expected, "{text}");
        }
    }

    #[test]
    fn a_line_ends_with_both_characters() {
        assert_eq!(line(b"END\r\nx"), Some(("END", 5)));
        assert_eq!(line(b"END\n"), None);
        assert_eq!(line(b""), None);
    }
}
