//! A report as text for people.

use std::fmt::Display;

use definitions::resources::{Operation, ResourceEffect};
use definitions::{Converter, TraitOutcome};
use model::{Value, json};
use notification::{Explained, ExplainedConversion, ExplainedEvent, Explanation, Part, Route, SampleFate};
use pipeline::config::{Pipeline, PipelineConfig};

use super::gnocchi::Target;
use super::{Numbered, Report, fate, numbered};

/// Lines with an indentation.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A line, `depth` steps in.
    fn line(&mut self, depth: usize, text: impl Display) {
        for _ in 0..depth {
            self.0.push_str("  ");
        }
        self.0.push_str(&text.to_string());
        self.0.push('\n');
    }

    /// A title with an empty line above.
    fn title(&mut self, text: impl Display) {
        self.0.push('\n');
        self.line(0, text);
    }

    fn entry(&mut self, depth: usize, name: &str, value: &Value) {
        self.line(depth, format_args!("{name}: {}", json::to_string(value)));
    }
}

/// `1 sample`, `2 samples`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The whole report.
pub(super) fn report(report: &Report<'_>) -> String {
    let mut page = Page::default();
    let origin = &report.origin;
    let mut source = vec![origin.form.to_owned()];
    source.extend(origin.bytes.map(|bytes| counted(bytes, "byte")));
    for (name, value) in [("exchange", &origin.exchange), ("routing key", &origin.routing_key)] {
        if !value.is_empty() {
            source.push(format!("{name} {value}"));
        }
    }
    let title = match &report.explanation {
        Explanation::Notification(explained) => format!(
            "{}, priority {}",
            explained.notification.event_type().unwrap_or("no event type"),
            explained.notification.priority().as_str()
        ),
        _ => "not a notification that can be used".to_owned(),
    };
    page.line(0, format_args!("message {}: {title}", origin.number));
    page.line(1, format_args!("form: {}", source.join(", ")));
    let (mut samples, mut event) = (0, false);
    match &report.explanation {
        Explanation::Rejected { cause, error } => page.line(1, format_args!("{cause}: {error}")),
        Explanation::UnknownPriority { name } => {
            page.line(1, format_args!("unknown_priority: {name:?} is none of oslo.messaging's seven"));
        }
        Explanation::Notification(explained) => {
            body(&mut page, report, explained);
            (samples, event) = (explained.published_samples(), explained.is_event_published());
        }
    }
    page.title(format_args!(
        "outcome: {} and {} for publishers; {}",
        counted(samples, "sample"),
        counted(usize::from(event), "event"),
        fate(&report.explanation)
    ));
    page.0
}

fn body(page: &mut Page, report: &Report<'_>, explained: &Explained<'_>) {
    let notification = &explained.notification;
    page.entry(1, "message id", notification.message_id());
    page.entry(1, "publisher", notification.publisher_id());
    page.entry(1, "time", notification.timestamp());
    if notification.event_type().is_none() {
        page.entry(1, "event type", notification.root().get("event_type").unwrap_or(&Value::Null));
    }
    let samples = numbered(explained);
    meters(page, explained, &samples, report.all);
    event(page, explained, report.all);
    for target in report.targets {
        gnocchi(page, target, explained, &samples);
    }
    page.title("pipelines");
    if let Some(config) = report.sample_pipelines {
        sample_pipelines(page, config, &samples);
    }
    if let Some(config) = report.event_pipelines {
        event_pipelines(page, config, explained);
    }
}

/// Why a kind of pipeline was not asked.
fn not_asked<T>(part: &Part<T>, what: &str, pipelines: &str, priorities: &str) -> String {
    match part {
        Part::Disabled => format!("{what}: none, because [notification] pipelines leaves {pipelines} out"),
        Part::Priority | Part::Asked(_) => {
            format!("{what}: none, because they are made of the priorities {priorities} only")
        }
    }
}

fn meters(page: &mut Page, explained: &Explained<'_>, samples: &[Vec<Numbered<'_, '_>>], all: bool) {
    let Some(conversions) = explained.samples.asked() else {
        page.title(not_asked(&explained.samples, "samples", "meter", "info and sample"));
        return;
    };
    page.title(format_args!("samples: {}", samples.iter().map(Vec::len).sum::<usize>()));
    let (wanted, others): (Vec<_>, Vec<_>) =
        conversions.iter().zip(samples).partition(|(made, _)| made.conversion.is_wanted);
    for (made, samples) in wanted {
        conversion(page, made, samples, all);
    }
    page.line(1, format_args!("{} for other event types", counted(others.len(), "definition")));
    if all {
        for (made, _) in others {
            let types = match made.conversion.converter {
                Converter::Code(name) => name.to_owned(),
                Converter::Definition(definition) => definition.event_types().collect::<Vec<_>>().join(", "),
            };
            page.line(2, format_args!("{}: {types}", converter(made.conversion.converter)));
        }
    }
}

fn converter(converter: Converter<'_>) -> String {
    match converter.place() {
        Some(place) => format!("{} ({place})", converter.name()),
        None => format!("{} (built in)", converter.name()),
    }
}

fn conversion(page: &mut Page, made: &ExplainedConversion<'_>, samples: &[Numbered<'_, '_>], all: bool) {
    let conversion = &made.conversion;
    page.line(1, format_args!("{}: {}", converter(conversion.converter), counted(samples.len(), "sample")));
    for failure in &conversion.failures {
        page.line(2, format_args!("failed, {}: {}", failure.cause.label(), failure.cause));
    }
    if let Some(nothing) = conversion.nothing() {
        page.line(2, nothing);
    }
    for field in &conversion.fields {
        match field.nothing() {
            Some(nothing) => page.line(2, format_args!("no {}: {nothing}", field.key)),
            None if all => {
                let values: Vec<_> = field.values.iter().map(json::to_string).collect();
                page.line(2, format_args!("{} from {}: {}", field.key, field.written, values.join(", ")));
            }
            None => {}
        }
    }
    for entry in samples {
        page.line(2, format_args!("sample {}", entry.number));
        if let SampleFate::Dropped(cause) = entry.fate {
            page.line(3, format_args!("dropped, {cause}: no pipeline carries a sample without a number"));
        }
        for (name, value) in entry.sample.to_dict().iter() {
            page.entry(3, name, value);
        }
    }
}

fn event(page: &mut Page, explained: &Explained<'_>, all: bool) {
    let Some(ExplainedEvent { explanation, .. }) = explained.event.asked() else {
        page.title(not_asked(&explained.event, "event", "event", "info and error"));
        return;
    };
    match (&explanation.outcome, explanation.winner) {
        (Ok(Some(event)), _) => page.title(format_args!("event: {}", event.event_type)),
        (Err(error), _) => {
            page.title(format_args!("event: failed, {}: {}", error.cause.label(), error.cause));
        }
        (Ok(None), _) => page.title(
            "event: none, because no definition wants its type and drop_unmatched_notifications is on",
        ),
    }
    if let Some(winner) = explanation.winner {
        page.line(1, format_args!("{}: {}", winner.place(), winner.name()));
    }
    for other in &explanation.shadowed {
        let name = other.name();
        page.line(1, format_args!("{}: {name}; not used, because the one above wins", other.place()));
    }
    page.line(1, format_args!("{} for other event types", counted(explanation.others.len(), "definition")));
    if all {
        for other in &explanation.others {
            page.line(2, format_args!("{}: {}", other.place(), other.name()));
        }
    }
    if let Ok(Some(event)) = &explanation.outcome {
        page.entry(1, "message_id", &event.message_id);
        page.entry(1, "generated", &event.generated.to_iso().into());
        page.entry(1, "raw", &event.raw);
    }
    for entry in &explanation.traits {
        let (name, kind) = (entry.name, entry.kind);
        match &entry.outcome {
            TraitOutcome::Made(value) => {
                let value = json::to_string(&value.to_value());
                let from = if all { format!(", from {}", entry.field.written) } else { String::new() };
                page.line(1, format_args!("trait {name}: {value} ({kind}{from})"));
            }
            _ => page.line(1, format_args!("no trait {name}: {}", entry.nothing().unwrap_or_default())),
        }
    }
}

fn gnocchi(page: &mut Page, target: &Target, explained: &Explained<'_>, samples: &[Vec<Numbered<'_, '_>>]) {
    let publishers = match target.publishers.as_slice() {
        [] => "if there were a publisher gnocchi://".to_owned(),
        places => format!("for the publisher at {}", places.join(", ")),
    };
    let policy = target.archive_policy.as_ref();
    let policy = policy.map(|name| format!(", archive policy {name}")).unwrap_or_default();
    page.title(format_args!("gnocchi, {publishers}: {}{policy}", target.file));
    let mut is_empty = true;
    let mut before = None;
    for entry in samples.iter().flatten().filter(|entry| target.gets_sample(entry.fate)) {
        is_empty = false;
        before = measure(page, target, entry, before);
    }
    let has_samples = !is_empty;
    if let Some(event) = target.event(explained) {
        is_empty = false;
        match target.definitions.event(event) {
            Ok(found) => effect(page, &found),
            Err(reason) => page.line(1, format_args!("event: nothing, {}: {reason}", reason.label())),
        }
    }
    if is_empty {
        page.line(1, "nothing gets here");
    } else if has_samples && !target.publishers.is_empty() {
        page.line(1, "whether filter_project leaves samples out is not looked at: that needs Keystone");
    }
}

/// What Gnocchi gets of a sample, and what the resource became; `before` is the resource of the sample above.
fn measure(
    page: &mut Page,
    target: &Target,
    entry: &Numbered<'_, '_>,
    before: Option<Value>,
) -> Option<Value> {
    let number = entry.number;
    let found = match target.definitions.sample(entry.sample) {
        Ok(found) => found,
        Err(reason) => {
            page.line(1, format_args!("sample {number}: nothing, {}: {reason}", reason.label()));
            return before;
        }
    };
    let definition = target.definitions.find_metric(&entry.sample.name);
    let place = definition.map(|definition| format!(" ({})", definition.place())).unwrap_or_default();
    page.line(1, format_args!("sample {number}: {} {:?}{place}", found.resource_type, found.resource_id));
    let policy = found.archive_policy.map_or("by Gnocchi's rules", |name| &**name);
    page.line(
        2,
        format_args!(
            "metric {}: {} at {}, unit {}, archive policy {policy}",
            found.metric,
            json::to_string(found.volume),
            json::to_string(found.timestamp),
            json::to_string(found.unit)
        ),
    );
    page.entry(2, "user_id", found.user_id);
    let id: Value = found.resource_id.as_str().into();
    let resource = Some(Value::List(vec![id, (&**found.resource_type).into(), found.to_extra().into()]));
    if resource == before {
        page.line(2, "attributes as above");
        return resource;
    }
    for (name, value) in found.to_extra().iter() {
        page.entry(2, name, value);
    }
    let traced = definition.into_iter().flat_map(|definition| definition.trace_attributes(entry.sample));
    for (name, path, value) in traced {
        if value.is_none() {
            page.line(2, format_args!("no {name}: nothing at {path}"));
        }
    }
    resource
}

fn effect(page: &mut Page, effect: &ResourceEffect<'_>) {
    let verb = match effect.operation {
        Operation::Create => "creates",
        Operation::Update => "updates",
        Operation::Delete => "ends",
    };
    let (resource_type, id, place) = (effect.resource_type, &effect.resource_id, effect.definition.place());
    page.line(1, format_args!("event: {verb} {resource_type} {id:?} ({place})"));
    if effect.operation != Operation::Delete {
        for (name, value) in effect.to_attributes().iter() {
            page.entry(2, name, value);
        }
    }
    for other in &effect.associated {
        match &other.query {
            Some(query) => page
                .line(2, format_args!("{verb} each {} with {}", other.resource_type, json::to_string(query))),
            None => page.line(2, format_args!("{}: the id fits into no search", other.resource_type)),
        }
    }
}

fn pipeline(page: &mut Page, pipeline: &Pipeline<'_>, kind: &str) {
    page.line(1, format_args!("{} ({}), {kind}", pipeline.name, pipeline.place));
    for publisher in pipeline.publishers {
        page.line(2, format_args!("to {} ({})", publisher.url.redacted(), publisher.place));
    }
}

fn sample_pipelines(page: &mut Page, config: &PipelineConfig, samples: &[Vec<Numbered<'_, '_>>]) {
    for (place, own) in config.pipelines().enumerate() {
        pipeline(page, &own, "samples");
        let mut is_empty = true;
        for entry in samples.iter().flatten() {
            if let SampleFate::Routed(routes) = entry.fate
                && let Some(Route { decision, .. }) = routes.get(place)
            {
                is_empty = false;
                page.line(2, format_args!("sample {}, {}: {decision}", entry.number, entry.sample.name));
            }
        }
        if is_empty {
            page.line(2, "there is no sample for it");
        }
    }
}

fn event_pipelines(page: &mut Page, config: &PipelineConfig, explained: &Explained<'_>) {
    let routes = explained.event.asked().map(|event| event.routes.as_slice()).unwrap_or_default();
    for (place, own) in config.pipelines().enumerate() {
        pipeline(page, &own, "events");
        match routes.get(place) {
            Some(Route { decision, .. }) => page.line(2, format_args!("event: {decision}")),
            None => page.line(2, "there is no event for it"),
        }
    }
}
