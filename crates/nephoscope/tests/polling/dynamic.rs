//! Dynamic pollsters of the program: definitions from files, polled from a server, a command and a real Keystone and Glance.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use testkit::{Glance, Keystone};

use crate::commands::run;
use crate::harness::PROGRAM;
use crate::live::credentials;
use crate::server::{Answer, Request, Server};

fn write(directory: &Path, config: &str, definitions: &str) {
    let pollsters = directory.join("pollsters.d");
    fs::create_dir_all(&pollsters).unwrap();
    fs::write(pollsters.join("mine.yaml"), definitions).unwrap();
    let config = format!(
        "[DEFAULT]\npollsters_definitions_dirs = {}\n[nephoscope]\nstate_dir = {}\n{config}",
        pollsters.display(),
        directory.join("state").display()
    );
    fs::write(directory.join("ceilometer.conf"), config).unwrap();
    let polling = "sources: [{name: mine, interval: 300, meters: ['dynamic.*', 'dynamic.elsewhere']}]\n";
    fs::write(directory.join("polling.yaml"), polling).unwrap();
}

const DEFINITIONS: &str = r#"
- name: dynamic.cluster
  sample_type: gauge
  unit: cluster
  endpoint_type: container-infra
  url_path: v1/clusters
  value_attribute: "status | value.lower()"
  value_mapping: {active: 1}
  metadata_fields: [name]
  next_sample_url_attribute: next
  extra_metadata_fields:
    - name: project_name
      endpoint_type: identity
      url_path: "'/v3/projects/' + str(sample['project_id'])"
      value: name
- name: dynamic.command
  sample_type: gauge
  unit: B
  host_command: echo '{"all":[{"id":"a'$OS_PUBLISHER__TELEMETRY_SECRET'","size":5}]}'
  value_attribute: "size | value * 2"
- name: dynamic.program
  program: [@DIRECTORY@/program, one, "two three"]
  unit: s
  environment: {SITE: rack 1}
- name: dynamic.wrong
  sample_type: gauge
  unit: B
  endpoint_type: x
  url_path: x
  value_attribute: "size | value.__class__"
- name: dynamic.elsewhere
  namespaces: compute
"#;

/// What it is given decides what it prints; the last option is one that only the agent may see.
const RAID: &str = r#"#!/bin/sh
read -r input
case $input in *'"id": "'*) count=3 ;; esac
printf '{"name": "dynamic.program.%s", "type": "cumulative", "resource_id": "%s", "volume": %s, ' "$1" "$SITE" "$count"
printf '"metadata": {"arguments": "%s", "private": "%s"}}\n' "$2" "$OS_PUBLISHER__TELEMETRY_SECRET"
"#;

#[test]
fn definitions_are_polled_and_mistakes_are_named() {
    let server = Server::start(|request: &Request, _| {
        let body = match request.target.as_str() {
            "/v1/clusters" => {
                r#"{"clusters": [{"id": "c1", "status": "ACTIVE", "name": "n", "project_id": "p1"}], "next": "v1/clusters?marker=c1"}"#
            }
            "/v1/clusters?marker=c1" => {
                r#"{"clusters": [{"id": "c2", "status": "ERROR", "name": "m", "project_id": "p1"}]}"#
            }
            "/v3/projects/p1" => r#"{"project": {"id": "p1", "name": "first"}}"#,
            other => panic!("{other}"),
        };
        Answer::Status(200, "Content-Type: application/json\r\n".into(), body.into())
    });
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, RAID).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let definitions = DEFINITIONS.replace("@DIRECTORY@", &directory.path().display().to_string());
    let config = format!("[service_credentials]\nauth_type = none\nendpoint = http://{}\n", server.address);
    write(directory.path(), &config, &definitions);
    let output = Command::new(PROGRAM)
        .args(["poll", "--once", "--namespace", "central", "--meter", "dynamic.*", "--json"])
        .args(["--config-file", "ceilometer.conf"])
        .current_dir(directory.path())
        .env_clear()
        .envs([("HOME", "/nowhere"), ("OS_PUBLISHER__TELEMETRY_SECRET", "s3cret")])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let wrong =
        "mine.yaml:30:34: value_attribute: \"value.__class__\": the attribute __class__ is not supported";
    assert!(stderr.contains(wrong), "{stderr}");
    let samples: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<String> = samples
        .iter()
        .map(|sample| {
            let of = |key: &str| sample[key].to_string();
            format!("{} {} {} {}", of("name"), of("resource_id"), of("volume"), of("resource_metadata"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#""dynamic.cluster" "c1" 1 {"name":"n","project_name":"first"}"#,
            r#""dynamic.cluster" "c2" -1 {"name":"m","project_name":"first"}"#,
            r#""dynamic.command" "a" 10 {}"#,
            r#""dynamic.program.one" "rack 1" 3 {"arguments":"two three","private":""}"#,
        ]
    );
    // The project was asked for once.
    assert_eq!(server.requests().len(), 3);
    let (status, stdout, stderr) =
        run(directory.path(), &["check", "--role", "polling", "--polling-namespaces", "central"]);
    assert_ne!(status, Some(0));
    assert!(stdout.contains(wrong) && stderr.contains("1 errors, 0 warnings"), "{stdout}{stderr}");
    let (status, stdout, stderr) = run(directory.path(), &["pollsters"]);
    assert_eq!(status, Some(0), "{stderr}");
    // Each file is named once, whatever the namespace.
    assert_eq!(stderr.matches(wrong).count(), 1, "{stderr}");
    let lines: Vec<String> =
        stdout.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>().join(" ")).collect();
    for expected in [
        "dynamic.cluster dynamic.cluster gauge cluster endpoint:container-infra 0; 1 an endpoint and page, and for each \
         sample 1 an endpoint for project_name (kept for 3600 s)",
        "dynamic.command dynamic.command gauge B local_node 0; 1 command",
        "dynamic.program dynamic.program - s local_node 0; 1 program",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{stdout}");
    }
    assert!(!stdout.contains("dynamic.wrong"), "{stdout}");
    fs::write(directory.path().join("broken.conf"), "[polling]\nbatch_size = many\n").unwrap();
    let output = Command::new(PROGRAM)
        .args(["pollsters", "--config-file", "broken.conf"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(
        stdout.contains("  image.size ") && stderr.contains("dynamic pollsters are not listed: "),
        "{stderr}"
    );
    fs::write(directory.path().join("pollsters.d/broken.yaml"), "- [").unwrap();
    let (status, _, stderr) = run(directory.path(), &["polling", "--polling-namespaces", "central"]);
    assert_eq!(status, Some(78), "{stderr}");
    assert!(stderr.contains("broken.yaml:1:4: not valid yaml"), "{stderr}");
}

/// Images of a real Glance page by page, each with the name of its project, which a real Keystone says.
#[test]
fn a_real_glance_and_keystone_are_polled() {
    const IMAGES: usize = 5;
    let keystone = Keystone::start("fake://").unwrap();
    let glance = Glance::start_with(
        &keystone,
        "fake://",
        &["DEFAULT.limit_param_default=2", "DEFAULT.api_limit_max=2"],
    )
    .unwrap();
    let cloud = glance.cloud(&keystone).unwrap();
    cloud.register_service("glance", "image", glance.url()).unwrap();
    for number in 0..IMAGES {
        cloud.create_image(&format!("image {number}")).unwrap();
    }
    let definitions = r#"
- name: dynamic.image
  sample_type: gauge
  unit: image
  endpoint_type: image
  url_path: /v2/images?sort=name:asc
  response_entries_key: images
  next_sample_url_attribute: next
  value_attribute: ". | len(value['name'])"
  project_id_attribute: owner
  metadata_fields: ["name", "tags | ','.join(value)"]
  extra_metadata_fields:
    - name: project_name
      endpoint_type: identity
      url_path: "'/v3/projects/' + str(sample['project_id'])"
      value: name
    - name: domain_name
      endpoint_type: identity
      url_path: f'/v3/domains/{extra_metadata_by_name["project_name"]["metadata"]["domain_id"]}'
      value: name
"#;
    let definitions = definitions.replacen(
        "      value: name\n",
        "      value: name\n      metadata_fields: [domain_id]\n",
        1,
    );
    let directory = tempfile::tempdir().unwrap();
    let lines: Vec<String> = credentials(&keystone).into_iter().map(|(_, setting)| setting).collect();
    write(directory.path(), &format!("[service_credentials]\n{}\n", lines.join("\n")), &definitions);
    let (status, stdout, stderr) = run(
        directory.path(),
        &["poll", "--once", "--namespace", "central", "--meter", "dynamic.*", "--json"],
    );
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let samples: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<String> = samples
        .iter()
        .map(|sample| sample["resource_metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..IMAGES).map(|number| format!("image {number}")).collect();
    assert_eq!(names, expected);
    for sample in &samples {
        let metadata = &sample["resource_metadata"];
        assert_eq!(
            (&sample["volume"], &metadata["project_name"], &metadata["domain_name"]),
            (&7.into(), &"admin".into(), &"Default".into()),
            "{sample}"
        );
        assert!(sample["project_id"].is_string() && sample["resource_id"].is_string(), "{sample}");
    }
}
