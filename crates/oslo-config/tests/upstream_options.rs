//! Our option table against the options of the real libraries: names, types, defaults, bounds, choices, former
//! names, secrecy.
//!
//! `oracle/option_differences.json` lists what is meant to differ, with the reason; an entry that no longer
//! differs is a failure.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use nephoscope_oslo_config::{Default, Kind, Loader, Opt, Registry, Source, Value};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const DIFFERENCES: &str = include_str!("oracle/option_differences.json");

#[test]
fn the_table_is_upstreams() {
    let theirs = upstream();
    assert!(theirs.len() >= 350, "the libraries' options are all there: {}", theirs.len());
    let registry = Registry::builtin();
    let ours: BTreeMap<String, Json> = registry
        .iter()
        .filter(|(group, _)| *group != "nephoscope")
        .map(|(group, opt)| (format!("{group}.{}", opt.name), describe(group, opt)))
        .collect();
    let differences: BTreeMap<String, String> = serde_json::from_str(DIFFERENCES).expect("JSON");

    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut found = BTreeMap::new();
    for name in names {
        match (ours.get(name), theirs.get(name)) {
            (Some(_), None) => {
                found.insert(format!("{name} missing upstream"), String::new());
            }
            (None, Some(_)) => {
                found.insert(format!("{name} missing here"), String::new());
            }
            (Some(ours), Some(theirs)) => {
                for key in ["type", "default", "min", "max", "choices", "ignore_case", "deprecated", "secret"]
                {
                    if ours[key] != theirs[key] {
                        let detail = format!("ours {}, theirs {}", ours[key], theirs[key]);
                        found.insert(format!("{name} {key}"), detail);
                    }
                }
            }
            (None, None) => {}
        }
    }
    let unexpected: Vec<String> = found
        .iter()
        .filter(|(name, _)| !listed(&differences, name))
        .map(|(name, detail)| format!("{name}: {detail}"))
        .collect();
    assert!(unexpected.is_empty(), "{} differences:\n{}", unexpected.len(), unexpected.join("\n"));
    let unused: Vec<&String> =
        differences.keys().filter(|listed| !found.keys().any(|name| covers(listed, name))).collect();
    assert!(unused.is_empty(), "listed but equal: {unused:?}");
}

fn listed(differences: &BTreeMap<String, String>, name: &str) -> bool {
    differences.keys().any(|listed| covers(listed, name))
}

/// An entry may begin with `*.`: every group.
fn covers(listed: &str, name: &str) -> bool {
    match listed.strip_prefix('*') {
        Some(rest) => name.ends_with(rest),
        None => listed == name,
    }
}

fn python(file: Option<&Path>) -> Json {
    let python = testkit::venv_python().expect("the Python environment: run `scripts/provision test`");
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/options.py"))
        .args(file)
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the oracle prints JSON")
}

fn upstream() -> BTreeMap<String, Json> {
    let all: Vec<Json> = serde_json::from_value(python(None)).expect("a list");
    all.into_iter()
        .map(|mut option| {
            let name = format!("{}.{}", option["group"], option["name"]).replace('"', "");
            option["deprecated"] = json!(sorted(&option["deprecated"]));
            option["choices"] = json!(sorted(&option["choices"]));
            (name, option)
        })
        .collect()
}

/// A real file, read by Ceilometer's own functions and by ours: every option has the same value.
#[test]
fn a_real_file_means_what_it_means_upstream() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ceilometer.conf");
    let theirs: BTreeMap<String, Json> = serde_json::from_value(python(Some(&file))).expect("an object");
    let mut loader = Loader::new("options.py");
    loader.default_sources = false;
    "<host name>".clone_into(&mut loader.host_name);
    "<program name>".clone_into(&mut loader.program);
    loader.sources = vec![Source::File(file)];
    let config = loader.load().expect("loads").config;
    // Known to oslo.config itself, not to an agent.
    let own = ["config_file", "config_dir", "config_source", "shell_completion"];
    let mut compared = 0;
    for (name, theirs) in theirs {
        let (group, option) = name.split_once('.').expect("group.option");
        if own.contains(&option) {
            continue;
        }
        let ours = match config.value(group, option).unwrap_or_else(|| panic!("no {name}")) {
            Value::Null => Json::Null,
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!(value),
            value @ Value::Float(_) => json!({"float": value.to_string()}),
            Value::Str(value) => json!(value),
            Value::List(value) => json!(value),
        };
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 250, "{compared}");
}

fn sorted(list: &Json) -> Vec<String> {
    let items: BTreeSet<String> = list.as_array().expect("list").iter().map(Json::to_string).collect();
    items.into_iter().collect()
}

fn describe(group: &str, opt: &Opt) -> Json {
    let (kind, min, max, choices, ignore_case): (_, Json, Json, &[&str], _) = match opt.kind {
        Kind::Str { choices, ignore_case } => ("str", Json::Null, Json::Null, choices, ignore_case),
        Kind::Bool => ("bool", Json::Null, Json::Null, &[], false),
        Kind::Int { min, max } => ("int", json!(min), json!(max), &[], false),
        Kind::Float { min, max } => ("float", json!(min), json!(max), &[], false),
        Kind::List { .. } => ("list", Json::Null, Json::Null, &[], false),
        Kind::MultiStr => ("multi", Json::Null, Json::Null, &[], false),
        Kind::HostAddress => ("host", Json::Null, Json::Null, &[], false),
        other => (other.name(), Json::Null, Json::Null, &[], false),
    };
    let default = match opt.default {
        Default::Bool(value) => json!(value),
        Default::Int(value) => json!(value),
        Default::Float(value) => json!(value),
        Default::Str(value) => json!(value),
        Default::List(items) => json!(items),
        Default::HostName => json!("<host name>"),
        Default::Program => json!("<program name>"),
        Default::Processors => json!("<number of processors>"),
        _ => Json::Null,
    };
    let deprecated: Vec<Json> = opt
        .deprecated
        .iter()
        .map(|old| json!([old.group.unwrap_or(group), old.name.unwrap_or(opt.name)]))
        .collect();
    json!({
        "type": kind,
        "default": default,
        "min": min,
        "max": max,
        "choices": sorted(&json!(choices)),
        "ignore_case": ignore_case,
        "deprecated": sorted(&json!(deprecated)),
        "secret": opt.secret,
    })
}
