//! Samples, events and publishers.

use std::sync::Arc;

use definitions::{ResourceDefinitions, ResourceSettings};
use model::{Event, MeterKind, Sample, Subject, Timestamp, Trait, TraitValue, Value, json};
use nephoscope_publishers::gnocchi::{GnocchiMetrics, GnocchiOptions, GnocchiPublisher};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{AuthOptions, Cache, Service, ServiceFilter, Session, SessionOptions, Url};
use pipeline::{PublishError, Publisher as _, PublisherUrl, Records, Refusals};

/// The time at which events end resources.
pub(crate) const NOW: &str = "2026-07-21T14:00:00Z";

/// The service as `gnocchi-basic` finds it.
pub(crate) fn service(url: &str) -> Service {
    let auth = AuthOptions::GnocchiBasic { endpoint: Url::parse(url).unwrap(), user: "admin".into() };
    Service::new(
        Session::new(SessionOptions::new(auth)).unwrap(),
        ServiceFilter::new("metric").with_name("gnocchi"),
    )
}

/// A Keystone at `url` that needs no token.
pub(crate) fn identity(url: &str) -> Service {
    let session = Session::new(SessionOptions::new(AuthOptions::None { endpoint: None })).unwrap();
    let filter =
        ServiceFilter { endpoint_override: Some(Url::parse(url).unwrap()), ..ServiceFilter::new("identity") };
    Service::new(session, filter)
}

pub(crate) struct House {
    pub(crate) publisher: GnocchiPublisher,
    metrics: Metrics,
    /// To change them.
    pub(crate) definitions: tokio::sync::watch::Sender<Arc<ResourceDefinitions>>,
}

impl House {
    /// A publisher with the built-in definitions, for `gnocchi://?QUERY`.
    pub(crate) fn new(url: &str, query: &str) -> Self {
        Self::with(url, query, None, Clock::test(NOW.parse().unwrap()).0)
    }

    /// The same in real time, which the real Gnocchi lives in.
    pub(crate) fn of_today(url: &str, query: &str) -> Self {
        Self::with(url, query, None, Clock::machine())
    }

    pub(crate) fn with_identity(url: &str, query: &str, identity: Service) -> Self {
        Self::with(url, query, Some(identity), Clock::machine())
    }

    fn with(url: &str, query: &str, identity: Option<Service>, clock: Clock) -> Self {
        let options = GnocchiOptions::from_url(&PublisherUrl::new(&format!("gnocchi://?{query}"))).unwrap();
        let settings = ResourceSettings { archive_policy: options.archive_policy.clone() };
        let definitions = Arc::new(ResourceDefinitions::builtin(&settings));
        let (sender, definitions) = tokio::sync::watch::channel(definitions);
        let metrics = Metrics::new();
        let registered = GnocchiMetrics::register(&metrics.component("gnocchi"));
        let publisher =
            GnocchiPublisher::new(options, definitions, service(url), identity, registered, clock);
        Self { publisher, metrics, definitions: sender }
    }

    /// The same with a cache that it shares with others.
    pub(crate) fn sharing(url: &str, cache: Cache) -> Self {
        let mut house = Self::of_today(url, "enable_filter_project=false&timeout=60");
        house.publisher = house.publisher.with_cache(Some(cache));
        house
    }

    pub(crate) async fn offer(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        self.publisher.publish(Arc::clone(groups)).await
    }

    /// Publishes samples; returns place, cause and reason of each that is refused.
    pub(crate) async fn samples(&mut self, samples: Vec<Arc<Sample>>) -> Vec<(usize, &'static str, String)> {
        seen(&self.offer(&samples_group(samples)).await.unwrap())
    }

    pub(crate) async fn events(&mut self, events: Vec<Arc<Event>>) -> Vec<(usize, &'static str, String)> {
        let group: Arc<[Records]> = Arc::new([Records::Events(events)]);
        seen(&self.offer(&group).await.unwrap())
    }

    pub(crate) fn metric(&self, series: &str) -> i64 {
        let text = self.metrics.prometheus_text();
        let wanted = format!("nephoscope_gnocchi_{series} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }
}

pub(crate) fn samples_group(samples: Vec<Arc<Sample>>) -> Arc<[Records]> {
    Arc::new([Records::Samples(samples)])
}

fn seen(refusals: &Refusals) -> Vec<(usize, &'static str, String)> {
    refusals.iter().map(|refusal| (refusal.record, refusal.cause, refusal.reason.clone())).collect()
}

/// A sample of a meter of the built-in definitions, with its metadata as JSON.
pub(crate) fn plain(name: &str, resource: impl Into<Value>, minute: u32, metadata: &str) -> Sample {
    Sample {
        name: name.into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: i64::from(minute).into(),
        subject: Subject {
            user_id: "user".into(),
            project_id: "project".into(),
            resource_metadata: json::parse(metadata).unwrap().into(),
            ..Subject::new(resource)
        }
        .into(),
        timestamp: format!("2026-07-21T13:{minute:02}:12.123456+00:00").into(),
        source: "openstack".into(),
        id: format!("id-{minute}").into(),
        monotonic_time: None,
    }
}

pub(crate) fn sample(name: &str, resource: impl Into<Value>, minute: u32) -> Arc<Sample> {
    Arc::new(plain(name, resource, minute, "{}"))
}

pub(crate) fn event(event_type: &str, traits: &[(&str, &str)]) -> Arc<Event> {
    Arc::new(Event {
        message_id: "m".into(),
        event_type: event_type.into(),
        generated: Timestamp::from_microseconds(0).unwrap(),
        traits: traits
            .iter()
            .map(|(name, value)| Trait { name: (*name).into(), value: TraitValue::Text((*value).into()) })
            .collect(),
        raw: Value::Null,
    })
}
