//! A report as JSON.

use std::fmt::Display;

use definitions::resources::{Operation, ResourceEffect};
use definitions::{ConversionError, Converter, EventDefinition, FieldTrace, TraitOutcome, Unmapped};
use model::{Map, Notification, Value};
use notification::{Explained, ExplainedConversion, ExplainedEvent, Explanation, Part, Route, SampleFate};
use pipeline::RecordsKind;
use pipeline::config::PipelineConfig;

use super::gnocchi::Target;
use super::{Numbered, Report, fate, numbered};

fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    pairs.into_iter().collect::<Map>().into()
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

fn text(value: impl Display) -> Value {
    value.to_string().into()
}

fn count(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// A map with further keys.
fn with<const N: usize>(value: Value, pairs: [(&str, Value); N]) -> Value {
    let Value::Map(mut map) = value else { return value };
    for (key, value) in pairs {
        map.insert(key, value);
    }
    map.into()
}

/// The whole report.
pub(super) fn report(report: &Report<'_>) -> Value {
    let outcome = |samples: usize, event: bool| {
        let fate = fate(&report.explanation).into();
        object([("samples", count(samples)), ("event", event.into()), ("fate", fate)])
    };
    let reason = |cause: &str, error: &str| object([("cause", cause.into()), ("error", error.into())]);
    let message = object([
        ("form", report.origin.form.into()),
        ("bytes", report.origin.bytes.map(count).into()),
        ("exchange", report.origin.exchange.as_str().into()),
        ("routing_key", report.origin.routing_key.as_str().into()),
    ]);
    let unread = |reason: Value| {
        object([
            ("number", count(report.origin.number)),
            ("message", message.clone()),
            ("ignored", reason),
            ("outcome", outcome(0, false)),
        ])
    };
    let explained = match &report.explanation {
        Explanation::Rejected { cause, error } => return unread(reason(cause, error)),
        Explanation::UnknownPriority { name } => return unread(reason("unknown_priority", name)),
        Explanation::Notification(explained) => explained,
    };
    let samples = numbered(explained);
    let gnocchi = report.targets.iter().map(|target| gnocchi(target, explained, &samples));
    let pipelines =
        [(report.sample_pipelines, RecordsKind::Samples), (report.event_pipelines, RecordsKind::Events)];
    let pipelines = pipelines.into_iter().filter_map(|(config, kind)| Some((config?, kind)));
    let pipelines = pipelines.flat_map(|(config, kind)| pipelines_of(config, kind, explained, &samples));
    object([
        ("number", count(report.origin.number)),
        ("message", header(message, &explained.notification)),
        ("meters", meters(explained, &samples, report.all)),
        ("samples", list(samples.iter().flatten().map(sample))),
        ("event", event(&explained.event, report.all)),
        ("gnocchi", list(gnocchi)),
        ("pipelines", list(pipelines)),
        ("outcome", outcome(explained.published_samples(), explained.is_event_published())),
    ])
}

fn header(message: Value, notification: &Notification) -> Value {
    let part = |key: &str| notification.root().get(key).cloned().unwrap_or_default();
    with(
        message,
        [
            ("priority", notification.priority().as_str().into()),
            ("event_type", part("event_type")),
            ("publisher_id", part("publisher_id")),
            ("message_id", notification.message_id().clone()),
            ("timestamp", notification.timestamp().clone()),
        ],
    )
}

fn state<T>(part: &Part<T>) -> Value {
    match part {
        Part::Disabled => "disabled".into(),
        Part::Priority => "priority".into(),
        Part::Asked(_) => "asked".into(),
    }
}

fn converter(converter: Converter<'_>) -> Value {
    object([("name", converter.name().into()), ("place", converter.place().map(text).into())])
}

fn meters(explained: &Explained<'_>, samples: &[Vec<Numbered<'_, '_>>], all: bool) -> Value {
    let conversions = explained.samples.asked().map(Vec::as_slice).unwrap_or_default();
    let (wanted, others): (Vec<_>, Vec<_>) =
        conversions.iter().zip(samples).partition(|(made, _)| made.conversion.is_wanted);
    let meters = object([
        ("state", state(&explained.samples)),
        ("matching", list(wanted.iter().map(|(made, samples)| conversion(made, samples)))),
        ("not_matching", count(others.len())),
    ]);
    if !all {
        return meters;
    }
    let listed = others.iter().map(|(made, _)| {
        let types = match made.conversion.converter {
            Converter::Code(name) => vec![Value::from(name)],
            Converter::Definition(definition) => definition.event_types().map(Value::from).collect(),
        };
        with(converter(made.conversion.converter), [("event_types", Value::List(types))])
    });
    with(meters, [("not_matching_definitions", list(listed))])
}

fn conversion(made: &ExplainedConversion<'_>, samples: &[Numbered<'_, '_>]) -> Value {
    with(
        converter(made.conversion.converter),
        [
            ("samples", list(samples.iter().map(|sample| count(sample.number)))),
            ("failures", list(made.conversion.failures.iter().map(failure))),
            ("nothing", made.conversion.nothing().into()),
            ("fields", list(made.conversion.fields.iter().map(|trace| field(&trace.key, trace)))),
        ],
    )
}

fn failure(error: &ConversionError) -> Value {
    object([("cause", error.cause.label().into()), ("error", text(&error.cause))])
}

fn field(key: &str, trace: &FieldTrace) -> Value {
    object([
        ("name", key.into()),
        ("path", trace.written.as_str().into()),
        ("values", Value::List(trace.values.clone())),
        ("nothing", trace.nothing().into()),
    ])
}

fn sample(entry: &Numbered<'_, '_>) -> Value {
    let dropped = match entry.fate {
        SampleFate::Dropped(cause) => text(cause),
        SampleFate::Routed(_) => Value::Null,
    };
    object([
        ("number", count(entry.number)),
        ("sample", entry.sample.to_dict().into()),
        ("dropped", dropped),
        ("published", entry.fate.is_published().into()),
    ])
}

fn definition(definition: &EventDefinition) -> Value {
    object([("event_type", (**definition.name()).into()), ("place", text(definition.place()))])
}

fn event(part: &Part<ExplainedEvent<'_>>, all: bool) -> Value {
    let Some(ExplainedEvent { explanation, .. }) = part.asked() else {
        return object([("state", state(part))]);
    };
    let traits = explanation.traits.iter().map(|entry| {
        let value = match &entry.outcome {
            TraitOutcome::Made(value) => value.to_value(),
            _ => Value::Null,
        };
        object([
            ("name", (&**entry.name).into()),
            ("type", entry.kind.into()),
            ("path", entry.field.written.as_str().into()),
            ("value", value),
            ("nothing", entry.nothing().into()),
        ])
    });
    let made = explanation.outcome.as_ref().ok().and_then(Option::as_ref);
    let event = object([
        ("state", state(part)),
        ("definition", explanation.winner.map(definition).into()),
        ("shadowed", list(explanation.shadowed.iter().map(|other| definition(other)))),
        ("not_matching", count(explanation.others.len())),
        ("traits", list(traits)),
        ("event", made.map(model::Event::to_serialized).into()),
        ("failure", explanation.outcome.as_ref().err().map(failure).into()),
    ]);
    if !all {
        return event;
    }
    let others = list(explanation.others.iter().map(|other| definition(other)));
    with(event, [("not_matching_definitions", others)])
}

fn unmapped(reason: &Unmapped) -> Value {
    object([("cause", reason.label().into()), ("error", text(reason))])
}

fn gnocchi(target: &Target, explained: &Explained<'_>, samples: &[Vec<Numbered<'_, '_>>]) -> Value {
    let samples = samples.iter().flatten().filter(|entry| target.gets_sample(entry.fate));
    let samples = samples.map(|entry| with(measure(target, entry.sample), [("number", count(entry.number))]));
    let effect = target.event(explained).map(|event| match target.definitions.event(event) {
        Ok(effect) => self::effect(&effect),
        Err(reason) => unmapped(&reason),
    });
    object([
        ("file", target.file.as_str().into()),
        ("archive_policy", target.archive_policy.clone().into()),
        ("publishers", list(target.publishers.iter().map(|place| place.as_str().into()))),
        ("samples", list(samples)),
        ("event", effect.into()),
    ])
}

fn measure(target: &Target, sample: &model::Sample) -> Value {
    let found = match target.definitions.sample(sample) {
        Ok(found) => found,
        Err(reason) => return unmapped(&reason),
    };
    let definition = target.definitions.find_metric(&sample.name);
    let traced = definition.into_iter().flat_map(|definition| definition.trace_attributes(sample));
    let left_out = traced.filter(|(_, _, value)| value.is_none());
    object([
        ("resource_type", (&**found.resource_type).into()),
        ("place", definition.map(|definition| text(definition.place())).into()),
        ("resource_id", found.resource_id.as_str().into()),
        ("user_id", found.user_id.clone()),
        ("attributes", found.to_extra().into()),
        ("left_out", left_out.map(|(name, path, _)| (&**name, Value::from(path))).collect::<Map>().into()),
        ("metric", (&**found.metric).into()),
        ("archive_policy", found.archive_policy.map(|name| Value::from(&**name)).into()),
        ("unit", found.unit.clone()),
        ("timestamp", found.timestamp.clone()),
        ("value", found.volume.clone()),
    ])
}

fn effect(effect: &ResourceEffect<'_>) -> Value {
    let associated = effect.associated.iter().map(|other| {
        object([
            ("resource_type", (&**other.resource_type).into()),
            ("search", other.query.clone().unwrap_or_default()),
        ])
    });
    let attributes = match effect.operation {
        Operation::Create | Operation::Update => effect.to_attributes().into(),
        Operation::Delete => Value::Null,
    };
    object([
        ("operation", effect.operation.as_str().into()),
        ("resource_type", (&**effect.resource_type).into()),
        ("place", text(effect.definition.place())),
        ("resource_id", effect.resource_id.as_str().into()),
        ("attributes", attributes),
        ("associated", list(associated)),
    ])
}

fn pipelines_of(
    config: &PipelineConfig,
    kind: RecordsKind,
    explained: &Explained<'_>,
    samples: &[Vec<Numbered<'_, '_>>],
) -> Vec<Value> {
    let decision =
        |route: &Route<'_>| object([("taken", route.is_taken().into()), ("why", text(route.decision))]);
    let pipelines = config.pipelines().enumerate().map(|(place, pipeline)| {
        let records: Vec<Value> = match kind {
            RecordsKind::Samples => samples
                .iter()
                .flatten()
                .filter_map(|entry| match entry.fate {
                    SampleFate::Dropped(_) => None,
                    SampleFate::Routed(routes) => {
                        Some(with(decision(routes.get(place)?), [("sample", count(entry.number))]))
                    }
                })
                .collect(),
            RecordsKind::Events => {
                let routes = explained.event.asked().map(|event| &event.routes);
                routes.and_then(|routes| routes.get(place)).map(decision).into_iter().collect()
            }
        };
        let publishers = pipeline.publishers.iter().map(|publisher| {
            object([("url", text(publisher.url.redacted())), ("place", publisher.place.as_str().into())])
        });
        object([
            ("kind", text(kind)),
            ("name", pipeline.name.as_str().into()),
            ("place", pipeline.place.into()),
            ("sink", pipeline.sink.into()),
            ("publishers", list(publishers)),
            ("records", Value::List(records)),
        ])
    });
    pipelines.collect()
}
