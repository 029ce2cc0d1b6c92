//! Bodies of fuzz targets: plain functions over bytes that must return whatever they are given. Property tests drive
//! them with committed seeds; a fuzzer can do so as well.

use model::{Notification, Parts, Priority, Value, json};

use crate::{
    EventDefinitions, EventSettings, MeterDefinitions, ResourceDefinitions, ResourceSettings,
    SampleEndpoints, SampleSettings, Source,
};

/// Loads any text as meter definitions and converts a small notification with what loads.
pub fn meters(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (definitions, _) = MeterDefinitions::load(&[Source { path: "fuzz", text: &text }]);
    let payload = json::parse(r#"{"a": [1, {"b": null}], "name": "n", "size": 1.5}"#).unwrap_or_default();
    let mut samples = Vec::new();
    definitions.convert(&notification("a.b".into(), payload), &SampleSettings::default(), &mut samples);
}

/// Loads any text as event definitions and converts a small notification with what loads.
pub fn events(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (definitions, _) =
        EventDefinitions::load(Source { path: "fuzz", text: &text }, &EventSettings::default());
    let payload = json::parse(r#"{"a": [1, {"b": null}], "name": "n", "size": 1.5}"#).unwrap_or_default();
    // What matters is that it returns.
    drop(definitions.convert(&notification("a.b".into(), payload)));
}

/// Loads any text as resource definitions and asks what loads about a sample of each metric and an event.
pub fn resources(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (definitions, _) =
        ResourceDefinitions::load(Source { path: "fuzz", text: &text }, &ResourceSettings::default());
    let payload = json::parse(r#"{"a": [1, {"b": null}], "name": "n", "size": 1.5}"#).unwrap_or_default();
    let notification = notification("a.b".into(), payload);
    let mut samples = Vec::new();
    let meters =
        "metric: [{name: m, event_type: a, type: gauge, unit: u, volume: 1, resource_id: $.payload.name}]";
    let (meters, _) = MeterDefinitions::load(&[Source { path: "fuzz", text: meters }]);
    meters.convert(&notification, &SampleSettings::default(), &mut samples);
    for name in definitions.iter().flat_map(crate::ResourceDefinition::metrics) {
        for sample in &mut samples {
            sample.name = (**name).into();
            // What matters is that it returns.
            drop(definitions.sample(sample));
        }
    }
    let events = EventDefinitions::load(Source { path: "fuzz", text: "[]" }, &EventSettings::default()).0;
    if let Ok(Some(event)) = events.convert(&notification) {
        drop(definitions.event(&event));
    }
}

/// Converts any JSON text, taken as the root of a notification, with the built-in definitions.
pub fn notifications(meters: &SampleEndpoints, events: &EventDefinitions, text: &[u8]) {
    let Ok(root) = json::parse(text) else { return };
    let part = |key: &str| root.get(key).cloned().unwrap_or_default();
    let metadata = part("metadata");
    let parts = Parts {
        ctxt: part("ctxt"),
        publisher_id: part("publisher_id"),
        event_type: part("event_type"),
        payload: part("payload"),
        message_id: metadata.get("message_id").cloned().unwrap_or_default(),
        timestamp: metadata.get("timestamp").cloned().unwrap_or_default(),
    };
    let notification = Notification::from_parts(parts, Priority::Info);
    let mut samples = Vec::new();
    let mut out = Vec::new();
    meters.convert(&notification, &SampleSettings::default(), &mut samples);
    for sample in &samples {
        sample.write_pytext(&mut out);
    }
    if let Ok(Some(event)) = events.convert(&notification) {
        event.write_json(&mut out);
    }
}

fn notification(event_type: Value, payload: Value) -> Notification {
    let parts = Parts { event_type, payload, timestamp: "2026-07-21".into(), ..Parts::default() };
    Notification::from_parts(parts, Priority::Info)
}
