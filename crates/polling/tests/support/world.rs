//! Pollsters and discoveries that do as they are told, and an agent around them.
#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use definitions::Source;
use model::{MeterKind, Value};
use nephoscope_polling::config::PollingConfig;
use nephoscope_polling::{
    Alone, Collected, Exporter, Heartbeats, Output, Partition, Plan, PollingMetrics, Task, TaskOptions,
    TaskParts,
};
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;
use observability::service_manager::{Progress, ProgressRegistry};
use pollsters::{
    Cycle, Discovering, Discovery, DiscoveryError, LoadedDiscovery, LoadedPollster, Meter, PollError,
    Polling, Pollster, Reading, Readings, Registry, Resource,
};
use tokio_util::sync::CancellationToken;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a pollster does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub(crate) discovery: Option<&'static str>,
    /// Whom it reads.
    pub(crate) service: Option<&'static str>,
    /// Readings of each resource; 0 counts as 1.
    pub(crate) samples: usize,
    /// Fails when it comes to the resource of this number.
    pub(crate) fails_after: Option<usize>,
    /// Says that it can never read these.
    pub(crate) permanent: Vec<String>,
    /// Panics when it comes to the resource of this number.
    pub(crate) panics_after: Option<usize>,
    /// Reads nothing and never ends.
    pub(crate) hangs: bool,
    /// Takes so long on the test's clock for each run.
    pub(crate) takes: Duration,
    /// Takes so long for each resource, on the machine's clock.
    pub(crate) pause: Duration,
    /// Its volumes are the number of the run.
    pub(crate) counts_runs: bool,
    pub(crate) volume: Option<Value>,
}

#[derive(Debug)]
struct Scripted {
    name: String,
    script: Script,
    clock: Clock,
    state: Arc<State>,
    runs: AtomicI64,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Pollster and the ids that it was given, in the order of their runs.
    pub(crate) runs: Mutex<Vec<(String, Vec<String>)>>,
    /// Runs of each discovery.
    pub(crate) discovered: Mutex<HashMap<String, usize>>,
    running: AtomicUsize,
    pub(crate) most_running: AtomicUsize,
}

impl Pollster for Scripted {
    fn service(&self) -> Option<&str> {
        self.script.service
    }

    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let ids = resources.iter().map(|resource| resource.id().to_owned()).collect();
            self.state.runs.lock().unwrap().push((self.name.clone(), ids));
            let running = self.state.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.state.most_running.fetch_max(running, Ordering::SeqCst);
            let result = self.read(resources, readings).await;
            self.state.running.fetch_sub(1, Ordering::SeqCst);
            result
        })
    }
}

impl Scripted {
    async fn read(&self, resources: &[Resource], readings: &Readings) -> Result<(), PollError> {
        let script = &self.script;
        if !script.takes.is_zero() {
            self.clock.sleep(script.takes).await;
        }
        if script.hangs {
            std::future::pending::<()>().await;
        }
        // So that others get a turn, as they do when a request is made.
        tokio::task::yield_now().await;
        if !script.permanent.is_empty() {
            let resources = resources.iter().filter(|one| script.permanent.iter().any(|id| one.id() == id));
            let reason = "scripted".to_owned();
            return Err(PollError::Permanent { resources: resources.cloned().collect(), reason });
        }
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        for (number, resource) in resources.iter().enumerate() {
            if script.fails_after == Some(number) {
                return Err(PollError::Failed { cause: "scripted", message: "scripted".into() });
            }
            assert!(script.panics_after != Some(number), "scripted panic");
            if !script.pause.is_zero() {
                tokio::time::sleep(script.pause).await;
            }
            for _ in 0..script.samples.max(1) {
                let volume = if script.counts_runs {
                    Value::Int(run)
                } else {
                    script.volume.clone().unwrap_or(Value::Int(1))
                };
                let meter = Meter { name: "", kind: MeterKind::Gauge, unit: "u" };
                let reading = Reading::new(&meter, resource.id(), volume);
                readings.give(Reading { name: self.name.as_str().into(), ..reading }).await?;
            }
        }
        Ok(())
    }
}

/// What a discovery finds; an error is a panic if it is `panic`.
pub(crate) type Finds = Result<Vec<String>, String>;

#[derive(Debug)]
struct Found {
    name: String,
    finds: Finds,
    state: Arc<State>,
}

impl Discovery for Found {
    fn discover<'a>(&'a self, _cycle: &'a Cycle, parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            *self.state.discovered.lock().unwrap().entry(self.name.clone()).or_default() += 1;
            tokio::task::yield_now().await;
            let finds = match &self.finds {
                Ok(finds) => finds,
                Err(message) => {
                    assert!(message != "panic", "scripted panic");
                    return Err(DiscoveryError::Answer { message: message.clone() });
                }
            };
            let parameter = parameter.filter(|parameter| !parameter.is_empty());
            Ok(finds.iter().map(String::as_str).chain(parameter).map(Resource::text).collect())
        })
    }
}

/// An agent's surroundings.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) state: Arc<State>,
    pub(crate) collected: Arc<Collected>,
    pub(crate) metrics: Metrics,
    pub(crate) polling: PollingMetrics,
    pub(crate) clock: Clock,
    pub(crate) hand: TestClock,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) options: TaskOptions,
    pub(crate) output: Option<Arc<dyn Output>>,
    pub(crate) exporter: Option<Arc<Exporter>>,
    pub(crate) partition: Option<Arc<dyn Partition>>,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) fn new() -> Self {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00.123456Z".parse().unwrap());
        let metrics = Metrics::new();
        Self {
            registry: Registry::default(),
            state: Arc::default(),
            collected: Arc::default(),
            polling: PollingMetrics::register(&metrics.component("polling")),
            metrics,
            clock,
            hand,
            heartbeats: Heartbeats::default(),
            options: TaskOptions { batch_size: 50, threads: 1, sample_source: "test".into() },
            output: None,
            exporter: None,
            partition: None,
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn pollster(mut self, name: &str, script: Script) -> Self {
        let loaded = LoadedPollster {
            name: name.to_owned(),
            discovery: script.discovery.map(str::to_owned),
            pollster: Box::new(Scripted {
                name: name.to_owned(),
                script,
                clock: self.clock.clone(),
                state: Arc::clone(&self.state),
                runs: AtomicI64::new(0),
            }),
        };
        assert!(self.registry.add(name, Ok(loaded)));
        self
    }

    pub(crate) fn discovery(mut self, name: &str, finds: Finds) -> Self {
        let (name_in, state) = (name.to_owned(), Arc::clone(&self.state));
        let discovery = Box::new(Found { name: name_in.clone(), finds, state });
        self.registry.add_discovery(name, Ok(LoadedDiscovery { name: name_in, discovery }));
        self
    }

    pub(crate) fn finds(self, name: &str, ids: &[&str]) -> Self {
        self.discovery(name, Ok(ids.iter().map(|id| (*id).to_owned()).collect()))
    }

    /// The tasks of a `polling.yaml`.
    pub(crate) fn tasks(self, definition: &str) -> Running {
        let parts = Arc::new(TaskParts {
            options: self.options.clone(),
            output: self.output.clone().unwrap_or_else(|| Arc::<Collected>::clone(&self.collected)),
            exporter: self.exporter.clone(),
            names: None,
            partition: self.partition.clone().unwrap_or_else(|| Arc::new(Alone)),
            heartbeats: self.heartbeats.clone(),
            metrics: self.polling.clone(),
            clock: self.clock.clone(),
        });
        let progress = ProgressRegistry::new(self.clock.clone()).register("test", Duration::MAX);
        let (registry, stop) = (Arc::new(self.registry), self.stop);
        let mut running = Running {
            tasks: Vec::new(),
            registry,
            parts,
            state: self.state,
            collected: self.collected,
            metrics: self.metrics,
            polling: self.polling,
            clock: self.clock,
            hand: self.hand,
            heartbeats: self.heartbeats,
            progress,
            stop,
        };
        running.tasks = running.plan(definition);
        running
    }
}

/// Tasks with what they share.
pub(crate) struct Running {
    pub(crate) tasks: Vec<Task>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) parts: Arc<TaskParts>,
    pub(crate) state: Arc<State>,
    pub(crate) collected: Arc<Collected>,
    pub(crate) metrics: Metrics,
    pub(crate) polling: PollingMetrics,
    pub(crate) clock: Clock,
    pub(crate) hand: TestClock,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) progress: Progress,
    pub(crate) stop: CancellationToken,
}

impl Running {
    /// The tasks of another `polling.yaml`.
    pub(crate) fn plan(&self, definition: &str) -> Vec<Task> {
        let (config, _) = PollingConfig::parse(Source { path: "polling.yaml", text: definition }).unwrap();
        let (plan, problems) = Plan::new(&config, &self.registry);
        assert!(
            problems.iter().all(|problem| problem.severity == definitions::Severity::Warning),
            "{problems:?}"
        );
        Task::all(plan, &self.registry, &self.parts)
    }

    /// One cycle of each task; returns the batches as `meter:resource` texts.
    pub(crate) async fn cycle(&self) -> Vec<Vec<String>> {
        for task in &self.tasks {
            Box::pin(task.run(&self.progress, &self.stop)).await;
        }
        self.batches()
    }

    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        let text = |sample: &Arc<model::Sample>| {
            format!("{}:{}", sample.name, sample.resource_id.as_str().unwrap_or_default())
        };
        self.collected.take().iter().map(|batch| batch.iter().map(text).collect()).collect()
    }

    /// Pollsters and what they were given; forgotten then.
    pub(crate) fn runs(&self) -> Vec<(String, Vec<String>)> {
        std::mem::take(&mut self.state.runs.lock().unwrap())
    }

    /// Whether a line of the metrics begins with `series` and ends with `value`.
    pub(crate) fn counts(&self, series: &str, value: &str) -> bool {
        let text = self.metrics.prometheus_text();
        text.lines().any(|line| {
            line.strip_prefix("nephoscope_polling_")
                .and_then(|line| line.strip_prefix(series))
                .is_some_and(|rest| rest.trim() == value)
        })
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
