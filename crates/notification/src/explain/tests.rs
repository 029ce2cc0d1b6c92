//! What an explanation says is what the agent does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use definitions::{Cause, EventSettings, MeterDefinitions, Source, TraitOutcome};
use model::{Parts, Priority, Value};
use observability::clock::Clock;
use observability::metrics::Metrics;
use pipeline::{
    BuildError, DeliveryToken, Outcome, PipelineMetrics, Publisher, PublisherFactory, PublisherUrl,
    Publishing, Records, RecordsKind, Refusals, RetryPolicy, Router, WorkerLimits,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::agent::Converted;
use crate::{Agent, AgentMetrics, AgentOptions, DeadLetterOffice};

const DEADLINE: Duration = Duration::from_mins(1);

const CORPUS: &str = include_str!("../../../../tests/corpus/notifications.jsonl");

const PIPELINES: &str = "
sources:
  - {name: all, meters: ['*'], events: ['*'], sinks: [one, two]}
  - {name: some, meters: [image.*, memory], events: [image.*, identity.*], sinks: [three]}
  - {name: but, meters: ['!compute.*', '!disk*'], events: ['!compute.*'], sinks: [four]}
  - {name: none, meters: [nothing], events: [nothing], sinks: [one]}
sinks:
  - {name: one, publishers: ['kept://a', 'kept://b']}
  - {name: two, publishers: ['kept://c']}
  - {name: three, publishers: ['kept://d']}
  - {name: four, publishers: ['kept://b']}
";

/// The printed records that publishers got since it was emptied, by kind and URL.
type Kept = BTreeMap<String, Vec<String>>;

#[derive(Debug)]
struct Keeper {
    name: String,
    kept: Arc<Mutex<Kept>>,
}

impl Publisher for Keeper {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async move {
            let mut kept = self.kept.lock().unwrap();
            let own = kept.entry(self.name.clone()).or_default();
            for records in &*groups {
                match records {
                    Records::Samples(samples) => {
                        own.extend(samples.iter().map(|sample| printed(|out| sample.write_json(out))));
                    }
                    Records::Events(events) => {
                        own.extend(events.iter().map(|event| printed(|out| event.write_json(out))));
                    }
                }
            }
            Ok(Refusals::default())
        })
    }
}

struct Factory(Arc<Mutex<Kept>>);

impl PublisherFactory for Factory {
    fn build(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(Keeper { name: format!("{kind} {}", url.redacted()), kept: Arc::clone(&self.0) }))
    }

    fn check(&self, _: &PublisherUrl, _: RecordsKind) -> Result<(), BuildError> {
        Ok(())
    }
}

fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn pipelines(text: &str, kind: RecordsKind) -> PipelineConfig {
    PipelineConfig::parse(Source { path: "p.yaml", text }, kind).unwrap()
}

/// What an explanation says that publishers get.
fn said(explanation: &Explanation<'_>) -> Kept {
    let mut kept = Kept::new();
    let Explanation::Notification(explained) = explanation else { return kept };
    let samples = explained.samples.asked().into_iter().flatten();
    let samples: Vec<_> = samples.flat_map(|made| made.conversion.samples.iter().zip(&made.fates)).collect();
    let count = samples.iter().map(|(_, fate)| match fate {
        SampleFate::Dropped(_) => 0,
        SampleFate::Routed(routes) => routes.len(),
    });
    for place in 0..count.max().unwrap_or(0) {
        for (sample, fate) in &samples {
            let SampleFate::Routed(routes) = fate else { continue };
            for publisher in routes[place].pipeline.publishers.iter().filter(|_| routes[place].is_taken()) {
                let own = kept.entry(format!("samples {}", publisher.url.redacted())).or_default();
                own.push(printed(|out| sample.write_json(out)));
            }
        }
    }
    let Some(event) = explained.event.asked() else { return kept };
    for route in event.routes.iter().filter(|route| route.is_taken()) {
        let made = event.explanation.outcome.as_ref().unwrap().as_ref().unwrap();
        for publisher in route.pipeline.publishers {
            let own = kept.entry(format!("events {}", publisher.url.redacted())).or_default();
            own.push(printed(|out| made.write_json(out)));
        }
    }
    kept
}

struct World {
    endpoints: SampleEndpoints,
    settings: SampleSettings,
    events: EventDefinitions,
    sample_pipelines: PipelineConfig,
    event_pipelines: PipelineConfig,
}

impl World {
    fn new(meters: &[Source<'_>], events: Source<'_>, event_settings: &EventSettings) -> Self {
        Self {
            endpoints: SampleEndpoints::new(MeterDefinitions::load(meters).0),
            settings: SampleSettings::default(),
            events: EventDefinitions::load(events, event_settings).0,
            sample_pipelines: pipelines(PIPELINES, RecordsKind::Samples),
            event_pipelines: pipelines(PIPELINES, RecordsKind::Events),
        }
    }

    fn builtin() -> Self {
        let settings = EventSettings { store_raw: vec!["info".into()], ..EventSettings::default() };
        Self::new(&[definitions::builtin::METERS], definitions::builtin::EVENTS, &settings)
    }

    fn explainer(&self) -> Explainer<'_> {
        Explainer {
            samples: Some((&self.endpoints, &self.settings, &self.sample_pipelines)),
            events: Some((&self.events, &self.event_pipelines)),
            options: AgentOptions { ack_on_event_error: true },
        }
    }
}

/// The notifications of the corpus, and others that go wrong in some way.
fn deliveries() -> Vec<Delivery> {
    let lines = CORPUS.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut bodies: Vec<String> = lines.map(|line| line["body"].as_str().unwrap().to_owned()).collect();
    let odd = |event_type: &str, priority: &str, payload: &str| {
        format!(
            r#"{{"event_type": {event_type}, "priority": "{priority}", "payload": {payload}, "message_id": "m",
            "timestamp": "2026-07-21 13:56:12", "publisher_id": "p"}}"#
        )
    };
    bodies.extend([
        odd(r#""image.upload""#, "INFO", r#"{"id": "i", "size": null}"#),
        odd(r#""image.upload""#, "INFO", r#"{"id": "i", "size": [1]}"#),
        odd(r#""image.upload""#, "ERROR", r#"{"id": "i", "size": "many"}"#),
        odd(r#""image.upload""#, "SAMPLE", r#"{"id": "i", "size": "7"}"#),
        odd(r#""image.upload""#, "WARN", r#"{"id": "i", "size": 7}"#),
        odd("5", "INFO", r#"{"id": "i", "size": 7}"#),
        odd(r#""telemetry.polling""#, "SAMPLE", r#"{"samples": [{}]}"#),
        odd(r#""http.request""#, "INFO", r#"{"request": {"HTTP_X_USER_ID": "u"}}"#),
        odd(r#""compute.metrics.update""#, "INFO", r#"{"metrics": []}"#),
        odd(r#""image.upload""#, "LOUD", "{}"),
        "{".into(),
        "[]".into(),
    ]);
    bodies.into_iter().map(|body| Delivery { body: body.into_bytes(), ..Delivery::default() }).collect()
}

/// The whole corpus, and odd messages, through the agent with real queues: publishers get what an explanation says,
/// and nothing else.
#[tokio::test]
async fn publishers_get_what_is_explained() {
    let world = World::builtin();
    let agent_world = World::builtin();
    let kept = Arc::new(Mutex::new(Kept::new()));
    let factory: Arc<dyn PublisherFactory> = Arc::new(Factory(Arc::clone(&kept)));
    let metrics = Metrics::new();
    let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
    let cancelled = CancellationToken::new();
    let mut tasks = Vec::new();
    let mut router = |pipelines: &PipelineConfig, kind| {
        let (router, workers) = Router::new(
            pipelines,
            kind,
            &factory,
            WorkerLimits::default(),
            RetryPolicy::default(),
            &pipeline_metrics,
        )
        .unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test waits for its tasks itself")]
        tasks.extend(workers.into_tasks(&cancelled).map(|(_, task)| tokio::spawn(task)));
        router
    };
    let agent_metrics = AgentMetrics::register(&metrics.component("notification"));
    let office = DeadLetterOffice::new(None, 0, Clock::machine(), &agent_metrics);
    let agent = Agent::new(AgentOptions { ack_on_event_error: true }, office, agent_metrics)
        .with_samples(
            agent_world.endpoints,
            agent_world.settings,
            router(&agent_world.sample_pipelines, RecordsKind::Samples),
        )
        .with_events(agent_world.events, router(&agent_world.event_pipelines, RecordsKind::Events));

    let mut records = 0;
    for delivery in deliveries() {
        let explanation = world.explainer().delivery(&delivery);
        let mut converted = Converted::default();
        let interest = |priority, event_type: &str| agent.interest(priority, event_type);
        if let Ok(Decoded::Wanted(notification)) = decode(&delivery, interest) {
            agent.convert(&notification, &mut converted);
        }
        let (sender, outcome) = oneshot::channel();
        agent
            .dispatch(
                converted,
                DeliveryToken::new(move |outcome| {
                    // Whoever waits for it is gone only when the test has failed.
                    let _ = sender.send(outcome);
                }),
            )
            .await;
        assert_eq!(tokio::time::timeout(DEADLINE, outcome).await.unwrap(), Ok(Outcome::Accepted));
        let got = std::mem::take(&mut *kept.lock().unwrap());
        assert_eq!(got, said(&explanation), "{}", String::from_utf8_lossy(&delivery.body));
        records += got.values().map(Vec::len).sum::<usize>();
    }
    assert!(records > 500, "{records}");
    cancelled.cancel();
    for task in tasks {
        tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
    }
}

fn notification(event_type: Value, payload: &str) -> Notification {
    let parts = Parts {
        event_type,
        payload: model::json::parse(payload).unwrap(),
        message_id: "m".into(),
        timestamp: "2026-07-21 13:56:12".into(),
        publisher_id: "p".into(),
        ctxt: Value::Null,
    };
    Notification::from_parts(parts, Priority::Info)
}

/// Every label under which a definition fails, and everything else that keeps records from publishers.
#[test]
fn every_reason_is_reached() {
    let meters = "metric:
- {name: payload.name, event_type: name, type: gauge, unit: u, volume: 1, resource_id: payload.r, lookup: [name]}
- {name: payload.n, event_type: kind, type: payload.t, unit: u, volume: 1, resource_id: payload.r, lookup: [type]}
- {name: n2, event_type: time, type: gauge, unit: u, volume: 1, resource_id: payload.r, timestamp: payload.t}
- {name: 'payload.l[*].n', event_type: look, type: gauge, unit: u, volume: 'payload.l[*].v', resource_id: payload.r, lookup: [name, volume]}
- {name: plain, event_type: plain, type: gauge, unit: u, volume: payload.v, resource_id: payload.r, user_id: {fields: [payload.a, payload.b], plugin: timedelta}}
";
    let events = "
- {event_type: plain, traits: {i: {type: int, fields: payload.i}, d: {type: datetime, fields: payload.d}, n: payload.n}}
- {event_type: 'plain*', traits: {}}
- {event_type: plain, traits: {i: {type: int, fields: payload.i}, d: {type: datetime, fields: payload.d}, n: payload.n}}
";
    let settings = EventSettings { drop_unmatched_notifications: true, ..EventSettings::default() };
    let world = World::new(
        &[Source { path: "m.yaml", text: meters }],
        Source { path: "e.yaml", text: events },
        &settings,
    );
    let many = format!(r#"{{"l": [{}]}}"#, vec![r#"{"n": "x", "v": 1}"#; 1001].join(","));
    for (event_type, payload, expected) in [
        (
            Value::Int(5),
            "{}",
            "_sample: missing_field; hardware.ipmi.current: the notification lists no samples; \
             hardware.ipmi.fan: the notification lists no samples; hardware.ipmi.temperature: the notification lists \
             no samples; hardware.ipmi.voltage: the notification lists no samples; http.request: event_type; \
             http.response: event_type; meter: event_type",
        ),
        ("name".into(), r#"{"name": 5}"#, "payload.name: meter_name"),
        (
            "name".into(),
            "{}",
            "payload.name: no name was found, so there is no sample: nothing at payload.name",
        ),
        ("kind".into(), r#"{"n": "x", "t": "total"}"#, "payload.n: meter_type"),
        ("time".into(), r#"{"t": "soon"}"#, "n2: timestamp"),
        ("look".into(), r#"{"l": [{"n": "x", "v": 1}, {"n": "y"}]}"#, "payload.l[*].n: lookup_count"),
        ("look".into(), &many, "payload.l[*].n: too_many_samples"),
        ("http.request".into(), "{}", "http.request: missing_field"),
        ("telemetry.polling".into(), r#"{"samples": []}"#, "_sample: the notification lists no samples"),
        ("plain".into(), r#"{"v": null}"#, "plain: dropped null_volume"),
        ("plain".into(), r#"{"v": "many"}"#, "plain: dropped volume_not_a_number"),
        (
            "plain".into(),
            r#"{"v": 1}"#,
            "plain: all:one taken by \"*\", all:two taken by \"*\", some:three not listed, \
             but:four taken: the list only refuses, and not this, none:one not listed",
        ),
    ] {
        let explained = world.explainer().notification(notification(event_type.clone(), payload));
        let mut said = Vec::new();
        for ExplainedConversion { conversion, fates } in explained.samples.asked().unwrap() {
            let name = conversion.converter.name();
            said.extend(
                conversion.failures.iter().map(|failure| format!("{name}: {}", failure.cause.label())),
            );
            said.extend(conversion.nothing().map(|nothing| format!("{name}: {nothing}")));
            said.extend(fates.iter().map(|fate| match fate {
                SampleFate::Dropped(cause) => format!("{name}: dropped {cause}"),
                SampleFate::Routed(routes) => {
                    let routes = routes.iter();
                    let routes = routes.map(|route| format!("{} {}", route.pipeline.name, route.decision));
                    format!("{name}: {}", routes.collect::<Vec<_>>().join(", "))
                }
            }));
        }
        said.sort();
        assert_eq!(said.join("; "), expected, "{event_type:?} {payload}");
    }

    // The fields of a definition say what they found.
    let payload = r#"{"v": 1, "r": null, "a": "2026-07-21"}"#;
    let explained = world.explainer().notification(notification("plain".into(), payload));
    let conversions = explained.samples.asked().unwrap();
    let plain = conversions.iter().find(|made| made.conversion.converter.name() == "plain").unwrap();
    let nothing: Vec<_> =
        plain.conversion.fields.iter().filter_map(definitions::FieldTrace::nothing).collect();
    assert_eq!(
        nothing,
        [
            "1 value at payload.a or payload.b through Timedelta, of which the plugin makes nothing",
            "null at payload.r",
        ]
    );
    assert_eq!(plain.conversion.converter.place().unwrap().to_string(), "m.yaml:6");

    // Traits that are left out, and definitions that are shadowed.
    let payload = r#"{"i": "", "d": "2026-07-21", "n": null}"#;
    let explained = world.explainer().notification(notification("plain".into(), payload));
    let ExplainedEvent { explanation, .. } = explained.event.asked().unwrap();
    assert_eq!(explanation.winner.unwrap().place().line, 4);
    let shadowed: Vec<_> = explanation.shadowed.iter().map(|other| other.place().to_string()).collect();
    assert_eq!(shadowed, ["e.yaml:3", "e.yaml:2"]);
    let left_out: Vec<_> = explanation
        .traits
        .iter()
        .filter_map(|entry| match &entry.outcome {
            TraitOutcome::Made(_) => None,
            TraitOutcome::Nothing(nothing) => Some(format!("{}: {nothing}", entry.name)),
            TraitOutcome::EmptyText => Some(format!("{}: empty", entry.name)),
            TraitOutcome::Wrong(cause) => Some(format!("{}: {cause}", entry.name)),
        })
        .collect();
    assert_eq!(
        left_out,
        [
            "request_id: nothing at ctxt.request_id",
            "project_id: nothing at payload.tenant_id or ctxt.project_id",
            "user_id: nothing at payload.user_id or ctxt.user_id",
            "tenant_id: nothing at payload.tenant_id or ctxt.project_id",
            "i: empty",
            "n: null at payload.n",
        ]
    );

    // A failed event, and what `ack_on_event_error` makes of it.
    for ack_on_event_error in [true, false] {
        let explainer = Explainer { options: AgentOptions { ack_on_event_error }, ..world.explainer() };
        let explained = explainer.notification(notification("plain".into(), r#"{"i": "x"}"#));
        let event = explained.event.asked().unwrap();
        assert!(matches!(event.explanation.outcome.as_ref().unwrap_err().cause, Cause::Trait { .. }));
        assert_eq!(explained.is_given_back, !ack_on_event_error);
        assert!(!explained.is_event_published());
    }
    // No definition wants it, and unmatched notifications are dropped.
    let explained = world.explainer().notification(notification("other".into(), "{}"));
    assert!(matches!(explained.event.asked().unwrap().explanation.outcome, Ok(None)));
    assert_eq!((explained.published_samples(), explained.is_event_published()), (0, false));
    // Kinds of pipeline that are not enabled.
    let explainer = Explainer { samples: None, events: None, ..world.explainer() };
    let explained = explainer.notification(notification("plain".into(), "{}"));
    assert!(matches!((explained.samples, explained.event), (Part::Disabled, Part::Disabled)));
}

#[test]
fn messages_that_never_become_a_notification_have_their_reason() {
    let world = World::builtin();
    let explain = |body: &str| {
        let delivery = Delivery { body: body.as_bytes().to_vec(), ..Delivery::default() };
        match world.explainer().delivery(&delivery) {
            Explanation::Rejected { cause, .. } => format!("rejected {cause}"),
            Explanation::UnknownPriority { name } => format!("priority {name}"),
            Explanation::Notification(explained) => {
                let kinds =
                    [matches!(explained.samples, Part::Priority), matches!(explained.event, Part::Priority)];
                format!("{:?} {kinds:?}", explained.notification.event_type())
            }
        }
    };
    let message = |event_type: &str, priority: &str, payload: &str| {
        format!(r#"{{"event_type": "{event_type}", "priority": "{priority}", "payload": {payload}}}"#)
    };
    let big = "[".repeat(300) + &"]".repeat(300);
    for (body, expected) in [
        (message("a", "LOUD", "{}"), "priority LOUD"),
        (message("a", "WARN", "{}"), "Some(\"a\") [true, true]"),
        (message("a", "SAMPLE", "{}"), "Some(\"a\") [false, true]"),
        (message("a", "ERROR", "{}"), "Some(\"a\") [true, false]"),
        (message("a", "INFO", "{}"), "Some(\"a\") [false, false]"),
        (message("a", "INFO", &big), "rejected not_json"),
        (message("a", "WARN", &big), "rejected not_json"),
        ("[]".into(), "rejected not_a_map"),
        ("{".into(), "rejected not_json"),
        (r#"{"oslo.version": "3.0", "oslo.message": "{}"}"#.into(), "rejected envelope_version"),
    ] {
        assert_eq!(explain(&body), expected, "{body}");
    }
}
