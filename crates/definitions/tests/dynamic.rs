//! Definitions of dynamic pollsters: what an operator reads about a broken file, and what comes of a good one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use model::{Map, Value, json};
use nephoscope_definitions::dynamic::{Captured, Handler, Measured, Request};
use nephoscope_definitions::{DynamicPollster, DynamicPollsters, Severity, Source};

const GOOD: &str =
    "- name: a\n  sample_type: gauge\n  unit: u\n  value_attribute: v\n  endpoint_type: t\n  url_path: x\n";

fn load(text: &str) -> (DynamicPollsters, Vec<(Severity, String)>) {
    let (loaded, problems) = DynamicPollsters::load(&[Source { path: "d.yaml", text }], &["central"]);
    (loaded, problems.iter().map(|problem| (problem.severity, problem.to_string())).collect())
}

fn good(more: &str) -> DynamicPollster {
    let (loaded, problems) = load(&format!("{GOOD}{more}"));
    assert_eq!(problems, [], "{more}");
    DynamicPollster::clone(&loaded.pollsters[0])
}

fn map(text: &str) -> Map {
    json::parse(text).unwrap().as_map().unwrap().clone()
}

#[test]
fn problems_name_place_value_and_remedy() {
    for (text, severity, expected) in [
        (
            "a: b\n",
            Severity::Fatal,
            "d.yaml:1:1: the file must be a list of pollsters, not a map; write a dash",
        ),
        ("- [\n", Severity::Fatal, "d.yaml:2:1: not valid yaml"),
        ("- 5\n", Severity::Error, "d.yaml:1:3: a pollster must be a map, not 5; write name: first"),
        ("- {unit: x}\n", Severity::Error, "d.yaml:1:3: name is missing; add name:"),
        ("- name: ''\n", Severity::Error, "d.yaml:1:9: name is \"\"; add name:"),
    ] {
        let (loaded, problems) = load(text);
        assert!(loaded.pollsters.is_empty(), "{text}");
        let (found, message) = &problems[0];
        assert!(*found == severity && message.starts_with(expected), "{text}: {problems:?}");
    }
    for (from, to, expected) in [
        ("name: a\n", "name: a..b\n", "d.yaml:1:9: the name \"a..b\" cannot be used; use letters"),
        ("name: a\n", "name: a.{b}.c\n", "d.yaml:1:9: the name \"a.{b}.c\" cannot be used; use letters"),
        (
            "sample_type: gauge",
            "sample_type: gauges",
            "d.yaml:2:16: sample_type is \"gauges\"; write gauge, delta",
        ),
        ("  unit: u\n", "", "d.yaml:1:3: unit is missing; write what is counted"),
        ("unit: u", "unit:", "d.yaml:3:8: unit is nothing; write what is counted"),
        (
            "value_attribute: v",
            "value_attribute: []",
            "d.yaml:4:20: value_attribute is an empty list; name the attribute",
        ),
        (
            "value_attribute: v",
            "value_attribute: {a: b}",
            "d.yaml:4:20: value_attribute is a map, not a text",
        ),
        (
            "value_attribute: v",
            "value_attribute: v | value.strp()",
            "d.yaml:4:30: value_attribute: \"value.strp()\": the attribute strp is not supported; the methods are",
        ),
        (
            "value_attribute: v",
            "value_attribute: 'v | value + '",
            "d.yaml:4:32: value_attribute: \"value +\": a value is missing before the end",
        ),
        (
            "value_attribute: v",
            "value_attribute: v | len(x)",
            "d.yaml:4:24: value_attribute: the operation \"len(x)\" does not",
        ),
        (
            "value_attribute: v",
            "value_attribute: |\n    v | value.x",
            "d.yaml:4:20: value_attribute: \"value.x\": the attribute x is not supported (line 1, column 11 of the text)",
        ),
        (
            "name: a\n",
            "name: a.{b}\n",
            "d.yaml:4:20: value_attribute is \"v\", and the name has a placeholder; name the list",
        ),
        ("  endpoint_type: t\n", "", "d.yaml:1:3: endpoint_type is missing; name the service's type"),
        ("  url_path: x\n", "", "d.yaml:1:3: url_path is missing; write what is asked for"),
        (
            "url_path: x",
            "url_path: x\n  module: m",
            "d.yaml:1:3: authentication_object is missing; name the class",
        ),
        (
            "url_path: x",
            "url_path: x\n  module: m\n  authentication_object: o",
            "d.yaml:6:13: url_path is \"x\"; write the whole address",
        ),
        ("url_path: x", "url_path: x\n  timeout: 0", "d.yaml:7:12: timeout is 0; write seconds, more than 0"),
        ("url_path: x", "url_path: x\n  timeout: soon", "d.yaml:7:12: timeout is \"soon\"; write seconds"),
        (
            "url_path: x",
            "url_path: x\n  headers: [a]",
            "d.yaml:7:12: headers is a list, not a map; write a map",
        ),
        (
            "url_path: x",
            "url_path: x\n  headers: {'a b': c}",
            "d.yaml:7:12: the header \"a b\" cannot be sent",
        ),
        (
            "url_path: x",
            "url_path: x\n  metadata_fields: name",
            "d.yaml:7:20: metadata_fields is \"name\", not a list",
        ),
        (
            "url_path: x",
            "url_path: x\n  response_handlers: json",
            "d.yaml:7:22: response_handlers is \"json\", not a list",
        ),
        (
            "url_path: x",
            "url_path: x\n  response_handlers: [yaml]",
            "d.yaml:7:23: there is no response handler \"yaml\"; write",
        ),
        (
            "url_path: x",
            "url_path: x\n  preserve_mapped_metadata: 1",
            "d.yaml:7:29: preserve_mapped_metadata is 1, not a boolean",
        ),
        (
            "url_path: x",
            "url_path: x\n  value_mapping: [a]",
            "d.yaml:7:18: value_mapping is a list, not a map",
        ),
        (
            "url_path: x",
            "url_path: x\n  extra_metadata_fields:\n  - name: e\n    endpoint_type: i\n    url_path: p\n    value: v | value.y",
            "d.yaml:11:22: value_attribute: \"value.y\": the attribute y is not supported",
        ),
        (
            "url_path: x",
            "url_path: x\n  extra_metadata_fields: [5]",
            "d.yaml:7:27: an extra metadata field must be a map, not 5",
        ),
        (
            "url_path: x",
            "url_path: x\n  extra_metadata_fields: {name: e, endpoint_type: i, url_path: p, extra_metadata_fields_skip: [a]}",
            "d.yaml:7:96: extra_metadata_fields_skip has a; write a list of maps",
        ),
    ] {
        let (loaded, problems) = load(&GOOD.replacen(from, to, 1));
        assert!(loaded.pollsters.is_empty(), "{to}");
        let found = problems
            .iter()
            .any(|(severity, message)| *severity == Severity::Error && message.starts_with(expected));
        assert!(found, "{to}: {problems:#?}");
    }
    // What is odd, but works.
    let (loaded, problems) = load(&format!("{GOOD}  colour: red\n{GOOD}"));
    assert_eq!(loaded.pollsters.len(), 1);
    let texts: Vec<&str> = problems.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        texts[0].starts_with("d.yaml:7:3: there is no key \"colour\" in a dynamic pollster: it is ignored"),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with("d.yaml:8:3: a pollster \"a\" is defined already, at d.yaml:1; "),
        "{texts:?}"
    );
    assert!(problems.iter().all(|(severity, _)| *severity == Severity::Warning));
}

#[test]
fn namespaces_decide_before_anything_else() {
    let other =
        GOOD.replace("name: a\n", "name: b\n  namespaces: [compute, ipmi]\n").replace("gauge", "wrong");
    let (loaded, problems) = load(&format!("{GOOD}{other}"));
    assert_eq!(problems, []);
    assert_eq!((loaded.pollsters.len(), &loaded.elsewhere[..]), (1, &["b".to_owned()][..]));
    let (loaded, _) = load(&GOOD.replace("name: a\n", "name: b\n  namespaces: central\n"));
    assert_eq!(loaded.pollsters.len(), 1);
    assert_eq!(load("").1, []);
    assert_eq!(load("# nothing\n").1, []);
}

#[test]
fn programs_have_keys_of_their_own() {
    let (loaded, problems) = load(
        "- name: site.raid\n  program: [/bin/raid, -a, 5]\n  timeout: 1.5\n  unit: disk\n  environment: {A: 1}\n\
         - {name: site.other, program: /bin/other, sample_type: delta}\n\
         - {name: site.elsewhere, program: /bin/other, namespaces: ipmi}\n",
    );
    assert_eq!(problems, []);
    let [raid, other] = &loaded.programs[..] else { panic!("{loaded:?}") };
    assert_eq!(
        (raid.program.as_str(), &raid.arguments[..]),
        ("/bin/raid", &["-a".to_owned(), "5".to_owned()][..])
    );
    assert_eq!((raid.timeout.map(|timeout| timeout.as_millis()), raid.kind), (Some(1500), None));
    assert_eq!(
        (raid.unit.as_deref(), &raid.environment[..]),
        (Some("disk"), &[("A".to_owned(), "1".to_owned())][..])
    );
    assert_eq!((other.program.as_str(), other.arguments.len()), ("/bin/other", 0));
    assert!(other.kind.is_some() && other.unit.is_none() && loaded.elsewhere == ["site.elsewhere"]);
    for (more, expected) in [
        (
            "program: raid",
            "d.yaml:2:12: program is \"raid\", which is no absolute path; write the program's path",
        ),
        ("program: []", "d.yaml:2:12: program is an empty list; write"),
        ("program: [/a, {}]", "d.yaml:2:17: program is an empty map, not a text"),
        ("program: /a\n  sample_type: x", "d.yaml:3:16: sample_type is \"x\"; write gauge"),
        ("program: /a\n  timeout: 0", "d.yaml:3:12: timeout is 0; write seconds"),
        ("program: /a\n  environment: [A]", "d.yaml:3:16: environment is a list, not a map"),
        ("program: /a\n  environment: {A=B: x}", "d.yaml:3:16: the variable \"A=B\" cannot be set"),
    ] {
        let (loaded, problems) = load(&format!("- name: site\n  {more}\n"));
        assert!(loaded.programs.is_empty(), "{more}");
        assert!(problems.len() == 1 && problems[0].1.starts_with(expected), "{more}: {problems:?}");
    }
    let (loaded, problems) = load("- name: a.{b}\n  program: /a\n");
    assert!(
        loaded.programs.is_empty() && problems[0].1.starts_with("d.yaml:1:9: the name has a placeholder")
    );
    let (loaded, problems) = load(&format!("{GOOD}- name: a\n  program: /a\n  url_path: x\n"));
    assert!(loaded.programs.is_empty() && problems[0].1.contains("is defined already"), "{problems:?}");
    let (loaded, problems) = load("- name: a\n  program: /a\n  url_path: x\n");
    assert!(
        loaded.programs.len() == 1
            && problems[0].1.contains("there is no key \"url_path\" in a pollster that")
    );
}

#[test]
fn keys_have_their_defaults() {
    let pollster = good("");
    assert_eq!(
        (pollster.discovery(), pollster.handlers, pollster.timeout),
        ("endpoint:t".to_owned(), vec![Handler::Json], None)
    );
    assert!(good("  host_command: ls\n").discovery() == "local_node");
    let external = "- name: a\n  sample_type: delta\n  unit: 5\n  value_attribute: v\n  url_path: http://h/x\n  module: m\n  \
                    authentication_object: o\n  barbican_secret_id: s\n";
    let (loaded, problems) = load(external);
    assert_eq!(problems, []);
    assert_eq!(loaded.pollsters[0].discovery(), "barbican:s");
    assert!(
        matches!(&loaded.pollsters[0].request, Request::External { parameters, .. } if parameters.is_empty())
    );
}

#[test]
fn fields_inherit_what_they_lack() {
    let pollster = good(
        "  extra_metadata_fields_cache_seconds: 60\n  extra_metadata_fields_skip: [{v: 1}]\n  extra_metadata_fields:\n  \
         - {name: e, endpoint_type: i, url_path: p, value: w}\n  \
         - {name: f, endpoint_type: i, url_path: p, extra_metadata_fields_cache_seconds: 0, extra_metadata_fields_skip: [{}],\n     \
            extra_metadata_fields: [{name: g, endpoint_type: i, url_path: p}]}\n",
    );
    let [e, f] = &pollster.extra[..] else { panic!("{pollster:?}") };
    assert_eq!((e.cache.as_secs(), f.cache.as_secs(), f.pollster.extra[0].cache.as_secs()), (60, 0, 0));
    let sample = map(r#"{"v": 1.0, "w": 2, "metadata": {"a": 1, "b": 2}}"#);
    assert!(e.is_skipped(&sample) && !f.is_skipped(&sample));
    for (pollster, expected) in [
        (&e.pollster, Value::Int(2)),
        (&f.pollster, Value::Float(1.0)),
        (&f.pollster.extra[0].pollster, Value::Float(1.0)),
    ] {
        let mut measured = Vec::new();
        pollster.measure(&mut sample.clone(), &mut measured).unwrap();
        assert_eq!(measured[0].value, expected, "{}", pollster.name);
    }
    let field = &good(
        "  extra_metadata_fields: {name: e, endpoint_type: i, url_path: p, extra_metadata_fields_skip: [{metadata: {a: 1}}]}\n",
    )
    .extra[0];
    assert!(field.is_skipped(&sample) && !field.is_skipped(&map(r#"{"metadata": {"a": 2}}"#)));
}

#[test]
fn captured_fields_merge_in_order() {
    let mut captured = Captured::default();
    captured.add("a", &1.into(), &map(r#"{"x": 1, "y": null}"#));
    captured.add("b", &Value::Null, &map(r#"{"x": null, "a": 2, "z": null}"#));
    assert_eq!(
        json::to_string(&captured.all.clone().into()),
        r#"{"a": 2, "x": 1, "y": null, "b": null, "z": null}"#
    );
    assert_eq!(
        json::to_string(&captured.by_name.get("a").unwrap().clone()),
        r#"{"value": 1, "metadata": {"x": 1, "y": null}}"#
    );
}

#[test]
fn what_was_measured_before_an_error_counts() {
    let (loaded, problems) = load(
        &GOOD.replace("name: a\n", "name: a.{k}\n").replace("value_attribute: v", "value_attribute: '[l].v'"),
    );
    assert_eq!(problems, []);
    let pollster = &loaded.pollsters[0];
    assert!(pollster.is_multi());
    let mut measured = Vec::new();
    let mut entry = map(r#"{"l": [{"k": "x", "v": 1}, {"k": "y"}]}"#);
    let error = pollster.measure(&mut entry, &mut measured).unwrap_err();
    assert_eq!(error.to_string(), "value_attribute \"v\": KeyError: there is no key \"v\"");
    assert_eq!(measured, [Measured { name: "a.x".into(), value: 1.into(), unmapped: None }]);
    let error = pollster.measure(&mut map(r#"{"l": {}}"#), &mut measured).unwrap_err();
    assert_eq!(error.to_string(), "the value of value_attribute [l] is a map, not a list");
    let error = pollster.entries(&json::parse("[1]").unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "an entry of the answer is an integer, not a map");
}
