//! Notifications whose measures can be foretold: points of images, each an aggregate of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Oracle, Producer, wait_until};

use crate::harness::{EXCHANGE, ROUTING_KEY};

/// Images of which every message has one: each has a metric.
pub(crate) const IMAGES: usize = 20;
/// Each point is an aggregate of its own.
const POINT_SECONDS: i64 = 300;
/// 2026-07-01.
const FIRST_SECONDS: i64 = 1_782_864_000;
pub(crate) const LONG: Duration = Duration::from_mins(5);

pub(crate) fn image(number: usize) -> String {
    format!("6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f{number:04x}")
}

/// The time of a point, in UTC.
pub(crate) fn time(point: usize) -> String {
    let seconds = FIRST_SECONDS + i64::try_from(point).unwrap() * POINT_SECONDS;
    model::Timestamp::from_microseconds(seconds * 1_000_000).unwrap().to_iso()
}

pub(crate) fn value(image: usize, point: usize) -> usize {
    image * 1_000_000 + point
}

/// The notification from which the measure of a point comes.
pub(crate) fn notification(id: &str, number: usize, point: usize) -> String {
    let payload = json!({
        "id": image(number), "name": "cirros", "size": value(number, point), "owner": "p", "disk_format": "raw",
        "container_format": "bare",
    });
    let message = json!({
        "message_id": id, "publisher_id": "image.host", "event_type": "image.upload", "priority": "INFO",
        "payload": payload, "timestamp": time(point).replace('T', " "),
    });
    json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string()
}

/// Publishes points of all images, one after the other, until it is told to stop.
pub(crate) struct Source<'s> {
    oracle: &'s Oracle,
    producer: &'s Producer,
    pub(crate) points: AtomicUsize,
    pub(crate) stop: AtomicBool,
}

impl<'s> Source<'s> {
    pub(crate) fn new(oracle: &'s Oracle, producer: &'s Producer) -> Self {
        Self { oracle, producer, points: AtomicUsize::new(0), stop: AtomicBool::new(false) }
    }

    pub(crate) fn run(&self, pace: Duration) {
        while !self.stop.load(Ordering::Relaxed) {
            let point = self.points.fetch_add(1, Ordering::Relaxed);
            for number in 0..IMAGES {
                let id = self.oracle.issue();
                let body = notification(&id.to_string(), number, point);
                self.producer.publish(id, EXCHANGE, ROUTING_KEY, &body).unwrap();
            }
            std::thread::sleep(pace);
        }
    }

    /// Waits until there were so many points: on a busy machine they come slowly.
    pub(crate) fn wait_for(&self, points: usize) {
        wait_until("points", LONG, || (self.points.load(Ordering::Relaxed) > points).then_some(())).unwrap();
    }
}

/// Ends a source, also when a test panics: or its thread would be waited for, for ever.
pub(crate) struct StopOnDrop<'flag>(pub(crate) &'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is missing of an image's points in the measures of its metric, and what is too much.
pub(crate) fn missing_of(number: usize, points: usize, measures: &Value) -> Vec<String> {
    let seen = measures.as_array().into_iter().flatten().map(|measure| {
        let time: String = measure[0].as_str().unwrap().chars().take(19).collect();
        (time, measure[2].as_f64().unwrap())
    });
    let mut missing = Vec::new();
    let mut seen = seen.peekable();
    for point in 0..points {
        let expected = (time(point), f64::from(u32::try_from(value(number, point)).unwrap()));
        if seen.next_if(|measure| *measure == expected).is_none() {
            missing.push(format!("{expected:?} of image {number} (there: {:?})", seen.peek()));
        }
    }
    missing.extend(seen.map(|measure| format!("{measure:?} of image {number} was never sent")));
    missing
}
