//! Host and port of the udp and tcp publishers.

use std::fmt;

use pipeline::{BuildError, PublisherUrl};

use crate::url_options::configuration;

/// The port where a URL names none.
const DEFAULT_PORT: u16 = 4952;

/// Where datagrams or a stream go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or `v6`, as oslo's `parse_host_port` does.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when there is no host, or the port is none. Ceilometer does not load the publisher
    /// then, and drops every record.
    pub(crate) fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        let scheme = url.scheme();
        let authority = url.authority();
        let hint = || format!("write {scheme}://host:port, for example {scheme}://192.0.2.7:{DEFAULT_PORT}");
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let Some((host, behind)) = rest.split_once(']') else {
                return Err(configuration(
                    format!("the address {authority:?} has no closing bracket"),
                    hint(),
                ));
            };
            match (behind.is_empty(), behind.strip_prefix(':')) {
                (true, _) => (host, None),
                (false, Some(port)) => (host, Some(port)),
                (false, None) => {
                    let message = format!("there is something between bracket and port in {authority:?}");
                    return Err(configuration(message, hint()));
                }
            }
        } else if authority.matches(':').count() == 1 {
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
        } else {
            (authority, None)
        };
        if host.is_empty() {
            return Err(configuration(format!("a {scheme} publisher needs a host"), hint()));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => match text.parse() {
                Ok(port) if port > 0 => port,
                _ => {
                    return Err(configuration(
                        format!("port {text:?} is not a number from 1 to 65535"),
                        hint(),
                    ));
                }
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_oslo_reads_them() {
        for (url, expected) in [
            ("udp://h", "h:4952"),
            ("udp://h:1/ignored?x=y", "h:1"),
            ("tcp://[::1]:7", "[::1]:7"),
            ("tcp://[::1]", "[::1]:4952"),
            ("tcp://fe80::1", "[fe80::1]:4952"),
        ] {
            assert_eq!(Address::from_url(&PublisherUrl::new(url)).unwrap().to_string(), expected);
        }
        for (url, words) in [
            (
                "udp://",
                "a udp publisher needs a host; write udp://host:port, for example udp://192.0.2.7:4952",
            ),
            ("tcp://:4952", "a tcp publisher needs a host"),
            ("udp://h:x", "port \"x\" is not a number from 1 to 65535"),
            ("udp://h:0", "port \"0\""),
            ("udp://h:65536", "port \"65536\""),
            ("udp://[::1", "no closing bracket"),
            ("udp://[::1]5", "between bracket and port"),
        ] {
            let error = Address::from_url(&PublisherUrl::new(url)).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}
