//! Samples and events in Ceilometer's own forms, told by our publisher.

use std::sync::Arc;

use model::{MeterKind, Sample, Subject, json as own_json};
use serde_json::Value;

use crate::support::{House, event};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn own_sample(dict: &Value) -> Arc<Sample> {
    let dict = own_json::parse(dict.to_string()).unwrap();
    let part = |key: &str| dict.get(key).cloned().unwrap_or_default();
    let text = |key: &str| part(key).as_str().unwrap().to_owned();
    Arc::new(Sample {
        name: text("name").as_str().into(),
        kind: MeterKind::from_name(&text("type")).unwrap(),
        unit: part("unit"),
        volume: part("volume"),
        subject: Subject {
            user_id: part("user_id"),
            user_name: model::Value::Null,
            project_id: part("project_id"),
            project_name: model::Value::Null,
            resource_id: part("resource_id"),
            resource_metadata: part("resource_metadata").into(),
        }
        .into(),
        timestamp: part("timestamp"),
        source: "openstack".into(),
        id: text("id").into(),
        monotonic_time: None,
    })
}

/// Publishes the steps as the original does, one batch after the other; returns why records were refused.
pub(crate) fn publish_ours(url: &str, steps: &[Value]) -> Vec<String> {
    runtime().block_on(async {
        let mut samples = House::of_today(url, "enable_filter_project=false&timeout=60");
        let mut events = House::of_today(url, "timeout=60");
        let mut refused = Vec::new();
        for step in steps {
            if let Some(group) = step["samples"].as_array() {
                let group = samples.samples(group.iter().map(own_sample).collect()).await;
                refused.extend(group.into_iter().map(|(_, cause, reason)| format!("{cause}: {reason}")));
            }
            for one in step["events"].as_array().into_iter().flatten() {
                let traits = one["traits"].as_array().unwrap().iter();
                let traits: Vec<(&str, &str)> =
                    traits.map(|entry| (entry[0].as_str().unwrap(), entry[2].as_str().unwrap())).collect();
                let one = event(one["event_type"].as_str().unwrap(), &traits);
                let group = events.events(vec![one]).await;
                refused.extend(group.into_iter().map(|(_, cause, reason)| format!("{cause}: {reason}")));
            }
        }
        refused
    })
}
