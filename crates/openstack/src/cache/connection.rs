//! One connection to one server of a cache: a request, an answer, a deadline.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nephoscope_http::tls::client_tls;
use observability::clock::{Clock, MonotonicTime};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{CacheError, MAX_VALUE_BYTES};
use crate::Error;

/// Bound of an answer: a value and what stands around it.
const MAX_ANSWER_BYTES: usize = MAX_VALUE_BYTES + 4096;

/// How far an answer has been read.
#[derive(Debug, PartialEq)]
pub(super) enum Progress<T> {
    /// More is to come.
    More,
    /// The answer, and how many bytes it has.
    Done(T, usize),
    /// It is no answer, or a refusal.
    Bad(String),
}

/// Reads the answer to what is sent first on a connection.
pub(super) type Welcome = fn(&[u8]) -> Progress<()>;

/// How a server is reached.
pub(super) struct ServerOptions<'o> {
    /// The option that names it, for errors.
    pub(super) option: &'static str,
    pub(super) address: &'o str,
    pub(super) default_port: u16,
    pub(super) tls: Option<&'o nephoscope_http::TlsOptions>,
    /// Time for one access.
    pub(super) timeout: Duration,
    /// How long the server is left alone when it has failed.
    pub(super) rest: Duration,
}

/// A server, with its connection while there is one.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    rest: Duration,
    clock: Clock,
    stream: tokio::sync::Mutex<Option<Stream>>,
    rests_until: Mutex<Option<MonotonicTime>>,
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}
type Stream = Box<dyn Both>;

impl Server {
    pub(super) fn new(options: &ServerOptions<'_>, clock: Clock) -> Result<Self, Error> {
        let option = options.option;
        let (host, port) = host_and_port(options.address, options.default_port).ok_or_else(|| {
            Error::configuration(format!("{option}: {:?} is no server", options.address), "write host:port")
        })?;
        let tls = options.tls.map(|tls| {
            let config = client_tls(tls).map_err(|error| {
                Error::configuration(
                    format!("TLS towards {host}: {error}"),
                    "correct tls_cafile, tls_certfile or tls_keyfile",
                )
            })?;
            let name = ServerName::try_from(host.clone()).map_err(|error| {
                Error::configuration(format!("{option}: {host}: {error}"), "write host:port")
            })?;
            Ok::<_, Error>((TlsConnector::from(Arc::new(config)), name))
        });
        Ok(Self {
            tls: tls.transpose()?,
            host,
            port,
            timeout: options.timeout,
            rest: options.rest,
            clock,
            stream: tokio::sync::Mutex::new(None),
            rests_until: Mutex::new(None),
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it may be asked: it has not failed lately.
    pub(super) fn is_up(&self) -> bool {
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        rests_until.is_none_or(|until| self.clock.monotonic() >= until)
    }

    /// Sends a request and reads its answer. On a new connection, `hello` and its answer come first.
    pub(super) async fn ask<T>(
        &self,
        hello: Option<(&[u8], Welcome)>,
        request: &[u8],
        answer: impl Fn(&[u8]) -> Progress<T>,
    ) -> Result<T, CacheError> {
        if !self.is_up() {
            return Err(CacheError::Resting);
        }
        let asked = tokio::time::timeout(self.timeout, self.exchange(hello, request, &answer)).await;
        let asked =
            asked.unwrap_or_else(|_| Err(CacheError::Timeout { server: self.name(), limit: self.timeout }));
        let rests_until = match &asked {
            Err(CacheError::Timeout { .. } | CacheError::Connection { .. }) => {
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
    ) -> Result<T, CacheError> {
        let mut place = self.stream.lock().await;
        // Whatever interrupts us: a connection that is not put back is closed, so that no answer is taken for another's.
        if let Some(mut stream) = place.take() {
            match self.once(&mut stream, request, answer).await {
                // The server has closed it while it was idle.
                Err(CacheError::Connection { .. }) => {}
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
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
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
    ) -> Result<T, CacheError> {
        let io = |error: io::Error| self.broken(&error);
        stream.write_all(request).await.map_err(io)?;
        stream.flush().await.map_err(io)?;
        let mut received = Vec::new();
        loop {
            match answer(&received) {
                Progress::Done(answer, length) if length == received.len() => return Ok(answer),
                Progress::Done(..) => return Err(self.bad("more than one answer".to_owned())),
                Progress::Bad(reason) => return Err(self.bad(reason)),
                Progress::More if received.len() > MAX_ANSWER_BYTES => {
                    return Err(self.bad(format!("an answer of more than {MAX_ANSWER_BYTES} bytes")));
                }
                Progress::More => {}
            }
            if stream.read_buf(&mut received).await.map_err(io)? == 0 {
                return Err(self.broken(&io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn broken(&self, error: &io::Error) -> CacheError {
        CacheError::Connection { server: self.name(), reason: error.to_string() }
    }

    fn bad(&self, reason: String) -> CacheError {
        CacheError::Answer { server: self.name(), reason }
    }
}

/// The first line of `bytes`, without its end, and how many bytes it has with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&str, usize)> {
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
