//! Messages that a real Keystone, a real Glance and Ceilometer's own polling agent produce; each sends a copy to either
//! agent's topic, as the option `topics` has it.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Cloud, Glance, Keystone, Oracle, Producer, shared_rabbitmq, wait_until};

use crate::both::{Both, OURS, Setup, UPSTREAM, Upstream};
use crate::compare::{self, Side, multisets};
use crate::harness::read_records;

const SECRET: &str = "a secret of both agents ü";
const IMAGES: usize = 7;
/// How often the polling agent polls, in seconds.
const INTERVAL: usize = 1;
const LONG: Duration = Duration::from_mins(2);

/// What a command prints for the polling agent to make samples of: kinds of values that real pollsters have.
const COMMAND_OUTPUT: &str = r#"[
    {"id": "one", "value": 1, "user_id": "u", "project_id": "p", "label": "é ü", "deep": {"list": [1, 2.5, null, true]}},
    {"id": "two", "value": 0.1, "user_id": null, "project_id": "p", "label": "", "deep": {}},
    {"id": "three", "value": 36893488147419103232, "label": "x", "deep": null},
    {"id": "four", "value": 1e300, "project_id": 5, "label": "quote \" and ' ", "deep": [["a'b", {"k": "é"}]]}
]"#;

const POLLSTERS: &str = "
- name: oracle.command
  sample_type: gauge
  unit: things
  value_attribute: value
  host_command: cat OUTPUT
  metadata_fields: [label, deep]
- name: oracle.counter
  sample_type: cumulative
  unit: '%'
  value_attribute: value
  host_command: cat OUTPUT
  metadata_fields: [label]
";

const POLLING: &str = "
sources:
  - {name: images, interval: INTERVAL, meters: [image.size]}
  - {name: commands, interval: INTERVAL, meters: ['oracle.*'], resources: [this-node]}
";

/// Ceilometer's polling agent, with the images of a real Glance and commands.
fn start_polling(keystone: &Keystone, transport_url: &str) -> Upstream {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("output.json"), COMMAND_OUTPUT).unwrap();
    fs::create_dir(path("pollsters.d")).unwrap();
    let output = path("output.json").display().to_string();
    fs::write(path("pollsters.d/oracle.yaml"), POLLSTERS.replace("OUTPUT", &output)).unwrap();
    fs::write(path("polling.yaml"), POLLING.replace("INTERVAL", &INTERVAL.to_string())).unwrap();
    let settings = [
        ("DEFAULT", format!("transport_url = {transport_url}")),
        ("oslo_messaging_notifications", format!("topics = {UPSTREAM},{OURS}")),
        ("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned()),
        ("polling", format!("cfg_file = {}", path("polling.yaml").display())),
        ("DEFAULT", format!("pollsters_definitions_dirs = {}", path("pollsters.d").display())),
        ("polling", "batch_size = 3".to_owned()),
        ("publisher", format!("telemetry_secret = {SECRET}")),
        ("service_credentials", "auth_type = password".to_owned()),
        ("service_credentials", format!("auth_url = {}", keystone.url())),
        ("service_credentials", format!("username = {}", keystone.user())),
        ("service_credentials", format!("password = {}", keystone.password())),
        ("service_credentials", "project_name = admin".to_owned()),
        ("service_credentials", "user_domain_id = default".to_owned()),
        ("service_credentials", "project_domain_id = default".to_owned()),
        ("service_credentials", format!("region_name = {}", keystone.region())),
    ];
    Upstream::start(directory, "ceilometer-polling", &["--polling-namespaces", "central"], &settings)
}

/// What happens in the cloud while both agents listen.
fn work(cloud: &Cloud) {
    let project = cloud.create_project("a project ü").unwrap();
    let user = cloud.create_user("a-user", "secret").unwrap();
    let role = cloud.create_role("watcher").unwrap();
    cloud.assign_role(&project, &user, &role).unwrap();
    assert!(cloud.authenticate("a-user", "secret").unwrap());
    // Keystone notifies of this one only.
    assert!(!cloud.authenticate("a-user", "wrong").unwrap());
    cloud.update_user(&user, &json!({ "description": "changed" })).unwrap();
    let gone = cloud.create_image("gone").unwrap();
    cloud.upload_image(&gone, 100_000).unwrap();
    cloud.download_image(&gone).unwrap();
    cloud.update_image(&gone, &json!({ "name": "renamed é" })).unwrap();
    cloud.delete_image(&gone).unwrap();
    cloud.revoke_role(&project, &user, &role).unwrap();
    cloud.delete_role(&role).unwrap();
    cloud.delete_user(&user).unwrap();
    cloud.delete_project(&project).unwrap();
    for number in 0..IMAGES {
        let image = cloud.create_image(&format!("image {number} ñ")).unwrap();
        cloud.upload_image(&image, 1000 + number as u64).unwrap();
    }
}

/// A polled sample that nobody signed.
fn unsigned() -> String {
    let sample = json!({
        "source": "openstack", "counter_name": "oracle.unsigned", "counter_type": "gauge", "counter_unit": "x",
        "counter_volume": 1, "user_id": null, "project_id": null, "resource_id": "r",
        "timestamp": "2026-11-24T12:00:00", "resource_metadata": {}, "message_id": "unsigned", "message_signature": "00",
    });
    let message = json!({
        "message_id": "unsigned", "publisher_id": "p", "event_type": "telemetry.polling", "priority": "SAMPLE",
        "payload": { "samples": [sample] }, "timestamp": "2026-11-24 12:00:00", "_unique_id": "0",
    });
    json!({ "oslo.version": "2.0", "oslo.message": message.to_string() }).to_string()
}

#[test]
fn both_agents_write_the_same_of_real_services_and_of_a_real_polling_agent() {
    let vhost = shared_rabbitmq().vhost("live").unwrap();
    let setup = Setup {
        settings: vec![("publisher", format!("telemetry_secret = {SECRET}"))],
        // Only ours can check signatures.
        own: vec![("nephoscope", "verify_signatures = true".to_owned())],
        ..Setup::default()
    };
    let mut both = Both::start(&vhost, &setup);
    let topics = format!("{UPSTREAM},{OURS}");
    let keystone = Keystone::builder(&vhost.transport_url())
        .option("oslo_messaging_notifications", "topics", &topics)
        .option("oslo_messaging_rabbit", "amqp_durable_queues", "true")
        .start()
        .unwrap();
    let topics = format!("oslo_messaging_notifications.topics={topics}");
    let durable = "oslo_messaging_rabbit.amqp_durable_queues=true";
    let glance = Glance::start_with(&keystone, &vhost.transport_url(), &[&topics, durable]).unwrap();
    let cloud = glance.cloud(&keystone).unwrap();
    cloud.register_service("glance", "image", glance.url()).unwrap();
    work(&cloud);

    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for topic in [UPSTREAM, OURS] {
        producer.publish(oracle.issue(), "ceilometer", &format!("{topic}.sample"), &unsigned()).unwrap();
    }
    producer.flush(LONG).unwrap();

    let mut polling = start_polling(&keystone, &vhost.transport_url());
    // Two cycles of each pollster: the same resource comes twice.
    let polled = wait_until("two cycles of polled samples", LONG, || {
        let samples = read_records(&both.ours.samples());
        let of = |meter: &str, resource: &str| {
            let polled = |sample: &&Value| {
                sample["name"] == meter && sample["resource_metadata"]["event_type"].is_null()
            };
            let polled = samples.iter().filter(polled);
            polled.filter(|sample| resource.is_empty() || sample["resource_id"] == resource).count()
        };
        // The last one of each comes in a notification of its own.
        let all = [
            of("oracle.command", "three"),
            of("oracle.command", "four"),
            of("oracle.counter", "one"),
            of("oracle.counter", "four"),
            of("image.size", "") / IMAGES,
        ];
        all.iter().all(|count| *count >= 2).then_some(())
    });
    if let Err(late) = polled {
        panic!("{late}\n{}", polling.log_tail());
    }
    polling.terminate();
    let dropped = r#"nephoscope_notification_conversion_failures_total{kind="samples",cause="signature"}"#;
    let dropped = both.ours.metric(dropped);
    let (upstream, ours) = both.finish();

    // Ids of polled samples come along; both agents keep them.
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let given: HashSet<String> =
        ours.samples.iter().map(id).filter(|id| id.as_bytes().get(14) == Some(&b'1')).collect();
    assert!(given.len() >= 2 * (IMAGES + 4 + 4), "{} polled samples", given.len());
    let kept: HashSet<String> = given.iter().cloned().chain(["unsigned".to_owned()]).collect();
    let samples = multisets(
        &compare::samples(&upstream, Side::Upstream, &kept),
        &compare::samples(&ours, Side::Ours, &kept),
    );
    let events = multisets(&upstream.events, &ours.events);
    println!(
        "services and polling agent: {} samples ({} of them polled) and {} events equal",
        samples.common,
        given.len(),
        events.common
    );
    assert_eq!(samples.only_ours, Vec::<String>::new());
    // Upstream takes what nobody signed.
    assert!(
        matches!(&*samples.only_upstream, [one] if one.contains("oracle.unsigned")),
        "{:#?}",
        samples.only_upstream
    );
    assert_eq!(dropped, Some(1.0), "dropped for its signature");
    assert_eq!((events.only_upstream, events.only_ours), (Vec::new(), Vec::new()));
    for event_type in ["identity.project.created", "identity.authenticate", "image.send", "image.delete"] {
        let wanted = format!("\"event_type\": \"{event_type}\"");
        assert!(events.texts.iter().any(|line| line.contains(&wanted)), "no {event_type}");
    }
}
