//! `nephoscope publish-test URL`: one record to one publisher, and everything that is exchanged, for a person.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use model::{Event, Map, MeterKind, Sample, Subject, Timestamp, Trait, TraitValue, Value};
use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_messaging::AmqpMetrics;
use pipeline::{BuildError, Publisher, PublisherFactory as _, PublisherUrl, Records, RecordsKind};
use publishers::Witness;

use crate::cli::{Invocation, PublishTest};
use crate::gnocchi;
use crate::role::Roles;
use crate::surroundings::Surroundings;
use crate::{Ending, say, settings};

/// How long one attempt may take: more than any publisher's own deadlines.
const ATTEMPT: Duration = Duration::from_mins(2);
/// How long connections may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What samples and events are called, unless a name is given.
const NAME: &str = "nephoscope.publish_test";
/// A meter that Ceilometer's resource definitions have, on a resource without attributes.
const NAME_FOR_GNOCCHI: &str = "identity.authenticate.success";

/// What became of one attempt.
pub(crate) enum Published {
    Accepted,
    /// It was not accepted; the text says why.
    Not(String),
}

/// Sends a record of the kind that was asked for.
pub(crate) fn run(arguments: &PublishTest, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let config = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded.config,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let witness = Witness::new(|line| say(format_args!("{line}")));
    let sessions = Arc::new(settings::openstack::Sessions::new(&config, &surroundings.env));
    let (metrics, amqp) = (Metrics::new(), AmqpMetrics::default());
    let to_publishers = settings::publishers(&config, &surroundings.env, &metrics, &amqp, &sessions);
    let publishers =
        Roles::Notification.publishers(&config, to_publishers, None).with_witness(witness.clone());
    let url = PublisherUrl::new(&arguments.url);
    let now = match now() {
        Ok(now) => now,
        Err(error) => return Ending::Failed(error),
    };
    let usual = if url.scheme() == gnocchi::SCHEME && !arguments.event { NAME_FOR_GNOCCHI } else { NAME };
    let name = arguments.name.as_deref().unwrap_or(usual);
    let (kind, records) = if arguments.event {
        (RecordsKind::Events, Records::Events(vec![Arc::new(event(name, now))]))
    } else {
        (RecordsKind::Samples, Records::Samples(vec![Arc::new(sample(name, now))]))
    };
    let publisher = match publishers.build(&url, kind) {
        Ok(publisher) => publisher,
        Err(error @ BuildError::Configuration { .. }) => {
            return Ending::Usage(anyhow!("publisher {}: {error}", url.redacted()));
        }
        Err(error) => return Ending::Failed(anyhow!("publisher {}: {error}", url.redacted())),
    };
    match publish_once(publisher, records) {
        Ok(Published::Accepted) if witness.has_left_out() => Ending::Failed(anyhow!(
            "{}: nothing was sent of {name}; name another one with --name",
            url.redacted()
        )),
        Ok(Published::Accepted) => {
            say(format_args!("accepted by {}: {}", url.redacted(), meaning(&url.scheme())));
            Ending::Done
        }
        Ok(Published::Not(reason)) => Ending::Failed(anyhow!("{}: {reason}", url.redacted())),
        Err(error) => Ending::Failed(error),
    }
}

/// Offers records once.
pub(crate) fn publish_once(mut publisher: Box<dyn Publisher>, records: Records) -> anyhow::Result<Published> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start a thread")?;
    let published = runtime.block_on(async {
        let attempt = tokio::time::timeout(ATTEMPT, publisher.publish(Arc::new([records]))).await;
        let published = match attempt {
            Err(_elapsed) => Published::Not(format!("no end within {} s", ATTEMPT.as_secs())),
            Ok(Err(error)) => Published::Not(format!("not accepted ({}): {error}", error.cause)),
            Ok(Ok(refusals)) => {
                let named = refusals.iter().map(|refusal| (refusal.cause, &refusal.reason)).next();
                let unnamed = refusals.unnamed().first().map(|refused| (refused.cause, &refused.reason));
                match named.or(unnamed) {
                    Some((cause, reason)) => Published::Not(format!("refused ({cause}): {reason}")),
                    None => Published::Accepted,
                }
            }
        };
        // Its connections belong to this runtime.
        drop(publisher);
        published
    });
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(published)
}

/// What *accepted* means, in a few words.
fn meaning(scheme: &str) -> &'static str {
    match scheme {
        "file" => "written and synced",
        "notifier" => {
            "confirmed by the broker (with policy=queue or policy=drop: taken, which promises nothing)"
        }
        "http"
        | "https"
        | "prometheus"
        | "prometheus+remotewrite"
        | "opentelemetryhttp"
        | "gnocchi"
        | "zaqar" => "the server answered 2xx",
        "prometheus+exporter" => "kept in memory, for the next scrape",
        "otlp+http" | "otlp+https" => "the receiver answered 2xx",
        "otlp+grpc" | "otlp+grpcs" => "the receiver answered OK",
        "udp" => "sent; nobody knows whether it arrives",
        "tcp" => "written to the connection; the peer does not confirm",
        "test" => "kept in memory",
        _ => "delivered",
    }
}

/// The time now.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    Timestamp::from_microseconds(Clock::machine().now().as_microsecond())
        .context("this machine's clock shows a year beyond 1 to 9999")
}

fn sample(name: &str, now: Timestamp) -> Sample {
    Sample {
        name: name.into(),
        kind: MeterKind::Gauge,
        unit: "test".into(),
        volume: Value::Int(1),
        subject: Subject::new("nephoscope-publish-test").into(),
        timestamp: now.to_iso().into(),
        source: "nephoscope".into(),
        id: uuid::Uuid::new_v4().into(),
        monotonic_time: None,
    }
}

fn event(name: &str, now: Timestamp) -> Event {
    Event {
        message_id: uuid::Uuid::new_v4().hyphenated().to_string().into(),
        event_type: name.into(),
        generated: now,
        traits: vec![Trait {
            name: "resource_id".into(),
            value: TraitValue::Text("nephoscope-publish-test".into()),
        }],
        raw: Map::new().into(),
    }
}
