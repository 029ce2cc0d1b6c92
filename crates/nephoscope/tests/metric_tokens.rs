//! `nephoscope metric` with `auth_mode = keystone`: a real Keystone, the commands that operators type, and policy files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Keystone, Port, Process, Program, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");
/// The page of all metrics.
const REFERENCE: &str = include_str!("../../../docs/reference/metrics.md");
const NO_BROKER: &str = "fake://";
/// For something that the program does by itself, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Head and body of an answer.
fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn status(port: u16, method: &str, path: &str, token: &str, body: &str) -> u16 {
    let (head, _) = ask(port, method, path, &[("X-Auth-Token", token)], body);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A token of a user for the project of the same name.
fn token(keystone: &Keystone, user: &str) -> String {
    let domain = json!({ "id": "default" });
    let body = json!({ "auth": {
        "identity": { "methods": ["password"],
            "password": { "user": { "name": user, "password": user, "domain": domain } } },
        "scope": { "project": { "name": user, "domain": domain } },
    }});
    let (head, body) = ask(keystone.port(), "POST", "/v3/auth/tokens", &[], &body.to_string());
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let mut tokens = headers.filter(|(name, _)| name.eq_ignore_ascii_case("x-subject-token"));
    tokens.next().unwrap_or_else(|| panic!("{head} {body}")).1.to_owned()
}

/// One of the commands, as a user of the project of the same name.
fn command(keystone: &Keystone, program: &str, user: &str, password: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(testkit::venv_python().unwrap().with_file_name(program));
    for (name, value) in [
        ("OS_AUTH_TYPE", "password"),
        ("OS_AUTH_URL", keystone.url()),
        ("OS_USERNAME", user),
        ("OS_PASSWORD", password),
        ("OS_PROJECT_NAME", user),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
        ("OS_REGION_NAME", keystone.region()),
    ] {
        command.env(name, value);
    }
    command.args(arguments).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} {said}"))
}

fn start(directory: &Path, keystone: &Keystone, health: u16) -> (Process, u16) {
    let file = directory.join("gnocchi.conf");
    let text = format!(
        "[api]\nauth_mode = keystone\nhost = 0.0.0.0\n[nephoscope]\n\
         metric_listen_address = 127.0.0.1:{health}\nstate_dir = {}\n\
         [keystone_authtoken]\nauth_type = password\nauth_url = {}\nusername = {}\npassword = {}\n\
         user_domain_id = default\nproject_name = admin\nproject_domain_id = default\ninterface = public\n\
         http_request_max_retries = 0\nmemcached_servers = controller:11211\n",
        directory.display(),
        keystone.url(),
        keystone.user(),
        keystone.password(),
    );
    fs::write(&file, text).unwrap();
    let program = Program::new(PROGRAM).clear_env().env("HOME", directory).dir(directory);
    let process = program.args(["metric", "--port", "0", "--config-file"]).arg(&file).start().unwrap();
    let line = process.line("api=http://").unwrap();
    let (_, address) = line.split_once("api=http://").unwrap();
    let port = address.split_whitespace().next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    (process, port)
}

/// How often tokens came out as this, as the role's page of metrics says.
fn validated(health: u16, outcome: &str) -> u64 {
    let (_, page) = ask(health, "GET", "/metrics", &[], "");
    let series = format!("nephoscope_tokens_validated_total{{outcome=\"{outcome}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse().ok()).unwrap_or(0)
}

/// The metrics of tokens that the role shows are those of the reference, no more and no fewer, of the same types.
fn assert_documented(health: u16) {
    let (_, page) = ask(health, "GET", "/metrics", &[], "");
    let exposed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| format!("| `{name}` | {kind} |"))
        .filter(|line| line.contains("`nephoscope_tokens_"))
        .collect();
    let documented: BTreeSet<String> = REFERENCE
        .lines()
        .filter(|line| line.starts_with("| `nephoscope_tokens_"))
        .map(|line| line.splitn(4, '|').take(3).collect::<Vec<_>>().join("|") + "|")
        .collect();
    assert!(!exposed.is_empty(), "{page}");
    assert_eq!(exposed, documented);
    let line =
        REFERENCE.lines().find(|line| line.starts_with("| `nephoscope_tokens_validated_total`")).unwrap();
    let outcomes =
        page.lines().filter_map(|line| line.strip_prefix("nephoscope_tokens_validated_total{outcome=\""));
    for outcome in outcomes.filter_map(|line| line.split('"').next()) {
        assert!(line.contains(outcome), "{outcome} is not in the reference: {line}");
    }
}

#[test]
fn users_of_keystone_have_their_own_metrics() {
    let keystone = Keystone::start(NO_BROKER).unwrap();
    let cloud = keystone.cloud().unwrap();
    let role = cloud.create_role("observer").unwrap();
    for name in ["ann", "bob"] {
        let (project, user) = (cloud.create_project(name).unwrap(), cloud.create_user(name, name).unwrap());
        cloud.assign_role(&project, &user, &role).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let health = Port::take().unwrap();
    let (mut process, port) = start(directory.path(), &keystone, health.number());
    cloud.register_service("gnocchi", "metric", &format!("http://127.0.0.1:{port}")).unwrap();

    let run = |program, user, arguments: &[&str]| command(&keystone, program, user, user, arguments);
    let made = json_of(&run("gnocchi", "ann", &["metric", "create", "-a", "low", "cpu", "-f", "json"]));
    let id = made["id"].as_str().unwrap();
    let listed = json_of(&run("openstack", "ann", &["metric", "list", "-f", "json"]));
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["id"], id);
    let refused = run("gnocchi", "bob", &["metric", "show", id]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("403"), "{refused:?}");
    let admin =
        command(&keystone, "gnocchi", keystone.user(), keystone.password(), &["status", "-f", "json"]);
    json_of(&admin);

    // Without a token, whatever the headers say.
    let spoofed = [("X-User-Id", "root"), ("X-Roles", "admin"), ("X-Identity-Status", "Confirmed")];
    for path in ["/v1/metric", "/v1/", "//v1/metric"] {
        let (head, body) = ask(port, "GET", path, &spoofed, "");
        assert!(
            head.starts_with("HTTP/1.1 401") && head.contains("www-authenticate: Keystone uri=\""),
            "{head}"
        );
        assert!(body.contains("requires authentication"), "{body}");
    }
    assert!(ask(port, "GET", "/", &[], "").0.starts_with("HTTP/1.1 200"));
    let (of_ann, of_bob) = (token(&keystone, "ann"), token(&keystone, "bob"));
    let metric = format!("/v1/metric/{id}");
    let with_roles = [("X-Auth-Token", of_bob.as_str()), ("X-Roles", "admin")];
    assert!(ask(port, "GET", &metric, &with_roles, "").0.starts_with("HTTP/1.1 403"));

    // Policies are read again when they change, and a mistake leaves them as they were.
    let policy = directory.path().join("policy.yaml");
    assert_eq!(status(port, "GET", &metric, &of_bob, ""), 403);
    fs::write(&policy, "\"get metric\": \"role:observer\"\n").unwrap();
    let sees = || (status(port, "GET", &metric, &of_bob, "") == 200).then_some(());
    wait_until("the policy to be in force", PATIENCE, sees).unwrap();
    fs::write(&policy, "\"get metric\": \"role:observer and\"\n").unwrap();
    let line = process.line("the rules from before stay in force").unwrap();
    assert!(line.contains("policy.yaml:1:15"), "{line}");
    assert_eq!(status(port, "GET", &metric, &of_bob, ""), 200);
    assert_eq!(status(port, "GET", "/v1/status", &of_ann, ""), 403);

    assert_eq!(status(port, "GET", &metric, "no token of anybody", ""), 401);
    assert_eq!(status(port, "GET", &metric, "no token of anybody", ""), 401);
    for outcome in ["good", "known", "refused", "refused_known"] {
        assert!(validated(health.number(), outcome) > 0, "{outcome}");
    }
    assert_eq!(validated(health.number(), "unavailable"), 0);
    assert_documented(health.number());

    drop((cloud, keystone));
    let (head, body) = ask(port, "GET", "/v1/metric", &[("X-Auth-Token", "new")], "");
    assert!(head.starts_with("HTTP/1.1 503") && body.contains("Keystone"), "{head} {body}");
    assert_eq!(status(port, "GET", &metric, &of_bob, ""), 200);
    assert_eq!(validated(health.number(), "unavailable"), 1);
    assert!(process.terminate().unwrap().success());
    assert!(!process.output().contains(&of_bob), "a token in the log");
}

/// What is missing is named, and what would not work does not start.
#[test]
fn keystone_needs_credentials_and_policies_must_be_readable() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gnocchi.conf");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = Command::new(PROGRAM)
            .args(["metric", "--port", "0", "--config-file"])
            .arg(&file)
            .current_dir(directory.path())
            .env_clear()
            .env("HOME", directory.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run("[api]\nauth_mode = keystone\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains("[keystone_authtoken] auth_type is not set") && said.contains("metric_trusts_headers"),
        "{said}"
    );
    let (code, said) =
        run("[api]\nauth_mode = keystone\nhost = 0.0.0.0\n[nephoscope]\nmetric_trusts_headers = true\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("metric_trusts_network"), "{said}");
    fs::write(directory.path().join("policy.yaml"), "get metric: http://h/check\n").unwrap();
    let (code, said) = run("[oslo_policy]\npolicy_file = policy.yaml\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("policy.yaml:1:13") && said.contains("policy server"), "{said}");
}
