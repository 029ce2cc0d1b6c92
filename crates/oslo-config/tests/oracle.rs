//! The same cases through the real oslo.config and through ours, with equal results.
//!
//! `oracle/cases.json` holds the cases, `oracle/differences.json` those that are meant to differ, with the
//! reason; a case listed there that does not differ is a failure too.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/leak.rs"]
mod leak;

use leak::{leak, leaked_list};
use nephoscope_oslo_config::{
    Config, Default, Deprecated, Given, Kind, LoadError, Loader, Opt, Override, Problem, Registry, Source,
    Support, Value,
};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const CASES: &str = include_str!("oracle/cases.json");
const DIFFERENCES: &str = include_str!("oracle/differences.json");

#[test]
fn cases_give_what_oslo_config_gives() {
    let cases: Vec<Json> = serde_json::from_str(CASES).expect("cases are JSON");
    assert!(cases.len() >= 300, "the table is whole");
    let differences: BTreeMap<String, String> =
        serde_json::from_str(DIFFERENCES).expect("differences are JSON");
    let directory = tempfile::tempdir().expect("temporary directory");
    let directory = directory.path().canonicalize().expect("real path");
    for (number, case) in cases.iter().enumerate() {
        lay_out(&directory.join(number.to_string()), case);
    }
    let theirs = upstream(&directory);
    assert_eq!(theirs.len(), cases.len());

    let mut wrong = Vec::new();
    let mut unused: Vec<&String> = differences.keys().collect();
    for ((number, case), theirs) in cases.iter().enumerate().zip(&theirs) {
        let name = text(case, "name");
        let ours = run(&directory.join(number.to_string()), case);
        let equal = agree(&ours, theirs);
        let meant = differences.contains_key(name);
        unused.retain(|listed| *listed != name);
        if equal == meant {
            let complaint = if meant { "is listed as different, but is equal" } else { "differs" };
            wrong.push(format!("{name}: {complaint}\n   ours   {ours}\n   theirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "differences without a case: {unused:?}");
}

fn upstream(directory: &Path) -> Vec<Json> {
    let python = testkit::venv_python().expect("the Python environment: run `scripts/provision test`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/run.py");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/cases.json");
    let output = Command::new(python)
        .arg(script)
        .arg(cases)
        .arg(directory)
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the oracle prints JSON")
}

/// Ours stops at no error but follows none further: an option that fails only because it refers to one that
/// fails is not reported again. So of a failure the options must be among upstream's.
fn agree(ours: &Json, theirs: &Json) -> bool {
    match (ours.get("failed"), theirs.get("failed")) {
        (None, None) => ours == theirs,
        (Some(ours), Some(theirs)) => {
            let (ours, theirs) = (strings(ours), strings(theirs));
            ours.is_empty() == theirs.is_empty() && ours.iter().all(|name| theirs.contains(name))
                // A fault in a file, or of a file as a whole, names no option.
                || theirs.is_empty()
        }
        _ => false,
    }
}

fn lay_out(directory: &Path, case: &Json) {
    fs::create_dir_all(directory.join("home")).expect("directory");
    for (path, content) in object(case, "files") {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, content.as_str().expect("text")).expect("file");
    }
}

fn run(directory: &Path, case: &Json) -> Json {
    let opts: Vec<&'static Opt> = list(case, "options").iter().map(option).collect();
    let mut loader = Loader::new(case.get("program").and_then(Json::as_str).unwrap_or("eyepiece"));
    "telescope".clone_into(&mut loader.project);
    loader.registry = Registry::new(opts.iter().copied());
    loader.home = Some(directory.join("home"));
    loader.working_directory = Some(directory.to_owned());
    loader.sources = list(case, "sources")
        .iter()
        .map(|source| {
            let path = source[1].as_str().expect("path").into();
            if source[0] == "file" { Source::File(path) } else { Source::Directory(path) }
        })
        .collect();
    for (name, value) in object(case, "env") {
        let value = value.as_str().expect("text").replace('@', directory.to_str().expect("UTF-8"));
        loader.env.insert(name.clone(), value);
    }
    for (name, value) in object(case, "cli") {
        let (group, option) = name.split_once('.').expect("group.option");
        loader.overrides.push(Override {
            group: group.to_owned(),
            name: option.to_owned(),
            given: Given::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            flag: format!("--{option}"),
        });
    }
    match loader.load() {
        Ok(loaded) => good(directory, case, &opts, &loaded.config, &loaded.warnings),
        Err(error) => bad(&opts, &error),
    }
}

fn good(directory: &Path, case: &Json, opts: &[&Opt], config: &Config, warnings: &[Problem]) -> Json {
    let values: Map<String, Json> = opts
        .iter()
        .map(|opt| {
            let value = config.value(opt.group, opt.name).expect("registered");
            (format!("{}.{}", opt.group, opt.name), plain(value))
        })
        .collect();
    let mut deprecated: Vec<String> = warnings
        .iter()
        .filter_map(|warning| {
            let (name, rest) = warning.message.strip_prefix("option ")?.split_once(" of [")?;
            let group = rest.strip_suffix("] is deprecated")?;
            Some(format!("{group}.{name}"))
        })
        .collect();
    deprecated.sort();
    let found: Map<String, Json> = list(case, "find")
        .iter()
        .map(|name| {
            let name = name.as_str().expect("text");
            let path = config.find_file(name).map(|path| {
                path.strip_prefix(directory).expect("inside").to_str().expect("UTF-8").to_owned()
            });
            (name.to_owned(), json!(path))
        })
        .collect();
    json!({"values": values, "deprecated": deprecated, "found": found})
}

fn bad(opts: &[&Opt], error: &LoadError) -> Json {
    let failed: Vec<String> = opts
        .iter()
        .filter(|opt| {
            error.problems.iter().any(|problem| {
                let words = format!("{} ", problem.message);
                words.contains(&format!("option {} ", opt.name))
            })
        })
        .map(|opt| format!("{}.{}", opt.group, opt.name))
        .collect();
    json!({"failed": failed})
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(_) => json!({"float": value.to_string()}),
        Value::Str(value) => json!(value),
        Value::List(value) => json!(value),
    }
}

fn option(spec: &Json) -> &'static Opt {
    let float = |key: &str| spec.get(key).and_then(Json::as_f64);
    let int = |key: &str| spec.get(key).and_then(Json::as_i64);
    let kind = match text(spec, "type") {
        "str" => Kind::Str {
            choices: leaked_list(list(spec, "choices")),
            ignore_case: spec.get("ignore_case").is_some(),
        },
        "bool" => Kind::Bool,
        "int" => Kind::Int { min: int("min"), max: int("max") },
        "float" => Kind::Float { min: float("min"), max: float("max") },
        "list" => Kind::List { unique: false },
        "multi" => Kind::MultiStr,
        "host" => Kind::HostAddress,
        "port" => Kind::Port,
        "uri" => Kind::Uri,
        other => panic!("type {other}"),
    };
    let default = match spec.get("default") {
        None | Some(Json::Null) => Default::Null,
        Some(Json::Bool(value)) => Default::Bool(*value),
        Some(Json::Number(value)) if value.is_i64() => Default::Int(value.as_i64().expect("integer")),
        Some(Json::Number(value)) => Default::Float(value.as_f64().expect("number")),
        Some(Json::String(value)) => Default::Str(leak(value)),
        Some(Json::Array(items)) => Default::List(leaked_list(items)),
        Some(other) => panic!("default {other}"),
    };
    let deprecated: Vec<Deprecated> = list(spec, "deprecated")
        .iter()
        .map(|old| Deprecated { group: old[0].as_str().map(leak), name: old[1].as_str().map(leak) })
        .collect();
    Box::leak(Box::new(Opt {
        group: leak(spec.get("group").and_then(Json::as_str).unwrap_or("DEFAULT")),
        name: leak(text(spec, "name")),
        kind,
        default,
        default_env: &[],
        help: "",
        deprecated: deprecated.leak(),
        secret: false,
        support: Support::Effective,
        leaving: None,
        refused: &[],
    }))
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("{key} of {json}"))
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn object<'a>(json: &'a Json, key: &str) -> impl Iterator<Item = (&'a String, &'a Json)> {
    json.get(key).and_then(Json::as_object).into_iter().flatten()
}

fn strings(json: &Json) -> Vec<&str> {
    json.as_array().expect("list").iter().filter_map(Json::as_str).collect()
}
