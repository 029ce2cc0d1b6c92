//! Sends samples to a receiver of OTLP, and prints how fast.
//!
//! `send_otlp --url otlp+grpc://127.0.0.1:4317 [--samples 1000000] [--resources 2000] [--offer 1000]`
//!
//! The samples are those of a compute agent's polling: of each resource five counters and five gauges, minute after minute,
//! with ids of OpenStack's length. They are made before the clock starts; what is measured is what the publisher does with
//! them, an offer of some at a time, on one thread.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example program"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{MeterKind, Sample, Subject, Timestamp, Value};
use nephoscope_publishers::otlp::OtlpPublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use pipeline::{Publisher as _, PublisherUrl, Records, RecordsKind};

#[path = "../../oslo-messaging/examples/common/usage.rs"]
mod usage;
use usage::{Arguments, Usage};

/// Meters of an instance.
const METERS: [(&str, MeterKind, &str); 10] = [
    ("cpu", MeterKind::Cumulative, "ns"),
    ("disk.device.read.bytes", MeterKind::Cumulative, "B"),
    ("disk.device.write.bytes", MeterKind::Cumulative, "B"),
    ("network.incoming.bytes", MeterKind::Cumulative, "B"),
    ("network.outgoing.bytes", MeterKind::Cumulative, "B"),
    ("memory.usage", MeterKind::Gauge, "MB"),
    ("memory.resident", MeterKind::Gauge, "MB"),
    ("disk.device.usage", MeterKind::Gauge, "B"),
    ("disk.device.capacity", MeterKind::Gauge, "B"),
    ("power.state", MeterKind::Gauge, "state"),
];
/// Samples that are ready at a time; they are made while no clock runs.
const READY: u64 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&Arguments::read()))
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let url = PublisherUrl::new(&arguments.text("--url", "otlp+grpc://127.0.0.1:4317"));
    let samples = arguments.number("--samples", 1_000_000);
    let resources = arguments.number("--resources", 2_000).max(1);
    let offer = usize::try_from(arguments.number("--offer", 1_000))?.max(1);
    let (settings, witness) = (HttpSettings::default(), Witness::nobody());
    let mut publisher = OtlpPublisher::new(&url, RecordsKind::Samples, &settings, witness)?;
    let (mut sent, mut elapsed) = (0, Duration::ZERO);
    let mut used = Duration::ZERO;
    while sent < samples {
        let count = READY.min(samples - sent);
        let ready: Vec<Arc<Sample>> =
            (sent..sent + count).map(|number| Arc::new(sample(number, resources))).collect();
        let offers: Vec<Arc<[Records]>> =
            ready.chunks(offer).map(|part| Arc::from([Records::Samples(part.to_vec())])).collect();
        drop(ready);
        let (began, usage) = (Instant::now(), Usage::now()?);
        for offer in &offers {
            let refusals = publisher.publish(Arc::clone(offer)).await?;
            if !refusals.is_empty() {
                return Err(format!("refused: {refusals:?}").into());
            }
        }
        elapsed += began.elapsed();
        used += usage.since()?;
        sent += count;
    }
    usage::print("send_otlp", sent, 0, elapsed, used)?;
    Ok(())
}

/// The `number`th sample: meter by meter, resource by resource, minute by minute.
fn sample(number: u64, resources: u64) -> Sample {
    let meters = METERS.len() as u64;
    let (resource, minute) = (number / meters % resources, number / meters / resources);
    let (name, kind, unit) = METERS[usize::try_from(number % meters).unwrap_or(0)];
    let start = 1_784_642_172_123_456_i64;
    let time = start.saturating_add_unsigned(minute * 60_000_000 + resource);
    let volume = match kind {
        MeterKind::Cumulative => {
            Value::Int(i64::try_from(minute * 1_000_003 + resource * 7).unwrap_or(i64::MAX))
        }
        #[expect(clippy::cast_precision_loss, reason = "some value")]
        _ => Value::Float((number % 4_096) as f64 / 8.0),
    };
    let id = |of: u64| format!("{of:08x}-6f2f-4a3e-8d0c-{:012x}", of * 7_919);
    Sample {
        name: name.into(),
        kind,
        unit: unit.into(),
        volume,
        subject: Subject {
            user_id: format!("{:032x}", resource % 50).into(),
            project_id: format!("{:032x}", resource % 20).into(),
            resource_metadata: Value::Null.into(),
            ..Subject::new(id(resource))
        }
        .into(),
        timestamp: Timestamp::from_microseconds(time).map(Timestamp::to_iso).unwrap_or_default().into(),
        source: "openstack".into(),
        id: id(number).into(),
        monotonic_time: None,
    }
}
