//! Ceilometer's dynamic pollsters and ours make the same samples of the same definitions and answers: the examples of
//! Ceilometer's documentation, and what else there is to try.
//!
//! `dynamic_oracle.py` runs the original and serves the answers to both. What differs on purpose stands in
//! `dynamic_oracle/differences.json`, every entry of which must occur.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use definitions::{DynamicPollsters, Severity, Source};
use model::json;
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings};
use nephoscope_pollsters::{Cycle, Reading, Readings, Registry, Resource, Tools, dynamic};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{AuthOptions, Service, ServiceFilter, Session, SessionOptions, Url};
use serde_json::Value;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dynamic_oracle");

/// The original with its server, which ends with its input.
struct Original {
    child: Child,
    port: u16,
    results: Vec<Value>,
}

impl Original {
    fn start() -> Self {
        let mut child = Command::new(testkit::venv_python().unwrap())
            .arg("-B")
            .arg(format!("{DIRECTORY}.py"))
            .arg(format!("{DIRECTORY}/cases.yaml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let results = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { child, port, results }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Case {
    name: String,
    definition: String,
    resource: Option<String>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/cases.yaml")).unwrap();
    let root = yaml::parse(&text).unwrap();
    let text = |node: &yaml::Node, key: &str| node.get(key).and_then(yaml::Node::as_str).map(str::to_owned);
    let cases = root.as_seq().unwrap().iter().map(|node| Case {
        name: text(node, "name").unwrap(),
        definition: text(node, "definition").unwrap(),
        resource: text(node, "resource"),
    });
    cases.collect()
}

/// Tools of a cloud whose every service is at `base`.
fn tools(base: &str) -> Tools {
    let auth = AuthOptions::None { endpoint: Some(Url::parse(base).unwrap()) };
    let session = Session::new(SessionOptions::new(auth)).unwrap();
    let cloud = Service::new(session, ServiceFilter::new("identity"));
    let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
    Tools::new(Ok(cloud), Clock::machine(), ComputeSettings::new("node-1"), metrics)
}

/// The samples that ours makes, and what ended it.
async fn ours(case: &Case, base: &str) -> (Vec<Value>, Option<String>) {
    let indented = case.definition.replace('\n', "\n  ");
    let text = format!("-\n  {indented}").replace("@BASE@", base);
    let text = text.replace("@HOST@", base.trim_start_matches("http://"));
    let file = Source { path: "case.yaml", text: &text };
    let (definitions, mut problems) = DynamicPollsters::load(&[file], &["central"]);
    let mut registry = Registry::default();
    let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let surroundings = dynamic::Surroundings { environment, ..dynamic::Surroundings::default() };
    problems.extend(dynamic::add(&mut registry, &definitions, &tools(base), surroundings));
    let error = problems.iter().find(|problem| problem.severity != Severity::Warning);
    if let Some(error) = error {
        return (Vec::new(), Some(error.to_string()));
    }
    let (_, loaded) = registry.pollsters().next().unwrap();
    let loaded = Arc::clone(loaded.unwrap());
    let resource = Resource::text(case.resource.as_deref().unwrap_or(base));
    let (readings, mut receiver) = Readings::channel();
    let cycle = Cycle::new(Clock::machine());
    let polling = async {
        let polled = loaded.pollster.poll(&cycle, std::slice::from_ref(&resource), &readings).await;
        drop(readings);
        polled
    };
    let taking = async {
        let mut samples = Vec::new();
        while let Some(reading) = receiver.recv().await {
            samples.push(sample(&reading));
        }
        samples
    };
    let (polled, samples) = tokio::join!(polling, taking);
    (samples, polled.err().map(|error| error.to_string()))
}

fn sample(reading: &Reading) -> Value {
    let all = vec![
        reading.name.clone().into(),
        reading.kind.as_str().into(),
        reading.unit.clone(),
        reading.volume.clone(),
        reading.user_id.clone(),
        reading.project_id.clone(),
        reading.resource_id.clone(),
        model::Value::clone(&reading.resource_metadata),
    ];
    serde_json::from_str(&json::to_string(&model::Value::List(all))).unwrap()
}

fn accepted() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/differences.json")).unwrap();
    let entries: Vec<BTreeMap<String, String>> = serde_json::from_str(&text).unwrap();
    entries
        .into_iter()
        .map(|mut entry| (entry.remove("case").unwrap(), entry.remove("reason").unwrap()))
        .collect()
}

#[tokio::test]
async fn definitions_give_ceilometers_samples() {
    let original = Original::start();
    let cases = cases();
    assert_eq!(cases.len(), original.results.len());
    let accepted = accepted();
    let (mut unexpected, mut used, mut samples) = (Vec::new(), BTreeSet::new(), 0);
    for (number, (case, theirs)) in cases.iter().zip(&original.results).enumerate() {
        let base = format!("http://127.0.0.{}:{}", number + 1, original.port);
        let (own, error) = ours(case, &base).await;
        samples += own.len();
        let text = |samples: &Value| serde_json::to_string(samples).unwrap();
        let own = Value::from(own);
        if text(&own) == text(&theirs["samples"]) && error.is_some() == theirs["error"].is_string() {
            continue;
        }
        if accepted.contains_key(&case.name) {
            used.insert(case.name.clone());
        } else {
            unexpected.push(format!("{}\n  ours   {own} {error:?}\n  theirs {theirs}", case.name));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let unused: Vec<_> = accepted.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "accepted differences that do not occur (any more): {unused:?}");
    assert!(samples > 60, "only {samples} samples");
}
