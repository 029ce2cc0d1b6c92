//! The namespace `central` as a process, on a cloud of recorded answers.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::{CloudFault, IDENTITY_SERVICE, RecordedCloud, Recording, Vhost, shared_rabbitmq, wait_until};

use crate::harness::{Agent, PROGRAM};

const LONG: Duration = Duration::from_mins(2);
const POLLS_OF_IMAGES: &str = "nephoscope_polling_polls_total{pollster=\"image.size\"}";

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

/// The samples of `nephoscope poll`, which must go without complaint.
fn poll_once(cloud: &RecordedCloud, more: &[(&'static str, &str)], arguments: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let state = ("nephoscope", format!("state_dir = {}", directory.path().display()));
    let more = more.iter().map(|(group, setting)| (*group, (*setting).to_owned()));
    let settings = credentials(cloud).into_iter().chain([state]).chain(more);
    let config: Vec<String> = settings.map(|(group, setting)| format!("[{group}]\n{setting}\n")).collect();
    let config = config.concat();
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let output = Command::new(PROGRAM)
        .args(["poll", "--once", "--namespace", "central", "--json", "--config-file", "ceilometer.conf"])
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn poll_once_reads_every_service() {
    let samples = poll_once(&cloud(), &[], &[]);
    let names: BTreeSet<&str> = samples.iter().map(|sample| sample["name"].as_str().unwrap()).collect();
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

/// Samples of three projects: Keystone is asked for each name once, and for none if names are not asked for.
#[test]
fn samples_carry_names_that_keystone_is_asked_for_once() {
    let cloud = cloud();
    let arguments = ["--meter", "volume.size", "--meter", "image.size"];
    let name_requests = || {
        let mut requests: Vec<String> = cloud.requests().into_iter().map(|(_, request)| request).collect();
        requests.retain(|request| request.contains("/v3/projects/") || request.contains("/v3/users/"));
        requests.sort();
        requests
    };
    let without = poll_once(&cloud, &[], &arguments);
    assert!(
        without.len() >= 8 && without.iter().all(|sample| sample["project_name"].is_null()),
        "{without:?}"
    );
    assert_eq!(name_requests(), [""; 0]);
    let samples = poll_once(&cloud, &[("polling", "identity_name_discovery = true")], &arguments);
    assert_eq!(samples.len(), without.len());
    for sample in &samples {
        let name = |id: &Value| match id.as_str() {
            Some("11111111111111111111111111111111") => Some("admin"),
            Some("22222222222222222222222222222222") => Some("alpha"),
            Some("33333333333333333333333333333333") => Some("beta"),
            Some("99999999999999999999999999999999") => Some("ceilometer"),
            _ => None,
        };
        for (id, named) in [("project_id", "project_name"), ("user_id", "user_name")] {
            assert_eq!(sample[named].as_str(), name(&sample[id]), "{sample}");
        }
    }
    let of = |kind: &str, digit: &str| format!("GET /v3/{kind}/{}", digit.repeat(32));
    let expected = [of("projects", "1"), of("projects", "2"), of("projects", "3"), of("users", "9")];
    assert_eq!(name_requests(), expected);
}

/// An agent that polls these meters of the cloud.
fn agent(cloud: &RecordedCloud, vhost: &Vhost<'_>, interval: u32, meters: &str) -> Agent {
    let mut agent = Agent::new(&vhost.transport_url())
        .command(PROGRAM, &["polling", "--polling-namespaces", "central"])
        .with("oslo_messaging_rabbit", "amqp_durable_queues = true");
    for (group, setting) in credentials(cloud) {
        agent = agent.with(group, setting);
    }
    let polling = format!("sources: [{{name: s, interval: {interval}, meters: [{meters}]}}]\n");
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    agent
}

/// The agent starts all the same, and polls as soon as it can have a token.
#[test]
fn a_keystone_that_is_down_at_the_start_is_waited_for() {
    let cloud = cloud();
    let vhost = shared_rabbitmq().vhost("central-keystone").unwrap();
    let mut agent = agent(&cloud, &vhost, 2, "image.size");
    cloud.fault(IDENTITY_SERVICE, CloudFault::Cut, usize::MAX);
    agent.start();
    agent.wait_ready();
    wait_until("a cycle without a token", LONG, || {
        (agent.metric_sum("nephoscope_polling_discovery_errors_total") >= 1.0).then_some(())
    })
    .unwrap();
    assert!(agent.metric(POLLS_OF_IMAGES).is_none_or(|polls| polls < 0.5));
    cloud.heal();
    wait_until("a poll of images", LONG, || {
        (agent.metric(POLLS_OF_IMAGES).unwrap_or(0.0) >= 1.0).then_some(())
    })
    .unwrap();
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

/// Neutron takes connections and never answers: images are polled while it is waited for, in every cycle, and no cycle is late.
#[test]
fn a_service_that_never_answers_delays_no_sample_of_another() {
    const FAILED: &str = "nephoscope_polling_discovery_errors_total";
    let cloud = cloud();
    let vhost = shared_rabbitmq().vhost("central").unwrap();
    let mut agent = agent(&cloud, &vhost, 30, "'network.*', ip.floating, image.size");
    cloud.fault("network", CloudFault::Silence, usize::MAX);
    agent.start();
    agent.wait_ready();
    let polls = |agent: &mut Agent| agent.metric(POLLS_OF_IMAGES).unwrap_or(0.0);
    wait_until("a poll of images", LONG, || (polls(&mut agent) >= 1.0).then_some(())).unwrap();
    // Nine seconds is Neutron given.
    assert!(agent.metric_sum(FAILED) < 0.5, "{}", agent.process().output());
    wait_until("the next poll of images", LONG, || (polls(&mut agent) >= 2.0).then_some(())).unwrap();
    let late = agent.metric_sum("nephoscope_polling_overruns_total");
    assert!(late < 0.5, "{late} cycles were late\n{}", agent.process().output());
    assert!(agent.metric_sum("nephoscope_openstack_circuits_opened_total") >= 1.0);
    assert!(agent.metric_sum(FAILED) >= 1.0, "{}", agent.process().output());
    // What is under way at a stop is waited for.
    cloud.heal();
    assert!(agent.terminate().success(), "{}", agent.process().output());
}
