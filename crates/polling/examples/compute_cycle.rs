//! What a cycle of the compute agent costs, beside the bare bulk call: `cargo run --profile dist -p nephoscope-polling --features
//! jemalloc --example compute_cycle -- [DOMAINS [ROUNDS [made|sent|signed]]]`.
//!
//! A server that replays recorded answers has 500 domains that run. *Bare* is a blocking socket that asks for the statistics of
//! all of them and walks over the answer once; the others are whole cycles of every pollster, discovery included: *made* drops
//! the samples, *sent* brings them to a pipeline whose publisher takes them at once, *signed* writes the messages that go to
//! the message bus. All take turns, in one thread, whose processor time is counted; the server has its own.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example shows something, and its tasks end with it"
)]

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use definitions::Source;
use model::Sample;
use model::signature::Signer;
use nephoscope_polling::config::PollingConfig;
use nephoscope_polling::{
    Alone, Deliveries, Heartbeats, Output, Plan, PollingMetrics, Sending, Task, TaskOptions, TaskParts,
    ToRouter, bus_pipeline,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use observability::service_manager::ProgressRegistry;
use pipeline::{
    BuildError, PipelineMetrics, Publisher, PublisherFactory, PublisherUrl, Publishing, Records, RecordsKind,
    Refusals, RetryPolicy, Router, WorkerLimits,
};
use pollsters::compute::{ComputeMetrics, ComputeSettings};
use pollsters::{Namespace, Registry, Tools};
use testkit::{FakeDomain, FakeLibvirtd};
use tokio_util::sync::CancellationToken;

#[path = "../../libvirt/examples/yardstick/bare.rs"]
mod bare;

use bare::{Bare, cpu};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bare calls in a turn.
const TURN: u32 = 10;

/// Drops samples.
#[derive(Debug, Default)]
struct Made(AtomicUsize);

impl Output for Made {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        self.0.fetch_add(samples.len(), Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

/// Writes what goes to the message bus.
struct Signed(Mutex<(Signer, Vec<u8>)>);

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed")
    }
}

impl Output for Signed {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (signer, text) = &mut *inner;
        text.clear();
        for sample in samples {
            sample.write_wire(signer, text);
        }
        Box::pin(std::future::ready(()))
    }
}

/// Takes everything at once.
#[derive(Debug)]
struct Taking;

impl Publisher for Taking {
    fn publish(&mut self, _groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async { Ok(Refusals::default()) })
    }
}

impl PublisherFactory for Taking {
    fn build(&self, _url: &PublisherUrl, _kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(Self))
    }

    fn check(&self, _url: &PublisherUrl, _kind: RecordsKind) -> Result<(), BuildError> {
        Ok(())
    }
}

/// The task of every pollster of the namespace, with that output.
fn task(
    registry: &Arc<Registry>,
    output: Arc<dyn Output>,
    metrics: &PollingMetrics,
) -> Result<Task, Box<dyn Error>> {
    let text = "sources: [{name: all, interval: 60, meters: ['*']}]";
    let (config, _) = PollingConfig::parse(Source { path: "polling.yaml", text })
        .map_err(|problems| format!("{problems:?}"))?;
    let (plan, problems) = Plan::new(&config, registry);
    let parts = Arc::new(TaskParts {
        options: TaskOptions { batch_size: 50, threads: 1, sample_source: "openstack".into() },
        output,
        names: None,
        exporter: None,
        partition: Arc::new(Alone),
        heartbeats: Heartbeats::default(),
        metrics: metrics.clone(),
        clock: Clock::machine(),
    });
    Task::all(plan, registry, &parts).pop().ok_or_else(|| format!("nothing to do: {problems:?}").into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let wanted: usize = arguments.next().map_or(Ok(500), |domains| domains.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(20), |rounds| rounds.parse())?;
    let only = arguments.next();
    // Of the recorded ones, those that run.
    let mut domains: Vec<FakeDomain> = FakeDomain::recorded(wanted * 3)?;
    domains.retain(|domain| domain.id >= 0);
    domains.truncate(wanted);
    let server = FakeLibvirtd::with_domains(domains)?;
    let mut bare = Bare::connect(server.socket())?;

    let metrics = Metrics::new();
    let settings = ComputeSettings { libvirt_uri: server.uri(), ..ComputeSettings::new("node-1") };
    let counters = ComputeMetrics::register(&metrics.component("compute"));
    let tools = Tools::new(Err("no cloud".into()), Clock::machine(), settings, counters);
    let compute = Namespace::named("compute").ok_or("no namespace")?;
    let registry = Arc::new(Registry::load(&[compute], &tools));
    let polling = PollingMetrics::register(&metrics.component("polling"));

    let pipelines = bus_pipeline().map_err(|problems| format!("{problems:?}"))?;
    let factory: Arc<dyn PublisherFactory> = Arc::new(Taking);
    let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
    let limits = WorkerLimits::default();
    let kind = RecordsKind::Samples;
    let (router, workers) =
        Router::new(&pipelines, kind, &factory, limits, RetryPolicy::default(), &pipeline_metrics)?;
    for (_, worker) in workers.into_tasks(&CancellationToken::new()) {
        tokio::spawn(worker);
    }
    let deliveries = Deliveries::new(&polling);
    let made = Arc::new(Made::default());
    let outputs: [(&str, Arc<dyn Output>); 3] = [
        ("made", Arc::<Made>::clone(&made)),
        ("sent", Arc::new(ToRouter::new(router, deliveries.clone()))),
        ("signed", Arc::new(Signed(Mutex::new((Signer::new("change this for valid signing"), Vec::new()))))),
    ];
    let mut tasks = Vec::new();
    for (name, output) in
        outputs.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
    {
        tasks.push((name, task(&registry, output, &polling)?, Vec::new()));
    }
    let progress = ProgressRegistry::new(Clock::machine()).register("example", Duration::MAX);
    let stop = CancellationToken::new();

    let (mut parameters, mut samples, mut least) = (0, 0, Vec::new());
    // The first round fills what is kept from cycle to cycle, and does not count.
    for round in 0..=rounds {
        let start = cpu()?;
        for _ in 0..TURN {
            parameters = bare.stats()?.parameters;
        }
        let one = cpu()?.saturating_sub(start).as_secs_f64() / f64::from(TURN);
        if round > 0 {
            least.push(one * 1e6);
        }
        for (_, task, taken) in &mut tasks {
            server.advance();
            let start = cpu()?;
            let report = Box::pin(task.run(&progress, &stop)).await;
            deliveries.settled().await;
            let cycle = cpu()?.saturating_sub(start).as_secs_f64();
            if !report.failures.is_empty() {
                return Err(format!("{:?}", report.failures).into());
            }
            samples = report.samples;
            if round > 0 {
                taken.push((cycle * 1e6, cycle / one));
            }
        }
    }
    println!("{wanted} domains, {parameters} parameters, {samples} samples a cycle, {rounds} rounds");
    println!("bare     {:9.0} µs of processor time", median(least));
    for (name, _, taken) in tasks {
        let (times, ratios): (Vec<f64>, Vec<f64>) = taken.into_iter().unzip();
        let time = median(times);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let each = time * 1e3 / samples as f64;
        println!("{name:<8} {time:9.0} µs, {:5.2} times, {each:6.0} ns a sample", median(ratios));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
