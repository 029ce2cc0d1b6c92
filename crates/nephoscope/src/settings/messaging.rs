//! oslo.messaging's options, as the listener takes them.

use std::time::Duration;

use oslo_config::Config;
use oslo_config::options::{messaging, nephoscope, notification, notifications_bus, rabbit};
use oslo_messaging::{ConfigError, ListenerConfig, OptionsError, RabbitOptions, TransportUrl, UrlError};

/// Why the options do not describe a listener. `option` names the one at fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessagingError {
    #[error("{option}: {source}")]
    Url { option: &'static str, source: UrlError },
    #[error("[oslo_messaging_rabbit]: {0}")]
    Options(#[from] OptionsError),
    #[error("listener on {option}: {source}")]
    Listener { option: &'static str, source: ConfigError },
}

/// Most messages that are converted and acknowledged together. A batch holds what is at hand, so this bounds
/// work per step, not latency.
const BATCH_MESSAGES: usize = 256;
/// Most bytes of bodies that are converted together: what comes of them takes a multiple of it, and waits for room in
/// the publishers' queues. A larger message is a batch of its own.
const BATCH_BYTES: u64 = 1 << 20;

/// What arrives within this time after a first message counts as at hand. The broker writes a few messages at a time:
/// without the wait a batch is two or three of them, and what a batch costs is paid tenfold.
const AT_HAND: Duration = Duration::from_millis(2);

/// The longest that a message may wait for a fuller batch: well within the 30 minutes (`consumer_timeout`) after which
/// the broker closes the channel of whoever has not acknowledged.
const LONGEST_LINGER: Duration = Duration::from_mins(10);

/// One listener for each of `[notification] messaging_urls`, or one for the notification transport.
pub(crate) fn listeners(config: &Config) -> Result<Vec<ListenerConfig>, MessagingError> {
    let options = rabbit_options(config)?;
    let mut urls: Vec<(&'static str, &str)> = config
        .get(&notification::MESSAGING_URLS)
        .iter()
        .map(|url| ("[notification] messaging_urls", url.as_str()))
        .filter(|(_, url)| !url.is_empty())
        .collect();
    if urls.is_empty() {
        urls.push(notification_transport(config));
    }
    let several = urls.len() > 1;
    let mut listeners = Vec::with_capacity(urls.len());
    for (number, (option, url)) in urls.into_iter().enumerate() {
        let url: TransportUrl = url.parse().map_err(|source| MessagingError::Url { option, source })?;
        let name = if several { format!("listener-{}", number + 1) } else { "listener".to_owned() };
        let mut listener = ListenerConfig::new(name, url);
        listener.options = options.clone();
        listener.topics = config.get(&notifications_bus::TOPICS).to_vec();
        listener.exchanges = config.get(&notification::NOTIFICATION_CONTROL_EXCHANGES).to_vec();
        listener.pool = Some(config.get(&nephoscope::NOTIFICATION_POOL))
            .filter(|name| !name.is_empty())
            .map(ToOwned::to_owned);
        (listener.linger, listener.batch_size) = batch(config);
        listener.batch_bytes = BATCH_BYTES;
        listener.budget_bytes = u64::try_from(config.get(&nephoscope::IN_FLIGHT_BYTES)).unwrap_or(u64::MAX);
        listener.check().map_err(|source| MessagingError::Listener { option, source })?;
        listeners.push(listener);
    }
    // The byte budget is the process's, not the listener's.
    let share = listeners.len().max(1) as u64;
    for listener in &mut listeners {
        listener.budget_bytes = (listener.budget_bytes / share).max(1);
    }
    Ok(listeners)
}

/// The notification transport, with the option that names it.
fn notification_transport(config: &Config) -> (&'static str, &str) {
    match config.get(&notifications_bus::TRANSPORT_URL) {
        Some(url) => ("[oslo_messaging_notifications] transport_url", url),
        None => ("[DEFAULT] transport_url", config.get(&messaging::TRANSPORT_URL)),
    }
}

/// Where notifications are sent, with the options of its connections.
pub(super) fn sending(config: &Config) -> Result<(TransportUrl, RabbitOptions), MessagingError> {
    let (option, url) = notification_transport(config);
    let url = url.parse().map_err(|source| MessagingError::Url { option, source })?;
    Ok((url, rabbit_options(config)?))
}

/// How long a batch is waited for, and how many messages it may hold.
///
/// `batch_size` above 1 with a `batch_timeout` is the operator's wish to wait for a fuller batch; then both hold as they
/// stand. Otherwise a batch is what is at hand, and may be larger than `batch_size`.
fn batch(config: &Config) -> (Duration, usize) {
    let size = usize::try_from(config.get(&notification::BATCH_SIZE)).unwrap_or(1);
    match config.get(&notification::BATCH_TIMEOUT) {
        Some(seconds) if size > 1 && seconds > 0 => {
            (Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_LINGER), size)
        }
        _ => (AT_HAND, size.max(BATCH_MESSAGES)),
    }
}

fn rabbit_options(config: &Config) -> Result<RabbitOptions, OptionsError> {
    let mut options = RabbitOptions {
        amqp_durable_queues: config.get(&rabbit::AMQP_DURABLE_QUEUES),
        amqp_auto_delete: config.get(&rabbit::AMQP_AUTO_DELETE),
        ssl: config.get(&rabbit::SSL),
        ssl_version: config.get(&rabbit::SSL_VERSION).to_owned(),
        ssl_key_file: config.get(&rabbit::SSL_KEY_FILE).to_owned(),
        ssl_cert_file: config.get(&rabbit::SSL_CERT_FILE).to_owned(),
        ssl_ca_file: config.get(&rabbit::SSL_CA_FILE).to_owned(),
        ssl_enforce_hostname_verification: config.get(&rabbit::SSL_ENFORCE_HOSTNAME_VERIFICATION),
        kombu_reconnect_delay: config.get(&rabbit::KOMBU_RECONNECT_DELAY),
        kombu_reconnect_splay: config.get(&rabbit::KOMBU_RECONNECT_SPLAY),
        rabbit_ha_queues: config.get(&rabbit::RABBIT_HA_QUEUES),
        rabbit_quorum_queue: config.get(&rabbit::RABBIT_QUORUM_QUEUE),
        rabbit_quorum_delivery_limit: config.get(&rabbit::RABBIT_QUORUM_DELIVERY_LIMIT),
        rabbit_quorum_max_memory_length: config.get(&rabbit::RABBIT_QUORUM_MAX_MEMORY_LENGTH),
        rabbit_quorum_max_memory_bytes: config.get(&rabbit::RABBIT_QUORUM_MAX_MEMORY_BYTES),
        enable_cancel_on_failover: config.get(&rabbit::ENABLE_CANCEL_ON_FAILOVER),
        ..RabbitOptions::default()
    };
    // These have types of their own there, which read the same texts as oslo.config does.
    for (name, value) in [
        ("kombu_failover_strategy", config.get(&rabbit::KOMBU_FAILOVER_STRATEGY).to_owned()),
        ("rabbit_login_method", config.get(&rabbit::RABBIT_LOGIN_METHOD).to_owned()),
        ("rabbit_retry_interval", config.get(&rabbit::RABBIT_RETRY_INTERVAL).to_string()),
        ("rabbit_retry_backoff", config.get(&rabbit::RABBIT_RETRY_BACKOFF).to_string()),
        ("rabbit_interval_max", config.get(&rabbit::RABBIT_INTERVAL_MAX).to_string()),
        ("rabbit_qos_prefetch_count", config.get(&rabbit::RABBIT_QOS_PREFETCH_COUNT).to_string()),
        ("heartbeat_timeout_threshold", config.get(&rabbit::HEARTBEAT_TIMEOUT_THRESHOLD).to_string()),
        ("kombu_compression", config.get(&rabbit::KOMBU_COMPRESSION).unwrap_or_default().to_owned()),
    ] {
        if name != "kombu_compression" || !value.is_empty() {
            options.set(name, &value)?;
        }
    }
    options.validate()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use oslo_config::Loader;

    use super::*;

    fn listeners_of(settings: &[(&str, &str)]) -> Result<Vec<ListenerConfig>, MessagingError> {
        let mut loader = Loader::new("test");
        loader.default_sources = false;
        loader.env = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        listeners(&loader.load().unwrap().config)
    }

    #[test]
    fn without_messaging_urls_there_is_one_listener_on_the_notification_transport() {
        let urls = |settings: &[(&str, &str)]| -> Vec<String> {
            listeners_of(settings).unwrap().iter().map(|listener| listener.url.vhost().to_owned()).collect()
        };
        let default = ("OS_DEFAULT__TRANSPORT_URL", "rabbit://h/default");
        let notifications = ("OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL", "rabbit://h/notifications");
        assert_eq!(urls(&[default]), ["default"]);
        assert_eq!(urls(&[default, notifications]), ["notifications"]);
        assert_eq!(
            urls(&[default, notifications, ("OS_NOTIFICATION__MESSAGING_URLS", "rabbit://h/one")]),
            ["one"]
        );
    }

    #[test]
    fn a_pool_is_a_queue_of_our_own_only_if_it_has_a_name() {
        let pool =
            |name: &str| listeners_of(&[("OS_NEPHOSCOPE__NOTIFICATION_POOL", name)]).unwrap().remove(0).pool;
        assert_eq!((pool(""), pool("nephoscope")), (None, Some("nephoscope".into())));
    }

    #[test]
    fn a_batch_is_waited_for_only_where_size_and_time_say_so() {
        let batch = |settings: &[(&str, &str)]| {
            let listener = listeners_of(settings).unwrap().remove(0);
            (listener.batch_size, listener.linger)
        };
        let size = ("OS_NOTIFICATION__BATCH_SIZE", "100");
        let time = ("OS_NOTIFICATION__BATCH_TIMEOUT", "5");
        let none = ("OS_NOTIFICATION__BATCH_TIMEOUT", "0");
        assert_eq!(batch(&[]), (BATCH_MESSAGES, AT_HAND));
        assert_eq!(batch(&[time]), (BATCH_MESSAGES, AT_HAND));
        assert_eq!(batch(&[size]), (BATCH_MESSAGES, AT_HAND));
        assert_eq!(batch(&[size, none]), (BATCH_MESSAGES, AT_HAND));
        assert_eq!(batch(&[size, time]), (100, Duration::from_secs(5)));
        // Far beyond what a clock can be moved by.
        let for_ever = ("OS_NOTIFICATION__BATCH_TIMEOUT", "9223372036854775807");
        assert_eq!(batch(&[size, for_ever]), (100, LONGEST_LINGER));
    }

    #[test]
    fn what_is_wrong_with_a_url_names_the_option() {
        let error = listeners_of(&[("OS_NOTIFICATION__MESSAGING_URLS", "rabbit://h:port/")]).unwrap_err();
        assert!(error.to_string().starts_with("[notification] messaging_urls: "), "{error}");
    }

    /// What would otherwise be found only when the listener is started.
    #[test]
    fn what_no_listener_could_be_started_with_is_refused() {
        for (name, value, words) in [
            ("OS_OSLO_MESSAGING_NOTIFICATIONS__TOPICS", "", "topic"),
            ("OS_DEFAULT__TRANSPORT_URL", "rabbit://h/?ssl=perhaps", "ssl"),
            (
                "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL",
                "rabbit://h/?rabbit_qos_prefetch_count=x",
                "prefetch",
            ),
        ] {
            let error = listeners_of(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with("listener on [") && error.contains(words), "{error}");
        }
        let long = format!("rabbit://h/{}", "v".repeat(256));
        let error = listeners_of(&[("OS_DEFAULT__TRANSPORT_URL", &long)]).unwrap_err().to_string();
        assert!(error.contains("virtual host"), "{error}");
    }
}
