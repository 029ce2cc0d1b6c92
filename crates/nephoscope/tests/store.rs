//! `nephoscope run` and the metric store in it: what is collected is there, exactly, whatever happens; read back by Gnocchi's
//! own client.
//!
//! `NEPHOSCOPE_STORE_KILLS` sets the number of kills (8).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; and tests live in real time"
)]

#[path = "agent/harness.rs"]
mod harness;
#[path = "gnocchi/points.rs"]
mod points;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use harness::{Agent, EXCHANGE, PROGRAM, ROUTING_KEY};
use points::{IMAGES, LONG, Source, StopOnDrop, image, missing_of, notification, value};
use serde_json::{Value, json};
use testkit::{Oracle, Port, PostgreSql, Producer, Program, Vhost, shared_rabbitmq, until, wait_until};

const KILLS: usize = 8;
const PACE: Duration = Duration::from_millis(40);

/// `run` with Ceilometer's own pipelines, whose publishers are `gnocchi://`.
fn all_in_one(transport_url: &str) -> Agent {
    let agent = Agent::new(transport_url)
        .command(PROGRAM, &["run"])
        .durable()
        .without("run_metric_address")
        .with("nephoscope", "run_metric_address = 127.0.0.1:0")
        .with("nephoscope", "buffer_spill_seconds = 1");
    for file in ["pipeline.yaml", "event_pipeline.yaml"] {
        fs::remove_file(agent.path(file)).unwrap();
    }
    agent
}

/// Where the API is.
fn api(agent: &mut Agent) -> String {
    let line = agent.process().line("api=http://").unwrap();
    let (_, rest) = line.split_once("api=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// What Gnocchi's client library is answered.
fn ask(endpoint: &str, questions: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/client.py");
    let questions: Vec<Value> = questions
        .iter()
        .map(|question| {
            let mut question = question.clone();
            question["endpoint"] = endpoint.into();
            question
        })
        .collect();
    testkit::ask_python(script, &questions).unwrap()
}

/// What the client says of each image's measures.
fn measures_of_images(endpoint: &str) -> Vec<Value> {
    let questions: Vec<Value> = (0..IMAGES)
        .map(|number| json!({"method": "metric.get_measures", "arguments": ["image.size"], "options": {"resource_id": image(number)}}))
        .collect();
    ask(endpoint, &questions)
}

/// What Gnocchi's command prints.
fn gnocchi(endpoint: &str, arguments: &[&str]) -> Value {
    let output = Command::new(testkit::venv_python().unwrap().with_file_name("gnocchi"))
        .args(["--os-auth-type", "gnocchi-basic", "--user", "admin", "--endpoint", endpoint])
        .args(arguments)
        .args(["-f", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until everything that was sent is delivered, and looks at all of it.
fn assert_complete(agent: &mut Agent, vhost: &Vhost<'_>, points: usize) {
    agent.wait_ready();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    agent.wait_written();
    let answers = measures_of_images(&api(agent));
    let missing: Vec<String> =
        answers.iter().enumerate().flat_map(|(number, answer)| missing_of(number, points, answer)).collect();
    let shown = &missing[..missing.len().min(5)];
    assert!(missing.is_empty(), "{} of {} measures: {shown:?}", missing.len(), points * IMAGES);
    assert_eq!(agent.letters(), Vec::<Value>::new());
}

#[test]
fn notifications_end_in_the_store_and_gnocchis_client_shows_them() {
    let vhost = shared_rabbitmq().vhost("store").unwrap();
    let mut agent = all_in_one(&vhost.transport_url());
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(PACE));
        let _guard = StopOnDrop(&source.stop);
        source.wait_for(20);
        // The store stays open, and goes on.
        agent.process().signal(rustix::process::Signal::HUP).unwrap();
        agent.process().line("configuration read again").unwrap();
        source.wait_for(40);
    });
    producer.flush(LONG).unwrap();
    let points = source.points.load(Ordering::Relaxed);
    assert_complete(&mut agent, &vhost, points);

    let endpoint = api(&mut agent);
    let shown = gnocchi(&endpoint, &["resource", "show", "--type", "image", &image(3)]);
    for (attribute, value) in [("name", "cirros"), ("disk_format", "raw"), ("project_id", "p")] {
        assert_eq!(shown[attribute], value, "{shown}");
    }
    let measures = gnocchi(&endpoint, &["measures", "show", "image.size", "--resource-id", &image(3)]);
    assert_eq!(measures.as_array().unwrap().len(), points);
    let types = gnocchi(&endpoint, &["resource-type", "show", "instance"]);
    assert!(types.to_string().contains("flavor_id"), "{types}");
    assert!(agent.terminate().success(), "{}", agent.process().output());

    // Nothing of it is gone after an end in order.
    agent.start();
    assert_complete(&mut agent, &vhost, points);
}

#[test]
fn no_kill_loses_a_measure() {
    let kills = std::env::var("NEPHOSCOPE_STORE_KILLS")
        .map_or(KILLS, |text| text.parse().expect("NEPHOSCOPE_STORE_KILLS is not a number"));
    let vhost = shared_rabbitmq().vhost("store-kill").unwrap();
    let mut agent = all_in_one(&vhost.transport_url());
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(PACE));
        let _guard = StopOnDrop(&source.stop);
        for kill in 1..=kills {
            if kill % 3 == 0 {
                // Not every round: some kills shall hit a start.
                agent.wait_ready();
            }
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..700)));
            agent.kill();
            agent.start();
        }
        // Fewer would not mean anything.
        source.wait_for(kills * 5);
    });
    producer.flush(LONG).unwrap();
    let points = source.points.load(Ordering::Relaxed);
    assert_complete(&mut agent, &vhost, points);
    println!("{kills} kills: {} measures", points * IMAGES);
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

/// The story: the database of the index was away for a while, and measures went to a file that nobody read.
#[test]
fn while_the_index_is_away_records_wait_and_readiness_names_the_store() {
    let database = PostgreSql::start().unwrap();
    let vhost = shared_rabbitmq().vhost("store-index").unwrap();
    let agent = all_in_one(&vhost.transport_url());
    let file = agent.path("gnocchi.conf");
    fs::write(&file, format!("[indexer]\nurl = {}\n", database.url())).unwrap();
    let mut agent = agent.with("nephoscope", format!("run_metric_config_file = {}", file.display()));
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(PACE));
        let _guard = StopOnDrop(&source.stop);
        source.wait_for(10);
        database.stop().unwrap();
        let named = || {
            let (_, page) = agent.get("/readyz");
            page.contains("the metric store").then_some(())
        };
        until("the store's trouble on /readyz", named)
            .unwrap_or_else(|late| panic!("{late}: {}", agent.get("/readyz").1));
        source.wait_for(source.points.load(Ordering::Relaxed) + 10);
        database.start_again().unwrap();
        source.wait_for(source.points.load(Ordering::Relaxed) + 10);
    });
    producer.flush(LONG).unwrap();
    let points = source.points.load(Ordering::Relaxed);
    assert_complete(&mut agent, &vhost, points);
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

/// `nephoscope metric …` on the agent's store.
fn metric_command(agent: &Agent, arguments: &[&str]) {
    let output = Command::new(PROGRAM)
        .arg("metric")
        .args(arguments)
        .args(["--config-file", "ceilometer.conf"])
        .current_dir(agent.directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// The measures of all images, by time.
fn all_measures(endpoint: &str) -> Vec<BTreeMap<String, Value>> {
    let by_time = |measure: &Value| (measure[0].as_str().unwrap().to_owned(), measure.clone());
    let answers = measures_of_images(endpoint);
    answers.iter().map(|answer| answer.as_array().unwrap().iter().map(by_time).collect()).collect()
}

/// Everything else of the process drains and starts with the store: each measure is in the old store or in the new one.
#[test]
fn a_backup_takes_the_stores_place_and_no_notification_is_lost() {
    let vhost = shared_rabbitmq().vhost("store-restore").unwrap();
    let (port, health) = (Port::take().unwrap(), Port::take().unwrap());
    let mut agent = all_in_one(&vhost.transport_url())
        .without("run_metric_address")
        .without("run_listen_address")
        .with("nephoscope", format!("run_metric_address = 127.0.0.1:{}", port.number()))
        .with("nephoscope", format!("run_listen_address = 127.0.0.1:{}", health.number()));
    agent.start();
    agent.wait_ready();
    let pid = agent.process().pid();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    let source = Source::new(&oracle, &producer);
    std::thread::scope(|scope| {
        scope.spawn(|| source.run(PACE));
        let _guard = StopOnDrop(&source.stop);
        let goes_on = || source.wait_for(source.points.load(Ordering::Relaxed) + 20);
        goes_on();
        metric_command(&agent, &["backup", "backup"]);
        goes_on();
        metric_command(&agent, &["restore", "--replace", "backup"]);
        goes_on();
    });
    producer.flush(LONG).unwrap();
    let points = source.points.load(Ordering::Relaxed);
    agent.wait_ready();
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    agent.wait_written();
    assert_eq!(agent.letters(), Vec::<Value>::new());
    assert!(agent.process().is_running() && agent.process().pid() == pid);
    let new = all_measures(&api(&mut agent));

    let state = fs::read_dir(agent.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let kept = state.filter(|path| path.to_string_lossy().contains("metric.replaced-")).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fs::create_dir(agent.path("old")).unwrap();
    fs::rename(&kept[0], agent.path("old/metric")).unwrap();
    let config =
        format!("[nephoscope]\nmetric_listen_address =\nstate_dir = {}\n", agent.path("old").display());
    fs::write(agent.path("old.conf"), config).unwrap();
    let server =
        Program::new(PROGRAM).args(["metric", "--port", "0", "--config-file"]).arg(agent.path("old.conf"));
    let server = server.start().unwrap();
    let line = server.line("api=http://").unwrap();
    let (_, rest) = line.split_once("api=").unwrap();
    let old = all_measures(rest.split_whitespace().next().unwrap());
    for (number, (mut old, new)) in old.into_iter().zip(new).enumerate() {
        assert!(old.keys().any(|time| !new.contains_key(time)), "image {number}: nothing was restored");
        assert!(new.keys().any(|time| !old.contains_key(time)), "image {number}: nothing came afterwards");
        old.extend(new);
        let missing = missing_of(number, points, &old.into_values().collect());
        assert_eq!(missing, Vec::<String>::new(), "image {number}");
    }
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

/// What the store refuses becomes a letter, alone, and a replay asks the running store.
#[test]
fn a_value_beyond_every_double_is_a_letter_and_costs_no_other() {
    let vhost = shared_rabbitmq().vhost("store-refused").unwrap();
    let port = Port::take().unwrap();
    let mut agent = all_in_one(&vhost.transport_url())
        .without("run_metric_address")
        .with("nephoscope", format!("run_metric_address = 127.0.0.1:{}", port.number()));
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for point in 0..3 {
        for number in 0..IMAGES {
            let id = oracle.issue();
            let mut body = notification(&id.to_string(), number, point);
            if (number, point) == (7, 1) {
                let size = |digits: &str| format!("\\\"size\\\": {digits}").replace(": ", ":");
                let huge = format!("1{}", "0".repeat(400));
                let (from, to) = (size(&value(number, point).to_string()), size(&huge));
                assert!(body.contains(&from), "{body}");
                body = body.replace(&from, &to);
            }
            producer.publish(id, EXCHANGE, ROUTING_KEY, &body).unwrap();
        }
    }
    producer.flush(LONG).unwrap();
    let letters = until("a letter", || Some(agent.letters()).filter(|letters| !letters.is_empty())).unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].to_string().contains("larger than every double"), "{letters:?}");
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
    agent.wait_written();
    let question = json!({"method": "metric.get_measures", "arguments": ["image.size"], "options": {"resource_id": image(7)}});
    let answer = ask(&api(&mut agent), &[question]);
    assert_eq!(answer[0].as_array().unwrap().len(), 2, "{answer:?}");

    let replayed = agent.dead_letter(&["replay", "--all", "--role", "run"]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&replayed.stdout), String::from_utf8_lossy(&replayed.stderr));
    assert!(said.contains("refused again"), "{said}");
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut agent = all_in_one("")
        .without("transport_url")
        .without("run_metric_address")
        .with("nephoscope", format!("run_metric_address = {address}"));
    agent.start();
    let status = agent.process().wait(Duration::from_mins(1)).unwrap();
    let said = agent.process().output();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&address.to_string()) && said.contains("run_metric_address"), "{said}");
}

/// Credentials for another Gnocchi mean that one; the store is there only where a pipeline names it.
#[test]
fn another_gnocchi_takes_the_stores_place() {
    for (publisher, opens) in [("gnocchi://", false), ("metric://", true)] {
        let mut agent = all_in_one("")
            .without("transport_url")
            .with("service_credentials", "auth_type = gnocchi-basic")
            .with("service_credentials", "user = admin")
            .with("service_credentials", "endpoint = http://127.0.0.1:9");
        let text = format!(
            "sources: [{{name: s, meters: ['*'], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['{publisher}']}}]\n"
        );
        fs::write(agent.path("pipeline.yaml"), text).unwrap();
        agent.start();
        agent.wait_ready();
        assert!(agent.terminate().success(), "{}", agent.process().output());
        let said = agent.process().output();
        assert_eq!(said.contains("api=http://"), opens, "{publisher}: {said}");
        assert_eq!(agent.path("state/metric").exists(), opens, "{publisher}");
    }
}
