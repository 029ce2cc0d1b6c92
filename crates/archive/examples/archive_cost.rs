//! Prints what a point costs, in nanoseconds of CPU: `cargo run --release -p nephoscope-archive --example archive_cost`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measuring program"
)]

use std::hint::black_box;
use std::time::Duration;

use nephoscope_archive::operations::{Column, Gaps, Request, Term, evaluate, parse};
use nephoscope_archive::time::SECOND;
use nephoscope_archive::{
    AggregatedSeries, ArchivePolicy, Batch, Grouped, Grouping, Method, MethodSet, RawBuffer, Series,
};

/// A recent minute.
const BEGIN: i64 = 1_766_000_040 * SECOND;

/// How long each line is measured.
const PATIENCE: Duration = Duration::from_millis(300);

/// Runs until the patience ends, and prints the time by `items`.
fn measure(name: &str, items: usize, mut run: impl FnMut()) {
    let (start, mut rounds) = (used(), 0_usize);
    let spent = || used().saturating_sub(start);
    while spent() < PATIENCE {
        run();
        rounds += 1;
    }
    println!("{:>9.1} ns  {name}", spent().as_nanos() as f64 / (rounds * items) as f64);
}

/// The CPU time of this process, which other processes do not lengthen.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// A point every `step` seconds, like a percentage with two decimals.
fn points(count: i64, step: i64) -> Vec<(i64, f64)> {
    (0..count)
        .map(|index| (BEGIN + index * step * SECOND, ((index * 7_919) % 10_000) as f64 / 100.0))
        .collect()
}

fn main() {
    println!("a point of a batch of so many, 30 s apart, merged and aggregated in memory:");
    for policy in ArchivePolicy::presets(ArchivePolicy::default_methods()) {
        for size in [1, 60, 3_000] {
            let name = format!("policy {}, {size} a batch", policy.name());
            let batches: Vec<Batch> = points(12_000, 30)
                .chunks(size)
                .map(|points| Batch::new(points.iter().copied()).expect("in range"))
                .collect();
            measure(&name, 12_000, || {
                let mut buffer = RawBuffer::new();
                let mut kept: Vec<AggregatedSeries> = Vec::new();
                for batch in &batches {
                    buffer.apply(batch, &policy, |aggregation, computed| {
                        match kept.iter_mut().find(|series| series.aggregation() == aggregation) {
                            Some(series) => series.merge(computed.points()),
                            None => kept.push(AggregatedSeries::from_series(*aggregation, computed.clone())),
                        }
                    });
                }
                black_box((&buffer, &kept));
            });
        }
    }
    println!("a point of an hour with one a second, grouped by minutes:");
    let hour: Series = points(3_600, 1).into_iter().collect();
    let mut out = Series::new();
    for name in ["mean", "std", "last", "median", "95pct", "rate:mean"] {
        let method: Method = name.parse().expect("a method");
        measure(name, 3_600, || {
            Grouped::new(hour.points(), Grouping::Fixed(60 * SECOND)).aggregate_into(method, &mut out);
            black_box(&out);
        });
    }
    for (name, methods) in
        [("the default methods", ArchivePolicy::default_methods()), ("all methods", MethodSet::all())]
    {
        measure(name, 3_600, || {
            let grouped = Grouped::new(hour.points(), Grouping::Fixed(60 * SECOND));
            for method in methods.iter() {
                grouped.aggregate_into(method, &mut out);
                black_box(&out);
            }
        });
    }
    println!("a cell of 1 000 series with a day of minutes:");
    let day: Vec<Series> = (0..1_000).map(|_| points(1_440, 60).into_iter().collect()).collect();
    for reducer in ["mean", "std", "median", "max"] {
        let text = format!("(aggregate {reducer} (metric m mean))");
        let operation = parse(&Term::from_text(&text).expect("a text")).expect("an operation");
        let references = operation.references();
        let key = references.first().expect("a reference");
        let columns: Vec<Column<'_>> =
            day.iter().map(|series| Column { key, points: series.points() }).collect();
        let request =
            Request { operation: &operation, gaps: Gaps::Drop, start: None, stop: None, given_up: None };
        measure(&format!("aggregate {reducer}"), 1_440_000, || {
            black_box(evaluate(60 * SECOND, &columns, request).expect("a table"));
        });
    }
}
