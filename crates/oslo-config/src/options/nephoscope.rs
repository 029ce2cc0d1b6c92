//! `[nephoscope]`: what upstream has no option for.

use crate::option::{boolean, integer, listen_address, text};

options! { "nephoscope";
    /// Directory of what Nephoscope keeps itself: the files that `nephoscope run` writes.
    STATE_DIR: Str = text("state_dir", "/var/lib/nephoscope");
    /// Where `nephoscope run` answers health and metrics.
    RUN_LISTEN_ADDRESS: Str = listen_address("run_listen_address", "127.0.0.1:9700");
    /// Where the notification agent answers health and metrics.
    NOTIFICATION_LISTEN_ADDRESS: Str = listen_address("notification_listen_address", "127.0.0.1:9701");
    /// Bytes of messages in process at most: received, and not yet accepted by every sink. What came of them and
    /// waits for a publisher takes at most a quarter of it for each publisher.
    IN_FLIGHT_BYTES: Int = integer("in_flight_bytes", 64 << 20).min(1 << 20);
    /// Whether a polled sample from the message bus must be signed with `[publisher] telemetry_secret`. One that is
    /// not is dropped and counted with the cause `signature`. Upstream signs and never checks.
    VERIFY_SIGNATURES: Bool = boolean("verify_signatures", false);
    /// Form of log lines. `auto`: that of the journal where it is the reader, else text (or JSON, with
    /// `use_json`).
    LOG_FORMAT: Str = text("log_format", "auto").choices(&["auto", "text", "json", "journald"]);
}
