//! The API over TLS, on two addresses, whose certificate changes while it runs.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Port, wait_until};

use super::certificates::Certificates;
use super::harness::Server;

/// Files are looked at every few seconds.
const LONG: Duration = Duration::from_mins(2);

/// The status line, as a client sees it that trusts the authority of the tests and wants this host.
fn asked(address: &str, host: &str) -> Option<String> {
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            host,
            "-connect",
            address,
            "-CAfile",
        ])
        .arg(Certificates::shared().path("ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One that does not trust the server has gone by now.
    let _ = child.stdin.take().unwrap().write_all(b"GET / HTTP/1.0\r\nHost: api\r\n\r\n");
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    // Addresses in answers say that it is TLS.
    text.contains("https://api/v1/").then_some(text)
}

#[test]
fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
    let certificates = Certificates::shared();
    let ports = [Port::take().unwrap(), Port::take().unwrap()];
    let addresses = ports.each_ref().map(|port| format!("127.0.0.1:{}", port.number()));
    let mut server = Server::new()
        .with("nephoscope", format!("metric_api_addresses = {},{}", addresses[0], addresses[1]))
        .with("nephoscope", "metric_tls_enable = true")
        .with("nephoscope", "metric_tls_certfile = own.pem")
        .with("nephoscope", "metric_tls_keyfile = own.key");
    let put = |server: &Server, name: &str, kind: &str| {
        fs::copy(certificates.path(&format!("{name}.{kind}")), server.path(&format!("own.{kind}"))).unwrap();
    };
    put(&server, "server", "pem");
    put(&server, "server", "key");
    server.start();
    server.wait_started();
    for address in &addresses {
        assert!(asked(address, "localhost").is_some(), "{}", server.process().output());
    }
    // A certificate without its key: noticed without a signal, and the old pair stays.
    put(&server, "elsewhere", "pem");
    server.process().line_where("a refusal", LONG, |line| line.contains("keeps the certificate")).unwrap();
    assert!(asked(&addresses[1], "localhost").is_some());
    put(&server, "elsewhere", "key");
    wait_until("the other certificate", LONG, || asked(&addresses[0], "elsewhere.example")).unwrap();
    assert!(asked(&addresses[1], "elsewhere.example").is_some());
    assert!(asked(&addresses[1], "localhost").is_none());
    // By a signal it is at once.
    put(&server, "server", "pem");
    put(&server, "server", "key");
    server.process_mut().hang_up().unwrap();
    wait_until("the first certificate", LONG, || asked(&addresses[0], "localhost")).unwrap();
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
}
