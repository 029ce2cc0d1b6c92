//! The agent and a real Gnocchi behind a real Keystone: catalogue, tokens, the filtered project, and what becomes of records
//! while credentials do not hold.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Cloud, Gnocchi, Keystone, Vhost, shared_rabbitmq, until};

use crate::balance::assert_balanced;
use crate::harness::{Agent, EXCHANGE, PROGRAM, ROUTING_KEY};

const NO_BROKER: &str = "fake://";
const PASSWORD: &str = "a-password";
const IMAGES: [&str; 3] = [
    "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0d01",
    "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0d02",
    "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0d03",
];

/// Status, head and body of what a server answers.
fn ask(port: u16, method: &str, path: &str, token: &str, body: &str) -> (u16, String, Value) {
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Auth-Token: {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body.trim()).unwrap_or_default())
}

/// An administrator's token.
fn token(keystone: &Keystone) -> String {
    let domain = json!({ "id": "default" });
    let user = json!({ "name": keystone.user(), "password": keystone.password(), "domain": domain });
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": user } },
        "scope": { "project": { "name": "admin", "domain": domain } },
    }});
    let (status, head, answer) = ask(keystone.port(), "POST", "/v3/auth/tokens", "", &body.to_string());
    assert_eq!(status, 201, "{answer}");
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let mut tokens = headers.filter(|(name, _)| name.eq_ignore_ascii_case("x-subject-token"));
    tokens.next().unwrap().1.to_owned()
}

/// The project of the services and Ceilometer's user in it, who may do everything in Gnocchi.
fn ceilometers_user(keystone: &Keystone, cloud: &Cloud) -> String {
    let project = cloud.create_project("service").unwrap();
    let user = cloud.create_user("ceilometer", PASSWORD).unwrap();
    let (_, _, roles) = ask(keystone.port(), "GET", "/v3/roles?name=admin", &token(keystone), "");
    cloud.assign_role(&project, &user, roles["roles"][0]["id"].as_str().unwrap()).unwrap();
    user
}

fn agent(vhost: &Vhost<'_>, keystone: &Keystone) -> Agent {
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    for setting in [
        "auth_type = password",
        &format!("auth_url = {}", keystone.url()),
        "username = ceilometer",
        &format!("password = {PASSWORD}"),
        "user_domain_id = default",
        "project_name = service",
        "project_domain_id = default",
        &format!("region_name = {}", keystone.region()),
        "interface = internalURL",
    ] {
        agent = agent.with("service_credentials", setting);
    }
    let text = "sources: [{name: s, meters: ['*'], sinks: [k]}]\n\
                sinks: [{name: k, publishers: ['gnocchi://?filter_project=telemetry&timeout=60']}]\n";
    fs::write(agent.path("pipeline.yaml"), text).unwrap();
    agent
}

/// An image is there, of that project.
fn publish(vhost: &Vhost<'_>, id: &str, owner: &str) {
    let payload = json!({"id": id, "name": "cirros", "size": 7, "owner": owner, "disk_format": "raw", "container_format": "bare"});
    let body = json!({
        "message_id": id, "publisher_id": "image.host", "event_type": "image.upload", "priority": "INFO",
        "payload": payload, "timestamp": "2026-11-25 12:00:00.000000",
    });
    vhost.publish(EXCHANGE, ROUTING_KEY, body.to_string().as_bytes()).unwrap();
}

#[test]
fn gnocchi_is_found_in_the_catalogue_and_records_wait_for_credentials_that_hold() {
    let keystone = Keystone::start(NO_BROKER).unwrap();
    let cloud = keystone.cloud().unwrap();
    let user = ceilometers_user(&keystone, &cloud);
    let of_telemetry = cloud.create_project("telemetry").unwrap();
    let gnocchi = Gnocchi::start_behind(&keystone).unwrap();
    let vhost = shared_rabbitmq().vhost("gnocchi-keystone").unwrap();
    let mut agent = agent(&vhost, &keystone);
    agent.rewritten();
    let upgrade = |arguments: &[&str]| {
        let arguments = [&["upgrade", "--config-file", "ceilometer.conf"], arguments].concat();
        Command::new(PROGRAM).args(arguments).current_dir(agent.directory.path()).output().unwrap()
    };
    // It is in nobody's catalogue yet.
    let output = upgrade(&["--retry", "1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    cloud.register_service("gnocchi", "metric", gnocchi.url()).unwrap();
    let output = upgrade(&["--retry", "3"]);
    assert!(output.status.success(), "{output:?}");

    agent.start();
    agent.wait_ready();
    let of_all = token(&keystone);
    let has_measure = |id: &str| {
        let path = format!("/v1/resource/image/{id}/metric/image.size/measures?refresh=true");
        let (status, _, answer) = ask(gnocchi.port(), "GET", &path, &of_all, "");
        status == 200 && answer.as_array().is_some_and(|measures| measures.len() == 1)
    };
    // What is of the filtered project is left out.
    publish(&vhost, IMAGES[0], &of_telemetry);
    publish(&vhost, IMAGES[1], "p");
    until("the measure", || has_measure(IMAGES[1]).then_some(())).unwrap();
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert!(!has_measure(IMAGES[0]));
    assert_eq!(agent_count(&mut agent, "records_skipped_total{cause=\"filtered_project\"}"), 1);
    // Who made the resource is whom Keystone knows.
    let path = format!("/v1/resource/image/{}", IMAGES[1]);
    let (_, _, resource) = ask(gnocchi.port(), "GET", &path, &of_all, "");
    assert!(resource["creator"].as_str().unwrap().starts_with(&user), "{resource}");

    // Another password takes all tokens with it: Gnocchi answers 401, and there is no other token to be had.
    cloud.update_user(&user, &json!({ "password": "another" })).unwrap();
    publish(&vhost, IMAGES[2], "p");
    until("an attempt that fails", || {
        let failed = agent.metric_sum("nephoscope_pipeline_publish_failures_total") > 0.5;
        failed.then_some(())
    })
    .unwrap();
    assert!(gnocchi.requests().iter().any(|line| line.ends_with(" 401")), "{:?}", gnocchi.requests());
    assert!(!has_measure(IMAGES[2]));
    cloud.update_user(&user, &json!({ "password": PASSWORD })).unwrap();
    until("the measure that has waited", || has_measure(IMAGES[2]).then_some(())).unwrap();
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert_balanced(&mut agent);
    assert_eq!(agent.letters(), Vec::<Value>::new());
    assert!(agent.terminate().success());
}

/// A counter of all Gnocchi publishers.
fn agent_count(agent: &mut Agent, series: &str) -> u64 {
    let (_, page) = agent.get("/metrics");
    let wanted = format!("nephoscope_gnocchi_{series} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&wanted));
    value.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}
