//! What listeners and notifiers count about themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The listener or notifier that counts.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PeerLabels {
    /// Name given in the configuration, never a URL.
    pub peer: String,
}

/// As [`PeerLabels`], with a cause.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CauseLabels {
    /// Name given in the configuration.
    pub peer: String,
    /// Why.
    pub cause: &'static str,
}

/// As [`PeerLabels`], with a queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabels {
    /// Name given in the configuration.
    pub peer: String,
    /// Queue.
    pub queue: String,
}

/// The metrics of this crate. One set serves any number of listeners and notifiers; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct AmqpMetrics {
    pub(crate) received: Family<QueueLabels, Counter>,
    pub(crate) received_bytes: Family<PeerLabels, Counter>,
    pub(crate) redelivered: Family<PeerLabels, Counter>,
    pub(crate) acknowledged: Family<PeerLabels, Counter>,
    pub(crate) requeued: Family<CauseLabels, Counter>,
    pub(crate) rejected: Family<CauseLabels, Counter>,
    pub(crate) stale: Family<PeerLabels, Counter>,
    pub(crate) connections: Family<PeerLabels, Counter>,
    pub(crate) connect_failures: Family<CauseLabels, Counter>,
    pub(crate) disconnects: Family<CauseLabels, Counter>,
    pub(crate) channel_errors: Family<CauseLabels, Counter>,
    pub(crate) cancelled: Family<PeerLabels, Counter>,
    pub(crate) blocked: Family<PeerLabels, Counter>,
    pub(crate) read_pauses: Family<PeerLabels, Counter>,
    pub(crate) connected: Family<PeerLabels, Gauge>,
    pub(crate) held_bytes: Family<PeerLabels, Gauge>,
    pub(crate) prefetch: Family<QueueLabels, Gauge>,
    pub(crate) published: Family<PeerLabels, Counter>,
    pub(crate) publish_failures: Family<CauseLabels, Counter>,
}

impl AmqpMetrics {
    /// Registers everything, with full names, in `registry` (which should have no prefix).
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let mut counter = |name: &str, help: &str, family: &dyn Register| family.add(registry, name, help);
        counter("nephoscope_amqp_received_messages", "Messages delivered by the broker", &all.received);
        counter("nephoscope_amqp_received_bytes", "Bytes of message bodies delivered", &all.received_bytes);
        counter("nephoscope_amqp_redelivered_messages", "Messages delivered again", &all.redelivered);
        counter("nephoscope_amqp_acknowledged_messages", "Messages acknowledged", &all.acknowledged);
        counter("nephoscope_amqp_requeued_messages", "Messages given back to the queue", &all.requeued);
        counter("nephoscope_amqp_rejected_messages", "Messages rejected for good", &all.rejected);
        counter(
            "nephoscope_amqp_stale_messages",
            "Messages resolved after their channel had gone; the broker delivers them again",
            &all.stale,
        );
        counter("nephoscope_amqp_connections", "Connections opened", &all.connections);
        counter(
            "nephoscope_amqp_connect_failures",
            "Connections that could not be opened",
            &all.connect_failures,
        );
        counter("nephoscope_amqp_disconnects", "Connections that ended", &all.disconnects);
        counter("nephoscope_amqp_channel_errors", "Channels closed by the broker", &all.channel_errors);
        counter("nephoscope_amqp_cancelled_consumers", "Consumers cancelled by the broker", &all.cancelled);
        counter("nephoscope_amqp_blocked", "Times that the broker blocked a connection", &all.blocked);
        counter(
            "nephoscope_amqp_read_pauses",
            "Times that the byte budget stopped reading from the broker",
            &all.read_pauses,
        );
        counter("nephoscope_amqp_connected", "1 while connected", &all.connected);
        counter("nephoscope_amqp_held_bytes", "Bytes of messages not resolved yet", &all.held_bytes);
        counter("nephoscope_amqp_prefetch", "Messages that the broker may send ahead", &all.prefetch);
        counter("nephoscope_amqp_published_messages", "Messages confirmed by the broker", &all.published);
        counter(
            "nephoscope_amqp_publish_failures",
            "Messages that were not confirmed",
            &all.publish_failures,
        );
        all
    }

    pub(crate) fn peer(peer: &str) -> PeerLabels {
        PeerLabels { peer: peer.to_owned() }
    }

    pub(crate) fn cause(peer: &str, cause: &'static str) -> CauseLabels {
        CauseLabels { peer: peer.to_owned(), cause }
    }

    pub(crate) fn queue(peer: &str, queue: &str) -> QueueLabels {
        QueueLabels { peer: peer.to_owned(), queue: queue.to_owned() }
    }
}

/// Registration of families of whatever labels and kind.
trait Register {
    fn add(&self, registry: &mut Registry, name: &str, help: &str);
}

impl<S, M> Register for Family<S, M>
where
    Self: Clone + prometheus_client::registry::Metric,
{
    fn add(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.clone());
    }
}
