//! Definitions that change while the publisher works.

use std::sync::Arc;

use definitions::{ResourceDefinitions, ResourceSettings, Source};

use crate::fake::{Answer, Fake};
use crate::support::{House, sample, samples_group};

fn with(metric: &str, policy: &str) -> Arc<ResourceDefinitions> {
    let text = format!(
        "archive_policy_default: {policy}\narchive_policies: [{{name: {policy}, definition: []}}]\nresources:\n  - \
         resource_type: instance\n    metrics: {{{metric}: }}\n"
    );
    let source = Source { path: "r.yaml", text: &text };
    let (definitions, problems) = ResourceDefinitions::load(source, &ResourceSettings::default());
    assert!(problems.is_empty(), "{problems:?}");
    Arc::new(definitions)
}

#[tokio::test]
async fn the_next_records_are_published_by_changed_definitions() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    assert_eq!(house.samples(vec![sample("my.metric", "vm", 1)]).await, []);
    assert_eq!(house.metric("measures_total"), 0);
    house.definitions.send_replace(with("my.metric", "mine"));
    fake.requests();
    assert_eq!(house.samples(vec![sample("my.metric", "vm", 1), sample("cpu", "vm", 1)]).await, []);
    assert_eq!(house.metric("measures_total"), 1);
    let requests = fake.requests();
    // Its archive policy is created first.
    assert_eq!(requests[0].json()["name"], "mine");
    assert_eq!(requests[1].json()["vm"]["my.metric"]["archive_policy_name"], "mine");
}

/// They may be changed for the sake of the records that wait.
#[tokio::test]
async fn records_that_wait_are_published_by_changed_definitions_too() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.judge(|request| {
        (request.line.starts_with("POST /v1/batch/") && request.body.contains("ceilometer-low"))
            .then(|| Answer::Json(503, serde_json::json!({})))
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let group = samples_group(vec![sample("cpu", "vm", 1)]);
    house.offer(&group).await.unwrap_err();
    house.definitions.send_replace(with("cpu", "mine"));
    assert!(house.offer(&group).await.unwrap().is_empty());
    assert_eq!(house.metric("measures_total"), 1);
}
