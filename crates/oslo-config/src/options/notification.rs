//! `[notification]`

use super::messaging::REFUSED_TRANSPORTS;
use crate::option::build_names::was_in;
use crate::option::{boolean, integer, multi, nullable_integer};

options! { "notification";
    /// Whether a notification is acknowledged although its event could not be made; it is kept as a dead letter.
    /// Otherwise it goes back to its queue first, `[nephoscope] requeue_limit` times.
    ACK_ON_EVENT_ERROR: Bool = boolean("ack_on_event_error", true);
    /// Transport URLs to consume notifications from. None: `[oslo_messaging_notifications]
    /// transport_url`, else `[DEFAULT] transport_url`.
    MESSAGING_URLS: List = multi("messaging_urls", &[]).secret().refuses(REFUSED_TRANSPORTS);
    /// Notifications that are handled together at most.
    BATCH_SIZE: Int = integer("batch_size", 1).min(1);
    /// Seconds to wait for a batch to fill. Unset: a batch is what arrives within 2 milliseconds.
    BATCH_TIMEOUT: OptInt = nullable_integer("batch_timeout");
    /// Threads that convert notifications side by side (upstream: processes). One takes more than a broker gives.
    WORKERS: Int = integer("workers", 1).min(1).formerly(&[was_in("DEFAULT", "notification_workers")]);
    /// What is made of notifications: `meter` for samples, `event` for events.
    PIPELINES: List = multi("pipelines", &["meter", "event"]);
    /// Exchanges to bind the queue to: the `control_exchange` of each service.
    NOTIFICATION_CONTROL_EXCHANGES: List = multi("notification_control_exchanges", &[
        "nova", "glance", "neutron", "cinder", "heat", "keystone", "trove", "zaqar", "swift", "ceilometer",
        "magnum", "dns", "ironic", "aodh",
    ]).formerly(&[was_in("DEFAULT", "http_control_exchanges")]);
}
