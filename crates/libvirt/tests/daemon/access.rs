//! Authentication, TCP and TLS.

use std::sync::Arc;

use libvirt::{
    AuthError, ConnectOptions, Connection, Credentials, Error, ErrorCode, TlsConnector, TlsFuture,
};
use nephoscope_http::TlsOptions;
use nephoscope_http::tls::client_tls;
use rustls::pki_types::ServerName;
use testkit::Libvirtd;
use tokio::net::TcpStream;

use super::harness::{open, patient};

fn credentials(user: &str, password: &str) -> ConnectOptions {
    let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
    ConnectOptions { credentials: Some(credentials), ..patient() }
}

async fn refused(uri: &str, options: &ConnectOptions) -> Error {
    Connection::open(&uri.parse().unwrap(), options).await.unwrap_err()
}

async fn authenticates(mechanism: &str) {
    let daemon = Libvirtd::builder().sasl(mechanism).start().unwrap();
    let (user, password) = daemon.credentials().unwrap();
    let uri = daemon.uri_of("test", "/default");
    let connection = open(&uri, &credentials(user, password)).await;
    assert_eq!(connection.driver_name().await.unwrap(), "TEST");
    for (user, password) in [(user, "wrong"), ("nobody", password), ("", "")] {
        let error = refused(&uri, &credentials(user, password)).await;
        assert_eq!(error.code(), Some(ErrorCode::AUTH_FAILED), "{mechanism}, {user:?}: {error}");
        assert!(!format!("{error} {error:?}").contains(password) || password.is_empty());
    }
    let error = refused(&uri, &patient()).await;
    assert!(matches!(error, Error::Auth(AuthError::NoCredentials)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_plain() {
    authenticates("PLAIN").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_scram_sha_1() {
    authenticates("SCRAM-SHA-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_scram_sha_256() {
    authenticates("SCRAM-SHA-256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_mechanisms_and_other_authentications_are_named() {
    let daemon = Libvirtd::builder().sasl("DIGEST-MD5").start().unwrap();
    let (user, password) = daemon.credentials().unwrap();
    let error = refused(&daemon.uri_of("test", "/default"), &credentials(user, password)).await;
    assert!(error.to_string().contains("DIGEST-MD5"), "{error}");
}

/// rustls, set up by the workspace's one TLS configuration.
struct Rustls(tokio_rustls::TlsConnector);

impl std::fmt::Debug for Rustls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rustls")
    }
}

impl Rustls {
    fn options(options: &TlsOptions) -> ConnectOptions {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_tls(options).unwrap()));
        ConnectOptions { tls: Some(Arc::new(Self(connector))), ..patient() }
    }
}

impl TlsConnector for Rustls {
    fn connect(&self, host: &str, tcp: TcpStream) -> TlsFuture {
        let (connector, name) = (self.0.clone(), ServerName::try_from(host.to_owned()));
        Box::pin(async move {
            let name = name.map_err(std::io::Error::other)?;
            let stream: Box<dyn libvirt::ByteStream> = Box::new(connector.connect(name, tcp).await?);
            Ok(stream)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_and_tls() {
    let daemon = Libvirtd::builder().tcp().tls().start().unwrap();
    let tcp = format!("test+tcp://127.0.0.1:{}/default", daemon.tcp_port().unwrap());
    assert_eq!(open(&tcp, &patient()).await.driver_name().await.unwrap(), "TEST");

    let files = daemon.certificates().unwrap();
    let tls = |host: &str| format!("test+tls://{host}:{}/default", daemon.tls_port().unwrap());
    let good = TlsOptions {
        cafile: Some(files.ca.clone()),
        certfile: Some(files.client_certificate.clone()),
        keyfile: Some(files.client_key.clone()),
        ..TlsOptions::default()
    };
    for host in ["localhost", "127.0.0.1"] {
        let connection = open(&tls(host), &Rustls::options(&good)).await;
        assert_eq!(connection.driver_name().await.unwrap(), "TEST");
        connection.close().await;
    }

    let stranger = TlsOptions { cafile: Some(files.stranger_ca.clone()), ..good.clone() };
    let error = refused(&tls("localhost"), &Rustls::options(&stranger)).await;
    assert!(
        matches!(&error, Error::Tls { source, .. } if source.to_string().contains("UnknownIssuer")),
        "{error:?}"
    );
    let nameless = TlsOptions { certfile: None, keyfile: None, ..good };
    let error = refused(&tls("localhost"), &Rustls::options(&nameless)).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let error = refused(&tls("localhost"), &patient()).await;
    assert!(matches!(error, Error::NoTls { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_over_tls_and_not_over_bare_tcp() {
    let daemon = Libvirtd::builder().sasl("PLAIN SCRAM-SHA-1").tcp().tls().start().unwrap();
    let (user, password) = daemon.credentials().unwrap();
    let files = daemon.certificates().unwrap();
    let tls = Rustls::options(&TlsOptions {
        cafile: Some(files.ca.clone()),
        certfile: Some(files.client_certificate.clone()),
        keyfile: Some(files.client_key.clone()),
        ..TlsOptions::default()
    });
    let options = ConnectOptions { tls: tls.tls, ..credentials(user, password) };
    let uri = format!("test+tls://localhost:{}/default", daemon.tls_port().unwrap());
    assert_eq!(open(&uri, &options).await.driver_name().await.unwrap(), "TEST");

    // Over bare TCP libvirt itself wants a mechanism that encrypts, and has none here.
    let uri = format!("test+tcp://127.0.0.1:{}/default", daemon.tcp_port().unwrap());
    let error = refused(&uri, &options).await;
    assert!(matches!(error, Error::Auth(_) | Error::Remote { .. }), "{error:?}");
}
