//! Fills a durable queue with recorded notifications, each with fresh ids: the backlog of `make bench`.
//!
//! usage: publish_corpus URL QUEUE COUNT CORPUS.jsonl
//!
//! Declares the queue, publishes COUNT messages through the default exchange with confirms (a window of 500), and
//! prints how many the broker confirmed and their mean size in bytes.
#![expect(clippy::print_stdout, reason = "a command line program of its own")]

use std::collections::VecDeque;
use std::error::Error;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

/// Publishes that wait for their confirm at most.
const WINDOW: usize = 500;

/// A recorded body, and the ids in it that must not repeat.
struct Recorded {
    body: String,
    ids: Vec<String>,
}

fn read_corpus(path: &str) -> Result<Vec<Recorded>, Box<dyn Error>> {
    let mut recorded = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let entry: serde_json::Value = serde_json::from_str(line)?;
        let body = entry["body"].as_str().ok_or("an entry has no body")?.to_owned();
        let outer: serde_json::Value = serde_json::from_str(&body)?;
        let inner: serde_json::Value = match outer["oslo.message"].as_str() {
            Some(text) => serde_json::from_str(text)?,
            None => outer,
        };
        let ids = ["message_id", "_unique_id"]
            .iter()
            .filter_map(|key| inner[key].as_str())
            .map(str::to_owned)
            .collect();
        recorded.push(Recorded { body, ids });
    }
    Ok(recorded)
}

fn fresh(recorded: &Recorded) -> String {
    let mut body = recorded.body.clone();
    for id in &recorded.ids {
        let fresh = uuid::Uuid::new_v4();
        let fresh =
            if id.contains('-') { fresh.hyphenated().to_string() } else { fresh.simple().to_string() };
        body = body.replace(id.as_str(), &fresh);
    }
    body
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, queue, count, corpus] = arguments.as_slice() else {
        return Err("usage: publish_corpus URL QUEUE COUNT CORPUS.jsonl".into());
    };
    let count: usize = count.parse()?;
    let corpus = read_corpus(corpus)?;
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(2)
        .with_priority(0);
    let (mut waiting, mut confirmed, mut bytes) = (VecDeque::new(), 0_usize, 0_usize);
    for recorded in corpus.iter().cycle().take(count) {
        let body = fresh(recorded);
        bytes += body.len();
        let publish = channel.basic_publish(
            "".into(),
            queue.as_str().into(),
            BasicPublishOptions::default(),
            body.as_bytes(),
            properties.clone(),
        );
        waiting.push_back(publish.await?);
        if waiting.len() >= WINDOW
            && let Some(confirm) = waiting.pop_front()
        {
            confirmed += usize::from(confirm.await?.is_ack());
        }
    }
    for confirm in waiting {
        confirmed += usize::from(confirm.await?.is_ack());
    }
    println!("published {confirmed} of {count}, mean size {} bytes", bytes / count.max(1));
    connection.close(0, "done".into()).await?;
    Ok(())
}
