//! `[oslo_messaging_rabbit]` as far as this crate reads it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use nephoscope_oslo_messaging::{
    AmqpMetrics, Compression, ConfigError, FailoverStrategy, Listener, ListenerConfig, LoginMethod, Notifier,
    NotifierConfig, RabbitOptions, Retry,
};

fn set(name: &str, value: &str) -> Result<RabbitOptions, String> {
    RabbitOptions::default()
        .with_overrides(&[(name.to_owned(), value.to_owned())])
        .map_err(|error| error.to_string())
}

#[test]
fn values_are_read_by_type() {
    assert!(set("ssl", "YES").unwrap().ssl);
    assert!(!set("ssl", "off").unwrap().ssl);
    assert_eq!(set("rabbit_qos_prefetch_count", " 7 ").unwrap().prefetch(), 7);
    assert_eq!(set("rabbit_qos_prefetch_count", "0").unwrap().prefetch(), 2000);
    assert_eq!(set("rabbit_login_method", "plain").unwrap().rabbit_login_method, LoginMethod::Plain);
    assert_eq!(set("rabbit_login_method", "EXTERNAL").unwrap().rabbit_login_method, LoginMethod::External);
    assert_eq!(
        set("kombu_failover_strategy", "shuffle").unwrap().kombu_failover_strategy,
        FailoverStrategy::Shuffle
    );
    assert_eq!(set("kombu_compression", "gzip").unwrap().kombu_compression, Some(Compression::Gzip));
    assert!(set("rabbit_quorum_queue", "1").unwrap().durable());
    assert_eq!(
        set("rabbit_quorum_max_memory_bytes", "5000000000").unwrap().rabbit_quorum_max_memory_bytes,
        5_000_000_000
    );
    // Options of the section that are not about notifications are accepted.
    assert_eq!(set("rpc_conn_pool_size", "3").unwrap(), RabbitOptions::default());
}

#[test]
fn wrong_values_are_refused_with_what_to_write() {
    for (name, value, words) in [
        ("ssl", "maybe", "ssl: \"maybe\" is not true or false"),
        ("rabbit_qos_prefetch_count", "70000", "from 0 to 65535"),
        ("rabbit_qos_prefetch_count", "-1", "from 0 to 65535"),
        ("rabbit_retry_interval", "0", "from 1"),
        ("rabbit_interval_max", "soon", "number of seconds"),
        ("kombu_reconnect_delay", "5", "from 0 to 4.5"),
        ("kombu_reconnect_delay", "nan", "from 0 to 4.5"),
        ("kombu_reconnect_splay", "-1", "from 0 to"),
        ("kombu_compression", "bz2", "gzip"),
        ("kombu_failover_strategy", "random", "round-robin or shuffle"),
        ("rabbit_login_method", "RABBIT-CR-DEMO", "PLAIN, AMQPLAIN or EXTERNAL"),
        ("rabbit_prefetch", "1", "unknown option \"rabbit_prefetch\""),
    ] {
        let error = set(name, value).unwrap_err();
        assert!(error.contains(words), "{name}={value}: {error}");
    }
    let both =
        RabbitOptions { rabbit_quorum_queue: true, rabbit_ha_queues: true, ..RabbitOptions::default() };
    assert!(both.validate().unwrap_err().to_string().contains("either quorum or mirrored"));
    for version in ["SSLv3", "TLSv1", "TLSv1_1"] {
        let old = RabbitOptions { ssl: true, ssl_version: version.to_owned(), ..RabbitOptions::default() };
        assert!(old.validate().unwrap_err().to_string().contains("TLS 1.2 and 1.3"), "{version}");
    }
}

#[test]
fn retries_wait_longer_and_longer() {
    let options = RabbitOptions::default();
    let waits = [1, 2, 3, 15, 16, 1_000_000].map(|attempt| options.retry_interval(attempt).as_secs());
    assert_eq!(waits, [1, 3, 5, 29, 30, 30]);
    let wide = RabbitOptions { rabbit_interval_max: u32::MAX, rabbit_retry_backoff: u32::MAX, ..options };
    assert_eq!(wide.retry_interval(u32::MAX), Duration::from_secs(u64::from(u32::MAX)));
}

#[test]
fn the_name_in_a_certificate_is_checked_where_upstream_checks_it() {
    let with = |ca: &str, enforce| RabbitOptions {
        ssl_ca_file: ca.to_owned(),
        ssl_enforce_hostname_verification: enforce,
        ..RabbitOptions::default()
    };
    assert!(with("ca.pem", true).checks_host_name(1));
    assert!(
        !with("ca.pem", true).checks_host_name(3),
        "upstream checks no name when there are several hosts"
    );
    assert!(with("", true).checks_host_name(3), "with the system's authorities, anybody has a certificate");
    assert!(!with("", false).checks_host_name(1));
}

#[tokio::test]
async fn a_listener_or_notifier_that_cannot_work_is_refused() {
    let config = |change: &dyn Fn(&mut ListenerConfig)| {
        let mut config = ListenerConfig::new("test", "rabbit://".parse().unwrap());
        config.exchanges = vec!["nova".to_owned()];
        change(&mut config);
        Listener::start(config, &AmqpMetrics::default()).err().map(|error| error.to_string())
    };
    assert_eq!(config(&|_| {}), None);
    for (change, words) in [
        (
            &(|config: &mut ListenerConfig| config.topics.clear()) as &dyn Fn(&mut ListenerConfig),
            "list of topics is empty",
        ),
        (&|config| config.exchanges.clear(), "list of exchanges is empty"),
        (&|config| config.priorities.clear(), "list of priorities is empty"),
        (&|config| config.exchanges.push(String::new()), "exchange \"\" is empty"),
        (&|config| config.topics.push("t".repeat(254)), "longer than 255"),
        (&|config| config.pool = Some("p".repeat(256)), "pool"),
        (&|config| config.topics = (0..1000).map(|number| number.to_string()).collect(), "7000 queues"),
        (&|config| config.url = format!("rabbit://h/{}", "v".repeat(256)).parse().unwrap(), "virtual host"),
        (&|config| config.url = "rabbit://h/?ssl=perhaps".parse().unwrap(), "true or false"),
        (&|config| config.url = "rabbit://h/?colour=red".parse().unwrap(), "unknown option \"colour\""),
    ] {
        let error = config(change).unwrap_or_else(|| panic!("accepted, although {words}"));
        assert!(error.contains(words), "{error}");
    }
    let mut config = NotifierConfig::new("test", "rabbit://".parse().unwrap());
    config.topics.clear();
    assert!(matches!(Notifier::new(config, &AmqpMetrics::default()), Err(ConfigError::Empty { .. })));
    assert_eq!(
        [Retry::from(-1), Retry::from(0), Retry::from(3)],
        [Retry::Forever, Retry::Times(0), Retry::Times(3)]
    );
}
