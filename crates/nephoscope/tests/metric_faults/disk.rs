//! A full disk: measures are refused, reads go on, and when there is room again everything does, without a restart.
//!
//! The disk is full for the program alone: the largest size that its files may have is set to what they have. The kernel
//! then cuts the write that would pass it short and refuses the next one, as a full disk does.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use testkit::until;

use super::harness::{Answer, Client, Server};

fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = i32::try_from(server.process().pid()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn add(client: &mut Client, metric: &str, timestamp: u64) -> Answer {
    client.post(
        &format!("/v1/metric/{metric}/measures"),
        &json!([{"timestamp": timestamp, "value": timestamp}]),
    )
}

/// The seconds whose measures can be read.
fn stored(client: &mut Client, metric: &str) -> Vec<u64> {
    let answer = client.get(&format!("/v1/metric/{metric}/measures?aggregation=last"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let measures = answer.json();
    let value = |measure: &serde_json::Value| measure[2].as_f64().unwrap().to_string().parse().unwrap();
    measures.as_array().unwrap().iter().map(value).collect()
}

/// The size of the log's only file.
fn log_bytes(server: &Server) -> u64 {
    let files = std::fs::read_dir(server.path("state/metric/measures/log")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap()
}

#[test]
fn a_full_disk_refuses_measures_and_nothing_else() {
    let mut server = Server::new().started();
    server.make_policy();
    let metric = server.make_metric();
    let mut client = server.client();
    assert_eq!(add(&mut client, &metric, 1).status, 202);
    let mut accepted = vec![1];
    // The first time a write is cut in its midst, then no byte is taken.
    for (round, room) in [(0, 10), (1, 0)] {
        limit_files(&server, Some(if room == 0 { 0 } else { log_bytes(&server) + room }));
        let refused = add(&mut client, &metric, 100 + round);
        assert_eq!(refused.status, 503, "{refused:?}");
        let said = refused.json()["description"].as_str().unwrap().to_owned();
        assert!(
            said.starts_with("The store of measures takes none now: ") && said.ends_with("Please retry."),
            "{said}"
        );
        assert!(!said.contains("state"), "a path: {said}");
        assert_eq!(stored(&mut client, &metric), accepted);
        // What has a little room is written to again soon, in another file.
        if room == 0 {
            let ready = until("health that names the store", || {
                let ready = server.health("/readyz");
                ready.body.contains("takes no measures").then_some(ready)
            });
            // What it can still do, others shall go on asking of it.
            assert_eq!(ready.unwrap().status, 200);
            let unmade = client.post("/v1/metric", &json!({"archive_policy_name": "seconds"}));
            assert_eq!(unmade.status, 503, "{unmade:?}");
        }
        assert_eq!(client.get("/v1/archive_policy/seconds").status, 200);
        limit_files(&server, None);
        until("health without trouble", || {
            (!server.health("/readyz").body.contains("takes no measures")).then_some(())
        })
        .unwrap();
        let timestamp = 200 + round;
        assert_eq!(add(&mut client, &metric, timestamp).status, 202);
        accepted.push(timestamp);
        assert_eq!(stored(&mut client, &metric), accepted);
        assert_eq!(client.post("/v1/metric", &json!({"archive_policy_name": "seconds"})).status, 201);
    }
    // What was refused does not come back either.
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    server.start();
    server.wait_started();
    assert_eq!(stored(&mut server.client(), &metric), accepted);
}
