//! Random requests made from the API's own document: no failure of the server's, and every answer as the document says.
//!
//! `NEPHOSCOPE_SCHEMATHESIS_EXAMPLES` sets the examples of each route (4), `NEPHOSCOPE_SCHEMATHESIS_SECONDS` lets it go on for
//! so long, from a new seed.

use std::time::Duration;

use serde_json::json;
use testkit::Program;

use super::harness::Server;

/// For all of it, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(8);
/// Of runs that are not meant to be long.
const SEED: &str = "20260401";

#[test]
fn answers_are_those_of_the_document() {
    let setting = |name: &str| std::env::var(name).ok();
    let examples = setting("NEPHOSCOPE_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|| "4".to_owned());
    let seconds = setting("NEPHOSCOPE_SCHEMATHESIS_SECONDS");
    let server = Server::new().started();
    server.make_policy();
    let metrics = [server.make_metric(), server.make_metric()];
    let mut client = server.client();
    let made = [
        (
            "/v1/resource_type",
            json!({"name": "vm", "attributes": {"host": {"type": "string", "required": false}}}),
        ),
        (
            "/v1/archive_policy_rule",
            json!({"name": "rule", "metric_pattern": "a*", "archive_policy_name": "seconds"}),
        ),
        (
            "/v1/resource/vm",
            json!({"id": "one", "host": "a", "metrics": {"cpu": {"archive_policy_name": "seconds"}}}),
        ),
        (
            "/v1/resource/generic",
            json!({"id": "two", "metrics": {"cpu": {"archive_policy_name": "seconds"}}}),
        ),
    ];
    for (path, body) in made {
        let answer = client.post(path, &body);
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let measures = json!([{"timestamp": 100, "value": 1}, {"timestamp": 160, "value": 2.5}]);
    let written = client.post(&format!("/v1/metric/{}/measures", metrics[0]), &measures);
    assert_eq!(written.status, 202, "{written:?}");
    let known = json!({
        "metrics": metrics, "resources": ["one", "two"], "types": ["vm", "generic"],
        "policies": ["seconds", "low"], "rules": ["rule"], "names": ["cpu"],
    });
    let base = format!("http://{}", server.address());
    let work = server.path("schemathesis");
    std::fs::create_dir(&work).unwrap();
    let mut program = Program::new(testkit::venv_python().unwrap())
        .args(["-B", "-m", "schemathesis.cli", "--config-file"])
        .arg(testkit::repository().join("tests/schemathesis/schemathesis.toml"))
        .args(["run", "--url", &base])
        .arg(format!("{base}/openapi.json"))
        // What is written in documents cannot be too loose for these checks: they are of answers alone.
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args([
            "--phases",
            "coverage,fuzzing,stateful",
            "--auth",
            "admin:x",
            "--header",
            "Accept: application/json",
        ])
        .args([
            "--max-examples",
            &examples,
            "--request-timeout",
            "60",
            "--warnings",
            "off",
            "--continue-on-failure",
        ])
        .args(["--suppress-health-check", "all", "--no-color"])
        .dir(&work)
        .env("SCHEMATHESIS_HOOKS", testkit::repository().join("tests/schemathesis/hooks.py"))
        .env("NEPHOSCOPE_KNOWN_THINGS", known.to_string());
    program = match &seconds {
        Some(seconds) => program.args(["--max-time", seconds]),
        None => program.args(["--seed", SEED]),
    };
    let more = seconds.and_then(|seconds| seconds.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let mut process = program.start().unwrap();
    let status = process.wait(PATIENCE + more).unwrap();
    assert!(status.success(), "{status}\n{}\n{}", process.output(), server.process().output());
}
