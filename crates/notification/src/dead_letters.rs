//! [`DeadLetterOffice`]: brings messages that cannot be processed to the dead letters, before they are let go.

use std::sync::Arc;

use buffer::dead_letters::{DeadLetterError, DeadLetters, Letter, Usage, Written};
use jiff::Timestamp;
use observability::clock::Clock;
use oslo_messaging::Delivery;
use pipeline::DeliveryToken;
use tokio::sync::{Semaphore, watch};

use crate::metrics::{AgentMetrics, Dropped, Requeued};
use crate::poison::Failure;
use crate::ticket::{Place, Ticket};

/// Batches whose letters may be written, or wait for it, at once; further batches wait with their listener.
const WRITES_AT_ONCE: usize = 4;

/// A message to be set aside.
#[derive(Debug)]
pub(crate) struct Poison {
    /// Its place in the batch.
    pub(crate) index: usize,
    pub(crate) attempts: u64,
    pub(crate) failure: Failure,
    pub(crate) delivery: Delivery,
}

impl Poison {
    fn place(&self) -> Place {
        Place { index: self.index, cause: self.failure.cause, reject: self.failure.unreadable }
    }

    fn into_letter(self, time: Timestamp, listener: &str, queue: &str) -> Letter {
        let Self { attempts, failure, delivery, .. } = self;
        Letter {
            time,
            cause: failure.cause.to_owned(),
            message: failure.message,
            listener: listener.to_owned(),
            queue: queue.to_owned(),
            exchange: delivery.exchange,
            routing_key: delivery.routing_key,
            redelivered: delivery.redelivered,
            attempts,
            content_type: delivery.content_type,
            content_encoding: delivery.content_encoding,
            compression: delivery.compression,
            message_id: failure.message_id,
            event_type: failure.event_type,
            body: delivery.body,
        }
    }
}

/// How the dead letters stand; for `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterState {
    /// What is there.
    pub usage: Usage,
    /// Nothing more fits: what cannot be processed is lost, and counted.
    pub is_full: bool,
    /// Why the last attempt to write failed: messages that cannot be processed go round between broker and agent.
    pub error: Option<String>,
}

/// Writes dead letters. Shared by all listeners.
#[derive(Debug, Clone)]
pub struct DeadLetterOffice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` keeps none.
    store: Option<DeadLetters>,
    clock: Clock,
    writes: Arc<Semaphore>,
    state: watch::Sender<DeadLetterState>,
    metrics: AgentMetrics,
}

impl DeadLetterOffice {
    /// Writes to `store`; without one, nothing is kept, which is counted.
    #[must_use]
    pub fn new(store: Option<DeadLetters>, clock: Clock, metrics: &AgentMetrics) -> Self {
        let shared = Shared {
            store,
            clock,
            writes: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
            state: watch::Sender::default(),
            metrics: metrics.clone(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Follows how it stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<DeadLetterState> {
        self.shared.state.subscribe()
    }

    /// Makes the directory and looks what is there; called at the start and now and then. Blocks.
    pub fn look(&self) {
        let Some(store) = &self.shared.store else { return };
        let known = self.shared.state.borrow().error.is_some();
        let looked = if self.shared.is_unused() || known { store.open() } else { store.measure() };
        match looked {
            Ok(usage) => self.shared.stands(store, usage),
            Err(error) => self.shared.fails(&error),
        }
    }

    /// Sets messages of a batch aside: they are let go once their letters are durable, and given back to their queue
    /// when these cannot be written. Returns when the write is under way; `share` is accepted when it is over.
    pub(crate) async fn take(
        &self,
        poisons: Vec<Poison>,
        listener: &str,
        queue: &str,
        ticket: Arc<Ticket>,
        share: DeliveryToken,
    ) {
        if poisons.is_empty() {
            return share.accept();
        }
        let places: Vec<Place> = poisons.iter().map(Poison::place).collect();
        if self.shared.store.is_none() {
            for place in places {
                ticket.dropped(place, Dropped::DeadLettersOff);
            }
            return share.accept();
        }
        let now = self.shared.clock.now();
        let letters: Vec<Letter> =
            poisons.into_iter().map(|poison| poison.into_letter(now, listener, queue)).collect();
        // It is never closed; were it so, the share would be dropped, and the broker deliver the batch again.
        let Ok(permit) = Arc::clone(&self.shared.writes).acquire_owned().await else { return };
        let shared = Arc::clone(&self.shared);
        let write = move || {
            let _permit = permit;
            shared.write(&letters, &places, &ticket);
            share.accept();
        };
        // Nobody waits for it but those who wait for the batch: a panic drops the share.
        drop(tokio::task::spawn_blocking(write));
    }
}

impl Shared {
    fn write(&self, letters: &[Letter], places: &[Place], ticket: &Ticket) {
        let Some(store) = &self.store else { return };
        match store.write(letters) {
            Ok(Written { left_out, usage }) => {
                for (number, place) in places.iter().enumerate() {
                    if left_out.binary_search(&number).is_ok() {
                        ticket.dropped(*place, Dropped::DeadLettersFull);
                    } else {
                        ticket.kept(*place);
                    }
                }
                if !left_out.is_empty() {
                    let directory = store.directory().display();
                    tracing::error!(
                        %directory,
                        lost = left_out.len(),
                        "the dead letters are full, and messages that cannot be processed are lost: look at them \
                         with `nephoscope dead-letter list`, and drop or replay them"
                    );
                }
                self.stands(store, usage);
            }
            Err(error) => {
                for place in places {
                    ticket.requeue_one(place.index, Requeued::DeadLetterUnwritten);
                }
                self.metrics.dead_letter_failures.inc();
                tracing::error!(
                    messages = places.len(),
                    "dead letters cannot be written, their messages go back to the queue: {error}"
                );
                self.fails(&error);
            }
        }
    }

    fn is_unused(&self) -> bool {
        *self.state.borrow() == DeadLetterState::default()
    }

    fn stands(&self, store: &DeadLetters, usage: Usage) {
        self.metrics.show_usage(usage);
        self.update(DeadLetterState { usage, is_full: store.is_full(usage), error: None });
    }

    fn fails(&self, error: &DeadLetterError) {
        let mut state = self.state.borrow().clone();
        state.error = Some(error.to_string());
        self.update(state);
    }

    fn update(&self, new: DeadLetterState) {
        self.state.send_if_modified(|state| {
            let changed = *state != new;
            *state = new;
            changed
        });
    }
}
