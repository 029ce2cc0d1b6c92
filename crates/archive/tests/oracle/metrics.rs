//! Whole lives of metrics: batches, some late, out of order or repeated, through Gnocchi's storage and through ours.

use std::collections::{BTreeMap, BTreeSet};

use nephoscope_archive::time::{DAY, NEWEST, SECOND};
use nephoscope_archive::{
    AggregatedSeries, Aggregation, ArchivePolicy, Batch, Calendar, Definition, Grouping, Method, RawBuffer,
    Series, Statistic,
};
use proptest::prelude::*;
use serde_json::json;

use crate::differences::{Differences, Exactness};
use crate::{generated, upstream};

#[derive(Debug)]
struct Case {
    back_window: u64,
    definition: Vec<(i64, Option<u64>)>,
    methods: Vec<Method>,
    batches: Vec<Vec<(i64, f64)>>,
    moderate: bool,
    start: Option<i64>,
    stop: Option<i64>,
    resample: i64,
    letter: Option<char>,
}

fn definition() -> impl Strategy<Value = Vec<(i64, Option<u64>)>> {
    let granularity = prop::sample::select(vec![
        SECOND / 2,
        SECOND,
        5 * SECOND,
        7 * SECOND,
        60 * SECOND,
        90 * SECOND,
        300 * SECOND,
        3_600 * SECOND,
        DAY,
    ]);
    let points = prop_oneof![2 => Just(None), 3 => (1..400_u64).prop_map(Some), 1 => (3_000..9_000_u64).prop_map(Some)];
    prop::collection::btree_map(granularity, points, 1..4)
        .prop_map(|definition| definition.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

fn methods() -> impl Strategy<Value = Vec<Method>> {
    let plain = prop::sample::select(vec![
        Statistic::Mean,
        Statistic::Sum,
        Statistic::Min,
        Statistic::Max,
        Statistic::Count,
        Statistic::Std,
        Statistic::Median,
        Statistic::First,
        Statistic::Last,
    ])
    .prop_map(Method::plain);
    let any = (0..216_u8).prop_map(|index| Method::from_index(index).expect("a method"));
    let rate = (0..9_u8).prop_map(|index| Method::from_index(108 + index).expect("a rate"));
    prop::collection::btree_set(prop_oneof![5 => plain, 2 => rate, 1 => any], 1..6)
        .prop_map(|methods| methods.into_iter().collect())
}

/// Batches that mostly go on where the last one ended.
fn batches(coarsest: i64, finest: i64) -> impl Strategy<Value = (Vec<Vec<(i64, f64)>>, bool)> {
    let lengths = prop::collection::vec(1..25_usize, 1..6);
    (lengths, generated::recent()).prop_flat_map(move |(lengths, begin)| {
        let total: usize = lengths.iter().sum();
        let step = prop::sample::select(vec![finest / 3 + 1, finest + 1, 20 * finest, coarsest / 5 + 1]);
        let moves = (step, generated::Random::strategy()).prop_map(move |(step, mut random)| {
            (0..total).map(|_| (random.between(0, 20), random.between(0, step + 1))).collect::<Vec<_>>()
        });
        (moves, generated::values(total)).prop_map(move |(moves, (values, moderate))| {
            let (mut now, mut index) = (begin, 0);
            let mut batches = Vec::new();
            for length in &lengths {
                let mut batch = Vec::new();
                for _ in 0..*length {
                    let (kind, by) = moves[index];
                    let at = match kind {
                        // Repeated, a little late, far too late, at the begin of a block, far ahead.
                        0 | 1 => now,
                        2 | 3 => now - by,
                        4 => now - coarsest - by,
                        5 => now - 3 * coarsest - by,
                        6 => now / coarsest * coarsest,
                        7 if by % 4 == 0 => now + 2 * coarsest + by,
                        _ => now + by,
                    };
                    let at = at.clamp(0, NEWEST - 10 * DAY);
                    now = now.max(at);
                    batch.push((at, values[index]));
                    index += 1;
                }
                batches.push(batch);
            }
            (batches, moderate)
        })
    })
}

fn case() -> impl Strategy<Value = Case> {
    (definition(), methods(), 0..4_u64).prop_flat_map(|(definition, methods, back_window)| {
        let coarsest = definition.iter().map(|(granularity, _)| *granularity).max().expect("a granularity");
        let finest = definition.iter().map(|(granularity, _)| *granularity).min().expect("a granularity");
        let range = prop::option::of((any::<prop::sample::Index>(), 0..3 * coarsest));
        let resample = prop::sample::select(vec![1, 2, 3, 7, 60]);
        let letter = prop::option::of(prop::sample::select(vec!['Y', 'H', 'Q', 'M', 'W']));
        (batches(coarsest, finest), range.clone(), range, resample, letter).prop_map(
            move |((batches, moderate), start, stop, resample, letter)| {
                let all: Vec<i64> = batches.iter().flatten().map(|(timestamp, _)| *timestamp).collect();
                let bound = |range: Option<(prop::sample::Index, i64)>| {
                    range.map(|(index, by)| (index.get(&all) - coarsest + by).clamp(0, NEWEST))
                };
                Case {
                    back_window,
                    definition: definition.clone(),
                    methods: methods.clone(),
                    moderate,
                    start: bound(start),
                    stop: bound(stop),
                    resample: finest * resample,
                    letter,
                    batches,
                }
            },
        )
    })
}

/// A deviation exists in the first hour only, the other series go on for hours.
fn early_deviation() -> Case {
    let statistics = [Statistic::Mean, Statistic::Sum, Statistic::Min, Statistic::Max, Statistic::Std];
    Case {
        back_window: 0,
        definition: vec![(SECOND, Some(300)), (3_600 * SECOND, None)],
        methods: statistics.map(Method::plain).to_vec(),
        batches: vec![vec![(0, 1.0), (SECOND / 2, 2.0), (10_000 * SECOND, 3.0)]],
        moderate: true,
        start: None,
        stop: None,
        resample: 60 * SECOND,
        letter: None,
    }
}

#[test]
fn metrics_come_out_the_same() {
    let mut cases = generated::sample(350, case());
    cases.push(early_deviation());
    let questions: Vec<_> = cases
        .iter()
        .map(|case| {
            let batches: Vec<[String; 2]> = case
                .batches
                .iter()
                .map(|batch| {
                    let (timestamps, values): (Vec<i64>, Vec<f64>) = batch.iter().copied().unzip();
                    [upstream::timestamps_text(&timestamps), upstream::values_text(&values)]
                })
                .collect();
            let methods: Vec<String> = case.methods.iter().map(Method::to_string).collect();
            let reads: Vec<(String, i64)> = reads(case)
                .map(|aggregation| (aggregation.method.to_string(), aggregation.granularity))
                .collect();
            json!({
                "kind": "metric", "back_window": case.back_window, "definition": case.definition,
                "methods": methods, "batches": batches, "reads": reads, "start": case.start, "stop": case.stop,
                "resample": case.resample, "letter": case.letter,
            })
        })
        .collect();
    let mut differences = Differences::of("metrics");
    for (case, answer) in cases.iter().zip(upstream::ask(&questions)) {
        if answer.get("crash").is_some() {
            differences.fail(format!("{answer} of {case:?}"));
            continue;
        }
        compare(case, &answer, &mut differences);
    }
    differences.finish(5_000);
}

fn policy(case: &Case) -> ArchivePolicy {
    let definition = case.definition.iter().map(|(granularity, points)| {
        Definition::new(Some(*granularity), *points, None).expect("a definition")
    });
    let methods = case.methods.iter().copied().collect();
    ArchivePolicy::new("p", case.back_window, definition.collect(), methods).expect("a policy")
}

fn reads(case: &Case) -> impl Iterator<Item = Aggregation> + '_ {
    let policy = policy(case);
    case.methods.iter().flat_map(move |method| policy.aggregations_of(*method))
}

fn compare(case: &Case, answer: &serde_json::Value, differences: &mut Differences) {
    let policy = policy(case);
    let mut buffer = RawBuffer::new();
    let mut early: BTreeSet<(Method, i64)> = BTreeSet::new();
    let mut kept: BTreeMap<(Method, i64), AggregatedSeries> = BTreeMap::new();
    for points in &case.batches {
        let batch = Batch::new(points.iter().copied()).expect("timestamps within bounds");
        let mut told: Vec<(Aggregation, Series)> = Vec::new();
        buffer.apply(&batch, &policy, |aggregation, computed| {
            told.push((*aggregation, computed.clone()));
            kept.entry((aggregation.method, aggregation.granularity))
                .or_insert_with(|| AggregatedSeries::new(*aggregation))
                .merge(computed.points());
        });
        early.extend(ends_early(&told));
    }
    let theirs = upstream::series(&answer["raw"]);
    differences
        .series(buffer.points(), theirs.points(), Exactness::Zeros, || format!("raw points of {case:?}"));
    let values = case.batches.iter().flatten().map(|(_, value)| value.abs());
    let scale = values.fold(0.0_f64, f64::max) * 4.0;
    for (aggregation, theirs) in reads(case).zip(answer["series"].as_array().expect("series")) {
        let method = aggregation.method;
        if matches!(method.statistic, Statistic::Percentile(_)) && !case.moderate {
            continue;
        }
        let empty = AggregatedSeries::new(aggregation);
        let series = kept.get(&(method, aggregation.granularity)).unwrap_or(&empty);
        if early.contains(&(method, aggregation.granularity)) {
            if upstream::series(&theirs[0]).points().timestamps() != series.points().timestamps() {
                differences.expected("older_splits");
            }
            continue;
        }
        let resampled =
            series.resample(Grouping::Fixed(case.resample), case.start, case.stop).expect("no calendar");
        let mut ours: Vec<(&str, Series)> = vec![
            ("all", series.points().iter().collect()),
            ("fetched", series.fetch(case.start, case.stop).iter().collect()),
            ("resampled", resampled),
        ];
        if let Some(letter) = case.letter.filter(|_| !method.rate) {
            let calendar = Calendar::from_letter(&letter.to_string()).expect("a letter");
            ours.push((
                "by calendar",
                series.resample(Grouping::Calendar(calendar), None, None).expect("no rate"),
            ));
        }
        for ((name, ours), theirs) in ours.iter().zip(theirs.as_array().expect("series")) {
            let theirs = upstream::series(theirs);
            // Which of two zeros a batch or a sort left first goes on into what is computed of them.
            let exactness = match Exactness::of(method, scale) {
                Exactness::Bits => Exactness::Zeros,
                other => other,
            };
            differences.series(ours.points(), theirs.points(), exactness, || {
                format!("{name} {method} at {} of {case:?}", aggregation.granularity)
            });
        }
    }
}

/// Series of one batch with points within their own timespan that are too old for another one of the granularity.
fn ends_early(told: &[(Aggregation, Series)]) -> Vec<(Method, i64)> {
    let early = told.iter().filter(|(aggregation, series)| {
        let same = told.iter().filter(|(other, _)| other.granularity == aggregation.granularity);
        let latest = same.filter_map(|(_, series)| series.last()).max();
        let (Some(span), Some(last), Some(latest)) = (aggregation.timespan, series.last(), latest) else {
            return false;
        };
        let kept = series.points().between(Some(last - span + 1), None);
        kept.timestamps().first().is_some_and(|first| *first <= latest - span)
    });
    early.map(|(aggregation, _)| (aggregation.method, aggregation.granularity)).collect()
}
