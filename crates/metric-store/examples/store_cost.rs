//! Prints what the store costs: `cargo run --release -p nephoscope-metric-store --features jemalloc --example store_cost --
//! DIRECTORY [METRICS [ROUNDS]]`.
//!
//! CPU a measure, and whether it stays as the metrics become more, each ten times as many as before, from 10 000 on; memory a
//! metric, and the time until a store is open again; bytes on disk a measure; what reading a day takes. Each part has a
//! process of its own, because memory that one has given back would serve the next. `DIRECTORY` is created, filled, and
//! removed at the end. Lines that begin with a name and have `=` are for programs that read them.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::time::{DAY, SECOND};
use archive::{ArchivePolicy, Batch, Definition, Method, MethodSet, Statistic};
use buffer::medium::Disk;
use nephoscope_metric_store::{Limits, Measures, MetricId, PolicyNumber, Store};

const BEGIN: i64 = 1_766_000_000 / 3_600 * 3_600 * SECOND;
const MINUTE: i64 = 60 * SECOND;
/// Metrics of a request, and points of each.
const REQUEST: usize = 100;
const POINTS: i64 = 60;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a meter reports.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Constant,
    Gauge,
    Counter,
    /// Doubles of all bits: the worst case.
    Mantissa,
}

const KINDS: [Kind; 4] = [Kind::Constant, Kind::Gauge, Kind::Counter, Kind::Mantissa];

/// A meter's values.
#[derive(Debug)]
struct Meter {
    kind: Kind,
    random: fastrand::Rng,
    counter: f64,
}

impl Meter {
    fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, random: fastrand::Rng::with_seed(seed), counter: 0.0 }
    }

    fn next(&mut self) -> f64 {
        match self.kind {
            Kind::Constant => 4_096.0,
            Kind::Gauge => f64::from(self.random.u32(0..10_000)) / 100.0,
            Kind::Counter => {
                self.counter += f64::from(self.random.u32(0..600_000_000)) * 7.0;
                self.counter
            }
            Kind::Mantissa => self.random.f64(),
        }
    }
}

/// The CPU time of this thread, the kernel's share included.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = text.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("a number");
    pages * 4_096
}

/// Bytes of all files below a directory.
fn size(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn open(directory: &Path) -> Store {
    Store::open(Arc::new(Disk), directory, Limits::default()).expect("a store").0
}

fn id(metric: usize) -> MetricId {
    // As random as UUIDs are.
    let mut random = fastrand::Rng::with_seed(metric as u64);
    MetricId(random.u128(..).to_be_bytes())
}

fn preset(name: &str, methods: MethodSet) -> ArchivePolicy {
    let all = ArchivePolicy::presets(methods);
    all.into_iter().find(|policy| policy.name() == name).expect("a preset")
}

/// Writes a batch of points to every metric: what it cost.
fn round(
    store: &Store,
    policy: PolicyNumber,
    meters: &mut [Meter],
    (begin, step): (i64, i64),
) -> (Duration, Duration) {
    let mut made = Vec::new();
    let (mut making, mut writing) = (Duration::ZERO, Duration::ZERO);
    let mut metric = 0;
    for meters in meters.chunks_mut(REQUEST) {
        made.clear();
        for meter in meters {
            let points = (0..POINTS).map(|point| (begin + point * step, meter.next()));
            made.push((id(metric), points.collect::<Vec<_>>()));
            metric += 1;
        }
        let start = used();
        let request = made.iter().map(|(metric, points)| {
            let batch = Batch::new(points.iter().copied()).expect("in range");
            Measures { metric: *metric, policy, batch }
        });
        let request = request.collect();
        let middle = used();
        store.write(request).expect("written");
        making += middle.saturating_sub(start);
        writing += used().saturating_sub(middle);
    }
    (making, writing)
}

fn checkpoint(store: &Store) -> Duration {
    let start = used();
    for _ in 0..Store::SHARDS {
        store.checkpoint_next().expect("a checkpoint");
    }
    used().saturating_sub(start)
}

/// Rounds before those that count: each metric has sealed rows by then.
const BEFORE: i64 = 4;
/// Rounds that count.
const COUNTED: i64 = 4;
/// Metrics of the smallest store whose cost is compared.
const FEWEST: usize = 10_000;

/// CPU a measure: making batches, writing them, checkpoints.
#[derive(Debug, Clone, Copy, Default)]
struct Cost([f64; 3]);

impl Cost {
    fn all(self) -> f64 {
        self.0.iter().sum()
    }

    fn print(self, count: usize) {
        let (all, [making, writing, checkpoints]) = (self.all(), self.0);
        println!(
            "cpu metrics={count} ns={all:.0} batches={making:.0} written={writing:.0} checkpoints={checkpoints:.0}"
        );
    }
}

/// The begin of a store's life, with a checkpoint of all shards an hour; after each round there is something else to do.
fn life(directory: &Path, count: usize, mut meanwhile: impl FnMut()) -> Cost {
    let store = open(directory);
    let policy = store.put_policy(&preset("medium", ArchivePolicy::default_methods())).expect("a policy");
    let mut meters: Vec<Meter> =
        (0..count).map(|metric| Meter::new(KINDS[metric % KINDS.len()], metric as u64)).collect();
    let mut spent = [Duration::ZERO; 3];
    for number in 0..BEFORE + COUNTED {
        let hour = (BEGIN + number * POINTS * MINUTE, MINUTE);
        let (making, writing) = round(&store, policy, &mut meters, hour);
        let parts = [making, writing, checkpoint(&store)];
        if number >= BEFORE {
            spent = [0, 1, 2].map(|part| spent[part] + parts[part]);
        }
        meanwhile();
    }
    drop(store);
    std::fs::remove_dir_all(directory).expect("removed");
    let measures = (count as i64 * COUNTED * POINTS) as f64;
    Cost(spent.map(|spent| spent.as_nanos() as f64 / measures))
}

/// CPU a measure, in batches of 60 points that are a minute apart. The most and the fewest metrics take turns, so that what
/// else the machine does, and how fast it is meanwhile, meets both.
fn cpu(directory: &Path, metrics: usize) {
    println!("CPU a measure, {POINTS} points a batch, {REQUEST} batches a request, policy medium, ns:");
    let fewer = |count: &usize| Some(count / 10).filter(|count| *count >= FEWEST);
    let mut counts: Vec<usize> = std::iter::successors(fewer(&metrics), fewer).collect();
    let fewest = counts.pop();
    counts.reverse();
    let mut lives = Vec::new();
    let most = life(&directory.join("most"), metrics, || {
        lives.extend(fewest.map(|fewest| life(&directory.join("fewest"), fewest, || ())));
    });
    if let Some(fewest) = fewest {
        let part = |part: usize| lives.iter().map(|cost| cost.0[part]).sum::<f64>() / lives.len() as f64;
        let cost = Cost([0, 1, 2].map(part));
        cost.print(fewest);
        for count in counts {
            life(&directory.join("between"), count, || ()).print(count);
        }
        most.print(metrics);
        println!("from the fewest to the most metrics: {:+.0} %", (most.all() / cost.all() - 1.0) * 100.0);
    } else {
        most.print(metrics);
    }
    std::fs::remove_dir_all(directory).expect("removed");
}

/// Memory a metric, and how long a store takes to open, after days of one measure every five minutes.
fn memory(directory: &Path, metrics: usize, rounds: i64, wanted: &str) {
    println!(
        "memory a metric and restart, {metrics} metrics, a measure every 5 minutes, {} of them:",
        rounds * POINTS
    );
    let mean: MethodSet = [Method::plain(Statistic::Mean)].into_iter().collect();
    let ceilometer = Definition::new(Some(5 * MINUTE), None, Some(30 * DAY)).expect("a definition");
    let ceilometer = ArchivePolicy::new("ceilometer-low", 0, vec![ceilometer], mean).expect("a policy");
    let archives = [ceilometer, preset("low", ArchivePolicy::default_methods())];
    for archive in archives.into_iter().filter(|archive| archive.name() == wanted) {
        let mut meters: Vec<Meter> =
            (0..metrics).map(|metric| Meter::new(KINDS[metric % KINDS.len()], metric as u64)).collect();
        let before = resident();
        let store = open(directory);
        let policy = store.put_policy(&archive).expect("a policy");
        let (mut most, mut sum) = (0, 0);
        for number in 0..rounds {
            let begin = BEGIN + number * POINTS * 5 * MINUTE;
            round(&store, policy, &mut meters, (begin, 5 * MINUTE));
            let own = resident().saturating_sub(before);
            most = most.max(own);
            checkpoint(&store);
            sum += resident().saturating_sub(before);
        }
        let last = resident().saturating_sub(before);
        println!(
            "memory policy={} end={} average={} most={}",
            archive.name(),
            last / metrics,
            sum / metrics / usize::try_from(rounds).unwrap_or(1),
            most / metrics
        );
        println!("{:>15}  {:?}", "", store.stats().expect("stats"));
        drop(store);
        let (start, begin) = (used(), Instant::now());
        let store = open(directory);
        let (elapsed, spent) = (begin.elapsed(), used().saturating_sub(start));
        println!("restart seconds={:.3} cpu_seconds={:.3}", elapsed.as_secs_f64(), spent.as_secs_f64());
        drop(store);
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

/// Bytes on disk a measure: a week of minutes.
fn disk(directory: &Path) {
    const METRICS: usize = 400;
    const ROUNDS: i64 = 7 * 24;
    println!(
        "bytes on disk a measure, a week of one a minute, policy medium (minutes and hours, six methods):"
    );
    for kind in KINDS {
        let store = open(directory);
        let policy = store.put_policy(&preset("medium", ArchivePolicy::default_methods())).expect("a policy");
        let mut meters: Vec<Meter> = (0..METRICS).map(|metric| Meter::new(kind, metric as u64)).collect();
        for number in 0..ROUNDS {
            round(&store, policy, &mut meters, (BEGIN + number * 60 * MINUTE, MINUTE));
            checkpoint(&store);
        }
        checkpoint(&store);
        let measures = (METRICS as i64 * ROUNDS * POINTS) as f64;
        let [chunks, states, log] =
            ["chunks", "states", "log"].map(|part| size(&directory.join(part)) as f64 / measures);
        println!(
            "disk kind={kind:?} bytes={:.3} chunks={chunks:.3} states={states:.3} log={log:.3}",
            chunks + states + log
        );
        drop(store);
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

/// The cost of reading a day of one metric.
fn reading(directory: &Path) {
    let store = open(directory);
    let policy = store.put_policy(&preset("medium", ArchivePolicy::default_methods())).expect("a policy");
    let mut meters: Vec<Meter> = (0..100).map(|metric| Meter::new(Kind::Gauge, metric as u64)).collect();
    for number in 0..7 * 24 {
        round(&store, policy, &mut meters, (BEGIN + number * 60 * MINUTE, MINUTE));
        checkpoint(&store);
    }
    let start = used();
    let mut points = 0;
    for metric in 0..100 {
        let (from, to) = (BEGIN + 3 * DAY, BEGIN + 4 * DAY);
        let mean = Method::plain(Statistic::Mean);
        points += store.measures(id(metric), mean, MINUTE, Some(from), Some(to)).expect("a series").len();
    }
    let each = used().saturating_sub(start) / 100;
    println!("a day of minutes of one metric:");
    println!("reading points={} us={:.1}", points / 100, each.as_secs_f64() * 1e6);
    drop(store);
    std::fs::remove_dir_all(directory).expect("removed");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory: PathBuf = arguments.next().expect("a directory").into();
    let metrics = arguments.next().map_or(100_000, |text| text.parse().expect("a number"));
    let rounds = arguments.next().map_or(12, |text| text.parse().expect("a number"));
    assert!(!directory.exists(), "{} is there already", directory.display());
    match arguments.next().as_deref() {
        Some("cpu") => cpu(&directory, metrics),
        Some("disk") => disk(&directory),
        Some("reading") => reading(&directory),
        Some(policy) => memory(&directory, metrics, rounds, policy),
        None => {
            for part in ["cpu", "ceilometer-low", "low", "disk", "reading"] {
                let program = std::env::current_exe().expect("this program");
                let mut command = std::process::Command::new(program);
                command.arg(&directory).args([metrics.to_string(), rounds.to_string()]).arg(part);
                assert!(command.status().expect("started").success(), "{part} failed");
            }
        }
    }
}
