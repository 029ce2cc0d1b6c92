//! Connection URIs as libvirt reads them: `driver[+transport]://[user@][host][:port]/path[?parameters]`.

use std::path::PathBuf;
use std::str::FromStr;

/// Port of TLS.
pub const TLS_PORT: u16 = 16514;
/// Port of TCP without TLS.
pub const TCP_PORT: u16 = 16509;
/// Longest URI that is read, in bytes.
const URI_BYTES_MAX: usize = 16 * 1024;

/// Why a URI was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It does not begin with a driver.
    #[error("{uri:?} is no libvirt URI; write qemu:///system, for example")]
    Form {
        /// As written.
        uri: String,
    },
    /// A transport that is not served here.
    #[error("transport {transport:?} is not supported; write {driver}+unix, {driver}+tcp or {driver}+tls")]
    Transport {
        /// The driver.
        driver: String,
        /// The transport as written.
        transport: String,
    },
    /// The port is no number from 1 to 65535.
    #[error("port {port:?} is not a number from 1 to 65535")]
    Port {
        /// As written.
        port: String,
    },
    /// TCP and TLS need a host.
    #[error("transport {transport:?} needs a host, as in {driver}+{transport}://host/system")]
    Host {
        /// The driver.
        driver: String,
        /// The transport.
        transport: &'static str,
    },
    /// A parameter's value is none of those that it can have.
    #[error("{name}={value} cannot be; write {allowed}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What may be written.
        allowed: &'static str,
    },
    /// Far too long.
    #[error("a URI of {bytes} bytes; {URI_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// How the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket: this one, or that which the driver and [`Mode`] give.
    Unix {
        /// From the parameter `socket`.
        socket: Option<PathBuf>,
    },
    /// TCP without encryption.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// TCP with TLS.
    Tls {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// Which daemons' sockets are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// The driver's own daemon (`virtqemud`) if it has a socket, else `libvirtd`.
    #[default]
    Auto,
    /// Only the driver's own daemon.
    Direct,
    /// Only `libvirtd`, or `virtproxyd` in its place.
    Legacy,
}

/// A URI, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// `qemu`, `lxc`, `test`, …
    pub driver: String,
    /// How the daemon is reached.
    pub transport: Transport,
    /// User before the host, if any.
    pub user: Option<String>,
    /// `/system`, `/session`, `/default`, …
    pub path: String,
    /// From the parameter `mode`.
    pub mode: Mode,
    /// What the daemon is asked to open: the URI without what belongs to the transport.
    pub name: String,
    /// From the parameter `pkipath`: a directory with `cacert.pem`, `clientcert.pem` and `clientkey.pem`.
    pub pki_path: Option<PathBuf>,
    /// From the parameter `no_verify`: whether the daemon's certificate is to be trusted unseen.
    pub no_verify: bool,
}

impl Uri {
    /// Whether it is about a user's own daemon and not the machine's.
    pub fn is_session(&self) -> bool {
        self.path == "/session"
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let text = text.trim();
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong { bytes: text.len() });
        }
        let form = || UriError::Form { uri: text.to_owned() };
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let (driver, transport) = match scheme.split_once('+') {
            Some((driver, transport)) => (driver, Some(transport)),
            None => (scheme, None),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if driver.is_empty() || !driver.chars().all(fits) {
            return Err(form());
        }
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = address.find('/').map_or((address, ""), |at| address.split_at(at));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(unquote(user)), authority),
            None => (None, authority),
        };
        let (host, port) = host_and_port(authority)?;
        let parameters = Parameters::read(query)?;
        let driver = driver.to_owned();
        let of_host = |transport, default: u16| {
            if host.is_empty() {
                return Err(UriError::Host { driver: driver.clone(), transport });
            }
            Ok((host.clone(), port.unwrap_or(default)))
        };
        let transport = match transport {
            Some("unix") => Transport::Unix { socket: parameters.socket.clone() },
            None if host.is_empty() => Transport::Unix { socket: parameters.socket.clone() },
            Some("tcp") => of_host("tcp", TCP_PORT).map(|(host, port)| Transport::Tcp { host, port })?,
            Some("tls") | None => {
                of_host("tls", TLS_PORT).map(|(host, port)| Transport::Tls { host, port })?
            }
            Some(other) => {
                return Err(UriError::Transport { driver, transport: other.to_owned() });
            }
        };
        let name = parameters.name.clone().unwrap_or_else(|| {
            if driver == "remote" {
                // The daemon chooses.
                return String::new();
            }
            let mark = if parameters.others.is_empty() { "" } else { "?" };
            format!("{driver}://{path}{mark}{}", parameters.others.join("&"))
        });
        Ok(Self {
            driver,
            transport,
            user,
            path: path.to_owned(),
            mode: parameters.mode,
            name,
            pki_path: parameters.pki_path,
            no_verify: parameters.no_verify,
        })
    }
}

/// The query, sorted into what is for us and what the daemon is told.
#[derive(Debug, Default)]
struct Parameters {
    name: Option<String>,
    socket: Option<PathBuf>,
    mode: Mode,
    pki_path: Option<PathBuf>,
    no_verify: bool,
    others: Vec<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, UriError> {
        let mut found = Self::default();
        for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unquote(raw);
            match unquote(name).as_str() {
                "name" => found.name = Some(value),
                "socket" => found.socket = Some(PathBuf::from(value)),
                "pkipath" => found.pki_path = Some(PathBuf::from(value)),
                "no_verify" => found.no_verify = value.trim().parse::<i64>().is_ok_and(|number| number != 0),
                "mode" => {
                    found.mode = match value.as_str() {
                        "auto" => Mode::Auto,
                        "direct" => Mode::Direct,
                        "legacy" => Mode::Legacy,
                        _ => {
                            let allowed = "auto, direct or legacy";
                            return Err(UriError::Parameter { name: "mode", value, allowed });
                        }
                    }
                }
                // Of other transports and of libvirt's own client; the daemon is not told either.
                "command" | "auth" | "sshauth" | "netcat" | "keyfile" | "known_hosts"
                | "known_hosts_verify" | "tls_priority" | "proxy" | "no_sanity" | "no_tty" | "authfile" => {}
                _ => found.others.push(pair.to_owned()),
            }
        }
        Ok(found)
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UriError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').unwrap_or((rest, ""));
        (host, tail.strip_prefix(':').unwrap_or(tail))
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    let port = match port {
        "" => None,
        text => match text.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(UriError::Port { port: text.to_owned() }),
        },
    };
    Ok((unquote(host), port))
}

/// Percent-decoding; a broken escape stays as written.
fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded =
            pair.filter(|_| byte == b'%').filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(decoded) = decoded.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            out.push(decoded);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(socket: Option<&str>) -> Transport {
        Transport::Unix { socket: socket.map(PathBuf::from) }
    }

    fn tls(host: &str, port: u16) -> Transport {
        Transport::Tls { host: host.to_owned(), port }
    }

    fn tcp(host: &str, port: u16) -> Transport {
        Transport::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn uris_are_taken_apart() {
        for (text, transport, name) in [
            ("qemu:///system", unix(None), "qemu:///system"),
            ("qemu:///session", unix(None), "qemu:///session"),
            ("qemu+unix:///system?socket=/run/x%20y/sock", unix(Some("/run/x y/sock")), "qemu:///system"),
            ("test:///default", unix(None), "test:///default"),
            ("lxc:///", unix(None), "lxc:///"),
            ("lxc:///system", unix(None), "lxc:///system"),
            ("parallels:///system", unix(None), "parallels:///system"),
            ("qemu://host.example/system", tls("host.example", 16514), "qemu:///system"),
            ("qemu+tls://host:1/system?no_verify=1&pkipath=/x", tls("host", 1), "qemu:///system"),
            ("qemu+tcp://user@10.0.0.1/system", tcp("10.0.0.1", 16509), "qemu:///system"),
            ("qemu+tcp://[::1]:5/system", tcp("::1", 5), "qemu:///system"),
            ("qemu+tcp://h/system?name=test:///default", tcp("h", 16509), "test:///default"),
            ("qemu+tcp://h/system?a=1&mode=legacy&b=2", tcp("h", 16509), "qemu:///system?a=1&b=2"),
            ("remote://h/", tls("h", 16514), ""),
        ] {
            let uri: Uri = text.parse().unwrap();
            assert_eq!((&uri.transport, uri.name.as_str()), (&transport, name), "{text}");
        }
        let uri: Uri = "qemu+tls://me@h/system?no_verify=1&pkipath=/pki&mode=direct".parse().unwrap();
        assert_eq!(uri.user.as_deref(), Some("me"));
        assert_eq!((uri.mode, uri.no_verify, uri.is_session()), (Mode::Direct, true, false));
        assert_eq!(uri.pki_path, Some(PathBuf::from("/pki")));
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (text, words) in [
            ("", "write qemu:///system"),
            ("qemu", "write qemu:///system"),
            ("://h/system", "is no libvirt URI"),
            ("qemu+ssh://h/system", "transport \"ssh\" is not supported; write qemu+unix"),
            ("qemu+tcp:///system", "needs a host, as in qemu+tcp://host/system"),
            ("qemu+tls://h:0/system", "port \"0\""),
            ("qemu+tls://h:x/system", "port \"x\""),
            ("qemu:///system?mode=both", "mode=both cannot be; write auto, direct or legacy"),
        ] {
            let error = text.parse::<Uri>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(matches!("x".repeat(20_000).parse::<Uri>(), Err(UriError::TooLong { bytes: 20_000 })));
    }
}
