//! A fast producer of notifications with publisher confirms, and notifications that a [`Judge`] can judge.
//!
//! [`Judge`]: crate::Judge

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::oracle::{Id, Oracle};
use crate::paths::service_script;
use crate::wait::wait_until;
use crate::{Error, venv_python};

/// A process that publishes through outages of the broker (`scripts/services/producer.py`). What the broker
/// confirms becomes an obligation of the oracle at once. Dropped, it ends.
///
/// A message that no queue is bound for is not confirmed: declare exchange, queue and binding first.
#[derive(Debug)]
pub struct Producer {
    oracle: Arc<Oracle>,
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    seen: Arc<Mutex<Seen>>,
}

/// What the producer has told.
#[derive(Debug, Default)]
struct Seen {
    published: u64,
    confirmed: u64,
    unroutable: u64,
    connections: u64,
    last_loss: Option<String>,
}

impl Producer {
    /// Starts a producer on an `amqp://` URL; it connects, and connects again, by itself.
    pub fn start(url: &str, oracle: &Arc<Oracle>) -> Result<Self, Error> {
        let mut child = Command::new(venv_python()?)
            .args(["-B", "-P"])
            .arg(service_script("producer.py"))
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Error::io("cannot start the producer", error))?;
        let stdin = Mutex::new(child.stdin.take());
        let seen = Arc::new(Mutex::new(Seen::default()));
        if let Some(stdout) = child.stdout.take() {
            let (seen, oracle) = (Arc::clone(&seen), Arc::clone(oracle));
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(line) = line else { return };
                    take_note(&line, &mut lock(&seen), &oracle);
                }
            });
        }
        Ok(Self { oracle: Arc::clone(oracle), child, stdin, seen })
    }

    /// Issues an id, publishes a [`notification`] for it, and returns the id. Waits while the producer is far
    /// behind (its window is 1 000 unconfirmed messages), for ever if the broker never comes back.
    pub fn notify(&self, exchange: &str, routing_key: &str) -> Result<Id, Error> {
        let id = self.oracle.issue();
        self.publish(id, exchange, routing_key, &notification(id))?;
        Ok(id)
    }

    /// Publishes a message of the caller's own under an id that the oracle has issued.
    pub fn publish(&self, id: Id, exchange: &str, routing_key: &str, body: &str) -> Result<(), Error> {
        let item = json!({
            "id": id.to_string(), "exchange": exchange, "routing_key": routing_key, "body": body,
        });
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = stdin.as_mut() {
            // One write for the whole line: a killed test must not leave half of one to be read.
            stdin
                .write_all(format!("{item}\n").as_bytes())
                .map_err(|error| Error::io("producer: publish", error))?;
        }
        drop(stdin);
        self.seen().published += 1;
        Ok(())
    }

    /// Waits until the broker has confirmed everything that was published.
    pub fn flush(&self, limit: Duration) -> Result<(), Error> {
        let done = || {
            let seen = self.seen();
            seen.confirmed + seen.unroutable >= seen.published
        };
        wait_until("confirmation of everything published", limit, || done().then_some(()))
            .map_err(|late| Error::refused("producer", format!("{late}; {:?}", *self.seen())))?;
        match self.seen().unroutable {
            0 => Ok(()),
            count => Err(Error::refused("producer", format!("{count} messages had no queue"))),
        }
    }

    /// Connections made so far.
    pub fn connections(&self) -> u64 {
        self.seen().connections
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_note(line: &str, seen: &mut Seen, oracle: &Oracle) {
    match line.split_once(' ') {
        Some(("confirmed", ids)) => {
            for id in ids.split(' ').filter_map(|id| id.parse().ok()) {
                oracle.confirm(id);
                seen.confirmed += 1;
            }
        }
        Some(("unroutable", _)) => seen.unroutable += 1,
        Some(("lost", reason)) => seen.last_loss = Some(reason.to_owned()),
        _ => seen.connections += u64::from(line == "connected"),
    }
}

/// The body of a notification as Glance sends it when an image has been uploaded, in oslo's envelope.
///
/// The built-in definitions make of it one event `image.upload`, whose `message_id` is the id and whose trait
/// `name` is the id's [payload](Oracle::payload); and one sample `image.size`, whose resource is the id, whose
/// volume is the id's number and whose metadata has the payload as `name`.
pub fn notification(id: Id) -> String {
    notification_with(id, &json!({}))
}

/// A [`notification`] whose body has at least this size.
pub fn notification_of(id: Id, size_bytes: usize) -> String {
    let padding = size_bytes.saturating_sub(notification(id).len());
    notification_with(id, &json!({ "padding": "x".repeat(padding) }))
}

fn notification_with(id: Id, properties: &serde_json::Value) -> String {
    let (id_text, seconds) = (id.to_string(), id.number() % 60);
    let timestamp = format!("2026-11-24 12:00:{seconds:02}.{:06}", id.number() % 1_000_000);
    let message = json!({
        "message_id": id_text,
        "publisher_id": "image.localhost",
        "event_type": "image.upload",
        "priority": "INFO",
        "payload": {
            "id": id_text,
            "name": Oracle::payload(id),
            "status": "active",
            "created_at": "2026-11-24T12:00:00.000000",
            "updated_at": "2026-11-24T12:00:00.000000",
            "min_disk": 0,
            "min_ram": 0,
            "protected": false,
            "checksum": "d41d8cd98f00b204e9800998ecf8427e",
            "owner": "7da03451835c41f28aa29786cab67881",
            "disk_format": "raw",
            "container_format": "bare",
            "size": id.number(),
            "is_public": false,
            "visibility": "shared",
            "properties": properties,
            "tags": [],
            "deleted": false,
            "deleted_at": null,
            "virtual_size": null,
            "receiver_user_id": null,
        },
        "timestamp": timestamp,
        "_unique_id": id_text.replace('-', ""),
        "_context_request_id": format!("req-{id_text}"),
        "_context_user_id": "ca3db6a53a8e40468d465a81f4e86b28",
        "_context_project_id": "7da03451835c41f28aa29786cab67881",
        "_context_roles": ["admin", "member", "reader"],
    });
    json!({ "oslo.version": "2.0", "oslo.message": message.to_string() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_notification_has_the_size_and_reads_back() {
        let oracle = Oracle::new();
        let id = oracle.issue();
        let body = notification_of(id, 100_000);
        assert!((100_000..100_100).contains(&body.len()), "{}", body.len());
        let envelope: serde_json::Value = serde_json::from_str(&body).unwrap();
        let inner: serde_json::Value =
            serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["payload"]["name"], Oracle::payload(id));
        assert_eq!(inner["message_id"], id.to_string());
    }

    #[test]
    fn only_what_the_broker_confirms_becomes_an_obligation() {
        let oracle = Oracle::new();
        let (one, other) = (oracle.issue(), oracle.issue());
        let mut seen = Seen::default();
        for line in [
            "connected".to_owned(),
            format!("unroutable {one}"),
            "lost OSError()".to_owned(),
            "connected".to_owned(),
            format!("confirmed {other} nonsense"),
        ] {
            take_note(&line, &mut seen, &oracle);
        }
        assert_eq!((seen.connections, seen.unroutable, seen.confirmed, oracle.confirmed()), (2, 1, 1, 1));
    }
}
