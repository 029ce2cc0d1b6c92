//! What the tests of the services share.

use std::sync::Arc;

use model::{Value, json};
use observability::clock::Clock;

use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, ObjectPollster};
use crate::{Cycle, Object, PollError, Pollster, Reading, Readings, Resource};

/// An object with an attribute `id`.
pub(super) fn object(kind: &'static str, text: &str) -> Resource {
    let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
    let id = attributes.get("id").and_then(Value::as_str).unwrap().to_owned();
    Resource::Object(Arc::new(Object { kind, id, attributes, python_text: None }))
}

/// What the discovery makes of an object with an attribute `id`.
pub(super) fn refined(line: &CollectionLine, text: &str) -> Option<Resource> {
    let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
    let id = attributes.get("id").and_then(Value::as_str).unwrap().to_owned();
    let read = attributes.into_iter().filter(|(name, _)| line.reads(name)).collect();
    line.resource((id, read), None, &mut Vec::new())
}

/// What the meter's pollster reads.
pub(super) async fn read(
    meter: &'static ObjectMeter,
    resources: &[Resource],
) -> (Vec<Reading>, Result<(), PollError>) {
    poll(&ObjectPollster(meter), resources).await
}

/// What a pollster reads in a cycle of its own.
pub(super) async fn poll(
    pollster: &dyn Pollster,
    resources: &[Resource],
) -> (Vec<Reading>, Result<(), PollError>) {
    let (readings, mut taken) = Readings::channel();
    let cycle = Cycle::new(Clock::machine());
    let polling = async {
        let polled = pollster.poll(&cycle, resources, &readings).await;
        drop(readings);
        polled
    };
    let taking = async {
        let mut all = Vec::new();
        while let Some(reading) = taken.recv().await {
            all.push(reading);
        }
        all
    };
    let (polled, all) = tokio::join!(polling, taking);
    (all, polled)
}
