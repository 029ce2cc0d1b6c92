//! How long the conversion of the corpus takes, by steps: `cargo run --release --example convert_corpus`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    clippy::disallowed_methods,
    reason = "a measuring tool"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use model::{Notification, json};
use nephoscope_definitions::{
    EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoints, SampleSettings,
};

#[path = "../tests/support/corpus.rs"]
mod corpus;

/// How many times each step runs; the best time counts, because other work on the machine only adds.
const ROUNDS: u32 = 80;
/// How often the corpus is converted in a round.
const REPEATS: u32 = 6;

fn best(notifications: usize, mut step: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPEATS {
            step();
        }
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6 / f64::from(REPEATS) / f64::from(u32::try_from(notifications).unwrap())
}

fn main() {
    let messages = corpus::messages();
    let texts: Vec<String> =
        messages.iter().map(|(message, _)| json::to_string(&message.clone().into())).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let notifications: Vec<Notification> =
        messages.iter().map(|(message, priority)| corpus::notification(message, *priority)).collect();
    let count = notifications.len();
    let meters = SampleEndpoints::new(MeterDefinitions::builtin());
    let events = EventDefinitions::builtin(&EventSettings::default());
    let settings = SampleSettings::default();

    let start = Instant::now();
    black_box((MeterDefinitions::builtin(), EventDefinitions::builtin(&EventSettings::default())));
    let load = start.elapsed();
    let parse = best(count, || {
        for text in &texts {
            black_box(json::parse(text).unwrap());
        }
    });
    let peer = best(count, || {
        for text in &texts {
            black_box(serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
    });
    let mut samples = Vec::new();
    let meter = best(count, || {
        samples.clear();
        for notification in &notifications {
            black_box(meters.convert(notification, &settings, &mut samples));
        }
    });
    let event = best(count, || {
        for notification in &notifications {
            black_box(events.convert(notification).ok());
        }
    });
    let converted: Vec<_> =
        notifications.iter().filter_map(|notification| events.convert(notification).ok()?).collect();
    let mut out = Vec::new();
    let plain = best(count, || {
        out.clear();
        for sample in &samples {
            sample.write_pytext(&mut out);
        }
        for event in &converted {
            event.write_pytext(&mut out);
        }
    });
    let dumped = best(count, || {
        out.clear();
        for sample in &samples {
            sample.write_json(&mut out);
        }
        for event in &converted {
            event.write_json(&mut out);
        }
    });
    println!(
        "{count} notifications of {} bytes on average give {} samples and {} events; microseconds each:",
        bytes / count,
        samples.len(),
        converted.len()
    );
    println!("  (definitions load in {load:.1?})");
    println!("  parse the message      {parse:6.2}");
    println!("  (serde_json's tree     {peer:6.2})");
    println!("  samples                {meter:6.2}");
    println!("  event                  {event:6.2}");
    println!("  print both, Python     {plain:6.2}");
    println!("  print both, JSON       {dumped:6.2}");
}
