//! Recorded and generated messages that reach every definition, endpoint and operator.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use definitions::{
    EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoints, SampleSettings, Source, builtin,
};
use model::{Map, Notification, Parts, Priority, Value, json};
use testkit::{Oracle, Producer, repository, shared_rabbitmq, venv_python};

use crate::both::{Both, OURS, Setup, UPSTREAM, Written};
use crate::compare::{self, Compared, Side, message_of, multisets, without_made_id};
use crate::differences::Judge;

/// The rows of the table of operators, and the other forms that a value can have: each must have found something in a
/// sample that both agents wrote.
const ROWS: [&str; 38] = [
    "root",
    "this",
    "parent",
    "field",
    "several",
    "wildcard",
    "descendants",
    "index",
    "slice",
    "union",
    "where",
    "filter_exists",
    "filter_equal",
    "filter_not_equal",
    "filter_less",
    "filter_less_or_equal",
    "filter_greater",
    "filter_greater_or_equal",
    "filter_matches",
    "filter_and",
    "sort",
    "sorted",
    "len",
    "split",
    "sub",
    "arithmetic_plus",
    "arithmetic_minus",
    "arithmetic_times",
    "constant",
    "literal",
    "list",
    "map",
    "metadata",
    "user_metadata",
    "plugin_split",
    "plugin_timedelta",
    "plugin_map",
    "plugin_bitfield",
];
/// Traits of the operators' event that meters do not have.
const TRAITS: [&str; 5] = ["text", "integer", "float", "datetime", "none"];

/// One message, and what Ceilometer's converters made of it.
struct Message {
    case: String,
    exchange: String,
    priority: Priority,
    /// The message inside the envelope.
    body: String,
    samples: Vec<String>,
    event: Option<String>,
    /// Why upstream makes no event.
    raised: Option<String>,
}

/// What the generator says.
struct Script {
    meters: String,
    events: String,
    messages: Vec<Message>,
}

fn generate(what: &str) -> Script {
    let script = repository().join("tests/oracle/messages.py");
    let output = Command::new(venv_python().unwrap()).arg(script).arg(what).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut script = Script { meters: String::new(), events: String::new(), messages: Vec::new() };
    let mut ended = false;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = json::parse(line).unwrap();
        let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
        match text("kind").unwrap().as_str() {
            "files" => (script.meters, script.events) = (text("meters").unwrap(), text("events").unwrap()),
            "message" => {
                let samples = record.get("samples").and_then(Value::as_list).unwrap_or_default();
                script.messages.push(Message {
                    case: text("case").unwrap(),
                    exchange: text("exchange").unwrap(),
                    priority: Priority::from_name(&text("priority").unwrap()).unwrap(),
                    body: text("body").unwrap(),
                    samples: samples.iter().map(|line| line.as_str().unwrap().to_owned()).collect(),
                    event: text("event"),
                    raised: text("raised"),
                });
            }
            "end" => ended = true,
            other => panic!("{other}"),
        }
    }
    assert!(ended, "{}", String::from_utf8_lossy(&output.stderr));
    script
}

impl Message {
    /// The notification that it is, unless we refuse it.
    fn notification(&self) -> Option<Notification> {
        let Ok(Value::Map(message)) = json::parse(&self.body) else { return None };
        let context: Map = message
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("_context_")?, value.clone())))
            .chain([("client_timeout", Value::Null)])
            .collect();
        let part = |key| message.get(key).cloned().unwrap_or_default();
        let parts = Parts {
            ctxt: context.into(),
            publisher_id: part("publisher_id"),
            event_type: part("event_type"),
            payload: part("payload"),
            message_id: part("message_id"),
            timestamp: part("timestamp"),
        };
        Some(Notification::from_parts(parts, self.priority))
    }

    /// The ids that its polled samples bring along.
    fn given_ids(&self) -> Vec<String> {
        let Some(notification) = self.notification() else { return Vec::new() };
        if notification.event_type() != Some("telemetry.polling") {
            return Vec::new();
        }
        let samples = notification.payload().get("samples").and_then(Value::as_list).unwrap_or_default();
        let ids = samples.iter().filter_map(|sample| sample.get("message_id"));
        ids.map(model::pytext::to_str).collect()
    }
}

/// Our converters in this process: which definition makes which line of which message.
struct Attribution {
    /// The message of a line, by the line.
    message: HashMap<String, usize>,
    /// The definitions that make a line.
    definitions: HashMap<String, Vec<String>>,
    /// By message: why it gives no sample or event.
    failures: HashMap<usize, &'static str>,
    /// Every definition and endpoint.
    all: BTreeSet<String>,
}

fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

impl Attribution {
    fn new(messages: &[Message], meters: &str, events: &str, given: &HashSet<String>) -> Self {
        let source = Source { path: "meters.yaml", text: meters };
        let endpoints = SampleEndpoints::new(MeterDefinitions::load(&[source]).0);
        let meters = MeterDefinitions::load(&[source]).0;
        let event_settings = EventSettings { store_raw: vec!["info".into()], ..EventSettings::default() };
        let (events, _) =
            EventDefinitions::load(Source { path: "events.yaml", text: events }, &event_settings);
        let settings = SampleSettings::default();
        let coded = || endpoints.iter().filter(|endpoint| endpoint.name() != "meter");
        let mut all: BTreeSet<String> =
            coded().map(|endpoint| format!("endpoint {}", endpoint.name())).collect();
        all.extend(meters.iter().map(|meter| format!("meter {}", meter.name())));
        all.extend(events.iter().map(|event| format!("event {}", event.name())));
        let mut this =
            Self { message: HashMap::new(), definitions: HashMap::new(), failures: HashMap::new(), all };
        for (index, message) in messages.iter().enumerate() {
            let Some(notification) = message.notification() else {
                this.failures.insert(index, "refused");
                continue;
            };
            let event_type = notification.event_type().unwrap();
            if SampleEndpoints::accepts(message.priority) {
                let wanted = coded().filter(|endpoint| endpoint.wants(event_type)).map(|endpoint| {
                    let mut made = Vec::new();
                    let failures = endpoint.convert(&notification, &settings, &mut made);
                    (format!("endpoint {}", endpoint.name()), made, failures)
                });
                let defined = meters.iter().filter(|meter| meter.matches(event_type)).map(|meter| {
                    let mut made = Vec::new();
                    let failures = meter.convert(&notification, &settings, &mut made);
                    (format!("meter {}", meter.name()), made, failures)
                });
                for (name, made, failures) in wanted.chain(defined) {
                    for sample in made {
                        let line = printed(|out| sample.write_json(out));
                        this.note(without_made_id(&line, Side::Ours, given), index, &name);
                    }
                    if let Some(failure) = failures.first() {
                        this.failures.insert(index, failure.cause.label());
                    }
                }
            }
            if EventDefinitions::accepts(message.priority) {
                match events.convert(&notification) {
                    Ok(Some(event)) => {
                        let name = events.find(event_type).unwrap().name();
                        this.note(printed(|out| event.write_json(out)), index, &format!("event {name}"));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        this.failures.insert(index, error.cause.label());
                    }
                }
            }
        }
        this
    }

    fn note(&mut self, line: String, index: usize, name: &str) {
        self.definitions.entry(line.clone()).or_default().push(name.to_owned());
        self.message.insert(line, index);
    }

    /// The definitions and endpoints of which no line is among `texts`.
    fn unreached(&self, texts: &[&HashSet<String>]) -> Vec<String> {
        let mut left = self.all.clone();
        for line in texts.iter().copied().flatten() {
            for name in self.definitions.get(line).into_iter().flatten() {
                left.remove(name);
            }
        }
        left.into_iter().collect()
    }
}

fn publish(producer: &Producer, oracle: &Oracle, message: &Message) {
    let envelope: Map =
        [("oslo.version", Value::from("2.0")), ("oslo.message", message.body.as_str().into())]
            .into_iter()
            .collect();
    let envelope = json::to_string(&envelope.into());
    for topic in [UPSTREAM, OURS] {
        let key = format!("{topic}.{}", message.priority.as_str());
        producer.publish(oracle.issue(), &message.exchange, &key, &envelope).unwrap();
    }
}

/// What became of the messages of one script.
struct Run {
    what: &'static str,
    upstream: Written,
    ours: Written,
    /// Ids that polled samples brought along.
    given: HashSet<String>,
    attribution: Attribution,
}

/// Sends the messages to both agents; without definitions, each uses those that come with it.
fn run(what: &'static str, script: &Script, definitions: Option<(String, String)>) -> Run {
    let vhost = shared_rabbitmq().vhost("oracle").unwrap();
    let (meters, events) = definitions
        .clone()
        .unwrap_or_else(|| (builtin::METERS.text.to_owned(), builtin::EVENTS.text.to_owned()));
    let settings = vec![("event", "store_raw = info".to_owned())];
    let both = Both::start(&vhost, &Setup { definitions, settings, ..Setup::default() });
    let oracle = Arc::new(Oracle::new());
    let producer = Producer::start(&vhost.amqp_url(), &oracle).unwrap();
    for message in &script.messages {
        publish(&producer, &oracle, message);
    }
    producer.flush(Duration::from_mins(2)).unwrap();
    let given: HashSet<String> = script.messages.iter().flat_map(Message::given_ids).collect();
    let attribution = Attribution::new(&script.messages, &meters, &events, &given);
    let (upstream, ours) = both.finish();
    Run { what, upstream, ours, given, attribution }
}

/// Compares what the agents wrote. Returns the lines that are equal.
fn judge_run(judge: &mut Judge, script: &Script, run: &Run) -> (HashSet<String>, HashSet<String>) {
    let upstream_samples = compare::samples(&run.upstream, Side::Upstream, &run.given);
    let our_samples = compare::samples(&run.ours, Side::Ours, &run.given);
    let samples = multisets(&upstream_samples, &our_samples);
    let events = multisets(&run.upstream.events, &run.ours.events);
    let expected_before = judge.expected;
    judge_samples(judge, script, &run.attribution, &samples);
    judge_events(judge, script, &run.attribution, &events);
    println!(
        "{}: {} messages, {} samples and {} events equal, {} expected differences",
        run.what,
        script.messages.len(),
        samples.common,
        events.common,
        judge.expected - expected_before
    );
    judge.compared += samples.common + events.common;
    // Order is kept per resource and meter, and that of events per queue.
    assert_eq!(
        compare::by_resource(&upstream_samples, &samples.texts),
        compare::by_resource(&our_samples, &samples.texts)
    );
    let of_info = |written: &Written| -> Vec<String> {
        let info = script.messages.iter().filter(|message| message.priority == Priority::Info);
        let info: HashSet<&str> = info.filter_map(|message| message.event.as_deref()).collect();
        let both = |line: &&String| events.texts.contains(*line) && info.contains(line.as_str());
        written.events.iter().filter(both).map(|line| message_of(line)).collect()
    };
    assert_eq!(of_info(&run.upstream), of_info(&run.ours));
    (samples.texts, events.texts)
}

/// Our outcome for a message, in the words of the rules.
fn outcome(attribution: &Attribution, index: usize, made: bool) -> &'static str {
    if made { "converted" } else { attribution.failures.get(&index).copied().unwrap_or("dropped") }
}

fn judge_samples(judge: &mut Judge, script: &Script, attribution: &Attribution, samples: &Compared) {
    // The ids of generated samples read "ID" in the generator's answers.
    let masked = |line: &str| {
        line.replace("\"id\": \"ID\", \"monotonic_time\"", "\"id\": \"MADE\", \"monotonic_time\"")
    };
    let mut sources: HashMap<String, usize> = HashMap::new();
    if !samples.only_upstream.is_empty() {
        for (index, message) in script.messages.iter().enumerate() {
            sources.extend(message.samples.iter().map(|line| (masked(line), index)));
        }
    }
    let mut messages: HashMap<usize, (bool, String)> = HashMap::new();
    for line in &samples.only_ours {
        let index = *attribution.message.get(line).unwrap_or_else(|| panic!("from no message: {line}"));
        messages.insert(index, (true, format!("only ours: {line}")));
    }
    for line in &samples.only_upstream {
        let Some(index) = sources.get(line) else {
            judge.differ("samples", "?", "other samples", "?", || format!("only upstream: {line}"));
            continue;
        };
        let entry = messages.entry(*index).or_default();
        let _ = write!(entry.1, "\n  only upstream: {line}");
    }
    for (index, (made, detail)) in messages {
        let message = &script.messages[index];
        judge.differ("samples", &message.case, "other samples", outcome(attribution, index, made), || detail);
    }
}

fn judge_events(judge: &mut Judge, script: &Script, attribution: &Attribution, events: &Compared) {
    let place: HashMap<String, usize> =
        (0..script.messages.len()).map(|index| (format!("message-{}", index + 1), index)).collect();
    let mut messages: HashMap<usize, (bool, String)> = HashMap::new();
    for (lines, ours) in [(&events.only_ours, true), (&events.only_upstream, false)] {
        for line in lines {
            let entry = messages.entry(place[&message_of(line)]).or_default();
            entry.0 |= ours;
            let whose = if ours { "only ours" } else { "only upstream" };
            let _ = write!(entry.1, "\n  {whose}: {line}");
        }
    }
    for (index, (made, detail)) in messages {
        let message = &script.messages[index];
        let upstream = message.raised.as_deref().unwrap_or("other event");
        judge.differ("event", &message.case, upstream, outcome(attribution, index, made), || detail);
    }
}

#[test]
fn both_agents_write_the_same() {
    let (packaged, own, files, operators, tried) = thread::scope(|scope| {
        let operators = scope.spawn(|| {
            let script = generate("operators");
            let definitions = Some((script.meters.clone(), script.events.clone()));
            let run = run("every operator", &script, definitions);
            (script, run)
        });
        let packaged = generate("packaged");
        let (own, files) = thread::scope(|scope| {
            let own = scope.spawn(|| run("each agent's own definitions", &packaged, None));
            let definitions = Some((packaged.meters.clone(), packaged.events.clone()));
            let files = run("upstream's files for both", &packaged, definitions);
            (own.join().unwrap(), files)
        });
        let (operators, tried) = operators.join().unwrap();
        (packaged, own, files, operators, tried)
    });
    let mut judge = Judge::new("agents");
    let mut unreached = Vec::new();
    for run in [&own, &files] {
        let (samples, events) = judge_run(&mut judge, &packaged, run);
        unreached.push(run.attribution.unreached(&[&samples, &events]));
    }
    let (samples, events) = judge_run(&mut judge, &operators, &tried);
    let found = |row: &&&str| {
        let name = format!("\"name\": \"oracle.{row}_");
        samples.iter().any(|line| {
            line.split_once(&name)
                .is_some_and(|(_, rest)| rest.starts_with(|next: char| next.is_ascii_digit()))
                && !line.contains("\"resource_id\": null")
        })
    };
    let silent_rows: Vec<_> = ROWS.iter().filter(|row| !found(row)).collect();
    let has_trait =
        |name: &&&str| events.iter().any(|line| line.contains(&format!("{{\"name\": \"{name}\", ")));
    let silent_traits: Vec<_> = TRAITS.iter().filter(|name| !has_trait(name)).collect();

    println!("{} samples and events compared, {} expected differences", judge.compared, judge.expected);
    assert!(judge.compared > 10_000, "{}", judge.compared);
    judge.end();
    assert!(silent_rows.is_empty(), "operators that found nothing: {silent_rows:?}");
    assert!(silent_traits.is_empty(), "traits that no event has: {silent_traits:?}");
    for unreached in unreached {
        // Later definitions cover these four, so that they never win.
        let shadowed: Vec<_> = unreached.iter().filter_map(|name| name.split(',').next()).collect();
        assert_eq!(
            shadowed,
            [
                "event network.*",
                "event objectstore.http.request",
                "event trove.instance.create",
                "event volume.exists"
            ],
            "of all other definitions both wrote something"
        );
    }
}
