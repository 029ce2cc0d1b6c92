//! `[oslo_messaging_rabbit]`

use crate::option::build_names::was;
use crate::option::{Default, boolean, float, integer, nullable_text, text};

const POOL: &str = "each role keeps one connection to each broker";
const RPC: &str = "Nephoscope makes no remote procedure calls";

options! { "oslo_messaging_rabbit";
    /// Whether queues and exchanges are declared durable. Must agree with the services that declare the
    /// same queues. Quorum queues are always durable.
    AMQP_DURABLE_QUEUES: Bool = boolean("amqp_durable_queues", false);
    /// Whether queues vanish with their last consumer. Must agree with the services.
    AMQP_AUTO_DELETE: Bool = boolean("amqp_auto_delete", false);
    /// Connections kept for remote procedure calls.
    RPC_CONN_POOL_SIZE: Int = integer("rpc_conn_pool_size", 30).min(1).no_effect(POOL);
    /// Connections kept at least.
    CONN_POOL_MIN_SIZE: Int = integer("conn_pool_min_size", 2).no_effect(POOL);
    /// Seconds that an idle connection is kept.
    CONN_POOL_TTL: Int = integer("conn_pool_ttl", 1200).no_effect(POOL);
    /// Whether to connect with TLS.
    SSL: Bool = boolean("ssl", false);
    /// TLS version: `TLSv1_2` for that only; empty or `SSLv23` for 1.2 and 1.3.
    SSL_VERSION: Str = text("ssl_version", "");
    /// Private key of the client certificate, PEM.
    SSL_KEY_FILE: Str = text("ssl_key_file", "");
    /// Client certificate, PEM.
    SSL_CERT_FILE: Str = text("ssl_cert_file", "");
    /// Certificate authorities, PEM, that the broker's certificate is checked against. Empty: those of the
    /// system.
    SSL_CA_FILE: Str = text("ssl_ca_file", "");
    /// Whether the broker's certificate must bear the host name that is connected to.
    SSL_ENFORCE_HOSTNAME_VERIFICATION: Bool = boolean("ssl_enforce_hostname_verification", true)
        .leaving("host names will always be verified");
    /// Whether OpenSSL's FIPS mode is required.
    SSL_ENFORCE_FIPS_MODE: Bool = boolean("ssl_enforce_fips_mode", false)
        .no_effect("OpenSSL is not used").leaving("it belongs to OpenSSL's configuration");
    /// Seconds to wait after the broker cancelled a consumer before reconnecting.
    KOMBU_RECONNECT_DELAY: Float = float("kombu_reconnect_delay", 1.0).within(Some(0.0), Some(4.5));
    /// Seconds up to which a random time is added to that wait.
    KOMBU_RECONNECT_SPLAY: Float = float("kombu_reconnect_splay", 0.0).within(Some(0.0), None);
    /// Compression of messages that are sent: `gzip` or `bz2`. Consumed messages may be compressed anyhow.
    KOMBU_COMPRESSION: OptStr = nullable_text("kombu_compression").later("the notifier publisher");
    /// Seconds to wait for a vanished client before an answer to it is given up.
    KOMBU_MISSING_CONSUMER_RETRY_TIMEOUT: Int = integer("kombu_missing_consumer_retry_timeout", 60)
        .formerly(&[was("kombu_reconnect_timeout")]).no_effect(RPC);
    /// Which broker comes next when one fails.
    KOMBU_FAILOVER_STRATEGY: Str = text("kombu_failover_strategy", "round-robin").choices(&["round-robin", "shuffle"]);
    /// Authentication mechanism.
    RABBIT_LOGIN_METHOD: Str = text("rabbit_login_method", "AMQPLAIN").choices(&["PLAIN", "AMQPLAIN", "EXTERNAL", "RABBIT-CR-DEMO"]);
    /// Seconds before the first attempt to connect again.
    RABBIT_RETRY_INTERVAL: Int = integer("rabbit_retry_interval", 1).min(1);
    /// Seconds by which that time grows with each attempt.
    RABBIT_RETRY_BACKOFF: Int = integer("rabbit_retry_backoff", 2).min(0);
    /// Seconds that it grows to at most.
    RABBIT_INTERVAL_MAX: Int = integer("rabbit_interval_max", 30).min(1);
    /// Whether classic queues are declared mirrored. Must agree with the services.
    RABBIT_HA_QUEUES: Bool = boolean("rabbit_ha_queues", false);
    /// Whether queues are declared as quorum queues. Must agree with the services.
    RABBIT_QUORUM_QUEUE: Bool = boolean("rabbit_quorum_queue", false);
    /// Whether queues of remote procedure calls are quorum queues.
    RABBIT_TRANSIENT_QUORUM_QUEUE: Bool = boolean("rabbit_transient_quorum_queue", false).no_effect(RPC);
    /// Deliveries of a message before a quorum queue drops it; 0: no limit. Must agree with the services.
    RABBIT_QUORUM_DELIVERY_LIMIT: Int = integer("rabbit_quorum_delivery_limit", 0);
    /// Messages that a quorum queue keeps in memory; 0: no limit. Must agree with the services.
    RABBIT_QUORUM_MAX_MEMORY_LENGTH: Int = integer("rabbit_quorum_max_memory_length", 0);
    /// Bytes that a quorum queue keeps in memory; 0: no limit. Must agree with the services.
    RABBIT_QUORUM_MAX_MEMORY_BYTES: Int = integer("rabbit_quorum_max_memory_bytes", 0);
    /// Seconds after which unused queues of remote procedure calls vanish.
    RABBIT_TRANSIENT_QUEUES_TTL: Int = integer("rabbit_transient_queues_ttl", 1800).min(0).no_effect(RPC);
    /// Messages that the broker sends ahead of their acknowledgement; 0 means no limit upstream, and the
    /// greatest window here. oslo.messaging's own default is 0, Ceilometer's 100.
    RABBIT_QOS_PREFETCH_COUNT: Int = integer("rabbit_qos_prefetch_count", 100);
    /// Seconds without a heartbeat after which the broker counts as dead; 0: no heartbeats.
    HEARTBEAT_TIMEOUT_THRESHOLD: Int = integer("heartbeat_timeout_threshold", 60);
    /// How often within that time the heartbeat is checked.
    HEARTBEAT_RATE: Int = integer("heartbeat_rate", 3)
        .no_effect("the connection keeps its own time within heartbeat_timeout_threshold");
    /// Whether undeliverable answers are sent back.
    DIRECT_MANDATORY_FLAG: Bool = boolean("direct_mandatory_flag", true).no_effect(RPC).leaving("it will always be so");
    /// Whether the broker cancels consumers when a mirrored queue fails over.
    ENABLE_CANCEL_ON_FAILOVER: Bool = boolean("enable_cancel_on_failover", false);
    /// Whether names of reply queues are managed.
    USE_QUEUE_MANAGER: Bool = boolean("use_queue_manager", false).no_effect(RPC);
    /// Host name in names of reply queues.
    HOSTNAME: Str = text("hostname", "").default(Default::HostName).no_effect(RPC);
    /// Program name in names of reply queues.
    PROCESSNAME: Str = text("processname", "").default(Default::Program).no_effect(RPC);
    /// Whether fanout of remote procedure calls uses streams.
    RABBIT_STREAM_FANOUT: Bool = boolean("rabbit_stream_fanout", false).no_effect(RPC);
}
