//! The yardstick: the least that a lapin consumer can do. Takes messages of one queue and acknowledges every 100th with
//! all before it.
//!
//! `ack_only --url amqp://guest:guest@127.0.0.1:5672/%2f [--queue notifications.info] [--prefetch 1000]
//! [--messages 200000] [--seconds 60]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example program"
)]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

#[path = "common/usage.rs"]
mod usage;
use usage::{Arguments, Usage};

const ACK_EVERY: u64 = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Arguments::read()))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let url = arguments.text("--url", "amqp://guest:guest@127.0.0.1:5672/%2f");
    let messages = arguments.number("--messages", 0);
    let ack_every = arguments.number("--ack-every", ACK_EVERY);
    let prefetch = u16::try_from(arguments.number("--prefetch", 1000))?;
    let limit = Duration::from_secs(arguments.number("--seconds", 600));
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let queue = arguments.text("--queue", "notifications.info");
    let mut consumer = channel
        .basic_consume(queue.into(), "ack_only".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;

    let (mut count, mut bytes, mut began) = (0_u64, 0_u64, Instant::now());
    let mut usage = Usage::now()?;
    let deadline = tokio::time::Instant::now() + limit;
    while messages == 0 || count < messages {
        let Ok(Some(delivery)) = tokio::time::timeout_at(deadline, consumer.next()).await else { break };
        let delivery = delivery?;
        if count == 0 {
            began = Instant::now();
            usage = Usage::now()?;
        }
        count += 1;
        bytes += delivery.data.len() as u64;
        if count.is_multiple_of(ack_every) || count == messages {
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
    }
    usage.print("ack_only", count, bytes, began.elapsed())?;
    connection.close(200, "bye".into()).await?;
    Ok(())
}
