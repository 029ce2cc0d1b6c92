//! What publishers are told besides their URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use nephoscope_http::ProxyOptions;
use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_config::Config;
use oslo_config::options::{agent, messaging, publisher, publisher_notifier};
use oslo_messaging::{AmqpMetrics, RabbitOptions};
use publishers::HttpSettings;
use publishers::exporter::ExporterMetrics;
use publishers::notifier::{NotifierMetrics, NotifierSettings};

use super::messaging::sending;
use super::openstack::Sessions;
use crate::gnocchi::Gnocchi;

/// What the configuration and the surroundings say to all publishers.
#[derive(Debug)]
pub(crate) struct PublisherSettings {
    pub(crate) http: HttpSettings,
    pub(crate) notifier: NotifierSettings,
    pub(crate) exporter: ExporterMetrics,
    pub(crate) gnocchi: Gnocchi,
    /// For publishers that need a token of Keystone.
    pub(crate) sessions: Arc<Sessions>,
}

/// Reads it. What is wrong with the transport matters to those publishers alone that use it.
pub(crate) fn publishers(
    config: &Config,
    env: &BTreeMap<String, String>,
    metrics: &Metrics,
    amqp: &AmqpMetrics,
    sessions: &Arc<Sessions>,
) -> PublisherSettings {
    let proxy = ProxyOptions::from_values(|name| env.get(name).cloned());
    let parallel = usize::try_from(config.get(&agent::MAX_PARALLEL_REQUESTS)).unwrap_or(1);
    let (transport, rabbit) = match sending(config) {
        Ok((url, rabbit)) => (Ok(url), rabbit),
        Err(error) => (Err(error.to_string()), RabbitOptions::default()),
    };
    PublisherSettings {
        http: HttpSettings { proxy, max_parallel_requests: parallel },
        notifier: NotifierSettings {
            transport,
            rabbit,
            exchange: config.get(&messaging::CONTROL_EXCHANGE).to_owned(),
            metering_topic: config.get(&publisher_notifier::METERING_TOPIC).to_owned(),
            event_topic: config.get(&publisher_notifier::EVENT_TOPIC).to_owned(),
            driver: config.get(&publisher_notifier::TELEMETRY_DRIVER).to_owned(),
            host: config.get(&agent::HOST).to_owned(),
            secret: config.get(&publisher::TELEMETRY_SECRET).to_owned(),
            clock: Clock::machine(),
            amqp: amqp.clone(),
            metrics: NotifierMetrics::register(&metrics.component("notifier")),
        },
        exporter: ExporterMetrics::register(&metrics.component("prometheus_exporter")),
        gnocchi: Gnocchi::new(config, sessions, metrics),
        sessions: Arc::clone(sessions),
    }
}
