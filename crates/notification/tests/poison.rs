//! A conversion that panics costs its own message, and nothing else: neither its batch nor the agent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and live in real time"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buffer::dead_letters::{DeadLetters, FILES_MAX, Letter, Limits};
use buffer::medium::Disk;
use definitions::{
    ConversionError, EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoint, SampleEndpoints,
    SampleSettings, Source,
};
use model::{Notification, Sample, Subject, Value};
use nephoscope_notification::{Agent, AgentMetrics, AgentOptions, DeadLetterOffice};
use observability::clock::Clock;
use observability::metrics::Metrics;
use observability::service_manager::ProgressRegistry;
use oslo_messaging::{AmqpMetrics, Listener, ListenerConfig};
use pipeline::config::PipelineConfig;
use pipeline::{
    BuildError, PipelineMetrics, Publisher, PublisherFactory, PublisherUrl, Publishing, Records, RecordsKind,
    Refusals, RetryPolicy, Router, WorkerLimits,
};
use testkit::{shared_rabbitmq, until};
use tokio_util::sync::CancellationToken;

/// Makes one sample, and then panics where the payload says so.
#[derive(Debug)]
struct Fragile;

impl SampleEndpoint for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "a.b"
    }

    fn convert(
        &self,
        notification: &Notification,
        _: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        let number = notification.payload().clone();
        samples.push(Sample {
            name: "fragile".into(),
            kind: model::MeterKind::Gauge,
            unit: "B".into(),
            volume: number.clone(),
            subject: Subject { resource_metadata: Value::Null.into(), ..Subject::new("r") }.into(),
            timestamp: "2026-11-25T12:00:00".into(),
            source: "openstack".into(),
            id: "i".into(),
            monotonic_time: None,
        });
        assert!(number != Value::Int(3), "three is too much");
        Vec::new()
    }
}

/// Accepts everything, and remembers the volumes.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<Value>>>);

impl Publisher for Memory {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        for records in &*groups {
            let Records::Samples(samples) = records else { continue };
            self.0.lock().unwrap().extend(samples.iter().map(|sample| sample.volume.clone()));
        }
        Box::pin(async { Ok(Refusals::default()) })
    }
}

impl PublisherFactory for Memory {
    fn build(&self, _: &PublisherUrl, _: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(self.clone()))
    }

    fn check(&self, _: &PublisherUrl, _: RecordsKind) -> Result<(), BuildError> {
        Ok(())
    }
}

fn body(number: usize) -> String {
    format!(
        r#"{{"message_id": "m{number}", "event_type": "a.b", "priority": "INFO", "payload": {number},
        "publisher_id": "p", "timestamp": "2026-11-25 12:00:00"}}"#
    )
}

fn letters(directory: &std::path::Path) -> Vec<Letter> {
    let store = DeadLetters::new(directory, Arc::new(Disk), Limits { bytes: 0, files: 0 });
    let files = store.files().unwrap();
    let letters = files.iter().flat_map(|file| store.read(file).unwrap().letters);
    letters.map(|stored| stored.letter).collect()
}

#[test]
fn a_conversion_that_panics_costs_its_message_and_nothing_else() {
    let vhost = shared_rabbitmq().vhost("panic").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let agent_metrics = AgentMetrics::register(&metrics.component("notification"));
    let limits = Limits { bytes: 1 << 20, files: FILES_MAX };
    let store = DeadLetters::new(directory.path(), Arc::new(Disk), limits);
    let office = DeadLetterOffice::new(Some(Arc::new(store)), 3, Clock::machine(), &agent_metrics);
    let options = AgentOptions { ack_on_event_error: true };
    let memory = Memory::default();
    let factory: Arc<dyn PublisherFactory> = Arc::new(memory.clone());
    let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
    let router = |kind: RecordsKind, key: &str| {
        let text = format!(
            "sources:\n  - {{name: s, {key}: ['*'], sinks: [k]}}\nsinks:\n  - {{name: k, publishers: ['memory://']}}\n"
        );
        let config = PipelineConfig::parse(Source { path: "test", text: &text }, kind).unwrap();
        let retry = RetryPolicy::default();
        Router::new(&config, kind, &factory, WorkerLimits::default(), retry, &pipeline_metrics).unwrap()
    };
    let mut endpoints = SampleEndpoints::new(MeterDefinitions::load(&[]).0);
    endpoints.push(Box::new(Fragile));
    let (samples, sample_workers) = router(RecordsKind::Samples, "meters");
    let (events, event_workers) = router(RecordsKind::Events, "events");
    let agent = Agent::new(options, office, agent_metrics)
        .with_samples(endpoints, SampleSettings::default(), samples)
        .with_events(EventDefinitions::builtin(&EventSettings::default()), events);

    let mut config = ListenerConfig::new("test", vhost.transport_url().parse().unwrap());
    config.exchanges = vec!["nova".to_owned()];
    // All of them in one batch: what is half full waits.
    config.batch_size = 6;
    config.linger = Duration::from_mins(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let cancelled = CancellationToken::new();
    for (_, task) in sample_workers.into_tasks(&cancelled).chain(event_workers.into_tasks(&cancelled)) {
        tokio::spawn(task);
    }
    let (listener, mut batches) = Listener::start(config, &AmqpMetrics::default()).unwrap();
    let progress = ProgressRegistry::new(Clock::machine()).register("test", Duration::from_mins(1));
    let (_agents, newest) = tokio::sync::watch::channel(Arc::new(agent));
    let running = tokio::spawn(async move { Agent::run(newest, &mut batches, progress).await });
    let state = listener.state();
    until("readiness", || state.borrow().is_ready().then_some(())).unwrap();

    for round in 0..2 {
        for number in 0..6 {
            vhost.publish("nova", "notifications.info", body(number).as_bytes()).unwrap();
        }
        until("an empty queue", || {
            let accepted = memory.0.lock().unwrap().len() == (round + 1) * 5;
            (accepted && letters(directory.path()).len() > round && vhost.total_depth().ok()? == 0)
                .then_some(())
        })
        .unwrap();
    }
    let volumes: Vec<Value> = memory.0.lock().unwrap().clone();
    let expected: Vec<Value> = [0, 1, 2, 4, 5, 0, 1, 2, 4, 5].map(Value::Int).to_vec();
    assert_eq!(volumes, expected, "the sample that was made before the panic is not there, all others are");
    let letters = letters(directory.path());
    assert_eq!(letters.len(), 2);
    for letter in letters {
        assert_eq!((letter.cause.as_str(), letter.listener.as_str()), ("panic", "test"));
        assert!(letter.message.ends_with("three is too much"), "{}", letter.message);
        assert_eq!(String::from_utf8(letter.body).unwrap(), body(3));
    }
    assert!(!running.is_finished(), "the agent has ended");
    let page = metrics.prometheus_text();
    for line in [
        "nephoscope_notification_dead_letters_total{cause=\"panic\"} 2",
        "nephoscope_notification_notification_outcomes_total{cause=\"delivered\"} 10",
        "nephoscope_notification_notification_outcomes_total{cause=\"dead_letter\"} 2",
        "nephoscope_notification_notifications_in_hand 0",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    runtime.block_on(listener.shutdown(Duration::from_secs(10)));
    runtime.block_on(running).unwrap();
    cancelled.cancel();
}
