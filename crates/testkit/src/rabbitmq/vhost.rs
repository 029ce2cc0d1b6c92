//! One test's corner of a broker: a virtual host, its queues, bindings, policies and connections.

mod messages;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::control::binary;
use super::{RabbitMq, USER};
use crate::Error;

pub use messages::Message;

/// A virtual host of its own; removed, with all in it, when dropped.
#[derive(Debug)]
pub struct Vhost<'broker> {
    broker: &'broker RabbitMq,
    name: String,
}

/// A queue as the broker sees it at this moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// `classic` or `quorum`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The `x-` arguments that it was declared with.
    #[serde(deserialize_with = "table")]
    pub arguments: BTreeMap<String, Value>,
    /// Messages that wait, and messages that were delivered and are not acknowledged.
    pub messages: u64,
    /// Messages that wait.
    pub messages_ready: u64,
    /// Messages that were delivered and are not acknowledged.
    pub messages_unacknowledged: u64,
    /// Number of consumers.
    pub consumers: u64,
}

/// A binding of a queue to an exchange; the default exchange's own are left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// The queue.
    pub queue: String,
    /// The routing key.
    pub routing_key: String,
}

/// An exchange as the broker sees it; those that the broker makes by itself are left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// `topic`, `direct`, `fanout`, `headers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
}

/// A client's connection to this virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Connection {
    /// The broker's name for it: addresses of both ends.
    pub name: String,
    /// The account.
    pub user: String,
    /// The negotiated heartbeat, seconds.
    pub timeout: u64,
    /// `running`, `blocked`, `blocking`, …
    pub state: String,
}

/// An AMQP table; the broker writes an empty one as an empty list.
fn table<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(map.into_iter().collect()),
        _ => Ok(BTreeMap::new()),
    }
}

impl<'broker> Vhost<'broker> {
    pub(super) fn create(broker: &'broker RabbitMq, hint: &str) -> Result<Self, Error> {
        let vhost = Self { broker, name: format!("{hint}-{:08x}", fastrand::u32(..)) };
        broker.eval(&format!("rabbit_vhost:add({}, <<\"test\">>).", binary(&vhost.name)))?;
        broker.permit(USER, &vhost.name)?;
        Ok(vhost)
    }

    /// The broker that it belongs to.
    pub fn broker(&self) -> &'broker RabbitMq {
        self.broker
    }

    /// Its name; safe in a URL if the hint was.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `amqp://` URL.
    pub fn amqp_url(&self) -> String {
        self.url("amqp", self.broker.port())
    }

    /// oslo.messaging's transport URL, as in `transport_url` and `messaging_urls`.
    pub fn transport_url(&self) -> String {
        self.url("rabbit", self.broker.port())
    }

    /// The transport URL through another port, for example a [proxy's](crate::proxy::Proxy).
    pub fn transport_url_through(&self, port: u16) -> String {
        self.url("rabbit", port)
    }

    /// The transport URL of the TLS listener with `?ssl=1`, if the broker has one.
    pub fn tls_transport_url(&self) -> Option<String> {
        self.broker.tls_port().map(|port| self.url("rabbit", port) + "?ssl=1")
    }

    fn url(&self, scheme: &str, port: u16) -> String {
        format!("{scheme}://{USER}:{USER}@127.0.0.1:{port}/{}", self.name)
    }

    /// Declares a durable topic exchange and a durable queue that is bound to it with its own name, as a
    /// service with `amqp_durable_queues` and its consumer would.
    pub fn declare(&self, exchange: &str, queue: &str) -> Result<(), Error> {
        let (vhost, exchange, queue_name) = (self.binary(), binary(exchange), binary(queue));
        self.broker
            .eval(&format!(
                "X = rabbit_misc:r({vhost}, exchange, {exchange}), Q = {queue}, \
                 _ = rabbit_exchange:declare(X, topic, true, false, false, [], <<\"test\">>), \
                 {{_, _}} = rabbit_amqqueue:declare(Q, true, false, [], none, <<\"test\">>), \
                 ok = rabbit_binding:add({{binding, X, {queue_name}, Q, []}}, <<\"test\">>).",
                queue = self.resource(queue)
            ))
            .map(drop)
    }

    /// Every queue.
    pub fn queues(&self) -> Result<Vec<Queue>, Error> {
        let items =
            "[durable, auto_delete, messages, messages_ready, messages_unacknowledged, consumers, type]";
        self.list(&format!(
            "rabbit_json:encode([maps:from_list([{{name, element(4, amqqueue:get_name(Q))}}, \
             {{arguments, rabbit_misc:amqp_table(amqqueue:get_arguments(Q))}} | \
             rabbit_amqqueue:info(Q, {items})]) || Q <- rabbit_amqqueue:list({})]).",
            self.binary()
        ))
    }

    /// One queue, if it exists.
    pub fn queue(&self, name: &str) -> Result<Option<Queue>, Error> {
        Ok(self.queues()?.into_iter().find(|queue| queue.name == name))
    }

    /// Messages in a queue, delivered ones that are not acknowledged included; none if there is no such queue.
    pub fn depth(&self, queue: &str) -> Result<Option<u64>, Error> {
        Ok(self.queue(queue)?.map(|queue| queue.messages))
    }

    /// Messages in all queues together, delivered ones that are not acknowledged included.
    pub fn total_depth(&self) -> Result<u64, Error> {
        Ok(self.queues()?.iter().map(|queue| queue.messages).sum())
    }

    /// Every binding of a queue to a named exchange, sorted.
    pub fn bindings(&self) -> Result<Vec<Binding>, Error> {
        let mut bindings: Vec<Binding> = self.list(&format!(
            "rabbit_json:encode([#{{exchange => element(4, proplists:get_value(source_name, B, {{r, v, k, <<>>}})), \
             queue => element(4, proplists:get_value(destination_name, B)), \
             routing_key => proplists:get_value(routing_key, B)}} \
             || B0 <- rabbit_binding:list({}), \
                B <- [[{{source_name, element(2, B0)}}, {{routing_key, element(3, B0)}}, \
                       {{destination_name, element(4, B0)}}]]]).",
            self.binary()
        ))?;
        bindings.retain(|binding| !binding.exchange.is_empty());
        bindings.sort();
        Ok(bindings)
    }

    /// Every exchange but those that the broker makes by itself.
    pub fn exchanges(&self) -> Result<Vec<Exchange>, Error> {
        let mut exchanges: Vec<Exchange> = self.list(&format!(
            "rabbit_json:encode([maps:from_list([{{name, element(4, proplists:get_value(name, E))}} | \
             [{{K, proplists:get_value(K, E)}} || K <- [type, durable, auto_delete]]]) \
             || E <- rabbit_exchange:info_all({})]).",
            self.binary()
        ))?;
        exchanges.retain(|exchange| !exchange.name.is_empty() && !exchange.name.starts_with("amq."));
        Ok(exchanges)
    }

    /// Removes every message that waits in a queue.
    pub fn purge(&self, queue: &str) -> Result<(), Error> {
        self.broker
            .eval(&format!(
                "{{ok, Q}} = rabbit_amqqueue:lookup({}), rabbit_amqqueue:purge(Q).",
                self.resource(queue)
            ))
            .map(drop)
    }

    /// Deletes a queue with its messages; its consumers are cancelled.
    pub fn delete_queue(&self, queue: &str) -> Result<(), Error> {
        self.broker
            .eval(&format!(
                "{{ok, Q}} = rabbit_amqqueue:lookup({}), rabbit_amqqueue:delete(Q, false, false, <<\"test\">>).",
                self.resource(queue)
            ))
            .map(drop)
    }

    /// Sets a policy for the queues whose name matches `pattern`; `definition` is JSON.
    pub fn set_policy(&self, name: &str, pattern: &str, definition: &str) -> Result<(), Error> {
        let answer = self.broker.eval(&format!(
            "rabbit_policy:parse_set({}, {}, {}, {}, <<\"0\">>, <<\"queues\">>, <<\"test\">>).",
            self.binary(),
            binary(name),
            binary(pattern),
            binary(definition)
        ))?;
        if answer == "ok" { Ok(()) } else { Err(Error::refused("policy", answer)) }
    }

    /// Every open connection to this virtual host.
    pub fn connections(&self) -> Result<Vec<Connection>, Error> {
        self.list(&format!(
            "rabbit_json:encode([maps:from_list(proplists:delete(vhost, C)) \
             || C <- rabbit_networking:connection_info_all([name, user, timeout, state, vhost]), \
                proplists:get_value(vhost, C) =:= {}]).",
            self.binary()
        ))
    }

    /// Closes every connection to this virtual host as an operator does; returns how many there were.
    pub fn close_connections(&self, reason: &str) -> Result<u64, Error> {
        let answer = self.broker.eval(&format!(
            "length([rabbit_networking:close_connection(proplists:get_value(pid, C), {:?}) \
             || C <- rabbit_networking:connection_info_all([pid, vhost]), \
                proplists:get_value(vhost, C) =:= {}]).",
            reason,
            self.binary()
        ))?;
        answer.parse().map_err(|_| Error::answer("close connections", answer))
    }

    fn binary(&self) -> String {
        binary(&self.name)
    }

    fn resource(&self, queue: &str) -> String {
        format!("rabbit_misc:r({}, queue, {})", self.binary(), binary(queue))
    }

    fn list<T: DeserializeOwned>(&self, expressions: &str) -> Result<Vec<T>, Error> {
        let answer = self.broker.eval(expressions)?;
        serde_json::from_str(&answer).map_err(|error| Error::answer("broker", format!("{error}: {answer}")))
    }
}

impl Drop for Vhost<'_> {
    fn drop(&mut self) {
        // The broker may be down on purpose, or gone; then there is nothing to remove.
        let _ = self.broker.eval(&format!("rabbit_vhost:delete({}, <<\"test\">>).", self.binary()));
    }
}
