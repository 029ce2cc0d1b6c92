//! Whole lives of metrics beside the crate `archive` alone, to the bit.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use archive::time::SECOND;
use archive::{ArchivePolicy, Definition, MethodSet, Statistic};
use testkit::faults::FaultyMedium;

use super::*;
use crate::state;

/// What `archive` says of the same batches.
#[derive(Debug, Default)]
struct Expected {
    raw: RawBuffer,
    series: Vec<AggregatedSeries>,
}

impl Expected {
    fn apply(&mut self, batch: &Batch, policy: &ArchivePolicy) -> usize {
        let series = &mut self.series;
        let merged = self.raw.apply(batch, policy, |aggregation, computed| {
            match series.iter_mut().find(|kept| kept.aggregation() == aggregation) {
                Some(kept) => kept.merge(computed.points()),
                None => series.push(AggregatedSeries::from_series(*aggregation, computed.clone())),
            }
        });
        merged.map_or(0, |merged| merged.late)
    }

    fn check(&self, metric: &Metric, policy: &Policy, files: &mut ChunkFiles, story: &dyn Fn() -> String) {
        assert_eq!(bits(&metric.raw.points().iter().collect()), bits(&self.raw.points().iter().collect()));
        for definition in policy.archive.definition() {
            // Reading one series decodes the chunks of all: of very many methods only some are looked at.
            let every = policy.columns.len() / 12 + 1;
            for method in policy.archive.methods().iter().step_by(every) {
                let granularity = definition.granularity();
                let found = metric
                    .aggregated(ID, policy, (method, granularity), (None, None), files)
                    .unwrap()
                    .unwrap();
                let expected = self.series.iter().find(|kept| kept.aggregation() == found.aggregation());
                let expected = expected.map_or_else(Vec::new, |kept| bits(&kept.points().iter().collect()));
                let found = bits(&found.points().iter().collect());
                assert_eq!(found, expected, "{method} at {granularity} ns of {}", story());
            }
        }
    }
}

const ID: MetricId = MetricId([7; 16]);

fn bits(series: &Series) -> Vec<(i64, u64)> {
    series.points().iter().map(|(timestamp, value)| (timestamp, value.to_bits())).collect()
}

fn policy(random: &mut fastrand::Rng) -> Policy {
    let mut granularities = [1, 5, 7, 10, 60, 90, 300];
    random.shuffle(&mut granularities);
    let mut definition = Vec::new();
    for seconds in granularities.iter().take(random.usize(1..4)) {
        let points = if random.bool() { Some(random.u64(1..60)) } else { None };
        definition.push(Definition::new(Some(seconds * SECOND), points, None).unwrap());
    }
    let methods: MethodSet = match random.u32(0..20) {
        0 => MethodSet::all(),
        1..4 => ArchivePolicy::default_methods(),
        4..7 => [Method::plain(Statistic::Mean), Method::rate(Statistic::Mean)].into_iter().collect(),
        _ => {
            let mut methods = MethodSet::EMPTY;
            let with_rates = random.bool();
            for _ in 0..random.usize(1..7) {
                let rates = if with_rates && random.bool() { 108 } else { 0 };
                if let Some(method) = Method::from_index(random.u8(0..11) + rates) {
                    methods.insert(method);
                }
            }
            methods
        }
    };
    Policy::new(ArchivePolicy::new("any", random.u64(0..3), definition, methods).unwrap())
}

fn value(random: &mut fastrand::Rng) -> f64 {
    match random.u32(0..40) {
        0 => f64::NAN,
        1 => -0.0,
        2 => f64::from(random.u32(..)) * -1e290,
        3 => random.f64(),
        4..20 => f64::from(random.u32(0..10_000)) / 100.0,
        _ => f64::from(random.u16(0..3)),
    }
}

/// A batch that mostly begins behind `now`; some points stand within a few hundred nanoseconds of a group's boundary.
fn batch(random: &mut fastrand::Rng, now: &mut i64, is_orderly: bool) -> Batch {
    let step = [1, 4, 30, 400][random.usize(0..4)];
    let count = random.usize(1..12);
    let points = (0..count).map(|_| {
        *now += random.i64(1..=step * SECOND);
        let at = match random.u32(0..30) {
            0 => *now / (10 * SECOND) * (10 * SECOND) + 10 * SECOND - random.i64(0..600),
            1 => *now / SECOND * SECOND,
            2 if !is_orderly => *now - random.i64(0..100 * SECOND),
            3 if !is_orderly => *now - random.i64(0..1_000 * SECOND),
            _ => *now,
        };
        *now = (*now).max(at);
        (at.max(0), value(random))
    });
    Batch::new(points.collect::<Vec<_>>()).unwrap()
}

/// Seals, as a checkpoint does it; says whether anything changed.
fn seal(metric: &mut Metric, policy: &Policy, files: &mut ChunkFiles, sizes: Sizes) -> bool {
    let mut chunks = Pending::new(sizes.full_rows);
    let Some(mut sealed) = metric.sealed(ID, policy, files, &mut chunks, sizes) else { return false };
    if !chunks.is_empty() {
        sealed.place_chunks(files.write(&chunks).unwrap());
    }
    metric.put_sealed(sealed);
    true
}

#[test]
fn lives_are_what_archive_makes_of_them() {
    let (mut continued, mut all, mut sealed, mut moved) = (0, 0, 0, 0);
    for life in 0..60 {
        let mut random = fastrand::Rng::with_seed(life);
        let policy = policy(&mut random);
        let medium = Arc::new(FaultyMedium::new());
        let mut files = ChunkFiles::open(medium, Path::new("/chunks")).unwrap();
        let sizes =
            Sizes { sealed_rows: 3, sealed_bytes: 80, full_rows: 12, merged_chunks: 3, ..Sizes::default() };
        let (mut metric, mut expected) = (Metric::new(PolicyNumber(0)), Expected::default());
        let is_orderly = random.u32(0..3) > 0;
        let mut now = 1_766_000_000 * SECOND;
        for step in 0..30 {
            let batch = batch(&mut random, &mut now, is_orderly);
            all += 1;
            continued += usize::from(metric.levels.is_empty() || metric.goes_on(&batch, &policy));
            let story = || format!("life {life}, step {step}, {policy:?}, {batch:?}");
            let late = metric.apply(&batch, &policy, &mut Series::new());
            assert_eq!(late, expected.apply(&batch, &policy.archive), "{}", story());
            if step % 3 == 0 {
                expected.check(&metric, &policy, &mut files, &story);
            }
            if random.u32(0..4) == 0 {
                let mut named = HashMap::new();
                for place in metric.chunks() {
                    *named.entry(place.file).or_default() += u64::from(place.length);
                }
                files.find_sparse(&named, 200);
                moved += named.keys().filter(|file| files.is_sparse(**file)).count();
                sealed += usize::from(seal(&mut metric, &policy, &mut files, sizes));
            }
            if random.u32(0..6) == 0 {
                let mut bytes = Vec::new();
                state::put_head(&mut bytes, 0, 1, &[(PolicyNumber(0), Arc::new(policy.clone()))]);
                state::put_metric(&mut bytes, ID, &metric, None);
                let mut read = state::read(&bytes).unwrap();
                assert_eq!(read.damaged_bytes, 0);
                metric = read.metrics.pop().unwrap().1;
            }
        }
        expected.check(&metric, &policy, &mut files, &|| format!("the end of life {life}, {policy:?}"));
    }
    // Neither way is tested too little.
    assert!(
        continued * 3 > all && continued * 10 < all * 9 && sealed > 300 && moved > 20,
        "{continued} of {all}, {sealed}, {moved}"
    );
}

#[test]
fn a_range_is_cut_from_the_whole() {
    let mut random = fastrand::Rng::with_seed(5);
    let seconds = |granularity: i64| Definition::new(Some(granularity * SECOND), Some(40), None).unwrap();
    let archive = ArchivePolicy::new("p", 0, vec![seconds(10)], ArchivePolicy::default_methods()).unwrap();
    let policy = Policy::new(archive);
    let mut files = ChunkFiles::open(Arc::new(FaultyMedium::new()), Path::new("/chunks")).unwrap();
    let mut metric = Metric::new(PolicyNumber(0));
    for minute in 0..10 {
        let points = (0..20).map(|point| ((minute * 60 + point * 3) * SECOND, value(&mut random)));
        metric.apply(&Batch::new(points).unwrap(), &policy, &mut Series::new());
        let sizes = Sizes { sealed_rows: 4, ..Sizes::default() };
        seal(&mut metric, &policy, &mut files, sizes);
    }
    let own = (Method::plain(Statistic::Std), 10 * SECOND);
    let whole = metric.aggregated(ID, &policy, own, (None, None), &mut files).unwrap().unwrap();
    assert_eq!(whole.points().len(), 40);
    assert!(metric.counts().1 > 3);
    for _ in 0..200 {
        let mut bound = || random.bool().then(|| random.i64(0..650) * SECOND);
        let range = (bound(), bound());
        let part = metric.aggregated(ID, &policy, own, range, &mut files).unwrap().unwrap();
        let (part, expected) = (part.fetch(range.0, range.1), whole.fetch(range.0, range.1));
        assert_eq!(bits(&part.iter().collect()), bits(&expected.iter().collect()), "{range:?}");
    }
}

/// A meter that once had two measures in a group has a deviation from then, and never again.
#[test]
fn chunks_of_a_series_that_ended_do_not_keep_the_others() {
    let definition = vec![Definition::new(Some(10 * SECOND), Some(100), None).unwrap()];
    let archive = ArchivePolicy::new("p", 0, definition, ArchivePolicy::default_methods()).unwrap();
    let policy = Policy::new(archive);
    let mut files = ChunkFiles::open(Arc::new(FaultyMedium::new()), Path::new("/chunks")).unwrap();
    let (mut metric, mut expected) = (Metric::new(PolicyNumber(0)), Expected::default());
    for row in 0..1_000 {
        let mut points = vec![(row * 10 * SECOND, 1.0)];
        if row == 50 {
            points.push((row * 10 * SECOND + 1, 5.0));
        }
        let batch = Batch::new(points).unwrap();
        metric.apply(&batch, &policy, &mut Series::new());
        expected.apply(&batch, &policy.archive);
        let sizes = Sizes { sealed_rows: 8, full_rows: 16, ..Sizes::default() };
        seal(&mut metric, &policy, &mut files, sizes);
        assert!(metric.counts().1 < 20, "{row}: {:?}", metric.counts());
    }
    expected.check(&metric, &policy, &mut files, &|| "the end".to_owned());
}
