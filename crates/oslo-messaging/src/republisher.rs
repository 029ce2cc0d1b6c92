//! Puts messages back where they came from, as they were: for what was set aside and is to be tried again.
//!
//! A message goes to the exchange and with the routing key that it had. Where that exchange is not known, or leads to
//! no queue any more, it goes to its queue by the broker's default exchange. [`Republisher::publish`] reports a message
//! as sent only when the broker has confirmed it *and* a queue took it.

use std::collections::HashMap;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};
use tokio::time::timeout;

use crate::batch::Delivery;
use crate::connection::{self, ConnectError, Link, Profile};
use crate::listener::{ConfigError, ListenerConfig, checked};
use crate::state::chain;
use crate::topology::NAME_BYTES_MAX;

/// Messages that may wait for their confirm at once.
const WINDOW: usize = 64;
/// Wait for a confirm, or for another answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Persistent.
const DELIVERY_MODE: u8 = 2;
/// The broker's exchange that leads to the queue named by the routing key.
const DEFAULT_EXCHANGE: &str = "";

/// Why a message was not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepublishError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No broker could be reached.
    #[error("no connection")]
    Connect(#[source] ConnectError),
    /// The broker or the connection refused it.
    #[error("not sent: {0}")]
    Publish(String),
    /// No queue took it.
    #[error(
        "no queue is bound to exchange {exchange:?} for {routing_key:?}, and there is no queue {queue:?}"
    )]
    NoQueue {
        /// The message's exchange.
        exchange: String,
        /// The message's routing key.
        routing_key: String,
        /// The message's queue.
        queue: String,
    },
    /// The broker says that it could not take the message.
    #[error("not confirmed by the broker")]
    Refused,
    /// No confirm in time.
    #[error("no confirm within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// A name that AMQP cannot carry.
    #[error("{what} is longer than {NAME_BYTES_MAX} bytes")]
    Name {
        /// Which name.
        what: &'static str,
    },
}

/// A message to put back.
#[derive(Debug, Clone, Copy)]
pub struct Republished<'a> {
    /// The message, as it was delivered.
    pub message: &'a Delivery,
    /// The queue that it came from.
    pub queue: &'a str,
}

/// A connection with confirms.
#[derive(Debug)]
pub struct Republisher {
    link: Link,
    channel: Channel,
    /// Exchanges that were asked for, and whether they are there.
    exchanges: HashMap<String, bool>,
}

/// What a confirmed message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    /// No queue took it.
    Returned,
}

/// Frame size asked for, in bytes.
const FRAME_BYTES: u32 = 64 * 1024;

impl Republisher {
    /// Connects to the broker of a listener, trying each of its hosts once.
    ///
    /// # Errors
    /// The last host's, or what is wrong with the configuration.
    pub async fn connect(config: &ListenerConfig) -> Result<Self, RepublishError> {
        let options = config.options.clone().with_overrides(&config.url.query).map_err(ConfigError::from)?;
        let endpoints = config.url.endpoints();
        let profile = Profile {
            vhost: checked("virtual host", config.url.vhost())?.to_owned(),
            check_name: options.checks_host_name(endpoints.len()),
            options,
            name: format!("{} replay", config.name),
            frame_bytes: FRAME_BYTES,
        };
        let mut last = RepublishError::Config(ConfigError::Empty { what: "the list of hosts" });
        for endpoint in &endpoints {
            match connection::connect(endpoint, &profile, None).await {
                Ok(link) => {
                    let channel = confirming(&link).await?;
                    return Ok(Self { link, channel, exchanges: HashMap::new() });
                }
                Err(error) => last = RepublishError::Connect(error),
            }
        }
        Err(last)
    }

    /// Puts messages back, in order, and tells of each what became of it. After an error of the connection, those
    /// that follow fail as well.
    pub async fn publish(&mut self, messages: &[Republished<'_>]) -> Vec<Result<(), RepublishError>> {
        let mut results = Vec::with_capacity(messages.len());
        for window in messages.chunks(WINDOW) {
            let mut targets = Vec::with_capacity(window.len());
            for message in window {
                targets.push(self.target(message).await);
            }
            let channel = &self.channel;
            let sent = window.iter().zip(targets).map(async |(message, target)| {
                let (exchange, key) = target?;
                match send(channel, exchange, key, message.message).await? {
                    Fate::Taken => Ok(()),
                    // Its binding has gone: its queue may still be there.
                    Fate::Returned if exchange != DEFAULT_EXCHANGE => {
                        match send(channel, DEFAULT_EXCHANGE, message.queue, message.message).await? {
                            Fate::Taken => Ok(()),
                            Fate::Returned => Err(no_queue(message)),
                        }
                    }
                    Fate::Returned => Err(no_queue(message)),
                }
            });
            results.extend(futures_util::future::join_all(sent).await);
        }
        results
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.link.close().await;
    }

    /// Exchange and routing key to send to.
    async fn target<'a>(&mut self, message: &Republished<'a>) -> Result<(&'a str, &'a str), RepublishError> {
        let Delivery { exchange, routing_key, content_type, content_encoding, .. } = message.message;
        for (what, name) in [
            ("exchange", exchange.as_str()),
            ("routing key", routing_key),
            ("queue", message.queue),
            ("content type", content_type.as_deref().unwrap_or_default()),
            ("content encoding", content_encoding.as_deref().unwrap_or_default()),
        ] {
            if name.len() > NAME_BYTES_MAX {
                return Err(RepublishError::Name { what });
            }
        }
        if exchange.is_empty() || !self.has_exchange(exchange).await? {
            return Ok((DEFAULT_EXCHANGE, message.queue));
        }
        Ok((exchange, routing_key))
    }

    /// Asks the broker, once, on a channel of its own: the answer "not found" closes it.
    async fn has_exchange(&mut self, name: &str) -> Result<bool, RepublishError> {
        if let Some(known) = self.exchanges.get(name) {
            return Ok(*known);
        }
        let channel = answered(self.link.connection.create_channel()).await?;
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let asked =
            channel.exchange_declare(name.into(), ExchangeKind::Topic, passive, FieldTable::default());
        let found = match timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => !crate::topology::is_not_found(&error),
            Err(_) => return Err(RepublishError::Timeout),
        };
        if channel.status().connected() {
            answered(channel.close(200, "asked".into())).await?;
        }
        self.exchanges.insert(name.to_owned(), found);
        Ok(found)
    }
}

fn no_queue(message: &Republished<'_>) -> RepublishError {
    RepublishError::NoQueue {
        exchange: message.message.exchange.clone(),
        routing_key: message.message.routing_key.clone(),
        queue: message.queue.to_owned(),
    }
}

async fn confirming(link: &Link) -> Result<Channel, RepublishError> {
    let channel = answered(link.connection.create_channel()).await?;
    answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

async fn answered<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, RepublishError> {
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answer) => answer.map_err(|error| RepublishError::Publish(chain(&error))),
        Err(_) => Err(RepublishError::Timeout),
    }
}

async fn send(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    message: &Delivery,
) -> Result<Fate, RepublishError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirmed = async {
        let sent = channel.basic_publish(
            exchange.into(),
            routing_key.into(),
            options,
            &message.body,
            properties(message),
        );
        sent.await?.await
    };
    match answered(confirmed).await? {
        Confirmation::Ack(None) => Ok(Fate::Taken),
        Confirmation::Ack(Some(_)) => Ok(Fate::Returned),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(RepublishError::Refused),
    }
}

/// The properties that a [`Delivery`] knows, and no others.
fn properties(message: &Delivery) -> BasicProperties {
    let mut properties = BasicProperties::default().with_delivery_mode(DELIVERY_MODE);
    if let Some(content_type) = &message.content_type {
        properties = properties.with_content_type(content_type.as_str().into());
    }
    if let Some(encoding) = &message.content_encoding {
        properties = properties.with_content_encoding(encoding.as_str().into());
    }
    if let Some(compression) = &message.compression {
        let mut headers = FieldTable::default();
        headers.insert("compression".into(), AMQPValue::LongString(LongString::from(compression.as_str())));
        properties = properties.with_headers(headers);
    }
    properties
}
