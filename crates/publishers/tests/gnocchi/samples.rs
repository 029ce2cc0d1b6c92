//! What Gnocchi is told of samples, and when.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Request};
use crate::support::{House, identity, plain, sample, samples_group};

const MEASURES: &str = "POST /v1/batch/resources/metrics/measures?create_metrics=True";

/// The way of a batch whose resources are new, and what is not said again.
#[tokio::test]
async fn policies_are_created_once_resources_when_they_are_unknown_and_attributes_sent_when_they_change() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let host = |minute, host: &str| {
        Arc::new(plain("cpu", "vm", minute, &format!(r#"{{"instance_host": "{host}"}}"#)))
    };
    assert_eq!(house.samples(vec![host(1, "a"), sample("image.size", "img/1", 1)]).await, []);
    let requests = fake.requests();
    let policies: Vec<_> = requests.iter().filter(|seen| seen.line == "POST /v1/archive_policy/").collect();
    assert_eq!(policies.len(), 4);
    assert_eq!(policies[0].json()["name"], "ceilometer-low");
    let mut rest: Vec<_> = requests[4..].iter().map(|seen| seen.line.as_str()).collect();
    // Resources are created side by side.
    rest[1..3].sort_unstable();
    assert_eq!(rest, [MEASURES, "POST /v1/resource/image", "POST /v1/resource/instance", MEASURES]);
    let created = requests.iter().find(|seen| seen.line == "POST /v1/resource/instance").unwrap();
    assert_eq!(created.body, r#"{"id":"vm","user_id":"user","project_id":"project","host":"a"}"#);
    assert_eq!(
        requests[4].json(),
        json!({
            "img_1": {"image.size": {
                "measures": [{"timestamp": "2026-07-21T13:01:12.123456", "value": 1}],
                "archive_policy_name": "ceilometer-low", "unit": "B",
            }},
            "vm": {"cpu": {
                "measures": [{"timestamp": "2026-07-21T13:01:12.123456", "value": 1}],
                "archive_policy_name": "ceilometer-low-rate", "unit": "B",
            }},
        })
    );
    // Nothing has changed.
    assert_eq!(house.samples(vec![host(2, "a")]).await, []);
    assert_eq!(fake.lines(), [MEASURES]);
    // Of several the last one counts, and a missing attribute is no change.
    assert_eq!(house.samples(vec![host(3, "a"), host(4, "b"), sample("memory", "vm", 4)]).await, []);
    let requests = fake.requests();
    assert_eq!(requests[1].line, "PATCH /v1/resource/instance/vm");
    assert_eq!(requests[1].body, r#"{"project_id":"project","host":"b"}"#);
    assert_eq!(house.metric("measures_total"), 6);
    assert_eq!((house.metric("resources_created_total"), house.metric("resources_updated_total")), (2, 1));
}

/// A resource that was there before: its attributes are sent once.
#[tokio::test]
async fn a_publisher_that_knows_nothing_yet_tells_everything_once() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false&archive_policy=low");
    for minute in 1..4 {
        assert_eq!(house.samples(vec![sample("cpu", "vm", minute)]).await, []);
    }
    let requests = fake.requests();
    let lines: Vec<&str> = requests.iter().skip(4).map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, [MEASURES, "PATCH /v1/resource/instance/vm", MEASURES, MEASURES]);
    assert_eq!(
        requests[4].body,
        r#"{"vm":{"cpu":{"measures":[{"timestamp":"2026-07-21T13:01:12.123456","value":1}],"archive_policy_name":"low","unit":"B"}}}"#
    );
}

#[tokio::test]
async fn what_gnocchi_gets_nothing_of_is_counted_and_not_refused() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let samples = vec![sample("no.such.meter", "vm", 1), sample("no.such.meter", "vm", 2)];
    assert_eq!(house.samples(samples).await, []);
    assert_eq!(house.metric("records_skipped_total{cause=\"unknown_metric\"}"), 2);
    assert!(fake.lines().iter().all(|line| line == "POST /v1/archive_policy/"));
}

/// Units, texts that spell numbers, times with an offset: in the form that Gnocchi takes.
#[tokio::test]
async fn measures_have_the_form_that_gnocchi_takes() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let mut one = plain("cpu", "vm", 1, "{}");
    (one.volume, one.unit, one.timestamp) =
        ("1.5".into(), model::Value::Null, "2026-07-21 15:00:00+02:00".into());
    let mut two = plain("memory", "vm", 2, "{}");
    (two.volume, two.unit) = (true.into(), "x".repeat(40).into());
    assert_eq!(house.samples(vec![Arc::new(one), Arc::new(two)]).await, []);
    let requests = fake.requests();
    let body = requests.iter().find(|seen| seen.line == MEASURES).unwrap().json();
    assert_eq!(body["vm"]["cpu"]["measures"], json!([{"timestamp": "2026-07-21T13:00:00", "value": 1.5}]));
    assert_eq!(body["vm"]["cpu"].get("unit"), None);
    assert_eq!(
        (&body["vm"]["memory"]["unit"], &body["vm"]["memory"]["measures"][0]["value"]),
        (&json!("x".repeat(31)), &json!(1))
    );
}

#[tokio::test]
async fn batches_are_bounded_and_keep_the_order() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let samples = (0..1_100).map(|number| {
        let mut sample = plain("cpu", "vm", number % 60, "{}");
        sample.volume = i64::from(number).into();
        Arc::new(sample)
    });
    assert!(house.offer(&samples_group(samples.collect())).await.unwrap().is_empty());
    let bodies: Vec<Value> =
        fake.requests().iter().filter(|seen| seen.line == MEASURES).map(Request::json).collect();
    let values: Vec<Vec<i64>> = bodies
        .iter()
        .map(|body| {
            let measures = body["vm"]["cpu"]["measures"].as_array().unwrap();
            measures.iter().map(|measure| measure["value"].as_i64().unwrap()).collect()
        })
        .collect();
    assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 100]);
    assert_eq!(values.concat(), (0..1_100).collect::<Vec<_>>());
}

/// What comes from Gnocchi's own project is left out; while Keystone does not say which one that is, records wait.
#[tokio::test]
async fn samples_of_the_filtered_project_are_left_out() {
    let (gnocchi, keystone) = (Fake::start(), Fake::start());
    gnocchi.has("instance", "vm");
    keystone.judge(|_| Some(Answer::Json(503, json!({}))));
    let mut house = House::with_identity(&gnocchi.url(), "filter_project=service", identity(&keystone.url()));
    let of_project = |name: &str, resource: &str, project: &str| {
        let mut sample = plain(name, resource, 1, "{}");
        sample.project_id = project.into();
        Arc::new(sample)
    };
    let group = samples_group(vec![
        of_project("cpu", "vm", "svc"),
        of_project("cpu", "vm", "p"),
        of_project("storage.objects.size", "svc", "p"),
        of_project("image.size", "svc", "p"),
    ]);
    assert_eq!(house.offer(&group).await.unwrap_err().cause, "unavailable");
    let answers = |domain: &'static str| {
        move |request: &Request| {
            Some(if request.line.starts_with("GET /v3/domains") {
                Answer::Json(200, json!({"domains": [{"id": "default", "name": domain}]}))
            } else {
                Answer::Json(200, json!({"projects": [{"id": "svc", "name": "service"}]}))
            })
        }
    };
    keystone.judge(answers("Default"));
    assert!(house.offer(&group).await.unwrap().is_empty());
    assert_eq!(house.metric("records_skipped_total{cause=\"filtered_project\"}"), 2);
    assert_eq!(house.metric("measures_total"), 2);
    keystone.requests();
    // It was looked up once.
    assert_eq!(house.samples(vec![of_project("cpu", "vm", "svc")]).await, []);
    assert_eq!(keystone.lines(), Vec::<String>::new());
    // No such domain: nothing is left out.
    keystone.judge(answers("Other"));
    let mut house = House::with_identity(&gnocchi.url(), "filter_project=service", identity(&keystone.url()));
    assert_eq!(house.samples(vec![of_project("cpu", "vm", "svc")]).await, []);
    assert_eq!(house.metric("measures_total"), 1);
}

/// Keystone is asked for the project and the domain that the URL names.
#[tokio::test]
async fn the_filtered_project_is_the_one_of_that_name_in_that_domain() {
    let (gnocchi, keystone) = (Fake::start(), Fake::start());
    gnocchi.has("instance", "vm");
    keystone.judge(|request| {
        Some(if request.line.starts_with("GET /v3/domains") {
            let domains = json!([{"id": "default", "name": "Default"}, {"id": "c", "name": "Corp"}]);
            Answer::Json(200, json!({ "domains": domains }))
        } else if request.line.starts_with("GET /v3/projects/") {
            // It is nobody's id either.
            Answer::Json(404, json!({"error": {"code": 404, "message": "Could not find project"}}))
        } else if request.line.contains("domain_id=c") {
            let projects = json!([{"id": "one", "name": "service"}, {"id": "two", "name": "telemetry"}]);
            Answer::Json(200, json!({ "projects": projects }))
        } else {
            Answer::Json(200, json!({"projects": [{"id": "three", "name": "service"}]}))
        })
    });
    for (query, left_out) in [
        ("", Some("three")),
        ("filter_domain=Corp", Some("one")),
        ("filter_domain=Corp&filter_project=telemetry", Some("two")),
        ("filter_project=telemetry", None),
        ("enable_filter_project=false&filter_domain=Corp", None),
    ] {
        let mut house = House::with_identity(&gnocchi.url(), query, identity(&keystone.url()));
        for project in ["one", "two", "three"] {
            let mut sample = plain("cpu", "vm", 1, "{}");
            sample.project_id = project.into();
            let before = house.metric("measures_total");
            assert_eq!(house.samples(vec![Arc::new(sample)]).await, []);
            let is_left_out = house.metric("measures_total") == before;
            assert_eq!(is_left_out, left_out == Some(project), "{query} {project}");
        }
    }
}
