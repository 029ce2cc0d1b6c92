//! kill -9 while measures come in: each that was answered with 2xx is there afterwards, and none that nobody sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use testkit::oracle::Id;
use testkit::{Judge, Oracle};

use super::harness::Server;

const ROUNDS: usize = 10;
/// Clients, each of which writes to a metric of its own.
const WRITERS: usize = 4;
/// Measures of a request.
const MEASURES: usize = 8;
/// 2020-01-01T00:00:00.
const BEGIN: u64 = 1_577_836_800;
/// Rounds after which what is stored is compared each time; of longer runs each tenth one.
const ALWAYS_COMPARED: usize = 20;

/// What one client has sent: the id of the measure of each second.
struct Sent {
    metric: String,
    ids: Mutex<Vec<Id>>,
    /// Metrics that were made beside, with 2xx.
    made: Mutex<Vec<String>>,
}

/// A measure's value, which says whose it is: 48 bits, which a double holds and any reader of JSON reads exactly.
fn value(id: Id) -> f64 {
    let digits = Oracle::payload(id);
    let high = u32::from_str_radix(&digits[..8], 16).unwrap();
    let low = u16::from_str_radix(&digits[8..12], 16).unwrap();
    f64::from(high) * 65_536.0 + f64::from(low)
}

fn write(server: &Server, sent: &Sent, oracle: &Oracle, stop: &AtomicBool) {
    let mut client = server.client();
    while !stop.load(Ordering::Relaxed) {
        let issued: Vec<Id> = (0..MEASURES).map(|_| oracle.issue()).collect();
        let mut ids = sent.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ids.len() as u64;
        ids.extend(&issued);
        drop(ids);
        let measures: Vec<_> = (BEGIN + first..)
            .zip(&issued)
            .map(|(timestamp, id)| json!({"timestamp": timestamp, "value": value(*id)}))
            .collect();
        let metric = &sent.metric;
        let (path, body) = if fastrand::bool() {
            (format!("/v1/metric/{metric}/measures"), json!(measures))
        } else {
            ("/v1/batch/metrics/measures".to_owned(), json!({metric: measures}))
        };
        match client.ask("POST", &path, &body.to_string()) {
            Ok(answer) if answer.status == 202 => issued.iter().for_each(|id| oracle.confirm(*id)),
            Ok(answer) => panic!("{answer:?}"),
            // It has been killed; it is tried again until it is back.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        if fastrand::u8(..) < 16 {
            let made =
                client.ask("POST", "/v1/metric", &json!({"archive_policy_name": "seconds"}).to_string());
            if let Ok(made) = made {
                assert_eq!(made.status, 201, "{made:?}");
                let id = made.json()["id"].as_str().unwrap().to_owned();
                sent.made.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            }
        }
    }
}

/// The second of January 2020 that a text names.
fn second(text: &str) -> usize {
    let rest = text.strip_prefix("2020-01-").unwrap_or_else(|| panic!("{text}"));
    let number = |range: std::ops::Range<usize>| rest[range].parse::<usize>().unwrap();
    (((number(0..2) - 1) * 24 + number(3..5)) * 60 + number(6..8)) * 60 + number(9..11)
}

/// What is stored, to the judge; and the metrics that were made are there.
fn judge(server: &Server, all: &[Sent], oracle: &Oracle) -> testkit::Verdict {
    let mut judge = Judge::new(oracle);
    let mut client = server.client();
    for sent in all {
        let answer = client.get(&format!("/v1/metric/{}/measures?aggregation=last", sent.metric));
        assert_eq!(answer.status, 200, "{answer:?}");
        let ids = sent.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for measure in answer.json().as_array().unwrap() {
            match ids.get(second(measure[0].as_str().unwrap())) {
                Some(id) if measure[2].as_f64() == Some(value(*id)) => {
                    judge.delivered(&id.to_string(), &Oracle::payload(*id));
                }
                Some(id) => judge.delivered(&id.to_string(), "another value"),
                None => judge.unreadable(&measure.to_string()),
            }
        }
        for id in sent.made.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            assert_eq!(client.get(&format!("/v1/metric/{id}")).status, 200, "{id}");
        }
    }
    judge.verdict()
}

#[test]
fn no_kill_loses_a_measure() {
    let rounds = match std::env::var("NEPHOSCOPE_METRIC_KILL_ROUNDS") {
        Ok(text) => text.parse().expect("NEPHOSCOPE_METRIC_KILL_ROUNDS is not a number"),
        Err(_) => ROUNDS,
    };
    let mut server = Server::new().started();
    server.make_policy();
    let oracle = Oracle::new();
    let sent = |_| Sent { metric: server.make_metric(), ids: Mutex::default(), made: Mutex::default() };
    let all: Vec<Sent> = (0..WRITERS).map(sent).collect();
    for round in 0..rounds {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let guard = StopOnDrop(&stop);
            for sent in &all {
                scope.spawn(|| write(&server, sent, &oracle, &stop));
            }
            std::thread::sleep(Duration::from_millis(fastrand::u64(50..500)));
            // Clients are stopped only afterwards: requests are under way when it dies.
            server.process().signal(Signal::KILL).unwrap();
            drop(guard);
        });
        server.kill();
        server.start();
        server.wait_started();
        if round < ALWAYS_COMPARED || round % 10 == 0 || round + 1 == rounds {
            let verdict = judge(&server, &all, &oracle);
            assert!(
                verdict.missing() == 0 && verdict.invented() == 0 && verdict.corrupted() == 0,
                "{verdict}"
            );
        }
    }
    let verdict = judge(&server, &all, &oracle);
    println!("{rounds} kills: {verdict}");
    assert!(verdict.missing() == 0 && verdict.invented() == 0 && verdict.corrupted() == 0, "{verdict}");
    assert!(oracle.confirmed() > rounds * MEASURES, "too little traffic to mean anything: {verdict}");
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
}

/// Ends the clients, also when a step fails: the scope waits for them.
pub(crate) struct StopOnDrop<'flag>(pub(crate) &'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
