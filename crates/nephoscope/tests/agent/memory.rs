//! What the whole agent holds of large notifications: as they came, converted, and on their way to publishers.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use testkit::{Vhost, shared_rabbitmq, wait_until};

use crate::harness::{Agent, EXCHANGE};

/// Notifications, of a megabyte each; [`MESSAGES_VARIABLE`] asks for more.
const MESSAGES: usize = 80;
const MESSAGES_VARIABLE: &str = "NEPHOSCOPE_MEMORY_MESSAGES";
/// As many fit into the buffers on disk (`buffer_disk_bytes`).
const ON_DISK_MAX: usize = 1000;
const MESSAGE_BYTES: usize = 1_000_000;
const RESIDENT_BYTES_MAX: u64 = 200 * 1000 * 1000;
/// Queues that they are spread over.
const QUEUES: [&str; 4] = ["info", "error", "sample", "audit"];
/// More than one message takes, however slow the machine and unoptimised the program.
const PER_MESSAGE: Duration = Duration::from_secs(2);

/// Nothing more is taken for so long: the agent is full.
const STANDSTILL: Duration = Duration::from_secs(3);

fn messages() -> usize {
    let count = std::env::var(MESSAGES_VARIABLE).map_or(MESSAGES, |text| text.parse().unwrap());
    count.next_multiple_of(QUEUES.len())
}

/// An image with a great many properties: a payload of thousands of small values, which take far more room than
/// their text. It gives a sample that keeps them as metadata and an event that keeps the whole notification.
fn notification() -> String {
    let mut properties = Map::new();
    let mut bytes = 0;
    while bytes < MESSAGE_BYTES {
        let number = properties.len();
        let name = format!("hw_property_{number:06}");
        let value = match number % 4 {
            0 => json!(number),
            1 => json!(format!("value-{number}")),
            2 => json!({"enabled": number % 8 == 2, "weight": number, "note": null}),
            _ => json!([number, "a", 1.5]),
        };
        bytes += name.len() + value.to_string().len() + 6;
        properties.insert(name, value);
    }
    let id = "9f2b7a55-0000-4000-8000-000000000001";
    let inner = json!({
        "message_id": id, "publisher_id": "image.localhost", "event_type": "image.upload", "priority": "INFO",
        "timestamp": "2026-11-24 12:00:00.000000",
        "payload": {
            "id": id, "name": "large", "status": "active", "size": 1, "owner": "7da03451835c41f28aa29786cab67881",
            "created_at": "2026-11-24T12:00:00.000000", "properties": Value::Object(properties),
        },
        "_context_request_id": "req-1", "_context_user_id": "u", "_context_project_id": "p",
    });
    json!({"oslo.version": "2.0", "oslo.message": inner.to_string()}).to_string()
}

/// Publishes from inside the broker: the quickest way to a backlog.
fn publish(vhost: &Vhost<'_>, body: &std::path::Path, count: usize) {
    let mut keys = String::new();
    for queue in QUEUES {
        let _ = write!(keys, "{}<<\"notifications.{queue}\">>", if keys.is_empty() { "" } else { ", " });
    }
    let answer = vhost.broker().eval(&format!(
        "{{ok, Body}} = file:read_file({:?}), X = rabbit_misc:r(<<\"{}\">>, exchange, <<\"{EXCHANGE}\">>), \
         [ok = rabbit_basic:publish(X, Key, [], Body) || _ <- lists:seq(1, {}), Key <- [{keys}]], ok.",
        body.display().to_string(),
        vhost.name(),
        count / QUEUES.len(),
    ));
    assert_eq!(answer.unwrap(), "ok");
}

#[test]
fn messages_of_a_megabyte_keep_the_whole_agent_under_two_hundred() {
    hold_and_deliver("memory", "buffer_disk_bytes = 0", false);
}

#[test]
fn nor_does_it_grow_by_writing_them_to_disk_and_reading_them_back() {
    hold_and_deliver("memory-disk", "buffer_spill_seconds = 1", true);
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]
fn hold_and_deliver(name: &str, setting: &str, on_disk: bool) {
    let vhost = shared_rabbitmq().vhost(name).unwrap();
    let mut agent =
        Agent::new(&vhost.transport_url()).with("event", "store_raw = info").with("nephoscope", setting);
    // Rotation keeps the disk out of it.
    for name in ["pipeline.yaml", "event_pipeline.yaml"] {
        let path = agent.path(name);
        let text =
            fs::read_to_string(&path).unwrap().replace("?json", "?json&max_bytes=20000000&backup_count=1");
        fs::write(&path, text).unwrap();
    }
    let (output, body) = (agent.path("out"), agent.path("body.json"));
    fs::write(&body, notification()).unwrap();
    // Nothing is accepted at first: everything that may be held is held.
    fs::remove_dir(&output).unwrap();
    agent.start();
    agent.wait_ready();
    let count = if on_disk { messages().min(ON_DISK_MAX) } else { messages() };
    publish(&vhost, &body, count);
    // Until reading waits for conversion, and conversion for the publishers.
    let (mut last, mut since) = (0.0, Instant::now());
    let limit = PER_MESSAGE * u32::try_from(count).unwrap() + Duration::from_mins(1);
    wait_until("the agent to be full", limit, || {
        let taken = agent.metric("nephoscope_notification_notifications_total")?;
        if (taken - last).abs() > f64::EPSILON {
            (last, since) = (taken, Instant::now());
        }
        (taken > 0.0 && since.elapsed() >= STANDSTILL).then_some(())
    })
    .unwrap();
    if on_disk {
        wait_until("everything on disk", limit, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    } else {
        let depth = vhost.total_depth().unwrap();
        assert_eq!(depth, count as u64, "something was acknowledged although nothing was accepted");
    }
    let full = agent.process().memory().unwrap();
    println!("full: {full:?} after {last} messages");
    fs::create_dir(&output).unwrap();
    wait_until("an empty queue", limit, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    let accepted = |agent: &mut Agent, kind: &str| {
        agent.metric(&format!(
            "nephoscope_pipeline_records_accepted_total{{publisher=\"file://{}/{kind}\",kind=\"{kind}\"}}",
            output.display()
        ))
    };
    let all = Some(f64::from(u32::try_from(count).unwrap()));
    for kind in ["samples", "events"] {
        wait_until(kind, limit, || (accepted(&mut agent, kind) == all).then_some(())).unwrap();
    }
    let drained = agent.process().memory().unwrap();
    println!("drained: {drained:?}");
    let line = fs::read_to_string(output.join("events")).unwrap();
    assert!(line.len() > MESSAGE_BYTES && line.contains("hw_property_000042"), "raw was not kept");
    assert!(full.peak_bytes < RESIDENT_BYTES_MAX, "{full:?}");
    assert!(drained.peak_bytes < RESIDENT_BYTES_MAX, "{drained:?}");
    assert!(agent.terminate().success());
}
