//! Samples and events through Ceilometer's Gnocchi publisher and through this crate: equal resources.
//!
//! `resources_oracle.py` runs the original once, over what Ceilometer makes of the corpus, synthetic samples and events
//! for every packaged definition, mutations, and the small files of `resources_cases.yaml`. Every difference must be
//! named in `tests/oracle/expected_differences.yaml`, and every entry of this suite must occur.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeSet;
use std::process::Command;

use model::{
    Event, Map, MeterKind, Sample, Subject, Text, Timestamp, Trait, TraitValue, Value, json, pytext,
};
use nephoscope_definitions::resources::{Operation, ResourceEffect, ResourceMeasure};
use nephoscope_definitions::{
    ResourceDefinition, ResourceDefinitions, ResourceSettings, Severity, Source, Unmapped, builtin,
};

#[path = "support/differences.rs"]
mod differences;
#[path = "support/original.rs"]
mod original;
use differences::Judge;
use original::{FOLDER, TOP, python, text, texts};

fn sample(dict: &Value) -> Sample {
    let part = |key: &str| dict.get(key).cloned().unwrap_or_default();
    Sample {
        name: text(dict, "name").unwrap().into(),
        kind: MeterKind::from_name(text(dict, "type").unwrap()).unwrap(),
        unit: part("unit"),
        volume: part("volume"),
        subject: Subject {
            user_id: part("user_id"),
            user_name: part("user_name"),
            project_id: part("project_id"),
            project_name: part("project_name"),
            resource_id: part("resource_id"),
            resource_metadata: part("resource_metadata").into(),
        }
        .into(),
        timestamp: part("timestamp"),
        source: part("source"),
        id: text(dict, "id").unwrap().into(),
        monotonic_time: None,
    }
}

fn event(serialized: &Value) -> Event {
    let entries = serialized.get("traits").and_then(Value::as_list).unwrap();
    let traits = entries.iter().map(|entry| {
        let [name, dtype, value] = entry.as_list().unwrap() else { panic!("{entry:?}") };
        let value = match (dtype, value) {
            (Value::Int(1), Value::Str(text)) => TraitValue::Text(text.clone()),
            (Value::Int(2), Value::Int(number)) => TraitValue::Integer(*number),
            (Value::Int(2), Value::BigInt(digits)) => TraitValue::BigInteger(digits.clone()),
            (Value::Int(3), Value::Float(number)) => TraitValue::Float(*number),
            (Value::Int(4), Value::Str(text)) => TraitValue::Datetime(Timestamp::parse(text).unwrap()),
            other => panic!("{other:?}"),
        };
        Trait { name: name.as_str().unwrap().into(), value }
    });
    Event {
        message_id: "m".into(),
        event_type: text(serialized, "event_type").unwrap().into(),
        generated: Timestamp::parse("2026-07-21T13:56:12").unwrap(),
        traits: traits.collect(),
        raw: Map::new().into(),
    }
}

/// What a publisher would send of one sample: the measures, and how it creates the resource and updates it.
fn requests(found: &ResourceMeasure<'_>) -> Map {
    let pairs = |pairs: Vec<(&str, Value)>| -> Value { pairs.into_iter().collect::<Map>().into() };
    let measure = pairs(vec![("timestamp", found.timestamp.clone()), ("value", found.volume.clone())]);
    let metric = pairs(vec![
        ("measures", Value::List(vec![measure])),
        ("archive_policy_name", found.archive_policy.map(|name| Value::from(&**name)).into()),
        ("unit", found.unit.clone()),
    ]);
    let measures = pairs(vec![(&found.resource_id, pairs(vec![(found.metric, metric)]))]);
    let extra = found.to_extra();
    let mut created: Map =
        [("id", Value::from(found.resource_id.as_str())), ("user_id", found.user_id.clone())]
            .into_iter()
            .collect();
    for (name, value) in extra.iter() {
        created.insert(name, value.clone());
    }
    let call = |place: String, body: Value| Value::List(vec![place.into(), json::to_string(&body).into()]);
    let place = format!("{}/{}", found.resource_type, found.resource_id);
    [
        ("measures", Value::from(json::to_string(&measures))),
        ("create", call(found.resource_type.to_string(), created.into())),
        ("update", call(place, extra.into())),
    ]
    .into_iter()
    .collect()
}

/// What a publisher would do about one event.
fn effects(found: &ResourceEffect<'_>) -> Map {
    let call =
        |place: String, body: Map| Value::List(vec![place.into(), json::to_string(&body.into()).into()]);
    let place = format!("{}/{}", found.resource_type, found.resource_id);
    let (name, place, body) = match found.operation {
        Operation::Create => {
            let mut body: Map = [("id", found.resource_id.as_str())].into_iter().collect();
            for (name, value) in found.to_attributes().iter() {
                body.insert(name, value.clone());
            }
            ("create", found.resource_type.to_string(), body)
        }
        Operation::Update => ("update", place, found.to_attributes()),
        Operation::Delete => ("update", place, [("ended_at", "now")].into_iter().collect()),
    };
    let mut done: Map = [(name, call(place, body))].into_iter().collect();
    let searches = found.associated.iter().filter_map(|other| {
        let query = json::to_string(other.query.as_ref()?);
        Some(Value::List(vec![(&**other.resource_type).into(), query.into()]))
    });
    let searches: Vec<_> = searches.collect();
    if !searches.is_empty() {
        done.insert("search", searches);
    }
    done.insert("operation", found.operation.as_str());
    done
}

/// A map without regard to the order of its keys, and of the keys of the JSON texts in it.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, value)| (Text::from(key), sorted(value))).collect();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            Map::from_pairs(pairs).into()
        }
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Str(text) if text.starts_with('{') => {
            json::parse(text).map_or_else(|_| value.clone(), |parsed| sorted(&parsed))
        }
        other => other.clone(),
    }
}

fn compare(
    judge: &mut Judge,
    subject: &str,
    case: &str,
    asked: &Value,
    id: &str,
    ours: &Result<Map, Unmapped>,
    theirs: &Value,
) -> bool {
    judge.compared += 1;
    let outcome = ours.as_ref().map_or_else(Unmapped::label, |_| "mapped");
    // An event that Gnocchi has nothing of makes no call at all, a sample an empty batch.
    let silent = theirs.as_map().unwrap().is_empty() || text(theirs, "measures") == Some("{}");
    let detail = || format!("{ours:?}\n  {}\n  {}", json::to_string(theirs), json::to_string(asked));
    if let Some(raised) = text(theirs, "raised") {
        judge.differ(subject, case, raised, outcome, detail);
        return false;
    }
    if let Some(failed) = text(theirs, "failed") {
        judge.differ(subject, case, &format!("failed: {failed}"), outcome, detail);
        return false;
    }
    let same = match ours {
        // As texts, because a NaN equals nothing.
        Ok(ours) => json::to_string(&sorted(&ours.clone().into())) == json::to_string(&sorted(theirs)),
        Err(Unmapped::Metric { .. } | Unmapped::EventType { .. }) => silent,
        Err(_) => false,
    };
    if !same {
        let upstream = match id {
            id if id.contains('/') => "an id with a slash",
            id if id.contains(['"', '\\', '\n']) => "an id that breaks the search",
            _ if silent => "nothing",
            _ => "other calls",
        };
        judge.differ(subject, case, upstream, outcome, detail);
    }
    same && ours.is_ok()
}

fn load(cases: &yaml::Node, name: &str) -> (ResourceDefinitions, &'static str) {
    let all = cases.as_seq().unwrap();
    let case = all.iter().find(|case| case.get("name").unwrap().as_str() == Some(name)).unwrap();
    let archive_policy = case.get("archive_policy").map(|policy| policy.as_str().unwrap().to_owned());
    let text = case.get("resources").unwrap().as_str().unwrap();
    let (definitions, problems) =
        ResourceDefinitions::load(Source { path: "r.yaml", text }, &ResourceSettings { archive_policy });
    for problem in &problems {
        assert!(problem.line > 0 && problem.column > 0, "{problem}");
    }
    let outcome = match problems.iter().map(|problem| problem.severity).max() {
        Some(Severity::Fatal) => "fatal",
        Some(Severity::Error) => "error",
        Some(Severity::Warning) | None => "loaded",
    };
    (definitions, outcome)
}

/// The definitions of a file, sorted, and its archive policies.
fn described(source: Source<'_>, settings: &ResourceSettings) -> (Vec<Vec<String>>, Vec<Value>) {
    let (definitions, problems) = ResourceDefinitions::load(source, settings);
    assert_eq!(problems, []);
    let mut lines: Vec<_> = definitions.iter().map(ResourceDefinition::describe).collect();
    lines.sort();
    (lines, definitions.archive_policies().to_vec())
}

#[test]
fn ceilometers_publisher_says_the_same_to_gnocchi() {
    let cases = format!("{FOLDER}/resources_cases.yaml");
    let output = Command::new(python())
        .arg(format!("{FOLDER}/resources_oracle.py"))
        .args([&cases, &format!("{TOP}/data/gnocchi_resources.yaml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases = yaml::parse(&std::fs::read_to_string(cases).unwrap()).unwrap();
    let mut judge = Judge::new("resources");
    // What both have made: equal metrics and events.
    let mut agreed = BTreeSet::new();
    let mut current: Option<(String, ResourceDefinitions)> = None;
    let mut packaged = None;
    let mut ended = false;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = json::parse(line).unwrap();
        let case = text(&record, "case").unwrap_or_default();
        let definitions = || match &current {
            Some((name, definitions)) => {
                assert_eq!(name, case);
                definitions
            }
            None => packaged.as_ref().unwrap(),
        };
        match text(&record, "kind").unwrap() {
            "packaged" => {
                // Upstream's own file loads unchanged, and means what ours does.
                let theirs = Source { path: "theirs.yaml", text: text(&record, "resources").unwrap() };
                for archive_policy in [None, Some("high".to_owned())] {
                    let settings = ResourceSettings { archive_policy };
                    assert_eq!(described(theirs, &settings), described(builtin::RESOURCES, &settings));
                }
                packaged = Some(ResourceDefinitions::load(theirs, &ResourceSettings::default()).0);
            }
            "files differ" => panic!("upstream sees a difference between its file and ours: {record:?}"),
            "load" => {
                let (definitions, ours) = load(&cases, case);
                if let Some(raised) = text(&record, "raised") {
                    judge.differ("load", case, raised, ours, || format!("{definitions:?}"));
                } else {
                    let types: Vec<_> =
                        definitions.iter().map(|definition| definition.resource_type().to_string()).collect();
                    if types != texts(&record, "loaded") {
                        judge.differ("load", case, "other definitions", ours, || format!("{types:?}"));
                    }
                }
                current = Some((case.to_owned(), definitions));
            }
            "sample" => {
                let asked = json::parse(text(&record, "sample").unwrap()).unwrap();
                let sample = sample(&asked);
                let ours = definitions().sample(&sample).map(|found| requests(&found));
                if compare(&mut judge, "sample", case, &asked, "", &ours, record.get("answer").unwrap()) {
                    agreed.insert(format!("metric {}", sample.name));
                }
            }
            "event" => {
                let asked = json::parse(text(&record, "event").unwrap()).unwrap();
                let event = event(&asked);
                let found = definitions().event(&event);
                let id =
                    found.as_ref().map_or_else(|_| String::new(), |found| pytext::to_str(&found.original_id));
                let ours = found.map(|found| effects(&found));
                if compare(&mut judge, "event", case, &asked, &id, &ours, record.get("answer").unwrap()) {
                    agreed.insert(format!("event {}", event.event_type));
                }
            }
            "end" => ended = true,
            other => panic!("{other}"),
        }
    }
    println!("{} outcomes compared, {} expected differences", judge.compared, judge.expected);
    assert!(ended && judge.compared > 2_000, "{} comparisons", judge.compared);
    let packaged = packaged.unwrap();
    for definition in packaged.iter() {
        for metric in definition.metrics() {
            assert!(agreed.contains(&format!("metric {metric}")), "{metric} was never equal");
        }
    }
    let events = agreed.iter().filter(|name| name.starts_with("event ")).count();
    assert!(events > 10, "{events} event types");
    judge.end();
}
