//! When cycles run.

use std::time::Duration;

use nephoscope_polling::{Agent, AgentParts, Task};
use observability::health::HealthRegistry;
use observability::service_manager::ProgressRegistry;
use observability::supervisor::{Supervisor, SupervisorMetrics};

use crate::world::{Running, Script, World, eventually};

const A: &str = "sources: [{name: s, interval: 10, meters: [a], resources: [r]}]";

pub(crate) struct At {
    pub(crate) running: Running,
    agent: Option<Agent>,
    health: HealthRegistry,
    supervisor: Supervisor,
}

/// Starts an agent for the world's tasks.
pub(crate) fn start(mut running: Running, jitter: Duration) -> At {
    let clock = running.clock.clone();
    let supervisor =
        Supervisor::new(clock.clone(), SupervisorMetrics::register(&running.metrics.component("supervisor")));
    let health = HealthRegistry::new(clock.clone());
    let parts = AgentParts {
        supervisor: supervisor.clone(),
        health: health.clone(),
        progress: ProgressRegistry::new(clock.clone()),
        clock,
        metrics: running.polling.clone(),
        jitter,
    };
    let tasks: Vec<Task> = std::mem::take(&mut running.tasks);
    let agent = Some(Agent::start(tasks, parts));
    At { running, agent, health, supervisor }
}

impl At {
    /// Waits until as many loops as there are intervals sleep.
    pub(crate) async fn asleep(&self, loops: usize) {
        eventually("sleeping loops", || self.running.hand.sleepers() == loops).await;
    }

    /// Moves the clock by steps of a second, letting every loop run in between.
    pub(crate) async fn pass(&self, seconds: u64, loops: usize) {
        for _ in 0..seconds {
            self.asleep(loops).await;
            self.running.hand.advance(Duration::from_secs(1));
            // A loop that is due wakes, runs, and sleeps again.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            self.asleep(loops).await;
        }
    }

    /// The times of the polls so far, in seconds since the start; forgotten then.
    pub(crate) fn polls(&self) -> Vec<String> {
        let samples = self.running.collected.take().concat();
        let time = |sample: &std::sync::Arc<model::Sample>| {
            let text = sample.timestamp.as_str().unwrap();
            format!("{} {}", sample.name, text.get(14..19).unwrap())
        };
        let mut polls: Vec<String> = samples.iter().map(time).collect();
        // Tasks that are due at the same time run in any order.
        polls.sort_by_key(|poll| poll.split_once(' ').map(|(name, time)| (time.to_owned(), name.to_owned())));
        polls
    }

    pub(crate) fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().unwrap()
    }

    pub(crate) async fn stop(mut self) -> bool {
        let agent = self.agent.take().unwrap();
        let ended = agent.stop(Duration::from_mins(1)).await;
        let _ = self.supervisor.drain(Duration::from_mins(1)).await;
        ended
    }
}

#[tokio::test]
async fn a_task_runs_at_once_and_then_at_its_interval_whatever_the_wall_clock_does() {
    let at = start(World::new().pollster("a", Script::default()).tasks(A), Duration::ZERO);
    assert!(!at.health.ready().passed, "nothing is scheduled yet");
    at.asleep(1).await;
    assert!(at.health.ready().passed);
    // What takes the readings sleeps, too, until the pollster has ended.
    eventually("a cycle", || at.running.counts("cycles_total{interval=\"10\"}", "1")).await;
    assert_eq!(at.polls(), ["a 00:00"]);
    at.pass(25, 1).await;
    assert_eq!(at.polls(), ["a 00:10", "a 00:20"]);
    // An operator sets the clock back by a day: only the times in samples show it.
    at.running.hand.set_wall("2026-11-25T05:30:00Z".parse().unwrap());
    at.pass(15, 1).await;
    assert_eq!(at.polls(), ["a 30:05", "a 30:15"]);
    assert!(at.running.counts("cycles_total{interval=\"10\"}", "5"));
    assert!(at.running.counts("cycles_missed_total{interval=\"10\"}", "0"));
    assert!(at.stop().await);
}

#[tokio::test]
async fn a_cycle_that_takes_too_long_is_followed_at_once_and_never_overlapped() {
    let slow = Script { takes: Duration::from_secs(25), ..Script::default() };
    let at = start(World::new().pollster("a", slow).tasks(A), Duration::ZERO);
    // The loop's wait for readings sleeps as well as the pollster.
    for _ in 0..2 {
        eventually("a poll", || !at.running.state.runs.lock().unwrap().is_empty()).await;
        eventually("its wait", || at.running.hand.sleepers() == 2).await;
        at.running.runs();
        at.running.hand.advance(Duration::from_secs(25));
    }
    eventually("a third", || !at.running.state.runs.lock().unwrap().is_empty()).await;
    assert_eq!(at.polls(), ["a 00:00", "a 00:25"]);
    assert_eq!(at.running.state.most_running.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(at.running.counts("overruns_total{interval=\"10\"}", "2"));
    // At 10 and 20 none began; the one that was due at 20 began at 25.
    assert!(at.running.counts("cycles_missed_total{interval=\"10\"}", "2"));
}

#[tokio::test]
async fn a_process_that_was_held_up_begins_again_without_a_burst() {
    let at = start(World::new().pollster("a", Script::default()).tasks(A), Duration::ZERO);
    at.asleep(1).await;
    // The virtual machine was paused, say.
    at.running.hand.advance(Duration::from_secs(47));
    eventually("the cycle after", || at.running.counts("cycles_total{interval=\"10\"}", "2")).await;
    at.pass(13, 1).await;
    assert_eq!(at.polls(), ["a 00:00", "a 00:47", "a 00:57"]);
    assert!(at.running.counts("cycles_missed_total{interval=\"10\"}", "3"));
    assert!(!at.running.metrics.prometheus_text().contains("polling_overruns_total{"), "no cycle took long");
    at.stop().await;
}

#[tokio::test]
async fn other_tasks_are_taken_and_an_interval_that_stays_keeps_its_time() {
    let world = World::new().pollster("a", Script::default()).pollster("b", Script::default());
    let mut at = start(world.tasks(A), Duration::ZERO);
    at.pass(4, 1).await;
    assert_eq!(at.polls(), ["a 00:00"]);
    let both = "sources:\n- {name: s, interval: 10, meters: [b], resources: [r]}\n- {name: t, interval: 3, meters: [a], \
                resources: [r]}\n";
    let tasks = at.running.plan(both);
    at.agent().take(tasks);
    // The new interval begins at once, the old one when it is due.
    at.pass(7, 2).await;
    assert_eq!(at.polls(), ["a 00:04", "a 00:07", "a 00:10", "b 00:10"]);
    let tasks = at.running.plan("sources: [{name: t, interval: 3, meters: [a], resources: [r]}]");
    at.agent().take(tasks);
    at.pass(10, 1).await;
    assert_eq!(at.polls(), ["a 00:13", "a 00:16", "a 00:19"]);
    let tasks = at.running.plan("sources: []");
    at.agent().take(tasks);
    at.asleep(0).await;
    let report = at.health.ready();
    assert!(report.passed && report.body.to_string().contains("nothing is polled"), "{report:?}");
    assert!(at.stop().await);
}

#[tokio::test]
async fn the_first_cycle_waits_for_a_part_of_the_jitter() {
    let at = start(World::new().pollster("a", Script::default()).tasks(A), Duration::from_hours(1));
    at.asleep(1).await;
    // It is scheduled, so the agent is ready.
    assert!(at.health.ready().passed && at.polls().is_empty());
    at.running.hand.advance(Duration::from_hours(1));
    eventually("the first cycle", || at.running.counts("cycles_total{interval=\"10\"}", "1")).await;
    at.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_cycle_that_runs() {
    let slow = Script { takes: Duration::from_secs(5), ..Script::default() };
    let mut at = start(World::new().pollster("a", slow).tasks(A), Duration::ZERO);
    eventually("a poll", || !at.running.state.runs.lock().unwrap().is_empty()).await;
    eventually("its wait", || at.running.hand.sleepers() == 2).await;
    let stopping = tokio::spawn(at.agent.take().unwrap().stop(Duration::from_secs(30)));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished() && at.polls().is_empty());
    at.running.hand.advance(Duration::from_secs(5));
    assert!(stopping.await.unwrap());
    assert_eq!(at.polls(), ["a 00:00"]);
}

#[tokio::test]
async fn what_failed_is_on_the_health_page_until_a_cycle_succeeds() {
    let fails = Script { fails_after: Some(0), ..Script::default() };
    let world = World::new().pollster("a", Script::default()).pollster("bad", fails);
    let mut at = start(
        world.tasks("sources: [{name: s, interval: 10, meters: ['*'], resources: [r]}]"),
        Duration::ZERO,
    );
    at.asleep(1).await;
    let report = at.health.ready();
    assert!(
        report.passed && report.body.to_string().contains("1 failures in the last cycle: bad: scripted"),
        "{report:?}"
    );
    let tasks = at.running.plan(A);
    at.agent().take(tasks);
    at.pass(11, 1).await;
    assert_eq!(at.health.ready().body["status"], "ok");
    at.stop().await;
}
