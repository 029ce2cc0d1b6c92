//! `[polling]`

use crate::option::build_names::{was, was_in_group};
use crate::option::{boolean, integer, list, multi, nullable_text, text};

options! { "polling";
    /// File that says what is polled how often.
    CFG_FILE: Str = text("cfg_file", "polling.yaml");
    /// Directory of the socket on which the agent tells when each pollster last ran. Unset: no socket.
    HEARTBEAT_SOCKET_DIR: OptStr = nullable_text("heartbeat_socket_dir");
    /// Prefix of the names of coordination groups: agents with the same prefix share their work.
    PARTITIONING_GROUP_PREFIX: OptStr = nullable_text("partitioning_group_prefix").formerly(&[was_in_group("central")]);
    /// Samples in one notification; 0 sends each by itself.
    BATCH_SIZE: Int = integer("batch_size", 50);
    /// Directories of dynamic pollster definitions.
    POLLSTERS_DEFINITIONS_DIRS: List = multi("pollsters_definitions_dirs", &["/etc/ceilometer/pollsters.d"]);
    /// Whether samples also carry the names of their user and project, asked from Keystone.
    IDENTITY_NAME_DISCOVERY: Bool = boolean("identity_name_discovery", false).formerly(&[was("tenant_name_discovery")]);
    /// Whether samples are sent to the message bus.
    ENABLE_NOTIFICATIONS: Bool = boolean("enable_notifications", true);
    /// Whether samples are offered to Prometheus, beside the message bus or, without `enable_notifications`, alone.
    ENABLE_PROMETHEUS_EXPORTER: Bool = boolean("enable_prometheus_exporter", false);
    /// Addresses, `host:port` (an IPv6 address in brackets), on which samples are offered to Prometheus.
    PROMETHEUS_LISTEN_ADDRESSES: List = list("prometheus_listen_addresses", &["127.0.0.1:9101"]);
    /// Whether disabled projects are left out of discovery.
    IGNORE_DISABLED_PROJECTS: Bool = boolean("ignore_disabled_projects", false);
    /// Whether Prometheus is served over TLS.
    PROMETHEUS_TLS_ENABLE: Bool = boolean("prometheus_tls_enable", false);
    /// Certificate chain, PEM, for `prometheus_tls_enable`. Read again on SIGHUP, as is the key.
    PROMETHEUS_TLS_CERTFILE: OptStr = nullable_text("prometheus_tls_certfile");
    /// Private key, PEM, for `prometheus_tls_enable`.
    PROMETHEUS_TLS_KEYFILE: OptStr = nullable_text("prometheus_tls_keyfile");
    /// Pollsters of one source that run at the same time; 0 means all of them.
    THREADS_TO_PROCESS_POLLSTERS: Int = integer("threads_to_process_pollsters", 1).min(0);
}
