//! The namespace `central` as a process, on a cloud of recorded answers.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::{CloudFault, RecordedCloud, Recording, shared_rabbitmq, wait_until};

use crate::harness::{Agent, PROGRAM};

const LONG: Duration = Duration::from_mins(2);

fn cloud() -> RecordedCloud {
    let answers = testkit::repository().join("crates/pollsters/tests/central/answers");
    RecordedCloud::start(Recording::read(answers).unwrap(), 2).unwrap()
}

pub(crate) fn credentials(cloud: &RecordedCloud) -> Vec<(&'static str, String)> {
    let service = |setting: String| ("service_credentials", setting);
    vec![
        service("auth_type = password".into()),
        service(format!("auth_url = {}", cloud.auth_url())),
        service("username = ceilometer".into()),
        service("password = swordfish".into()),
        service("project_name = admin".into()),
        service("user_domain_id = default".into()),
        service("project_domain_id = default".into()),
        ("service_types", "radosgw = radosgw".into()),
        ("rgw_admin_credentials", "access_key = AKIAIOSFODNN7EXAMPLE".into()),
        ("rgw_admin_credentials", "secret_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
    ]
}

#[test]
fn poll_once_reads_every_service() {
    let cloud = cloud();
    let directory = tempfile::tempdir().unwrap();
    let state = ("nephoscope", format!("state_dir = {}", directory.path().display()));
    let settings = credentials(&cloud).into_iter().chain([state]);
    let config: Vec<String> = settings.map(|(group, setting)| format!("[{group}]\n{setting}\n")).collect();
    let config = config.concat();
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let output = Command::new(PROGRAM)
        .args(["poll", "--once", "--namespace", "central", "--json", "--config-file", "ceilometer.conf"])
        .current_dir(directory.path())
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
    let samples = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: BTreeSet<String> = samples.map(|sample| sample["name"].as_str().unwrap().to_owned()).collect();
    for name in [
        "alarm.evaluation_result",
        "dns.zone.recordsets",
        "image.size",
        "ip.floating",
        "loadbalancer.operating",
        "manila.share.size",
        "network.services.vpn",
        "radosgw.api.request",
        "storage.containers.objects",
        "volume.size",
        "volume.provider.pool.capacity.virtual_free",
    ] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
}

/// Neutron takes connections and never answers: images are polled in every cycle all the same, and on time.
#[test]
fn a_service_that_never_answers_delays_no_sample_of_another() {
    let cloud = cloud();
    let vhost = shared_rabbitmq().vhost("central").unwrap();
    let mut agent = Agent::new(&vhost.transport_url())
        .command(PROGRAM, &["polling", "--polling-namespaces", "central"])
        .with("oslo_messaging_rabbit", "amqp_durable_queues = true");
    for (group, setting) in credentials(&cloud) {
        agent = agent.with(group, setting);
    }
    cloud.fault("network", CloudFault::Silence, usize::MAX);
    let polling = "sources: [{name: s, interval: 8, meters: ['network.*', ip.floating, image.size]}]\n";
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    agent.start();
    agent.wait_ready();
    let images = "nephoscope_polling_polls_total{pollster=\"image.size\"}";
    let begun = std::time::Instant::now();
    wait_until("two polls of images", LONG, || (agent.metric(images).unwrap_or(0.0) >= 2.0).then_some(()))
        .unwrap();
    // The second begins an interval after the first.
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}\n{}", begun.elapsed(), agent.process().output());
    let late = agent.metric_sum("nephoscope_polling_overruns_total");
    assert!(late < 0.5, "{late} cycles were late\n{}", agent.process().output());
    assert!(agent.metric_sum("nephoscope_openstack_circuits_opened_total") >= 1.0);
    let failed = agent.metric_sum("nephoscope_polling_discovery_errors_total");
    assert!(failed >= 1.0, "{}", agent.process().output());
    // What is under way at a stop is waited for.
    cloud.heal();
    assert!(agent.terminate().success(), "{}", agent.process().output());
}
