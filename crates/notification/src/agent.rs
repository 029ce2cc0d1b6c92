//! [`Agent`]: one batch of notifications, from the listener to the routers.

use std::sync::Arc;

use definitions::{ConversionError, EventDefinitions, SampleEndpoints, SampleSettings};
use model::{Notification, Priority, Sample, Value};
use observability::service_manager::Progress;
use oslo_messaging::{Batch, Delivery};
use pipeline::{DeliveryToken, Outcome, Records, Router};
use tokio::sync::{mpsc, watch};

use crate::decode::{Decoded, decode};
use crate::metrics::{AgentMetrics, Ignored};

/// Behaviour that the operator chooses.
#[derive(Debug, Clone, Copy)]
pub struct AgentOptions {
    /// `[notification] ack_on_event_error`: whether a notification whose event cannot be made is acknowledged
    /// all the same. Off, it is given back to the broker, and comes again after a wait.
    pub ack_on_event_error: bool,
}

/// Converts notifications and brings what comes of them to the pipelines. Shared by all listeners.
#[derive(Debug)]
pub struct Agent {
    samples: Option<Samples>,
    events: Option<Events>,
    options: AgentOptions,
    metrics: AgentMetrics,
}

/// The `meter` pipelines and what feeds them.
#[derive(Debug)]
struct Samples {
    endpoints: SampleEndpoints,
    settings: SampleSettings,
    router: Router,
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
    events: Vec<Arc<model::Event>>,
}

impl Agent {
    /// An agent without pipelines: it consumes and acknowledges.
    #[must_use]
    pub const fn new(options: AgentOptions, metrics: AgentMetrics) -> Self {
        Self { samples: None, events: None, options, metrics }
    }

    /// Adds the pipelines of `pipeline.yaml`.
    #[must_use]
    pub fn with_samples(
        mut self,
        endpoints: SampleEndpoints,
        settings: SampleSettings,
        router: Router,
    ) -> Self {
        self.samples = Some(Samples { endpoints, settings, router });
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
        let Batch { messages, mut receipt, queue, .. } = batch;
        self.metrics.notifications.inc_by(messages.len() as u64);
        let mut converted = Converted::default();
        for (index, delivery) in messages.iter().enumerate() {
            match decode(delivery, |priority, event_type| self.wants(priority, event_type)) {
                Ok(Decoded::Wanted(notification)) => {
                    if !self.convert(&notification, &mut converted) {
                        self.metrics.requeued.inc();
                        receipt.requeue_one(index);
                    }
                }
                Ok(Decoded::Unwanted) => self.metrics.ignored.increment(Ignored::Unwanted),
                Ok(Decoded::UnknownPriority(priority)) => {
                    self.metrics.ignored.increment(Ignored::UnknownPriority);
                    tracing::warn!(%queue, priority, "ignored a notification of an unknown priority");
                }
                Err(error) => {
                    let cause = error.cause();
                    let Delivery { exchange, body, .. } = delivery;
                    let bytes = body.len();
                    tracing::warn!(%queue, exchange, bytes, cause, "discarded a message that cannot be read: {error}");
                    receipt.reject_one(index, cause);
                }
            }
        }
        drop(messages);
        progress.rest();
        let undelivered = self.metrics.undelivered.clone();
        let token = DeliveryToken::new(move |outcome| match outcome {
            Outcome::Accepted => receipt.accept(),
            Outcome::NotDelivered => {
                undelivered.inc();
                receipt.requeue();
            }
        });
        self.dispatch(converted, token).await;
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

    pub(crate) fn wants(&self, priority: Priority, event_type: &str) -> bool {
        let samples = self.samples.as_ref();
        let events = self.events.as_ref();
        samples
            .is_some_and(|samples| SampleEndpoints::accepts(priority) && samples.endpoints.wants(event_type))
            || events.is_some_and(|events| {
                EventDefinitions::accepts(priority) && events.definitions.wants(event_type)
            })
    }

    /// Adds what comes of a notification; returns whether it may be acknowledged.
    pub(crate) fn convert(&self, notification: &Notification, converted: &mut Converted) -> bool {
        if let Some(samples) =
            self.samples.as_ref().filter(|_| SampleEndpoints::accepts(notification.priority()))
        {
            let mut made = Vec::new();
            for error in samples.endpoints.convert(notification, &samples.settings, &mut made) {
                self.report("samples", notification, &error);
            }
            self.metrics.samples.inc_by(made.len() as u64);
            converted.samples.extend(made.into_iter().map(Arc::new));
        }
        if let Some(events) =
            self.events.as_ref().filter(|_| EventDefinitions::accepts(notification.priority()))
        {
            match events.definitions.convert(notification) {
                Ok(Some(event)) => {
                    self.metrics.events.inc();
                    converted.events.push(Arc::new(event));
                }
                Ok(None) => {}
                Err(error) => {
                    self.report("events", notification, &error);
                    return self.options.ack_on_event_error;
                }
            }
        }
        true
    }

    fn report(&self, kind: &str, notification: &Notification, error: &ConversionError) {
        let cause = error.cause.label();
        self.metrics.failures.with([kind, cause]).inc();
        let event_type = notification.event_type().unwrap_or("?");
        let message_id = notification.root().get("metadata").and_then(|metadata| metadata.get("message_id"));
        let message_id = message_id.and_then(Value::as_str).unwrap_or("?");
        tracing::warn!(
            kind,
            event_type,
            message_id,
            cause,
            "a definition made nothing of a notification: {error}"
        );
    }
}
