//! The options in a `notifier://` URL.

use oslo_messaging::TransportUrl;
use oslo_messaging::envelope::Version;
use pipeline::{BuildError, PublisherUrl, RecordsKind};

use super::NotifierSettings;
use crate::url_options::{UrlOptions, configuration, truth};

/// Most messages that a local queue can be asked to hold.
const QUEUE_LENGTH_MAX: u64 = 1_000_000;
/// Ceilometer's.
const QUEUE_LENGTH: u64 = 1024;
/// Ceilometer's; see [`NotifierOptions::from_url`].
const MAX_RETRY: u64 = 100;

/// What becomes of records while the broker is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Default,
    Queue,
    Drop,
}

/// What a `notifier://` URL says.
#[derive(Debug, Clone)]
pub(super) struct NotifierOptions {
    /// The broker, if the URL names one.
    pub(super) transport: Option<TransportUrl>,
    pub(super) topics: Vec<String>,
    pub(super) policy: Policy,
    pub(super) max_queue_length: usize,
    pub(super) per_meter_topic: bool,
    pub(super) version: Version,
}

impl NotifierOptions {
    /// Reads the URL. `max_retry` is read and has no effect: with `policy=default` nothing is given up after so many
    /// attempts. What is left of the query goes to the transport, where the URL names a host.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a parameter without a meaning, and for a transport that is not there.
    pub(super) fn from_url(
        url: &PublisherUrl,
        kind: RecordsKind,
        settings: &NotifierSettings,
    ) -> Result<Self, BuildError> {
        let mut options = UrlOptions::from_url(url);
        let mut topics = options.take_all("topic");
        if topics.is_empty() {
            topics.push(match kind {
                RecordsKind::Samples => settings.metering_topic.clone(),
                RecordsKind::Events => settings.event_topic.clone(),
            });
        }
        let policy = match options.take("policy").as_deref() {
            None | Some("default") => Policy::Default,
            Some("queue") => Policy::Queue,
            Some("drop") => Policy::Drop,
            Some(other) => {
                return Err(configuration(
                    format!("there is no policy {other:?}"),
                    "write policy=default, policy=queue or policy=drop",
                ));
            }
        };
        let max_queue_length = options.number("max_queue_length", QUEUE_LENGTH, 1..=QUEUE_LENGTH_MAX)?;
        let _no_effect = options.number("max_retry", MAX_RETRY, 0..=u64::MAX)?;
        let per_meter_topic = match options.take("per_meter_topic") {
            None => false,
            Some(value) => match (value.trim().parse::<i64>(), truth(&value)) {
                (Ok(number), _) => number != 0,
                (Err(_), Some(truth)) => truth,
                (Err(_), None) => {
                    return Err(configuration(
                        format!("per_meter_topic={value:?} is neither 0 nor 1"),
                        "write per_meter_topic=1, or leave it out",
                    ));
                }
            },
        };
        // Of this one alone Ceilometer takes the first value.
        let driver = options.take_all("driver").into_iter().next().unwrap_or_else(|| "rabbit".to_owned());
        let transport =
            if url.authority().is_empty() { None } else { Some(transport(url, &driver, &options)?) };
        Ok(Self {
            transport,
            topics,
            policy,
            max_queue_length: usize::try_from(max_queue_length).unwrap_or(usize::MAX),
            per_meter_topic,
            version: version(&settings.driver)?,
        })
    }
}

fn transport(url: &PublisherUrl, driver: &str, options: &UrlOptions) -> Result<TransportUrl, BuildError> {
    let query = options.encoded().map_or_else(String::new, |query| format!("?{query}"));
    let text = format!("{driver}://{}{}{query}", url.authority(), url.path());
    text.parse().map_err(|error: oslo_messaging::UrlError| {
        configuration(
            error.to_string(),
            "the transport is rabbit: write notifier://user:password@host:5672/vhost",
        )
    })
}

/// The envelope of `[publisher_notifier] telemetry_driver`.
fn version(driver: &str) -> Result<Version, BuildError> {
    match driver {
        "messagingv2" => Ok(Version::V2),
        "messaging" => Ok(Version::V1),
        other => Err(configuration(
            format!("[publisher_notifier] telemetry_driver = {other} cannot be used"),
            "set it to messagingv2 or messaging",
        )),
    }
}

#[cfg(test)]
mod tests {
    use oslo_messaging::{AmqpMetrics, RabbitOptions};

    use super::*;
    use crate::notifier::NotifierMetrics;

    fn settings() -> NotifierSettings {
        NotifierSettings {
            transport: Ok("rabbit://default".parse().unwrap()),
            rabbit: RabbitOptions::default(),
            exchange: "ceilometer".to_owned(),
            metering_topic: "metering".to_owned(),
            event_topic: "event".to_owned(),
            driver: "messagingv2".to_owned(),
            host: "host-1".to_owned(),
            secret: String::new(),
            clock: observability::clock::Clock::machine(),
            amqp: AmqpMetrics::default(),
            metrics: NotifierMetrics::default(),
        }
    }

    fn read(url: &str) -> Result<NotifierOptions, String> {
        NotifierOptions::from_url(&PublisherUrl::new(url), RecordsKind::Samples, &settings())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_ceilometers() {
        let options = read("notifier://").unwrap();
        assert!(options.transport.is_none() && !options.per_meter_topic);
        assert_eq!((options.policy, options.max_queue_length), (Policy::Default, 1024));
        assert_eq!((options.topics, options.version), (vec!["metering".to_owned()], Version::V2));
        let url = PublisherUrl::new("notifier");
        let events = NotifierOptions::from_url(&url, RecordsKind::Events, &settings()).unwrap();
        assert_eq!(events.topics, ["event"]);
    }

    #[test]
    fn each_option_has_its_effect() {
        let options = read(
            "notifier://u:p@h1:1,u:p@h2/v?topic=a&topic=b&policy=queue&max_queue_length=7&per_meter_topic=1&max_retry=3\
             &driver=rabbit&ssl=1",
        )
        .unwrap();
        assert_eq!(options.topics, ["a", "b"]);
        assert_eq!((options.policy, options.max_queue_length), (Policy::Queue, 7));
        assert!(options.per_meter_topic);
        let transport = options.transport.unwrap();
        assert_eq!((transport.hosts.len(), transport.vhost()), (2, "v"));
        assert_eq!(transport.query, [("ssl".to_owned(), "1".to_owned())]);
        assert_eq!(read("notifier://?policy=drop").unwrap().policy, Policy::Drop);
        let mut settings = settings();
        settings.driver = "messaging".to_owned();
        let url = PublisherUrl::new("notifier://");
        let options = NotifierOptions::from_url(&url, RecordsKind::Samples, &settings).unwrap();
        assert_eq!(options.version, Version::V1);
    }

    #[test]
    fn what_can_never_work_is_an_error() {
        for (url, words) in [
            ("notifier://?policy=que", "there is no policy \"que\"; write policy=default"),
            ("notifier://?max_queue_length=0", "max_queue_length"),
            ("notifier://?max_queue_length=x", "max_queue_length"),
            ("notifier://?max_retry=x", "max_retry"),
            ("notifier://?per_meter_topic=perhaps", "per_meter_topic"),
            ("notifier://h?driver=kafka", "transport \"kafka\" is not supported"),
            ("notifier://h:port", "port"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
        }
        let mut settings = settings();
        settings.driver = "log".to_owned();
        let url = PublisherUrl::new("notifier://");
        let error = NotifierOptions::from_url(&url, RecordsKind::Samples, &settings).unwrap_err();
        assert!(error.to_string().contains("[publisher_notifier] telemetry_driver = log"), "{error}");
    }
}
