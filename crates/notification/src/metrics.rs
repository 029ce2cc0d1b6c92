//! What the agent counts.
//!
//! Every notification taken ends in exactly one [`Outcome`], so at any time
//! `notifications = sum of notification_outcomes + notifications_in_hand`. Why it was ignored, requeued, set aside or
//! dropped is told by the counters with a cause.

use buffer::dead_letters::Usage;
use observability::causes;
use observability::metrics::{CauseCounter, Component, Counter, CounterFamily, Gauge, Unit};

causes! {
    /// Why a notification gives nothing, although it could be read.
    pub enum Ignored {
        /// No definition of an enabled pipeline wants its type and priority.
        Unwanted => "unwanted",
        /// Its priority is not one of oslo.messaging's seven.
        UnknownPriority => "unknown_priority",
    }
}

causes! {
    /// Why a notification was given back to the broker, to be delivered again after a wait.
    pub enum Requeued {
        /// Its event could not be made, and `ack_on_event_error` is off.
        EventError => "event_error",
        /// It cannot be processed, and its dead letter could not be written.
        DeadLetterUnwritten => "dead_letter_unwritten",
        /// A publisher ended without accepting its batch.
        Undelivered => "undelivered",
    }
}

causes! {
    /// Why a notification that cannot be processed was not kept.
    pub enum Dropped {
        /// The dead letters have reached their bound.
        DeadLettersFull => "dead_letters_full",
        /// `dead_letter_max_bytes` is 0.
        DeadLettersOff => "dead_letters_off",
    }
}

causes! {
    /// What came of looking up the name of a user or project.
    pub enum NameLookup {
        /// The cache had it.
        Cached => "cached",
        /// Keystone told it.
        Found => "found",
        /// Keystone does not know the id; asked again after a while.
        Unknown => "unknown",
        /// Keystone did not answer, or not in time, or does not let us look.
        Failed => "failed",
        /// Keystone failed a moment ago, and was not asked.
        Resting => "resting",
    }
}

causes! {
    /// What the cache of names was asked when it failed.
    pub enum CacheFailure {
        /// For a name.
        Get => "get",
        /// To keep a name.
        Set => "set",
    }
}

causes! {
    /// What became of a notification.
    pub enum Outcome {
        /// Every publisher accepted what came of it.
        Delivered => "delivered",
        /// Nobody wants it.
        Ignored => "ignored",
        /// It is kept as a dead letter; what could be made of it was delivered.
        DeadLetter => "dead_letter",
        /// It cannot be processed and is not kept.
        Dropped => "dropped",
        /// The broker delivers it again.
        Requeued => "requeued",
    }
}

/// Counters of a [`NameResolver`](crate::NameResolver)'s user; cheap to clone.
#[derive(Debug, Clone)]
pub struct NameMetrics {
    /// Names of users and projects looked up.
    pub(crate) lookups: CauseCounter<NameLookup>,
    /// Failures of the cache of names.
    pub(crate) cache_failures: CauseCounter<CacheFailure>,
}

impl NameMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            lookups: component.counter_by_cause(
                "name_lookups",
                "Names of users and projects looked up for samples, by what came of it",
            ),
            cache_failures: component.counter_by_cause(
                "name_cache_failures",
                "Times that the cache of names did not do what it was asked",
            ),
        }
    }
}

/// Counters of the agent; cheap to clone.
#[derive(Debug, Clone)]
pub struct AgentMetrics {
    /// Notifications taken from listeners.
    pub(crate) notifications: Counter,
    /// Notifications taken and not finished.
    pub(crate) in_hand: Gauge,
    /// What became of them.
    pub(crate) outcomes: CauseCounter<Outcome>,
    /// Notifications that give nothing.
    pub(crate) ignored: CauseCounter<Ignored>,
    /// Samples made.
    pub(crate) samples: Counter,
    /// Events made.
    pub(crate) events: Counter,
    /// Definitions that failed on a notification.
    pub(crate) failures: CounterFamily<2>,
    /// Notifications given back to the broker.
    pub(crate) requeued: CauseCounter<Requeued>,
    /// Batches of which not every publisher accepted everything.
    pub(crate) undelivered: Counter,
    /// Dead letters written.
    pub(crate) dead_letters: CounterFamily<1>,
    /// Writes of dead letters that failed.
    pub(crate) dead_letter_failures: Counter,
    /// Notifications lost.
    pub(crate) dropped: CauseCounter<Dropped>,
    /// Names of users and projects looked up.
    pub(crate) names: NameMetrics,
    /// What the dead letters take.
    dead_letter_bytes: Gauge,
    dead_letter_files: Gauge,
}

impl AgentMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        Self {
            notifications: component.counter("notifications", "Notifications taken from the message bus"),
            in_hand: component.gauge("notifications_in_hand", "Notifications taken and not finished"),
            outcomes: component
                .counter_by_cause("notification_outcomes", "Notifications finished, by what became of them"),
            ignored: component.counter_by_cause(
                "notifications_ignored",
                "Notifications that give neither samples nor events",
            ),
            samples: component.counter("samples", "Samples made of notifications"),
            events: component.counter("events", "Events made of notifications"),
            failures: component.counter_family(
                "conversion_failures",
                ["kind", "cause"],
                "Definitions that made nothing of a notification that they want",
            ),
            requeued: component.counter_by_cause(
                "notifications_requeued",
                "Notifications given back to the broker, to be delivered again",
            ),
            undelivered: component.counter(
                "batches_undelivered",
                "Batches that were given back to the broker, to be delivered again",
            ),
            dead_letters: component.counter_family(
                "dead_letters",
                ["cause"],
                "Notifications that cannot be processed and were kept as dead letters",
            ),
            dead_letter_failures: component.counter(
                "dead_letter_write_failures",
                "Times that dead letters could not be written; their notifications were given back",
            ),
            dropped: component.counter_by_cause(
                "notifications_dropped",
                "Notifications that cannot be processed and were not kept",
            ),
            names: NameMetrics::register(component),
            dead_letter_bytes: component.gauge_in(
                "dead_letter",
                Unit::Bytes,
                "Size of the dead letters on disk",
            ),
            dead_letter_files: component.gauge("dead_letter_files", "Files with dead letters"),
        }
    }

    pub(crate) fn show_usage(&self, usage: Usage) {
        self.dead_letter_bytes.set(i64::try_from(usage.bytes).unwrap_or(i64::MAX));
        self.dead_letter_files.set(i64::try_from(usage.files).unwrap_or(i64::MAX));
    }
}
