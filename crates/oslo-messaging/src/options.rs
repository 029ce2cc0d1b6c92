//! The options of `[oslo_messaging_rabbit]` that matter to notifications, with oslo.messaging's defaults.

use std::str::FromStr;
use std::time::Duration;

/// Prefetch per queue when `rabbit_qos_prefetch_count` is 0, which for oslo means "no bound". More than this brings no
/// more speed (docs/benchmarks.md).
pub const UNLIMITED_PREFETCH: u16 = 2000;

/// Why an option's value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// There is no such option.
    #[error("unknown option {name:?} for the rabbit transport")]
    Unknown {
        /// Name as written.
        name: String,
    },
    /// The value cannot be read as the option's type, or lies outside its bounds.
    #[error("option {name}: {value:?} is not {expected}")]
    Value {
        /// Option.
        name: &'static str,
        /// Value as written.
        value: String,
        /// What may be written.
        expected: &'static str,
    },
    /// Two options contradict each other.
    #[error("rabbit_quorum_queue and rabbit_ha_queues are both set: a queue is either quorum or mirrored")]
    QuorumAndHa,
    /// The TLS library cannot do what `ssl_version` asks for.
    #[error("ssl_version {value:?} is not available: TLS 1.2 and 1.3 are; leave the option empty")]
    SslVersion {
        /// Value as written.
        value: String,
    },
    /// A login method that we do not speak.
    #[error("rabbit_login_method {value:?} is not supported; write PLAIN, AMQPLAIN or EXTERNAL")]
    LoginMethod {
        /// Value as written.
        value: String,
    },
}

/// How to log in (`rabbit_login_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginMethod {
    /// SASL PLAIN.
    Plain,
    /// RabbitMQ's own AMQPLAIN, oslo.messaging's default.
    #[default]
    AmqPlain,
    /// The client certificate says who we are.
    External,
}

/// In which order hosts are tried (`kombu_failover_strategy`). The list is shuffled once in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailoverStrategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// At random.
    Shuffle,
}

/// Compression of published bodies (`kombu_compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// What kombu calls `application/x-gzip`: really a zlib stream.
    Gzip,
}

/// Options of `[oslo_messaging_rabbit]`; each field has the option's name, type and default.
#[derive(Debug, Clone, PartialEq)]
pub struct RabbitOptions {
    /// Declare exchanges and queues durable.
    pub amqp_durable_queues: bool,
    /// Declare exchanges and queues auto-delete.
    pub amqp_auto_delete: bool,
    /// Use TLS.
    pub ssl: bool,
    /// Empty, `SSLv23` or `TLSv1_2`; others are not available.
    pub ssl_version: String,
    /// PEM file with the client's key; empty for none.
    pub ssl_key_file: String,
    /// PEM file with the client's certificate chain; empty for none.
    pub ssl_cert_file: String,
    /// PEM file with the certificate authorities to trust; empty for the system's.
    pub ssl_ca_file: String,
    /// Check the broker's name against its certificate (see [`crate::RabbitOptions::checks_host_name`]).
    pub ssl_enforce_hostname_verification: bool,
    /// Seconds added before each reconnect.
    pub kombu_reconnect_delay: f64,
    /// Up to this many random seconds added before each reconnect.
    pub kombu_reconnect_splay: f64,
    /// Compression of published bodies.
    pub kombu_compression: Option<Compression>,
    /// Order of hosts.
    pub kombu_failover_strategy: FailoverStrategy,
    /// Login method.
    pub rabbit_login_method: LoginMethod,
    /// Seconds before the first retry.
    pub rabbit_retry_interval: u32,
    /// Seconds added to the interval with each retry.
    pub rabbit_retry_backoff: u32,
    /// Longest interval, in seconds.
    pub rabbit_interval_max: u32,
    /// Mirrored queues (`x-ha-policy`, for brokers before 3.0).
    pub rabbit_ha_queues: bool,
    /// Quorum queues; these are always durable.
    pub rabbit_quorum_queue: bool,
    /// `x-delivery-limit`, when above 0.
    pub rabbit_quorum_delivery_limit: i64,
    /// `x-max-in-memory-length`, when above 0.
    pub rabbit_quorum_max_memory_length: i64,
    /// `x-max-in-memory-bytes`, when above 0.
    pub rabbit_quorum_max_memory_bytes: i64,
    /// Unacknowledged messages per queue; 0 means [`UNLIMITED_PREFETCH`].
    pub rabbit_qos_prefetch_count: u16,
    /// Heartbeat in seconds; 0 switches it off.
    pub heartbeat_timeout_threshold: u16,
    /// Ask a mirrored queue to cancel us when it fails over (`x-cancel-on-ha-failover`).
    pub enable_cancel_on_failover: bool,
}

impl Default for RabbitOptions {
    fn default() -> Self {
        Self {
            amqp_durable_queues: false,
            amqp_auto_delete: false,
            ssl: false,
            ssl_version: String::new(),
            ssl_key_file: String::new(),
            ssl_cert_file: String::new(),
            ssl_ca_file: String::new(),
            ssl_enforce_hostname_verification: true,
            kombu_reconnect_delay: 1.0,
            kombu_reconnect_splay: 0.0,
            kombu_compression: None,
            kombu_failover_strategy: FailoverStrategy::default(),
            rabbit_login_method: LoginMethod::default(),
            rabbit_retry_interval: 1,
            rabbit_retry_backoff: 2,
            rabbit_interval_max: 30,
            rabbit_ha_queues: false,
            rabbit_quorum_queue: false,
            rabbit_quorum_delivery_limit: 0,
            rabbit_quorum_max_memory_length: 0,
            rabbit_quorum_max_memory_bytes: 0,
            rabbit_qos_prefetch_count: 0,
            heartbeat_timeout_threshold: 60,
            enable_cancel_on_failover: false,
        }
    }
}

/// Options of the section that have no effect here, but may stand in a URL's query.
const IGNORED: &[&str] = &[
    "rpc_conn_pool_size",
    "conn_pool_min_size",
    "conn_pool_ttl",
    "ssl_enforce_fips_mode",
    "kombu_missing_consumer_retry_timeout",
    "kombu_reconnect_timeout",
    "rabbit_transient_quorum_queue",
    "rabbit_transient_queues_ttl",
    "heartbeat_rate",
    "heartbeat_in_pthread",
    "direct_mandatory_flag",
    "use_queue_manager",
    "hostname",
    "processname",
    "rabbit_stream_fanout",
];

impl RabbitOptions {
    /// Sets one option from text, as oslo.config reads it. Used for a transport URL's query; the options of the
    /// section that do not concern notifications are accepted and ignored.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionsError> {
        match name {
            "amqp_durable_queues" => self.amqp_durable_queues = boolean("amqp_durable_queues", value)?,
            "amqp_auto_delete" => self.amqp_auto_delete = boolean("amqp_auto_delete", value)?,
            "ssl" => self.ssl = boolean("ssl", value)?,
            "ssl_version" => value.clone_into(&mut self.ssl_version),
            "ssl_key_file" => value.clone_into(&mut self.ssl_key_file),
            "ssl_cert_file" => value.clone_into(&mut self.ssl_cert_file),
            "ssl_ca_file" => value.clone_into(&mut self.ssl_ca_file),
            "ssl_enforce_hostname_verification" => {
                self.ssl_enforce_hostname_verification = boolean("ssl_enforce_hostname_verification", value)?;
            }
            "kombu_reconnect_delay" => {
                self.kombu_reconnect_delay =
                    seconds("kombu_reconnect_delay", value, 4.5, "a number of seconds from 0 to 4.5")?;
            }
            "kombu_reconnect_splay" => {
                self.kombu_reconnect_splay =
                    seconds("kombu_reconnect_splay", value, 3600.0, "a number of seconds from 0 to 3600")?;
            }
            "kombu_compression" => self.kombu_compression = compression(value)?,
            "kombu_failover_strategy" => {
                self.kombu_failover_strategy = match value {
                    "round-robin" => FailoverStrategy::RoundRobin,
                    "shuffle" => FailoverStrategy::Shuffle,
                    _ => return Err(bad("kombu_failover_strategy", value, "round-robin or shuffle")),
                }
            }
            "rabbit_login_method" => {
                self.rabbit_login_method = match value.to_ascii_uppercase().as_str() {
                    "PLAIN" => LoginMethod::Plain,
                    "AMQPLAIN" => LoginMethod::AmqPlain,
                    "EXTERNAL" => LoginMethod::External,
                    _ => return Err(OptionsError::LoginMethod { value: value.to_owned() }),
                }
            }
            "rabbit_retry_interval" => {
                self.rabbit_retry_interval =
                    integer("rabbit_retry_interval", value, "a number of seconds from 1")?;
            }
            "rabbit_retry_backoff" => {
                self.rabbit_retry_backoff =
                    integer("rabbit_retry_backoff", value, "a number of seconds from 0")?;
            }
            "rabbit_interval_max" => {
                self.rabbit_interval_max =
                    integer("rabbit_interval_max", value, "a number of seconds from 1")?;
            }
            "rabbit_ha_queues" => self.rabbit_ha_queues = boolean("rabbit_ha_queues", value)?,
            "rabbit_quorum_queue" => self.rabbit_quorum_queue = boolean("rabbit_quorum_queue", value)?,
            "rabbit_quorum_delivery_limit" => {
                self.rabbit_quorum_delivery_limit =
                    integer("rabbit_quorum_delivery_limit", value, "a whole number")?;
            }
            "rabbit_quorum_max_memory_length" => {
                self.rabbit_quorum_max_memory_length =
                    integer("rabbit_quorum_max_memory_length", value, "a whole number")?;
            }
            "rabbit_quorum_max_memory_bytes" => {
                self.rabbit_quorum_max_memory_bytes =
                    integer("rabbit_quorum_max_memory_bytes", value, "a whole number")?;
            }
            "rabbit_qos_prefetch_count" => {
                self.rabbit_qos_prefetch_count =
                    integer("rabbit_qos_prefetch_count", value, "a number from 0 to 65535")?;
            }
            "heartbeat_timeout_threshold" => {
                self.heartbeat_timeout_threshold =
                    integer("heartbeat_timeout_threshold", value, "a number of seconds from 0 to 65535")?;
            }
            "enable_cancel_on_failover" => {
                self.enable_cancel_on_failover = boolean("enable_cancel_on_failover", value)?;
            }
            name if IGNORED.contains(&name) => {}
            name => return Err(OptionsError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }

    /// These options with a URL's query on top, checked.
    pub fn with_overrides(mut self, query: &[(String, String)]) -> Result<Self, OptionsError> {
        for (name, value) in query {
            self.set(name, value)?;
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks what can be wrong in the combination of options.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if self.rabbit_quorum_queue && self.rabbit_ha_queues {
            return Err(OptionsError::QuorumAndHa);
        }
        for (name, value, max) in [
            ("kombu_reconnect_delay", self.kombu_reconnect_delay, 4.5),
            ("kombu_reconnect_splay", self.kombu_reconnect_splay, 3600.0),
        ] {
            if !(0.0..=max).contains(&value) {
                return Err(bad(name, &value.to_string(), "a number of seconds within its bounds"));
            }
        }
        for (name, value) in [
            ("rabbit_retry_interval", self.rabbit_retry_interval),
            ("rabbit_interval_max", self.rabbit_interval_max),
        ] {
            if value == 0 {
                return Err(bad(name, "0", "a number of seconds from 1"));
            }
        }
        if self.ssl && !["", "sslv23", "tlsv1_2"].contains(&self.ssl_version.to_ascii_lowercase().as_str()) {
            return Err(OptionsError::SslVersion { value: self.ssl_version.clone() });
        }
        Ok(())
    }

    /// Whether exchanges and queues are declared durable: quorum queues always are.
    pub fn durable(&self) -> bool {
        self.amqp_durable_queues || self.rabbit_quorum_queue
    }

    /// The most unacknowledged messages per queue.
    pub fn prefetch(&self) -> u16 {
        if self.rabbit_qos_prefetch_count == 0 { UNLIMITED_PREFETCH } else { self.rabbit_qos_prefetch_count }
    }

    /// Whether the broker's name is checked against its certificate, for a URL of `hosts` hosts.
    ///
    /// oslo.messaging checks the name when the URL has one host and `ssl_ca_file` is given. We also check it with the
    /// system's authorities, which would otherwise let anybody's certificate pass; and
    /// `ssl_enforce_hostname_verification = false`, ignored by recent oslo.messaging, switches it off.
    pub fn checks_host_name(&self, hosts: usize) -> bool {
        self.ssl_enforce_hostname_verification && (hosts <= 1 || self.ssl_ca_file.is_empty())
    }

    /// The wait before connection attempt number `attempt` (1 = the first retry), without jitter.
    pub fn retry_interval(&self, attempt: u32) -> Duration {
        let steps = attempt.saturating_sub(1).saturating_mul(self.rabbit_retry_backoff);
        let seconds = self.rabbit_retry_interval.saturating_add(steps).min(self.rabbit_interval_max);
        Duration::from_secs(u64::from(seconds))
    }
}

fn bad(name: &'static str, value: &str, expected: &'static str) -> OptionsError {
    OptionsError::Value { name, value: value.to_owned(), expected }
}

fn boolean(name: &'static str, value: &str) -> Result<bool, OptionsError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(bad(name, value, "true or false")),
    }
}

fn integer<T: FromStr>(name: &'static str, value: &str, expected: &'static str) -> Result<T, OptionsError> {
    value.trim().parse().map_err(|_| bad(name, value, expected))
}

fn seconds(name: &'static str, value: &str, max: f64, expected: &'static str) -> Result<f64, OptionsError> {
    value
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=max).contains(seconds))
        .ok_or_else(|| bad(name, value, expected))
}

fn compression(value: &str) -> Result<Option<Compression>, OptionsError> {
    match value.to_ascii_lowercase().as_str() {
        "" | "none" => Ok(None),
        "gzip" | "zlib" | "application/x-gzip" => Ok(Some(Compression::Gzip)),
        _ => Err(bad("kombu_compression", value, "gzip or empty (bz2 and others are not written)")),
    }
}
