//! Messages that cannot be processed: kept, shown, sent again, dropped; and they hold nothing up.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Oracle, Producer, Vhost, shared_rabbitmq, until, wait_until};

use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, assert_complete, read_records};

const LONG: Duration = Duration::from_mins(2);
/// A meter that fails on what [`misnamed`] makes until its name is mended.
const METER: &str = "poison.sample";
const UNREADABLE: [&str; 5] =
    ["", "{", "[1]", "{\"oslo.version\": \"9.9\", \"oslo.message\": \"{}\"}", "null"];

/// A notification whose sample fails until the meter's definition is mended.
fn misnamed(id: &str) -> String {
    json!({
        "message_id": id, "publisher_id": "p", "event_type": METER, "priority": "INFO",
        "payload": {"name": 7, "id": id}, "timestamp": "2026-11-25 12:00:00.000000",
    })
    .to_string()
}

/// A notification whose event and sample fail whatever is mended.
fn untimely(id: &str) -> String {
    json!({
        "message_id": id, "publisher_id": "p", "event_type": "image.upload", "priority": "INFO",
        "payload": {"id": id, "size": 1}, "timestamp": "yesterday",
    })
    .to_string()
}

fn write_meter(agent: &Agent, name: &str) {
    fs::create_dir_all(agent.path("meters.d")).unwrap();
    let text = format!(
        "metric:\n  - name: {name}\n    event_type: {METER}\n    type: gauge\n    unit: B\n    volume: 1\n    \
         resource_id: $.payload.id\n"
    );
    fs::write(agent.path("meters.d/poison.yaml"), text).unwrap();
}

/// An agent whose meter [`METER`] has a mistake; only events with a definition are made.
fn agent(vhost: &Vhost<'_>) -> Agent {
    let agent = Agent::new(&vhost.transport_url())
        .durable()
        .with("event", "drop_unmatched_notifications = true")
        .with("meter", "meter_definitions_dirs = builtin:meters.d");
    let directory = format!("meter_definitions_dirs = {}", agent.path("meters.d").display());
    let agent = agent.with("meter", directory);
    write_meter(&agent, "$.payload.name");
    agent
}

struct Traffic {
    oracle: Arc<Oracle>,
    good: Producer,
    strays: Arc<Oracle>,
    poison: Producer,
}

impl Traffic {
    fn start(vhost: &Vhost<'_>) -> Self {
        let (oracle, strays) = (Arc::new(Oracle::new()), Arc::new(Oracle::new()));
        let good = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
        let poison = Producer::start(&vhost.amqp_url(), &strays).unwrap();
        Self { oracle, good, strays, poison }
    }

    fn poison(&self, body: impl FnOnce(&str) -> String) -> String {
        let id = self.strays.issue();
        let text = id.to_string();
        self.poison.publish(id, EXCHANGE, ROUTING_KEY, &body(&text)).unwrap();
        text
    }

    fn notify(&self) {
        self.good.notify(EXCHANGE, ROUTING_KEY).unwrap();
    }

    fn flush(&self) {
        self.good.flush(LONG).unwrap();
        self.poison.flush(LONG).unwrap();
    }
}

fn wait_empty(vhost: &Vhost<'_>) {
    wait_until("an empty queue", LONG, || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn with_cause<'all>(letters: &'all [Value], cause: &str) -> Vec<&'all Value> {
    letters.iter().filter(|letter| letter["cause"] == cause).collect()
}

/// Everything in is something out, once nothing is in hand.
fn assert_balance(agent: &mut Agent) {
    let mut last = [0.0; 3];
    let balanced = wait_until("books that balance", LONG, || {
        last = ["notifications_total", "notification_outcomes_total", "notifications_in_hand"]
            .map(|name| agent.metric_sum(&format!("nephoscope_notification_{name}")));
        let [taken, finished, in_hand] = last;
        (in_hand < 0.5 && (taken - finished).abs() < 0.5).then_some(())
    });
    balanced.unwrap_or_else(|late| panic!("{late}: {last:?} taken, finished, in hand"));
}

#[test]
fn a_storm_of_poison_holds_nothing_up_and_is_kept_replayed_and_dropped() {
    let vhost = shared_rabbitmq().vhost("storm").unwrap();
    let mut agent = agent(&vhost);
    agent.start();
    agent.wait_ready();
    let traffic = Traffic::start(&vhost);
    // 5 000 of three kinds, among 1 000 good ones.
    let mut misnamed_ids = BTreeSet::new();
    for number in 0..1000 {
        traffic.notify();
        for _ in 0..2 {
            misnamed_ids.insert(traffic.poison(misnamed));
            traffic.poison(|_| UNREADABLE[number % UNREADABLE.len()].to_owned());
        }
        traffic.poison(untimely);
    }
    traffic.flush();
    wait_empty(&vhost);
    let verdict = assert_complete(&traffic.oracle, &agent.events(), &agent.samples());
    assert_eq!((verdict.obligations(), verdict.duplicates()), (1000, 0));
    // Each message came once: nothing went round.
    assert!((agent.metric_sum("nephoscope_amqp_received_messages_total") - 6000.0).abs() < 0.5);
    assert!(agent.metric_sum("nephoscope_amqp_redelivered_messages_total") < 0.5);
    assert!((agent.metric_sum("nephoscope_notification_dead_letters_total") - 5000.0).abs() < 0.5);
    assert_balance(&mut agent);

    let letters = agent.letters();
    assert_eq!(letters.len(), 5000);
    let of_meter = with_cause(&letters, "meter_name");
    assert_eq!(of_meter.len(), 2000);
    let found: BTreeSet<String> =
        of_meter.iter().map(|letter| letter["message_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, misnamed_ids);
    assert_eq!(with_cause(&letters, "timestamp").len(), 1000);
    for (cause, count) in [("not_json", 800), ("not_a_map", 800), ("envelope_version", 400)] {
        assert_eq!(with_cause(&letters, cause).len(), count, "{cause}");
    }
    let shown = stdout(&agent.dead_letter(&["show", of_meter[7]["id"].as_str().unwrap()]));
    for word in ["meter_name", METER, ROUTING_KEY, EXCHANGE, "the name 7 is not a text", "\"name\":7"] {
        assert!(shown.contains(word), "{word} is missing in\n{shown}");
    }

    // The definition is mended, and what failed is sent again.
    write_meter(&agent, METER);
    agent.process().hang_up().unwrap();
    let taken = "nephoscope_configuration_reloads_total{cause=\"taken\"}";
    until("the end of a reload", || (agent.metric(taken)? >= 1.0).then_some(())).unwrap();
    let said = stdout(&agent.dead_letter(&["replay", "--cause", "meter_name"]));
    assert_eq!(said, "replayed 2000 letters\n");
    wait_empty(&vhost);
    let samples = read_records(&agent.samples());
    let mended = samples.iter().filter(|sample| sample["name"] == METER);
    let mended: Vec<&str> = mended.map(|sample| sample["resource_id"].as_str().unwrap()).collect();
    assert_eq!(mended.len(), 2000, "a sample for each, once");
    assert_eq!(mended.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>(), misnamed_ids);
    assert_eq!(agent.letters().len(), 3000);
    // What cannot be mended comes back as a letter, and is not lost on the way.
    assert_eq!(stdout(&agent.dead_letter(&["replay", "--cause", "timestamp"])), "replayed 1000 letters\n");
    until("the letters again", || (agent.letters().len() == 3000).then_some(())).unwrap();

    assert_eq!(stdout(&agent.dead_letter(&["drop", "--cause", "timestamp"])), "dropped 1000 letters\n");
    assert_eq!(stdout(&agent.dead_letter(&["drop", "--all"])), "dropped 2000 letters\n");
    assert_eq!(agent.letters(), Vec::<Value>::new());
    assert!(agent.terminate().success());
}

/// Acknowledged without a letter is lost; this is what a letter is synced before the acknowledgement for.
#[test]
fn no_kill_during_a_storm_loses_a_poison_message() {
    const ROUNDS: usize = 8;
    let vhost = shared_rabbitmq().vhost("poison-kill").unwrap();
    let mut agent = agent(&vhost);
    agent.start();
    agent.wait_ready();
    let traffic = Traffic::start(&vhost);
    let mut sent = BTreeSet::new();
    for _ in 0..ROUNDS {
        for number in 0..300 {
            sent.insert(match number % 3 {
                0 => traffic.poison(misnamed),
                1 => traffic.poison(untimely),
                _ => traffic.poison(|id| format!("{{{id}")),
            });
            if number % 5 == 0 {
                traffic.notify();
            }
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..150)));
        agent.kill();
        agent.start();
    }
    traffic.flush();
    agent.wait_ready();
    wait_empty(&vhost);
    assert!(agent.terminate().success());
    let verdict = assert_complete(&traffic.oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), ROUNDS * 60);
    let mut kept = BTreeSet::new();
    let mut letters = 0;
    for file in fs::read_dir(agent.path("state/dead-letters")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for letter in read_records(&path) {
            letters += 1;
            let body = letter["body"].as_str().unwrap();
            let id = sent.iter().find(|id| body.contains(id.as_str()));
            kept.insert(id.unwrap_or_else(|| panic!("a letter of nobody: {letter}")).clone());
        }
    }
    let lost: Vec<&String> = sent.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} messages have no letter, such as {}", lost.len(), sent.len(), lost[0]);
    println!("{ROUNDS} kills: {} messages, {letters} letters", sent.len());
}

#[test]
fn an_event_that_fails_goes_back_as_often_as_the_limit_says_and_then_becomes_a_letter() {
    for queues in ["amqp_durable_queues = true", "rabbit_quorum_queue = true"] {
        let vhost = shared_rabbitmq().vhost("requeue-limit").unwrap();
        let mut agent = Agent::new(&vhost.transport_url())
            .with("oslo_messaging_rabbit", queues)
            .with("notification", "ack_on_event_error = false")
            .with("nephoscope", "requeue_limit = 2");
        agent.start();
        agent.wait_ready();
        let traffic = Traffic::start(&vhost);
        for _ in 0..20 {
            traffic.poison(untimely);
            traffic.notify();
        }
        traffic.flush();
        until("the letters", || (agent.letters().len() == 20).then_some(())).unwrap();
        wait_empty(&vhost);
        let verdict = assert_complete(&traffic.oracle, &agent.events(), &agent.samples());
        assert_eq!((verdict.obligations(), verdict.duplicates()), (20, 0), "{queues}");
        let letters = agent.letters();
        assert_eq!(letters.len(), 20, "{queues}");
        for letter in &letters {
            assert_eq!((&letter["attempts"], &letter["redelivered"]), (&json!(3), &json!(true)), "{queues}");
        }
        let requeued = "nephoscope_notification_notifications_requeued_total{cause=\"event_error\"}";
        assert_eq!(agent.metric(requeued), Some(40.0), "{queues}");
        assert_balance(&mut agent);
        assert!(agent.terminate().success());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the waits of a real process are measured")]
fn letters_that_cannot_be_written_send_their_messages_back_and_not_in_a_hot_loop() {
    let vhost = shared_rabbitmq().vhost("unwritable").unwrap();
    let mut agent = agent(&vhost);
    fs::create_dir(agent.path("state")).unwrap();
    fs::write(agent.path("state/dead-letters"), "in the way").unwrap();
    agent.start();
    agent.wait_ready();
    until("a reason on /readyz", || agent.get("/readyz").1.contains("dead-letters").then_some(())).unwrap();
    let traffic = Traffic::start(&vhost);
    let began = Instant::now();
    for _ in 0..10 {
        traffic.poison(misnamed);
        traffic.notify();
    }
    traffic.flush();
    let requeued = "nephoscope_notification_notifications_requeued_total{cause=\"dead_letter_unwritten\"}";
    until("three rounds of ten", || (agent.metric(requeued)? >= 30.0).then_some(())).unwrap();
    assert!(began.elapsed() > Duration::from_secs(1), "three rounds within {:?}", began.elapsed());
    // The good ones are not held up, and none of the bad ones is gone.
    until("ten good ones", || (read_records(&agent.events()).len() == 10).then_some(())).unwrap();
    let (status, body) = agent.get("/readyz");
    assert!(status == 200 && body.contains("\"degraded\""), "{body}");
    assert!(agent.metric_sum("nephoscope_notification_dead_letters_total") < 0.5);

    fs::remove_file(agent.path("state/dead-letters")).unwrap();
    wait_empty(&vhost);
    assert_eq!(agent.letters().len(), 10);
    until("an end of the degradation", || agent.get("/readyz").1.contains("\"status\":\"ok\"").then_some(()))
        .unwrap();
    let verdict = assert_complete(&traffic.oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), 10);
    assert_balance(&mut agent);
    assert!(agent.terminate().success());
}

#[test]
fn what_does_not_fit_is_counted_and_said_and_holds_nothing_up() {
    let vhost = shared_rabbitmq().vhost("full").unwrap();
    let mut agent = agent(&vhost).with("nephoscope", "dead_letter_max_bytes = 16384");
    agent.start();
    agent.wait_ready();
    let traffic = Traffic::start(&vhost);
    for _ in 0..200 {
        traffic.poison(misnamed);
        traffic.notify();
    }
    traffic.flush();
    wait_empty(&vhost);
    let verdict = assert_complete(&traffic.oracle, &agent.events(), &agent.samples());
    assert_eq!(verdict.obligations(), 200);
    let kept = agent.letters().len();
    assert!((1..200).contains(&kept), "{kept}");
    let full = "nephoscope_notification_notifications_dropped_total{cause=\"dead_letters_full\"}";
    let lost = 200.0 - f64::from(u32::try_from(kept).unwrap());
    until("every other one counted", || ((agent.metric(full)? - lost).abs() < 0.5).then_some(()))
        .unwrap_or_else(|late| panic!("{late}: {:?} dropped, {kept} kept", agent.metric(full)));
    until("a reason on /readyz", || agent.get("/readyz").1.contains("are lost").then_some(())).unwrap();
    assert_balance(&mut agent);
    stdout(&agent.dead_letter(&["drop", "--all"]));
    until("an end of the degradation", || agent.get("/readyz").1.contains("\"status\":\"ok\"").then_some(()))
        .unwrap();
    traffic.poison(misnamed);
    traffic.flush();
    until("a letter", || (agent.letters().len() == 1).then_some(())).unwrap();
    assert!(agent.terminate().success());
}

#[test]
fn a_letter_returns_to_its_queue_byte_for_byte_even_when_its_exchange_is_gone() {
    let vhost = shared_rabbitmq().vhost("replay").unwrap();
    let mut agent = agent(&vhost);
    agent.start();
    agent.wait_ready();
    let body = [0_u8, 255, 128, 10];
    vhost.publish(EXCHANGE, ROUTING_KEY, &body).unwrap();
    until("a letter", || (agent.letters().len() == 1).then_some(())).unwrap();
    let id = agent.letters()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(agent.dead_letter(&["show", "--body", &id]).stdout, body);
    assert!(agent.terminate().success());

    // A letter of an exchange that nobody knows: it goes to its queue.
    let directory = agent.path("state/dead-letters");
    let file = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"exchange\":\"glance\"", "\"exchange\":\"gone\"")).unwrap();
    assert_eq!(stdout(&agent.dead_letter(&["replay", &id])), "replayed 1 letter\n");
    let messages = vhost.take("notifications.info").unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].body.as_slice(), messages[0].exchange.as_str()), (body.as_slice(), ""));
    assert_eq!(messages[0].properties["content_type"], "application/json");

    // Of a queue that nobody has: it stays, with a reason.
    fs::write(
        &file,
        text.replace("glance", "gone").replace("\"queue\":\"notifications.info\"", "\"queue\":\"no\""),
    )
    .unwrap();
    let output = agent.dead_letter(&["replay", "--all"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no queue is bound") && said.contains("stay where they are"), "{said}");
    assert_eq!(agent.letters().len(), 1);

    // Without a broker: the same, and the reason.
    let agent = agent.with("DEFAULT", "transport_url = rabbit://guest:guest@127.0.0.1:1/");
    let output = agent.rewritten().dead_letter(&["replay", "--all"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot reach 127.0.0.1:1"), "{said}");
    assert_eq!(agent.letters().len(), 1);
}
