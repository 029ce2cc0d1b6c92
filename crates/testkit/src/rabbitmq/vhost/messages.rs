//! Putting messages into a broker and taking them out, without a client library.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Vhost, table};
use crate::Error;
use crate::rabbitmq::control::binary;

/// Most messages that one [`Vhost::take`] takes out.
const MAX_TAKEN: usize = 100_000;

/// A message as it lay in a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The exchange that it was published to.
    pub exchange: String,
    /// Its routing key.
    pub routing_key: String,
    /// Its body, byte for byte.
    pub body: Vec<u8>,
    /// Basic properties that were set: `content_type`, `content_encoding`, `delivery_mode`, `priority`,
    /// `correlation_id`, `reply_to`, `expiration`, `message_id`, `timestamp`, `type`, `user_id`, `app_id`.
    pub properties: BTreeMap<String, Value>,
    /// The headers table.
    pub headers: BTreeMap<String, Value>,
    /// Whether it was delivered before.
    pub redelivered: bool,
}

/// The message as the broker writes it.
#[derive(Deserialize)]
struct Raw {
    exchange: String,
    routing_key: String,
    body: String,
    #[serde(deserialize_with = "table")]
    properties: BTreeMap<String, Value>,
    #[serde(deserialize_with = "table")]
    headers: BTreeMap<String, Value>,
    redelivered: bool,
}

impl Vhost<'_> {
    /// Publishes a persistent message from inside the broker; what no queue is bound for is lost, as in AMQP.
    /// It reaches its queue soon after: poll for the depth.
    pub fn publish(&self, exchange: &str, routing_key: &str, body: &[u8]) -> Result<(), Error> {
        let body: Vec<String> = body.iter().map(ToString::to_string).collect();
        self.broker()
            .eval(&format!(
                "ok = rabbit_basic:publish(rabbit_misc:r({}, exchange, {}), {}, \
                 [{{content_type, <<\"application/json\">>}}, {{delivery_mode, 2}}], list_to_binary([{}])).",
                self.binary(),
                binary(exchange),
                binary(routing_key),
                body.join(",")
            ))
            .map(drop)
    }

    /// Takes every message that waits in a queue out of it, oldest first.
    pub fn take(&self, queue: &str) -> Result<Vec<Message>, Error> {
        let raw: Vec<Raw> = self.list(&format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup({resource}), \
             Names = [content_type, content_encoding, headers, delivery_mode, priority, correlation_id, reply_to, \
                      expiration, message_id, timestamp, type, user_id, app_id, cluster_id], \
             Take = fun Take(_, 0, Taken) -> Taken; Take(State, Left, Taken) -> \
               case rabbit_amqqueue:basic_get(Q, true, self(), <<\"take\">>, State) of \
                 {{ok, _, {{_, _, _, Again, M}}, Next}} -> \
                   C = rabbit_binary_parser:ensure_content_decoded(element(4, M)), \
                   Set = [P || {{_, V}} = P <- lists:zip(Names, tl(tuple_to_list(element(3, C)))), V =/= undefined], \
                   One = #{{exchange => element(4, element(2, M)), routing_key => hd(element(3, M)), \
                           body => base64:encode(iolist_to_binary(lists:reverse(element(6, C)))), \
                           headers => rabbit_misc:amqp_table(proplists:get_value(headers, Set, [])), \
                           properties => maps:from_list(proplists:delete(headers, Set)), redelivered => Again}}, \
                   Take(Next, Left - 1, [One | Taken]); \
                 {{empty, _}} -> Taken \
               end end, \
             rabbit_json:encode(lists:reverse(Take(rabbit_queue_type:init(), {MAX_TAKEN}, []))).",
            resource = self.resource(queue),
        ))?;
        raw.into_iter()
            .map(|raw| {
                let body = base64(&raw.body).ok_or_else(|| Error::answer("take", &raw.body))?;
                let Raw { exchange, routing_key, properties, headers, redelivered, .. } = raw;
                Ok(Message { exchange, routing_key, body, properties, headers, redelivered })
            })
            .collect()
    }
}

/// Decodes standard base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_decodes_every_length_of_tail() {
        for (text, bytes) in
            [("", &b""[..]), ("AA==", b"\0"), ("/+8=", b"\xff\xef"), ("Zm9v", b"foo"), ("Zm9vYg==", b"foob")]
        {
            assert_eq!(base64(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(base64("a b"), None);
    }
}
