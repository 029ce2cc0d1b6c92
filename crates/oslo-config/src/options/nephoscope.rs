//! `[nephoscope]`: what upstream has no option for.

use crate::option::{integer, listen_address, text};

options! { "nephoscope";
    /// Directory of what Nephoscope keeps itself: dead letters, and the files that `nephoscope run` writes.
    STATE_DIR: Str = text("state_dir", "/var/lib/nephoscope");
    /// Where `nephoscope run` answers health and metrics.
    RUN_LISTEN_ADDRESS: Str = listen_address("run_listen_address", "127.0.0.1:9700");
    /// Where the notification agent answers health and metrics.
    NOTIFICATION_LISTEN_ADDRESS: Str = listen_address("notification_listen_address", "127.0.0.1:9701");
    /// Bytes of messages in process at most: received, and not yet accepted by every sink. What came of them and
    /// waits for a publisher takes at most a quarter of it for each publisher.
    IN_FLIGHT_BYTES: Int = integer("in_flight_bytes", 64 << 20).min(1 << 20);
    /// Bytes on disk of dead letters at most: messages that cannot be processed, kept under `state_dir` until they are
    /// replayed or dropped. Further ones are lost, logged and counted. 0 keeps none.
    DEAD_LETTER_MAX_BYTES: Int = integer("dead_letter_max_bytes", 256 << 20).min(0);
    /// How often a notification is given back to its queue by `[notification] ack_on_event_error = false` before it
    /// becomes a dead letter. 0: for ever, as upstream does it.
    REQUEUE_LIMIT: Int = integer("requeue_limit", 3).min(0);
    /// Form of log lines. `auto`: that of the journal where it is the reader, else text (or JSON, with
    /// `use_json`).
    LOG_FORMAT: Str = text("log_format", "auto").choices(&["auto", "text", "json", "journald"]);
}
