//! Sends samples of a compute host to a remote write receiver, and says what that took; `scripts/bench` runs it.
//!
//! `remote_write --place 127.0.0.1:9090 [--samples 200000] [--series 5000] [--group 50]`
//!
//! The samples are made beforehand: what is measured is what the publisher adds. They have the metadata that the compute
//! agent gives, come in groups as batches of notifications give them, and a thousand records wait for each call.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example program")]

use std::sync::Arc;
use std::time::Instant;

use model::{Metadata, MeterKind, Sample, Subject, Timestamp, Value, json};
use nephoscope_publishers::remote_write::RemoteWritePublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use observability::clock::Clock;
use pipeline::{Publisher, PublisherUrl, Records, RecordsKind};

#[path = "../../oslo-messaging/examples/common/usage.rs"]
mod usage;
use usage::{Arguments, Usage};

/// Records in one call of the publisher.
const CALL_RECORDS: usize = 1000;
/// Meters of an instance.
const METERS: [(&str, MeterKind, &str); 10] = [
    ("cpu", MeterKind::Cumulative, "ns"),
    ("memory.usage", MeterKind::Gauge, "MB"),
    ("disk.root.size", MeterKind::Gauge, "GB"),
    ("power.state", MeterKind::Gauge, ""),
    ("disk.device.read.bytes", MeterKind::Cumulative, "B"),
    ("disk.device.write.bytes", MeterKind::Cumulative, "B"),
    ("disk.device.read.latency", MeterKind::Cumulative, "ns"),
    ("network.incoming.bytes", MeterKind::Cumulative, "B"),
    ("network.outgoing.bytes", MeterKind::Cumulative, "B"),
    ("network.incoming.packets", MeterKind::Cumulative, "packet"),
];
const METADATA: &str = r#"{"display_name": "myvm", "name": "instance-00000001", "instance_type": "m1.small",
 "host": "899efe77eb027bac7d5378ccac5b373aae0a4d92588b81a314b6d89e", "instance_host": "node1",
 "flavor": {"id": "3f5d2a34-9a1b-4f44-8d5e-1b5d7a0c1e11", "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10},
 "status": "active", "state": "running", "task_state": "", "architecture": "x86_64", "vcpus": 2, "memory_mb": 512}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(&Arguments::read()))
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let place = arguments.text("--place", "127.0.0.1:9090");
    let samples = usize::try_from(arguments.number("--samples", 200_000))?;
    let series = usize::try_from(arguments.number("--series", 5_000))?.max(1);
    let group = usize::try_from(arguments.number("--group", 50))?.clamp(1, CALL_RECORDS);
    let calls = calls(samples, series, group)?;
    let url = PublisherUrl::new(&format!("prometheus+remotewrite://{place}"));
    let (settings, witness) = (HttpSettings::default(), Witness::nobody());
    let mut publisher = RemoteWritePublisher::new(&url, RecordsKind::Samples, &settings, witness)?;
    let (began, usage) = (Instant::now(), Usage::now()?);
    for call in calls {
        let refusals = publisher.publish(call).await?;
        if let Some(refusal) = refusals.iter().next() {
            return Err(format!("{} samples were refused: {}", refusals.len(), refusal.reason).into());
        }
    }
    usage.print("remote_write", samples as u64, 0, began.elapsed())?;
    Ok(())
}

/// Every series once a second, until now.
fn calls(
    samples: usize,
    series: usize,
    group: usize,
) -> Result<Vec<Arc<[Records]>>, Box<dyn std::error::Error>> {
    let metadata = Metadata::from(json::parse(METADATA)?);
    let seconds = i64::try_from(samples.div_ceil(series))?;
    let begin = Clock::machine().now().as_second() - seconds;
    let made = |number: usize| -> Option<Arc<Sample>> {
        let (second, of) = (i64::try_from(number / series).ok()?, number % series);
        let (instance, (name, kind, unit)) = (of / METERS.len(), METERS.get(of % METERS.len())?);
        let time = Timestamp::from_microseconds((begin + second) * 1_000_000 + 123_456)?;
        Some(Arc::new(Sample {
            name: (*name).into(),
            kind: *kind,
            unit: (*unit).into(),
            volume: Value::Int(i64::try_from(number).ok()? * 7919),
            subject: Subject {
                user_id: "1d8a7c1e0b5f4f8b9a3c2d1e0f9a8b7c".into(),
                project_id: "9f8e7d6c5b4a39281706f5e4d3c2b1a0".into(),
                resource_metadata: metadata.clone(),
                ..Subject::new(format!("7b1e4a52-5b0e-4a62-9d1c-{instance:012}"))
            }
            .into(),
            timestamp: time.to_iso().into(),
            source: "openstack".into(),
            id: format!("5a2d0f3c-1b7e-11f1-8c3a-{number:012}").into(),
            monotonic_time: None,
        }))
    };
    let all: Vec<Arc<Sample>> = (0..samples).filter_map(made).collect();
    let call =
        |call: &[Arc<Sample>]| call.chunks(group).map(|group| Records::Samples(group.to_vec())).collect();
    Ok(all.chunks(CALL_RECORDS).map(call).collect())
}
