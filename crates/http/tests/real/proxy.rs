use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};

use nephoscope_http::{ClientOptions, ProxyOptions, TlsOptions, client, explain};

use crate::support::{Certificates, OpensslServer, PlainServer, respond};

/// A proxy: tunnels `CONNECT`, and answers plain requests itself, as if it had fetched them.
fn proxy() -> PlainServer {
    PlainServer::start(|head, mut stream| {
        let Some(target) = head.strip_prefix("CONNECT ") else {
            respond(&stream, b"through the proxy");
            return;
        };
        let target = target.split(' ').next().unwrap();
        let upstream = TcpStream::connect(target).unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut from, mut to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
        let sending = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut upstream = upstream;
        let _ = io::copy(&mut upstream, &mut stream);
        let _ = stream.shutdown(Shutdown::Both);
        let _ = sending.join();
    })
}

async fn get(proxy: ProxyOptions, url: &str) -> Result<String, String> {
    let tls = TlsOptions { cafile: Some(Certificates::shared().path("ca.pem")), ..TlsOptions::default() };
    let client = client(&ClientOptions { proxy, tls, ..ClientOptions::default() })
        .map_err(|error| error.to_string())?;
    let response = client.get(url).send().await.map_err(|error| explain(&error))?;
    response.text().await.map_err(|error| explain(&error))
}

#[tokio::test]
async fn plain_requests_go_through_the_proxy_with_its_password() {
    let proxy = proxy();
    let options = ProxyOptions {
        http: Some(format!("http://user:swordfish@{}", proxy.address)),
        ..ProxyOptions::default()
    };
    assert!(!format!("{options:?}").contains("swordfish"));
    let text = get(options, "http://unreachable.invalid/path").await.unwrap();
    assert_eq!(text, "through the proxy");
    let head = proxy.heads().remove(0);
    assert!(head.starts_with("GET http://unreachable.invalid/path HTTP/1.1\r\n"), "{head}");
    // user:swordfish in base64.
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpzd29yzgzpc2g="), "{head}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_to_the_real_server() {
    let proxy = proxy();
    let server = OpensslServer::start("server", &[]);
    let options = ProxyOptions { all: Some(format!("http://{}", proxy.address)), ..ProxyOptions::default() };
    let text = get(options, &server.url()).await.unwrap();
    assert!(text.contains("TLSv1.3"), "{text}");
    assert!(proxy.heads()[0].starts_with(&format!("CONNECT 127.0.0.1:{} ", server.port)));
}

#[tokio::test]
async fn exceptions_are_reached_directly() {
    let (proxy, server) = (proxy(), PlainServer::start(|_, stream| respond(&stream, b"direct")));
    let options = |no_proxy: &str| ProxyOptions {
        http: Some(proxy.address.to_string()),
        no_proxy: Some(no_proxy.to_owned()),
        ..ProxyOptions::default()
    };
    for exceptions in ["127.0.0.1", "127.0.0.0/8", "other.example, 127.0.0.1", "*"] {
        assert_eq!(get(options(exceptions), &server.url("/")).await.unwrap(), "direct", "{exceptions}");
    }
    assert_eq!(get(options("other.example"), &server.url("/")).await.unwrap(), "through the proxy");
}

#[tokio::test]
async fn a_dead_proxy_and_a_wrong_value_are_explained() {
    let options =
        ProxyOptions { http: Some("http://u:swordfish@127.0.0.1:1".to_owned()), ..ProxyOptions::default() };
    let error = get(options, "http://unreachable.invalid/").await.unwrap_err();
    assert!(error.contains("cannot connect") && !error.contains("swordfish"), "{error}");
    let options =
        ProxyOptions { https: Some("http://u:swordfish@ho st:port".to_owned()), ..ProxyOptions::default() };
    let error = get(options, "http://unreachable.invalid/").await.unwrap_err();
    assert!(error.starts_with("the value of https_proxy is no proxy URL: "), "{error}");
    assert!(!error.contains("swordfish"), "{error}");
}

#[test]
fn variables_are_read_as_python_reads_them() {
    let environment =
        [("HTTP_PROXY", "up"), ("http_proxy", "low"), ("HTTPS_PROXY", "secure"), ("no_proxy", " ")];
    let found = ProxyOptions::from_values(|name| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    });
    let expected = ProxyOptions {
        http: Some("low".to_owned()),
        https: Some("secure".to_owned()),
        all: None,
        no_proxy: None,
    };
    assert_eq!(found, expected);
}
