//! `[nephoscope]`: what upstream has no option for.

use crate::option::{boolean, integer, listen_address, text};

options! { "nephoscope";
    /// Directory of what Nephoscope keeps itself: the buffers of publishers, dead letters, the control socket of each role
    /// (for `nephoscope tap`), and the metric store.
    STATE_DIR: Str = text("state_dir", "/var/lib/nephoscope");
    /// Where `nephoscope run` answers health and metrics.
    RUN_LISTEN_ADDRESS: Str = listen_address("run_listen_address", "127.0.0.1:9700");
    /// Where `nephoscope run` serves Gnocchi's API over the metric store in it. Empty: nowhere; samples and events are stored
    /// all the same.
    RUN_METRIC_ADDRESS: Str = listen_address("run_metric_address", "127.0.0.1:8041");
    /// File with Gnocchi's options for the metric store in `nephoscope run`. Empty: their defaults. `[api] host` and `port` in it
    /// have no effect, nor what it says in `[nephoscope]`: `metric_tls_*` and the other options of the store stand here. If
    /// `metric_api_addresses` is not empty, it takes the place of `run_metric_address`.
    RUN_METRIC_CONFIG_FILE: Str = text("run_metric_config_file", "");
    /// Where the notification agent answers health and metrics.
    NOTIFICATION_LISTEN_ADDRESS: Str = listen_address("notification_listen_address", "127.0.0.1:9701");
    /// Name of a queue of our own, which gets a copy of every notification beside the queues that other agents consume
    /// (oslo.messaging calls it a pool). Empty: the usual queues, which all agents share.
    NOTIFICATION_POOL: Str = text("notification_pool", "");
    /// Where the polling agent answers health and metrics.
    POLLING_LISTEN_ADDRESS: Str = listen_address("polling_listen_address", "127.0.0.1:9702");
    /// The first cycle of each polling task waits for a random time of up to so many seconds, so that agents which start
    /// together do not ask the cloud's services together.
    POLLING_START_JITTER: Int = integer("polling_start_jitter", 0).min(0);
    /// Whether polling agents share their work with Ceilometer's agents, by the names that those give to groups and resources.
    /// Off: by names of our own, which do not change as long as the resource lives. All agents of a group must agree.
    COORDINATION_WITH_PYTHON: Bool = boolean("coordination_with_python", false);
    /// How the polling agent's exporter for Prometheus (`[polling] enable_prometheus_exporter`) names and labels samples:
    /// `compatible` as upstream's does, `modern` with counters, base units and one series that describes each resource.
    EXPORTER_MODE: Str = text("exporter_mode", "compatible").choices(&["compatible", "modern"]);
    /// Series that the polling agent's exporter shows at most, about 1 KiB of memory each. Samples of further ones are not
    /// shown, and counted.
    EXPORTER_MAX_SERIES: Int = integer("exporter_max_series", 1_000_000).min(1);
    /// Program that reads the sensors of the namespace `ipmi`, with arguments that stand before `sdr -v`, as for a shell:
    /// `sudo -n ipmitool`, or `ipmitool -I lanplus -H …`.
    IPMI_COMMAND: Str = text("ipmi_command", "ipmitool");
    /// Seconds after which it is killed; 300 at most.
    IPMI_TIMEOUT: Int = integer("ipmi_timeout", 120).min(1).max(300);
    /// Bytes of messages in process at most: received, and not yet accepted by every sink.
    IN_FLIGHT_BYTES: Int = integer("in_flight_bytes", 64 << 20).min(1 << 20);
    /// Bytes on disk of dead letters at most: messages that cannot be processed, kept under `state_dir` until they are
    /// replayed or dropped. Further ones are lost, logged and counted. 0 keeps none.
    DEAD_LETTER_MAX_BYTES: Int = integer("dead_letter_max_bytes", 256 << 20).min(0);
    /// How often a notification is given back to its queue by `[notification] ack_on_event_error = false` before it
    /// becomes a dead letter. 0: for ever, as upstream does it.
    REQUEUE_LIMIT: Int = integer("requeue_limit", 3).min(0);
    /// Directory of the buffers on disk, in which each role and publisher has its own. Empty: `buffer` in `state_dir`.
    BUFFER_DIRECTORY: Str = text("buffer_directory", "");
    /// Bytes of records that wait in memory for a publisher at most. 0: a quarter of `in_flight_bytes`; of samples that the polling
    /// agent sends to the message bus, a sixteenth.
    BUFFER_MEMORY_BYTES: Int = integer("buffer_memory_bytes", 0).min(0);
    /// Bytes on disk for each publisher at most, of records that it does not accept. Beyond it messages stay with the
    /// broker. 0: no buffers on disk.
    BUFFER_DISK_BYTES: Int = integer("buffer_disk_bytes", 1 << 30).min(0);
    /// Seconds after which records that a publisher has not accepted go to disk, and their messages are acknowledged.
    BUFFER_SPILL_SECONDS: Int = integer("buffer_spill_seconds", 10).min(1);
    /// Seconds after which records on disk are dropped and counted as `expired`. 0: never.
    BUFFER_MAX_AGE: Int = integer("buffer_max_age", 0).min(0);
    /// Seconds that the oldest record may be on disk before readiness is degraded and a warning logged. 0: no alarm.
    BUFFER_AGE_ALARM_SECONDS: Int = integer("buffer_age_alarm_seconds", 3600).min(0);
    /// Whether a polled sample from the message bus must be signed with `[publisher] telemetry_secret`. One that is
    /// not is dropped and counted with the cause `signature`. Upstream signs and never checks.
    VERIFY_SIGNATURES: Bool = boolean("verify_signatures", false);
    /// Form of log lines. `auto`: that of the journal where it is the reader, else text (or JSON, with
    /// `use_json`).
    LOG_FORMAT: Str = text("log_format", "auto").choices(&["auto", "text", "json", "journald"]);
}
