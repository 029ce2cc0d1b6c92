//! Records through a router: what is selected, kept, retried and reported.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use definitions::Source;
use model::{MeterKind, Sample, Subject, Value};
use nephoscope_pipeline::config::PipelineConfig;
use nephoscope_pipeline::{
    BuildError, DeliveryToken, Outcome, PipelineMetrics, Preparing, PublishError, Publisher,
    PublisherFactory, PublisherUrl, Publishing, Records, RecordsKind, Refusals, RetryPolicy, Router, Seen,
    SinkState, Tap, TapFilter, WorkerLimits, Workers,
};
use observability::metrics::Metrics;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

/// What a publisher under test does with each call, by its URL's authority.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behaviour {
    Accept,
    /// Fails this many times, then accepts.
    Fail(usize),
    /// Panics this many times, then accepts.
    Panic(usize),
    /// Never answers.
    Hang,
    /// Accepts everything, and brings it away when it was asked to go on this many times.
    PutOff(usize),
}

#[derive(Debug, Default)]
struct World {
    /// (publisher, meter, volume) in the order of acceptance.
    accepted: Mutex<Vec<(String, String, i64)>>,
    calls: Mutex<std::collections::HashMap<String, usize>>,
    builds: Mutex<usize>,
}

#[derive(Debug)]
struct TestPublisher {
    name: String,
    behaviour: Behaviour,
    world: Arc<World>,
    held: Vec<Records>,
}

impl TestPublisher {
    fn bring_away(&self, groups: &[Records]) {
        let mut accepted = self.world.accepted.lock().unwrap();
        for records in groups {
            let Records::Samples(samples) = records else { unreachable!() };
            for sample in samples {
                let Value::Int(volume) = sample.volume else { unreachable!() };
                accepted.push((self.name.clone(), sample.name.to_string(), volume));
            }
        }
    }
}

impl Publisher for TestPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async move {
            let call = {
                let mut calls = self.world.calls.lock().unwrap();
                let call = calls.entry(self.name.clone()).or_default();
                *call += 1;
                *call
            };
            match self.behaviour {
                Behaviour::Fail(times) if call <= times => {
                    return Err(PublishError { cause: "test", message: format!("failure {call}") });
                }
                Behaviour::Panic(times) => assert!(call > times, "panic {call}"),
                Behaviour::Hang => std::future::pending().await,
                Behaviour::PutOff(_) => {
                    self.held.extend(groups.iter().cloned());
                    return Ok(Refusals::default());
                }
                Behaviour::Fail(_) | Behaviour::Accept => {}
            }
            self.bring_away(&groups);
            Ok(Refusals::default())
        })
    }

    fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    fn go_on(&mut self) -> Preparing<'_> {
        if let Behaviour::PutOff(times) = &mut self.behaviour {
            *times = times.saturating_sub(1);
            if *times == 0 {
                let held = std::mem::take(&mut self.held);
                self.bring_away(&held);
            }
        }
        Box::pin(std::future::ready(()))
    }

    fn linger(&self) -> Option<Duration> {
        (self.name == "patient").then_some(DEADLINE)
    }
}

struct Factory(Arc<World>);

impl PublisherFactory for Factory {
    fn build(&self, url: &PublisherUrl, _: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        *self.0.builds.lock().unwrap() += 1;
        let times = url.path().trim_start_matches('/').parse().unwrap_or(0);
        let behaviour = match url.scheme().as_str() {
            "fail" => Behaviour::Fail(times),
            "panic" => Behaviour::Panic(times),
            "hang" => Behaviour::Hang,
            "late" => Behaviour::PutOff(times),
            _ => Behaviour::Accept,
        };
        let (name, world) = (url.scheme(), Arc::clone(&self.0));
        Ok(Box::new(TestPublisher { name, behaviour, world, held: Vec::new() }))
    }

    fn check(&self, url: &PublisherUrl, _: RecordsKind) -> Result<(), BuildError> {
        if url.scheme() == "wrong" {
            return Err(BuildError::Configuration { message: "no such publisher".into(), hint: "x".into() });
        }
        Ok(())
    }
}

struct Harness {
    router: Router,
    world: Arc<World>,
    cancelled: CancellationToken,
    workers: Vec<tokio::task::JoinHandle<()>>,
    metrics: Metrics,
    states: Vec<tokio::sync::watch::Receiver<SinkState>>,
    factory: Arc<dyn PublisherFactory>,
}

const RETRY: RetryPolicy =
    RetryPolicy { initial: Duration::from_millis(1), maximum: Duration::from_millis(5) };

fn pipelines(publishers: &str, meters: &str) -> PipelineConfig {
    let text = format!(
        "sources: [{{name: s, meters: {meters}, sinks: [k]}}]\nsinks: [{{name: k, publishers: {publishers}}}]"
    );
    PipelineConfig::parse(Source { path: "p.yaml", text: &text }, RecordsKind::Samples).unwrap()
}

fn harness(publishers: &str, meters: &str, limits: WorkerLimits) -> Harness {
    harness_with(publishers, meters, limits, RETRY)
}

fn harness_with(publishers: &str, meters: &str, limits: WorkerLimits, retry: RetryPolicy) -> Harness {
    let config = pipelines(publishers, meters);
    let world = Arc::new(World::default());
    let factory: Arc<dyn PublisherFactory> = Arc::new(Factory(Arc::clone(&world)));
    let metrics = Metrics::new();
    let pipeline_metrics = PipelineMetrics::register(&metrics.component("pipeline"));
    let (router, workers) =
        Router::new(&config, RecordsKind::Samples, &factory, limits, retry, &pipeline_metrics).unwrap();
    let cancelled = CancellationToken::new();
    let states = workers.states().map(|(_, state)| state).collect();
    let workers = start(workers, &cancelled);
    Harness { router, world, cancelled, workers, metrics, states, factory }
}

fn start(workers: Workers, cancelled: &CancellationToken) -> Vec<tokio::task::JoinHandle<()>> {
    let tasks = workers.into_tasks(cancelled).map(|(_, task)| {
        #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
        tokio::spawn(task)
    });
    tasks.collect()
}

fn sample(name: &str, volume: impl Into<Value>) -> Arc<Sample> {
    Arc::new(Sample {
        name: name.into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: volume.into(),
        subject: Subject { resource_metadata: Value::Null.into(), ..Subject::new("r") }.into(),
        timestamp: "2026-07-21T13:56:12".into(),
        source: "openstack".into(),
        id: "i".into(),
        monotonic_time: None,
    })
}

fn token() -> (DeliveryToken, oneshot::Receiver<Outcome>) {
    let (sender, receiver) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let token = DeliveryToken::new(move |outcome| {
        if let Some(sender) = sender.lock().unwrap().take() {
            let _ = sender.send(outcome);
        }
    });
    (token, receiver)
}

impl Harness {
    async fn deliver(&self, samples: Vec<Arc<Sample>>) -> Outcome {
        let (token, outcome) = token();
        self.router.dispatch(Records::Samples(samples), token).await;
        tokio::time::timeout(DEADLINE, outcome).await.expect("the token was never resolved").unwrap()
    }

    fn accepted(&self) -> Vec<(String, String, i64)> {
        self.world.accepted.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn every_publisher_of_the_sink_gets_what_the_source_selects() {
    let harness = harness("[one, two]", "['disk.*']", WorkerLimits::default());
    let outcome = harness.deliver(vec![sample("disk.a", 1), sample("cpu", 2), sample("disk.b", 3)]).await;
    assert_eq!(outcome, Outcome::Accepted);
    let mut accepted = harness.accepted();
    accepted.sort();
    let expect = |publisher: &str, meter: &str, volume| (publisher.to_owned(), meter.to_owned(), volume);
    assert_eq!(
        accepted,
        [
            expect("one", "disk.a", 1),
            expect("one", "disk.b", 3),
            expect("two", "disk.a", 1),
            expect("two", "disk.b", 3)
        ]
    );
}

#[tokio::test]
async fn nothing_selected_is_accepted_at_once() {
    let harness = harness("[hang]", "['disk.*']", WorkerLimits::default());
    assert_eq!(harness.deliver(vec![sample("cpu", 2)]).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_failing_publisher_gets_the_same_records_until_it_accepts_them() {
    let harness = harness("['fail:///3']", "['*']", WorkerLimits::default());
    assert_eq!(harness.deliver(vec![sample("a", 1)]).await, Outcome::Accepted);
    assert_eq!(harness.accepted(), [("fail".to_owned(), "a".to_owned(), 1)]);
    assert_eq!(harness.world.calls.lock().unwrap()["fail"], 4);
    let state = harness.states[0].clone();
    assert_eq!(*state.borrow(), SinkState::Working);
}

/// Nothing comes behind what a publisher has put off: it is asked to go on all the same.
#[tokio::test]
async fn what_a_publisher_has_put_off_is_tried_again_without_further_records() {
    let harness = harness("['late:///3']", "['*']", WorkerLimits::default());
    assert_eq!(harness.deliver(vec![sample("a", 1)]).await, Outcome::Accepted);
    let all = async {
        while harness.accepted().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("it stays where it is");
    assert_eq!(harness.accepted(), [("late".to_owned(), "a".to_owned(), 1)]);
    assert_eq!(harness.world.calls.lock().unwrap()["late"], 1);
}

/// So it is at the end, when the next turn would come in an hour.
#[tokio::test]
async fn what_a_publisher_has_put_off_is_tried_once_more_at_the_end() {
    let hour = Duration::from_hours(1);
    let retry = RetryPolicy { initial: hour, maximum: hour };
    let harness = harness_with("['late:///1']", "['*']", WorkerLimits::default(), retry);
    assert_eq!(harness.deliver(vec![sample("a", 1)]).await, Outcome::Accepted);
    assert_eq!(harness.accepted(), []);
    let Harness { router, workers, world, .. } = harness;
    drop(router);
    for worker in workers {
        tokio::time::timeout(DEADLINE, worker).await.expect("the worker goes on").unwrap();
    }
    assert_eq!(world.accepted.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_publisher_says_how_long_records_wait_for_others() {
    for (publisher, calls) in [("patient", 1), ("quick", 2)] {
        let limits = WorkerLimits { linger: Duration::ZERO, enough_records: 2, ..WorkerLimits::default() };
        let harness = harness(&format!("['{publisher}://']"), "['*']", limits);
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            harness.deliver(vec![sample("b", 2)]).await
        };
        let outcomes = tokio::join!(harness.deliver(vec![sample("a", 1)]), later);
        assert_eq!(outcomes, (Outcome::Accepted, Outcome::Accepted), "{publisher}");
        assert_eq!(harness.world.calls.lock().unwrap().get(publisher), Some(&calls), "{publisher}");
    }
}

#[tokio::test]
async fn a_publisher_that_panics_is_built_anew_and_loses_nothing() {
    let harness = harness("['panic:///2']", "['*']", WorkerLimits::default());
    assert_eq!(harness.deliver(vec![sample("a", 1)]).await, Outcome::Accepted);
    assert_eq!(harness.accepted().len(), 1);
    assert_eq!(*harness.world.builds.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_hanging_publisher_delays_no_other_and_its_batch_is_never_accepted() {
    let harness = harness("[hang, one]", "['*']", WorkerLimits::default());
    let mut outcomes = Vec::new();
    for volume in 0..10 {
        let (token, outcome) = token();
        harness.router.dispatch(Records::Samples(vec![sample("a", volume)]), token).await;
        outcomes.push(outcome);
    }
    let all = async {
        while harness.accepted().len() < 10 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("the healthy publisher was delayed");
    for outcome in &mut outcomes {
        assert!(outcome.try_recv().is_err(), "resolved although one publisher has not accepted");
    }
    harness.cancelled.cancel();
    for worker in harness.workers {
        tokio::time::timeout(DEADLINE, worker).await.expect("a worker ignored the cancellation").unwrap();
    }
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap(), Outcome::NotDelivered);
    }
}

#[tokio::test]
async fn a_full_queue_holds_the_input_back() {
    let limits =
        WorkerLimits { queue_batches: 2, queue_bytes: 1 << 20, group_batches: 1, ..WorkerLimits::default() };
    let harness = harness("[hang]", "['*']", limits);
    let mut dispatched = 0;
    loop {
        let (token, _) = token();
        let dispatch = harness.router.dispatch(Records::Samples(vec![sample("a", 1)]), token);
        if tokio::time::timeout(Duration::from_millis(300), dispatch).await.is_err() {
            break;
        }
        dispatched += 1;
        assert!(dispatched < 100, "the queue is not bounded");
    }
    // Two wait, and one is being published.
    assert_eq!(dispatched, 3);
}

#[tokio::test]
async fn a_queue_is_bounded_in_bytes_and_a_larger_batch_still_passes() {
    let limits =
        WorkerLimits { queue_batches: 1000, queue_bytes: 1, group_batches: 1000, ..WorkerLimits::default() };
    let harness = harness("[one]", "['*']", limits);
    for volume in 0..20 {
        assert_eq!(harness.deliver(vec![sample("a", volume), sample("b", volume)]).await, Outcome::Accepted);
    }
    assert_eq!(harness.accepted().len(), 40);
}

#[tokio::test]
async fn order_is_kept_within_a_publisher() {
    let harness = harness("['fail:///2']", "['*']", WorkerLimits::default());
    let mut outcomes = Vec::new();
    for volume in 0..200 {
        let (token, outcome) = token();
        harness.router.dispatch(Records::Samples(vec![sample("a", volume)]), token).await;
        outcomes.push(outcome);
    }
    for outcome in outcomes {
        assert_eq!(tokio::time::timeout(DEADLINE, outcome).await.unwrap().unwrap(), Outcome::Accepted);
    }
    let volumes: Vec<i64> = harness.accepted().into_iter().map(|(_, _, volume)| volume).collect();
    assert_eq!(volumes, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn samples_without_a_number_are_dropped_and_counted() {
    let harness = harness("[one]", "['*']", WorkerLimits::default());
    let null = sample("null", Value::Null);
    let text = sample("text", "much");
    let list = sample("list", vec![Value::Int(1)]);
    assert_eq!(harness.deliver(vec![null, text, sample("a", 7), list]).await, Outcome::Accepted);
    assert_eq!(harness.accepted(), [("one".to_owned(), "a".to_owned(), 7)]);
    let page = harness.metrics.prometheus_text();
    for line in [
        r#"nephoscope_pipeline_records_dropped_total{cause="null_volume"} 1"#,
        r#"nephoscope_pipeline_records_dropped_total{cause="volume_not_a_number"} 2"#,
        r#"nephoscope_pipeline_records_accepted_total{publisher="one://",kind="samples"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
}

#[tokio::test]
async fn a_url_that_can_never_work_is_an_error_at_the_start() {
    let text =
        "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['wrong://u:p@h']}]";
    let config = PipelineConfig::parse(Source { path: "p.yaml", text }, RecordsKind::Samples).unwrap();
    let factory: Arc<dyn PublisherFactory> = Arc::new(Factory(Arc::new(World::default())));
    let made = Router::new(
        &config,
        RecordsKind::Samples,
        &factory,
        WorkerLimits::default(),
        RetryPolicy::default(),
        &PipelineMetrics::register(&Metrics::new().component("pipeline")),
    );
    let error = made.map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "p.yaml:2:32: publisher wrong://***@h of sink \"k\": no such publisher; x");
}

/// A publisher that stays named must keep its queue: a second worker would write beside the first, and overtake it.
#[tokio::test]
async fn a_changed_configuration_keeps_the_publishers_that_stay() {
    let mut harness = harness("[one, two]", "['disk.*']", WorkerLimits::default());
    assert_eq!(harness.deliver(vec![sample("disk.a", 1)]).await, Outcome::Accepted);
    let changed = pipelines("[two, three]", "['cpu']");
    let (router, workers) =
        harness.router.renew(&changed, &harness.factory, WorkerLimits::default(), RETRY).unwrap();
    let names: Vec<String> = workers.states().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["samples:three://"]);
    harness.workers.extend(start(workers, &harness.cancelled));
    harness.router = router;
    assert_eq!(harness.deliver(vec![sample("disk.a", 2), sample("cpu", 3)]).await, Outcome::Accepted);
    let mut accepted = harness.accepted();
    accepted.sort();
    let entry = |publisher: &str, meter: &str, volume| (publisher.to_owned(), meter.to_owned(), volume);
    assert_eq!(
        accepted,
        [
            entry("one", "disk.a", 1),
            entry("three", "cpu", 3),
            entry("two", "cpu", 3),
            entry("two", "disk.a", 1)
        ]
    );
    assert_eq!(*harness.world.builds.lock().unwrap(), 3);
    // The worker of the one that is gone ended with its queue.
    drop(harness.router);
    for worker in harness.workers {
        tokio::time::timeout(DEADLINE, worker).await.expect("a worker without a queue goes on").unwrap();
    }
}

#[tokio::test]
async fn a_publisher_that_is_no_longer_named_delivers_what_it_has() {
    let mut harness = harness("['fail:///3']", "['*']", WorkerLimits::default());
    let (token, outcome) = token();
    harness.router.dispatch(Records::Samples(vec![sample("cpu", 1)]), token).await;
    for publishers in ["[one]", "['fail:///3']", "[one]"] {
        let changed = pipelines(publishers, "['*']");
        let (router, workers) =
            harness.router.renew(&changed, &harness.factory, WorkerLimits::default(), RETRY).unwrap();
        harness.workers.extend(start(workers, &harness.cancelled));
        harness.router = router;
    }
    assert_eq!(tokio::time::timeout(DEADLINE, outcome).await.unwrap().unwrap(), Outcome::Accepted);
    assert_eq!(harness.accepted(), [("fail".to_owned(), "cpu".to_owned(), 1)]);
}

#[tokio::test]
async fn a_configuration_that_can_never_work_changes_nothing() {
    let harness = harness("[one]", "['*']", WorkerLimits::default());
    let wrong = pipelines("[two, wrong]", "['*']");
    let error = harness.router.renew(&wrong, &harness.factory, WorkerLimits::default(), RETRY).unwrap_err();
    assert!(error.to_string().contains("p.yaml:2:"), "{error}");
    assert_eq!(harness.deliver(vec![sample("cpu", 1)]).await, Outcome::Accepted);
    assert_eq!(harness.accepted(), [("one".to_owned(), "cpu".to_owned(), 1)]);
}

impl Harness {
    /// The value of a series of the pipeline.
    fn count(&self, series: &str) -> u64 {
        let page = self.metrics.prometheus_text();
        let value =
            page.lines().find_map(|line| line.strip_prefix(&format!("nephoscope_pipeline_{series} ")));
        value.unwrap_or_else(|| panic!("{series} is missing in\n{page}")).parse().unwrap()
    }

    /// Routed, accepted, waiting and given back of a publisher.
    fn books(&self, publisher: &str) -> [u64; 4] {
        ["routed_total", "accepted_total", "waiting", "given_back_total"].map(|what| {
            self.count(&format!("records_{what}{{publisher=\"{publisher}://\",kind=\"samples\"}}"))
        })
    }
}

#[tokio::test]
async fn every_record_is_on_the_books_from_its_coming_to_its_end() {
    let limits =
        WorkerLimits { queue_batches: 1, queue_bytes: 1 << 20, group_batches: 1, ..WorkerLimits::default() };
    let mut harness = harness("[one]", "['*']", limits);
    let text = "sources: [{name: a, meters: ['disk.*'], sinks: [k]}, {name: b, meters: ['*.bytes'], sinks: [l]}]\n\
                sinks: [{name: k, publishers: [one]}, {name: l, publishers: [hang, one]}]";
    let config = PipelineConfig::parse(Source { path: "p.yaml", text }, RecordsKind::Samples).unwrap();
    let (router, workers) = harness.router.renew(&config, &harness.factory, limits, RETRY).unwrap();
    harness.workers.extend(start(workers, &harness.cancelled));
    harness.router = router;
    let samples = ["disk.bytes", "disk.a", "net.bytes", "cpu", "memory"].map(|name| sample(name, 1));
    let samples = [&samples[..], &[sample("disk.null", Value::Null)]].concat();
    let rounds: u64 = 6;
    let mut outcomes = Vec::new();
    for round in 0..rounds {
        let (token, outcome) = token();
        let dispatch = harness.router.dispatch(Records::Samples(samples.clone()), token);
        // From the third on, the publisher that hangs holds the input back, which is given up after a while.
        let has_room = round < 2;
        let patience = if has_room { DEADLINE } else { Duration::from_millis(50) };
        assert_eq!(tokio::time::timeout(patience, dispatch).await.is_ok(), has_room, "round {round}");
        outcomes.push(outcome);
    }
    assert_eq!(harness.count("records_total{kind=\"samples\"}"), rounds * 6);
    assert_eq!(harness.count("records_unrouted_total{kind=\"samples\"}"), rounds * 2);
    assert_eq!(harness.count("records_dropped_total{cause=\"null_volume\"}"), rounds);
    // One is being published and one waits; those whose dispatch was given up in front of the queue have gone back.
    assert_eq!(harness.books("hang"), [rounds * 2, 0, 4, rounds * 2 - 4]);
    let [routed, accepted, waiting, given_back] = harness.books("one");
    assert_eq!((routed, accepted + waiting + given_back), (rounds * 4, rounds * 4));
    assert!(accepted >= 4, "{accepted}");
    // The end: whatever has not been accepted comes again.
    harness.cancelled.cancel();
    for worker in std::mem::take(&mut harness.workers) {
        tokio::time::timeout(DEADLINE, worker).await.expect("a worker ignored the cancellation").unwrap();
    }
    assert_eq!(harness.books("hang"), [rounds * 2, 0, 0, rounds * 2]);
    let [routed, accepted, waiting, given_back] = harness.books("one");
    assert_eq!((routed, waiting), (accepted + given_back, 0));
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap(), Outcome::NotDelivered);
    }
}

#[tokio::test]
async fn a_tap_sees_each_record_once_with_its_destinations_also_after_a_change() {
    let mut harness = harness("[one, two]", "['disk.*']", WorkerLimits::default());
    let tap = Tap::new(&PipelineMetrics::register(&Metrics::new().component("pipeline")));
    harness.router = harness.router.with_tap(&tap);
    assert_eq!(harness.deliver(vec![sample("disk.early", 1)]).await, Outcome::Accepted);
    let mut subscription = tap.subscribe(TapFilter::default()).unwrap();
    assert_eq!(
        harness.deliver(vec![sample("disk.a", 1), sample("null", Value::Null)]).await,
        Outcome::Accepted
    );
    let changed = pipelines("[two]", "['cpu']");
    let (router, _workers) =
        harness.router.renew(&changed, &harness.factory, WorkerLimits::default(), RETRY).unwrap();
    harness.router = router;
    assert_eq!(harness.deliver(vec![sample("disk.a", 2), sample("cpu", 3)]).await, Outcome::Accepted);
    let seen: Vec<String> = tokio::time::timeout(DEADLINE, subscription.next(usize::MAX))
        .await
        .expect("nothing was seen")
        .into_iter()
        .map(|seen| match seen {
            Seen::Sample(sample, to) => format!("{} -> {}", sample.name, to.join(" ")),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, ["disk.a -> one:// two://", "disk.a -> ", "cpu -> two://"]);
}
