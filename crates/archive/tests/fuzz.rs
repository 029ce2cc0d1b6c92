//! Laws that hold for any points and any text; a failing input is kept beside this file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test may fail; exactly equal is meant"
)]

use std::collections::BTreeMap;

use nephoscope_archive::operations::{Term, parse};
use nephoscope_archive::raw::Retention;
use nephoscope_archive::time::NEWEST;
use nephoscope_archive::{
    Batch, Calendar, Grouped, Grouping, Method, Points, RawBuffer, Series, Statistic, Totals, timespan,
};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_170_401);
    }
    config
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, Just(f64::NAN)]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![0..2_000_i64, 1_766_000_000_000_000_000..1_766_000_100_000_000_000_i64, 0..=NEWEST]
}

fn points() -> impl Strategy<Value = Vec<(i64, f64)>> {
    prop::collection::vec((timestamp(), value()), 0..60)
}

fn grouping() -> impl Strategy<Value = Grouping> {
    let fixed = prop_oneof![1..100_i64, 1..100_000_000_000_i64, 1..=i64::MAX].prop_map(Grouping::Fixed);
    let calendar =
        prop::sample::select(Calendar::ALL.to_vec()).prop_map(|(group, _)| Grouping::Calendar(group));
    prop_oneof![3 => fixed, 1 => calendar]
}

fn same(left: Points<'_>, right: Points<'_>) -> bool {
    let bits = |points: Points<'_>| points.values().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    left.timestamps() == right.timestamps() && bits(left) == bits(right)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_or_refused(text in "[()\"'\\\\ a-e0-9.+*/<≤é\n-]{0,40}", soup in any::<String>()) {
        for text in [text, soup] {
            if let Ok(node) = Term::from_text(&text).map(|term| parse(&term)) {
                let _ = node.map(|node| node.to_string());
            }
            let _ = timespan::parse(&text);
            let _ = text.parse::<Method>();
        }
    }

    #[test]
    fn printed_timespans_are_read_back(microseconds in 0..i64::MAX / 1_000_000) {
        let nanoseconds = microseconds * 1_000;
        let read = timespan::parse(&timespan::text(nanoseconds)).unwrap();
        // With a fraction of seconds, both ways lead over doubles.
        let error = if nanoseconds % 1_000_000_000 == 0 { 0 } else { nanoseconds / (1 << 51) + 1 };
        prop_assert!((read - nanoseconds).abs() <= error, "{nanoseconds} {read}");
    }

    #[test]
    fn batches_are_in_order_with_the_smallest_of_each_moment(points in points()) {
        let batch = Batch::new(points.iter().copied()).unwrap();
        prop_assert!(batch.points().timestamps().is_sorted_by(|a, b| a < b));
        let mut smallest: BTreeMap<i64, f64> = BTreeMap::new();
        for (timestamp, value) in points {
            let kept = smallest.entry(timestamp).or_insert(f64::NAN);
            if value < *kept || kept.is_nan() {
                *kept = value;
            }
        }
        let expected: Series = smallest.into_iter().collect();
        prop_assert_eq!(batch.points().timestamps(), expected.points().timestamps());
        for (ours, expected) in batch.points().values().iter().zip(expected.points().values()) {
            prop_assert!(ours == expected || (ours.is_nan() && expected.is_nan()));
        }
    }

    #[test]
    fn merging_is_what_a_map_does(old in points(), new in points()) {
        let mut merged: Series = Series::new();
        let mut map = BTreeMap::new();
        for points in [old, new] {
            let batch = Batch::new(points).unwrap();
            merged.merge(batch.points());
            map.extend(batch.points().iter());
        }
        let expected: Series = map.into_iter().collect();
        prop_assert!(same(merged.points(), expected.points()));
    }

    #[test]
    fn groups_are_those_of_each_timestamp(points in points(), grouping in grouping()) {
        let batch = Batch::new(points).unwrap();
        let grouped = Grouped::new(batch.points(), grouping);
        let mut groups: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (timestamp, value) in batch.points().iter() {
            groups.entry(grouping.start(timestamp)).or_default().push(value);
        }
        prop_assert!(groups.keys().eq(grouped.starts()));
        for statistic in [Statistic::Mean, Statistic::Sum, Statistic::Min, Statistic::Max, Statistic::Count,
            Statistic::First, Statistic::Last] {
            let expected: Series = groups
                .iter()
                .map(|(start, values)| (*start, Totals::of(values).unwrap().get(statistic).unwrap()))
                .collect();
            let aggregated = grouped.aggregate(Method::plain(statistic));
            prop_assert!(same(aggregated.points(), expected.points()), "{statistic}");
        }
    }

    #[test]
    fn every_method_has_at_most_a_value_for_each_group(points in points(), grouping in grouping()) {
        let batch = Batch::new(points).unwrap();
        let grouped = Grouped::new(batch.points(), grouping);
        for method in Method::all() {
            let aggregated = grouped.aggregate(method);
            prop_assert!(aggregated.points().timestamps().iter().all(|start| grouped.starts().contains(start)));
        }
    }

    #[test]
    fn a_buffer_keeps_what_its_blocks_hold(
        batches in prop::collection::vec(points(), 1..5),
        block in 1..200_000_000_000_i64,
        blocks_back in 0..5_u64,
    ) {
        let retention = Retention { block, blocks_back };
        let mut buffer = RawBuffer::new();
        for points in batches {
            let batch = Batch::new(points).unwrap();
            let newest = buffer.points().timestamps().last().copied();
            let oldest = newest.map(|newest| retention.oldest(newest));
            let merged = buffer.merge(&batch, retention);
            prop_assert_eq!(merged.is_none(), batch.points().is_empty());
            for (timestamp, value) in batch.points().iter() {
                let found = buffer.points().timestamps().binary_search(&timestamp);
                if oldest.is_none_or(|oldest| timestamp >= oldest) {
                    prop_assert_eq!(buffer.points().values()[found.unwrap()].to_bits(), value.to_bits());
                }
            }
            buffer.truncate(retention);
            let kept = buffer.points().timestamps();
            prop_assert!(kept.first().is_none_or(|first| *first >= retention.oldest(*kept.last().unwrap())));
        }
    }
}
