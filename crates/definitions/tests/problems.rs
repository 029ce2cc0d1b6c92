//! What an operator reads about a broken file, and what a hostile notification costs.

#![allow(clippy::unwrap_used, reason = "a test")]

use model::{Map, Notification, Parts, Priority, Value};
use nephoscope_definitions::{
    Cause, EventDefinitions, EventSettings, MAX_LOOKUP_SAMPLES, MeterDefinitions, ResourceDefinitions,
    ResourceSettings, SampleSettings, Severity, Source,
};

fn meters(text: &str) -> Vec<(Severity, String)> {
    let (_, problems) = MeterDefinitions::load(&[Source { path: "m.yaml", text }]);
    problems.iter().map(|problem| (problem.severity, problem.to_string())).collect()
}

fn events(text: &str) -> Vec<(Severity, String)> {
    let (_, problems) = EventDefinitions::load(Source { path: "e.yaml", text }, &EventSettings::default());
    problems.iter().map(|problem| (problem.severity, problem.to_string())).collect()
}

fn resources(text: &str) -> Vec<(Severity, String)> {
    let (_, problems) =
        ResourceDefinitions::load(Source { path: "r.yaml", text }, &ResourceSettings::default());
    problems.iter().map(|problem| (problem.severity, problem.to_string())).collect()
}

#[test]
fn resource_problems_name_place_value_and_remedy() {
    const LIST: &str = "resources:\n";
    for (body, severity, expected) in [
        (
            "- {resource_type: a}\n",
            Severity::Error,
            "r.yaml:2:3: the resource definition lacks metrics; write a map with resource_type and metrics",
        ),
        (
            "- resource_type: a\n  metrics: {m: low}\n",
            Severity::Error,
            "r.yaml:3:16: the metric \"m\" has \"low\"; write nothing, or a map with `archive_policy_name`",
        ),
        (
            "- resource_type: a\n  metrics: [on]\n",
            Severity::Warning,
            "r.yaml:3:13: the name of a metric is a boolean; write it in quotes",
        ),
        (
            "- resource_type: a\n  metrics: [m]\n  attributes: {a: 'x['}\n",
            Severity::Error,
            "r.yaml:4:19: a: expected an index, a slice, a name, a filter or a sort direction, found the end, \
             column 3 of the path \"x[\"; see the \
             definition languages in the documentation; quote names that have special characters",
        ),
        (
            "- resource_type: a\n  metrics: [m]\n  event_delete: [5]\n  event_attributes: {id: x}\n",
            Severity::Error,
            "r.yaml:4:18: event_delete is an integer; write an event type such as `image.delete`, or a list of them; \
             `*` stands for anything",
        ),
        (
            "- resource_type: a\n  metrics: [m]\n  event_delete: e\n  event_attributes: {name: x}\n",
            Severity::Error,
            "r.yaml:5:21: the resource definition has events but no event attribute id; write below event_attributes \
             `id:` and the trait that has the resource's id",
        ),
        (
            "- resource_type: a\n  metrics: [m]\n  event_associated_resources: {b: '{}'}\n",
            Severity::Error,
            "r.yaml:4:35: the search for resources of type b is \"{}\"; write a text in JSON with one %s for the id, \
             such as '{\"=\": {\"instance_id\": \"%s\"}}'",
        ),
        (
            "- resource_type: a\n  metrics: [m]\n  event_associated_resources: {b: '{%s'}\n",
            Severity::Warning,
            "r.yaml:4:35: the search is not JSON, so it will find nothing; write, for example, '{\"=\": \
             {\"instance_id\": \"%s\"}}'",
        ),
        (
            "- {resource_type: a, metrics: [m]}\n- {resource_type: b, metrics: [m]}\n",
            Severity::Warning,
            "r.yaml:2:3: the metric m belongs to b in line 3; of several types the last one has a metric",
        ),
        (
            "- {resource_type: a, archive_policy: low, metrics: [m]}\n",
            Severity::Warning,
            "r.yaml:2:38: archive_policy of a resource type is deprecated; write `archive_policy_name` below each \
             metric instead",
        ),
    ] {
        assert_eq!(resources(&format!("{LIST}{body}")), [(severity, expected.to_owned())]);
    }
    for (text, expected) in [
        (
            "",
            "r.yaml:1:1: the file holds null; write a map with `resources`, and perhaps `archive_policies` and \
             `archive_policy_default`",
        ),
        ("resources: {}", "r.yaml:1:12: resources is a map; write a list, each entry behind a dash"),
        (
            "archive_policy_default: 5",
            "r.yaml:1:25: the archive policy is an integer; write the name of an archive policy, in quotes if need be",
        ),
    ] {
        assert_eq!(resources(text), [(Severity::Fatal, expected.to_owned())]);
    }
    assert_eq!(
        resources("archive_policies: [{back_window: 0}]"),
        [(
            Severity::Error,
            "r.yaml:1:20: an archive policy has no name; write a map with name, aggregation_methods, back_window and \
             definition"
                .to_owned()
        )]
    );
}

#[test]
fn meter_problems_name_place_value_and_remedy() {
    const HEAD: &str = "metric:\n- name: n\n  event_type: a\n  type: gauge\n  resource_id: payload.id\n";
    for (body, severity, expected) in [
        (
            "  unit: u\n",
            Severity::Error,
            "m.yaml:2:3: the meter definition lacks volume; an empty text and the number 0 count as missing",
        ),
        (
            "  unit: u\n  volume: 1\n  type: total\n",
            Severity::Error,
            "m.yaml:8:9: the type is \"total\"; write gauge, delta or cumulative",
        ),
        (
            "  unit: u\n  volume: 1.5\n",
            Severity::Error,
            "m.yaml:7:11: volume is a float where a path should be; write a path such as `$.payload.size`",
        ),
        (
            "  unit: u\n  volume: {plugin: timedelta}\n",
            Severity::Error,
            "m.yaml:7:11: volume is a map without `fields`; write a path, or a map with the key `fields` and perhaps \
             `plugin`",
        ),
        (
            "  unit: u\n  volume: {fields: payload.a, plugin: sum}\n",
            Severity::Error,
            "m.yaml:7:39: no plugin for volume is called \"sum\"; there are split, bitfield, timedelta and map",
        ),
        (
            "  unit: u\n  volume: {fields: payload.a, plugin: split}\n",
            Severity::Warning,
            "m.yaml:7:11: the plugin split of volume is deprecated; add `split(separator, segment, max)` in backquotes \
             to the path instead",
        ),
        (
            "  unit: u\n  volume: {fields: payload.a, plugin: timedelta}\n  lookup: name\n",
            Severity::Error,
            "m.yaml:7:11: the plugin of volume does not work with lookup; only the plugin split gives a value for each \
             one found",
        ),
        (
            "  unit: u\n  volume: 1\n- {name: n}\n",
            Severity::Error,
            "m.yaml:8:3: the meter definition lacks type, event_type, unit, volume, resource_id; an empty text and the \
             number 0 count as missing",
        ),
    ] {
        assert_eq!(meters(&format!("{HEAD}{body}")), [(severity, expected.to_owned())]);
    }
    let twice =
        format!("{HEAD}  unit: u\n  volume: 1\n{}  unit: v\n  volume: 2\n", HEAD.replace("metric:\n", ""));
    assert_eq!(
        meters(&twice),
        [(
            Severity::Warning,
            "m.yaml:2:9: another definition of \"n\" holds, not this one; within a file the last definition of a name \
             holds, and earlier files before later ones"
                .to_owned()
        )]
    );
}

#[test]
fn broken_paths_and_expressions_show_the_column() {
    let text =
        "metric:\n- {name: n, event_type: '(a', type: gauge, unit: u, volume: 'payload.[', resource_id: r}\n";
    let problems = meters(text);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].1.starts_with("m.yaml:2:61: volume: "), "{problems:?}");
    assert!(problems[0].1.contains("\"payload.[\""), "{problems:?}");
    let problems = meters(&text.replace("payload.[", "payload.v"));
    assert!(
        problems[0].1.starts_with("m.yaml:2:25: the event type \"(a\" is no regular expression: "),
        "{problems:?}"
    );
}

#[test]
fn files_of_no_use_are_fatal() {
    for text in ["", "metric: 5", "[]", "metric:\n- {name: [}"] {
        assert_eq!(
            meters(text).iter().map(|(severity, _)| *severity).collect::<Vec<_>>(),
            [Severity::Fatal],
            "{text}"
        );
    }
    for (text, expected) in [
        ("", "e.yaml:1:1: the file holds null; write a list of definitions with `event_type` and `traits`"),
        (
            "- traits: {}",
            "e.yaml:1:3: the event definition has no event_type; write a map with `event_type` and `traits`",
        ),
        (
            "- event_type: a\n  traits:\n    x: {type: string, fields: payload.x}",
            "e.yaml:3:15: trait x has the type \"string\"; write text, int, float or datetime",
        ),
    ] {
        assert_eq!(events(text), [(Severity::Fatal, expected.to_owned())]);
    }
    let (_, problem) = &events("- event_type: *nothing")[0];
    assert!(problem.starts_with("e.yaml:1:15: not valid yaml: "), "{problem}");
}

fn lookup_notification(count: usize) -> Notification {
    let entry = |number: usize| {
        let entry: Map =
            [("name", Value::from(format!("m{number}"))), ("unit", "u".into()), ("value", Value::Int(1))]
                .into_iter()
                .collect();
        Value::Map(entry)
    };
    let payload: Map = [
        ("metrics", Value::List((0..count).map(entry).collect())),
        ("resource_id", "r".into()),
        ("user_id", "u".into()),
        ("project_id", "p".into()),
        ("ballast", "x".repeat(1 << 20).into()),
    ]
    .into_iter()
    .collect();
    let parts = Parts {
        event_type: "magnum.bay.metrics.update".into(),
        payload: payload.into(),
        message_id: "m".into(),
        timestamp: "2026-07-21 13:56:12".into(),
        ..Parts::default()
    };
    Notification::from_parts(parts, Priority::Info)
}

#[test]
fn a_notification_cannot_multiply_itself() {
    // Each sample of a lookup without metadata carries the whole payload; a megabyte of it, a thousand times, would be
    // a gigabyte if they did not share it.
    let meters = MeterDefinitions::builtin();
    let mut samples = Vec::new();
    let settings = SampleSettings::default();
    let failures = meters.convert(&lookup_notification(MAX_LOOKUP_SAMPLES), &settings, &mut samples);
    assert_eq!(failures, []);
    assert_eq!(samples.len(), MAX_LOOKUP_SAMPLES);
    assert!(samples.iter().all(|sample| sample.resource_metadata.is_copy_of(&samples[0].resource_metadata)));
    samples.clear();
    let failures = meters.convert(&lookup_notification(MAX_LOOKUP_SAMPLES + 1), &settings, &mut samples);
    assert_eq!(samples, []);
    let found = MAX_LOOKUP_SAMPLES + 1;
    assert_eq!(failures[0].cause, Cause::TooMany { found, limit: MAX_LOOKUP_SAMPLES });
    assert_eq!(failures[0].cause.label(), "too_many_samples");
}

#[test]
fn one_failing_definition_does_not_keep_the_others_from_their_samples() {
    let text = "metric:\n\
        - {name: good, event_type: a, type: gauge, unit: u, volume: 1, resource_id: payload.id}\n\
        - {name: bad, event_type: a, type: gauge, unit: u, volume: 1, resource_id: payload.id, timestamp: payload.id}\n";
    let (meters, problems) = MeterDefinitions::load(&[Source { path: "m.yaml", text }]);
    assert_eq!(problems, []);
    let payload: Map = [("id", "x")].into_iter().collect();
    let parts = Parts {
        event_type: "a".into(),
        payload: payload.into(),
        timestamp: "2026-07-21".into(),
        ..Parts::default()
    };
    let notification = Notification::from_parts(parts, Priority::Info);
    let mut samples = Vec::new();
    let failures = meters.convert(&notification, &SampleSettings::default(), &mut samples);
    assert_eq!(samples.iter().map(|sample| &*sample.name).collect::<Vec<_>>(), ["good"]);
    assert_eq!(failures.iter().map(ToString::to_string).collect::<Vec<_>>(), ["bad: 'x' is not a time"]);
}
