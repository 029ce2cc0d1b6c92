//! One bad sample, resource or attribute costs nothing but itself.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Request, refusal};
use crate::support::{House, plain, sample};

fn is_measures(request: &Request) -> bool {
    request.line.starts_with("POST /v1/batch/")
}

#[tokio::test]
async fn samples_that_gnocchi_can_never_take_are_refused_alone() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let timed = |timestamp: &str| {
        let mut sample = plain("cpu", "vm", 1, "{}");
        sample.timestamp = timestamp.into();
        Arc::new(sample)
    };
    let refused = house
        .samples(vec![
            sample("cpu", "vm", 1),
            sample("cpu", model::Value::Null, 2),
            sample("cpu", 7_i64, 2),
            sample("cpu", "x".repeat(300).as_str(), 2),
            timed("yesterday"),
            timed("1969-12-31T23:59:59"),
            timed("3000-01-01"),
            sample("cpu", "vm", 3),
        ])
        .await;
    let causes: Vec<_> = refused.iter().map(|(place, cause, _)| (*place, *cause)).collect();
    assert_eq!(
        causes,
        [
            (1, "resource_id"),
            (2, "resource_id"),
            (3, "resource_id_length"),
            (4, "timestamp"),
            (5, "timestamp"),
            (6, "timestamp")
        ]
    );
    assert!(refused[3].2.contains("'yesterday'"), "{refused:?}");
    assert_eq!(house.metric("measures_total"), 2);
}

/// Gnocchi says that something is wrong with a batch, and not with what: it is found by halving.
#[tokio::test]
async fn a_bad_measure_is_found_among_many() {
    let fake = Fake::start();
    for number in 0..40 {
        fake.has("instance", &format!("vm{number}"));
    }
    fake.judge(|request| {
        let is_bad = is_measures(request) && request.body.contains("\"value\":13}");
        is_bad.then(|| refusal(400, &json!("unexpected measures value")))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let samples = (0..40).map(|number| sample("cpu", format!("vm{number}").as_str(), number));
    let refused = house.samples(samples.collect()).await;
    assert_eq!(refused.len(), 1);
    let (place, cause, reason) = &refused[0];
    assert_eq!((*place, *cause), (13, "bad_request"));
    assert_eq!(reason, "measure of cpu of vm13: unexpected measures value (HTTP 400)");
    assert_eq!(house.metric("measures_total"), 39);
    let batches = fake.requests().into_iter().filter(is_measures).count();
    assert!(batches <= 14, "{batches} requests to find one of forty");
    assert!(house.metric("batches_split_total") > 0);
}

/// Where Gnocchi names the place, nothing is searched for.
#[tokio::test]
async fn the_place_that_gnocchi_names_is_taken_out_at_once() {
    let fake = Fake::start();
    for number in 0..40 {
        fake.has("instance", &format!("vm{number:02}"));
    }
    fake.judge(|request| {
        let is_bad = is_measures(request) && request.json()["vm13"]["cpu"].is_object();
        is_bad.then(|| {
            refusal(400, &json!({"cause": "Invalid input", "reason": "x", "detail": ["vm13", "cpu"]}))
        })
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let mut samples: Vec<_> =
        (0..40).map(|number| sample("cpu", format!("vm{number:02}").as_str(), number)).collect();
    samples.push(sample("memory", "vm13", 13));
    let refused = house.samples(samples).await;
    assert_eq!(refused.iter().map(|(place, ..)| *place).collect::<Vec<_>>(), [13]);
    // The batch, what is before, the bad one, what is behind.
    assert_eq!(fake.requests().into_iter().filter(is_measures).count(), 4);
    assert_eq!(house.metric("measures_total"), 40);
}

#[tokio::test]
async fn a_resource_that_cannot_be_created_costs_its_own_samples() {
    let fake = Fake::start();
    fake.judge(|request| {
        let is_bad = request.line == "POST /v1/resource/instance" && request.json()["id"] == "bad";
        is_bad
            .then(|| refusal(400, &json!({"cause": "Invalid input", "reason": "required key", "detail": []})))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let samples = vec![
        sample("cpu", "good", 1),
        sample("cpu", "bad", 2),
        sample("memory", "bad", 3),
        sample("cpu", "ok", 4),
    ];
    let refused = house.samples(samples).await;
    let causes: Vec<_> = refused.iter().map(|(place, cause, _)| (*place, *cause)).collect();
    assert_eq!(causes, [(1, "bad_resource"), (2, "bad_resource")]);
    assert!(
        refused[0].2.contains("bad of type instance") && refused[0].2.contains("required key"),
        "{refused:?}"
    );
    assert_eq!(house.metric("measures_total"), 2);
    // It has no attributes to be told, either.
    assert!(fake.lines().iter().all(|line| !line.contains("resource/instance/bad")));
}

/// Created, and unknown all the same: not for ever.
#[tokio::test]
async fn a_resource_that_stays_unknown_is_given_up() {
    let fake = Fake::start();
    fake.judge(|request| {
        let has_ghost = is_measures(request) && request.json()["ghost"].is_object();
        let detail = json!([{"resource_id": "u", "original_resource_id": "ghost"}]);
        has_ghost.then(|| refusal(400, &json!({"cause": "Unknown resources", "detail": detail})))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    fake.has("instance", "vm");
    let refused = house.samples(vec![sample("cpu", "ghost", 1), sample("cpu", "vm", 2)]).await;
    assert_eq!(
        refused.iter().map(|(place, cause, _)| (*place, *cause)).collect::<Vec<_>>(),
        [(0, "unknown_resource")]
    );
    assert_eq!(house.metric("measures_total"), 1);
}

/// Attributes that Gnocchi refuses are said once; the measures and the other attributes are there.
#[tokio::test]
async fn a_bad_attribute_costs_neither_the_others_nor_the_measures() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.judge(|request| {
        let is_bad = request.line.starts_with("PATCH ") && request.json()["host"] == "bad";
        is_bad.then(|| refusal(400, &json!({"cause": "Invalid input", "reason": "host", "detail": ["host"]})))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let with_host =
        |minute| Arc::new(plain("cpu", "vm", minute, r#"{"instance_host": "bad", "display_name": "n"}"#));
    assert_eq!(house.samples(vec![with_host(1)]).await, []);
    let patches = |fake: &Fake| -> Vec<Value> {
        let patches = fake.requests().into_iter().filter(|request| request.line.starts_with("PATCH "));
        patches.map(|request| request.json()).collect()
    };
    let seen = patches(&fake);
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.contains(&json!({"display_name": "n"})) && seen.contains(&json!({"project_id": "project"})));
    assert_eq!(house.samples(vec![with_host(2)]).await, []);
    assert_eq!(patches(&fake), Vec::<Value>::new());
    assert_eq!((house.metric("measures_total"), house.metric("resource_updates_refused_total")), (2, 1));
}

/// Forbidden is a matter of the credentials as long as nothing was taken, and of the resource from then on.
#[tokio::test]
async fn forbidden_is_a_refusal_only_when_something_else_was_allowed() {
    let fake = Fake::start();
    fake.has("instance", "mine");
    fake.has("instance", "others");
    let forbid = |request: &Request| {
        let is_others = is_measures(request) && request.json()["others"].is_object();
        is_others.then(|| refusal(403, &Value::Null))
    };
    fake.judge(forbid);
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let group = crate::support::samples_group(vec![sample("cpu", "others", 1)]);
    assert_eq!(house.offer(&group).await.unwrap_err().cause, "forbidden");
    let refused = house.samples(vec![sample("cpu", "mine", 1), sample("cpu", "others", 1)]).await;
    assert_eq!(
        refused.iter().map(|(place, cause, _)| (*place, *cause)).collect::<Vec<_>>(),
        [(1, "forbidden")]
    );
}

/// A body that is too large for a server on the way is cut, whoever says so.
#[tokio::test]
async fn a_body_that_is_too_large_is_sent_in_parts() {
    let fake = Fake::start();
    for number in 0..20 {
        fake.has("instance", &format!("vm{number}"));
    }
    fake.judge(|request| {
        (is_measures(request) && request.body.len() > 600).then_some(Answer::Text(413, "<h1>too large"))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let samples = (0..20).map(|number| sample("cpu", format!("vm{number}").as_str(), number)).collect();
    assert_eq!(house.samples(samples).await, []);
    assert_eq!(house.metric("measures_total"), 20);
}
