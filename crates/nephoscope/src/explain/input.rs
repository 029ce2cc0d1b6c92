//! The messages of a file: in the forms in which operators and services have them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use model::{Notification, Parts, Priority, Value, json};
use oslo_messaging::Delivery;

/// How many bytes are read.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// How many messages are explained at a time.
const MAX_MESSAGES: usize = 100_000;

/// A message to be explained.
#[derive(Debug)]
pub(super) enum Message {
    /// As it comes from the bus.
    Delivery(Delivery),
    /// A notification as Ceilometer's pipelines see it, with the name of its priority.
    Bare(Box<Parts>, String),
}

impl Message {
    /// The notification that a bare one is, or the name of its unknown priority.
    pub(super) fn bare(parts: Parts, priority: &str) -> Result<Notification, String> {
        match Priority::from_name(priority) {
            Some(priority) => Ok(Notification::from_parts(parts, priority)),
            None => Err(priority.chars().take(32).collect()),
        }
    }
}

/// Reads the file, or standard input for `-`, and takes it apart.
pub(super) fn read(file: &Path, priority: &str) -> anyhow::Result<Vec<Message>> {
    let name = file.display();
    let mut bytes = Vec::new();
    let mut take = |input: &mut dyn Read| input.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes);
    if file == Path::new("-") {
        take(&mut std::io::stdin().lock()).context("cannot read standard input")?;
    } else {
        let opened = File::open(file).and_then(|mut file| take(&mut file));
        opened.with_context(|| format!("cannot read {name}"))?;
    }
    let limit = usize::try_from(MAX_INPUT_BYTES).unwrap_or(usize::MAX);
    anyhow::ensure!(bytes.len() <= limit, "{name} has more than {MAX_INPUT_BYTES} bytes");
    anyhow::ensure!(!bytes.trim_ascii().is_empty(), "{name} is empty: give it a notification as JSON");
    let messages = split(&bytes, priority).with_context(|| format!("{name} cannot be explained"))?;
    let count = messages.len();
    anyhow::ensure!(
        count <= MAX_MESSAGES,
        "{name} has {count} messages, at most {MAX_MESSAGES} are explained"
    );
    Ok(messages)
}

/// One JSON document, a list of them, or one a line. What is no JSON is a message that the agent cannot read.
fn split(bytes: &[u8], priority: &str) -> anyhow::Result<Vec<Message>> {
    match json::parse(bytes) {
        Ok(Value::List(items)) => {
            let texts = items.into_iter().map(|item| (json::to_string(&item), item));
            texts.map(|(text, item)| message(text.into_bytes(), &item, priority)).collect()
        }
        Ok(document) => Ok(vec![message(bytes.trim_ascii().to_vec(), &document, priority)?]),
        Err(_) => {
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
            let parsed: Vec<_> = lines.iter().map(|line| json::parse(line).ok()).collect();
            if parsed.iter().all(Option::is_none) {
                return Ok(vec![raw(bytes.to_vec())]);
            }
            let lines = lines.into_iter().zip(parsed);
            lines
                .map(|(line, parsed)| match parsed {
                    Some(document) => message(line.to_vec(), &document, priority),
                    None => Ok(raw(line.to_vec())),
                })
                .collect()
        }
    }
}

fn raw(body: Vec<u8>) -> Message {
    Message::Delivery(Delivery { body, ..Delivery::default() })
}

/// A document in one of the forms; `text` is what it was parsed from.
fn message(text: Vec<u8>, document: &Value, priority: &str) -> anyhow::Result<Message> {
    let string = |key: &str| document.get(key).and_then(Value::as_str);
    let has = |key: &str| document.get(key).is_some();
    // A line of a recording: the body with what was around it.
    if let Some(body) = string("body").filter(|_| has("routing_key") || has("exchange") || has("properties"))
    {
        let headers = document.get("headers");
        return Ok(delivery(document, body, headers));
    }
    // What RabbitMQ's management plugin, rabbitmqadmin and its HTTP interface give.
    if let (Some(payload), Some(encoding)) = (string("payload"), string("payload_encoding")) {
        anyhow::ensure!(
            encoding == "string",
            "a message has its payload in {encoding}; decode it first, or get it with the encoding \"auto\""
        );
        let headers = document.get("properties").and_then(|properties| properties.get("headers"));
        return Ok(delivery(document, payload, headers));
    }
    let is_bare = !has("message_id") && (has("ctxt") || document.get("metadata").is_some_and(is_map));
    if !is_bare {
        return Ok(raw(text));
    }
    let name = string("priority").unwrap_or(priority).to_owned();
    let part = |key: &str| document.get(key).cloned().unwrap_or_default();
    let metadata = part("metadata");
    let parts = Parts {
        ctxt: part("ctxt"),
        publisher_id: part("publisher_id"),
        event_type: part("event_type"),
        payload: part("payload"),
        message_id: metadata.get("message_id").cloned().unwrap_or_default(),
        timestamp: metadata.get("timestamp").cloned().unwrap_or_default(),
    };
    Ok(Message::Bare(Box::new(parts), name))
}

fn is_map(value: &Value) -> bool {
    value.as_map().is_some()
}

fn delivery(document: &Value, body: &str, headers: Option<&Value>) -> Message {
    let string = |value: Option<&Value>, key: &str| {
        value.and_then(|value| value.get(key)).and_then(Value::as_str).map(str::to_owned)
    };
    let properties = document.get("properties");
    Message::Delivery(Delivery {
        routing_key: string(Some(document), "routing_key").unwrap_or_default(),
        exchange: string(Some(document), "exchange").unwrap_or_default(),
        redelivered: matches!(document.get("redelivered"), Some(Value::Bool(true))),
        content_type: string(properties, "content_type"),
        content_encoding: string(properties, "content_encoding"),
        compression: string(headers, "compression"),
        body: body.as_bytes().to_vec(),
        ..Delivery::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> String {
        let form = |message: Message| match message {
            Message::Delivery(delivery) => {
                format!("{}{}", delivery.exchange, String::from_utf8(delivery.body).unwrap())
            }
            Message::Bare(parts, priority) => format!("bare {priority} {:?}", parts.event_type),
        };
        let messages = split(text.as_bytes(), "info").unwrap();
        messages.into_iter().map(form).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn every_form_is_told_apart() {
        for (text, expected) in [
            (r#" {"event_type": "a", "message_id": "m"} "#, r#"{"event_type": "a", "message_id": "m"}"#),
            (r#"{"exchange": "nova/", "body": "{}"}"#, "nova/{}"),
            (r#"{"exchange": "nova/", "payload": "{}", "payload_encoding": "string"}"#, "nova/{}"),
            (r#"{"event_type": "a", "ctxt": {}}"#, r#"bare info "a""#),
            (r#"{"event_type": "a", "metadata": {}, "priority": "LOUD"}"#, r#"bare LOUD "a""#),
            (r#"{"metadata": {}, "message_id": 1}"#, r#"{"metadata": {}, "message_id": 1}"#),
            ("[{\"a\":1},\n 5]", r#"{"a": 1} | 5"#),
            ("{\"a\":1}\n\n{\"b\": NaN}\nx\n", r#"{"a":1} | {"b": NaN} | x"#),
            ("{\n \"a\": 1\n}", "{\n \"a\": 1\n}"),
            ("{\n \"a\": }", "{\n \"a\": }"),
        ] {
            assert_eq!(forms(text), expected);
        }
        let base64 = r#"{"payload": "e30=", "payload_encoding": "base64"}"#;
        assert!(split(base64.as_bytes(), "info").unwrap_err().to_string().contains("base64"));
    }
}
