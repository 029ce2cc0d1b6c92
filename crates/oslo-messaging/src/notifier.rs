//! Notifications to RabbitMQ, as oslo.messaging's `messagingv2` (or `messaging`) driver sends them.
//!
//! [`Notifier::notify`] returns when the broker has confirmed the message for every topic, or with an error: silence
//! never means success. Source of behaviour: oslo.messaging 18.3 `notify/notifier.py`, `notify/messaging.py`,
//! `_publish_and_creates_default_queue`.

mod link;
mod message;

use std::sync::Arc;
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use self::link::Live;
pub use self::message::{Outgoing, Payload};
use crate::backoff::jitter;
use crate::batch::Delivery;
use crate::connection::{ConnectError, Profile};
use crate::envelope::Version;
use crate::listener::{ConfigError, checked};
use crate::metrics::AmqpMetrics;
use crate::options::RabbitOptions;
use crate::state::chain;
use crate::url::{Endpoint, TransportUrl};

/// Publications that may wait for their confirm at once; more callers wait their turn.
pub const IN_FLIGHT: usize = 256;
/// Largest body, in bytes: RabbitMQ's own bound.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Frame size asked for: messages of 100 KiB go out in a few, and no more memory than for some of them is taken.
const FRAME_BYTES: u32 = 16 * 1024;
/// Wait for a confirm before its connection is taken for dead.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a publication is tried again (`[oslo_messaging_notifications] retry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Until it succeeds (−1).
    #[default]
    Forever,
    /// This many times after the first.
    Times(u32),
}

impl From<i64> for Retry {
    /// oslo's number: negative means for ever.
    fn from(value: i64) -> Self {
        u32::try_from(value)
            .map_or(if value < 0 { Self::Forever } else { Self::Times(u32::MAX) }, Self::Times)
    }
}

/// Where to send, and how.
#[derive(Debug, Clone)]
pub struct NotifierConfig {
    /// Name in logs, metrics and the broker's list of connections.
    pub name: String,
    /// Broker; its query overrides `options`.
    pub url: TransportUrl,
    /// `[oslo_messaging_rabbit]`.
    pub options: RabbitOptions,
    /// `control_exchange`.
    pub exchange: String,
    /// `[oslo_messaging_notifications] topics`: each notification goes to all of them.
    pub topics: Vec<String>,
    /// With envelope (driver `messagingv2`) or without (`messaging`).
    pub version: Version,
    /// Retries.
    pub retry: Retry,
}

impl NotifierConfig {
    /// oslo.messaging's defaults with Ceilometer's exchange.
    pub fn new(name: impl Into<String>, url: TransportUrl) -> Self {
        Self {
            name: name.into(),
            url,
            options: RabbitOptions::default(),
            exchange: "ceilometer".to_owned(),
            topics: vec!["notifications".to_owned()],
            version: Version::V2,
            retry: Retry::Forever,
        }
    }
}

/// Why a notification was not confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// No broker could be reached.
    #[error("not sent: no connection")]
    Connect(#[source] ConnectError),
    /// The broker or the connection refused it.
    #[error("not sent to {routing_key:?}: {reason}")]
    Publish {
        /// Routing key.
        routing_key: String,
        /// Reason, with its sources.
        reason: String,
    },
    /// The broker says that it could not take the message.
    #[error("not confirmed by the broker for {routing_key:?}")]
    Refused {
        /// Routing key.
        routing_key: String,
    },
    /// No confirm in time.
    #[error("no confirm for {routing_key:?} within {seconds} s{}", blocked.as_ref().map_or_else(String::new, |reason| format!(" (the broker blocks us: {reason})")))]
    Timeout {
        /// Routing key.
        routing_key: String,
        /// How long was waited.
        seconds: u64,
        /// The broker's reason, if it blocks the connection.
        blocked: Option<String>,
    },
    /// The message is larger than a broker takes.
    #[error("message of {bytes} bytes is larger than {MESSAGE_BYTES_MAX}")]
    TooLarge {
        /// Size of the body.
        bytes: usize,
    },
    /// The priority makes no valid routing key.
    #[error("routing key {key:?} is longer than AMQP allows")]
    RoutingKey {
        /// The key, shortened.
        key: String,
    },
    /// The notifier is shutting down.
    #[error("notifier is closed")]
    Closed,
}

impl NotifyError {
    /// Short name of the cause, for a metric's label.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.cause(),
            Self::Publish { .. } => "publish",
            Self::Refused { .. } => "refused",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::RoutingKey { .. } => "routing_key",
            Self::Closed => "closed",
        }
    }

    /// Whether the message itself is at fault, so that another broker, or another time, would not help.
    pub fn is_about_the_message(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::RoutingKey { .. })
    }

    /// The error with all its sources, in one line.
    pub fn with_sources(&self) -> String {
        chain(self)
    }

    /// Whether another attempt may succeed.
    fn may_pass(&self) -> bool {
        !self.is_about_the_message() && !matches!(self, Self::Closed)
    }
}

/// A snapshot of a notifier.
#[derive(Debug, Clone, Default)]
pub struct NotifierState {
    /// Host and port, while connected.
    pub endpoint: Option<String>,
    /// The broker's reason, while it blocks the connection.
    pub blocked: Option<String>,
    /// What went wrong last; cleared by the next confirm.
    pub last_error: Option<String>,
}

/// What notifications share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) profile: Profile,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) exchange: String,
    pub(crate) metrics: AmqpMetrics,
    pub(crate) state: watch::Sender<NotifierState>,
}

/// Sends notifications. It connects when the first one is sent, and again after a failure.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    topics: Vec<String>,
    version: Version,
    retry: Retry,
    live: Mutex<Option<Arc<Live>>>,
    next_endpoint: std::sync::atomic::AtomicUsize,
    in_flight: Semaphore,
    closed: watch::Sender<bool>,
}

impl Notifier {
    /// Makes a notifier; nothing is sent and no connection made yet.
    ///
    /// # Errors
    ///
    /// Only a wrong configuration.
    pub fn new(config: NotifierConfig, metrics: &AmqpMetrics) -> Result<Self, ConfigError> {
        let options = config.options.clone().with_overrides(&config.url.query)?;
        checked("exchange", &config.exchange)?;
        if config.topics.is_empty() {
            return Err(ConfigError::Empty { what: "the list of topics" });
        }
        for topic in &config.topics {
            checked("topic", topic)?;
        }
        let vhost = checked("virtual host", config.url.vhost())?.to_owned();
        let mut endpoints = config.url.endpoints();
        fastrand::shuffle(&mut endpoints);
        let profile = Profile {
            vhost,
            check_name: options.checks_host_name(endpoints.len()),
            options,
            name: config.name.clone(),
            frame_bytes: FRAME_BYTES,
        };
        let shared = Shared {
            name: config.name,
            profile,
            endpoints,
            exchange: config.exchange,
            metrics: metrics.clone(),
            state: watch::Sender::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            topics: config.topics,
            version: config.version,
            retry: config.retry,
            live: Mutex::new(None),
            next_endpoint: std::sync::atomic::AtomicUsize::new(0),
            in_flight: Semaphore::new(IN_FLIGHT),
            closed: watch::Sender::new(false),
        })
    }

    /// The notifier's state, and a way to wait for changes of it.
    pub fn state(&self) -> watch::Receiver<NotifierState> {
        self.shared.state.subscribe()
    }

    /// Sends a notification to every topic and waits for the confirms. With [`Retry::Forever`] this may take as long
    /// as the broker is away; drop the future to give up. The message may have been sent even if this fails, or is
    /// dropped.
    pub async fn notify(&self, notification: &Outgoing<'_>) -> Result<(), NotifyError> {
        let sent = self.send(notification).await;
        if let Err(error) = &sent {
            let text = chain(error);
            let failures = &self.shared.metrics.publish_failures;
            failures.with([&self.shared.name, error.cause()]).inc();
            self.shared.state.send_modify(|state| state.last_error = Some(text));
        }
        sent
    }

    /// Waits up to `grace` for what is being sent, refuses more, closes the connection.
    pub async fn shutdown(&self, grace: Duration) {
        self.closed.send_replace(true);
        let all = u32::try_from(IN_FLIGHT).unwrap_or(u32::MAX);
        if timeout(grace, self.in_flight.acquire_many(all)).await.is_err() {
            tracing::warn!(notifier = self.shared.name, "closed with notifications not confirmed");
        }
        self.in_flight.close();
        if let Some(live) = self.live.lock().await.take()
            && let Ok(live) = Arc::try_unwrap(live)
        {
            live.close().await;
        }
    }

    async fn send(&self, notification: &Outgoing<'_>) -> Result<(), NotifyError> {
        if *self.closed.borrow() {
            return Err(NotifyError::Closed);
        }
        let _permit = self.in_flight.acquire().await.map_err(|_| NotifyError::Closed)?;
        let message_id = notification.message_id.unwrap_or_else(Uuid::new_v4);
        let priority = notification.priority.to_ascii_lowercase();
        for topic in &self.topics {
            let key = format!("{topic}.{priority}");
            if checked("routing key", &key).is_err() {
                return Err(NotifyError::RoutingKey { key: key.chars().take(64).collect() });
            }
            let compression = self.shared.profile.options.kombu_compression;
            let message = notification.encode(message_id, self.version, compression);
            if message.body.len() > MESSAGE_BYTES_MAX {
                return Err(NotifyError::TooLarge { bytes: message.body.len() });
            }
            self.send_with_retries(&key, &message).await?;
            self.shared.metrics.published.with([&self.shared.name]).inc();
        }
        Ok(())
    }

    async fn send_with_retries(&self, key: &str, message: &Delivery) -> Result<(), NotifyError> {
        let mut closed = self.closed.subscribe();
        let mut failures = 0_u32;
        loop {
            let error = match self.send_once(key, message).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let last = match self.retry {
                Retry::Forever => false,
                Retry::Times(times) => failures >= times,
            };
            if last || !error.may_pass() {
                return Err(error);
            }
            failures = failures.saturating_add(1);
            let wait = jitter(self.shared.profile.options.retry_interval(failures));
            let text = chain(&error);
            tracing::warn!(
                notifier = self.shared.name,
                error = text,
                seconds = wait.as_secs_f32(),
                "notification not sent: trying again"
            );
            self.shared.state.send_modify(|state| state.last_error = Some(text));
            tokio::select! {
                () = sleep(wait) => {}
                // Once the notifier closes, what has not been sent by now fails with its own error.
                _ = closed.wait_for(|closed| *closed) => return Err(error),
            }
        }
    }

    async fn send_once(&self, key: &str, message: &Delivery) -> Result<(), NotifyError> {
        let live = self.live().await?;
        let result = self.publish(&live, key, message).await;
        if matches!(&result, Err(NotifyError::Publish { .. } | NotifyError::Timeout { .. })) {
            // Whatever it was, a fresh connection with everything declared anew is the cure.
            let mut slot = self.live.lock().await;
            if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, &live)) {
                slot.take();
            }
        }
        result
    }

    async fn publish(&self, live: &Live, key: &str, message: &Delivery) -> Result<(), NotifyError> {
        let failed = |reason| NotifyError::Publish { routing_key: key.to_owned(), reason };
        match timeout(CONFIRM_TIMEOUT, live.declare(key)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(chain(&error))),
            Err(_) => return Err(self.timed_out(key, CONFIRM_TIMEOUT)),
        }
        let began = Instant::now();
        let exchange = self.shared.exchange.as_str();
        let publish = async {
            let confirm = live.channel.basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                &message.body,
                message::properties(message),
            );
            confirm.await?.await
        };
        let mut publish = std::pin::pin!(publish);
        let confirmation = loop {
            match timeout(CONFIRM_TIMEOUT, &mut publish).await {
                Ok(confirmation) => break confirmation.map_err(|error| failed(chain(&error)))?,
                // A blocked connection is alive, and the message is on its way: wait on, if we may.
                Err(_) if self.retry == Retry::Forever && live.is_blocked() => {
                    tracing::warn!(
                        notifier = self.shared.name,
                        "the broker blocks us: waiting for the confirm"
                    );
                }
                Err(_) => return Err(self.timed_out(key, began.elapsed())),
            }
        };
        if !confirmation.is_ack() {
            return Err(NotifyError::Refused { routing_key: key.to_owned() });
        }
        self.shared.state.send_if_modified(|state| state.last_error.take().is_some());
        Ok(())
    }

    fn timed_out(&self, key: &str, waited: Duration) -> NotifyError {
        NotifyError::Timeout {
            routing_key: key.to_owned(),
            seconds: waited.as_secs(),
            blocked: self.shared.state.borrow().blocked.clone(),
        }
    }

    /// The connection; made now if there is none. Callers wait for each other: one attempt at a time.
    async fn live(&self) -> Result<Arc<Live>, NotifyError> {
        let mut slot = self.live.lock().await;
        if let Some(live) = slot.as_ref().filter(|live| live.is_connected()) {
            return Ok(Arc::clone(live));
        }
        slot.take();
        let live =
            Arc::new(link::connect(&self.shared, &self.next_endpoint).await.map_err(NotifyError::Connect)?);
        *slot = Some(Arc::clone(&live));
        Ok(live)
    }
}
