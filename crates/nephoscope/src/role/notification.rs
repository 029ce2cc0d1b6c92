//! The notification role: listeners, the agent, and the workers of its publishers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use notification::{Agent, AgentMetrics, AgentOptions};
use oslo_config::Config;
use oslo_config::options::{nephoscope, notification as options};
use oslo_messaging::{AmqpMetrics, Listener, ListenerConfig};
use pipeline::config::PipelineConfig;
use pipeline::{
    PipelineMetrics, PublisherFactory, RecordsKind, RetryPolicy, Router, RouterError, WorkerLimits, Workers,
};

use super::{House, watch};
use crate::settings::Definitions;

/// A batch is converted in milliseconds; one that takes longer than this hangs.
const BATCH_PROMISE: Duration = Duration::from_mins(1);

/// Which part of `in_flight_bytes` one publisher's queue may take, in records ready to be published. Records take a
/// multiple of their message's bytes, and there is a queue for samples and one for events in most configurations:
/// with a quarter each, what is converted stays below what is not.
const QUEUE_SHARE: i64 = 4;

/// Everything about the role that the configuration decides, checked.
pub(crate) struct Notification {
    listeners: Vec<ListenerConfig>,
    agent: Agent,
    workers: Vec<Workers>,
    amqp_metrics: AmqpMetrics,
}

/// The role at work.
pub(crate) struct Running {
    listeners: Vec<Listener>,
}

impl Notification {
    /// Puts the role together without starting anything.
    pub(crate) fn new(
        config: &Config,
        definitions: Definitions,
        listeners: Vec<ListenerConfig>,
        publishers: &Arc<dyn PublisherFactory>,
        metrics: &observability::metrics::Metrics,
    ) -> Result<Self, RouterError> {
        let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
        let mut workers = Vec::new();
        let mut router = |pipelines: &PipelineConfig, kind: RecordsKind| {
            let limits = worker_limits(config);
            let (router, more) =
                Router::new(pipelines, kind, publishers, limits, RetryPolicy::default(), &pipeline_metrics)?;
            workers.push(more);
            Ok::<_, RouterError>(router)
        };
        let agent_options = AgentOptions { ack_on_event_error: config.get(&options::ACK_ON_EVENT_ERROR) };
        let mut agent = Agent::new(agent_options, AgentMetrics::register(&metrics.component("notification")));
        if let Some((endpoints, settings, pipelines)) = definitions.samples {
            agent = agent.with_samples(endpoints, settings, router(&pipelines, RecordsKind::Samples)?);
        }
        if let Some((events, pipelines)) = definitions.events {
            agent = agent.with_events(events, router(&pipelines, RecordsKind::Events)?);
        }
        let amqp_metrics = AmqpMetrics::register(&metrics.component("amqp"));
        Ok(Self { listeners, agent, workers, amqp_metrics })
    }

    /// Starts publishers first and listeners last.
    pub(crate) fn start(self, house: &House) -> anyhow::Result<Running> {
        for (name, task) in
            self.workers.into_iter().flat_map(|workers| workers.into_tasks(house.supervisor.token()))
        {
            house.supervisor.spawn_once(name, async move {
                task.await;
                Ok::<(), Infallible>(())
            });
        }
        for router in self.agent.routers() {
            for (name, state) in router.states() {
                watch::publisher(house, name, state);
            }
        }
        let agent = Arc::new(self.agent);
        let mut listeners = Vec::new();
        for config in self.listeners {
            let name = config.name.clone();
            let (listener, mut batches) = Listener::start(config, &self.amqp_metrics)?;
            watch::listener(house, &name, listener.state());
            let (agent, progress) =
                (Arc::clone(&agent), house.progress.register(name.clone(), BATCH_PROMISE));
            house.supervisor.spawn_once(format!("agent:{name}"), async move {
                agent.run(&mut batches, progress).await;
                Ok::<(), Infallible>(())
            });
            listeners.push(listener);
        }
        Ok(Running { listeners })
    }
}

fn worker_limits(config: &Config) -> WorkerLimits {
    let queue_bytes =
        u32::try_from(config.get(&nephoscope::IN_FLIGHT_BYTES) / QUEUE_SHARE).unwrap_or(u32::MAX);
    WorkerLimits { queue_bytes, ..WorkerLimits::default() }
}

impl Running {
    /// Takes no more messages, finishes those in hand within `grace`, and lets go of the broker.
    pub(crate) async fn stop(self, grace: Duration) {
        let mut stopping = tokio::task::JoinSet::new();
        for listener in self.listeners {
            stopping.spawn(listener.shutdown(grace));
        }
        while stopping.join_next().await.is_some() {}
    }
}
