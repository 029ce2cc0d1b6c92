//! Our server's TLS, seen by OpenSSL's client.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use nephoscope_http::{ServerTlsOptions, TlsVersion, tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::support::{Certificates, PATIENCE};

fn options(client_cafile: Option<&str>) -> ServerTlsOptions {
    let certificates = Certificates::shared();
    ServerTlsOptions {
        certfile: certificates.path("server.pem"),
        keyfile: Some(certificates.path("server.key")),
        client_cafile: client_cafile.map(|name| certificates.path(name)),
        min_version: None,
    }
}

/// Serves one connection that says hello, and hands back what OpenSSL's client said about it.
async fn seen_by_openssl(options: ServerTlsOptions, arguments: &[&str]) -> Output {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_tls(&options).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A refused handshake is the other side's finding.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.write_all(b"hello from rustls\n").await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 16]).await;
        }
    });
    let certificates = Certificates::shared();
    let mut command = Command::new("timeout");
    command.args(["60", "openssl", "s_client", "-connect", &address.to_string(), "-servername", "localhost"]);
    command.args(["-CAfile"]).arg(certificates.path("ca.pem")).arg("-verify_return_error");
    for argument in arguments {
        let file = certificates.path(argument);
        command.arg(if file.exists() { file.as_os_str() } else { argument.as_ref() });
    }
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    output
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn openssl_trusts_our_server() {
    for (argument, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let output = seen_by_openssl(options(None), &[argument]).await;
        let text = text(&output);
        assert!(output.status.success() && text.contains("Verify return code: 0 (ok)"), "{text}");
        assert!(text.contains(version), "{text}");
    }
}

#[tokio::test]
async fn the_lowest_version_is_enforced() {
    let output = seen_by_openssl(
        ServerTlsOptions { min_version: Some(TlsVersion::V1_3), ..options(None) },
        &["-tls1_2"],
    )
    .await;
    assert!(!output.status.success() && text(&output).contains("alert"), "{}", text(&output));
}

#[tokio::test]
async fn clients_without_the_right_certificate_are_refused() {
    let with = ["-cert", "client.pem", "-key", "client.key", "-tls1_2"];
    let output = seen_by_openssl(options(Some("ca.pem")), &with).await;
    assert!(output.status.success(), "{}", text(&output));
    let output = seen_by_openssl(options(Some("ca.pem")), &["-tls1_2"]).await;
    assert!(!output.status.success(), "{}", text(&output));
    let output = seen_by_openssl(options(Some("other-ca.pem")), &with).await;
    assert!(!output.status.success(), "{}", text(&output));
}
