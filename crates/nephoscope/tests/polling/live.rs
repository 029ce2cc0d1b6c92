//! Ceilometer's polling agent and ours poll the same real Glance, and Ceilometer's notification agent reads what ours sends.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use model::{Value, json};
use serde_json::json;
use testkit::{Glance, Keystone, shared_rabbitmq, wait_until};

use crate::both::Upstream;
use crate::bus::{assert_signed, comparable, take};
use crate::harness::{Agent, PROGRAM, read_lines};

const SECRET: &str = "a secret of all agents ü";
const IMAGES: u64 = 8;
const LONG: Duration = Duration::from_mins(2);
/// One cycle within the test.
const POLLING: &str = "sources: [{name: images, interval: 3600, meters: ['*']}]\n";

pub(crate) fn credentials(keystone: &Keystone) -> Vec<(&'static str, String)> {
    [
        "auth_type = password".to_owned(),
        format!("auth_url = {}", keystone.url()),
        format!("username = {}", keystone.user()),
        format!("password = {}", keystone.password()),
        "project_name = admin".to_owned(),
        "user_domain_id = default".to_owned(),
        "project_domain_id = default".to_owned(),
        format!("region_name = {}", keystone.region()),
    ]
    .map(|setting| ("service_credentials", setting))
    .into()
}

#[test]
fn both_polling_agents_send_the_same_of_a_real_glance() {
    let vhost = shared_rabbitmq().vhost("polling-live").unwrap();
    let url = vhost.transport_url();
    // Nobody listens to what these notify.
    let keystone = Keystone::start("fake://").unwrap();
    let glance = Glance::start_with(
        &keystone,
        "fake://",
        &["DEFAULT.limit_param_default=3", "DEFAULT.api_limit_max=3"],
    )
    .unwrap();
    let cloud = glance.cloud(&keystone).unwrap();
    cloud.register_service("glance", "image", glance.url()).unwrap();
    for number in 0..IMAGES {
        let image = cloud.create_image(&format!("image {number} ñ")).unwrap();
        // One stays without data: its size is unknown.
        if number > 0 {
            cloud.upload_image(&image, 1000 + number).unwrap();
        }
        if number == 2 {
            cloud.update_image(&image, &json!({ "min_disk": 5, "protected": true, "extra": "x" })).unwrap();
        }
    }
    let common = |topics: &str| {
        let mut settings = credentials(&keystone);
        settings.extend([
            ("oslo_messaging_notifications", format!("topics = {topics}")),
            ("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned()),
            ("polling", "batch_size = 3".to_owned()),
            ("publisher", format!("telemetry_secret = {SECRET}")),
        ]);
        settings
    };

    let mut ours = Agent::new(&url).command(PROGRAM, &["polling", "--polling-namespaces", "central"]);
    for (group, setting) in common("ours,read") {
        ours = ours.with(group, setting);
    }
    fs::write(ours.path("polling.yaml"), POLLING).unwrap();
    ours.start();
    ours.wait_ready();

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("polling.yaml"), POLLING.replace("'*'", "image.size")).unwrap();
    let mut settings = common("theirs");
    settings.push(("DEFAULT", format!("transport_url = {url}")));
    let mut theirs =
        Upstream::start(directory, "ceilometer-polling", &["--polling-namespaces", "central"], &settings);

    // Ceilometer's notification agent reads the other copy of what ours sends.
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("samples");
    let pipeline = format!(
        "sources: [{{name: s, meters: ['*'], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['file://{}?json']}}]\n",
        output.display()
    );
    fs::write(directory.path().join("pipeline.yaml"), pipeline).unwrap();
    let settings = [
        ("DEFAULT", format!("transport_url = {url}")),
        ("oslo_messaging_notifications", "topics = read".to_owned()),
        ("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned()),
        ("notification", "pipelines = meter".to_owned()),
    ];
    let mut reader = Upstream::start(directory, "ceilometer-agent-notification", &[], &settings);

    let batches = u64::div_ceil(IMAGES, 3);
    let sent = wait_until("both agents' samples", LONG, || {
        let depth = |queue: &str| vhost.depth(queue).ok()?;
        (depth("ours.sample")? == batches && depth("theirs.sample")? == batches).then_some(())
    });
    assert!(sent.is_ok(), "{sent:?}\n{}\n{}", ours.process().output(), theirs.log_tail());
    let read = wait_until("samples in the file of Ceilometer's notification agent", LONG, || {
        // The one without a size is dropped there.
        (read_lines(&output).len() as u64 == IMAGES - 1).then_some(())
    });
    assert!(read.is_ok(), "{read:?}\n{}", reader.log_tail());
    theirs.terminate();
    reader.terminate();
    assert!(ours.terminate().success(), "{}", ours.process().output());

    let (mine, other) = (take(&vhost, "ours.sample"), take(&vhost, "theirs.sample"));
    assert_signed(&mine, SECRET);
    assert_signed(&other, SECRET);
    let sizes = |notifications: &[Vec<Value>]| notifications.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&mine), sizes(&other));
    let set = |notifications: &[Vec<Value>]| -> BTreeSet<String> {
        notifications.iter().flatten().map(comparable).collect()
    };
    let (own, theirs) = (set(&mine), set(&other));
    assert_eq!(own.len() as u64, IMAGES);
    assert_eq!(own, theirs);
    // All samples of a run have one time.
    let times: BTreeSet<&str> =
        mine.iter().flatten().filter_map(|sample| sample.get("timestamp")?.as_str()).collect();
    assert_eq!(times.len(), 1);
    // What Ceilometer's notification agent wrote is what ours sent.
    let kept: BTreeSet<String> = read_lines(&output)
        .iter()
        .map(|line| json::parse(line).unwrap().get("id").unwrap().as_str().unwrap().to_owned())
        .collect();
    let known = mine.iter().flatten().filter(|sample| !sample.get("counter_volume").unwrap().is_null());
    let known: BTreeSet<String> =
        known.map(|sample| sample.get("message_id").unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, known);
    println!("{} samples equal in {} notifications", own.len(), mine.len());
}
