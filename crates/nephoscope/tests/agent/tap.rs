//! `nephoscope tap` and the control socket, on agents at work.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use testkit::oracle::Id;
use testkit::producer::notification;
use testkit::{Oracle, Process, Producer, Vhost, shared_rabbitmq, until, wait_until};

use crate::balance::assert_balanced;
use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete, read_lines};

const LONG: Duration = Duration::from_secs(90);
/// What every notification of the producer names as its project.
const PROJECT: &str = "7da03451835c41f28aa29786cab67881";
const SOCKET: &str = "state/notification.sock";

fn started(vhost: &Vhost<'_>) -> (Agent, Arc<Oracle>, Producer) {
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    agent.start();
    agent.wait_ready();
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    (agent, oracle, producer)
}

fn wait_for_taps(agent: &mut Agent, count: f64) {
    let taps = "nephoscope_pipeline_tap_subscribers";
    until("taps", || ((agent.metric(taps)? - count).abs() < 0.5).then_some(())).unwrap();
}

fn send(producer: &Producer, count: usize) -> Vec<Id> {
    let ids = (0..count).map(|_| producer.notify(EXCHANGE, ROUTING_KEY).unwrap()).collect();
    producer.flush(LONG).unwrap();
    ids
}

fn wait_until_empty(vhost: &Vhost<'_>) {
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
}

/// Waits until everything that it printed is there: no line fits, which is told at the output's end.
fn wait_for_output(tap: &Process) {
    tap.line_where("the output's end", LONG, |_| false).unwrap_err();
}

/// The lines of a tap that ends by itself, which it must do well.
fn lines(tap: &mut Process) -> Vec<String> {
    let status = tap.wait(LONG).unwrap();
    wait_for_output(tap);
    assert!(status.success(), "{status}: {}", tap.output());
    tap.output().lines().map(str::to_owned).collect()
}

#[test]
fn a_tap_shows_what_it_is_asked_for_and_nothing_else() {
    let vhost = shared_rabbitmq().vhost("tap").unwrap();
    let (mut agent, oracle, producer) = started(&vhost);
    let wanted: Vec<Id> = (0..3).map(|_| oracle.issue()).collect();
    let resource = wanted[1].to_string();
    let mut taps = [
        &["--meter", "image.*", "--count", "3", "--json"][..],
        &["--event-type", "*.upload", "--count", "3", "--json"],
        &["--resource", &resource, "--count", "2"],
        &["--project", PROJECT, "--meter", "image.size", "--count", "1"],
    ]
    .map(|arguments| agent.tap(arguments));
    wait_for_taps(&mut agent, 4.0);
    // Nothing comes of these; they end after a while.
    let mut idle = [
        &["--meter", "cpu", "--for", "1"][..],
        &["--project", "nobody", "--for", "1"],
        &["--event-type", "image.size", "--for", "1"],
    ]
    .map(|arguments| agent.tap(arguments));
    assert_eq!(idle.each_mut().map(lines), [const { Vec::<String>::new() }; 3]);
    wait_for_taps(&mut agent, 4.0);
    assert_eq!(agent.metric("nephoscope_pipeline_tap_records_total"), Some(0.0));
    for id in wanted {
        producer.publish(id, EXCHANGE, ROUTING_KEY, &notification(id)).unwrap();
    }
    producer.flush(LONG).unwrap();
    wait_until_empty(&vhost);
    let shown = taps.each_mut().map(lines);
    // Record by record what the file publisher writes.
    assert_eq!(shown[0], read_lines(&agent.samples()));
    assert_eq!(shown[1], read_lines(&agent.events()));
    let of_resource = &shown[2];
    let (sample, event) = (&of_resource[0], &of_resource[1]);
    let volume = format!(
        " image.size {} B resource={resource} project={PROJECT} -> file://",
        oracle_number(&resource)
    );
    assert!(sample.contains(&volume) && sample.ends_with("/out/samples"), "{sample}");
    assert!(
        event.contains(" image.upload ") && event.contains(&format!("resource_id={resource}")),
        "{event}"
    );
    assert!(event.ends_with("/out/events"), "{event}");
    assert_eq!(shown[3].len(), 1);
    wait_for_taps(&mut agent, 0.0);
    assert_balanced(&mut agent);
    assert!(agent.terminate().success());
    assert_eq!(assert_complete(&oracle, &agent.events(), &agent.samples()).obligations(), 3);
}

/// The volume of the sample of an id.
fn oracle_number(id: &str) -> u32 {
    id.parse::<Id>().unwrap().number()
}

#[test]
fn a_tap_goes_on_through_a_reload_and_ends_with_the_agent() {
    let vhost = shared_rabbitmq().vhost("tap-reload").unwrap();
    let (mut agent, _oracle, producer) = started(&vhost);
    let mut tap = agent.tap(&["--json"]);
    wait_for_taps(&mut agent, 1.0);
    let first = send(&producer, 1);
    tap.line(&first[0].to_string()).unwrap();
    // After this, everything goes nowhere, and is shown all the same.
    let pipeline = agent.path("pipeline.yaml");
    let text = fs::read_to_string(&pipeline).unwrap().replace("'*'", "cpu");
    fs::write(&pipeline, text).unwrap();
    agent.process().hang_up().unwrap();
    let taken = "nephoscope_configuration_reloads_total{cause=\"taken\"}";
    until("the end of a reload", || (agent.metric(taken)? > 0.0).then_some(())).unwrap();
    let mut readable = agent.tap(&["--meter", "*", "--count", "1"]);
    wait_for_taps(&mut agent, 2.0);
    let second = send(&producer, 1);
    tap.line_where("a sample after the reload", LONG, |line| {
        line.contains(&second[0].to_string()) && line.contains("image.size")
    })
    .unwrap();
    let shown = lines(&mut readable);
    assert!(shown[0].ends_with(" -> nowhere"), "{shown:?}");
    wait_until_empty(&vhost);
    let page = assert_balanced(&mut agent);
    let unrouted = page.sum("pipeline_records_unrouted_total", &["kind=\"samples\""]);
    assert!((unrouted - 1.0).abs() < 0.5, "{unrouted}");
    assert!(agent.terminate().success());
    let status = tap.wait(LONG).unwrap();
    assert_eq!(status.code(), Some(1));
    wait_for_output(&tap);
    assert!(tap.output().contains("nephoscope: the agent is stopping"), "{}", tap.output());
    assert!(!agent.path(SOCKET).exists(), "the socket is left behind");
}

/// How many records a tap has shown, and how many it says that it has not.
fn shown_and_left_out(output: &str) -> (usize, usize) {
    let left_out =
        |line: &str| line.strip_prefix("tap: ")?.strip_suffix(" records skipped")?.parse::<usize>().ok();
    output.lines().fold((0, 0), |(shown, missed), line| match left_out(line) {
        Some(more) => (shown, missed + more),
        None => (shown + usize::from(line.contains("\"name\": \"image.size\"")), missed),
    })
}

#[test]
fn a_tap_that_hangs_holds_nothing_up_and_is_let_go() {
    let vhost = shared_rabbitmq().vhost("tap-hangs").unwrap();
    let (mut agent, oracle, producer) = started(&vhost);
    let mut hanging = UnixStream::connect(agent.path(SOCKET)).unwrap();
    hanging.write_all(b"{\"tap\": {}}\n").unwrap();
    // A stopped process is the same to the agent.
    let stopped = agent.tap(&[]);
    wait_for_taps(&mut agent, 2.0);
    stopped.signal(Signal::STOP).unwrap();
    let mut quick = agent.tap(&["--meter", "*", "--json"]);
    wait_for_taps(&mut agent, 3.0);
    let count = 3_000;
    send(&producer, count);
    wait_until_empty(&vhost);
    let verdict = assert_complete(&oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (count, 0));
    let let_go = "nephoscope_control_clients_let_go_total{cause=\"slow\"}";
    wait_until("both to be let go", LONG, || (agent.metric(let_go)? >= 2.0).then_some(())).unwrap();
    wait_for_taps(&mut agent, 1.0);
    // Everything that was selected for them was seen or is counted.
    let skipped = "nephoscope_pipeline_tap_records_skipped_total{cause=\"slow\"}";
    assert!(agent.metric(skipped).unwrap() > 0.0);
    assert_balanced(&mut agent);
    assert!(agent.process().is_running() && agent.get("/readyz").0 == 200);
    wait_until("every sample to be shown or counted", LONG, || {
        let (shown, left_out) = shown_and_left_out(&quick.output());
        (shown + left_out == count).then_some(())
    })
    .unwrap();
    quick.terminate().unwrap();
    wait_for_output(&quick);
    let (shown, left_out) = shown_and_left_out(&quick.output());
    assert_eq!(shown + left_out, count, "{shown} shown, {left_out} left out");
    assert!(agent.terminate().success());
}

#[test]
fn the_socket_is_its_owners_and_only_a_dead_agent_loses_it() {
    let vhost = shared_rabbitmq().vhost("tap-socket").unwrap();
    let (mut first, _oracle, producer) = started(&vhost);
    let socket = first.path(SOCKET);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o600);
    let state = format!("state_dir = {}", first.path("state").display());
    let mut second = Agent::new(&vhost.transport_url()).durable().with("nephoscope", &state);
    second.start();
    second.wait_ready();
    let warning = second.process().line("no control socket").unwrap();
    assert!(warning.contains("WARN") && warning.contains("is served by another process"), "{warning}");
    // The socket is still the first one's; the second does its work without.
    let _tap = first.tap(&[]);
    wait_for_taps(&mut first, 1.0);
    wait_for_taps(&mut second, 0.0);
    assert!(second.terminate().success());
    assert!(socket.exists());
    first.kill();
    let tap = first.tap(&["--for", "60"]);
    let error = tap.line("no agent answers at ").unwrap();
    assert!(error.contains("notification.sock") && error.contains("--config-file"), "{error}");
    first.start();
    first.wait_ready();
    let mut tap = first.tap(&["--event-type", "*", "--count", "1"]);
    wait_for_taps(&mut first, 1.0);
    send(&producer, 1);
    assert_eq!(lines(&mut tap).len(), 1);
    assert!(first.terminate().success());
}

#[test]
fn an_agent_without_a_state_directory_runs_on() {
    let vhost = shared_rabbitmq().vhost("tap-none").unwrap();
    let mut agent = Agent::new(&vhost.transport_url()).durable();
    fs::write(agent.path("file"), "").unwrap();
    let state = agent.path("file/state");
    agent = agent.with("nephoscope", format!("state_dir = {}", state.display()));
    agent.start();
    agent.wait_ready();
    let warning = agent.process().line("no control socket").unwrap();
    assert!(warning.contains("cannot make the directory"), "{warning}");
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    send(&producer, 5);
    wait_until_empty(&vhost);
    assert!(agent.terminate().success());
    assert_eq!(assert_complete(&oracle, &agent.events(), &agent.samples()).obligations(), 5);
}

#[test]
fn requests_that_are_none_are_answered_and_harm_nobody() {
    use std::io::{BufRead as _, BufReader};
    let vhost = shared_rabbitmq().vhost("tap-requests").unwrap();
    let (mut agent, _oracle, _producer) = started(&vhost);
    for (request, words) in [
        ("", "not JSON"),
        ("{\"tap\": {\"colour\": 1}}", "no filter"),
        ("{\"tap\": {\"meters\": [1]}}", "not a list of texts"),
        ("{\"shutdown\": {}}", "knows no other"),
    ] {
        let mut stream = UnixStream::connect(agent.path(SOCKET)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].as_str().unwrap().contains(words), "{request}: {answer}");
    }
    let long = "x".repeat(2_000);
    let mut refused = agent.tap(&["--meter", &long]);
    assert_eq!(refused.wait(LONG).unwrap().code(), Some(1));
    wait_for_output(&refused);
    let error = refused.output();
    assert!(error.contains("the agent refuses: a pattern of 2000 bytes is too long"), "{error}");
    wait_for_taps(&mut agent, 0.0);
    assert!(agent.terminate().success());
}
