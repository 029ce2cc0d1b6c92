//! Notifications as services send them over oslo.messaging.

use crate::pytext::to_str;
use crate::{Map, Value};

/// The priority that a notification was sent with; also the last part of its routing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// `audit`
    Audit,
    /// `debug`
    Debug,
    /// `info`, what nearly all notifications have
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
    /// `critical`
    Critical,
    /// `sample`, used by the polling agents
    Sample,
}

impl Priority {
    /// All seven.
    pub const ALL: [Self; 7] =
        [Self::Audit, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical, Self::Sample];

    /// The lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Sample => "sample",
        }
    }

    /// The priority of that name in any case; messages carry it in upper case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str().eq_ignore_ascii_case(name))
    }
}

/// The parts of a notification; a part that the message lacks is [`Value::Null`].
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The request context (the `_context_*` keys without their prefix).
    pub ctxt: Value,
    /// Which service on which host sent it, such as `compute.node1`.
    pub publisher_id: Value,
    /// What happened, such as `compute.instance.create.end`.
    pub event_type: Value,
    /// What it happened to.
    pub payload: Value,
    /// A unique id of the message.
    pub message_id: Value,
    /// When it was sent, such as `2026-07-21 13:56:12.123456` in UTC.
    pub timestamp: Value,
}

/// One notification: the map that definitions look into, and the priority.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    root: Value,
    priority: Priority,
}

const EVENT_TYPE: &str = "event_type";
const PUBLISHER_ID: &str = "publisher_id";
const PAYLOAD: &str = "payload";
const METADATA: &str = "metadata";
const MESSAGE_ID: &str = "message_id";
const TIMESTAMP: &str = "timestamp";

/// Stands in for keys that a root map lacks; [`Notification::from_parts`] sets them all.
static NULL: Value = Value::Null;

impl Notification {
    /// Builds the root map `{ctxt, publisher_id, event_type, payload, metadata: {message_id, timestamp}}`.
    #[must_use]
    pub fn from_parts(parts: Parts, priority: Priority) -> Self {
        let metadata =
            Map::from_pairs(vec![(MESSAGE_ID.into(), parts.message_id), (TIMESTAMP.into(), parts.timestamp)]);
        let root = Map::from_pairs(vec![
            ("ctxt".into(), parts.ctxt),
            (PUBLISHER_ID.into(), parts.publisher_id),
            (EVENT_TYPE.into(), parts.event_type),
            (PAYLOAD.into(), parts.payload),
            (METADATA.into(), Value::Map(metadata)),
        ]);
        Self { root: Value::Map(root), priority }
    }

    /// The map that JSONPaths start from (`$`).
    #[must_use]
    pub const fn root(&self) -> &Value {
        &self.root
    }

    /// Gives the root map away.
    #[must_use]
    pub fn into_root(self) -> Value {
        self.root
    }

    /// The priority.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    fn part(&self, key: &str) -> &Value {
        self.root.get(key).unwrap_or(&NULL)
    }

    /// What happened; `None` when the message has no text there.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.part(EVENT_TYPE).as_str()
    }

    /// Who sent it.
    #[must_use]
    pub fn publisher_id(&self) -> &Value {
        self.part(PUBLISHER_ID)
    }

    /// What it happened to.
    #[must_use]
    pub fn payload(&self) -> &Value {
        self.part(PAYLOAD)
    }

    /// The id of the message.
    #[must_use]
    pub fn message_id(&self) -> &Value {
        self.part(METADATA).get(MESSAGE_ID).unwrap_or(&NULL)
    }

    /// The id of the message as a text (Python's `str()` of it).
    #[must_use]
    pub fn message_id_text(&self) -> String {
        to_str(self.message_id())
    }

    /// When it was sent.
    #[must_use]
    pub fn timestamp(&self) -> &Value {
        self.part(METADATA).get(TIMESTAMP).unwrap_or(&NULL)
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.root.approximate_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_the_order_that_stored_raw_events_show() {
        let parts = Parts {
            event_type: "image.upload".into(),
            message_id: "m1".into(),
            timestamp: "2026-07-21 13:56:12".into(),
            ..Parts::default()
        };
        let notification = Notification::from_parts(parts, Priority::Info);
        assert_eq!(
            crate::json::to_string(notification.root()),
            r#"{"ctxt": null, "publisher_id": null, "event_type": "image.upload", "payload": null, "metadata": {"message_id": "m1", "timestamp": "2026-07-21 13:56:12"}}"#
        );
        assert_eq!(notification.event_type(), Some("image.upload"));
        assert_eq!(notification.message_id_text(), "m1");
        assert_eq!(Priority::from_name("ERROR"), Some(Priority::Error));
        assert_eq!(Priority::from_name("loud"), None);
    }
}
