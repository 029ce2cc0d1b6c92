//! [`LocalQueue`]: what `policy=queue` keeps in memory while the broker is away.

use std::collections::VecDeque;

use observability::causes;
use observability::metrics::{Cause as _, Component, CounterFamily, GaugeFamily, Metrics};

use super::message::Message;

/// Most bytes of payloads in one local queue, whatever `max_queue_length` says.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

causes! {
    /// Why a notifier publisher gives records up.
    pub(super) enum DropCause {
        /// With `policy=queue`, newer ones needed the place.
        QueueFull => "queue_full",
        /// With `policy=drop`, the broker was away.
        PolicyDrop => "policy_drop",
        /// With `policy=queue` or `policy=drop`, their message is larger than a broker takes.
        NotSendable => "not_sendable",
        /// They waited in the queue when the publisher ended.
        Ended => "ended",
    }
}

/// What notifier publishers count about their queues; clones share their values.
#[derive(Debug, Clone)]
pub struct NotifierMetrics {
    dropped: CounterFamily<2>,
    queued: GaugeFamily<1>,
}

impl Default for NotifierMetrics {
    /// Metrics that nobody exposes.
    fn default() -> Self {
        Self::register(&Metrics::new().component("notifier"))
    }
}

impl NotifierMetrics {
    /// Registers the metrics under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            dropped: component.counter_family(
                "dropped_records",
                ["publisher", "cause"],
                "Records that a notifier publisher gave up, as its policy says; they count as accepted",
            ),
            queued: component.gauge_family(
                "queued_records",
                ["publisher"],
                "Records in the queue of a notifier publisher with policy=queue",
            ),
        }
    }
}

/// Messages in the order in which they were made, bounded by number and bytes.
#[derive(Debug)]
pub(super) struct LocalQueue {
    messages: VecDeque<Message>,
    bytes: usize,
    records: usize,
    max_messages: usize,
    publisher: String,
    metrics: NotifierMetrics,
}

impl LocalQueue {
    pub(super) fn new(max_messages: usize, publisher: &str, metrics: &NotifierMetrics) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            records: 0,
            max_messages,
            publisher: publisher.to_owned(),
            metrics: metrics.clone(),
        }
    }

    pub(super) fn push(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.bytes += message.payload.get().len();
            self.records += message.places.len();
            self.messages.push_back(message);
        }
        self.show();
    }

    pub(super) fn first(&self) -> Option<&Message> {
        self.messages.front()
    }

    /// The first was sent.
    pub(super) fn sent(&mut self) {
        self.pop();
        self.show();
    }

    /// Drops the first message; returns how many records it had.
    pub(super) fn drop_first(&mut self, cause: DropCause) -> usize {
        let dropped = self.pop();
        self.dropped(cause, dropped);
        dropped
    }

    /// How many records wait.
    pub(super) const fn records(&self) -> usize {
        self.records
    }

    /// Drops the oldest until the bounds hold; returns how many records that were.
    pub(super) fn drop_surplus(&mut self) -> usize {
        let mut dropped = 0;
        while self.messages.len() > self.max_messages || self.bytes > QUEUE_BYTES {
            dropped += self.pop();
        }
        self.dropped(DropCause::QueueFull, dropped);
        dropped
    }

    /// Drops everything; returns how many records that were.
    pub(super) fn drop_all(&mut self, cause: DropCause) -> usize {
        let mut dropped = 0;
        while !self.messages.is_empty() {
            dropped += self.pop();
        }
        self.dropped(cause, dropped);
        dropped
    }

    fn pop(&mut self) -> usize {
        let Some(message) = self.messages.pop_front() else { return 0 };
        self.bytes = self.bytes.saturating_sub(message.payload.get().len());
        self.records = self.records.saturating_sub(message.places.len());
        message.places.len()
    }

    fn dropped(&self, cause: DropCause, records: usize) {
        if records > 0 {
            self.metrics.dropped.with([&self.publisher, cause.as_str()]).inc_by(records as u64);
        }
        self.show();
    }

    fn show(&self) {
        let records = i64::try_from(self.records).unwrap_or(i64::MAX);
        self.metrics.queued.with([&self.publisher]).set(records);
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        // One that never had anything says nothing: it may have been made to check a URL.
        if !self.messages.is_empty() {
            let lost = self.drop_all(DropCause::Ended);
            tracing::warn!(
                records = lost,
                "a notifier publisher ended with records in its queue: they are lost"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::post::Place;

    fn message(name: &str, records: usize) -> Message {
        Message {
            event_type: name.to_owned(),
            payload: RawValue::from_string("[]".to_owned()).unwrap(),
            places: vec![Place { group: 0, record: 0 }; records],
        }
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let metrics = Metrics::new();
        let of_queue = NotifierMetrics::register(&metrics.component("notifier"));
        let mut queue = LocalQueue::new(2, "notifier://", &of_queue);
        queue.push(vec![message("a", 1), message("b", 2), message("c", 3)]);
        assert_eq!((queue.drop_surplus(), queue.records()), (1, 5));
        assert_eq!(queue.first().unwrap().event_type, "b");
        queue.sent();
        let shown = |text: &str| {
            let exposed = metrics.prometheus_text();
            assert!(exposed.contains(text), "{exposed}");
        };
        shown("nephoscope_notifier_queued_records{publisher=\"notifier://\"} 3");
        shown("nephoscope_notifier_dropped_records_total{publisher=\"notifier://\",cause=\"queue_full\"} 1");
        drop(queue);
        shown("nephoscope_notifier_dropped_records_total{publisher=\"notifier://\",cause=\"ended\"} 3");
        shown("nephoscope_notifier_queued_records{publisher=\"notifier://\"} 0");
    }

    #[test]
    fn the_bytes_are_bounded_as_well() {
        let mut queue = LocalQueue::new(1000, "notifier://", &NotifierMetrics::default());
        let large = format!("[\"{}\"]", "x".repeat(QUEUE_BYTES / 2));
        for _ in 0..3 {
            let mut message = message("m", 1);
            message.payload = RawValue::from_string(large.clone()).unwrap();
            queue.push(vec![message]);
        }
        assert_eq!((queue.drop_surplus(), queue.records()), (2, 1));
        assert_eq!(queue.drop_all(DropCause::PolicyDrop), 1);
    }
}
