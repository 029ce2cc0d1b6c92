//! `etcd3+http://[HOST[:PORT]]` and `etcd3+https://…`, as tooz's driver `etcd3gw` reads them; with a user and a password,
//! which that driver passes over.

use std::path::PathBuf;

use nephoscope_http::TlsOptions;
use observability::secret::Secret;

use super::query::{Authority, Query, membership};
use super::{BackendUrl, Kind, UrlError, wrong};

const EXAMPLE: &str = "etcd3+http://host:2379";
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 2379;
/// The version of the gateway that every etcd from 3.4 on has.
const DEFAULT_VERSION: &str = "v3";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EtcdUrl {
    /// Where requests go: scheme, server and version, without a slash at the end.
    pub(crate) base: String,
    pub(crate) tls: TlsOptions,
    /// Who we are there, if it asks.
    pub(crate) account: Option<EtcdAccount>,
}

/// A user of etcd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EtcdAccount {
    pub(crate) user: String,
    pub(crate) password: Secret<String>,
}

pub(super) fn read(scheme: &str, authority: &str, query: &mut Query) -> Result<BackendUrl, UrlError> {
    let Authority { user, password, host, port } = Authority::parse(authority, EXAMPLE)?;
    let timeout = query.seconds("timeout")?;
    let given = query.seconds("membership_timeout")?.or(timeout).map(membership).transpose()?;
    let mut file = |name| query.take(name).map(PathBuf::from);
    let (cafile, certfile, keyfile) = (file("ca_cert"), file("cert_cert"), file("cert_key"));
    // A certificate without its key, or a key alone, counts for nothing there.
    let pair = certfile.zip(keyfile);
    // The former driver of this name had no other way to tell.
    let is_tls = scheme.ends_with("https") || (scheme == "etcd3" && (cafile.is_some() || pair.is_some()));
    let (certfile, keyfile) = pair.unzip();
    let version = query.take("api_version").unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    if !version.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(wrong(format!("api_version={version} is no version"), "write api_version=v3"));
    }
    for name in ["lock_timeout", "executor"] {
        query.take(name);
    }
    let host = host.unwrap_or_else(|| DEFAULT_HOST.to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let base = format!(
        "{}://{host}:{}/{version}",
        if is_tls { "https" } else { "http" },
        port.unwrap_or(DEFAULT_PORT)
    );
    let account = match (user, password) {
        (Some(user), Some(password)) => Some(EtcdAccount { user, password: password.into() }),
        (None, None) => None,
        _ => {
            return Err(wrong(
                "a user without a password, or a password without a user",
                "write etcd3+http://user:password@host:2379, or neither",
            ));
        }
    };
    let tls = TlsOptions { cafile, certfile, keyfile, ..TlsOptions::default() };
    let kind = Kind::Etcd(Box::new(EtcdUrl { base, tls, account }));
    Ok(BackendUrl::new(kind, given, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_tooz_reads_them() {
        let read = |url: &str| {
            let parsed = BackendUrl::parse(url).unwrap();
            let Kind::Etcd(etcd) = parsed.kind.clone() else { panic!("{url}") };
            (*etcd, parsed)
        };
        for (url, base) in [
            ("etcd3+http://", "http://localhost:2379/v3"),
            ("etcd3+https://Etcd", "https://etcd:2379/v3"),
            ("etcd3+http://[::1]:1234?api_version=v3beta", "http://[::1]:1234/v3beta"),
            ("etcd3://etcd", "http://etcd:2379/v3"),
            ("etcd3://etcd?ca_cert=/ca.pem", "https://etcd:2379/v3"),
        ] {
            assert_eq!(read(url).0.base, base, "{url}");
        }
        let (etcd, url) = read(
            "etcd3+https://etcd:2379?ca_cert=/ca.pem&cert_cert=/c.pem&cert_key=/k.pem&timeout=7&lock_timeout=9&colour=red",
        );
        assert_eq!((url.membership_timeout.as_secs(), url.access_timeout.as_secs()), (7, 5));
        assert_eq!((etcd.tls.cafile, etcd.tls.certfile), (Some("/ca.pem".into()), Some("/c.pem".into())));
        assert_eq!(etcd.tls.keyfile, Some("/k.pem".into()));
        assert_eq!(url.unknown, ["colour"]);
        assert_eq!(read("etcd3+https://etcd?cert_cert=/c.pem").0.tls, TlsOptions::default());
        let (etcd, url) = read("etcd3+http://me:p@ss:w%40rd@etcd");
        let account = etcd.account.unwrap();
        // As it is written, as with the other back ends.
        assert_eq!((&*account.user, &**account.password.expose()), ("me", "p@ss:w%40rd"));
        assert!(
            url.unknown.is_empty() && !url.is_shared_with_python() && !format!("{url:?}").contains("p@ss")
        );
        for url in ["etcd3+http://me@etcd", "etcd3+http://:secret@etcd"] {
            let error = BackendUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains("without a") && !error.contains("secret"), "{error}");
        }
    }
}
