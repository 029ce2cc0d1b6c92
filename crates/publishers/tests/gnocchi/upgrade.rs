//! Resource types and archive policies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use definitions::{ResourceDefinitions, ResourceSettings};
use nephoscope_publishers::gnocchi::Client;
use nephoscope_publishers::gnocchi::upgrade::{UpgradeError, upgrade};
use serde_json::{Map, Value, json};

use crate::fake::{Answer, Fake, Request, refusal};
use crate::support::service;

async fn try_run(url: &str, dry_run: bool) -> Result<Vec<String>, UpgradeError> {
    try_run_with(url, &[], dry_run).await
}

async fn try_run_with(
    url: &str,
    policies: &[model::Value],
    dry_run: bool,
) -> Result<Vec<String>, UpgradeError> {
    let client = Client::new(service(url), Duration::from_mins(1));
    let mut steps = Vec::new();
    upgrade(&client, policies, dry_run, &mut |step| steps.push(step.to_string())).await.map(|()| steps)
}

/// Upgrades; returns what was done about resource types.
pub(crate) fn run(url: &str, dry_run: bool) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(try_run(url, dry_run)).unwrap()
}

/// Upgrades, with the built-in archive policies; returns what was done.
pub(crate) fn run_with_policies(url: &str, dry_run: bool) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let definitions = ResourceDefinitions::builtin(&ResourceSettings::default());
    runtime.block_on(try_run_with(url, definitions.archive_policies(), dry_run)).unwrap()
}

type Types = Arc<Mutex<Map<String, Value>>>;

/// Lets a server have resource types.
fn with_types(fake: &Fake, build: &'static str) -> Types {
    let types = Types::default();
    let held = Arc::clone(&types);
    fake.judge(move |request: &Request| {
        let mut types = held.lock().unwrap();
        let (method, path) = request.line.split_once(' ').unwrap();
        let name = path.trim_start_matches("/v1/resource_type/").to_owned();
        Some(match method {
            "GET" if path == "/" => Answer::Json(200, json!({"versions": [], "build": build})),
            "GET" => match types.get(&name) {
                Some(attributes) => {
                    Answer::Json(200, json!({"name": name, "attributes": attributes, "state": "active"}))
                }
                None => refusal(404, &json!(format!("Resource type {name} does not exist"))),
            },
            "POST" => {
                let body = request.json();
                types.insert(body["name"].as_str().unwrap().to_owned(), body["attributes"].clone());
                Answer::Json(201, body)
            }
            "PATCH" => {
                for operation in request.json().as_array().unwrap() {
                    let attribute =
                        operation["path"].as_str().unwrap().trim_start_matches("/attributes/").to_owned();
                    let mut value = operation["value"].clone();
                    value.as_object_mut().unwrap().remove("options");
                    types[&name][attribute] = value;
                }
                Answer::Json(200, json!({}))
            }
            other => panic!("{other}"),
        })
    });
    types
}

#[tokio::test]
async fn types_are_made_once_and_a_dry_run_says_what_would_be_done() {
    let fake = Fake::start();
    let types = with_types(&fake, "4.7.1");
    let planned = try_run(&fake.url(), true).await.unwrap();
    assert!(types.lock().unwrap().is_empty());
    let done = try_run(&fake.url(), false).await.unwrap();
    assert_eq!(done, planned);
    assert_eq!(done[0], "create the resource type image: name, container_format, disk_format");
    assert_eq!(done.len(), 14 + 18);
    assert_eq!(types.lock().unwrap()["instance"]["host"]["required"], false);
    fake.requests();
    assert_eq!(try_run(&fake.url(), false).await.unwrap(), Vec::<String>::new());
    assert!(fake.lines().iter().all(|line| line.starts_with("GET ")));
}

/// An attribute of several is missing: upstream looks at the first one only.
#[tokio::test]
async fn what_an_interrupted_upgrade_left_out_is_added() {
    let fake = Fake::start();
    let types = with_types(&fake, "4.7.1");
    try_run(&fake.url(), false).await.unwrap();
    types.lock().unwrap()["instance"].as_object_mut().unwrap().remove("deleted_at");
    assert_eq!(try_run(&fake.url(), false).await.unwrap(), ["update the resource type instance: deleted_at"]);
}

/// Policies that are there stay, whoever has made them; what makes one at the same time is no error.
#[tokio::test]
async fn archive_policies_that_are_missing_are_created() {
    let fake = Fake::start();
    let policies = ["there", "raced", "new"].map(|name| {
        let name: model::Value = name.into();
        model::Value::Map([("name", name)].into_iter().collect())
    });
    let types = with_types(&fake, "4.7.1");
    try_run(&fake.url(), false).await.unwrap();
    let answers = move |request: &Request| {
        Some(match request.line.as_str() {
            "GET /" => Answer::Json(200, json!({"versions": [], "build": "4.7.1"})),
            "GET /v1/archive_policy/there" => Answer::Json(200, json!({"name": "there"})),
            line if line.starts_with("GET /v1/archive_policy/") => {
                refusal(404, &json!("Archive policy does not exist"))
            }
            "POST /v1/archive_policy/" if request.body.contains("raced") => {
                refusal(409, &json!("Archive policy raced already exists"))
            }
            "POST /v1/archive_policy/" => Answer::Json(201, request.json()),
            line => {
                let name = line.trim_start_matches("GET /v1/resource_type/");
                let attributes = &types.lock().unwrap()[name];
                Answer::Json(200, json!({"name": name, "attributes": attributes, "state": "active"}))
            }
        })
    };
    fake.judge(answers);
    let url = fake.url();
    let run = |dry_run| try_run_with(&url, &policies, dry_run);
    fake.requests();
    assert_eq!(
        run(true).await.unwrap(),
        ["create the archive policy raced", "create the archive policy new"]
    );
    assert!(fake.lines().iter().all(|line| line.starts_with("GET ")));
    assert_eq!(run(false).await.unwrap(), ["create the archive policy new"]);
    let posted: Vec<_> = fake.requests().into_iter().filter(|seen| seen.line.starts_with("POST ")).collect();
    assert_eq!(posted.last().unwrap().body, r#"{"name":"new"}"#);
}

#[tokio::test]
async fn another_version_and_a_refusal_are_errors_with_words() {
    for build in ["4.1.0", "5.0.0"] {
        let fake = Fake::start();
        let types = with_types(&fake, build);
        let error = try_run(&fake.url(), false).await.unwrap_err();
        assert!(
            matches!(error, UpgradeError::Version { .. }) && error.to_string().contains(build),
            "{error}"
        );
        assert!(types.lock().unwrap().is_empty());
    }
    let fake = Fake::start();
    fake.judge(|request| {
        (request.line == "GET /").then(|| Answer::Json(200, json!({"build": "4.7.1"}))).or_else(|| {
            Some(if request.line.starts_with("POST") {
                refusal(403, &json!("no"))
            } else {
                refusal(404, &json!("not there"))
            })
        })
    });
    let error = try_run(&fake.url(), false).await.unwrap_err().to_string();
    assert!(
        error.starts_with("create the resource type image") && error.ends_with("no (HTTP 403)"),
        "{error}"
    );
    assert!(matches!(
        try_run("http://127.0.0.1:1", false).await.unwrap_err(),
        UpgradeError::Unavailable { .. }
    ));
}
