//! Database URLs, as SQLAlchemy and libpq write them.

use std::fmt;
use std::path::PathBuf;

use nephoscope_http::TlsOptions;

/// Why a URL names no database that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// An engine that is not supported.
    #[error(
        "{scheme}: is not supported as a database; write postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///PATH"
    )]
    Scheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// No scheme.
    #[error("a database URL begins with postgresql:// or sqlite:///")]
    NoScheme,
    /// A SQLite URL without a path.
    #[error("the SQLite URL names no file; write sqlite:////absolute/path or sqlite:///relative/path")]
    NoPath,
    /// A word of `sslmode` that libpq does not know.
    #[error("sslmode={value:?} is none of disable, allow, prefer, require, verify-ca, verify-full")]
    SslMode {
        /// The value.
        value: String,
    },
    /// What follows is not understood.
    #[error("the PostgreSQL URL cannot be read: {reason}")]
    PostgreSql {
        /// Why; holds no password.
        reason: String,
    },
}

/// Where a database is.
#[derive(Clone)]
pub enum Address {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    PostgreSql(Box<Server>),
}

/// A PostgreSQL server and how to talk to it.
#[derive(Clone)]
pub struct Server {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls: TlsOptions,
    /// Without the password.
    pub(crate) shown: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The address without a password.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:///{}", path.display()),
            Self::PostgreSql(server) => formatter.write_str(&server.shown),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl Address {
    /// Reads `sqlite:///PATH` (SQLAlchemy: three slashes before a relative path, four before an absolute one),
    /// `postgresql://…`, `postgres://…` and `postgresql+DRIVER://…`. libpq's `sslmode`, `sslrootcert`, `sslcert` and
    /// `sslkey` are read; as in libpq, only `verify-ca` and `verify-full` look at the server's certificate.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').ok_or(UrlError::NoScheme)?;
        let engine = scheme.split('+').next().unwrap_or(scheme);
        match engine {
            "sqlite" => {
                let path = rest.strip_prefix("///").unwrap_or(rest.trim_start_matches("//"));
                if path.is_empty() || path == ":memory:" {
                    return Err(UrlError::NoPath);
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "postgresql" | "postgres" => Ok(Self::PostgreSql(Box::new(server(rest)?))),
            _ => Err(UrlError::Scheme { scheme: scheme.to_owned() }),
        }
    }
}

fn server(rest: &str) -> Result<Server, UrlError> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut kept: Vec<String> = Vec::new();
    // libpq's default is `prefer`.
    let mut tls = TlsOptions { insecure: true, ..TlsOptions::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let file = || Some(PathBuf::from(percent_decoded(value)));
        match key {
            "sslrootcert" => tls.cafile = file(),
            "sslcert" => tls.certfile = file(),
            "sslkey" => tls.keyfile = file(),
            "sslmode" => {
                tls.insecure = !matches!(value, "verify-ca" | "verify-full");
                tls.any_name = value == "verify-ca";
                let mode = match value {
                    "disable" => "disable",
                    "allow" | "prefer" => "prefer",
                    "require" | "verify-ca" | "verify-full" => "require",
                    _ => return Err(UrlError::SslMode { value: value.to_owned() }),
                };
                kept.push(format!("sslmode={mode}"));
            }
            _ => kept.push(pair.to_owned()),
        }
    }
    let mut url = format!("postgresql:{place}");
    if !kept.is_empty() {
        url.push('?');
        url.push_str(&kept.join("&"));
    }
    let config: tokio_postgres::Config =
        url.parse().map_err(|error| UrlError::PostgreSql { reason: with_causes(&error) })?;
    Ok(Server { config, tls, shown: without_password(place) })
}

/// An error with what it came from, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

fn without_password(place: &str) -> String {
    let host = place.trim_start_matches('/');
    match host.rsplit_once('@') {
        Some((account, host)) => {
            let user = account.split(':').next().unwrap_or_default();
            format!("postgresql://{user}@{host}")
        }
        None => format!("postgresql://{host}"),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%');
        if let Some(byte) = decoded {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        for (url, path) in [
            ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
            ("sqlite:///x.db", "x.db"),
            ("sqlite:x.db", "x.db"),
            ("sqlite+pysqlite:////x", "/x"),
        ] {
            let Address::Sqlite(found) = Address::parse(url).unwrap() else { panic!("{url}") };
            assert_eq!(found, PathBuf::from(path), "{url}");
        }
    }

    #[test]
    fn servers_are_shown_without_a_password() {
        let address =
            Address::parse("postgresql+psycopg2://gnocchi:p%40ss@db.example:5433/gnocchi?sslmode=verify-full&sslrootcert=%2Fca.pem")
                .unwrap();
        assert_eq!(address.to_string(), "postgresql://gnocchi@db.example:5433/gnocchi");
        assert!(!format!("{address:?}").contains("ss@"));
        let Address::PostgreSql(server) = address else { panic!("a server") };
        assert_eq!(server.config.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!(server.tls.cafile, Some(PathBuf::from("/ca.pem")));
        assert!(!server.tls.insecure);
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (url, words) in [
            ("mysql+pymysql://u:secret@h/d", "mysql+pymysql: is not supported"),
            ("/var/lib/x.db", "begins with"),
            ("sqlite://", "names no file"),
            ("postgresql://h/d?sslmode=maybe", "sslmode=\"maybe\""),
            ("postgresql://u:secret@h/d?flavour=x", "flavour"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
