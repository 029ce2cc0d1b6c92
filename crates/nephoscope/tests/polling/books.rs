//! What a polling agent has made, beside what is on the bus.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use testkit::{Vhost, until, wait_until};

use crate::bus::{assert_signed, ids, take};
use crate::harness::Agent;

pub(crate) const QUEUE: &str = "notifications.sample";
pub(crate) const SECRET: &str = "change this for valid signing";
pub(crate) const LONG: Duration = Duration::from_secs(90);

pub(crate) fn cycles(agent: &mut Agent) -> f64 {
    agent.metric_sum("nephoscope_polling_cycles_total")
}

pub(crate) fn wait_for_cycles(agent: &mut Agent, more: f64) {
    let before = cycles(agent);
    wait_until("cycles", LONG, || (cycles(agent) >= before + more).then_some(())).unwrap();
}

pub(crate) fn reload(agent: &mut Agent, outcome: &str) {
    let series = format!("nephoscope_configuration_reloads_total{{cause=\"{outcome}\"}}");
    let before = agent.metric(&series).unwrap_or(0.0);
    agent.process().hang_up().unwrap();
    until("the end of a reload", || (agent.metric(&series)? > before).then_some(())).unwrap();
}

/// Lets the agent poll no more; returns how many samples it has made.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
pub(crate) fn made_in_all(agent: &mut Agent) -> usize {
    let path = agent.path("polling.yaml");
    let old = fs::read_to_string(&path).unwrap();
    fs::write(&path, "sources: []\n").unwrap();
    reload(agent, "taken");
    // A cycle that runs is finished.
    wait_until("the last cycle", LONG, || (!agent.get("/readyz").1.contains("polling:1s")).then_some(()))
        .unwrap();
    fs::write(&path, old).unwrap();
    agent.metric_sum("nephoscope_polling_samples_total") as usize
}

/// Stops the agent, and compares what it has made with what is on the bus: what is in hand is sent by the time the process
/// ends. Returns how many samples there are twice.
pub(crate) fn assert_complete(agent: &mut Agent, vhost: &Vhost<'_>) -> usize {
    let made = made_in_all(agent);
    assert!(agent.terminate().success());
    let notifications = take(vhost, QUEUE);
    assert_signed(&notifications, SECRET);
    let all = ids(&notifications);
    let distinct: HashSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), made, "samples made and samples on the bus\n{}", agent.process().output());
    all.len() - distinct.len()
}
