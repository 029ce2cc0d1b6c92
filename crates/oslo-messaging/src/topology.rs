//! Exchanges and queues, declared with exactly the arguments that oslo.messaging uses.
//!
//! Source of behaviour: oslo.messaging 18.3, `_drivers/impl_rabbit.py` (`_get_queue_arguments`, `Consumer.declare`,
//! `_publish_and_creates_default_queue`). Every OpenStack service declares the same objects; whoever declares another
//! set of arguments is refused by the broker with PRECONDITION_FAILED.
//!
//! Differences from oslo.messaging, both towards working where it would retry for ever:
//! - When `durable` is what differs, we take the object as it is, in either direction, and each object by itself.
//! - A queue whose node is down (NOT_FOUND on declare) is deleted and declared anew only when it is not durable; a
//!   durable one has messages to lose, so we wait for its node.

use std::collections::{BTreeMap, HashMap};

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use tokio::sync::Mutex;

use crate::options::RabbitOptions;

/// Longest name of a queue, exchange or virtual host, and longest routing key, in bytes (AMQP's short string).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// One queue and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueSpec {
    pub(crate) name: String,
    /// (exchange, routing key)
    pub(crate) bindings: Vec<(String, String)>,
}

impl QueueSpec {
    /// The queues that oslo.messaging's notification listener would consume: `<topic>.<priority>`, or one named by
    /// the pool that receives everything.
    pub(crate) fn all(
        topics: &[String],
        exchanges: &[String],
        priorities: &[&str],
        pool: Option<&str>,
    ) -> Vec<Self> {
        let mut queues: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for topic in topics {
            for priority in priorities {
                let key = format!("{topic}.{priority}");
                let bindings = queues.entry(pool.unwrap_or(&key).to_owned()).or_default();
                for exchange in exchanges {
                    let binding = (exchange.clone(), key.clone());
                    if !bindings.contains(&binding) {
                        bindings.push(binding);
                    }
                }
            }
        }
        queues.into_iter().map(|(name, bindings)| Self { name, bindings }).collect()
    }
}

/// `x-…` arguments of a queue.
pub(crate) fn queue_arguments(options: &RabbitOptions) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut text = |name: &str, value: &str| {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    if options.rabbit_ha_queues {
        text("x-ha-policy", "all");
    }
    if options.rabbit_quorum_queue {
        text("x-queue-type", "quorum");
        for (name, value) in [
            ("x-delivery-limit", options.rabbit_quorum_delivery_limit),
            ("x-max-in-memory-length", options.rabbit_quorum_max_memory_length),
            ("x-max-in-memory-bytes", options.rabbit_quorum_max_memory_bytes),
        ] {
            // oslo sends these when they are not 0; a negative one is the broker's to refuse.
            if value != 0 {
                let value = i32::try_from(value).map_or(AMQPValue::LongLongInt(value), AMQPValue::LongInt);
                arguments.insert(name.into(), value);
            }
        }
    }
    arguments
}

/// Arguments of `basic.consume`.
pub(crate) fn consumer_arguments(options: &RabbitOptions) -> FieldTable {
    let mut arguments = FieldTable::default();
    if options.enable_cancel_on_failover {
        arguments.insert("x-cancel-on-ha-failover".into(), AMQPValue::Boolean(true));
    }
    arguments
}

/// The exchanges known to exist on one connection, with whether each is durable.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(Mutex<HashMap<String, bool>>);

impl Exchanges {
    /// Declares `name` unless that was done on this connection. Returns the channel to go on with (an error closes
    /// the one given) and whether the exchange is as durable as configured.
    async fn ensure(
        &self,
        connection: &Connection,
        channel: Channel,
        name: &str,
        options: &RabbitOptions,
    ) -> lapin::Result<(Channel, bool)> {
        let durable = options.durable();
        // The broker's own exchanges exist and may not be declared.
        if name.starts_with("amq.") {
            return Ok((channel, true));
        }
        // One at a time: concurrent first declarations of an exchange only make the broker's transactions collide.
        let mut known = self.0.lock().await;
        if let Some(found) = known.get(name) {
            return Ok((channel, *found == durable));
        }
        let declare = async |channel: &Channel, durable: bool| {
            let declare = ExchangeDeclareOptions {
                durable,
                auto_delete: options.amqp_auto_delete,
                ..ExchangeDeclareOptions::default()
            };
            channel.exchange_declare(name.into(), ExchangeKind::Topic, declare, FieldTable::default()).await
        };
        let (channel, found) = match declare(&channel, durable).await {
            Ok(()) => (channel, durable),
            Err(error) if is_durable_mismatch(&error) => {
                tracing::warn!(
                    exchange = name,
                    configured = durable,
                    "exchange exists with another durability: used as it is"
                );
                let channel = connection.create_channel().await?;
                declare(&channel, !durable).await?;
                (channel, !durable)
            }
            Err(error) => return Err(error),
        };
        known.insert(name.to_owned(), found);
        Ok((channel, found == durable))
    }

    /// Forgets everything, so that it is declared again: somebody has deleted something.
    pub(crate) async fn forget(&self) {
        self.0.lock().await.clear();
    }
}

/// Declares a queue with its exchanges and bindings, and returns a channel in good order.
pub(crate) async fn declare(
    connection: &Connection,
    exchanges: &Exchanges,
    queue: &QueueSpec,
    options: &RabbitOptions,
) -> lapin::Result<Channel> {
    let mut channel = connection.create_channel().await?;
    let mut as_configured = true;
    for (exchange, _) in &queue.bindings {
        let (next, same) = exchanges.ensure(connection, channel, exchange, options).await?;
        channel = next;
        as_configured &= same;
    }
    // As oslo.messaging: where an exchange turned out otherwise, its queue is expected to be so too. A quorum queue
    // cannot be.
    let expected = options.rabbit_quorum_queue || options.durable() == as_configured;
    let channel = declare_queue(connection, channel, queue, options, expected).await?;
    let binds = queue.bindings.iter().map(|(exchange, key)| {
        channel.queue_bind(
            queue.name.as_str().into(),
            exchange.as_str().into(),
            key.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
    });
    futures_util::future::try_join_all(binds).await?;
    Ok(channel)
}

async fn declare_queue(
    connection: &Connection,
    channel: Channel,
    queue: &QueueSpec,
    options: &RabbitOptions,
    durable: bool,
) -> lapin::Result<Channel> {
    let name = || ShortString::from(queue.name.as_str());
    let declare = async |channel: &Channel, durable: bool| {
        let declare = QueueDeclareOptions {
            durable,
            auto_delete: options.amqp_auto_delete,
            ..QueueDeclareOptions::default()
        };
        channel.queue_declare(name(), declare, queue_arguments(options)).await
    };
    let Err(error) = declare(&channel, durable).await else { return Ok(channel) };
    let channel = connection.create_channel().await?;
    if is_durable_mismatch(&error) {
        tracing::warn!(queue = queue.name, "queue exists with another durability: used as it is");
        declare(&channel, !durable).await?;
        return Ok(channel);
    }
    if is_not_found(&error) && !durable {
        tracing::warn!(queue = queue.name, %error, "queue lives on a node that is down: deleting and declaring it anew");
        let channel = match channel.queue_delete(name(), QueueDeleteOptions::default()).await {
            Ok(_) => channel,
            Err(error) => {
                tracing::warn!(queue = queue.name, %error, "queue could not be deleted");
                connection.create_channel().await?
            }
        };
        declare(&channel, durable).await?;
        return Ok(channel);
    }
    Err(error)
}

/// PRECONDITION_FAILED because of `durable`, and of nothing else.
fn is_durable_mismatch(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED))
        && error.get_message().as_str().contains("inequivalent arg 'durable'")
}

pub(crate) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)))
}

/// Short name of a channel error's cause, for a metric's label.
pub(crate) fn cause(error: &lapin::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => "precondition_failed",
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => "not_found",
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => "access_refused",
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => "resource_locked",
            AMQPErrorKind::Hard(lapin::protocol::AMQPHardError::CONNECTIONFORCED) => "connection_forced",
            AMQPErrorKind::Hard(lapin::protocol::AMQPHardError::INTERNALERROR) => "internal_error",
            _ => "protocol",
        },
        ErrorKind::IOError(_) => "io",
        ErrorKind::MissingHeartbeatError => "heartbeat",
        ErrorKind::InvalidConnectionState(_) => "connection_gone",
        ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidChannel(_) => "channel_gone",
        _ => "other",
    }
}
