use std::io::Write as _;
use std::time::{Duration, Instant};

use nephoscope_http::{
    BodyError, ClientOptions, ServerTlsOptions, TlsOptions, TlsVersion, client, explain, read_body, tls,
};

use crate::support::{Certificates, OpensslServer, PlainServer, respond};

fn trusting() -> TlsOptions {
    TlsOptions { cafile: Some(Certificates::shared().path("ca.pem")), ..TlsOptions::default() }
}

fn with_client_certificate() -> TlsOptions {
    let certificates = Certificates::shared();
    TlsOptions {
        certfile: Some(certificates.path("client.pem")),
        keyfile: Some(certificates.path("client.key")),
        ..trusting()
    }
}

async fn page(tls: TlsOptions, url: &str) -> Result<String, String> {
    let client =
        client(&ClientOptions { tls, ..ClientOptions::default() }).map_err(|error| error.to_string())?;
    let response = client.get(url).send().await.map_err(|error| explain(&error))?;
    let body = read_body(response, 1 << 20).await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_server_signed_by_the_ca_file_is_trusted() {
    let server = OpensslServer::start("server", &[]);
    let text = page(trusting(), &server.url()).await.unwrap();
    assert!(text.contains("TLSv1.3"), "{text}");
    let by_name = format!("https://localhost:{}/", server.port);
    page(trusting(), &by_name).await.unwrap();
}

#[tokio::test]
async fn a_wrong_authority_is_explained() {
    let server = OpensslServer::start("server", &[]);
    let other =
        TlsOptions { cafile: Some(Certificates::shared().path("other-ca.pem")), ..TlsOptions::default() };
    for tls in [other, TlsOptions::default()] {
        let error = page(tls, &format!("{}?token=swordfish", server.url())).await.unwrap_err();
        assert!(error.starts_with(&format!("{}: cannot connect: ", server.url())), "{error}");
        assert!(error.contains("not trusted; set cafile"), "{error}");
        assert!(!error.contains("swordfish"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_name_and_an_expired_certificate_are_explained() {
    let server = OpensslServer::start("elsewhere", &[]);
    let error = page(trusting(), &server.url()).await.unwrap_err();
    assert!(error.contains("is for another name"), "{error}");
    let server = OpensslServer::start("expired", &[]);
    let error = page(trusting(), &server.url()).await.unwrap_err();
    assert!(error.contains("has expired"), "{error}");
}

#[tokio::test]
async fn insecure_accepts_any_certificate() {
    for certificate in ["elsewhere", "expired"] {
        let server = OpensslServer::start(certificate, &[]);
        for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            let tls = TlsOptions {
                insecure: true,
                min_version: Some(version),
                max_version: Some(version),
                ..TlsOptions::default()
            };
            page(tls, &server.url()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn any_name_forgives_the_name_and_nothing_else() {
    let any_name = TlsOptions { any_name: true, ..trusting() };
    let elsewhere = OpensslServer::start("elsewhere", &[]);
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let tls = TlsOptions { max_version: Some(version), ..any_name.clone() };
        page(tls, &elsewhere.url()).await.unwrap();
    }
    let expired = OpensslServer::start("expired", &[]);
    assert!(page(any_name.clone(), &expired.url()).await.unwrap_err().contains("has expired"));
    let other = TlsOptions { cafile: Some(Certificates::shared().path("other-ca.pem")), ..any_name };
    assert!(page(other, &elsewhere.url()).await.unwrap_err().contains("not trusted"));
}

#[tokio::test]
async fn versions_are_bounded_on_both_sides() {
    let old = OpensslServer::start("server", &["-tls1_2"]);
    let text =
        page(TlsOptions { max_version: Some(TlsVersion::V1_2), ..trusting() }, &old.url()).await.unwrap();
    assert!(text.contains("TLSv1.2"), "{text}");
    let error =
        page(TlsOptions { min_version: Some(TlsVersion::V1_3), ..trusting() }, &old.url()).await.unwrap_err();
    assert!(error.contains("refused our side of TLS") || error.contains("in common"), "{error}");
    let new = OpensslServer::start("server", &["-tls1_3"]);
    let error =
        page(TlsOptions { max_version: Some(TlsVersion::V1_2), ..trusting() }, &new.url()).await.unwrap_err();
    assert!(error.contains("refused our side of TLS") || error.contains("in common"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_gets_it() {
    // TLS 1.2, so that the refusal comes within the handshake.
    let server = OpensslServer::start(
        "server",
        &["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem", "-tls1_2"],
    );
    let text = page(with_client_certificate(), &server.url()).await.unwrap();
    assert!(text.contains("CN = client") || text.contains("CN=client"), "{text}");
    let both = TlsOptions { certfile: Some(Certificates::shared().path("client-both.pem")), ..trusting() };
    page(both, &server.url()).await.unwrap();
    let error = page(trusting(), &server.url()).await.unwrap_err();
    assert!(error.contains("it may want a client certificate"), "{error}");
}

#[tokio::test]
async fn plain_http_where_tls_was_expected_is_explained() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
        stream
    });
    let error = page(trusting(), &format!("https://{address}/")).await.unwrap_err();
    assert!(error.contains("does not speak TLS on this port"), "{error}");
    drop(thread.join());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let certificates = Certificates::shared();
    let directory = tempfile::tempdir().unwrap();
    let garbage = directory.path().join("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n")
        .unwrap();
    let no_end = directory.path().join("no-end.pem");
    std::fs::write(&no_end, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let no_certificate = directory.path().join("no-certificate.pem");
    std::fs::write(&no_certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let huge = directory.path().join("huge.pem");
    std::fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
    let missing = directory.path().join("missing.pem");
    let pem = |name: &str| certificates.path(name);
    let ca = |path: &std::path::Path| TlsOptions { cafile: Some(path.to_owned()), ..TlsOptions::default() };
    let pair = |certificate: &std::path::Path, key: Option<&std::path::Path>| TlsOptions {
        certfile: Some(certificate.to_owned()),
        keyfile: key.map(Into::into),
        ..TlsOptions::default()
    };
    for (options, file, words) in [
        (ca(&missing), &missing, "cannot read CA file"),
        (ca(&empty), &empty, "it holds no certificate"),
        (ca(&garbage), &garbage, "no base64"),
        (ca(&no_end), &no_end, "does not end with"),
        (ca(&no_certificate), &no_certificate, "none of its certificates"),
        (ca(&huge), &huge, "is larger than 8388608 bytes"),
        (ca(directory.path()), &directory.path().to_owned(), "cannot read CA file"),
        (pair(&pem("client.pem"), None), &pem("client.pem"), "it holds no private key"),
        (pair(&pem("client.pem"), Some(&missing)), &missing, "cannot read key file"),
        (pair(&pem("client.key"), None), &pem("client.key"), "it holds no certificate"),
        (
            pair(&pem("client.pem"), Some(&pem("client-encrypted.key"))),
            &pem("client-encrypted.key"),
            "protected by a passphrase",
        ),
        (pair(&pem("client.pem"), Some(&pem("server.key"))), &pem("server.key"), "cannot be used"),
        (
            TlsOptions { keyfile: Some(pem("client.key")), ..TlsOptions::default() },
            &pem("client.key"),
            "without a certificate file",
        ),
    ] {
        let error =
            client(&ClientOptions { tls: options, ..ClientOptions::default() }).unwrap_err().to_string();
        assert!(
            error.contains(words) && error.contains(&*file.to_string_lossy()),
            "{error}, expected {words}"
        );
    }
    let server = ServerTlsOptions {
        certfile: pem("server.pem"),
        keyfile: Some(pem("client.key")),
        client_cafile: None,
        min_version: None,
    };
    assert!(tls::server_tls(&server).unwrap_err().to_string().contains("client.key cannot be used"));
    let options = TlsOptions {
        min_version: Some(TlsVersion::V1_3),
        max_version: Some(TlsVersion::V1_2),
        ..TlsOptions::default()
    };
    assert!(tls::client_tls(&options).unwrap_err().to_string().contains("is above the highest"));
}

#[tokio::test]
async fn a_body_longer_than_the_bound_is_not_read() {
    let server = PlainServer::start(|head, mut stream| {
        if head.starts_with("GET /endless") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 8_192]).is_ok() {}
        } else {
            respond(&stream, &[b'x'; 1_000]);
        }
    });
    let client = client(&ClientOptions::default()).unwrap();
    let get = async |path: &str, limit| {
        let response = client.get(server.url(path)).send().await.unwrap();
        read_body(response, limit).await
    };
    assert_eq!(get("/", 1_000).await.unwrap().len(), 1_000);
    assert!(matches!(get("/", 999).await, Err(BodyError::TooLong { limit_bytes: 999 })));
    assert!(matches!(get("/endless", 1 << 20).await, Err(BodyError::TooLong { .. })));
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_with_its_name() {
    let server = PlainServer::start(|head, mut stream| {
        if head.starts_with("GET /half") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        // Until the client goes away.
        let _ = std::io::Read::read(&mut stream, &mut [0; 16]);
    });
    let options = ClientOptions {
        timeout: Duration::from_secs(3),
        read_timeout: Duration::from_secs(2),
        ..ClientOptions::default()
    };
    let client = client(&options).unwrap();
    let start = Instant::now();
    let error = explain(&client.get(server.url("/silent?key=swordfish")).send().await.unwrap_err());
    assert!(error.starts_with(&format!("{}: timed out", server.url("/silent"))), "{error}");
    assert!(!error.contains("swordfish"));
    let half = client.get(server.url("/half")).send().await.unwrap();
    let error = read_body(half, 100).await.unwrap_err().to_string();
    assert!(error.contains("timed out"), "{error}");
    assert!(start.elapsed() < Duration::from_mins(1));
}

#[tokio::test]
async fn nobody_listening_and_no_such_host_are_explained() {
    let address = "127.0.0.1:1";
    let error = page(TlsOptions::default(), &format!("http://{address}/v1")).await.unwrap_err();
    assert!(error.starts_with(&format!("http://{address}/v1: cannot connect: ")), "{error}");
    assert!(error.contains("refused"), "{error}");
    let error = page(TlsOptions::default(), "not a url").await.unwrap_err();
    assert!(error.starts_with("the request cannot be made: "), "{error}");
}

#[tokio::test]
async fn requests_carry_our_name() {
    let server = PlainServer::start(|_, stream| respond(&stream, b"ok"));
    page(TlsOptions::default(), &server.url("/")).await.unwrap();
    let head = server.heads().remove(0).to_ascii_lowercase();
    assert!(head.contains("\r\nuser-agent: nephoscope/"), "{head}");
}
