//! A real Prometheus writes to the store.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Prometheus, wait_until};

use crate::store::Store;

/// Seconds that are waited for: Prometheus scrapes every second, and sends within another.
const POINTS: usize = 5;
const LIMIT: Duration = Duration::from_mins(1);

/// Something to scrape, whose values say how often it was.
fn target() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in (1..).zip(listener.incoming()) {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let text = format!("scrapes_total {number}\ntemperature -{number}.125\nbroken NaN\n");
            let length = text.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{text}");
        }
    });
    url
}

/// What the store has of a metric, second by second.
fn stored(store: &Store, metric: &str) -> Vec<(i64, Value)> {
    let answer = store.api.get(&format!("/v1/metric/{metric}/measures?aggregation=last")).unwrap();
    let second = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    answer.as_array().unwrap().iter().map(|point| (second(&point[0]), point[2].clone())).collect()
}

/// The story: what a Prometheus sends is there, to the second and to the bit.
#[test]
fn a_real_prometheus_writes_to_it() {
    let store = Store::start();
    let policy =
        json!({"name": "seconds", "definition": [{"granularity": 1}], "aggregation_methods": ["last"]});
    let rule = json!({"name": "scraped", "metric_pattern": "[st]*", "archive_policy_name": "seconds"});
    for (path, body) in [("/v1/archive_policy", policy), ("/v1/archive_policy_rule", rule)] {
        assert_eq!(store.api.request("POST", path, Some(&body)).unwrap().0, 201, "{path}");
    }
    let target = target();
    let prometheus = Prometheus::writing(
        std::slice::from_ref(&target),
        &format!("{}/v1/prometheus/write", store.api.url()),
    )
    .unwrap();
    let instance = target.trim_start_matches("http://").trim_end_matches("/metrics");
    let resource = format!("/v1/resource/prometheus/job0@{instance}");
    let metrics = wait_until("resource of the scraped target", LIMIT, || {
        let (status, found) = store.api.request("GET", &resource, None).unwrap();
        let has_all = status == 200
            && ["temperature", "scrapes_total", "broken"]
                .iter()
                .all(|name| !found["metrics"][name].is_null());
        has_all.then(|| found["metrics"].clone())
    });
    let metrics = metrics.unwrap_or_else(|error| panic!("{error}\n{}", prometheus.log()));
    for name in ["scrapes_total", "temperature"] {
        let metric = metrics[name].as_str().unwrap();
        wait_until("measures", LIMIT, || (stored(&store, metric).len() >= POINTS).then_some(())).unwrap();
        let ours = stored(&store, metric);
        let theirs = prometheus.query(&format!("{name}[1h]")).unwrap();
        // Of two scrapes in one second, the later one counts: the archive policy keeps the last value.
        let theirs: BTreeMap<i64, f64> = theirs[0]
            .values
            .iter()
            .map(|(time, text)| (time.div_euclid(1_000), text.parse().unwrap()))
            .collect();
        // What was scraped last may be on its way.
        for (point, (second, value)) in ours.iter().zip(&theirs) {
            assert_eq!(
                (point.0, point.1.as_f64()),
                (*second, Some(*value)),
                "{name}: {ours:?}, Prometheus has {theirs:?}"
            );
        }
        assert!(ours.len() <= theirs.len() + 1, "{ours:?} {theirs:?}");
    }
}
