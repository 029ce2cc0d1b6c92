//! Our pollsters, and their readings in the form of the oracle's samples.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use model::pytext;
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings};
use nephoscope_pollsters::ipmi::{IpmiMetrics, IpmiSettings};
use nephoscope_pollsters::{Cycle, LoadedPollster, Namespace, Readings, Registry, Resource, Tools};
use observability::clock::Clock;
use observability::metrics::Metrics;
use serde_json::{Value, json};

/// The pollsters of the namespace, by their names.
pub(crate) fn pollsters(settings: IpmiSettings) -> Registry {
    let metrics = Metrics::new();
    let compute = ComputeMetrics::register(&metrics.component("compute"));
    let ipmi = IpmiMetrics::register(&metrics.component("ipmi"));
    let tools = Tools::new(Err(String::new()), Clock::machine(), ComputeSettings::new("x"), compute);
    Registry::load(&[Namespace::named("ipmi").unwrap()], &tools.with_ipmi(settings, ipmi))
}

/// The settings of the tests, with that command.
pub(crate) fn settings(command: &Path) -> IpmiSettings {
    let command = format!("sh {}", command.display());
    IpmiSettings { command, timeout: Duration::from_mins(1), ..IpmiSettings::new("Node-1") }
}

/// One cycle: by the pollsters' names, what the oracle says of a cycle. The text of an error is its cause.
pub(crate) async fn cycle(registry: &Registry) -> BTreeMap<String, Value> {
    let cycle = Cycle::new(Clock::machine());
    let mut all = BTreeMap::new();
    for (name, made) in registry.pollsters() {
        all.insert(name.to_owned(), poll(made.unwrap(), &cycle).await);
    }
    assert_eq!(all.len(), 5);
    all
}

async fn poll(loaded: &LoadedPollster, cycle: &Cycle) -> Value {
    let (readings, mut taken) = Readings::channel();
    let resources = [Resource::text("node")];
    let polling = async {
        let polled = loaded.pollster.poll(cycle, &resources, &readings).await;
        drop(readings);
        polled
    };
    let taking = async {
        let mut samples = Vec::new();
        while let Some(reading) = taken.recv().await {
            let json = |value: &model::Value| -> Value {
                serde_json::from_str(&model::json::to_string(value)).unwrap()
            };
            samples.push(json!({
                "name": reading.name.as_str(), "type": reading.kind.as_str(), "unit": json(&reading.unit),
                "volume": pytext::to_repr(&reading.volume), "user_id": json(&reading.user_id),
                "project_id": json(&reading.project_id), "resource_id": json(&reading.resource_id),
                "resource_metadata": json(&reading.resource_metadata),
            }));
        }
        samples
    };
    let (polled, samples) = tokio::join!(polling, taking);
    match polled {
        Ok(()) => json!({ "samples": samples }),
        Err(error) => json!({ "error": error.cause() }),
    }
}
