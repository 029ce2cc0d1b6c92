use archive::time::SECOND;
use archive::{ArchivePolicy, Grouped, Grouping, MethodSet};

use super::*;

fn aggregated(methods: &MethodSet, granularity: i64, raw: &Series) -> Vec<(Method, Series)> {
    let grouped = Grouped::new(raw.points(), Grouping::Fixed(granularity));
    methods.iter().map(|method| (method, grouped.aggregate(method))).collect()
}

/// Encodes, compares what comes back, and says how many bytes it took.
fn check(granularity: i64, series: &[(Method, Series)]) -> usize {
    let borrowed: Vec<(Method, &Series)> = series.iter().map(|(method, series)| (*method, series)).collect();
    let mut bytes = Vec::new();
    encode(granularity, &borrowed, &mut bytes).unwrap();
    let decoded = decode(granularity, &bytes, None).unwrap();
    for (method, series) in series {
        let found = decoded.iter().find(|(other, _)| other == method).map(|(_, series)| series).unwrap();
        let bits = |series: &Series| -> Vec<(i64, u64)> {
            series.points().iter().map(|(start, value)| (start, value.to_bits())).collect()
        };
        assert_eq!(bits(found), bits(series), "{method}");
        let alone = decode(granularity, &bytes, Some(*method)).unwrap();
        assert_eq!(
            alone.iter().map(|(method, series)| (*method, bits(series))).collect::<Vec<_>>(),
            [(*method, bits(series))]
        );
    }
    for end in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
        assert!(decode(granularity, &bytes[..end], None).is_none(), "{end} of {}", bytes.len());
    }
    bytes.len()
}

/// A kind of meter, the bytes that a measure may take, and its values.
type Meter = (&'static str, f64, Box<dyn FnMut() -> f64>);

#[test]
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn bytes_a_raw_measure_with_all_default_aggregates() {
    const POINTS: i64 = 1_000;
    let mut random = fastrand::Rng::with_seed(1);
    let mut counter = 0.0;
    let mut meters: Vec<Meter> = Vec::new();
    meters.push(("constant", 0.5, Box::new(|| 4_096.0)));
    meters.push(("gauge", 2.5, Box::new(move || f64::from(random.u32(0..10_000)) / 100.0)));
    let mut random = fastrand::Rng::with_seed(2);
    meters.push((
        "counter",
        5.0,
        Box::new(move || {
            counter += f64::from(random.u32(0..600_000_000)) * 7.0;
            counter
        }),
    ));
    let mut methods = ArchivePolicy::default_methods();
    methods.insert(Method::rate(Statistic::Mean));
    for (kind, most, mut value) in meters {
        let raw: Series = (0..POINTS).map(|point| (point * 60 * SECOND, value())).collect();
        let fine = check(60 * SECOND, &aggregated(&methods, 60 * SECOND, &raw));
        let coarse = check(3_600 * SECOND, &aggregated(&methods, 3_600 * SECOND, &raw));
        let found = (fine + coarse) as f64 / POINTS as f64;
        assert!(found <= most, "{kind}: {found} ({fine} + {coarse} bytes)");
    }
}

#[test]
fn any_series_come_back() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..60 {
        let mut time = 0;
        let raw: Series = (0..random.i64(1..300))
            .map(|_| {
                time += random.i64(1..40) * SECOND * random.i64(1..3);
                let value = match random.u32(0..20) {
                    0 => f64::NAN,
                    1 => random.f64() * -1e200,
                    _ => f64::from(random.u32(0..100)),
                };
                (time, value)
            })
            .collect();
        let mut series = aggregated(&MethodSet::all(), 30 * SECOND, &raw);
        random.shuffle(&mut series);
        series.truncate(random.usize(1..20));
        if series.iter().any(|(_, series)| !series.is_empty()) {
            check(30 * SECOND, &series);
        }
    }
}

#[test]
fn starts_off_the_grid_come_back() {
    let series: Series =
        [(0, 1.0), (7, 2.0), (20, 3.0), (30, 4.0), (37, 4.0), (44, 5.0)].into_iter().collect();
    check(10, &[(Method::plain(Statistic::Last), series)]);
}
