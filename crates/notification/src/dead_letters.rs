//! [`DeadLetterOffice`]: brings messages that cannot be processed to the dead letters, before they are let go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buffer::dead_letters::{DeadLetterError, DeadLetters, Letter, Usage, Written};
use jiff::Timestamp;
use observability::clock::Clock;
use oslo_messaging::Delivery;
use pipeline::DeliveryToken;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::attempts::Attempts;
use crate::metrics::{AgentMetrics, Dropped, Requeued};
use crate::poison::Failure;
use crate::ticket::{Place, Ticket};

/// Batches whose letters may be written, or wait for it, at once; further batches wait with their listener. Those that
/// wait while a file is synced share the next file.
const BATCHES_AT_ONCE: usize = 16;

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
            refused: None,
            body: delivery.body,
        }
    }
}

/// The letters of one batch, on their way to the disk.
#[derive(Debug)]
struct Pending {
    letters: Vec<Letter>,
    /// Of the same length.
    places: Vec<Place>,
    ticket: Arc<Ticket>,
    share: DeliveryToken,
    _permit: OwnedSemaphorePermit,
}

/// How the dead letters stand; for `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterState {
    /// What is there.
    pub usage: Usage,
    /// Something did not fit, or nothing more would: what cannot be processed is lost, and counted.
    pub is_full: bool,
    /// Why the last attempt to write failed: messages that cannot be processed go round between broker and agent.
    pub error: Option<String>,
}

/// Decides when a message is given up, and writes dead letters. Shared by all listeners, and by the agents that follow
/// one another when definitions are read again.
#[derive(Debug, Clone)]
pub struct DeadLetterOffice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` keeps none.
    store: Option<Arc<DeadLetters>>,
    attempts: Attempts,
    clock: Clock,
    room: Arc<Semaphore>,
    pending: Mutex<Vec<Pending>>,
    /// Held by the thread that writes.
    writing: Mutex<()>,
    state: watch::Sender<DeadLetterState>,
    metrics: AgentMetrics,
}

impl DeadLetterOffice {
    /// Writes to `store`; without one, nothing is kept, which is counted. What may be given back to the broker is given
    /// back `requeue_limit` times before; 0 is for ever.
    #[must_use]
    pub fn new(
        store: Option<Arc<DeadLetters>>,
        requeue_limit: u64,
        clock: Clock,
        metrics: &AgentMetrics,
    ) -> Self {
        let shared = Shared {
            store,
            attempts: Attempts::new(requeue_limit, clock.clone()),
            clock,
            room: Arc::new(Semaphore::new(BATCHES_AT_ONCE)),
            pending: Mutex::default(),
            writing: Mutex::default(),
            state: watch::Sender::default(),
            metrics: metrics.clone(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How often each notification was tried.
    pub(crate) fn attempts(&self) -> &Attempts {
        &self.shared.attempts
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
            Ok(usage) => {
                // There is room for a small one, and larger ones were lost: that stays so until letters have gone.
                let before = self.shared.state.borrow().clone();
                let still = before.is_full && usage.bytes >= before.usage.bytes;
                self.shared.stands(usage, still || store.is_full(usage));
            }
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
        let Ok(permit) = Arc::clone(&self.shared.room).acquire_owned().await else { return };
        lock(&self.shared.pending).push(Pending { letters, places, ticket, share, _permit: permit });
        let shared = Arc::clone(&self.shared);
        // Nobody waits for it but those who wait for the batch: a panic drops the share.
        drop(tokio::task::spawn_blocking(move || shared.write()));
    }
}

impl Shared {
    /// Writes all that is pending into one file. Called once for each batch, and finds nothing to do when the call for
    /// another one has written it along.
    fn write(&self) {
        let Some(store) = &self.store else { return };
        let _writing = lock(&self.writing);
        let mut batches = std::mem::take(&mut *lock(&self.pending));
        if batches.is_empty() {
            return;
        }
        let letters: Vec<Letter> = batches.iter_mut().flat_map(|batch| batch.letters.drain(..)).collect();
        let written = store.write(&letters);
        let places =
            batches.iter().flat_map(|batch| batch.places.iter().map(|place| (&batch.ticket, *place)));
        match written {
            Ok(Written { left_out, usage }) => {
                for (number, (ticket, place)) in places.enumerate() {
                    if left_out.binary_search(&number).is_ok() {
                        ticket.dropped(place, Dropped::DeadLettersFull);
                    } else {
                        ticket.kept(place);
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
                self.stands(usage, !left_out.is_empty() || store.is_full(usage));
            }
            Err(error) => {
                for (ticket, place) in places {
                    ticket.requeue_one(place.index, Requeued::DeadLetterUnwritten);
                }
                self.metrics.dead_letter_failures.inc();
                tracing::error!(
                    messages = letters.len(),
                    "dead letters cannot be written, their messages go back to the queue: {error}"
                );
                self.fails(&error);
            }
        }
        for batch in batches {
            batch.share.accept();
        }
    }

    fn is_unused(&self) -> bool {
        *self.state.borrow() == DeadLetterState::default()
    }

    fn stands(&self, usage: Usage, is_full: bool) {
        self.metrics.show_usage(usage);
        self.update(DeadLetterState { usage, is_full, error: None });
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held has dropped the shares of what it had taken; what is left is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
