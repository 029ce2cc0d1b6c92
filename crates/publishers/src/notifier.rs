//! `notifier://[user:pass@host:port[,…]]/[vhost]?topic=…`: sends records to the message bus. Samples and events.
//!
//! **Accepted** means that the broker has confirmed the message for every topic, with `policy=default`. The other two
//! policies give that promise up, which is what they are for:
//!
//! | `policy` | When the broker is away |
//! |---|---|
//! | `default` | the records are kept and offered again, by the buffer of every publisher |
//! | `queue` | messages wait in this publisher's own queue in memory, at most `max_queue_length` of them; what is too much is dropped from its old end and counted (`queue_full`). They are sent with the next records, or without any as soon as the broker is back. *Accepted* means queued |
//! | `drop` | what cannot be sent is dropped and counted (`policy_drop`). *Accepted* means that it was tried |
//!
//! Message, exchange, routing keys and event types are those of Ceilometer's `publisher/messaging.py`: priority `SAMPLE`,
//! the payload a list of signed metering messages, or of signed events. Records that wait together go in one message, up to
//! 1 000 or 1 MiB.

mod message;
mod options;
mod queue;

use std::sync::Arc;

use observability::clock::Clock;
use oslo_messaging::{
    AmqpMetrics, Notifier, NotifierConfig, NotifyError, Outgoing, Payload, RabbitOptions, Retry, TransportUrl,
};
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusal, Refusals};

use self::message::{Message, messages};
use self::options::{NotifierOptions, Policy};
pub use self::queue::NotifierMetrics;
use self::queue::{DropCause, LocalQueue};
use crate::url_options::configuration;
use crate::witness::{Witness, body_text};

/// Attempts of one delivery after the first: a connection that has died shows at the first.
const RETRIES: u32 = 1;
/// The priority in messages and, in small letters, at the end of routing keys.
const PRIORITY: &str = "SAMPLE";

/// What the configuration says to notifier publishers.
#[derive(Debug, Clone)]
pub struct NotifierSettings {
    /// The notification transport, for URLs without a host; the text says what is wrong with it.
    pub transport: Result<TransportUrl, String>,
    /// `[oslo_messaging_rabbit]`.
    pub rabbit: RabbitOptions,
    /// `[DEFAULT] control_exchange`.
    pub exchange: String,
    /// `[publisher_notifier] metering_topic`.
    pub metering_topic: String,
    /// `[publisher_notifier] event_topic`.
    pub event_topic: String,
    /// `[publisher_notifier] telemetry_driver`.
    pub driver: String,
    /// `[DEFAULT] host`.
    pub host: String,
    /// `[publisher] telemetry_secret`.
    pub secret: String,
    /// For the time in messages.
    pub clock: Clock,
    /// The metrics of every AMQP connection.
    pub amqp: AmqpMetrics,
    /// The metrics of local queues.
    pub metrics: NotifierMetrics,
}

/// Sends records as notifications.
#[derive(Debug)]
pub struct NotifierPublisher {
    notifier: Notifier,
    settings: NotifierSettings,
    options: NotifierOptions,
    kind: RecordsKind,
    publisher_id: String,
    queue: LocalQueue,
    progress: Option<Progress>,
    witness: Witness,
}

/// An offer that is not done with (`policy=default`).
#[derive(Debug)]
struct Progress {
    groups: Arc<[Records]>,
    messages: Vec<Message>,
    /// How many of them the broker has confirmed or never will.
    done: usize,
    refusals: Refusals,
}

impl NotifierPublisher {
    /// The publisher for `url`. It connects when the first record comes.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL, or options of the configuration, that can never work.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        settings: &NotifierSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        let options = NotifierOptions::from_url(url, kind, settings)?;
        let transport = match &options.transport {
            Some(transport) => transport.clone(),
            None => settings.transport.clone().map_err(|error| {
                configuration(error, "write notifier://user:password@host:5672/vhost, or correct the option")
            })?,
        };
        let name = match options.transport.as_ref().and_then(|transport| transport.endpoints().pop()) {
            Some(endpoint) => format!("notifier-{kind}-{}", endpoint.host),
            None => format!("notifier-{kind}"),
        };
        let mut config = NotifierConfig::new(name, transport);
        config.options = settings.rabbit.clone();
        config.exchange.clone_from(&settings.exchange);
        config.topics.clone_from(&options.topics);
        config.version = options.version;
        config.retry = Retry::Times(RETRIES);
        let notifier = Notifier::new(config, &settings.amqp).map_err(|error| {
            configuration(error.to_string(), "topics and virtual hosts have at most 255 bytes; options are those of [oslo_messaging_rabbit]")
        })?;
        Ok(Self {
            notifier,
            settings: settings.clone(),
            kind,
            publisher_id: format!("telemetry.publisher.{}", settings.host),
            queue: LocalQueue::new(options.max_queue_length, &url.redacted(), &settings.metrics),
            options,
            progress: None,
            witness,
        })
    }

    async fn publish_all(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        if self.options.policy == Policy::Default {
            return self.publish_until_confirmed(groups).await;
        }
        let (made, refusals) = self.messages(groups);
        self.queue.push(made);
        self.flush().await;
        Ok(refusals)
    }

    /// What is sent of some records, and what cannot be.
    fn messages(&self, groups: &[Records]) -> (Vec<Message>, Refusals) {
        let mut refusals = Refusals::default();
        let topic = match self.kind {
            RecordsKind::Samples => &self.settings.metering_topic,
            RecordsKind::Events => &self.settings.event_topic,
        };
        let per_meter = self.options.per_meter_topic && self.kind == RecordsKind::Samples;
        let made = messages(groups, topic, per_meter, &self.settings.secret, &mut refusals);
        (made, refusals)
    }

    /// An attempt that fails goes on where it was: the broker gets no message twice because of another one.
    async fn publish_until_confirmed(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        let known = self.progress.take().filter(|progress| Arc::ptr_eq(&progress.groups, groups));
        let mut progress = known.unwrap_or_else(|| {
            let (messages, refusals) = self.messages(groups);
            Progress { groups: Arc::clone(groups), messages, done: 0, refusals }
        });
        while let Some(message) = progress.messages.get(progress.done) {
            match self.send(message).await {
                Ok(()) => {}
                Err(error) if error.is_about_the_message() => {
                    refuse(message, &error, &mut progress.refusals);
                }
                Err(error) => {
                    self.progress = Some(progress);
                    return Err(failure(&error));
                }
            }
            progress.done += 1;
        }
        Ok(progress.refusals)
    }

    /// Sends what is queued, in order, until it is empty or the broker does not take it.
    async fn flush(&mut self) {
        while let Some(message) = self.queue.first() {
            let Err(error) = self.send(message).await else {
                self.queue.sent();
                continue;
            };
            let text = error.with_sources();
            if error.is_about_the_message() {
                let records = self.queue.drop_first(DropCause::NotSendable);
                tracing::warn!(records, "a message that no broker takes: records dropped: {text}");
                continue;
            }
            if self.options.policy == Policy::Drop {
                let records = self.queue.drop_all(DropCause::PolicyDrop);
                tracing::warn!(records, "the broker takes nothing, policy=drop: records dropped: {text}");
            } else {
                let dropped = self.queue.drop_surplus();
                tracing::warn!(
                    queued = self.queue.records(),
                    dropped,
                    "the broker takes nothing, policy=queue: records wait in memory: {text}"
                );
            }
            return;
        }
    }

    async fn send(&self, message: &Message) -> Result<(), NotifyError> {
        let outgoing = Outgoing {
            publisher_id: &self.publisher_id,
            event_type: &message.event_type,
            priority: PRIORITY,
            payload: Payload::Json(&message.payload),
            context: &[],
            timestamp: self.settings.clock.now(),
            message_id: None,
        };
        self.witness.tell(|| {
            let topics = self.options.topics.join(".sample, ");
            format!(
                "> exchange {}, routing key {topics}.sample, publisher id {}, event type {}\n> {}",
                self.settings.exchange,
                self.publisher_id,
                message.event_type,
                body_text(message.payload.get().as_bytes())
            )
        });
        let sent = self.notifier.notify(&outgoing).await;
        self.witness.tell(|| match &sent {
            Ok(()) => {
                let endpoint = self.notifier.state().borrow().endpoint.clone();
                format!("< confirmed by the broker {}", endpoint.unwrap_or_default())
            }
            Err(error) => format!("! {}", error.with_sources()),
        });
        sent
    }
}

impl Publisher for NotifierPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }

    fn holds_back(&self) -> bool {
        self.queue.records() > 0
    }

    fn go_on(&mut self) -> pipeline::Preparing<'_> {
        Box::pin(self.flush())
    }
}

fn refuse(message: &Message, error: &NotifyError, refusals: &mut Refusals) {
    for place in &message.places {
        let (group, record) = (place.group, place.record);
        refusals.push(Refusal { group, record, cause: error.cause(), reason: error.to_string() });
    }
}

fn failure(error: &NotifyError) -> PublishError {
    PublishError { cause: error.cause(), message: error.with_sources() }
}
