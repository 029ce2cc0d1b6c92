//! What a listener hands out, and how its fate is told.

use std::sync::Arc;

use crate::budget::Held;
use crate::ledger::{Ledger, Outcome};
use crate::metrics::AmqpMetrics;

/// One message as the broker delivered it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Routing key, for example `notifications.info`.
    pub routing_key: String,
    /// Exchange that it was published to.
    pub exchange: String,
    /// The broker has delivered it before, and it was not acknowledged then.
    pub redelivered: bool,
    /// How often it was delivered and given back before, where the broker counts: the header `x-delivery-count`, which
    /// quorum queues set from the second delivery on.
    pub delivery_count: Option<u64>,
    /// `content_type` property, when set.
    pub content_type: Option<String>,
    /// `content_encoding` property, when set; for kombu this is a character set.
    pub content_encoding: Option<String>,
    /// `compression` header, when set; this is where kombu says how the body is compressed.
    pub compression: Option<String>,
    /// The body as received.
    pub body: Vec<u8>,
}

/// Messages of one queue, in the queue's order.
#[derive(Debug)]
pub struct Batch {
    /// Queue that they come from.
    pub queue: Arc<str>,
    /// The messages; never empty.
    pub messages: Vec<Delivery>,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Through this the listener learns what became of them.
    pub receipt: Receipt,
}

/// The fate of a [`Batch`]. Dropping it unresolved means [`Receipt::requeue`].
///
/// Nothing is acknowledged before [`Receipt::accept`]. When the channel that delivered the messages has gone in the
/// meantime, resolving does nothing: the broker delivers them again by itself.
#[derive(Debug)]
#[must_use = "dropping a receipt gives its messages back to the queue"]
pub struct Receipt {
    ledger: Arc<Ledger>,
    first: u64,
    count: usize,
    /// Messages whose fate differs from the rest's; few, if any.
    rejected: Vec<usize>,
    requeued: Vec<usize>,
    source: Arc<ReceiptSource>,
    resolved: bool,
    _held: Held,
}

/// What receipts of one listener share.
#[derive(Debug)]
pub(crate) struct ReceiptSource {
    pub(crate) metrics: AmqpMetrics,
    pub(crate) peer: String,
}

impl Receipt {
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        first: u64,
        count: usize,
        source: Arc<ReceiptSource>,
        held: Held,
    ) -> Self {
        Self {
            ledger,
            first,
            count,
            rejected: Vec::new(),
            requeued: Vec::new(),
            source,
            resolved: false,
            _held: held,
        }
    }

    /// Name of the listener that the messages came from.
    pub fn listener(&self) -> &str {
        &self.source.peer
    }

    /// How many messages it stands for.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it stands for no message; never so for a receipt that came with a batch.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Discards message `index` of the batch for good (`basic.reject` without requeue), whatever becomes of the rest.
    /// For messages that can never be processed. `cause` is counted in `nephoscope_amqp_rejected_messages_total`. An
    /// index outside the batch is ignored.
    pub fn reject_one(&mut self, index: usize, cause: &'static str) {
        if index < self.count && !self.rejected.contains(&index) {
            self.rejected.push(index);
            self.source.metrics.rejected.with([&self.source.peer, cause]).inc();
        }
    }

    /// Gives message `index` of the batch back to the queue even if the rest is accepted.
    pub fn requeue_one(&mut self, index: usize) {
        if index < self.count && !self.requeued.contains(&index) {
            self.requeued.push(index);
        }
    }

    /// Every message that was not rejected or requeued by itself has been taken care of: acknowledge it.
    pub fn accept(mut self) {
        self.resolve(Outcome::Accept, "receipt");
    }

    /// Gives every message that was not rejected back to the queue, after a wait that grows from 1 s to 30 s while
    /// this keeps happening.
    pub fn requeue(mut self) {
        self.resolve(Outcome::Requeue, "requeue");
    }

    fn resolve(&mut self, rest: Outcome, cause: &'static str) {
        self.resolved = true;
        let outcome = |index: usize| {
            if self.rejected.contains(&index) {
                Outcome::Reject
            } else if self.requeued.contains(&index) {
                Outcome::Requeue
            } else {
                rest
            }
        };
        let requeued = match rest {
            Outcome::Requeue => self.count - self.rejected.len(),
            _ => self.requeued.len(),
        };
        let ReceiptSource { metrics, peer } = &*self.source;
        if !self.ledger.resolve(self.first, self.count, outcome) {
            metrics.stale.with([peer]).inc_by(self.count as u64);
        } else if requeued > 0 {
            metrics.requeued.with([peer, cause]).inc_by(requeued as u64);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.resolved {
            self.resolve(Outcome::Requeue, "dropped");
        }
    }
}
