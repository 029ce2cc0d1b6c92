//! The fuzz bodies, driven by generated input.

use std::sync::LazyLock;

use nephoscope_definitions::{EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoints, fuzz};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    config.cases = config.cases.max(1000);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_260_721);
    }
    config
}

const VALUES: &[&str] = &[
    "$.payload.a",
    "$.payload.a[*]",
    "$.payload.name",
    "payload.size",
    "$.payload.a.[*].b",
    "1",
    "yes",
    "null",
    "1.5",
    "''",
    "gauge",
    "delta",
    "B/s",
    "'%'",
    "[$.payload.a, payload.b]",
    "[]",
    "{}",
    "{fields: $.payload.size}",
    "$..b",
    "'['",
    "{fields: [payload.name, payload.size], plugin: timedelta}",
    "{fields: payload.a, plugin: {name: split}}",
    "{fields: payload.name, plugin: {name: map, parameters: {values: {n: 1}}}}",
    "{fields: payload.a, plugin: nothing}",
    "{fields: payload.a, plugin: {name: bitfield, parameters: {flags: [{path: payload.a, bit: 1}]}}}",
    "2026-07-21",
    "!!binary aGk=",
    "[name, unit, volume]",
    "name",
    "payload.name + '-' + payload.size",
    "payload.`len`",
    "{type: int, fields: payload.size}",
    "{type: datetime, fields: payload.name}",
    "&x [*x]",
    "payload.name.`sub(/n/, m)`",
    "a.b",
    "['a.*', '!a']",
    "'(a'",
    "*",
    "\"*\"",
    "{id: service, x: request_id}",
    "{a: resource_metadata.(a|name), b: name}",
    "{b: '{\"=\": {\"c\": \"%s\"}}'}",
    "[m, {n: {}}]",
];

const KEYS: &[&str] = &[
    "name",
    "event_type",
    "type",
    "unit",
    "volume",
    "resource_id",
    "user_id",
    "project_id",
    "timestamp",
    "metadata",
    "user_metadata",
    "lookup",
    "traits",
    "odd",
    "metrics",
    "attributes",
    "event_delete",
    "event_attributes",
    "event_associated_resources",
    "archive_policy",
];

/// Definitions of random keys and values below a plausible head.
fn definitions(head: &'static str, base: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let entry = (prop::sample::select(KEYS), prop::sample::select(VALUES));
    let definition = prop::collection::vec(entry, 0..8).prop_map(move |entries| {
        let lines: Vec<_> = entries.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
        format!("{base}{}", lines.concat())
    });
    let noise = prop::collection::vec(any::<u8>(), 0..6);
    (prop::collection::vec(definition, 0..4), prop::option::weighted(0.1, noise)).prop_map(
        move |(definitions, noise)| {
            let mut text = format!("{head}{}", definitions.concat()).into_bytes();
            let middle = text.len() / 2;
            text.splice(middle..middle, noise.unwrap_or_default());
            text
        },
    )
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "1",
    "1.5",
    "\"x\"",
    "\"2026-07-21\"",
    "\"event_type\":",
    "\"payload\":",
    "\"metadata\":",
    "\"ctxt\":",
    "\"timestamp\":",
    "\"size\":",
    "\"samples\":",
    "\"metrics\":",
    "\"volume_attachment\":",
    "\"image.upload\"",
    "\"compute.instance.exists\"",
    "\"volume.create.end\"",
    "\"telemetry.polling\"",
    "\"http.request\"",
    "\"objectstore.http.request\"",
    "\"identity.authenticate\"",
    "\"compute.metrics.update\"",
    "NaN",
];

/// Mostly whole notifications with a torn payload.
fn notifications() -> impl Strategy<Value = Vec<u8>> {
    let types = JSON
        .iter()
        .filter(|piece| piece.contains('.') && piece.starts_with('"'))
        .copied()
        .collect::<Vec<_>>();
    let leaf =
        prop::sample::select(&["null", "1", "-2.5", "\"x\"", "\"2026-07-21\"", "true", "[]", "{}"][..])
            .prop_map(str::to_owned);
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(
            &[
                "size",
                "samples",
                "metrics",
                "value",
                "name",
                "metadata",
                "volume_attachment",
                "request",
                "measurements",
                "metric",
                "outcome",
                "target",
                "id",
            ][..],
        );
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name, inner), 0..6).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    });
    let whole = (prop::sample::select(types), tree.clone(), tree).prop_map(|(event_type, payload, ctxt)| {
        format!(
            "{{\"event_type\":{event_type},\"payload\":{payload},\"ctxt\":{ctxt},\"publisher_id\":\"a.b\",\
             \"metadata\":{{\"message_id\":\"m\",\"timestamp\":\"2026-07-21 13:56:12\"}}}}"
        )
        .into_bytes()
    });
    let torn = prop::collection::vec(prop::sample::select(JSON), 0..30)
        .prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => whole, 1 => torn]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn meter_files_return(text in definitions("metric:\n", "  - name: n\n    event_type: a\n    type: gauge\n    unit: u\n    volume: 1\n    resource_id: payload.name\n")) {
        fuzz::meters(&text);
    }

    #[test]
    fn event_files_return(text in definitions("", "  - event_type: 'a*'\n    traits:\n      t: payload.name\n")) {
        fuzz::events(&text);
    }

    #[test]
    fn resource_files_return(text in definitions("resources:\n", "  - resource_type: n\n    metrics: {m: , n: {archive_policy_name: x}}\n    event_create: 'a*'\n    event_attributes: {id: service}\n")) {
        fuzz::resources(&text);
    }

    #[test]
    fn notifications_return(text in prop::collection::vec(notifications(), 8)) {
        static METERS: LazyLock<SampleEndpoints> =
            LazyLock::new(|| SampleEndpoints::new(MeterDefinitions::builtin()));
        static EVENTS: LazyLock<EventDefinitions> =
            LazyLock::new(|| EventDefinitions::builtin(&EventSettings::default()));
        for text in text {
            fuzz::notifications(&METERS, &EVENTS, &text);
        }
    }
}
