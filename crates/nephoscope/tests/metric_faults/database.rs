//! PostgreSQL that is restarted, killed and away while clients work: they are told to try again, and can.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{PostgreSql, until};

use super::harness::Server;

/// A request must not wait for a database that is away longer than its deadline and a little.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

#[test]
fn a_database_that_is_restarted_costs_retries_alone() {
    let database = PostgreSql::start().unwrap();
    let mut server = Server::new().with("indexer", format!("url = {}", database.url())).started();
    server.make_policy();
    let metrics: Vec<String> = (0..3).map(|_| server.make_metric()).collect();
    let accepted: Mutex<BTreeMap<String, Vec<u64>>> = Mutex::default();
    let statuses: Mutex<BTreeMap<u16, usize>> = Mutex::default();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (server, accepted, statuses, stop) = (&server, &accepted, &statuses, &stop);
        for metric in &metrics {
            scope.spawn(move || {
                let mut client = server.client();
                for timestamp in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = json!([{"timestamp": timestamp, "value": timestamp}]).to_string();
                    let begin = Instant::now();
                    let answer = client.ask("POST", &format!("/v1/metric/{metric}/measures"), &body).unwrap();
                    assert!(begin.elapsed() < LONGEST_ANSWER, "{:?}: {answer:?}", begin.elapsed());
                    assert!(matches!(answer.status, 202 | 503), "{answer:?}");
                    *statuses.lock().unwrap().entry(answer.status).or_default() += 1;
                    if answer.status == 202 {
                        accepted.lock().unwrap().entry(metric.clone()).or_default().push(timestamp);
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let guard = super::kill::StopOnDrop(stop);
        let goes_on = || {
            let before = statuses.lock().unwrap().get(&202).copied().unwrap_or_default();
            until("accepted measures", || {
                (statuses.lock().unwrap().get(&202).copied().unwrap_or_default() > before + 10).then_some(())
            })
            .unwrap();
        };
        goes_on();
        database.restart().unwrap();
        goes_on();
        database.kill().unwrap();
        until("health that names the index", || {
            server.health("/readyz").body.contains("index does not answer").then_some(())
        })
        .unwrap();
        database.start_again().unwrap();
        goes_on();
        until("health without trouble", || {
            (!server.health("/readyz").body.contains("index does not answer")).then_some(())
        })
        .unwrap();
        drop(guard);
    });
    let mut client = server.client();
    for (metric, timestamps) in accepted.into_inner().unwrap() {
        let stored = client.get(&format!("/v1/metric/{metric}/measures?aggregation=last")).json();
        let stored: Vec<u64> = stored
            .as_array()
            .unwrap()
            .iter()
            .map(|measure| measure[2].to_string().trim_end_matches(".0").parse().unwrap())
            .collect();
        assert_eq!(stored, timestamps);
    }
    println!("{:?}", statuses.into_inner().unwrap());
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
}
