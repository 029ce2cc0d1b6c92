//! What Gnocchi is told of events.

use std::sync::Arc;

use pipeline::Records;
use serde_json::json;

use crate::fake::{Answer, Fake, refusal};
use crate::support::{House, event};

const CREATE: &str = "compute.instance.create.end";
const DELETE: &str = "compute.instance.delete.start";
const ENDED: &str = r#"{"ended_at":"2026-07-21T14:00:00"}"#;

#[tokio::test]
async fn a_resource_is_created_and_ends_with_everything_that_belongs_to_it() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "");
    fake.has("instance_disk", "vm-vda");
    fake.has("instance_network_interface", "vm-tap1");
    let events = vec![
        event(CREATE, &[("instance_id", "vm"), ("host", "h"), ("project_id", "p"), ("odd", "x")]),
        event(DELETE, &[("instance_id", "vm")]),
        event("scheduler.select_destinations.end", &[]),
    ];
    assert_eq!(house.events(events).await, []);
    let requests = fake.requests();
    let lines: Vec<&str> = requests.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/resource/instance",
            "PATCH /v1/resource/instance/vm",
            "POST /v1/search/resource/instance_disk",
            "POST /v1/search/resource/instance_network_interface",
            "PATCH /v1/resource/instance_disk/vm-vda",
            "PATCH /v1/resource/instance_network_interface/vm-tap1",
        ]
    );
    assert_eq!(requests[0].json(), json!({"id": "vm", "host": "h", "project_id": "p"}));
    assert_eq!(requests[2].json(), json!({"=": {"instance_id": "vm"}}));
    for ended in [1, 4, 5] {
        assert_eq!(requests[ended].body, ENDED);
    }
    assert_eq!(house.metric("records_skipped_total{cause=\"unknown_event\"}"), 1);
}

#[tokio::test]
async fn what_is_there_need_not_be_created_and_what_is_not_cannot_end() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "");
    fake.has("instance", "vm");
    assert_eq!(house.events(vec![event(CREATE, &[("instance_id", "vm")])]).await, []);
    assert_eq!(house.events(vec![event(DELETE, &[("instance_id", "other")])]).await, []);
    assert_eq!(house.events(vec![event("image.delete", &[("resource_id", "img")])]).await, []);
}

/// An owner changes: told once.
#[tokio::test]
async fn an_update_is_sent_when_it_says_something_new() {
    let fake = Fake::start();
    fake.has("volume", "v");
    let mut house = House::new(&fake.url(), "");
    let transfer = || event("volume.transfer.accept.end", &[("resource_id", "v"), ("project_id", "new")]);
    assert_eq!(house.events(vec![transfer(), transfer()]).await, []);
    let requests = fake.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].line.as_str(), requests[0].body.as_str()),
        ("PATCH /v1/resource/volume/v", r#"{"project_id":"new"}"#)
    );
}

#[tokio::test]
async fn an_event_that_gnocchi_refuses_costs_no_other() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "");
    fake.judge(|request| {
        let is_bad = request.line == "POST /v1/resource/instance" && request.json()["id"] == "bad";
        is_bad.then(|| refusal(400, &json!("Invalid input")))
    });
    let create = |id: &str| event(CREATE, &[("instance_id", id)]);
    let refused = house.events(vec![create("a"), create("bad"), event(DELETE, &[]), create("b")]).await;
    let causes: Vec<_> = refused.iter().map(|(place, cause, _)| (*place, *cause)).collect();
    assert_eq!(causes, [(1, "bad_request"), (2, "missing_id")]);
    assert_eq!(refused[0].2, "the create of the resource bad of type instance: Invalid input (HTTP 400)");
    assert_eq!(house.metric("resources_created_total"), 2);
}

/// Gnocchi goes away in the middle: what is done is not done again, and what waits behind it keeps its order.
#[tokio::test]
async fn events_wait_behind_the_one_that_fails() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "");
    fake.judge(|request| request.line.starts_with("PATCH ").then(|| Answer::Json(503, json!({}))));
    let events = vec![
        event(CREATE, &[("instance_id", "vm")]),
        event(DELETE, &[("instance_id", "vm")]),
        event(CREATE, &[("instance_id", "vm")]),
    ];
    let group: Arc<[Records]> = Arc::new([Records::Events(events)]);
    assert_eq!(house.offer(&group).await.unwrap_err().cause, "unavailable");
    assert_eq!(fake.lines(), ["POST /v1/resource/instance", "PATCH /v1/resource/instance/vm"]);
    fake.behave();
    assert!(house.offer(&group).await.unwrap().is_empty());
    let lines = fake.lines();
    assert_eq!(lines.first().map(String::as_str), Some("PATCH /v1/resource/instance/vm"));
    // It is there: what it lacks is looked for.
    assert_eq!(lines[lines.len() - 2..], ["POST /v1/resource/instance", "GET /v1/resource/instance/vm"]);
}

/// Samples of the same notification may come to Gnocchi before its event: in the end the resource is the same.
#[tokio::test]
async fn a_resource_that_samples_have_created_gets_what_it_lacks() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.judge(|request| {
        let found =
            json!({"id": "vm", "host": "by a sample", "availability_zone": null, "display_name": null});
        (request.line == "GET /v1/resource/instance/vm").then_some(Answer::Json(200, found))
    });
    let mut house = House::new(&fake.url(), "");
    let create = event(CREATE, &[("instance_id", "vm"), ("host", "h"), ("availability_zone", "nova")]);
    assert_eq!(house.events(vec![create]).await, []);
    let requests = fake.requests();
    let last = requests.last().unwrap();
    assert_eq!(
        (last.line.as_str(), last.body.as_str()),
        ("PATCH /v1/resource/instance/vm", r#"{"availability_zone":"nova"}"#)
    );
}

/// More resources belong to it than a page holds.
#[tokio::test]
async fn all_pages_of_a_search_are_read() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "");
    for number in 0..3 {
        fake.has("instance_disk", &format!("d{number}"));
    }
    fake.judge(|request| {
        let page = |id: &str, next: bool| {
            let link = if next { "<http://x/>; rel=\"next\"" } else { "<http://x/>; rel=\"prev\"" };
            Answer::With(200, "Link", link.into(), json!([{"id": id, "type": "instance_disk"}]))
        };
        match request.line.strip_prefix("POST /v1/search/resource/instance_disk")? {
            "" => Some(page("d0", true)),
            "?marker=d0" => Some(page("d1", true)),
            "?marker=d1" => Some(page("d2", false)),
            other => panic!("{other}"),
        }
    });
    assert_eq!(house.events(vec![event(DELETE, &[("instance_id", "vm")])]).await, []);
    let ended = fake
        .requests()
        .into_iter()
        .filter(|request| request.body == ENDED && request.line.contains("instance_disk"));
    assert_eq!(ended.count(), 3);
}
