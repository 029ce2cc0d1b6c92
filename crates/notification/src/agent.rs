//! [`Agent`]: one batch of notifications, from the listener to the routers.

use std::sync::Arc;

use definitions::{Cache, ConversionError, EventDefinitions, Needs, SampleEndpoints, SampleSettings};
use model::{Notification, Priority, Sample};
use observability::service_manager::Progress;
use oslo_messaging::{Batch, Delivery};
use pipeline::{DeliveryToken, Outcome, Records, Router};
use tokio::sync::{mpsc, watch};

use crate::attempts::Verdict;
use crate::dead_letters::{DeadLetterOffice, Poison};
use crate::decode::{Decoded, decode};
use crate::metrics::{AgentMetrics, Ignored, Requeued};
use crate::names::NameResolver;
use crate::poison::{self, Failure};
use crate::ticket::Ticket;

/// Behaviour that the operator chooses.
#[derive(Debug, Clone, Copy)]
pub struct AgentOptions {
    /// `[notification] ack_on_event_error`: whether a notification whose event cannot be made is acknowledged
    /// all the same. Off, it is given back to the broker, and comes again after a wait, as often as the office of dead
    /// letters allows.
    pub ack_on_event_error: bool,
}

/// Converts notifications and brings what comes of them to the pipelines. Shared by all listeners.
#[derive(Debug)]
pub struct Agent {
    samples: Option<Samples>,
    events: Option<Events>,
    /// What is needed of notifications of a priority, by type.
    interests: [Cache<Option<Needs>>; Priority::ALL.len()],
    options: AgentOptions,
    dead_letters: DeadLetterOffice,
    metrics: AgentMetrics,
}

/// The `meter` pipelines and what feeds them.
#[derive(Debug)]
struct Samples {
    endpoints: SampleEndpoints,
    settings: SampleSettings,
    router: Router,
    /// Where names are looked up, if they are (`[polling] identity_name_discovery`).
    names: Option<Arc<NameResolver>>,
}

/// The `event` pipelines and what feeds them.
#[derive(Debug)]
struct Events {
    definitions: EventDefinitions,
    router: Router,
}

/// What one batch gives.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    samples: Vec<Arc<Sample>>,
    /// Places of samples that want the names of their user and project.
    unnamed: Vec<usize>,
    events: Vec<Arc<model::Event>>,
}

impl Converted {
    /// How much there is, so that what one message gives can be taken back.
    fn mark(&self) -> (usize, usize) {
        (self.samples.len(), self.events.len())
    }

    fn cut_to(&mut self, (samples, events): (usize, usize)) {
        self.samples.truncate(samples);
        self.unnamed.retain(|place| *place < samples);
        self.events.truncate(events);
    }
}

impl Agent {
    /// An agent without pipelines: it consumes and acknowledges. What cannot be processed goes to `dead_letters`.
    #[must_use]
    pub fn new(options: AgentOptions, dead_letters: DeadLetterOffice, metrics: AgentMetrics) -> Self {
        let interests = Priority::ALL.map(|_| Cache::new());
        Self { samples: None, events: None, interests, options, dead_letters, metrics }
    }

    /// Adds the pipelines of `pipeline.yaml`.
    #[must_use]
    pub fn with_samples(
        mut self,
        endpoints: SampleEndpoints,
        settings: SampleSettings,
        router: Router,
    ) -> Self {
        self.samples = Some(Samples { endpoints, settings, router, names: None });
        self
    }

    /// Lets samples that want it carry the names of their user and project. Without pipelines for samples, nothing does.
    #[must_use]
    pub fn with_names(mut self, names: Arc<NameResolver>) -> Self {
        if let Some(samples) = &mut self.samples {
            samples.names = Some(names);
        }
        self
    }

    /// Adds the pipelines of `event_pipeline.yaml`.
    #[must_use]
    pub fn with_events(mut self, definitions: EventDefinitions, router: Router) -> Self {
        self.events = Some(Events { definitions, router });
        self
    }

    /// The router of the samples' pipelines, if there are any.
    #[must_use]
    pub fn sample_router(&self) -> Option<&Router> {
        self.samples.as_ref().map(|samples| &samples.router)
    }

    /// The router of the events' pipelines, if there are any.
    #[must_use]
    pub fn event_router(&self) -> Option<&Router> {
        self.events.as_ref().map(|events| &events.router)
    }

    /// Takes batches in order until the listener ends, each by the newest of `agents`. `progress` ticks with each; while
    /// there is nothing to do, or a publisher holds the pipeline back, nothing is promised.
    pub async fn run(
        agents: watch::Receiver<Arc<Self>>,
        batches: &mut mpsc::Receiver<Batch>,
        progress: Progress,
    ) {
        progress.rest();
        while let Some(batch) = batches.recv().await {
            progress.tick();
            let agent = Arc::clone(&agents.borrow());
            agent.take(batch, &progress).await;
        }
    }

    async fn take(&self, batch: Batch, progress: &Progress) {
        let Batch { mut messages, receipt, queue, .. } = batch;
        let listener = receipt.listener().to_owned();
        let ticket = Arc::new(Ticket::new(receipt, &self.metrics));
        let mut converted = Converted::default();
        let mut poisons = Vec::new();
        for (index, delivery) in messages.iter_mut().enumerate() {
            let before = converted.mark();
            let examined = poison::guarded(|| self.examine(delivery, &queue, &ticket, &mut converted));
            let failure = match examined {
                Ok(None) => continue,
                Ok(Some(failure)) => failure,
                Err(panic) => {
                    converted.cut_to(before);
                    panic
                }
            };
            match self.verdict(&failure, delivery, &queue) {
                Verdict::Again => {
                    // All of it comes again.
                    converted.cut_to(before);
                    ticket.requeue_one(index, Requeued::EventError);
                }
                Verdict::GiveUp { attempts } => {
                    poisons.push(Poison { index, attempts, failure, delivery: std::mem::take(delivery) });
                }
            }
        }
        drop(messages);
        if let Some(names) = self.names().filter(|_| !converted.unnamed.is_empty()) {
            let Converted { samples, unnamed, .. } = &mut converted;
            names.fill(samples, unnamed, &self.metrics.names).await;
        }
        progress.rest();
        self.metrics.samples.inc_by(converted.samples.len() as u64);
        self.metrics.events.inc_by(converted.events.len() as u64);
        let resolved = Arc::clone(&ticket);
        let token = DeliveryToken::new(move |outcome| resolved.resolve(outcome == Outcome::Accepted));
        self.dead_letters.take(poisons, &listener, &queue, ticket, token.share()).await;
        self.dispatch(converted, token).await;
    }

    fn names(&self) -> Option<&NameResolver> {
        self.samples.as_ref()?.names.as_deref()
    }

    pub(crate) async fn dispatch(&self, converted: Converted, token: DeliveryToken) {
        if let Some(samples) = &self.samples {
            samples.router.dispatch(Records::Samples(converted.samples), token.share()).await;
        }
        if let Some(events) = &self.events {
            events.router.dispatch(Records::Events(converted.events), token.share()).await;
        }
        token.accept();
    }

    /// What is needed of notifications of that priority and type; `None` if nobody wants them.
    pub(crate) fn interest(&self, priority: Priority, event_type: &str) -> Arc<Option<Needs>> {
        self.interests[priority as usize].get_or(event_type, || {
            let samples = self
                .samples
                .as_ref()
                .map(|samples| &samples.endpoints)
                .filter(|endpoints| SampleEndpoints::accepts(priority) && endpoints.wants(event_type));
            let events =
                self.events.as_ref().map(|events| &events.definitions).filter(|definitions| {
                    EventDefinitions::accepts(priority) && definitions.wants(event_type)
                });
            if samples.is_none() && events.is_none() {
                return None;
            }
            let mut needs = Needs::nothing();
            if let Some(endpoints) = samples {
                needs.extend(&endpoints.needs(event_type));
            }
            if let Some(definitions) = events {
                needs.extend(&definitions.needs(event_type, priority));
            }
            Some(needs)
        })
    }

    /// Adds what comes of a message; returns what is wrong with it.
    fn examine(
        &self,
        delivery: &Delivery,
        queue: &str,
        ticket: &Ticket,
        converted: &mut Converted,
    ) -> Option<Failure> {
        match decode(delivery, |priority, event_type| self.interest(priority, event_type)) {
            Ok(Decoded::Wanted(notification)) => return self.convert(&notification, converted),
            Ok(Decoded::Unwanted) => {
                ticket.ignore_one();
                self.metrics.ignored.increment(Ignored::Unwanted);
            }
            Ok(Decoded::UnknownPriority(priority)) => {
                ticket.ignore_one();
                self.metrics.ignored.increment(Ignored::UnknownPriority);
                tracing::warn!(%queue, priority, "ignored a notification of an unknown priority");
            }
            Err(error) => {
                let cause = error.cause();
                let Delivery { exchange, body, .. } = delivery;
                let bytes = body.len();
                tracing::warn!(%queue, exchange, bytes, cause, "a message cannot be read: {error}");
                return Some(Failure::unreadable(&error));
            }
        }
        None
    }

    /// Whether a message that failed is to come again.
    fn verdict(&self, failure: &Failure, delivery: &Delivery, queue: &str) -> Verdict {
        if failure.event_failed && !self.options.ack_on_event_error {
            return self.dead_letters.attempts().failed(queue, failure.message_id.as_deref(), delivery);
        }
        Verdict::GiveUp { attempts: delivery.delivery_count.unwrap_or(0).saturating_add(1) }
    }

    /// Adds what comes of a notification; returns what did not.
    pub(crate) fn convert(&self, notification: &Notification, converted: &mut Converted) -> Option<Failure> {
        let mut failure: Option<Failure> = None;
        if let Some(samples) =
            self.samples.as_ref().filter(|_| SampleEndpoints::accepts(notification.priority()))
        {
            let mut made = Vec::new();
            let mut unnamed = Vec::new();
            let settings = &samples.settings;
            let errors = samples.endpoints.convert_naming(notification, settings, &mut made, &mut unnamed);
            if samples.names.is_some() {
                let before = converted.samples.len();
                converted.unnamed.extend(unnamed.into_iter().flatten().map(|place| before + place));
            }
            for error in errors {
                failure = Some(self.report(failure, "samples", notification, &error));
            }
            converted.samples.extend(made.into_iter().map(Arc::new));
        }
        if let Some(events) =
            self.events.as_ref().filter(|_| EventDefinitions::accepts(notification.priority()))
        {
            match events.definitions.convert(notification) {
                Ok(Some(event)) => converted.events.push(Arc::new(event)),
                Ok(None) => {}
                Err(error) => failure = Some(self.report(failure, "events", notification, &error)),
            }
        }
        failure
    }

    /// Tells of an error, and adds it to those before.
    fn report(
        &self,
        before: Option<Failure>,
        kind: &str,
        notification: &Notification,
        error: &ConversionError,
    ) -> Failure {
        let cause = error.cause.label();
        self.metrics.failures.with([kind, cause]).inc();
        let failure = Failure::conversion(kind, notification, error);
        let event_type = failure.event_type.as_deref().unwrap_or("?");
        let message_id = failure.message_id.as_deref().unwrap_or("?");
        tracing::warn!(
            kind,
            event_type,
            message_id,
            cause,
            "a definition made nothing of a notification: {error}"
        );
        match before {
            Some(before) => before.and(&failure),
            None => failure,
        }
    }
}
