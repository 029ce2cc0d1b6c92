//! Definitions and notifications through Ceilometer and through this crate: equal samples and events.
//!
//! `oracle.py` runs the originals once, over the corpus, synthetic notifications for every packaged definition,
//! mutations of both, and the small files of `cases.yaml`. Every difference must be named in
//! `tests/oracle/expected_differences.yaml`, and every entry there must occur.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeSet;
use std::process::Command;

use model::{Map, Notification, Parts, Priority, Sample, Value, json};
use nephoscope_definitions::{
    ConversionError, EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoint, SampleEndpoints,
    SampleSettings, Severity, Source, TraitOutcome, builtin,
};

#[path = "support/differences.rs"]
mod differences;
#[path = "support/original.rs"]
mod original;
use differences::Judge;
use original::{FOLDER, TOP, apart, printed, python, text, texts};

fn notification(root: &Value, priority: Priority) -> Notification {
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
    Notification::from_parts(parts, priority)
}

/// Our side of one configuration.
struct Converters {
    endpoints: SampleEndpoints,
    /// The same definitions once more, to ask them one by one.
    meters: MeterDefinitions,
    events: EventDefinitions,
    settings: SampleSettings,
}

impl Converters {
    fn packaged(meters: &str, events: &str) -> Self {
        let settings = EventSettings { store_raw: vec!["INFO".into()], ..EventSettings::default() };
        Self::load(meters, events, &settings)
    }

    /// Of files that have no problem but plugins that are deprecated.
    fn load(meters: &str, events: &str, settings: &EventSettings) -> Self {
        let source = Source { path: "meters.yaml", text: meters };
        let (definitions, mut problems) = MeterDefinitions::load(&[source]);
        let (events, more) = EventDefinitions::load(Source { path: "events.yaml", text: events }, settings);
        problems.extend(more);
        problems.retain(|problem| !problem.message.contains("deprecated"));
        assert_eq!(problems, []);
        Self {
            endpoints: SampleEndpoints::new(definitions),
            meters: MeterDefinitions::load(&[source]).0,
            events,
            settings: SampleSettings::default(),
        }
    }

    /// What each converter that wants the notification makes of it.
    fn samples(&self, notification: &Notification) -> Vec<(String, Vec<Sample>, Vec<ConversionError>)> {
        let Some(event_type) = notification.event_type() else { return Vec::new() };
        let mut answers = Vec::new();
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.name() != "meter") {
            if endpoint.wants(event_type) {
                let mut samples = Vec::new();
                let failures = endpoint.convert(notification, &self.settings, &mut samples);
                answers.push((endpoint.name().to_owned(), samples, failures));
            }
        }
        for definition in self.meters.iter().filter(|definition| definition.matches(event_type)) {
            let mut samples = Vec::new();
            let failures = definition.convert(notification, &self.settings, &mut samples);
            answers.push((definition.name().to_string(), samples, failures));
        }
        // Together they make the same.
        let mut together = Vec::new();
        let failures = self.endpoints.convert(notification, &self.settings, &mut together);
        let apart: Vec<_> = answers.iter().flat_map(|(_, samples, _)| samples.clone()).collect();
        assert_eq!(format!("{together:?}"), format!("{apart:?}"));
        assert_eq!(failures.len(), answers.iter().map(|(_, _, failures)| failures.len()).sum::<usize>());
        // And so does an explanation, which has a reason wherever nothing was made.
        let explained = self.endpoints.explain(notification, &self.settings);
        for conversion in explained.iter().filter(|conversion| conversion.is_wanted) {
            let is_silent = conversion.samples.is_empty() && conversion.failures.is_empty();
            assert_eq!(conversion.nothing().is_some(), is_silent, "{conversion:?}");
        }
        let (samples, reasons): (Vec<_>, Vec<_>) =
            explained.into_iter().map(|conversion| (conversion.samples, conversion.failures)).unzip();
        assert_eq!(format!("{together:?}"), format!("{:?}", samples.concat()));
        assert_eq!(failures, reasons.concat());
        answers
    }

    fn compare_samples(
        &self,
        judge: &mut Judge,
        agreed: &mut BTreeSet<String>,
        case: &str,
        asked: &Notification,
        theirs: &Value,
    ) {
        let theirs = theirs.as_list().unwrap();
        let ours = self.samples(asked);
        let shown = || json::to_string(asked.root());
        if ours.len() != theirs.len() {
            judge.differ(
                "samples",
                case,
                &format!("{} converters", theirs.len()),
                &ours.len().to_string(),
                shown,
            );
            return;
        }
        for ((name, mut samples, failures), theirs) in ours.into_iter().zip(theirs) {
            judge.compared += 1;
            for sample in &mut samples {
                sample.id = "ID".into();
            }
            let outcome = failures.first().map_or("converted", |failure| failure.cause.label());
            let json: Vec<_> = samples.iter().map(|sample| printed(|out| sample.write_json(out))).collect();
            let plain: Vec<_> =
                samples.iter().map(|sample| printed(|out| sample.write_pytext(out))).collect();
            let detail = || {
                let first = |list: &[String]| list.concat();
                let place = apart(&first(&json), &texts(theirs, "json").concat());
                format!("{failures:?}\n  {place}\n  {}", shown())
            };
            if let Some(raised) = text(theirs, "raised") {
                judge.differ("samples", case, raised, outcome, detail);
            } else if json != texts(theirs, "json") || plain != texts(theirs, "plain") {
                judge.differ("samples", case, "other samples", outcome, detail);
            } else if !failures.is_empty() {
                judge.differ("samples", case, "the same samples", outcome, detail);
            } else if samples.iter().any(|sample| !sample.volume.is_null()) {
                agreed.insert(format!("samples of {name}"));
            }
        }
    }

    fn compare_event(
        &self,
        judge: &mut Judge,
        agreed: &mut BTreeSet<String>,
        case: &str,
        asked: &Notification,
        theirs: &Value,
    ) {
        judge.compared += 1;
        let ours = self.events.convert(asked);
        let explained = self.events.explain(asked);
        if let Ok(Some(event)) = &ours {
            let made = explained.traits.iter().filter_map(|entry| match &entry.outcome {
                TraitOutcome::Made(value) => Some((entry.name, value)),
                TraitOutcome::Nothing(_) | TraitOutcome::EmptyText => None,
                TraitOutcome::Wrong(cause) => panic!("an event in spite of {cause}"),
            });
            let made: Vec<_> = made.collect();
            let traits: Vec<_> = event.traits.iter().map(|entry| (&entry.name, &entry.value)).collect();
            assert_eq!(format!("{made:?}"), format!("{traits:?}"));
        }
        assert_eq!(format!("{:?}", explained.outcome), format!("{ours:?}"));
        let outcome = match &ours {
            Ok(Some(_)) => "converted",
            Ok(None) => "dropped",
            Err(error) => error.cause.label(),
        };
        let detail = || {
            let ours = match &ours {
                Ok(Some(event)) => printed(|out| event.write_json(out)),
                other => format!("{other:?}"),
            };
            let place = apart(&ours, text(theirs, "json").unwrap_or_default());
            format!("{place}\n  {}", json::to_string(asked.root()))
        };
        if let Some(raised) = text(theirs, "raised") {
            judge.differ("event", case, raised, outcome, detail);
            return;
        }
        let same = match &ours {
            Ok(Some(event)) => {
                text(theirs, "json") == Some(&*printed(|out| event.write_json(out)))
                    && text(theirs, "plain") == Some(&*printed(|out| event.write_pytext(out)))
                    && text(theirs, "serialized") == Some(&*json::to_string(&event.to_serialized().into()))
            }
            Ok(None) => theirs.is_null(),
            Err(_) => false,
        };
        if !same {
            judge.differ("event", case, "other event", outcome, detail);
        } else if let Some(definition) =
            asked.event_type().and_then(|event_type| self.events.find(event_type))
        {
            agreed.insert(format!("events of {}", definition.name()));
        }
    }
}

/// The cases of `cases.yaml`, loaded by us as far as they load.
struct Cases {
    cases: yaml::Node,
}

impl Cases {
    fn load(&self, name: &str) -> (Converters, Vec<Severity>) {
        let all = self.cases.as_seq().unwrap();
        let case = all.iter().find(|case| case.get("name").unwrap().as_str() == Some(name)).unwrap();
        let option = |key: &str| case.get("options").and_then(|options| options.get(key));
        let list = |key: &str, default: Vec<String>| {
            option(key).map_or(default, |list| {
                list.as_seq().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
            })
        };
        let defaults = SampleSettings::default();
        let settings = SampleSettings {
            reserved_metadata_namespace: list(
                "reserved_metadata_namespace",
                defaults.reserved_metadata_namespace,
            ),
            reserved_metadata_keys: list("reserved_metadata_keys", defaults.reserved_metadata_keys),
            reserved_metadata_length: option("reserved_metadata_length")
                .map_or(defaults.reserved_metadata_length, |length| length.as_i64().unwrap()),
            sample_source: defaults.sample_source,
        };
        let files: Vec<&str> = case
            .get("meters")
            .map(|files| files.as_seq().unwrap().iter().map(|text| text.as_str().unwrap()).collect())
            .unwrap_or_default();
        let sources: Vec<_> = files.iter().map(|text| Source { path: "meters.yaml", text }).collect();
        let (meters, problems) = MeterDefinitions::load(&sources);
        let mut severities: Vec<_> = problems.iter().map(|problem| problem.severity).collect();
        for problem in &problems {
            assert!(problem.line > 0 && problem.column > 0, "{problem}");
        }
        let event_settings = EventSettings {
            drop_unmatched_notifications: option("event.drop_unmatched_notifications")
                .is_some_and(yaml::Node::is_truthy),
            store_raw: list("event.store_raw", Vec::new()),
        };
        let events = case.get("events").map_or("[]", |text| text.as_str().unwrap());
        let (events, problems) =
            EventDefinitions::load(Source { path: "events.yaml", text: events }, &event_settings);
        severities.extend(problems.iter().map(|problem| problem.severity));
        let converters = Converters {
            endpoints: SampleEndpoints::new(MeterDefinitions::load(&sources).0),
            meters,
            events,
            settings,
        };
        (converters, severities)
    }
}

fn outcome_of(severities: &[Severity]) -> &'static str {
    match severities.iter().max() {
        Some(Severity::Fatal) => "fatal",
        Some(Severity::Error) => "error",
        Some(Severity::Warning) | None => "loaded",
    }
}

fn described(meters: &str, events: &str) -> Vec<Vec<String>> {
    let (meters, problems) = MeterDefinitions::load(&[Source { path: "m", text: meters }]);
    assert_eq!(problems, []);
    let (events, problems) =
        EventDefinitions::load(Source { path: "e", text: events }, &EventSettings::default());
    assert_eq!(problems, []);
    let meters = meters.iter().map(nephoscope_definitions::MeterDefinition::describe);
    meters.chain(events.iter().map(nephoscope_definitions::EventDefinition::describe)).collect()
}

#[test]
fn ceilometer_makes_the_same_of_everything() {
    let cases = format!("{FOLDER}/cases.yaml");
    let output = Command::new(python())
        .arg(format!("{FOLDER}/oracle.py"))
        .args([&cases, &format!("{TOP}/data/meters.yaml"), &format!("{TOP}/data/event_definitions.yaml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases = Cases { cases: yaml::parse(&std::fs::read_to_string(cases).unwrap()).unwrap() };
    let mut judge = Judge::new("converters");
    let mut agreed = BTreeSet::new();
    let mut packaged = None;
    let mut operators = None;
    let mut current: Option<(String, Converters)> = None;
    let mut ended = false;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = json::parse(line).unwrap();
        let case = text(&record, "case").unwrap_or_default();
        match text(&record, "kind").unwrap() {
            "packaged" => {
                let (meters, events) = (text(&record, "meters").unwrap(), text(&record, "events").unwrap());
                // Upstream's own files load unchanged, and compile to what ours do.
                assert_eq!(described(meters, events), described(builtin::METERS.text, builtin::EVENTS.text));
                packaged = Some(Converters::packaged(meters, events));
            }
            "files differ" => panic!("upstream sees a difference between its files and ours: {record:?}"),
            "operators" => {
                let (meters, events) = (text(&record, "meters").unwrap(), text(&record, "events").unwrap());
                operators = Some(Converters::load(meters, events, &EventSettings::default()));
            }
            "load" => {
                let (converters, severities) = cases.load(case);
                let ours = outcome_of(&severities);
                if let Some(raised) = text(&record, "raised") {
                    judge.differ("load", case, raised, ours, || format!("{severities:?}"));
                } else {
                    let names: Vec<_> =
                        converters.meters.iter().map(|definition| definition.name().to_string()).collect();
                    if names != texts(&record, "loaded") {
                        judge.differ("load", case, "other definitions", ours, || format!("{names:?}"));
                    }
                }
                current = Some((case.to_owned(), converters));
            }
            "notification" => {
                let converters = match (&current, &operators) {
                    (Some((name, converters)), _) => {
                        assert_eq!(name, case);
                        converters
                    }
                    (None, Some(operators)) => operators,
                    (None, None) => packaged.as_ref().unwrap(),
                };
                let root = json::parse(text(&record, "notification").unwrap()).unwrap();
                let priority = Priority::from_name(text(&record, "priority").unwrap()).unwrap();
                let asked = notification(&root, priority);
                let samples = record.get("samples").unwrap();
                converters.compare_samples(&mut judge, &mut agreed, case, &asked, samples);
                if let Some(event) = record.get("event") {
                    converters.compare_event(&mut judge, &mut agreed, case, &asked, event);
                }
            }
            "end" => ended = true,
            other => panic!("{other}"),
        }
    }
    println!("{} outcomes compared, {} expected differences", judge.compared, judge.expected);
    assert!(ended && judge.compared > 10_000, "{} comparisons", judge.compared);
    let packaged = packaged.unwrap();
    let silent: Vec<_> = packaged
        .endpoints
        .iter()
        .map(SampleEndpoint::name)
        .filter(|name| *name != "meter")
        .map(str::to_owned)
        .chain(packaged.meters.iter().map(|definition| definition.name().to_string()))
        .map(|name| format!("samples of {name}"))
        .chain(packaged.events.iter().map(|definition| format!("events of {}", definition.name())))
        .chain(operators.unwrap().meters.iter().map(|meter| format!("samples of {}", meter.name())))
        .filter(|name| !agreed.contains(name))
        .collect();
    // Later definitions cover these four, so that they never win.
    let shadowed: Vec<_> = silent.iter().filter_map(|name| name.split(',').next()).collect();
    assert_eq!(
        shadowed,
        [
            "events of trove.instance.create",
            "events of network.*",
            "events of objectstore.http.request",
            "events of volume.exists"
        ],
        "of all other definitions something was compared"
    );
    judge.end();
}

#[test]
fn signed_messages_repeat() {
    // The same notification gives the same message, signature included, however often it comes.
    let converters = Converters::packaged(builtin::METERS.text, builtin::EVENTS.text);
    let payload: Map = [("size", Value::Int(5)), ("id", "i".into())].into_iter().collect();
    let parts = Parts {
        event_type: "image.upload".into(),
        payload: payload.into(),
        message_id: "m".into(),
        timestamp: "2026-07-21 13:56:12".into(),
        ..Parts::default()
    };
    let asked = Notification::from_parts(parts, Priority::Info);
    let wires: Vec<_> = (0..2)
        .map(|_| {
            let answers = converters.samples(&asked);
            answers
                .into_iter()
                .flat_map(|(_, samples, _)| samples)
                .map(|sample| sample.to_wire("s", None))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(wires[0].len(), 1);
    assert_eq!(wires[0], wires[1]);
}
