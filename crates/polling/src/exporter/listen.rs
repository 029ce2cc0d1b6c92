//! [`Listeners`]: the addresses on which the exporter is scraped.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use observability::http_server::{BindError, HttpServer, ServerLimits};
use publishers::exporter::server::{ExpositionServer, Pages, Tls};

use super::Exporter;

/// Connections to one address at the same time: Prometheus has one, and people look.
const CONNECTIONS: usize = 32;
/// How long a connection may take for requests.
const CONNECTION_LIFETIME: Duration = Duration::from_mins(1);

/// An entry of `[polling] prometheus_listen_addresses`: `host:port`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

/// An entry is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not host:port: {problem}; write 127.0.0.1:9101, [::1]:9101 or a name of this machine with a port"
)]
pub struct AddressError {
    /// The entry.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Why an address is not listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name has no address.
    #[error("{address} has no address that could be listened on")]
    Unknown {
        /// The entry.
        address: ListenAddress,
        /// The resolver's answer, if it gave one.
        source: Option<io::Error>,
    },
    /// The system refused.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Bound addresses that are not served yet.
#[derive(Debug, Default)]
pub struct Listeners(Vec<TcpListener>);

impl ListenAddress {
    /// Reads an entry.
    ///
    /// # Errors
    /// The error names it and says what to write.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let failed = |problem| AddressError { text: text.to_owned(), problem };
        let text = text.trim();
        if text.contains(|character: char| character.is_whitespace() || matches!(character, '/' | '@' | '?'))
        {
            return Err(failed("it is an address alone, without scheme or path"));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, behind) = rest.split_once(']').ok_or_else(|| failed("the bracket is not closed"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(failed("in brackets stands an IPv6 address"));
            }
            (host, behind.strip_prefix(':').ok_or_else(|| failed("there is no port"))?)
        } else {
            let (host, port) = text.rsplit_once(':').ok_or_else(|| failed("there is no port"))?;
            if host.contains(':') {
                return Err(failed("an IPv6 address stands in brackets"));
            }
            (host, port)
        };
        if host.is_empty() {
            return Err(failed(
                "there is no host; 0.0.0.0 is every IPv4 address of this machine, [::] every one",
            ));
        }
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number);
        let port = port.ok_or_else(|| failed("the port is no number up to 65535"))?;
        Ok(Self { host: host.to_owned(), port })
    }

    /// The first address of the host.
    ///
    /// # Errors
    /// It has none.
    pub fn resolve(&self) -> Result<SocketAddr, ListenError> {
        let failed = |source| ListenError::Unknown { address: self.clone(), source };
        let mut found =
            (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| failed(Some(error)))?;
        found.next().ok_or_else(|| failed(None))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Listeners {
    /// Binds all addresses, or none.
    ///
    /// # Errors
    /// The first that cannot be bound.
    pub fn bind(addresses: &[ListenAddress]) -> Result<Self, ListenError> {
        let bound = addresses.iter().map(|address| Ok(HttpServer::bind_early(address.resolve()?)?));
        bound.collect::<Result<_, _>>().map(Self)
    }

    /// What serves `exporter` on each of them: plain, or with `tls`. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot have a listener.
    pub fn servers(
        self,
        exporter: &Arc<Exporter>,
        tls: Option<&Tls>,
        clock: &Clock,
    ) -> Result<Vec<(ExpositionServer, Pages)>, BindError> {
        let limits = ServerLimits {
            connections: CONNECTIONS,
            connection_lifetime: CONNECTION_LIFETIME,
            ..ServerLimits::default()
        };
        let shown = Arc::<Exporter>::clone(exporter);
        let pages = Pages::new(shown, clock.clone(), None, exporter.metrics().scrapes.clone());
        let servers = self
            .0
            .into_iter()
            .map(|listener| Ok((ExpositionServer::adopt(listener, tls.cloned(), limits)?, pages.clone())));
        servers.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port() {
        for (text, shown) in [
            ("127.0.0.1:9101", "127.0.0.1:9101"),
            (" localhost:1 ", "localhost:1"),
            ("[::1]:9101", "[::1]:9101"),
            ("[fe80::1]:65535", "[fe80::1]:65535"),
            ("node-1.example:09101", "node-1.example:9101"),
        ] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), shown);
        }
        for (text, problem) in [
            ("", "there is no port"),
            ("127.0.0.1", "there is no port"),
            ("[::1]", "there is no port"),
            ("[::1]9101", "there is no port"),
            ("[::1", "not closed"),
            ("[localhost]:9101", "stands an IPv6 address"),
            ("::1", "stands in brackets"),
            ("::1:9101", "stands in brackets"),
            (":9101", "there is no host"),
            ("localhost:", "the port is no number"),
            ("localhost:http", "the port is no number"),
            ("localhost:+80", "the port is no number"),
            ("localhost:65536", "the port is no number"),
            ("http://localhost:9101", "without scheme or path"),
            ("//localhost:9101", "without scheme or path"),
            ("a b:9101", "without scheme or path"),
        ] {
            let error = ListenAddress::parse(text).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error}");
            assert!(error.to_string().starts_with(&format!("{text:?} is not host:port: ")), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_listened_on_is_named() {
        let listeners = Listeners::bind(&[ListenAddress::parse("localhost:0").unwrap()]).unwrap();
        let taken = listeners.0[0].local_addr().unwrap();
        let free = ListenAddress::parse("127.0.0.1:0").unwrap();
        let error = Listeners::bind(&[free, ListenAddress::parse(&taken.to_string()).unwrap()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {taken}: the port is taken; set another listen address")
        );
        let error = Listeners::bind(&[ListenAddress::parse("no-such-host.invalid:1").unwrap()]).unwrap_err();
        assert!(error.to_string().starts_with("no-such-host.invalid:1 has no address"), "{error}");
    }
}
