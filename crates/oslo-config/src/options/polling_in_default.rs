//! `[DEFAULT]`: the options of `[polling]` once more.
//!
//! Ceilometer registers them here as well, by mistake, and reads one of them from here. So a file that
//! sets that one here goes on to work, and the others are answered with a warning.

use crate::option::build_names::was;
use crate::option::{boolean, integer, list, multi, nullable_text, text};

const WHY: &str = "it is read from [polling]";

options! { "DEFAULT";
    /// See `[polling] cfg_file`.
    CFG_FILE: Str = text("cfg_file", "polling.yaml").no_effect(WHY);
    /// See `[polling] heartbeat_socket_dir`.
    HEARTBEAT_SOCKET_DIR: OptStr = nullable_text("heartbeat_socket_dir").no_effect(WHY);
    /// See `[polling] partitioning_group_prefix`.
    PARTITIONING_GROUP_PREFIX: OptStr = nullable_text("partitioning_group_prefix").no_effect(WHY);
    /// See `[polling] batch_size`.
    BATCH_SIZE: Int = integer("batch_size", 50).no_effect(WHY);
    /// Directories of dynamic pollster definitions. Ceilometer reads them from here only; `[polling]
    /// pollsters_definitions_dirs` comes first if it is set.
    POLLSTERS_DEFINITIONS_DIRS: List = multi("pollsters_definitions_dirs", &["/etc/ceilometer/pollsters.d"]);
    /// See `[polling] identity_name_discovery`.
    IDENTITY_NAME_DISCOVERY: Bool = boolean("identity_name_discovery", false).formerly(&[was("tenant_name_discovery")]).no_effect(WHY);
    /// See `[polling] enable_notifications`.
    ENABLE_NOTIFICATIONS: Bool = boolean("enable_notifications", true).no_effect(WHY);
    /// See `[polling] enable_prometheus_exporter`.
    ENABLE_PROMETHEUS_EXPORTER: Bool = boolean("enable_prometheus_exporter", false).no_effect(WHY);
    /// See `[polling] prometheus_listen_addresses`.
    PROMETHEUS_LISTEN_ADDRESSES: List = list("prometheus_listen_addresses", &["127.0.0.1:9101"]).no_effect(WHY);
    /// See `[polling] ignore_disabled_projects`.
    IGNORE_DISABLED_PROJECTS: Bool = boolean("ignore_disabled_projects", false).no_effect(WHY);
    /// See `[polling] prometheus_tls_enable`.
    PROMETHEUS_TLS_ENABLE: Bool = boolean("prometheus_tls_enable", false).no_effect(WHY);
    /// See `[polling] prometheus_tls_certfile`.
    PROMETHEUS_TLS_CERTFILE: OptStr = nullable_text("prometheus_tls_certfile").no_effect(WHY);
    /// See `[polling] prometheus_tls_keyfile`.
    PROMETHEUS_TLS_KEYFILE: OptStr = nullable_text("prometheus_tls_keyfile").no_effect(WHY);
    /// See `[polling] threads_to_process_pollsters`.
    THREADS_TO_PROCESS_POLLSTERS: Int = integer("threads_to_process_pollsters", 1).min(0).no_effect(WHY);
}
