//! What comes to an agent between two cycles because another is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nephoscope_polling::{Beginning, Exporter, ExporterMetrics, ExporterMode, Group, Partition, Share, What};
use observability::clock::MonotonicTime;
use observability::metrics::Metrics;
use publishers::series::{Exposition, Format, Shows as _};
use tokio::sync::watch;

use crate::schedule::{At, start};
use crate::world::{Script, World, eventually};

/// What is this agent's.
#[derive(Debug, Clone, Default)]
struct Mine {
    resources: BTreeSet<&'static str>,
    pollsters: BTreeSet<&'static str>,
    /// Agents that are gone.
    losses: usize,
}

/// A group whose changes a test decides.
#[derive(Debug, Clone)]
struct Members(Arc<watch::Sender<Mine>>);

#[derive(Debug)]
struct InCycle(Mine, Members);

impl Members {
    fn new(resources: &[&'static str], pollsters: &[&'static str]) -> Self {
        let (resources, pollsters) =
            (resources.iter().copied().collect(), pollsters.iter().copied().collect());
        Self(Arc::new(watch::Sender::new(Mine { resources, pollsters, losses: 0 })))
    }

    fn share(&self) -> Arc<dyn Share> {
        Arc::new(InCycle(self.0.borrow().clone(), self.clone()))
    }

    fn comes(&self, resources: &[&'static str], pollsters: &[&'static str], is_urgent: bool) {
        self.0.send_modify(|mine| {
            mine.resources.extend(resources);
            mine.pollsters.extend(pollsters);
            mine.losses += usize::from(is_urgent);
        });
    }
}

impl Partition for Members {
    fn begin(&self) -> Beginning<'_> {
        Box::pin(std::future::ready(self.share()))
    }
}

impl Share for InCycle {
    fn is_mine(&self, group: Group<'_>, what: What<'_>) -> bool {
        match (group, what) {
            (_, What::Resource(resource)) => self.0.resources.contains(resource.id()),
            (_, What::Pollster(name)) => self.0.pollsters.contains(name),
        }
    }

    fn takeover(&self, _due: MonotonicTime, _interval: Duration) -> Beginning<'_> {
        Box::pin(async {
            let mut mine = self.1.0.subscribe();
            mine.wait_for(|mine| mine.losses > self.0.losses).await.unwrap();
            self.1.share()
        })
    }
}

const BOTH: &str =
    "sources: [{name: s, interval: 10, meters: [a, b], resources: ['1', '2', '3'], discovery: [d]}]";

fn world(members: &Members) -> World {
    let world = World::new().pollster("a", Script::default()).pollster("b", Script::default());
    let mut world = world.finds("d", &["4", "5", "6"]);
    world.partition = Some(Arc::new(members.clone()));
    world
}

/// What was given since, as `pollster: resources`.
fn given(at: &At) -> Vec<String> {
    let mut given: Vec<String> =
        at.running.runs().iter().map(|(name, ids)| format!("{name}: {}", ids.join(" "))).collect();
    given.sort();
    given
}

async fn taken_over(at: &At, times: usize) {
    let times = times.to_string();
    eventually("a takeover", || at.running.counts("takeovers_total{interval=\"10\"}", &times)).await;
    at.asleep(1).await;
}

#[tokio::test]
async fn what_cannot_wait_is_polled_at_once_and_nothing_else() {
    let members = Members::new(&["1", "4"], &["a", "b"]);
    let mut at = start(world(&members).tasks(BOTH), Duration::ZERO);
    at.pass(3, 1).await;
    assert_eq!(given(&at), ["a: 1 4", "b: 1 4"]);
    members.comes(&["2", "5"], &[], true);
    taken_over(&at, 1).await;
    assert_eq!(given(&at), ["a: 2 5", "b: 2 5"]);
    // What has come by now is not new any more.
    members.comes(&["6"], &[], true);
    taken_over(&at, 2).await;
    assert_eq!(given(&at), ["a: 6", "b: 6"]);
    // What can wait does.
    members.comes(&["3"], &[], false);
    at.pass(6, 1).await;
    assert!(given(&at).is_empty());
    // Cycles keep their times, and have everything.
    at.pass(1, 1).await;
    assert_eq!(given(&at), ["a: 1 2 3 4 5 6", "b: 1 2 3 4 5 6"]);
    assert!(at.running.counts("cycles_total{interval=\"10\"}", "2"));
    // Another `polling.yaml` in between.
    let tasks = at.running.plan("sources: [{name: s, interval: 10, meters: [a], discovery: [d, e]}]");
    at.agent().take(tasks);
    members.comes(&["7"], &[], true);
    taken_over(&at, 3).await;
    assert!(given(&at).is_empty(), "nobody finds it");
    at.stop().await;
}

#[tokio::test]
async fn a_pollster_that_comes_has_all_its_resources() {
    let members = Members::new(&["1", "4"], &["a"]);
    let at = start(world(&members).tasks(BOTH), Duration::ZERO);
    at.pass(3, 1).await;
    assert_eq!(given(&at), ["a: 1 4"]);
    members.comes(&["5"], &["b"], true);
    taken_over(&at, 1).await;
    assert_eq!(given(&at), ["a: 5", "b: 1 4 5"]);
    at.stop().await;
}

/// Prometheus is shown what the last cycle has read, and what has come since.
#[tokio::test]
async fn what_is_shown_stays_beside_what_comes() {
    let members = Members::new(&["1"], &["a"]);
    let mut world = world(&members);
    let own = ExporterMetrics::register(&Metrics::new().component("polling_exporter"));
    let exporter = Arc::new(Exporter::new(ExporterMode::Compatible, 100, own));
    world.exporter = Some(Arc::clone(&exporter));
    let at = start(world.tasks(BOTH), Duration::ZERO);
    let shown = || {
        let snapshot = exporter.snapshot(at.running.clock.monotonic(), &|_| true);
        let page = String::from_utf8(Exposition::new(snapshot, Format::Classic).collect::<Vec<_>>().concat())
            .unwrap();
        let resources = page.lines().filter_map(|line| line.split_once("resource=\"")?.1.split('"').next());
        resources.map(str::to_owned).collect::<Vec<_>>()
    };
    at.pass(3, 1).await;
    assert_eq!(shown(), ["1"]);
    members.comes(&["2"], &["b"], true);
    taken_over(&at, 1).await;
    assert_eq!(shown(), ["1", "2", "1", "2"]);
    at.pass(7, 1).await;
    assert_eq!(shown(), ["1", "2", "1", "2"]);
    at.stop().await;
}
