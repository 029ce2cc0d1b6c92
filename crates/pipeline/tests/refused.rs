//! Records that a publisher's peer refuses for good: durable among the dead letters before anything is acknowledged.
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

use buffer::dead_letters::{DeadLetters, FILES_MAX, Letter, Limits};
use definitions::Source;
use model::{MeterKind, Sample, Subject, Value};
use nephoscope_pipeline::config::PipelineConfig;
use nephoscope_pipeline::{
    BufferNames, BufferOptions, BuildError, DeliveryToken, Outcome, PipelineMetrics, Publisher,
    PublisherFactory, PublisherUrl, Publishing, RecordLetters, Records, RecordsKind, Refusal, Refusals,
    RetryPolicy, Router, Unnamed, WorkerLimits, record_of,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use testkit::faults::{Fault, FaultyMedium};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(1);
const URL: &str = "test://u:secret@h/x?token=hush";

/// From this volume on a record says how many of those around it are refused without a name.
const UNNAMED: i64 = 1_000;

/// Refuses odd volumes. While it hangs it answers nothing.
#[derive(Debug, Clone)]
struct Odd {
    hangs: watch::Sender<bool>,
    accepted: Arc<Mutex<Vec<i64>>>,
    calls: Arc<Mutex<usize>>,
}

impl Publisher for Odd {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async move {
            let _ = *self.hangs.subscribe().wait_for(|hangs| !hangs).await.unwrap();
            *self.calls.lock().unwrap() += 1;
            let mut refusals = Refusals::default();
            for (group, records) in groups.iter().enumerate() {
                let Records::Samples(samples) = records else { unreachable!() };
                for (record, sample) in samples.iter().enumerate() {
                    let Value::Int(volume) = sample.volume else { unreachable!() };
                    if volume >= UNNAMED {
                        let reason = "some are odd".to_owned();
                        let records = volume.unsigned_abs() - UNNAMED.unsigned_abs();
                        refusals.push_unnamed(Unnamed { records, cause: "unnamed", reason });
                    } else if volume % 2 == 1 {
                        let reason = format!("{volume} is odd");
                        refusals.push(Refusal { group, record, cause: "odd", reason: reason.clone() });
                        // A second time, and one that was never offered: neither may be counted.
                        refusals.push(Refusal { group, record, cause: "again", reason: reason.clone() });
                        refusals.push(Refusal { group, record: record + 1_000, cause: "odd", reason });
                    } else {
                        self.accepted.lock().unwrap().push(volume);
                    }
                }
            }
            Ok(refusals)
        })
    }
}

impl PublisherFactory for Odd {
    fn build(&self, _: &PublisherUrl, _: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(self.clone()))
    }

    fn check(&self, _: &PublisherUrl, _: RecordsKind) -> Result<(), BuildError> {
        Ok(())
    }
}

struct House {
    router: Router,
    odd: Odd,
    metrics: Metrics,
    store: Arc<DeadLetters>,
    cancelled: CancellationToken,
}

/// A pipeline whose dead letters lie on `letters`, at most `bytes` of them, and whose buffer lies on `buffer`, if any.
fn house(letters: &FaultyMedium, bytes: u64, buffer: Option<&FaultyMedium>) -> House {
    let text = format!(
        "sources: [{{name: s, meters: ['*'], sinks: [k]}}]\nsinks: [{{name: k, publishers: ['{URL}']}}]"
    );
    let config = PipelineConfig::parse(Source { path: "p.yaml", text: &text }, RecordsKind::Samples).unwrap();
    let odd = Odd { hangs: watch::Sender::new(false), accepted: Arc::default(), calls: Arc::default() };
    let factory: Arc<dyn PublisherFactory> = Arc::new(odd.clone());
    let retry = RetryPolicy { initial: Duration::from_millis(1), maximum: Duration::from_millis(20) };
    let limits = WorkerLimits { linger: Duration::ZERO, ..WorkerLimits::default() };
    let metrics = Metrics::new();
    let registered = PipelineMetrics::register(&metrics.component("pipeline"));
    let (router, mut workers) =
        Router::new(&config, RecordsKind::Samples, &factory, limits, retry, &registered).unwrap();
    let (clock, _) = Clock::test("2026-07-21T13:56:12Z".parse().unwrap());
    let limits = Limits { bytes, files: FILES_MAX };
    let store = Arc::new(DeadLetters::new(Path::new("/state"), Arc::new(letters.clone()), limits));
    workers.with_dead_letters(&RecordLetters::new(Arc::clone(&store), clock.clone()));
    if let Some(buffer) = buffer {
        let options = BufferOptions {
            medium: Arc::new(buffer.clone()),
            directory: "/state/buffer".into(),
            disk_bytes: 1 << 20,
            spill_after: Duration::from_millis(20),
            max_age: None,
            age_alarm: None,
            clock,
        };
        workers.with_buffers(&Arc::new(options), &mut BufferNames::default());
    }
    let cancelled = CancellationToken::new();
    let (_, task) = workers.into_tasks(&cancelled).next().unwrap();
    tokio::spawn(task);
    House { router, odd, metrics, store, cancelled }
}

fn sample(volume: i64) -> Arc<Sample> {
    Arc::new(Sample {
        name: "meter".into(),
        kind: MeterKind::Gauge,
        unit: "B".into(),
        volume: volume.into(),
        subject: Subject {
            project_id: "project".into(),
            resource_metadata: Value::Null.into(),
            ..Subject::new("r")
        }
        .into(),
        timestamp: "2026-07-21T13:56:12".into(),
        source: "openstack".into(),
        id: format!("id-{volume}").into(),
        monotonic_time: None,
    })
}

impl House {
    async fn send(&self, volumes: impl IntoIterator<Item = i64>) -> oneshot::Receiver<Outcome> {
        let (sender, outcome) = oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let token = DeliveryToken::new(move |outcome| {
            if let Some(sender) = sender.lock().unwrap().take() {
                let _ = sender.send(outcome);
            }
        });
        self.router.dispatch(Records::Samples(volumes.into_iter().map(sample).collect()), token).await;
        outcome
    }

    async fn deliver(&self, volumes: impl IntoIterator<Item = i64>) {
        let outcome = self.send(volumes).await;
        let outcome = tokio::time::timeout(DEADLINE, outcome).await.expect("the token was never resolved");
        assert_eq!(outcome.unwrap(), Outcome::Accepted);
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, wait).await;
        assert!(in_time.is_ok(), "{what}: not in time\n{}", self.metrics.prometheus_text());
    }

    fn letters(&self) -> Vec<Letter> {
        let files = self.store.files().unwrap();
        let letters = files.iter().flat_map(|file| self.store.read(file).unwrap().letters);
        let mut letters: Vec<Letter> = letters.map(|stored| stored.letter).collect();
        // Files that were written in one millisecond have no order.
        letters.sort_by(|one, other| one.message_id.cmp(&other.message_id));
        letters
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

    /// Waits until `routed = accepted + refused + waiting + on disk`, with these numbers.
    async fn balances(&self, routed: i64, refused: i64, cause: &str) {
        self.until("books that balance", |house| {
            house.metric("records_routed_total", "") == routed
                && house.metric("records_accepted_total", "") == routed - refused
                && house.metric("records_refused_total", "cause=\"odd\"") == refused
                && house.metric("records_refused_total", "") == refused
                && house.metric("records_dropped_total", &format!("cause=\"{cause}\"")) == refused
                && house.metric("records_dropped_total", "") == refused
                && house.metric("records_waiting", "") == 0
                && house.metric("buffer_records", "") == 0
        })
        .await;
    }
}

impl std::ops::Drop for House {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

#[tokio::test]
async fn refused_records_are_kept_with_what_is_needed_to_offer_them_again() {
    let house = house(&FaultyMedium::new(), 1 << 20, None);
    house.deliver([2, 3, 4]).await;
    house.deliver([5, 6]).await;
    house.balances(5, 2, "refused").await;
    assert_eq!(*house.odd.accepted.lock().unwrap(), [2, 4, 6]);
    let letters = house.letters();
    for (letter, volume) in letters.iter().zip([3, 5]) {
        let refused = letter.refused.as_ref().unwrap();
        assert_eq!(
            (refused.publisher.as_str(), refused.kind.as_str(), refused.name.as_str()),
            ("test://***@h/x", "samples", "meter")
        );
        assert_eq!(refused.publisher_key, PublisherUrl::new(URL).key(RecordsKind::Samples));
        assert_eq!((letter.cause.as_str(), letter.message.clone()), ("odd", format!("{volume} is odd")));
        assert_eq!(letter.message_id, Some(format!("id-{volume}")));
        let Records::Samples(samples) = record_of(refused, &letter.body).unwrap() else { panic!() };
        assert_eq!(samples, [sample(volume)]);
        let line = letter.to_json(&"s-1".parse().unwrap());
        assert!(!line.contains("hush") && !line.contains("secret"), "{line}");
    }
    assert_eq!(letters.len(), 2);
}

/// A letter that cannot be written holds the batch back, and the publisher is not asked again.
#[tokio::test]
async fn nothing_is_acknowledged_before_its_letter_is_durable() {
    let medium = FaultyMedium::new();
    let house = house(&medium, 1 << 20, None);
    medium.fail_from_now(Fault::NoSpace);
    let mut outcome = house.send([1, 2]).await;
    let failures = |house: &House| house.metric("publish_failures_total", "dead_letter_unwritten");
    house.until("attempts", |house| failures(house) >= 3).await;
    assert!(outcome.try_recv().is_err(), "acknowledged without a letter");
    assert_eq!(house.metric("records_accepted_total", ""), 0);
    medium.recover();
    assert_eq!(tokio::time::timeout(DEADLINE, outcome).await.unwrap().unwrap(), Outcome::Accepted);
    house.balances(2, 1, "refused").await;
    assert_eq!(house.letters().len(), 1);
    assert_eq!(*house.odd.calls.lock().unwrap(), 1);
}

#[tokio::test]
async fn records_that_went_by_way_of_the_disk_are_kept_as_well() {
    let house = house(&FaultyMedium::new(), 1 << 20, Some(&FaultyMedium::new()));
    house.odd.hangs.send_replace(true);
    for volume in 0..20 {
        house.deliver([volume]).await;
    }
    house.until("spilled", |house| house.metric("buffer_records", "place=\"disk\"") == 20).await;
    house.odd.hangs.send_replace(false);
    house.balances(20, 10, "refused").await;
    assert_eq!(house.letters().len(), 10);
    assert_eq!(house.metric("records_drained_total", ""), 10);
    house.deliver([21, 22]).await;
    house.balances(22, 11, "refused").await;
}

#[tokio::test]
async fn what_finds_no_room_among_the_letters_is_counted_as_lost() {
    for (bytes, cause) in [(4096, "dead_letters_full"), (0, "dead_letters_off")] {
        let house = house(&FaultyMedium::new(), bytes, None);
        let first = i64::from(bytes > 0);
        if bytes > 0 {
            house.deliver([1]).await;
        }
        house.deliver([3]).await;
        house.until(cause, |house| house.metric("records_dropped_total", cause) == 1).await;
        assert_eq!(house.metric("records_dropped_total", "\"refused\""), first);
        assert_eq!(house.metric("records_refused_total", ""), first + 1);
    }
}

#[tokio::test]
async fn what_is_refused_without_a_name_is_counted_as_lost_and_never_for_more_than_was_offered() {
    for (volumes, odd, unnamed) in [
        (vec![2, UNNAMED + 1, 4], 0, 1),
        (vec![2, 3, UNNAMED + 1, UNNAMED], 1, 1),
        (vec![3, UNNAMED + 90, UNNAMED + 7], 1, 2),
        (vec![UNNAMED], 0, 0),
    ] {
        let house = house(&FaultyMedium::new(), 1 << 20, None);
        let routed = i64::try_from(volumes.len()).unwrap();
        house.deliver(volumes.clone()).await;
        house
            .until("books that balance", |house| {
                house.metric("records_routed_total", "") == routed
                    && house.metric("records_accepted_total", "") == routed - odd - unnamed
                    && house.metric("records_refused_total", "cause=\"unnamed\"") == unnamed
                    && house.metric("records_dropped_total", "cause=\"refused_unnamed\"") == unnamed
                    && house.metric("records_dropped_total", "") == odd + unnamed
                    && house.metric("records_waiting", "") == 0
            })
            .await;
        assert_eq!(house.letters().len(), usize::try_from(odd).unwrap(), "{volumes:?}");
    }
}
