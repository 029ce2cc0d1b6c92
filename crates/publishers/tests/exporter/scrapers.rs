//! Bounds, staleness, TLS, and scrapers that behave badly.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::MeterKind;
use nephoscope_http::TlsOptions;
use nephoscope_publishers::Witness;
use nephoscope_publishers::exporter::{ExporterMetrics, ExporterPublisher};
use observability::clock::Clock;
use observability::metrics::Metrics;
use pipeline::{PublisherUrl, RecordsKind};
use testkit::Port;

use crate::certificates::Certificates;
use crate::house::{House, client, get, made_of};
use crate::records::sample;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_refreshed_disappears_and_what_has_no_room_is_counted() {
    let (clock, hand) = Clock::test("2026-11-26T12:00:00Z".parse().unwrap());
    let mut house = House::with_clock("/metrics?stale_after=60&max_series=3", clock);
    let of = |resource: &str, volume: i64| made_of("cpu", MeterKind::Gauge, resource, volume, "{}");
    house.accept(&[of("a", 1), of("b", 2), of("c", 3), of("d", 4), of("e", 5)]).await;
    assert_eq!(house.lines().await.len(), 3);
    let not_shown = "nephoscope_prometheus_exporter_samples_not_shown_total";
    assert_eq!(house.own(&format!("{not_shown}{{cause=\"max_series\"}}")), 2);
    let mut early = (*of("a", 0)).clone();
    early.timestamp = "2026-01-01T00:00:00".into();
    house.accept(&[Arc::new(early)]).await;
    assert_eq!(house.own(&format!("{not_shown}{{cause=\"outdated\"}}")), 1);
    hand.advance(Duration::from_secs(59));
    house.accept(&[of("b", 7)]).await;
    assert_eq!(house.lines().await.len(), 3);
    hand.advance(Duration::from_secs(1));
    let lines = house.lines().await;
    assert!(
        lines.len() == 1 && lines[0].contains("resource=\"b\"") && lines[0].ends_with(" 7.0"),
        "{lines:?}"
    );
    house.accept(&[of("d", 4)]).await;
    assert_eq!(house.lines().await.len(), 2);
    assert_eq!(house.own("nephoscope_prometheus_exporter_series"), 2);
    assert_eq!(house.own("nephoscope_prometheus_exporter_scrapes_total"), 4);
    // What is no number is refused, and nothing else with it.
    let refusals =
        house.publish(&[of("b", 8), made_of("cpu", MeterKind::Gauge, "x", "many", "{}")]).await.unwrap();
    let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(1, "volume")]);
    assert!(house.lines().await[0].ends_with(" 8.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scraper_chooses_path_names_compression_and_method() {
    let mut house = House::new("/samples");
    house.accept(&[sample("cpu", "r", 1), sample("memory", "r", 2), sample("disk", "r", 3)]).await;
    assert_eq!(
        house.get("/metrics", "*/*").await,
        (404, "text/plain; charset=utf-8".into(), "samples are at /samples\n".into())
    );
    let (_, _, text) = house.get("/samples?name[]=ceilometer_cpu&name[]=ceilometer_disk&x=y", "*/*").await;
    assert_eq!(text.matches("# TYPE").count(), 2, "{text}");
    assert!(!text.contains("memory"), "{text}");
    // The client unpacks what is compressed.
    let (_, _, plain) = house.get("/samples", "*/*").await;
    assert!(plain.contains("ceilometer_memory{"));
    let raw = |head: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port.number())).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut answer = Vec::new();
        // Whoever is refused may be cut off before all is written or read.
        let _ = write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (compressed, uncompressed) =
        (raw("GET /samples HTTP/1.1\r\nAccept-Encoding: gzip"), raw("GET /samples HTTP/1.1"));
    assert!(compressed.contains("content-encoding: gzip") && !compressed.contains("# TYPE"), "{compressed}");
    assert!(!uncompressed.contains("content-encoding") && uncompressed.contains("# TYPE"), "{uncompressed}");
    let head = raw("HEAD /samples HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(raw("POST /samples HTTP/1.1").starts_with("HTTP/1.1 405 "));
    let long = raw(&format!("GET /samples HTTP/1.1\r\nX: {}", "y".repeat(30_000)));
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431 "), "{long}");
    // Without a path every one is served, and browsers get an icon's absence.
    let mut anywhere = House::new("");
    anywhere.accept(&[sample("cpu", "r", 1)]).await;
    assert!(anywhere.get("/x/y", "*/*").await.2.contains("ceilometer_cpu{"));
    assert_eq!(anywhere.get("/favicon.ico", "*/*").await, (200, String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapers_that_do_not_read_hold_nobody_up() {
    let mut house = House::new("/metrics?max_connections=8");
    let samples: Vec<_> = (0..20_000).map(|number| sample("cpu", &format!("resource-{number}"), 1)).collect();
    house.accept(&samples).await;
    let mut idle = Vec::new();
    for _ in 0..7 {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port.number())).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        idle.push(stream);
    }
    // Each of them is being answered, by now.
    let until = Instant::now() + Duration::from_mins(1);
    while house.own("nephoscope_prometheus_exporter_scrapes_total") < 7 {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let changed: Vec<_> = (0..20_000).map(|number| sample("cpu", &format!("resource-{number}"), 2)).collect();
    house.accept(&changed).await;
    let lines = house.lines().await;
    assert!(lines.len() == 20_000 && lines.iter().all(|line| line.ends_with(" 2.0")));
    // Those that began before the change get what they began with, all of it.
    let mut first = String::new();
    let mut stream = idle.remove(0);
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    while !first.ends_with("0\r\n\r\n") {
        let mut part = [0; 8192];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0);
        first.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    assert_eq!(first.matches("resource=\"resource-").count(), 20_000);
    assert!(!first.contains("} 2.0"));
}

/// One scraper more than there may be waits until another one has gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_connections_is_how_many_are_served_at_a_time() {
    let mut house = House::new("/metrics?max_connections=1");
    house.accept(&[sample("cpu", "r", 1)]).await;
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port.number())).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream
    };
    let mut answered = ask();
    answered.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    assert!(answered.read(&mut [0; 1]).unwrap() == 1);
    // The connection of the first is open still.
    let mut waiting = ask();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.read(&mut [0; 1]).is_err(), "a second one is served");
    waiting.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    drop(answered);
    assert!(waiting.read(&mut [0; 1]).unwrap() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_and_without_certificates_of_scrapers_on_two_addresses() {
    let certificates = Certificates::shared();
    let path = |name: &str| certificates.path(name);
    let second = Port::take().unwrap();
    let query = format!(
        "/metrics?certfile={}&keyfile={}&client_cafile={}&listen=127.0.0.1:{}",
        path("server.pem").display(),
        path("server.key").display(),
        path("ca.pem").display(),
        second.number(),
    );
    let mut house = House::new(&query);
    house.accept(&[sample("cpu", "r", 1)]).await;
    let with = TlsOptions {
        cafile: Some(path("ca.pem")),
        certfile: Some(path("client.pem")),
        keyfile: Some(path("client.key")),
        ..TlsOptions::default()
    };
    let without = TlsOptions { cafile: Some(path("ca.pem")), ..TlsOptions::default() };
    for port in [house.port.number(), second.number()] {
        let url = format!("https://127.0.0.1:{port}/metrics");
        assert!(get(&client(with.clone()), &url, "*/*").await.2.contains("ceilometer_cpu{"));
        assert!(client(without.clone()).get(&url).send().await.is_err());
        assert!(client(with.clone()).get(format!("http://127.0.0.1:{port}/metrics")).send().await.is_err());
    }
    let url = PublisherUrl::new("prometheus+exporter://127.0.0.1:1?certfile=/no/such.pem");
    let metrics = ExporterMetrics::register(&Metrics::new().component("prometheus_exporter"));
    let error =
        ExporterPublisher::new(&url, RecordsKind::Samples, metrics, Clock::machine(), Witness::nobody());
    assert!(error.unwrap_err().to_string().contains("/no/such.pem"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_wait_while_the_port_is_taken() {
    let mut house = House::new("");
    let holder = std::net::TcpListener::bind(("127.0.0.1", house.port.number())).unwrap();
    let error = house.publish(&[sample("cpu", "r", 1)]).await.unwrap_err();
    assert_eq!(error.cause, "listen");
    assert!(error.message.contains("the port is taken"), "{error}");
    drop(holder);
    house.accept(&[sample("cpu", "r", 1)]).await;
    assert_eq!(house.lines().await.len(), 1);
    // The address is free again when the publisher has gone.
    let House { publisher, port, .. } = house;
    drop(publisher);
    let until = Instant::now() + Duration::from_mins(1);
    while std::net::TcpListener::bind(("127.0.0.1", port.number())).is_err() {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
