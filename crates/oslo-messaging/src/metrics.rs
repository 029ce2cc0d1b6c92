//! What listeners and notifiers count about themselves.
//!
//! The label `peer` is the name that the configuration gives a listener or notifier, never a URL.

use observability::metrics::{Component, CounterFamily, GaugeFamily, Metrics, Unit};

/// The label of what belongs to one listener or notifier.
const PEER: [&str; 1] = ["peer"];
/// As [`PEER`], with why something happened.
const CAUSE: [&str; 2] = ["peer", "cause"];
/// As [`PEER`], with the queue.
const QUEUE: [&str; 2] = ["peer", "queue"];

/// The metrics of this crate. One set serves any number of listeners and notifiers; clones share their values.
#[derive(Clone, Debug)]
pub struct AmqpMetrics {
    pub(crate) received: CounterFamily<2>,
    pub(crate) received_bytes: CounterFamily<1>,
    pub(crate) redelivered: CounterFamily<1>,
    pub(crate) acknowledged: CounterFamily<1>,
    pub(crate) requeued: CounterFamily<2>,
    pub(crate) rejected: CounterFamily<2>,
    pub(crate) stale: CounterFamily<1>,
    pub(crate) connections: CounterFamily<1>,
    pub(crate) connect_failures: CounterFamily<2>,
    pub(crate) disconnects: CounterFamily<2>,
    pub(crate) channel_errors: CounterFamily<2>,
    pub(crate) cancelled: CounterFamily<1>,
    pub(crate) blocked: CounterFamily<1>,
    pub(crate) read_pauses: CounterFamily<1>,
    pub(crate) connected: GaugeFamily<1>,
    pub(crate) held_bytes: GaugeFamily<1>,
    pub(crate) prefetch: GaugeFamily<2>,
    pub(crate) published: CounterFamily<1>,
    pub(crate) publish_failures: CounterFamily<2>,
}

impl Default for AmqpMetrics {
    /// Metrics that nobody exposes.
    fn default() -> Self {
        Self::register(&Metrics::new().component("amqp"))
    }
}

impl AmqpMetrics {
    /// Registers everything under the component's name.
    pub fn register(component: &Component) -> Self {
        let of_peer = |what, help| component.counter_family(what, PEER, help);
        let by_cause = |what, help| component.counter_family(what, CAUSE, help);
        Self {
            received: component.counter_family(
                "received_messages",
                QUEUE,
                "Messages delivered by the broker",
            ),
            received_bytes: component.counter_family_in(
                "received",
                Unit::Bytes,
                PEER,
                "Bytes of message bodies delivered",
            ),
            redelivered: of_peer("redelivered_messages", "Messages delivered again"),
            acknowledged: of_peer("acknowledged_messages", "Messages acknowledged"),
            requeued: by_cause("requeued_messages", "Messages given back to the queue"),
            rejected: by_cause("rejected_messages", "Messages rejected for good"),
            stale: of_peer(
                "stale_messages",
                "Messages resolved after their channel had gone; the broker delivers them again",
            ),
            connections: of_peer("connections", "Connections opened"),
            connect_failures: by_cause("connect_failures", "Connections that could not be opened"),
            disconnects: by_cause("disconnects", "Connections that ended"),
            channel_errors: by_cause("channel_errors", "Channels closed by the broker"),
            cancelled: of_peer("cancelled_consumers", "Consumers cancelled by the broker"),
            blocked: of_peer("blocked", "Times that the broker blocked a connection"),
            read_pauses: of_peer("read_pauses", "Times that the byte budget stopped reading from the broker"),
            connected: component.gauge_family("connected", PEER, "1 while connected"),
            held_bytes: component.gauge_family_in(
                "held",
                Unit::Bytes,
                PEER,
                "Bytes of messages not resolved yet",
            ),
            prefetch: component.gauge_family("prefetch", QUEUE, "Messages that the broker may send ahead"),
            published: of_peer("published_messages", "Messages confirmed by the broker"),
            publish_failures: by_cause("publish_failures", "Messages that were not confirmed"),
        }
    }
}
