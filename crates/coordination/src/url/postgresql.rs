//! `postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE`, as tooz's driver and libpq read it.

use std::path::PathBuf;

use nephoscope_http::TlsOptions;
use observability::secret::Secret;

use super::query::{Authority, Query, membership};
use super::{BackendUrl, Kind, UrlError, wrong};

const EXAMPLE: &str = "postgresql://user:password@host:5432/database";
const DEFAULT_PORT: u16 = 5432;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostgreSqlUrl {
    /// A name or address, or the directory of the server's socket from its `/` on.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without one, the account's name.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret<String>>,
    /// Without one, the user's name.
    pub(crate) database: Option<String>,
    pub(crate) encryption: Encryption,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    /// If the server can.
    Preferred(TlsOptions),
    Always(TlsOptions),
}

pub(super) fn read(authority: &str, path: &str, query: &mut Query) -> Result<BackendUrl, UrlError> {
    let Authority { user, password, host, port } = Authority::parse(authority, EXAMPLE)?;
    // The driver's parameters count before the URL's parts.
    let host = query.take("host").or(host);
    let Some(host) = host else {
        return Err(wrong("the URL names neither a server nor a socket", format!("write {EXAMPLE}")));
    };
    let port = match query.take("port") {
        None => port.unwrap_or(DEFAULT_PORT),
        Some(text) => text
            .trim()
            .parse()
            .map_err(|_| wrong(format!("port={text} is no port"), "write a number, such as port=5432"))?,
    };
    let database = query.take("dbname").or_else(|| path.strip_prefix('/').map(str::to_owned));
    let given = query.seconds("membership_timeout")?.map(membership).transpose()?;
    let encryption = encryption(query)?;
    for name in ["timeout", "lock_timeout", "executor"] {
        query.take(name);
    }
    let kind = Kind::PostgreSql(Box::new(PostgreSqlUrl {
        host,
        port,
        user,
        password: password.map(Secret::new),
        database: database.filter(|name| !name.is_empty()),
        encryption,
    }));
    Ok(BackendUrl::new(kind, given, None))
}

fn encryption(query: &mut Query) -> Result<Encryption, UrlError> {
    let mode = query.take("sslmode");
    let mut file = |name| query.take(name).map(PathBuf::from);
    let (cafile, certfile, keyfile) = (file("sslrootcert"), file("sslcert"), file("sslkey"));
    // Without an authority, libpq believes any server unless it is told to verify.
    let tls = |insecure| TlsOptions {
        insecure,
        // With one, a name that it vouches for is not compared either.
        any_name: !insecure,
        keyfile: keyfile.clone().filter(|_| certfile.is_some()),
        cafile: cafile.clone(),
        certfile: certfile.clone(),
        ..TlsOptions::default()
    };
    let believes_all = cafile.is_none();
    match mode.as_deref() {
        None | Some("prefer" | "allow") => Ok(Encryption::Preferred(tls(true))),
        Some("disable") => Ok(Encryption::Never),
        Some("require") => Ok(Encryption::Always(tls(believes_all))),
        Some("verify-full") => Ok(Encryption::Always(TlsOptions { any_name: false, ..tls(false) })),
        Some("verify-ca") => Ok(Encryption::Always(tls(false))),
        Some(other) => Err(wrong(
            format!("sslmode={other} is none"),
            "write sslmode=disable, prefer, require, verify-ca or verify-full",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (PostgreSqlUrl, BackendUrl) {
        let parsed = BackendUrl::parse(url).unwrap();
        let Kind::PostgreSql(postgresql) = parsed.kind.clone() else { panic!("{url}") };
        (*postgresql, parsed)
    }

    #[test]
    fn urls_are_read_as_tooz_reads_them() {
        let (found, url) = read("postgresql://me:p%40ss:w@DB.example.org:7000?dbname=agents&colour=red");
        assert_eq!((found.host.as_str(), found.port), ("db.example.org", 7000));
        assert_eq!((found.user.as_deref(), found.database.as_deref()), (Some("me"), Some("agents")));
        assert_eq!(found.password.as_ref().map(|secret| secret.expose().as_str()), Some("p%40ss:w"));
        assert_eq!((url.membership_timeout.as_secs(), url.access_timeout.as_secs()), (30, 5));
        assert_eq!(url.unknown, ["colour"]);
        assert_eq!(format!("{url} {url:?} {found:?}").matches("p%40ss").count(), 0);

        let (found, url) =
            read("postgresql://me@/agents?host=/run/postgresql&membership_timeout=4&port=5433");
        assert_eq!((found.host.as_str(), found.port), ("/run/postgresql", 5433));
        assert_eq!((found.database.as_deref(), found.password), (Some("agents"), None));
        assert_eq!((url.membership_timeout.as_secs(), url.access_timeout.as_secs()), (4, 4));
        assert_eq!(read("postgresql://me@[::1]").0.host, "::1");
    }

    #[test]
    fn encryption_is_that_of_libpq() {
        let of = |query: &str| read(&format!("postgresql://me@h/d?{query}")).0.encryption;
        let insecure = TlsOptions { insecure: true, ..TlsOptions::default() };
        assert_eq!(of("a=b"), Encryption::Preferred(insecure.clone()));
        assert_eq!(of("sslmode=disable"), Encryption::Never);
        assert_eq!(of("sslmode=require"), Encryption::Always(insecure));
        let ca = TlsOptions { cafile: Some("/ca.pem".into()), ..TlsOptions::default() };
        let named = TlsOptions { any_name: true, ..ca.clone() };
        for mode in ["require", "verify-ca"] {
            assert_eq!(of(&format!("sslmode={mode}&sslrootcert=/ca.pem")), Encryption::Always(named.clone()));
        }
        assert_eq!(of("sslmode=verify-full&sslrootcert=/ca.pem"), Encryption::Always(ca));
    }
}
