//! The agent, its commands and the real Gnocchi.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Gnocchi, Vhost, shared_rabbitmq, until};

use crate::balance::assert_balanced;
use crate::harness::{Agent, EXCHANGE, PROGRAM, ROUTING_KEY};
use crate::reload::{REFUSED, TAKEN, reload};

const GOOD: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c01";
const NAMELESS: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c02";
const POISON: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c04";
const BEHIND: &str = "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c05";

fn agent(vhost: &Vhost<'_>, gnocchi: &Gnocchi) -> Agent {
    let agent = Agent::new(&vhost.transport_url())
        .durable()
        .with("service_credentials", "auth_type = gnocchi-basic")
        .with("service_credentials", "user = admin")
        .with("service_credentials", format!("endpoint = {}", gnocchi.url()));
    let text = "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['gnocchi://?timeout=60&give_up_after=1']}]\n";
    fs::write(agent.path("pipeline.yaml"), text).unwrap();
    agent
}

/// An image is there. Gnocchi wants the name of one that is new to it.
fn publish(vhost: &Vhost<'_>, id: &str, name: Option<&str>) {
    publish_of(vhost, id, name, "p");
}

fn publish_of(vhost: &Vhost<'_>, id: &str, name: Option<&str>, owner: &str) {
    let payload = json!({"id": id, "name": name, "size": 7, "owner": owner, "disk_format": "raw", "container_format": "bare"});
    let body = json!({
        "message_id": id, "publisher_id": "image.host", "event_type": "image.upload", "priority": "INFO",
        "payload": payload, "timestamp": "2026-11-25 12:00:00.000000",
    });
    vhost.publish(EXCHANGE, ROUTING_KEY, body.to_string().as_bytes()).unwrap();
}

fn run(agent: &Agent, program: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).args(["--config-file", "ceilometer.conf"]).current_dir(agent.directory.path());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn measures(gnocchi: &Gnocchi, id: &str) -> Value {
    gnocchi
        .get(&format!("/v1/resource/image/{id}/metric/image.size/measures?refresh=true"))
        .unwrap_or_default()
}

/// From an empty Gnocchi to a measure; and the way of a record that Gnocchi refuses: kept, shown, offered again.
#[test]
fn what_gnocchi_refuses_is_kept_and_delivered_when_it_was_mended() {
    let gnocchi = Gnocchi::start().unwrap();
    let vhost = shared_rabbitmq().vhost("gnocchi").unwrap();
    let mut agent = agent(&vhost, &gnocchi);
    agent.rewritten();
    // Resource types, under either name.
    let planned = stdout(&run(&agent, PROGRAM.as_ref(), &["upgrade", "--dry-run"]));
    assert!(planned.starts_with("would create the resource type image: name"), "{planned}");
    assert_eq!(planned.matches("would create the archive policy ceilometer-").count(), 4, "{planned}");
    assert_eq!(planned.lines().count(), 32 + 4, "{planned}");
    let link = agent.path("ceilometer-upgrade");
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    stdout(&run(&agent, &link, &["--retry", "3"]));
    assert_eq!(stdout(&run(&agent, PROGRAM.as_ref(), &["upgrade", "--dry-run"])), "");
    assert_eq!(gnocchi.get("/v1/archive_policy").unwrap().as_array().unwrap().len(), 4);
    archive_policies_are_those_of_the_definitions_that_publishers_name(&agent);

    agent.start();
    agent.wait_ready();
    publish(&vhost, NAMELESS, None);
    publish(&vhost, GOOD, Some("cirros"));
    until("the good one's measure", || {
        measures(&gnocchi, GOOD).as_array().filter(|seen| seen.len() == 1).map(drop)
    })
    .unwrap();
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    until("a letter", || (agent.letters().len() == 1).then_some(())).unwrap();
    let page = assert_balanced(&mut agent);
    assert!((page.sum("pipeline_records_refused_total", &["cause=\"bad_resource\""]) - 1.0).abs() < 0.5);

    // The letter says what there is to know.
    let letter = agent.letters().remove(0);
    for (name, expected) in
        [("cause", "bad_resource"), ("publisher", "gnocchi://"), ("kind", "samples"), ("name", "image.size")]
    {
        assert_eq!(letter[name], expected, "{letter}");
    }
    let words = letter["message"].as_str().unwrap();
    assert!(words.contains(NAMELESS) && words.contains("required key not provided"), "{words}");
    let id = letter["id"].as_str().unwrap();
    let shown = stdout(&agent.dead_letter(&["show", id]));
    assert!(
        shown.contains("meter:") && shown.contains(&format!("\"resource_id\": \"{NAMELESS}\"")),
        "{shown}"
    );
    let table = stdout(&agent.dead_letter(&["list"]));
    assert!(table.contains("gnocchi://") && table.contains("image.size"), "{table}");

    // Nothing was mended: it is refused again, and stays.
    let again = agent.dead_letter(&["replay", id]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("refused again"), "{again:?}");
    assert_eq!(agent.letters().len(), 1);
    // Somebody has made the image known.
    let body = json!({"id": NAMELESS, "name": "unknown", "disk_format": "raw", "container_format": "bare"});
    let (status, answer) = gnocchi.request("POST", "/v1/resource/image", Some(&body)).unwrap();
    assert_eq!(status, 201, "{answer}");
    assert_eq!(stdout(&agent.dead_letter(&["replay", "--cause", "bad_resource"])), "replayed 1 letter\n");
    assert_eq!(agent.letters().len(), 0);
    assert_eq!(measures(&gnocchi, NAMELESS).as_array().unwrap().len(), 1);

    // A project id that does not fit into the index, to which Gnocchi answers 500 for ever: it holds up nobody for long.
    publish_of(&vhost, POISON, Some("cirros"), &"p".repeat(300));
    publish(&vhost, BEHIND, Some("cirros"));
    until("the measure behind it", || {
        measures(&gnocchi, BEHIND).as_array().filter(|seen| seen.len() == 1).map(drop)
    })
    .unwrap();
    until("a letter of what it fails at", || (agent.letters().len() == 1).then_some(())).unwrap();
    let letter = agent.letters().remove(0);
    let words = letter["message"].as_str().unwrap();
    assert!(
        letter["cause"] == "server_error" && words.contains(POISON) && words.contains("answered 500"),
        "{letter}"
    );
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    a_test_of_the_publisher_shows_the_whole_exchange(&agent, &gnocchi);
}

/// Those of both pipelines; a file that cannot be read is told, and costs no other.
fn archive_policies_are_those_of_the_definitions_that_publishers_name(agent: &Agent) {
    let (pipeline, events) = (agent.path("pipeline.yaml"), agent.path("event_pipeline.yaml"));
    let before = [&pipeline, &events].map(|file| fs::read_to_string(file).unwrap());
    let name = |file: &std::path::Path, kind: &str, definitions: &str| {
        let text = format!(
            "sources: [{{name: s, {kind}: ['*'], sinks: [k]}}]\n\
             sinks: [{{name: k, publishers: ['gnocchi://?resources_definition_file={definitions}']}}]\n"
        );
        fs::write(file, text).unwrap();
    };
    fs::write(agent.path("ours.yaml"), resources("ours")).unwrap();
    fs::write(agent.path("theirs.yaml"), resources("theirs")).unwrap();
    name(&pipeline, "meters", &agent.path("ours.yaml").display().to_string());
    name(&events, "events", &agent.path("theirs.yaml").display().to_string());
    let planned = || run(agent, PROGRAM.as_ref(), &["upgrade", "--dry-run"]);
    assert_eq!(
        stdout(&planned()),
        "would create the archive policy ours\nwould create the archive policy theirs\n"
    );
    fs::write(agent.path("ours.yaml"), "resources: {").unwrap();
    let output = planned();
    assert_eq!(stdout(&output), "would create the archive policy theirs\n");
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("ours.yaml:1:"), "{}", String::from_utf8_lossy(&said));
    for (file, text) in [&pipeline, &events].into_iter().zip(before) {
        fs::write(file, text).unwrap();
    }
}

/// Resource definitions with one resource type, one metric and one archive policy.
fn resources(policy: &str) -> String {
    format!(
        "archive_policy_default: {policy}\n\
         archive_policies:\n  \
           - {{name: {policy}, back_window: 0, aggregation_methods: [mean],\n     \
              definition: [{{granularity: 5 minutes, timespan: 30 days}}]}}\n\
         resources:\n  \
           - resource_type: image\n    \
             metrics: {{image.size: }}\n    \
             attributes:\n      \
               name: resource_metadata.name\n      \
               container_format: resource_metadata.container_format\n      \
               disk_format: resource_metadata.disk_format\n"
    )
}

fn policy_of(gnocchi: &Gnocchi, id: &str) -> Option<String> {
    let metric = gnocchi.get(&format!("/v1/resource/image/{id}/metric/image.size")).ok()?;
    metric["archive_policy"]["name"].as_str().map(str::to_owned)
}

/// SIGHUP takes changed resource definitions into the publisher at work; a broken file keeps the old ones, and with them
/// everything else that had changed.
#[test]
fn changed_resource_definitions_are_taken_without_a_restart() {
    const IDS: [&str; 3] = [GOOD, NAMELESS, "6c1b6a34-2d3c-4b1e-9a0e-5f4f3a8f0c03"];
    let gnocchi = Gnocchi::start().unwrap();
    let vhost = shared_rabbitmq().vhost("resources").unwrap();
    let mut agent = agent(&vhost, &gnocchi);
    agent.rewritten();
    stdout(&run(&agent, PROGRAM.as_ref(), &["upgrade"]));
    let (file, pipeline) = (agent.path("gnocchi_resources.yaml"), agent.path("pipeline.yaml"));
    fs::write(&file, resources("first")).unwrap();
    agent.start();
    agent.wait_ready();
    let publish_and_see = |id: &str, policy: &str| {
        publish(&vhost, id, Some("cirros"));
        until(&format!("a metric of {policy}"), || {
            policy_of(&gnocchi, id).filter(|seen| seen == policy).map(drop)
        })
        .unwrap();
    };
    publish_and_see(IDS[0], "first");
    // Broken, and the pipeline has changed as well.
    let old = fs::read_to_string(&pipeline).unwrap();
    let more = agent.path("out/more");
    let new = old.replace("publishers: [", &format!("publishers: ['file://{}', ", more.display()));
    fs::write(&pipeline, new).unwrap();
    fs::write(&file, resources("second").replace("metrics: {", "metrics: [")).unwrap();
    reload(&mut agent, REFUSED);
    until("a line with the place", || {
        let output = agent.process().output();
        let mut lines = output.lines().filter(|line| line.contains("SIGHUP"));
        lines.any(|line| line.contains("gnocchi_resources.yaml:7:")).then_some(())
    })
    .unwrap();
    publish_and_see(IDS[1], "first");
    assert!(!more.exists());
    // Mended.
    fs::write(&pipeline, old).unwrap();
    fs::write(&file, resources("second")).unwrap();
    reload(&mut agent, TAKEN);
    publish_and_see(IDS[2], "second");
    assert!(agent.terminate().success());
}

/// What `publish-test` shows of the exchange with Gnocchi: policies, the unknown resource, its creation, the measure.
fn a_test_of_the_publisher_shows_the_whole_exchange(agent: &Agent, gnocchi: &Gnocchi) {
    let publish_test = |arguments: &[&str]| {
        let output = run(agent, PROGRAM.as_ref(), &[&["publish-test", "gnocchi://"], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, complaint) = publish_test(&[]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    let mut rest = said.as_str();
    for part in [
        "> POST /v1/archive_policy/\n> credentials: ***\n> Content-Type: application/json\n> {\"name\":",
        "\n< 409 Conflict\n< {",
        "> POST /v1/batch/resources/metrics/measures?create_metrics=True\n",
        "\n< 400 Bad Request\n< {",
        "Unknown resources",
        "> POST /v1/resource/identity\n",
        "\n< 201 Created\n< {",
        "> POST /v1/batch/resources/metrics/measures?create_metrics=True\n",
        "\n< 202 Accepted\n",
        "accepted by gnocchi://: the server answered 2xx\n",
    ] {
        let Some((_, after)) = rest.split_once(part) else { panic!("{part}\nis not in\n{rest}\nof\n{said}") };
        rest = after;
    }
    assert!(!said.to_lowercase().contains("authorization"), "{said}");
    let found = gnocchi.get("/v1/resource/identity").unwrap();
    assert_eq!(found[0]["original_resource_id"], "nephoscope-publish-test", "{found}");

    for arguments in [&["--name", "nonsense"][..], &["--event"]] {
        let (code, said, complaint) = publish_test(arguments);
        assert_eq!(code, Some(1), "{said}{complaint}");
        assert!(said.contains("Gnocchi gets nothing of it"), "{said}");
        assert!(complaint.contains("nothing was sent of "), "{complaint}");
    }
    gnocchi.kill().unwrap();
    let (code, said, complaint) = publish_test(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\n! ") && complaint.contains("not accepted (unavailable)"), "{said}{complaint}");
}
