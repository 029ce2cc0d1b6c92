//! `nephoscope metric import` from the real Gnocchi.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Gnocchi, Keystone, Program};

use crate::house::{Done, House, PROGRAM, command, run, run_with};

const SERVER: &str = "5a301761-aaaa-46e2-8900-8b4f6fe6675a";
const PLAIN: &str = "5a301761-bbbb-46e2-8900-8b4f6fe6675a";
const METHODS: [&str; 6] = ["mean", "std", "count", "95pct", "rate:mean", "last"];
/// What is listed without an order.
const LISTS: [&str; 4] = ["/v1/archive_policy", "/v1/archive_policy_rule", "/v1/resource_type", "/v1/metric"];
/// The first measure.
const BEGIN: u64 = 1_700_000_000 / 3_600 * 3_600;

fn made(gnocchi: &Gnocchi, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = gnocchi.request(method, path, Some(body)).unwrap();
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    answer
}

/// Policies, a rule, a type, resources with history, metrics with and without a resource, and measures.
fn fill(gnocchi: &Gnocchi) {
    let policy = json!({
        "name": "fine", "back_window": 2, "aggregation_methods": METHODS,
        "definition": [{"granularity": "1m", "points": 500}, {"granularity": "1h"}],
    });
    made(gnocchi, "POST", "/v1/archive_policy", &policy);
    let rule = json!({"name": "all", "archive_policy_name": "fine", "metric_pattern": "*"});
    made(gnocchi, "POST", "/v1/archive_policy_rule", &rule);
    let kind = json!({"name": "server", "attributes": {
        "host": {"type": "string", "max_length": 20},
        "size": {"type": "number", "required": false, "min": 0},
        "is_big": {"type": "bool", "required": false},
        "peer": {"type": "uuid", "required": false},
        "since": {"type": "datetime", "required": false},
    }});
    made(gnocchi, "POST", "/v1/resource_type", &kind);
    let server = json!({
        "id": SERVER, "host": "a", "project_id": "p", "started_at": "2020-01-02T03:04:05.678901",
        "since": "2019-01-01", "peer": PLAIN, "metrics": {"cpu": {"unit": "ns"}, "ü x": {}},
    });
    made(gnocchi, "POST", "/v1/resource/server", &server);
    for change in
        [json!({"host": "b", "size": 7}), json!({"is_big": true}), json!({"ended_at": "2030-01-01"})]
    {
        made(gnocchi, "PATCH", &format!("/v1/resource/server/{SERVER}"), &change);
    }
    made(gnocchi, "POST", "/v1/resource/generic", &json!({"id": PLAIN, "user_id": "u"}));
    made(gnocchi, "PATCH", &format!("/v1/resource/generic/{PLAIN}"), &json!({"user_id": "v"}));
    made(gnocchi, "POST", "/v1/resource/generic", &json!({"id": "a name", "metrics": {"m": {}}}));
    made(gnocchi, "POST", "/v1/metric", &json!({"archive_policy_name": "fine", "unit": "°C"}));
    made(gnocchi, "POST", "/v1/metric", &json!({"name": "without measures"}));
    let metrics = gnocchi.get("/v1/metric").unwrap();
    let mut random = fastrand::Rng::with_seed(6);
    for metric in metrics.as_array().unwrap().iter().filter(|metric| metric["name"] != "without measures") {
        let measures: Vec<Value> = (0..150)
            .map(|number| json!({"timestamp": BEGIN + number * 47, "value": random.f64() * 1e6 - 5e5}))
            .collect();
        let id = metric["id"].as_str().unwrap();
        made(gnocchi, "POST", &format!("/v1/metric/{id}/measures"), &json!(measures));
        made(gnocchi, "GET", &format!("/v1/metric/{id}/measures?refresh=true"), &Value::Null);
    }
}

fn arguments(gnocchi: &Gnocchi, state: &Path) -> Vec<String> {
    command(state, &["import", gnocchi.url(), "--page", "2"])
}

/// Lists in no order in an order.
fn sorted(mut shown: Value) -> Value {
    for policy in shown.as_array_mut().into_iter().flatten() {
        if let Some(methods) = policy.get_mut("aggregation_methods").and_then(Value::as_array_mut) {
            methods.sort_by_key(ToString::to_string);
        }
        if let Some(policy) = policy.get_mut("archive_policy") {
            *policy = policy["name"].clone();
        }
    }
    if let Some(items) = shown.as_array_mut() {
        items.sort_by_key(|item| item["name"].to_string() + &item["id"].to_string());
    }
    shown
}

/// Times of one update are taken one after the other in Gnocchi; here they are one.
fn history(mut shown: Value) -> Value {
    for revision in shown.as_array_mut().unwrap() {
        if revision["revision_end"].is_string() {
            revision["revision_end"] = json!("set");
        }
    }
    shown
}

#[test]
fn what_a_gnocchi_has_is_taken_over() {
    let gnocchi = Gnocchi::start().unwrap();
    fill(&gnocchi);
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    // One that is killed in the middle.
    let mut killed = Program::new(PROGRAM).arg("metric").args(arguments(&gnocchi, &state)).start().unwrap();
    killed.line("revisions").unwrap();
    killed.kill().unwrap();
    let imported = run(&arguments(&gnocchi, &state));
    assert_eq!(imported.status, 0, "{imported:?}");
    // Four metrics with measures, six methods, two granularities.
    assert!(imported.output.contains("48 of 48 series are equal"), "{imported:?}");
    // Again: nothing changes.
    let again = run(&[arguments(&gnocchi, &state), vec!["--json".to_owned()]].concat());
    let counts: Value = serde_json::from_str(again.output.trim()).unwrap_or_else(|_| panic!("{again:?}"));
    assert_eq!(
        (&counts["series"], &counts["differing_series"], &counts["revisions"]),
        (&json!(48), &json!(0), &json!(7))
    );
    let looked = run(&command(&state, &["fsck"]));
    assert_eq!(looked.status, 0, "{looked:?}");

    let house = House::start_in(&state, "");
    let ours = |path: &str| {
        let (status, shown) = house.request("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {shown}");
        shown
    };
    for path in LISTS {
        assert_eq!(sorted(ours(path)), sorted(gnocchi.get(path).unwrap()), "{path}");
    }
    for path in [
        format!("/v1/resource/server/{SERVER}/history?details=true"),
        format!("/v1/resource/generic/{PLAIN}/history"),
    ] {
        assert_eq!(history(ours(&path)), history(gnocchi.get(&path).unwrap()), "{path}");
    }
    let path = "/v1/resource/generic?details=true&sort=id:asc";
    assert_eq!(sorted(ours(path)), sorted(gnocchi.get(path).unwrap()));
    for metric in gnocchi.get("/v1/metric").unwrap().as_array().unwrap() {
        for method in METHODS {
            let id = metric["id"].as_str().unwrap();
            let path = format!("/v1/metric/{id}/measures?aggregation={method}");
            assert_eq!(ours(&path), gnocchi.get(&path).unwrap(), "{path}");
        }
    }
}

/// The story: only a Gnocchi that believes user names (`auth_mode = basic`) had ever been read; those of clouds ask Keystone,
/// or believe the headers of a proxy.
#[test]
fn a_gnocchi_is_read_behind_a_proxy_and_with_keystone() {
    let keystone = Keystone::start("fake://").unwrap();
    let cloud = keystone.cloud().unwrap();
    let (project, user) = (cloud.create_project("ann").unwrap(), cloud.create_user("ann", "ann").unwrap());
    cloud.assign_role(&project, &user, &cloud.create_role("observer").unwrap()).unwrap();
    let gnocchi = Gnocchi::start().unwrap();
    fill(&gnocchi);
    let shown: Vec<Value> = LISTS.iter().map(|path| sorted(gnocchi.get(path).unwrap())).collect();
    let directory = tempfile::tempdir().unwrap();
    let import = |state: &str, environment: &[(&str, &str)], options: &[&str]| -> Done {
        let options = options.iter().map(ToString::to_string);
        let line = arguments(&gnocchi, &directory.path().join(state)).into_iter().chain(options);
        run_with(environment, &line.collect::<Vec<_>>())
    };
    let assert_all_there = |state: &str, imported: &Done| {
        assert_eq!(imported.status, 0, "{imported:?}");
        assert!(imported.output.contains("48 of 48 series are equal"), "{imported:?}");
        let house = House::start_in(&directory.path().join(state), "");
        for (path, theirs) in LISTS.iter().zip(&shown) {
            let (status, ours) = house.request("GET", path, &Value::Null);
            assert_eq!((status, &sorted(ours)), (200, theirs), "{path}");
        }
    };

    gnocchi.restart_without_authentication().unwrap();
    let who = ["--auth", "noauth", "--user", "root", "--project", "ops", "--roles", "admin"];
    assert_all_there("noauth", &import("noauth", &[], &who));
    // Users who would see a part, and be told that all of it is equal.
    for who in [&["--auth", "basic"][..], &["--auth", "noauth", "--user", "u", "--roles", "reader"]] {
        let partial = import("partial", &[], who);
        let is_refused = partial.output.contains("403") && partial.output.contains("only an administrator");
        assert!(partial.status == 1 && is_refused, "{partial:?}");
    }

    gnocchi.restart_with_keystone(&keystone).unwrap();
    let environment = |user: &'static str, password: &'static str| {
        [
            ("OS_AUTH_URL", keystone.url()),
            ("OS_USERNAME", user),
            ("OS_PASSWORD", password),
            ("OS_PROJECT_NAME", user),
            ("OS_USER_DOMAIN_ID", "default"),
            ("OS_PROJECT_DOMAIN_ID", "default"),
        ]
    };
    let mut of_admin = environment("admin", "");
    of_admin[2].1 = keystone.password();
    assert_all_there("keystone", &import("keystone", &of_admin, &["--auth", "keystone"]));
    let partial = import("partial", &environment("ann", "ann"), &["--auth", "keystone"]);
    assert!(partial.status == 1 && partial.output.contains("only an administrator"), "{partial:?}");
    let refused = import("refused", &environment("ann", "wrong"), &["--auth", "keystone"]);
    assert!(refused.status == 1 && refused.output.contains("401"), "{refused:?}");
    assert!(!refused.output.contains("wrong"), "a password is shown: {refused:?}");
    let unknown = import("unknown", &of_admin[..2], &["--auth", "keystone"]);
    assert!(unknown.status == 64 && unknown.output.contains("OS_PASSWORD"), "{unknown:?}");
    let spoofed = import("spoofed", &[], &who);
    assert!(spoofed.status == 1 && spoofed.output.contains("401"), "{spoofed:?}");
}
