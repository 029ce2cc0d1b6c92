//! Consumes notifications, accepts them unread, and prints how fast: the yardstick is `ack_only`.
//!
//! `listen --url rabbit://guest:guest@127.0.0.1:5672/ [--prefetch 1000] [--messages 200000] [--exchange openstack]
//! [--topics notifications] [--batch 100] [--hold-ms 0] [--seconds 60]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example program"
)]

use std::time::{Duration, Instant};

use nephoscope_oslo_messaging::{AmqpMetrics, Listener, ListenerConfig};

#[path = "common/usage.rs"]
mod usage;
use usage::{Arguments, Usage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Arguments::read()))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let url = arguments.text("--url", "rabbit://guest:guest@127.0.0.1:5672/").parse()?;
    let messages = arguments.number("--messages", 0);
    let hold = Duration::from_millis(arguments.number("--hold-ms", 0));
    let limit = Duration::from_secs(arguments.number("--seconds", 600));
    let mut config = ListenerConfig::new("listen", url);
    config.exchanges = arguments.list("--exchange", "openstack");
    config.topics = arguments.list("--topics", "notifications");
    config.options.rabbit_qos_prefetch_count = u16::try_from(arguments.number("--prefetch", 1000))?;
    config.options.amqp_durable_queues = arguments.text("--durable", "true") == "true";
    config.batch_size = usize::try_from(arguments.number("--batch", 100))?;
    config.budget_bytes = arguments.number("--budget", config.budget_bytes);
    let metrics = AmqpMetrics::default();
    let (listener, mut batches) = Listener::start(config, &metrics)?;

    let (mut count, mut bytes, mut began) = (0_u64, 0_u64, Instant::now());
    let mut usage = Usage::now()?;
    let deadline = tokio::time::Instant::now() + limit;
    while messages == 0 || count < messages {
        let Ok(Some(batch)) = tokio::time::timeout_at(deadline, batches.recv()).await else { break };
        if count == 0 {
            // The clock starts with the first message, as in the yardstick.
            began = Instant::now();
            usage = Usage::now()?;
        }
        count += batch.messages.len() as u64;
        bytes += batch.bytes;
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        batch.receipt.accept();
    }
    usage.print("listen", count, bytes, began.elapsed())?;
    listener.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
