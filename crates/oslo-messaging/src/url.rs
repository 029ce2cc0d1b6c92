//! Transport URLs as `oslo_messaging.TransportURL.parse` reads them.
//!
//! `rabbit://user:pass@h1:5672,user:pass@h2:5672/vhost?ssl=1`. Source of behaviour: oslo.messaging 18.3
//! (`transport.py`, `oslo_utils.netutils.parse_host_port`, kombu's defaults for what is left out).

use std::fmt;
use std::str::FromStr;

/// Port used when a host names none; oslo.messaging keeps it even when `ssl` is on.
pub const DEFAULT_PORT: u16 = 5672;
/// Most hosts that one URL may name; beyond this it is taken for a mistake.
const HOSTS_MAX: usize = 64;
/// Longest URL accepted, in bytes.
const URL_BYTES_MAX: usize = 64 * 1024;

/// Why a transport URL was refused. No variant carries a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme:` at the start.
    #[error("transport URL has no scheme; write rabbit://user:password@host:5672/vhost")]
    NoScheme,
    /// The scheme belongs to a transport that is not served here.
    #[error("transport {scheme:?} is not supported; write rabbit://user:password@host:5672/vhost")]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
    /// A port is not a number from 1 to 65535.
    #[error("port {port:?} of host {host:?} is not a number from 1 to 65535")]
    Port {
        /// Host as written.
        host: String,
        /// Port as written.
        port: String,
    },
    /// `[` without `]`, or text between `]` and the port.
    #[error("IPv6 address of host {host:?} must be written [address]:port")]
    Ipv6 {
        /// Host part as written, without credentials.
        host: String,
    },
    /// The URL is longer than we read, or names more hosts.
    #[error(
        "transport URL is too long ({bytes} bytes, {hosts} hosts; at most {URL_BYTES_MAX} and {HOSTS_MAX})"
    )]
    TooLong {
        /// Length in bytes.
        bytes: usize,
        /// Hosts named.
        hosts: usize,
    },
}

/// Text that never shows itself in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password in clear, for the login alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One host of a URL, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportHost {
    /// Name or address without brackets; `None` when the part before the port is empty.
    pub hostname: Option<String>,
    /// Port, when written.
    pub port: Option<u16>,
    /// Percent-decoded user name, when written.
    pub username: Option<String>,
    /// Percent-decoded password, when written.
    pub password: Option<Password>,
}

/// Where to connect and as whom, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Password,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A parsed transport URL. `Debug` and `Display` hide passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportUrl {
    /// Hosts in the order written; may be empty.
    pub hosts: Vec<TransportHost>,
    /// Percent-decoded virtual host; `None` or empty means `/`.
    pub virtual_host: Option<String>,
    /// Query parameters; a repeated one is joined with commas, as upstream does. Each overrides the option of
    /// `[oslo_messaging_rabbit]` that has its name (see [`crate::RabbitOptions::with_overrides`]).
    pub query: Vec<(String, String)>,
}

impl TransportUrl {
    /// Every place that the URL names, with oslo's and kombu's defaults: `localhost`, 5672, `guest`/`guest`.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let fill = |host: &TransportHost| Endpoint {
            // kombu decodes the host as well, for the sake of an address's zone (`%25eth0`).
            host: unquote(&non_empty(host.hostname.as_deref()).unwrap_or("localhost").to_ascii_lowercase()),
            port: host.port.unwrap_or(DEFAULT_PORT),
            username: non_empty(host.username.as_deref()).unwrap_or("guest").to_owned(),
            password: Password::new(
                non_empty(host.password.as_ref().map(Password::reveal)).unwrap_or("guest"),
            ),
        };
        if self.hosts.is_empty() {
            return vec![fill(&TransportHost::default())];
        }
        self.hosts.iter().map(fill).collect()
    }

    /// The virtual host to open: `/` when the URL names none.
    pub fn vhost(&self) -> &str {
        non_empty(self.virtual_host.as_deref()).unwrap_or("/")
    }
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

impl FromStr for TransportUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong { bytes: text.len(), hosts: 0 });
        }
        let text = text.trim();
        let (scheme, rest) = split_scheme(text).ok_or(UrlError::NoScheme)?;
        if !scheme.eq_ignore_ascii_case("rabbit") {
            return Err(UrlError::Scheme { scheme: scheme.to_ascii_lowercase() });
        }
        // The order of urllib's urlsplit: network location, then fragment, then query.
        let (netloc, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));

        let parts = netloc.split(',').filter(|part| !part.is_empty());
        let count = parts.clone().count();
        if count > HOSTS_MAX {
            return Err(UrlError::TooLong { bytes: text.len(), hosts: count });
        }
        Ok(Self {
            hosts: parts.map(parse_host).collect::<Result<_, _>>()?,
            virtual_host: path.strip_prefix('/').map(unquote),
            query: parse_query(query),
        })
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    valid.then_some((scheme, rest))
}

fn parse_host(part: &str) -> Result<TransportHost, UrlError> {
    // The last `@` ends the credentials: a user name may hold one itself.
    let (credentials, address) = match part.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, part),
    };
    let (username, password) = match credentials {
        Some(text) => match text.split_once(':') {
            Some((user, password)) => (Some(unquote(user)), Some(Password::new(unquote(password)))),
            None => (Some(unquote(text)), None),
        },
        None => (None, None),
    };
    let (hostname, port) = parse_address(address)?;
    Ok(TransportHost { hostname, port, username, password })
}

fn parse_address(address: &str) -> Result<(Option<String>, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let ipv6 = || UrlError::Ipv6 { host: address.to_owned() };
        let (host, tail) = rest.split_once(']').ok_or_else(ipv6)?;
        match tail.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if tail.is_empty() => (host, None),
            None => return Err(ipv6()),
        }
    } else if address.matches(':').count() == 1 {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    } else {
        // No colon at all, or an IPv6 address without brackets, which cannot have a port.
        (address, None)
    };
    let port = match port {
        None => None,
        Some(text) => match text.trim().parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(UrlError::Port { host: host.to_owned(), port: text.to_owned() }),
        },
    };
    Ok((non_empty(Some(host)).map(str::to_owned), port))
}

/// Percent-decoding as `urllib.parse.unquote`: a broken escape stays as written, broken UTF-8 is replaced.
fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let decoded = if byte == b'%' { bytes.get(at + 1..at + 3).and_then(hex_pair) } else { None };
        out.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    }
}

/// `urllib.parse.parse_qs` with repeated names joined by commas; parameters without a value are ignored.
fn parse_query(query: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        if value.is_empty() {
            continue;
        }
        let decode = |text: &str| unquote(&text.replace('+', " "));
        let (name, value) = (decode(name), decode(value));
        if let Some((_, known)) = out.iter_mut().find(|(known, _)| *known == name) {
            known.push(',');
            known.push_str(&value);
        } else {
            out.push((name, value));
        }
    }
    out
}

impl fmt::Display for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rabbit://")?;
        for (index, host) in self.hosts.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if host.username.is_some() || host.password.is_some() {
                write_quoted(f, host.username.as_deref().unwrap_or_default())?;
                if host.password.is_some() {
                    f.write_str(":***")?;
                }
                f.write_str("@")?;
            }
            match host.hostname.as_deref() {
                Some(name) if name.contains(':') => write!(f, "[{name}]")?,
                Some(name) => f.write_str(name)?,
                None => {}
            }
            if let Some(port) = host.port {
                write!(f, ":{port}")?;
            }
        }
        f.write_str("/")?;
        write_quoted(f, self.virtual_host.as_deref().unwrap_or_default())?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            write_quoted(f, name)?;
            f.write_str("=")?;
            write_quoted(f, value)?;
        }
        Ok(())
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~') {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}
