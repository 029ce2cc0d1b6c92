//! Publishes notifications to a broker as fast as the producer can: `flood AMQP-URL COUNT`. Prints the rate.
//! The exchange `glance` and a queue for `notifications.info` must be there.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::{Error, Oracle, Producer};

/// Longest flood.
const LIMIT: Duration = Duration::from_hours(1);

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(count)) =
        (arguments.next(), arguments.next().and_then(|count| count.parse::<u32>().ok()))
    else {
        println!("usage: flood AMQP-URL COUNT");
        return Ok(());
    };
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&url, &oracle)?;
    let start = Instant::now();
    for _ in 0..count {
        producer.notify("glance", "notifications.info")?;
    }
    producer.flush(LIMIT)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} confirmed in {seconds:.1} s: {:.0} a second", f64::from(count) / seconds);
    Ok(())
}
