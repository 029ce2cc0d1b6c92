use archive::time::SECOND;
use archive::{ArchivePolicy, Grouped, Grouping, Method, MethodSet, Statistic};

use super::*;

const MINUTE: i64 = 60 * SECOND;

fn bits(series: &[Series]) -> Vec<Vec<(i64, u64)>> {
    let bits = |series: &Series| series.points().iter().map(|(at, value)| (at, value.to_bits())).collect();
    series.iter().map(bits).collect()
}

/// Rows are what reading their bytes gives.
fn check_state(rows: &Rows, columns: &Columns, granularity: i64) {
    let again = Rows::read(rows.bytes(), rows.len(), columns, granularity).unwrap();
    assert_eq!((again.last(), again.len()), (rows.last(), rows.len()));
    assert_eq!(again.newest.len(), rows.newest.len());
    for (one, other) in again.newest.iter().zip(&rows.newest) {
        assert_eq!((one.form, one.before), (other.form, other.before));
    }
}

/// Parts at any row are the rows before it and the others, to which rows can be added.
fn check_parts(rows: &Rows, columns: &Columns, granularity: i64, series: &[Series]) {
    let mut starts: Vec<i64> =
        series.iter().flat_map(|series| series.points().timestamps().iter().copied()).collect();
    starts.sort_unstable();
    starts.dedup();
    for end in starts.iter().step_by(starts.len() / 5 + 1).copied().chain([i64::MIN, i64::MAX]) {
        let (older, mut newer) = rows.split(end, columns, granularity);
        let (mut before, mut after) = (series.to_vec(), series.to_vec());
        for (before, after) in before.iter_mut().zip(&mut after) {
            before.keep_between(None, Some(end));
            after.keep_between(Some(end), None);
        }
        assert_eq!(bits(&older), bits(&before));
        assert_eq!(newer.len(), starts.iter().filter(|start| **start >= end).count());
        if newer.len() > 0 {
            check_state(&newer, columns, granularity);
            assert_eq!(bits(&newer.unpacked(columns, granularity)), bits(&after));
        }
        if newer.last().is_none_or(|last| last < i64::MAX - granularity) {
            let next = newer.last().unwrap_or_default() + granularity;
            let cells = vec![Some(0.25); columns.len()];
            assert!(newer.push(next, &cells, columns, granularity));
            check_state(&newer, columns, granularity);
        }
    }
}

/// Packs, compares what comes back, and says how many bytes it took.
fn check(columns: &Columns, granularity: i64, series: &[Series]) -> usize {
    let rows = Rows::packed(series, columns, granularity);
    assert_eq!(bits(&rows.unpacked(columns, granularity)), bits(series));
    check_state(&rows, columns, granularity);
    check_parts(&rows, columns, granularity, series);
    for end in (0..rows.bytes().len()).step_by(rows.bytes().len() / 16 + 1) {
        assert!(Rows::read(&rows.bytes()[..end], rows.len(), columns, granularity).is_none(), "{end}");
    }
    rows.bytes().len()
}

fn aggregated(columns: &Columns, granularity: i64, raw: &Series) -> Vec<Series> {
    let grouped = Grouped::new(raw.points(), Grouping::Fixed(granularity));
    columns.methods().iter().map(|method| grouped.aggregate(*method)).collect()
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn bytes_a_row() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut counter = 0.0;
    let mut methods = ArchivePolicy::default_methods();
    methods.insert(Method::rate(Statistic::Mean));
    let columns = Columns::new(&methods);
    let constant: Series = (0..200).map(|row| (row * MINUTE, 4_096.0)).collect();
    let gauge: Series =
        (0..200).map(|row| (row * MINUTE, f64::from(random.u32(0..10_000)) / 100.0)).collect();
    let counters: Series = (0..200)
        .map(|row| {
            counter += f64::from(random.u32(0..600_000_000)) * 7.0;
            (row * MINUTE, counter)
        })
        .collect();
    let mantissas: Series = (0..200).map(|row| (row * MINUTE, random.f64())).collect();
    for (kind, raw, most) in [
        ("constant", constant, 1.2),
        ("gauge", gauge, 3.2),
        ("counter", counters, 6.2),
        ("mantissa", mantissas, 10.2),
    ] {
        let bytes = check(&columns, MINUTE, &aggregated(&columns, MINUTE, &raw));
        let found = bytes as f64 / 200.0;
        assert!(found <= most, "{kind}: {found}");
    }
}

#[test]
fn any_rows_come_back() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..80 {
        let methods: MethodSet = match random.u32(0..8) {
            0 => MethodSet::all(),
            _ => (0..random.usize(1..9)).filter_map(|_| Method::from_index(random.u8(0..216))).collect(),
        };
        let columns = Columns::new(&methods);
        let mut time = 0;
        let raw: Series = (0..random.i64(1..150))
            .map(|_| {
                time += random.i64(1..40) * SECOND * random.i64(1..3);
                let value = match random.u32(0..20) {
                    0 => f64::NAN,
                    1 => -0.0,
                    2 => random.f64() * -1e200,
                    3 => f64::from_bits(random.u64(..)),
                    4..10 => f64::from(random.u32(0..100)),
                    _ => f64::from(random.u32(0..1_000)) / 8.0,
                };
                (time, value)
            })
            .collect();
        check(&columns, 30 * SECOND, &aggregated(&columns, 30 * SECOND, &raw));
    }
}

#[test]
fn starts_off_the_grid_come_back_and_older_rows_are_refused() {
    let columns = Columns::new(&[Method::plain(Statistic::Last)].into_iter().collect());
    let series: Series = [(0, 1.0), (7, 2.0), (20, 3.0), (30, 4.0), (i64::MAX, 5.0)].into_iter().collect();
    check(&columns, 10, std::slice::from_ref(&series));
    let mut rows = Rows::packed(&[series], &columns, 10);
    assert!(!rows.push(20, &[Some(9.0)], &columns, 10));
    assert_eq!(rows.first(&columns, 10), Some(0));
    let (older, newer) = rows.split(20, &columns, 10);
    assert_eq!(older[0].points().values(), [1.0, 2.0]);
    assert_eq!(newer.unpacked(&columns, 10)[0].points().values(), [3.0, 4.0, 5.0]);
}

#[test]
fn what_are_no_rows_is_refused() {
    let mut random = fastrand::Rng::with_seed(3);
    let columns = Columns::new(&MethodSet::all());
    let few = Columns::new(&ArchivePolicy::default_methods());
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..) % 40).collect();
        for columns in [&columns, &few] {
            if let Some(rows) = Rows::read(&bytes, random.usize(0..5), columns, SECOND) {
                assert_eq!(rows.unpacked(columns, SECOND).len(), columns.len());
            }
        }
    }
}
