//! A publisher's queue that goes on on disk: what is spilled, kept over restarts, delivered in order, and counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test; a test has no supervisor"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use definitions::Source;
use model::{MeterKind, Sample, Subject, Value};
use nephoscope_pipeline::config::PipelineConfig;
use nephoscope_pipeline::{
    BufferDirectory, BufferDirectoryError, BufferNames, BufferOptions, BufferState, BuildError,
    DeliveryToken, Outcome, PipelineMetrics, PublishError, Publisher, PublisherFactory, PublisherUrl,
    Publishing, Records, RecordsKind, Refusals, RetryPolicy, Router, WorkerLimits,
};
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;
use testkit::faults::{Fault, FaultyMedium, Survival};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(1);
const DIRECTORY: &str = "/state/buffer";

/// What the publisher does with each call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Accept,
    Fail,
    /// Answers only when the mode changes.
    Hang,
}

#[derive(Debug, Clone)]
struct Sink {
    mode: watch::Sender<Mode>,
    /// Volumes in the order of acceptance.
    accepted: Arc<Mutex<Vec<i64>>>,
}

impl Publisher for Sink {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async move {
            let mode = *self.mode.subscribe().wait_for(|mode| *mode != Mode::Hang).await.unwrap();
            if mode == Mode::Fail {
                return Err(PublishError { cause: "test", message: "down".into() });
            }
            let mut accepted = self.accepted.lock().unwrap();
            for records in &*groups {
                let Records::Samples(samples) = records else { unreachable!() };
                for sample in samples {
                    let Value::Int(volume) = sample.volume else { unreachable!() };
                    assert_eq!(**sample, *self::sample(volume), "a sample came back as another");
                    accepted.push(volume);
                }
            }
            Ok(Refusals::default())
        })
    }
}

struct Factory(Sink);

impl PublisherFactory for Factory {
    fn build(&self, _: &PublisherUrl, _: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(self.0.clone()))
    }

    fn check(&self, _: &PublisherUrl, _: RecordsKind) -> Result<(), BuildError> {
        Ok(())
    }
}

struct House {
    router: Router,
    sink: Sink,
    medium: FaultyMedium,
    metrics: Metrics,
    state: watch::Receiver<BufferState>,
    clock: TestClock,
    cancelled: CancellationToken,
    worker: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Setting {
    spill_after: Duration,
    disk_bytes: u64,
    max_age: Option<Duration>,
    limits: WorkerLimits,
    /// What the clock shows at the start.
    now: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        let limits = WorkerLimits { linger: Duration::ZERO, ..WorkerLimits::default() };
        Self {
            spill_after: Duration::from_millis(30),
            disk_bytes: 1 << 20,
            max_age: None,
            limits,
            now: "2026-07-21T13:56:12Z",
        }
    }
}

fn house(medium: &FaultyMedium, mode: Mode, setting: Setting) -> House {
    let text = "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['test://u:p@h/x?a=b']}]";
    let config = PipelineConfig::parse(Source { path: "p.yaml", text }, RecordsKind::Samples).unwrap();
    let sink = Sink { mode: watch::Sender::new(mode), accepted: Arc::default() };
    let factory: Arc<dyn PublisherFactory> = Arc::new(Factory(sink.clone()));
    let retry = RetryPolicy { initial: Duration::from_millis(1), maximum: Duration::from_millis(20) };
    let metrics = Metrics::new();
    let registered = PipelineMetrics::register(&metrics.component("pipeline"));
    let (router, mut workers) =
        Router::new(&config, RecordsKind::Samples, &factory, setting.limits, retry, &registered).unwrap();
    let (wall, clock) = Clock::test(setting.now.parse().unwrap());
    let options = BufferOptions {
        medium: Arc::new(medium.clone()),
        directory: DIRECTORY.into(),
        disk_bytes: setting.disk_bytes,
        spill_after: setting.spill_after,
        max_age: setting.max_age,
        age_alarm: Some(Duration::from_mins(10)),
        clock: wall,
    };
    let mut states = workers.with_buffers(&Arc::new(options), &mut BufferNames::default());
    let cancelled = CancellationToken::new();
    let (_, task) = workers.into_tasks(&cancelled).next().unwrap();
    let (name, state) = states.remove(0);
    assert_eq!(name, "samples:test://***@h/x");
    House {
        router,
        sink,
        medium: medium.clone(),
        metrics,
        state,
        clock,
        cancelled,
        worker: tokio::spawn(task),
    }
}

fn sample(volume: i64) -> Arc<Sample> {
    Arc::new(Sample {
        name: "meter".into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: volume.into(),
        subject: Subject {
            project_id: "project".into(),
            resource_metadata: [("size", Value::Int(7))].into_iter().collect::<model::Map>().into(),
            ..Subject::new("r")
        }
        .into(),
        timestamp: "2026-07-21T13:56:12".into(),
        source: "openstack".into(),
        id: format!("id-{volume}").into(),
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

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

impl House {
    async fn send(&self, volumes: impl IntoIterator<Item = i64>) -> oneshot::Receiver<Outcome> {
        let (token, outcome) = token();
        self.router.dispatch(Records::Samples(volumes.into_iter().map(sample).collect()), token).await;
        outcome
    }

    /// Sends one batch of each range and waits until all are safe.
    async fn deliver(&self, volumes: std::ops::Range<i64>) {
        for volume in volumes {
            let outcome = self.send([volume]).await;
            assert_eq!(in_time("a batch", outcome).await.unwrap(), Outcome::Accepted);
        }
    }

    fn accepted(&self) -> Vec<i64> {
        self.sink.accepted.lock().unwrap().clone()
    }

    async fn accepts(&self, expected: std::ops::Range<i64>) {
        let wait = async {
            while self.accepted().len() < usize::try_from(expected.end - expected.start).unwrap() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        in_time("acceptance", wait).await;
        assert_eq!(self.accepted(), expected.collect::<Vec<_>>());
    }

    /// The sum of a metric's series whose labels contain `label`.
    fn metric(&self, name: &str, label: &str) -> i64 {
        let text = self.metrics.prometheus_text();
        let lines = text.lines().filter(|line| {
            line.split(['{', ' ']).next() == Some(&format!("nephoscope_pipeline_{name}"))
                && line.contains(label)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
    }

    fn on_disk(&self) -> i64 {
        self.metric("buffer_records", "place=\"disk\"")
    }

    /// Records in = accepted + buffered + dropped.
    async fn balance(&self) {
        let balanced = || {
            let all = self.metric("records_queued_total", "") + self.metric("records_recovered_total", "");
            let dropped = ["expired", "damaged"].map(|cause| self.metric("records_dropped_total", cause));
            let buffered = self.metric("buffer_records", "");
            (all, self.metric("records_accepted_total", "") + buffered + dropped.iter().sum::<i64>())
        };
        let wait = async {
            while balanced().0 != balanced().1 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, wait).await;
        assert!(in_time.is_ok(), "not balanced: {:?}\n{}", balanced(), self.metrics.prometheus_text());
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        in_time(what, wait).await;
    }

    /// The process dies; what is left of the disk.
    async fn kill(self, survival: Survival) -> FaultyMedium {
        self.cancelled.cancel();
        in_time("the worker's end", self.worker).await.unwrap();
        self.medium.after_crash(survival)
    }
}

#[tokio::test]
async fn nothing_touches_the_disk_while_the_publisher_keeps_up() {
    let house = house(&FaultyMedium::new(), Mode::Accept, Setting::default());
    house.deliver(0..1).await;
    let operations = house.medium.operations();
    house.deliver(1..50).await;
    assert_eq!(house.medium.operations(), operations);
    house.accepts(0..50).await;
    house.balance().await;
}

#[tokio::test]
async fn what_a_publisher_does_not_accept_is_safe_on_disk_and_delivered_in_order_later() {
    for mode in [Mode::Fail, Mode::Hang] {
        let house = house(&FaultyMedium::new(), mode, Setting::default());
        house.deliver(0..40).await;
        house.until("spilled", |house| house.on_disk() == 40).await;
        assert_eq!(house.metric("buffer_records", "place=\"memory\""), 0);
        assert!(house.accepted().is_empty());
        house.balance().await;
        house.sink.mode.send_replace(Mode::Accept);
        house.deliver(40..60).await;
        house.accepts(0..60).await;
        house.until("drained", |house| house.on_disk() == 0).await;
        house.balance().await;
        assert_eq!(house.metric("records_spilled_total", ""), house.metric("records_drained_total", ""));
        // And memory is enough again.
        house.deliver(60..61).await;
        let operations = house.medium.operations();
        house.deliver(61..80).await;
        assert_eq!(house.medium.operations(), operations, "{mode:?}");
        house.accepts(0..80).await;
    }
}

#[tokio::test]
async fn what_an_earlier_run_left_is_delivered_first() {
    for survival in [Survival::OnlySynced, Survival::Everything, Survival::Torn(3)] {
        let first = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
        first.deliver(0..25).await;
        let medium = first.kill(survival).await;
        let second = house(&medium, Mode::Fail, Setting::default());
        second.deliver(25..30).await;
        second.balance().await;
        let medium = second.kill(survival).await;
        let third = house(&medium, Mode::Accept, Setting::default());
        third.deliver(30..40).await;
        third.accepts(0..40).await;
        third.until("drained", |house| house.on_disk() == 0).await;
        third.balance().await;
        assert_eq!(third.metric("records_recovered_total", ""), 30);
    }
}

#[tokio::test]
async fn a_full_memory_goes_to_disk_long_before_the_spill_delay() {
    let limits = WorkerLimits {
        queue_batches: 3,
        group_batches: 1,
        linger: Duration::ZERO,
        ..WorkerLimits::default()
    };
    let setting = Setting { spill_after: Duration::from_hours(1), limits, ..Setting::default() };
    let house = house(&FaultyMedium::new(), Mode::Hang, setting);
    let mut outcomes = Vec::new();
    for volume in 0..30 {
        outcomes.push(in_time("room", house.send([volume])).await);
    }
    for outcome in outcomes {
        assert_eq!(in_time("a batch", outcome).await.unwrap(), Outcome::Accepted);
    }
    house.balance().await;
    house.sink.mode.send_replace(Mode::Accept);
    house.accepts(0..30).await;
}

#[tokio::test]
async fn a_full_buffer_holds_the_input_back_and_recovers_by_itself() {
    let limits = WorkerLimits { queue_batches: 4, linger: Duration::ZERO, ..WorkerLimits::default() };
    let setting = Setting { disk_bytes: 4000, limits, ..Setting::default() };
    let house = house(&FaultyMedium::new(), Mode::Fail, setting);
    let mut sent = 0;
    let mut outcomes = Vec::new();
    while let Ok(outcome) = tokio::time::timeout(Duration::from_secs(3), house.send([sent])).await {
        outcomes.push(outcome);
        sent += 1;
        assert!(sent < 1000, "nothing holds the input back");
    }
    assert!(sent > 8, "only {sent} batches fitted");
    house.until("a problem", |house| house.state.borrow().problem.is_some()).await;
    let problem = house.state.borrow().problem.clone().unwrap();
    assert!(problem.contains("full"), "{problem}");
    assert!(house.metric("buffer_failures_total", "cause=\"full\"") > 0);
    house.balance().await;
    house.sink.mode.send_replace(Mode::Accept);
    for outcome in outcomes {
        assert_eq!(in_time("a batch", outcome).await.unwrap(), Outcome::Accepted);
    }
    // The batch whose dispatch was given up was never queued.
    house.accepts(0..sent).await;
    house.until("the problem's end", |house| house.state.borrow().problem.is_none()).await;
    house.until("drained", |house| house.on_disk() == 0 && house.metric("buffer_records", "") == 0).await;
    house.balance().await;
}

#[tokio::test]
async fn a_full_disk_holds_the_input_back_and_recovers_by_itself() {
    for fault in [Fault::NoSpace, Fault::InputOutput] {
        let house = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
        house.deliver(0..10).await;
        house.medium.fail_from_now(fault);
        let mut waiting = house.send([10]).await;
        let more = house.send([11]).await;
        house.until("a problem", |house| house.state.borrow().problem.is_some()).await;
        house.until("more attempts", |house| house.metric("buffer_failures_total", "") > 2).await;
        assert!(waiting.try_recv().is_err(), "accepted, and nowhere durable");
        house.balance().await;
        house.medium.recover();
        assert_eq!(in_time("a batch", waiting).await.unwrap(), Outcome::Accepted);
        assert_eq!(in_time("a batch", more).await.unwrap(), Outcome::Accepted);
        assert_eq!(house.state.borrow().problem, None);
        let medium = house.kill(Survival::OnlySynced).await;
        let house = self::house(&medium, Mode::Accept, Setting::default());
        house.accepts(0..12).await;
        house.balance().await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_the_start_delays_and_loses_nothing() {
    let first = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    first.deliver(0..5).await;
    let medium = first.kill(Survival::OnlySynced).await;
    medium.fail_from_now(Fault::InputOutput);
    let house = house(&medium, Mode::Accept, Setting::default());
    let waiting = house.send([5]).await;
    house.until("a problem", |house| house.state.borrow().problem.is_some()).await;
    medium.recover();
    assert_eq!(in_time("a batch", waiting).await.unwrap(), Outcome::Accepted);
    house.accepts(0..6).await;
}

#[tokio::test]
async fn age_raises_an_alarm_and_only_where_it_is_asked_for_drops_records() {
    let house = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    house.deliver(0..10).await;
    house.clock.advance(Duration::from_hours(2));
    house.until("the alarm", |house| house.state.borrow().old_minutes == Some(120)).await;
    assert_eq!(house.metric("buffer_oldest_age_seconds", ""), 7200);
    let medium = house.kill(Survival::OnlySynced).await;
    let later = Setting { now: "2026-07-21T15:56:12Z", ..Setting::default() };
    let kept = self::house(&medium, Mode::Fail, later);
    kept.deliver(10..12).await;
    kept.until("the alarm", |house| house.state.borrow().old_minutes.is_some()).await;
    let medium = kept.kill(Survival::OnlySynced).await;
    let max_age = Some(Duration::from_hours(1));
    let setting = Setting { max_age, now: "2026-07-21T16:26:12Z", ..Setting::default() };
    let house = self::house(&medium, Mode::Accept, setting);
    house.accepts(10..12).await;
    house.until("drained", |house| house.on_disk() == 0).await;
    house.balance().await;
    assert_eq!(house.metric("records_dropped_total", "expired"), 10);
    house.until("the alarm's end", |house| house.state.borrow().old_minutes.is_none()).await;
}

#[tokio::test]
async fn damaged_records_are_counted_and_the_others_delivered() {
    let first = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    first.deliver(0..20).await;
    let medium = first.kill(Survival::OnlySynced).await;
    let segments: Vec<_> = medium
        .paths()
        .into_iter()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("segment-"))
        .collect();
    let mut contents = medium.contents(&segments[0]).unwrap();
    let place = contents.windows(4).position(|window| window == b"id-7").unwrap();
    contents[place] ^= 1;
    medium.put(&segments[0], &contents);
    let house = house(&medium, Mode::Accept, Setting::default());
    house.until("drained", |house| house.metric("records_accepted_total", "") == 19).await;
    assert_eq!(house.accepted(), (0..20).filter(|volume| *volume != 7).collect::<Vec<_>>());
    assert_eq!(house.metric("records_dropped_total", "damaged"), 1);
    assert_eq!(house.metric("buffer_quarantined_total", "cause=\"corrupt\""), 1);
    house.balance().await;
}

#[tokio::test]
async fn when_the_input_ends_a_worker_leaves_the_rest_on_disk() {
    let house = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    house.deliver(0..9).await;
    let outcome = house.send([9]).await;
    let House { router, worker, medium, .. } = house;
    drop(router);
    in_time("the worker's end", worker).await.unwrap();
    assert_eq!(outcome.await.unwrap(), Outcome::Accepted);
    let house = self::house(&medium.after_crash(Survival::OnlySynced), Mode::Accept, Setting::default());
    house.accepts(0..10).await;
}

#[tokio::test]
async fn a_disk_that_fails_while_it_is_read_delays_and_loses_nothing() {
    let house = house(&FaultyMedium::new(), Mode::Hang, Setting::default());
    house.deliver(0..10).await;
    house.medium.fail_from_now(Fault::InputOutput);
    house.sink.mode.send_replace(Mode::Accept);
    house.until("a problem", |house| house.state.borrow().problem.is_some()).await;
    house.medium.recover();
    house.accepts(0..10).await;
    house.until("drained", |house| house.on_disk() == 0).await;
    assert_eq!(house.state.borrow().problem, None);
    house.balance().await;
}

/// A reload names another publisher while this one has records on disk: they are delivered all the same.
#[tokio::test]
async fn a_publisher_that_is_no_longer_named_delivers_what_it_has_on_disk() {
    let mut house = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    house.deliver(0..10).await;
    house.until("everything on disk", |house| house.metric("buffer_records", "place=\"memory\"") == 0).await;
    for _ in 0..2 {
        let text =
            "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['other://']}]";
        let config = PipelineConfig::parse(Source { path: "p.yaml", text }, RecordsKind::Samples).unwrap();
        let factory: Arc<dyn PublisherFactory> = Arc::new(Factory(house.sink.clone()));
        let (limits, retry) = (WorkerLimits::default(), RetryPolicy::default());
        house.router = house.router.renew(&config, &factory, limits, retry).unwrap().0;
    }
    house.sink.mode.send_replace(Mode::Accept);
    house.accepts(0..10).await;
    house.balance().await;
}

#[tokio::test]
async fn buffers_without_a_publisher_are_reported_and_kept() {
    let first = house(&FaultyMedium::new(), Mode::Fail, Setting::default());
    first.deliver(0..3).await;
    let medium = first.kill(Survival::OnlySynced).await;
    medium.put("/state/buffer/empty-one/cursor", b"x");
    let before = medium.paths();
    let metrics = Metrics::new();
    let registered = PipelineMetrics::register(&metrics.component("pipeline"));
    let orphans = BufferNames::default().report_orphans(&medium, Path::new(DIRECTORY), &registered);
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert!(orphans[0].starts_with("samples-test---h-x-"), "{orphans:?}");
    assert!(metrics.prometheus_text().contains("nephoscope_pipeline_buffer_orphans 1"));
    assert_eq!(medium.paths(), before);
}

#[test]
fn a_buffer_directory_belongs_to_one_process() {
    let medium = FaultyMedium::new();
    let taken = BufferDirectory::take(&medium, Path::new(DIRECTORY)).unwrap();
    let refused = BufferDirectory::take(&medium, Path::new(DIRECTORY)).unwrap_err();
    assert!(matches!(refused, BufferDirectoryError::Locked { .. }), "{refused}");
    drop(taken);
    medium.fail_from_now(Fault::NoSpace);
    let refused = BufferDirectory::take(&medium, Path::new(DIRECTORY)).unwrap_err();
    assert_eq!(refused.to_string(), "cannot make the buffer directory /state/buffer");
}

/// A publisher that comes and goes, a disk that fails now and then, and deaths of the process: whatever was accepted is
/// delivered, in order, and a repetition only follows a death.
#[tokio::test]
async fn random_troubles() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut medium = FaultyMedium::new();
        let mut delivered: Vec<i64> = Vec::new();
        let mut next = 0;
        for run in 0..4 {
            let limits = WorkerLimits { queue_batches: 5, linger: Duration::ZERO, ..WorkerLimits::default() };
            let setting = Setting {
                spill_after: Duration::from_millis(5),
                disk_bytes: 20_000,
                limits,
                ..Setting::default()
            };
            let house = house(&medium, [Mode::Accept, Mode::Fail][random.usize(0..2)], setting);
            for _ in 0..30 {
                match random.u8(0..6) {
                    0 => drop(
                        house
                            .sink
                            .mode
                            .send_replace([Mode::Accept, Mode::Fail, Mode::Hang][random.usize(0..3)]),
                    ),
                    1 => {
                        let fault =
                            [Fault::NoSpace, Fault::InputOutput, Fault::ShortWrite][random.usize(0..3)];
                        house.medium.fail_at(house.medium.operations() + random.u64(1..6), fault);
                    }
                    _ => {
                        house.deliver(next..next + 1).await;
                        next += 1;
                    }
                }
            }
            if run == 3 {
                house.sink.mode.send_replace(Mode::Accept);
                house.until("drained", |house| house.metric("buffer_records", "") == 0).await;
                house.balance().await;
            }
            delivered.extend(house.accepted());
            medium = house.kill(Survival::Torn(seed)).await;
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut last = -1;
        for volume in &delivered {
            // Going back is a repetition; going forward leaves nothing out.
            assert!(*volume <= last + 1, "seed {seed}: {volume} after {last} in {delivered:?}");
            seen.insert(*volume);
            last = *volume;
        }
        assert_eq!(i64::try_from(seen.len()).unwrap(), next, "seed {seed}: {delivered:?}");
    }
}
