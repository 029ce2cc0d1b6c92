//! Every method on groups of generated points, and where groups begin.

use nephoscope_archive::time::{self, DAY, NEWEST, SECOND};
use nephoscope_archive::{Calendar, Grouped, Grouping, Method, RawBuffer, Series, Statistic};
use proptest::prelude::*;
use serde_json::json;

use crate::differences::{Differences, Exactness};
use crate::{generated, upstream};

/// Granularities whose multiples doubles hold, so that Gnocchi's groups begin where ours do.
const GRANULARITIES: [i64; 8] =
    [2_048 * 1_000, 60 * SECOND, 90 * SECOND, 300 * SECOND, 7 * 32 * SECOND, 3_600 * SECOND, DAY, 7 * DAY];

#[derive(Debug)]
struct Case {
    series: Series,
    moderate: bool,
    granularity: i64,
    since: Option<i64>,
}

fn case() -> impl Strategy<Value = Case> {
    let granularity = prop::sample::select(GRANULARITIES.to_vec());
    (granularity, generated::length()).prop_flat_map(|(granularity, length)| {
        let since = prop::option::of(any::<prop::sample::Index>());
        (generated::timestamps(length, granularity), generated::values(length), since).prop_map(
            move |(timestamps, (values, moderate), since)| {
                let since = since.filter(|_| !timestamps.is_empty()).map(|since| *since.get(&timestamps));
                Case { series: Series::from_columns(timestamps, values), moderate, granularity, since }
            },
        )
    })
}

#[test]
fn every_method_gives_the_same_bits() {
    let cases = generated::sample(150, case());
    let methods: Vec<Method> = Method::all().collect();
    let names: Vec<String> = methods.iter().map(Method::to_string).collect();
    let questions: Vec<_> = cases
        .iter()
        .map(|case| {
            let [timestamps, values] = upstream::columns_text(case.series.points());
            json!({
                "kind": "grouped", "timestamps": timestamps, "values": values, "granularity": case.granularity,
                "start": case.since.map(|since| time::floor(since, case.granularity)), "methods": names,
            })
        })
        .collect();
    let mut differences = Differences::of("statistics");
    for (case, answer) in cases.iter().zip(upstream::ask(&questions)) {
        let buffer = RawBuffer::from_series(case.series.clone());
        let window =
            case.since.map_or(buffer.points().into(), |since| buffer.window(since, case.granularity));
        let grouping = Grouping::Fixed(case.granularity);
        let alike = Grouped::new(window, grouping).with_window_positions();
        let usual = Grouped::new(window, grouping);
        let scale =
            case.series.points().values().iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
        for ((method, name), theirs) in methods.iter().zip(&names).zip(answer.as_array().expect("series")) {
            let theirs = upstream::series(theirs);
            let what = || format!("{name} of {case:?}");
            let exactness = match Exactness::of(*method, scale) {
                Exactness::Percentile { .. } => Exactness::Zeros,
                other => other,
            };
            let ours = alike.aggregate(*method);
            differences.series(ours.points(), theirs.points(), exactness, what);
            if case.moderate && matches!(method.statistic, Statistic::Percentile(_)) {
                let ours = usual.aggregate(*method);
                // A difference of two values is at most twice the largest of them.
                differences.series(ours.points(), theirs.points(), Exactness::of(*method, 2.0 * scale), what);
            }
        }
    }
    differences.finish(32_000);
}

#[test]
fn groups_begin_at_the_same_moments() {
    let granularity = prop_oneof![
        prop::sample::select(vec![SECOND / 1_000, SECOND / 10, SECOND, 5 * SECOND, 60 * SECOND, DAY]),
        1_000..100 * DAY,
    ];
    let cases = generated::sample(
        300,
        granularity.prop_flat_map(|granularity| {
            (Just(granularity), generated::timestamps(200, granularity), prop::collection::vec(0..NEWEST, 20))
        }),
    );
    let mut questions = Vec::new();
    for (granularity, timestamps, anywhere) in &cases {
        let timestamps = [&timestamps[..], anywhere].concat();
        let text = upstream::timestamps_text(&timestamps);
        questions.push(json!({"kind": "starts", "timestamps": text, "granularity": granularity}));
        for (_, letter) in Calendar::ALL {
            questions.push(json!({"kind": "starts", "timestamps": text, "letter": letter}));
        }
    }
    let mut answers = upstream::ask(&questions).into_iter();
    let mut differences = Differences::of("starts");
    for (granularity, timestamps, anywhere) in &cases {
        let timestamps = [&timestamps[..], anywhere].concat();
        let fixed = (Grouping::Fixed(*granularity), format!("{granularity} ns"));
        let calendar = Calendar::ALL.map(|(group, letter)| (Grouping::Calendar(group), letter.to_string()));
        for (grouping, name) in std::iter::once(fixed).chain(calendar) {
            let theirs = upstream::timestamps(&answers.next().expect("an answer"));
            for (timestamp, theirs) in timestamps.iter().zip(theirs) {
                differences.compared();
                let ours = grouping.start(*timestamp);
                if ours == theirs {
                    continue;
                }
                // Theirs is the nearest double to ours.
                let nearest = matches!(grouping, Grouping::Fixed(_)) && (ours - theirs).abs() <= 512;
                if nearest && ours % granularity == 0 && theirs % granularity != 0 {
                    differences.expected("exact_starts");
                } else {
                    differences.fail(format!("{timestamp} in {name}: ours {ours}, theirs {theirs}"));
                }
            }
        }
    }
    differences.finish(300_000);
}
