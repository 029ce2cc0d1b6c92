//! `nephoscope explain`: expected texts for notifications of real services, every reason, forms of input, statuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");
const CORPUS: &str = include_str!("../../../tests/corpus/notifications.jsonl");
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explain");

/// Two kinds of publisher, and lists that take, refuse and do not name.
const PIPELINE: &str = "\
sources:
  - {name: all, meters: ['*'], sinks: [metrics]}
  - {name: images, meters: [image.*], sinks: [archive]}
  - {name: small, meters: ['!image.*', '!disk.*'], sinks: [archive]}
sinks:
  - {name: metrics, publishers: ['gnocchi://?archive_policy=high']}
  - {name: archive, publishers: ['file:///var/log/samples.json?json']}
";
const EVENT_PIPELINE: &str = "\
sources:
  - {name: changes, events: ['!*.start', '!identity.*'], sinks: [both]}
sinks:
  - {name: both, publishers: ['gnocchi://', 'notifier://user:hush@broker:5672/']}
";

/// A directory with these pipelines and an own configuration.
fn directory(options: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ceilometer.conf", options);
    write("pipeline.yaml", PIPELINE);
    write("event_pipeline.yaml", EVENT_PIPELINE);
    directory
}

/// Runs `explain` in a directory, with `input` on standard input.
fn explain(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(["explain", "--config-file", "ceilometer.conf"])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that refuses its command line does not read.
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Compares with a file of `tests/explain`; `NEPHOSCOPE_WRITE_EXPECTED` writes it instead.
fn check(name: &str, input: &str, arguments: &[&str]) {
    let directory = directory("");
    let output = explain(directory.path(), arguments, input);
    assert_eq!(text(&output.stderr), "", "{name}");
    assert_eq!(output.status.code(), Some(0), "{name}");
    let path = format!("{EXPECTED}/{name}");
    if std::env::var_os("NEPHOSCOPE_WRITE_EXPECTED").is_some() {
        fs::write(&path, &output.stdout).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(text(&output.stdout), expected, "{name}");
}

/// The first line of the corpus with that event type.
fn recorded(event_type: &str) -> &'static str {
    let is_wanted = |line: &&str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        let inner = body["oslo.message"].as_str().map(|text| serde_json::from_str(text).unwrap());
        inner.unwrap_or(body)["event_type"] == event_type
    };
    CORPUS.lines().find(is_wanted).unwrap_or_else(|| panic!("no {event_type}"))
}

#[test]
fn notifications_of_real_services_are_explained() {
    for event_type in [
        "alarm.creation",
        "volume.update.end",
        "volume.transfer.accept.end",
        "snapshot.create.end",
        "image.create",
        "image.delete",
        "image.send",
        "floatingip.exists",
        "router.create.end",
        "scheduler.select_destinations.end",
        "compute.instance.create.end",
        "compute.instance.rebuild.end",
        "instance.create.error",
    ] {
        check(&format!("{event_type}.txt"), recorded(event_type), &["-"]);
    }
    check("image.delete.all.txt", recorded("image.delete"), &["--all", "-"]);
    check("image.delete.json", recorded("image.delete"), &["--json", "-"]);
}

/// The texts that a report in JSON has under `keys`, wherever they are.
fn collect<'v>(value: &'v Value, keys: &[&str], found: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if keys.contains(&key.as_str()) => found.push(text),
                    _ => collect(value, keys, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, found)),
        _ => {}
    }
}

/// Whatever is said in JSON, of any notification of the corpus, is said in the text as well.
#[test]
fn text_and_json_have_the_same_content() {
    let directory = directory("");
    fs::write(directory.path().join("corpus"), CORPUS).unwrap();
    let json = explain(directory.path(), &["--all", "--json", "corpus"], "");
    assert_eq!(json.status.code(), Some(0));
    let plain = text(&explain(directory.path(), &["--all", "corpus"], "").stdout);
    let mut pages = plain.split("\nmessage ");
    let json = text(&json.stdout);
    assert_eq!(json.lines().count(), CORPUS.lines().count());
    let mut said = 0;
    for line in json.lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let page = pages.next().unwrap();
        let mut found = Vec::new();
        let keys =
            ["nothing", "error", "why", "fate", "place", "dropped", "path", "file", "url", "operation"];
        collect(&report, &keys, &mut found);
        for text in found.into_iter().filter(|text| *text != "delete") {
            assert!(page.contains(text), "{text:?} is not in\n{page}");
            said += 1;
        }
        for sample in report["samples"].as_array().unwrap() {
            assert!(page.contains(sample["sample"]["id"].as_str().unwrap()));
        }
    }
    assert!(said > 10_000, "{said}");
    assert_eq!(pages.next(), None);
    assert!(!plain.contains("hush") && !json.contains("hush"), "a password is shown");
}

/// A notification as Ceilometer's pipelines see it.
fn bare(event_type: &str, payload: &Value) -> Value {
    json!({
        "ctxt": {}, "publisher_id": "p", "event_type": event_type, "payload": payload,
        "metadata": {"message_id": "m", "timestamp": "2026-07-21 13:56:12"},
    })
}

#[test]
fn every_drop_has_its_reason_and_nothing_gives_status_1() {
    let own = "\
[DEFAULT]
[event]
definitions_cfg_file = events.yaml
drop_unmatched_notifications = true
[meter]
meter_definitions_dirs = meters
";
    let one = directory(own);
    let write = |name: &str, text: &str| fs::write(one.path().join(name), text).unwrap();
    fs::create_dir(one.path().join("meters")).unwrap();
    write(
        "meters/m.yaml",
        "metric:\n- {name: known, event_type: e|s, type: gauge, unit: u, volume: payload.v, resource_id: payload.r}\n\
         - {name: unknown, event_type: f, type: gauge, unit: u, volume: 1, resource_id: payload.r}\n\
         - {name: 'payload.l[*].n', event_type: g, type: gauge, unit: u, volume: 'payload.l[*].v', resource_id: r, \
         lookup: [name, volume]}\n",
    );
    write(
        "events.yaml",
        "- {event_type: e*, traits: {i: {type: int, fields: payload.i}, id: payload.r}}\n\
         - {event_type: x.start, traits: {}}\n",
    );
    write(
        "gnocchi_resources.yaml",
        "resources:\n- {resource_type: thing, metrics: [known], event_delete: 'e*', event_attributes: {id: id}}\n",
    );
    let long = "x".repeat(256);
    for (input, status, expected) in [
        (
            bare("s", &json!({"v": null})),
            1,
            "dropped, null_volume: no pipeline carries a sample without a number",
        ),
        (bare("s", &json!({"v": [1]})), 1, "dropped, volume_not_a_number"),
        (
            bare("e", &json!({"v": 1})),
            0,
            "sample 1: nothing, resource_id: the resource id None is not a text",
        ),
        (bare("e", &json!({"v": 1, "r": long})), 0, "resource_id_length: the resource id has 256 characters"),
        (bare("f", &json!({"r": "r"})), 0, "unknown_metric: no resource type has the metric unknown"),
        (bare("e", &json!({"i": "x"})), 1, "event: failed, trait_type: trait i: 'x' is not of type int"),
        (bare("e", &json!({"i": ""})), 0, "no trait i: the text at payload.i is empty, which is no int"),
        (
            bare("e", &json!({})),
            0,
            "event: nothing, missing_id: the event has no trait id, which gives the id of the thing",
        ),
        (bare("e", &json!({"r": "a/b"})), 0, "event: ends thing \"a_b\" (gnocchi_resources.yaml:2)"),
        (bare("x.start", &json!({})), 1, "event: refused by \"!*.start\""),
        (
            bare("g", &json!({"l": [{"n": "a", "v": 1}, {"n": "b"}]})),
            1,
            "failed, lookup_count: found 1 values of volume for 2 samples",
        ),
        (bare("g", &json!({})), 1, "no name was found, so there is no sample: nothing at payload.l[*].n"),
        (
            bare("nobody", &json!({})),
            1,
            "event: none, because no definition wants its type and drop_unmatched_notifications is on",
        ),
        (
            json!({"event_type": 5, "ctxt": {}, "payload": {}}),
            1,
            "failed, event_type: the event type is not a text",
        ),
        (
            json!({"message_id": "m", "priority": "LOUD"}),
            1,
            "unknown_priority: \"LOUD\" is none of oslo.messaging's seven",
        ),
        (
            json!({"message_id": "m", "priority": "WARN", "event_type": "e"}),
            1,
            "samples: none, because they are made of the priorities info and sample only",
        ),
        (
            json!({"oslo.version": "3.0", "oslo.message": "{}"}),
            1,
            "envelope_version: envelope version \"3.0\" is not supported (2.0 is)",
        ),
        (json!(7), 1, "not_a_map: body is not a JSON map"),
    ] {
        let output = explain(one.path(), &["-"], &input.to_string());
        let page = text(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{expected}\n{page}");
        assert!(page.contains(expected), "{expected}\n{page}");
        assert_eq!(text(&output.stderr).contains("nothing reaches a publisher"), status == 1, "{page}");
        let json = explain(one.path(), &["--json", "-"], &input.to_string());
        assert_eq!(json.status.code(), Some(status));
        serde_json::from_slice::<Value>(&json.stdout).unwrap();
    }

    let off = directory("[notification]\npipelines = event\nack_on_event_error = false\n");
    let input = bare("image.upload", &json!({"id": "i", "size": "many"})).to_string();
    let output = explain(off.path(), &["--priority", "error", "-"], &input);
    let page = text(&output.stdout);
    assert!(page.contains("samples: none, because [notification] pipelines leaves meter out"), "{page}");
    assert!(page.contains("given back to the broker, and delivered again after a wait"), "{page}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn every_form_of_input_is_read() {
    let one = directory("");
    let payload = json!({"id": "i", "size": 5, "owner": "o"});
    let v1 = json!({
        "message_id": "m", "publisher_id": "p", "event_type": "image.upload", "priority": "INFO", "payload": payload,
        "timestamp": "2026-07-21 13:56:12",
    });
    let v2 = json!({"oslo.version": "2.0", "oslo.message": v1.to_string()});
    let recording =
        json!({"exchange": "glance", "routing_key": "notifications.info", "body": v2.to_string()});
    let management = json!({"exchange": "glance", "payload": v2.to_string(), "payload_encoding": "string"});
    let seen = bare("image.upload", &payload);
    for (input, form) in [
        (v1.to_string(), "message 1.0"),
        (v2.to_string(), "envelope 2.0"),
        (recording.to_string(), "envelope 2.0"),
        (json!([management]).to_string(), "envelope 2.0"),
        (serde_json::to_string_pretty(&seen).unwrap(), "notification"),
    ] {
        fs::write(one.path().join("input"), &input).unwrap();
        let output = explain(one.path(), &["--json", "input"], "");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["message"]["form"], form, "{input}");
        assert_eq!(report["samples"][0]["sample"]["volume"], 5, "{input}");
        assert_eq!(report["outcome"]["samples"], 1, "{input}");
    }
    // One a line, in any mixture; one that cannot be read does not keep the others from their explanation.
    let lines = format!("{v1}\n\nnot json\n{seen}\n");
    let output = explain(one.path(), &["--json", "-"], &lines);
    assert_eq!(output.status.code(), Some(0));
    let forms: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(forms.len(), 3);
    assert_eq!(forms[1]["ignored"]["cause"], "not_json");
    assert_eq!((&forms[2]["number"], &forms[2]["message"]["form"]), (&json!(3), &json!("notification")));
}

#[test]
fn what_is_wrong_with_command_line_and_configuration_has_its_status() {
    let one = directory("");
    let write = |name: &str, text: &str| fs::write(one.path().join(name), text).unwrap();
    for (arguments, input, status, expected) in [
        (&[][..], "", 64, "<FILE>"),
        (&["absent"], "", 64, "cannot read absent"),
        (&["-"], " \n", 64, "- is empty: give it a notification as JSON"),
        (&["--priority", "loud", "-"], "{}", 64, "loud"),
        (&["-"], r#"{"payload": "e30=", "payload_encoding": "base64"}"#, 64, "payload in base64"),
    ] {
        let output = explain(one.path(), arguments, input);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
    write("gnocchi_resources.yaml", "resources:\n- {resource_type: a}\n");
    let output = explain(one.path(), &["-"], "{}");
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("warning: gnocchi_resources.yaml:2:3: the resource definition lacks metrics"),
        "{complaint}"
    );
    write("gnocchi_resources.yaml", "resources: 5\n");
    for wrong in ["gnocchi_resources.yaml:1:12: resources is an integer", "pipeline.yaml:1:1:"] {
        let output = explain(one.path(), &["-"], "{}");
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{complaint}");
        assert!(complaint.contains(wrong), "{complaint}");
        write("pipeline.yaml", "sources: []\n");
    }
}
