//! The generated reference of metrics against a running agent.

use std::collections::BTreeSet;

use testkit::shared_rabbitmq;

use crate::harness::{Agent, PROGRAM};

const REFERENCE: &str = include_str!("../../../../docs/reference/metrics.md");

/// Of the metric API, which the suite `metric_faults` compares, and of tokens, where Keystone is asked: the suite
/// `metric_tokens`.
const OF_METRIC_API: [&str; 2] = ["nephoscope_metric_api_", "nephoscope_tokens_"];

#[test]
fn the_reference_names_what_a_running_agent_exposes_and_nothing_else() {
    let vhost = shared_rabbitmq().vhost("metrics").unwrap();
    // This command has every role; the source selects nothing, so that no cloud is needed.
    let agent = Agent::new(&vhost.transport_url()).command(PROGRAM, &["run"]);
    let meeting = format!("backend_url = file://{}", agent.path("agents").display());
    let mut agent = agent.with("coordination", meeting);
    std::fs::write(agent.path("polling.yaml"), "sources: [{name: s, interval: 60, meters: [none]}]\n")
        .unwrap();
    agent.start();
    agent.wait_ready();
    let (_, page) = agent.get("/metrics");
    let is_of_api = |line: &str| OF_METRIC_API.iter().any(|prefix| line.contains(prefix));
    let exposed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| format!("| `{name}` | {kind} |"))
        .filter(|line| !is_of_api(line))
        .collect();
    // The text format has no type for information: it is a gauge there.
    let documented: BTreeSet<String> = REFERENCE
        .lines()
        .filter(|line| line.starts_with("| `") && !is_of_api(line))
        .map(|line| line.splitn(4, '|').take(3).collect::<Vec<_>>().join("|") + "|")
        .map(|line| line.replace(" info |", " gauge |"))
        .collect();
    assert!(exposed.len() > 40, "{exposed:?}");
    assert_eq!(exposed, documented);
    assert!(agent.terminate().success());
}
