//! Bytes that nobody wrote: every format is read or refused, whatever stands there, and what it reads is bounded.
//!
//! Checksums keep damaged bytes from the decoders. These tests are for what comes past a checksum: a copy of another version,
//! somebody's edit, a collision.

use archive::{ArchivePolicy, Batch, Definition, Method, MethodSet, Series};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bytes::Reader;
use crate::columns::Columns;
use crate::record::{Change, Measures};
use crate::rows::Rows;
use crate::{MetricId, PolicyNumber, chunk, codec, frame, raw_points, state};

const MINUTE: i64 = 60_000_000_000;
/// Rows of a chunk at most, as `docs/metric-store.md` says.
const MAX_ROWS: usize = 65_536;

fn values() -> impl Strategy<Value = Vec<f64>> {
    let one = prop_oneof![
        3 => (0_u32..50).prop_map(f64::from),
        1 => (0_u32..100_000).prop_map(|number| f64::from(number) / 100.0),
        1 => any::<f64>(),
        1 => Just(f64::NAN),
    ];
    vec(one, 1..40)
}

/// Series of some methods over the same minutes, some without some of them.
fn series() -> impl Strategy<Value = Vec<(Method, Series)>> {
    let column = (0..Method::COUNT, values(), any::<u64>());
    vec(column, 1..6).prop_map(|columns| {
        let mut all: Vec<(Method, Series)> = Vec::new();
        for (index, values, holes) in columns {
            let method = u8::try_from(index).ok().and_then(Method::from_index);
            let Some(method) = method.filter(|method| all.iter().all(|(known, _)| known != method)) else {
                continue;
            };
            let points = (0..).zip(values).filter(|(row, _)| holes >> (row % 64) & 1 == 1);
            all.push((method, points.map(|(row, value)| (row * MINUTE, value)).collect()));
        }
        all
    })
}

/// What is done to bytes: places, and what stands there then; and where they end.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool)> {
    (vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), any::<prop::sample::Index>(), any::<bool>())
}

fn damaged(
    mut bytes: Vec<u8>,
    damage: &(Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool),
) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    for (place, byte) in &damage.0 {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    if damage.2 {
        bytes.truncate(damage.1.index(bytes.len()));
    }
    bytes
}

fn bits(series: &[(Method, Series)]) -> Vec<(Method, Vec<(i64, u64)>)> {
    let mut all: Vec<_> = series.iter().filter(|(_, series)| !series.is_empty()).collect();
    all.sort_by_key(|(method, _)| method.index());
    all.iter()
        .map(|(method, series)| {
            (*method, series.points().iter().map(|(at, value)| (at, value.to_bits())).collect())
        })
        .collect()
}

fn read_chunk(bytes: &[u8]) {
    for granularity in [1, MINUTE] {
        for series in chunk::decode(granularity, bytes, None).into_iter().flatten() {
            assert!(series.1.points().len() <= MAX_ROWS);
        }
        let _ = chunk::decode(granularity, bytes, Some(Method::from_index(0).unwrap()));
    }
}

fn policy() -> ArchivePolicy {
    let definition = Definition::new(Some(MINUTE), Some(100), None).unwrap();
    ArchivePolicy::new("p", 1, vec![definition], ArchivePolicy::default_methods()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn chunks_come_back_and_damaged_ones_are_read_or_refused(series in series(), damage in damage()) {
        let borrowed: Vec<(Method, &Series)> = series.iter().map(|(method, series)| (*method, series)).collect();
        let mut bytes = Vec::new();
        if chunk::encode(MINUTE, &borrowed, &mut bytes).is_some() {
            let read = chunk::decode(MINUTE, &bytes, None);
            prop_assert_eq!(read.map(|read| bits(&read)), Some(bits(&series)));
        }
        read_chunk(&damaged(bytes, &damage));
    }

    #[test]
    fn any_bytes_are_a_chunk_or_none(bytes in vec(any::<u8>(), 0..60), small in vec(0_u8..8, 0..60)) {
        read_chunk(&bytes);
        read_chunk(&small);
    }

    #[test]
    fn columns_come_back_and_damaged_ones_are_read_or_refused(values in values(), damage in damage(), count in 0..80_usize) {
        let mut bytes = Vec::new();
        codec::encode(&values, &mut bytes);
        let read = codec::read(&mut Reader::new(&bytes), values.len()).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&read), bits(&values));
        let damaged = damaged(bytes, &damage);
        if let Some(read) = codec::read(&mut Reader::new(&damaged), count) {
            prop_assert_eq!(read.len(), count);
        }
    }

    #[test]
    fn rows_and_raw_points_are_read_or_refused(bytes in vec(any::<u8>(), 0..60), count in 0..70_usize) {
        for methods in [MethodSet::all(), ArchivePolicy::default_methods()] {
            let columns = Columns::new(&methods);
            if let Some(rows) = Rows::read(&bytes, count, &columns, MINUTE) {
                prop_assert_eq!(rows.unpacked(&columns, MINUTE).len(), columns.len());
            }
        }
        if let Some(points) = raw_points::read(&mut Reader::new(&bytes)) {
            let timestamps = points.points().timestamps();
            prop_assert!(timestamps.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn records_come_back_and_damaged_ones_are_read_or_refused(
        values in values(), series in series(), damage in damage(), bytes in vec(any::<u8>(), 0..60),
    ) {
        let batch = Batch::new((0..).zip(&values).map(|(row, value)| (row * MINUTE, *value))).unwrap();
        let id = MetricId([7; 16]);
        let number = PolicyNumber(3);
        let aggregates = series.into_iter().filter(|(_, series)| !series.is_empty()).map(|series| {
            crate::Aggregates { metric: id, policy: number, granularity: MINUTE, series: vec![series] }
        });
        for change in [
            Change::Policy(number, policy()),
            Change::Measures(vec![Measures { metric: id, policy: number, batch }]),
            Change::Removal(vec![id, MetricId([0; 16])]),
            Change::Aggregates(aggregates.collect()),
        ] {
            let written = change.encode();
            // NaN is not equal to itself; its bytes are.
            prop_assert_eq!(Change::decode(&written).map(|read| read.encode()), Some(written.clone()));
            let _ = Change::decode(&damaged(written, &damage));
        }
        let _ = Change::decode(&bytes);
    }

    #[test]
    fn states_are_read_or_refused(bodies in vec((vec(any::<u8>(), 0..80), any::<bool>()), 0..4), damage in damage()) {
        let mut whole = Vec::new();
        state::put_head(&mut whole, 7, 1_234, &[(PolicyNumber(0), std::sync::Arc::new(crate::policies::Policy::new(policy())))]);
        for (body, is_metric) in &bodies {
            let mut named = vec![9_u8; 16];
            named.push(0);
            named.extend_from_slice(body);
            frame::put(&mut whole, [0xf5, b'M', b'E', b'T'], if *is_metric { &named } else { body });
        }
        let read = state::read(&whole).unwrap();
        prop_assert_eq!(read.sequence, 1_234);
        prop_assert!(read.metrics.len() <= bodies.len());
        let _ = state::read(&damaged(whole, &damage));
    }

    #[test]
    fn raw_points_come_back(values in values(), steps in vec(1_i64..1_000, 40)) {
        let mut at = 0;
        let points = values.iter().zip(&steps).map(|(value, step)| {
            at += if *step > 500 { MINUTE } else { *step };
            (at, *value)
        });
        let batch = Batch::new(points.collect::<Vec<_>>()).unwrap();
        let mut bytes = Vec::new();
        raw_points::put(&mut bytes, batch.points());
        let read = raw_points::read(&mut Reader::new(&bytes)).unwrap();
        let bits = |points: archive::Points<'_>| -> Vec<(i64, u64)> {
            points.iter().map(|(at, value)| (at, value.to_bits())).collect()
        };
        prop_assert_eq!(bits(read.points()), bits(batch.points()));
    }
}
