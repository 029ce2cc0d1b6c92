//! What becomes of records when the server of an HTTP publisher does not simply take them; and TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: a failed step is a failed test, and time is the machine's"
)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nephoscope_http::{ServerTlsOptions, tls};
use nephoscope_publishers::http::HttpPublisher;
use nephoscope_publishers::opentelemetry::OpenTelemetryPublisher;
use nephoscope_publishers::prometheus::PrometheusPublisher;
use nephoscope_publishers::remote_write::RemoteWritePublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

#[path = "../../http/tests/real/support.rs"]
#[allow(dead_code, reason = "only its certificates")]
mod certificates;
#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
use certificates::Certificates;
use records::{event, sample};
use server::{Answer, Request, Server};

fn publisher(url: &str) -> HttpPublisher {
    HttpPublisher::new(&PublisherUrl::new(url), &HttpSettings::default(), Witness::nobody()).unwrap()
}

async fn publish(publisher: &mut HttpPublisher, resources: &[&str]) -> Result<Refusals, PublishError> {
    let samples = resources.iter().map(|resource| sample("m", resource, 1)).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await
}

/// Group, record and cause of each refusal.
fn refused(refusals: &Refusals) -> Vec<(usize, usize, &'static str)> {
    refusals.iter().map(|refusal| (refusal.group, refusal.record, refusal.cause)).collect()
}

fn url(server: &Server, rest: &str) -> String {
    format!("http://{}{rest}", server.address)
}

#[tokio::test]
async fn every_status_is_accepted_offered_again_or_refused() {
    for (status, cause) in [
        (200, "accepted"),
        (201, "accepted"),
        (204, "accepted"),
        (400, "refused bad_request"),
        (401, "again unauthorized"),
        (403, "again forbidden"),
        (404, "again not_found"),
        (405, "again method_not_allowed"),
        (408, "again request_timeout"),
        (409, "refused conflict"),
        (410, "again gone"),
        (413, "refused too_large"),
        (415, "again media_type"),
        (418, "again unexpected_status"),
        (422, "refused unprocessable"),
        (425, "again too_early"),
        (429, "again throttled"),
        (500, "again server_error"),
        (502, "again server_error"),
        (503, "again server_error"),
        (504, "again server_error"),
    ] {
        let server = Server::start(move |_, _| {
            Answer::Status(
                status,
                String::new(),
                if status == 204 { String::new() } else { "because".into() },
            )
        });
        let outcome = match publish(&mut publisher(&url(&server, "/p?token=secret")), &["r"]).await {
            Ok(refusals) => match refusals.iter().next() {
                None => "accepted".to_owned(),
                Some(refusal) => {
                    assert!(refusal.reason.contains("because"), "{}", refusal.reason);
                    assert!(!refusal.reason.contains("secret"), "{}", refusal.reason);
                    format!("refused {}", refusal.cause)
                }
            },
            Err(error) => {
                assert!(error.message.contains("because") && !error.message.contains("secret"), "{error}");
                format!("again {}", error.cause)
            }
        };
        assert_eq!(outcome, cause, "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

/// The server refuses whatever has the resource `bad` in it.
fn picky(status: u16) -> Server {
    Server::start(move |request: &Request, _| {
        Answer::status(if request.text().contains("\"bad") { status } else { 200 })
    })
}

#[tokio::test]
async fn only_the_records_at_fault_are_refused_and_the_others_are_delivered() {
    for status in [400, 409, 413, 422] {
        let server = picky(status);
        let groups: Arc<[Records]> = Arc::new([
            Records::Samples(vec![sample("m", "a", 1), sample("m", "bad 1", 1)]),
            Records::Samples(vec![sample("m", "b", 1)]),
            Records::Samples(vec![sample("m", "c", 1), sample("m", "d", 1), sample("m", "bad 2", 1)]),
        ]);
        let refusals = publisher(&url(&server, "/")).publish(groups).await.unwrap();
        let places: Vec<_> =
            refused(&refusals).into_iter().map(|(group, record, _)| (group, record)).collect();
        assert_eq!(places, [(0, 1), (2, 2)], "{status}");
        let taken: String =
            server.requests().iter().map(Request::text).filter(|text| !text.contains("\"bad")).collect();
        for resource in ["a", "b", "c", "d"] {
            assert_eq!(taken.matches(&format!("\"resource_id\": \"{resource}\"")).count(), 1, "{resource}");
        }
    }
}

#[tokio::test]
async fn records_wait_while_an_address_is_wrong() {
    let server = Server::start(|_, _| Answer::status(404));
    let error = publish(&mut publisher(&url(&server, "/wrong")), &["a", "b", "c"]).await.unwrap_err();
    assert_eq!(error.cause, "not_found", "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn without_batch_each_record_has_a_request_of_its_own() {
    let server = picky(400);
    let refusals = publish(&mut publisher(&url(&server, "/?batch=False")), &["a", "bad", "b"]).await.unwrap();
    assert_eq!(refused(&refusals), [(0, 1, "bad_request")]);
    let bodies: Vec<_> = server.requests().iter().map(Request::text).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| body.starts_with("{\"name\"")), "{bodies:?}");
}

#[tokio::test]
async fn what_waits_together_goes_together_in_bounded_requests() {
    let server = Server::recording();
    let groups: Arc<[Records]> =
        (0..3).map(|_| Records::Samples((0..501).map(|_| sample("m", "r", 1)).collect())).collect();
    publisher(&url(&server, "/")).publish(groups).await.unwrap();
    let counts: Vec<_> =
        server.requests().iter().map(|request| request.text().matches("\"name\"").count()).collect();
    assert_eq!(counts, [1000, 503]);
    // A connection serves many requests.
    assert_eq!(server.connections(), 1);
}

/// A later request of an attempt fails, or one half of a request that is divided: what was taken is not sent again, however
/// often the attempt is repeated, and what was refused is still known in the end.
#[tokio::test]
async fn what_was_taken_in_a_failed_attempt_is_not_sent_again() {
    for query in ["batch=False", ""] {
        let broken = Arc::new(AtomicBool::new(true));
        let taken = Arc::new(Mutex::new(String::new()));
        let (flag, all) = (Arc::clone(&broken), Arc::clone(&taken));
        let server = Server::start(move |request: &Request, _| {
            let text = request.text();
            if text.contains("\"bad\"") {
                return Answer::status(400);
            }
            if text.contains("\"late\"") && flag.load(Ordering::SeqCst) {
                return Answer::status(503);
            }
            all.lock().unwrap().push_str(&text);
            Answer::status(200)
        });
        let mut publisher = publisher(&url(&server, &format!("/?{query}")));
        let samples = ["a", "bad", "b", "late", "c"].map(|resource| sample("m", resource, 1));
        let groups: Arc<[Records]> = Arc::new([Records::Samples(samples.to_vec())]);
        for _ in 0..3 {
            assert_eq!(publisher.publish(Arc::clone(&groups)).await.unwrap_err().cause, "server_error");
        }
        broken.store(false, Ordering::SeqCst);
        let refusals = publisher.publish(groups).await.unwrap();
        assert_eq!(refused(&refusals), [(0, 1, "bad_request")], "{query}");
        let taken = taken.lock().unwrap();
        for resource in ["a", "b", "late", "c"] {
            let times = taken.matches(&format!("\"resource_id\": \"{resource}\"")).count();
            assert_eq!(times, 1, "{query} {resource}");
        }
    }
}

#[tokio::test]
async fn raw_only_sends_the_payload_of_events_that_have_one() {
    let server = Server::recording();
    let events = Records::Events(vec![event("t", "one"), event("t", ""), event("t", "two")]);
    publisher(&url(&server, "/?raw_only=True")).publish(Arc::new([events.clone()])).await.unwrap();
    publisher(&url(&server, "/")).publish(Arc::new([events])).await.unwrap();
    let [raw, whole] = server.requests().try_into().unwrap();
    assert_eq!(raw.text(), "[\"one\", \"two\"]");
    assert!(whole.text().starts_with("[{\"message_id\": \"mid\", \"event_type\": \"t\""), "{}", whole.text());
}

#[tokio::test]
async fn retry_after_is_honoured() {
    for header in [
        "Retry-After: 1\r\n",
        "Date: Thu, 26 Nov 2026 08:00:00 GMT\r\nRetry-After: Thu, 26 Nov 2026 08:00:01 GMT\r\n",
    ] {
        let server = Server::start(move |_, number| match number {
            0 => Answer::Status(503, header.into(), String::new()),
            _ => Answer::status(200),
        });
        let mut publisher = publisher(&url(&server, "/"));
        // The wait begins with the answer.
        let began = Instant::now();
        let error = publish(&mut publisher, &["r"]).await.unwrap_err();
        assert!(error.message.contains("asks to wait for 1 s"), "{error}");
        publish(&mut publisher, &["r"]).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_silent_server_and_one_that_hangs_up_keep_the_records() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut waiting = publisher(&format!("http://{}/?timeout=1", silent.local_addr().unwrap()));
    let began = Instant::now();
    let error = publish(&mut waiting, &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "timeout", "{error}");
    assert!(began.elapsed() < Duration::from_secs(30));
    let server = Server::start(|_, _| Answer::Hang);
    let error = publish(&mut publisher(&url(&server, "/")), &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "transport", "{error}");
}

#[tokio::test]
async fn max_retries_are_attempts_to_connect() {
    // Nobody listens there.
    let address = "127.0.0.1:1";
    for (max_retries, attempts) in [(0, 1), (2, 3)] {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let witness = Witness::new(move |line| told.lock().unwrap().push(line.to_owned()));
        let url = PublisherUrl::new(&format!("http://{address}/?max_retries={max_retries}"));
        let mut publisher = HttpPublisher::new(&url, &HttpSettings::default(), witness).unwrap();
        let error = publish(&mut publisher, &["r"]).await.unwrap_err();
        assert_eq!(error.cause, "connect", "{error}");
        let failures = seen.lock().unwrap().iter().filter(|line| line.starts_with("! ")).count();
        assert_eq!(failures, attempts);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_, _| {
        Answer::Status(302, "Location: http://127.0.0.1:1/elsewhere\r\n".into(), String::new())
    });
    let error = publish(&mut publisher(&url(&server, "/")), &["r"]).await.unwrap_err();
    assert_eq!(error.cause, "redirect", "{error}");
    assert!(error.message.contains("write the address"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_exchange_is_told_without_secrets() {
    let server = Server::start(|_, _| Answer::Status(202, String::new(), "thanks".into()));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let witness = Witness::new(move |line| told.lock().unwrap().push(line.to_owned()));
    let url = PublisherUrl::new(&format!("http://user:swordfish@{}/p?key=swordfish", server.address));
    let mut publisher = HttpPublisher::new(&url, &HttpSettings::default(), witness).unwrap();
    publish(&mut publisher, &["r"]).await.unwrap();
    let lines = seen.lock().unwrap().join("\n");
    assert_eq!(server.requests()[0].target, "/p?key=swordfish");
    assert!(!lines.contains("swordfish") && !lines.contains("dXNlcjp"), "{lines}");
    for part in [
        &*format!(
            "> POST http://{}/p?key=***\n> Content-type: application/json\n> Authorization: Basic ***\n> [{{\"name\"",
            server.address
        ),
        "\n< 202 Accepted\n< thanks",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
}

#[test]
fn files_that_cannot_be_used_are_found_when_the_publisher_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let certificates = Certificates::shared();
    let path = |name: &str| certificates.path(name).display().to_string();
    for (query, words) in [
        ("verify_ssl=/no/such/ca.pem".to_owned(), "/no/such/ca.pem"),
        (format!("verify_ssl={}", empty.display()), "empty.pem"),
        (format!("verify_ssl={}", directory.path().display()), "cannot read"),
        ("clientcert=/no/such/cert.pem".to_owned(), "/no/such/cert.pem"),
        (format!("clientcert={}", path("client.pem")), "client.pem"),
        (format!("clientcert={}&clientkey={}", path("client.pem"), path("server.key")), "cannot be used"),
        (
            format!("clientcert={}&clientkey={}", path("client.pem"), path("client-encrypted.key")),
            "client-encrypted.key",
        ),
    ] {
        let url = PublisherUrl::new(&format!("https://h/?{query}"));
        let error =
            HttpPublisher::new(&url, &HttpSettings::default(), Witness::nobody()).unwrap_err().to_string();
        assert!(error.contains(words), "{query}: {error}");
    }
}

/// A TLS server that answers every request with 200, and says whether it got one.
async fn tls_server(options: ServerTlsOptions) -> (u16, Arc<AtomicBool>) {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_tls(&options).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A refused handshake is the other side's finding.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("}]") {
                match stream.read(&mut part).await {
                    Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
                    _ => break,
                }
            }
            if !request.is_empty() {
                flag.store(true, Ordering::SeqCst);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, asked)
}

fn server_options(certificate: &str, client_cafile: Option<&str>) -> ServerTlsOptions {
    let certificates = Certificates::shared();
    ServerTlsOptions {
        certfile: certificates.path(&format!("{certificate}.pem")),
        keyfile: Some(certificates.path(&format!("{certificate}.key"))),
        client_cafile: client_cafile.map(|name| certificates.path(name)),
        min_version: None,
    }
}

/// `ssl` makes HTTPS of schemes that do not say which of both they speak, and leaves the other parameters as they are.
#[tokio::test]
async fn ssl_is_https_for_publishers_whose_scheme_does_not_say() {
    let certificates = Certificates::shared();
    let path = |name: &str| certificates.path(name).display().to_string();
    let tls = format!(
        "max_retries=0&verify_ssl={}&clientcert={}&clientkey={}",
        path("ca.pem"),
        path("client.pem"),
        path("client.key")
    );
    for scheme in ["prometheus", "opentelemetryhttp", "prometheus+remotewrite"] {
        let (port, hellos) = tls_hellos(server_options("server", Some("ca.pem"))).await;
        for (ssl, is_tls) in [("&ssl=True", true), ("", false), ("&ssl=False", false)] {
            let url = PublisherUrl::new(&format!("{scheme}://127.0.0.1:{port}/metrics/job/x?{tls}{ssl}"));
            let (kind, settings, nobody) = (RecordsKind::Samples, HttpSettings::default(), Witness::nobody());
            let mut publisher: Box<dyn Publisher> = match scheme {
                "prometheus" => Box::new(PrometheusPublisher::new(&url, kind, &settings, nobody).unwrap()),
                "opentelemetryhttp" => {
                    Box::new(OpenTelemetryPublisher::new(&url, kind, &settings, nobody).unwrap())
                }
                _ => Box::new(RemoteWritePublisher::new(&url, kind, &settings, nobody).unwrap()),
            };
            let published = publisher.publish(Arc::new([Records::Samples(vec![sample("m", "r", 1)])])).await;
            assert_eq!(published.is_ok(), is_tls, "{url:?} {published:?}");
            assert_eq!(hellos.swap(0, Ordering::SeqCst), u32::from(is_tls), "{url:?}");
        }
    }
}

/// A TLS server that answers everything with 200 as soon as something comes, and counts whom it has got to know.
async fn tls_hellos(options: ServerTlsOptions) -> (u16, Arc<AtomicU32>) {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_tls(&options).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hellos = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&hellos);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !has_all(&request) {
                match stream.read(&mut part).await {
                    Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
                    _ => break,
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, hellos)
}

/// Whether a request is there with its whole body.
fn has_all(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| request.len() >= end + 4 + length.trim().parse::<usize>().unwrap())
}

#[tokio::test]
async fn certificates_of_both_sides() {
    let certificates = Certificates::shared();
    let path = |name: &str| certificates.path(name).display().to_string();
    let ca = format!("verify_ssl={}", path("ca.pem"));
    let key_pair = format!("clientcert={}&clientkey={}", path("client.pem"), path("client.key"));
    let both = format!("clientcert={}", path("client-both.pem"));
    for (server, clients, query, words) in [
        ("server", None, ca.clone(), None),
        ("server", None, "verify_ssl=False".to_owned(), None),
        ("server", Some("ca.pem"), format!("{ca}&{key_pair}"), None),
        ("server", Some("ca.pem"), format!("{ca}&{both}"), None),
        // Nobody that the machine trusts, or that the URL names, has signed it.
        ("server", None, "timeout=5".to_owned(), Some("set verify_ssl to that authority's certificate")),
        ("server", None, format!("verify_ssl={}", path("other-ca.pem")), Some("not trusted")),
        ("expired", None, ca.clone(), Some("has expired")),
        ("elsewhere", None, ca.clone(), Some("is for another name")),
        ("expired", None, "verify_ssl=no".to_owned(), None),
        ("server", Some("ca.pem"), ca.clone(), Some("client certificate (clientcert, clientkey)")),
        ("server", Some("other-ca.pem"), format!("{ca}&{key_pair}"), Some("refused our side of TLS")),
    ] {
        let (port, asked) = tls_server(server_options(server, clients)).await;
        let mut publisher = publisher(&format!("https://127.0.0.1:{port}/?max_retries=0&{query}"));
        let published = publish(&mut publisher, &["r"]).await;
        match words {
            None => {
                assert!(published.unwrap().is_empty(), "{query}");
                assert!(asked.load(Ordering::SeqCst), "{query}");
            }
            Some(words) => {
                let error = published.unwrap_err();
                assert!(error.message.contains(words), "{server} {query}: {error}");
                assert!(!asked.load(Ordering::SeqCst), "{query}");
            }
        }
    }
}
