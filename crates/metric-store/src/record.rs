//! What stands in the log: changes of the store, in the order in which they were accepted.
//!
//! Numbers are of variable length ([`crate::bytes`]) but where a size is given.
//!
//! ```text
//! record      kind (1 byte), then
//!   1 policy    number, length of the name, name, back window, count of definitions,
//!               for each: granularity (ns), points + 1 or 0 for without bound;
//!               count of methods, their indices (1 byte each)
//!   2 measures  count of metrics, for each: id (16 bytes), policy's number, count of points n,
//!               first timestamp (ns), n - 1 distances to the timestamp before, n values (8 bytes)
//!   3 removal   count of metrics, their ids (16 bytes)
//!   4 aggregates count, for each: id (16 bytes), policy's number, granularity (ns), length of the chunk, the chunk
//!               (crate::chunk)
//! ```

use archive::{ArchivePolicy, Batch, Definition, Method, MethodSet, Series};

use crate::bytes::{Reader, put_count, put_number};
use crate::{MetricId, PolicyNumber, chunk};

const POLICY: u8 = 1;
const MEASURES: u8 = 2;
const REMOVAL: u8 = 3;
const AGGREGATES: u8 = 4;

/// New points of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measures {
    pub(crate) metric: MetricId,
    pub(crate) policy: PolicyNumber,
    pub(crate) batch: Batch,
}

/// Aggregates of one metric at one granularity that were computed elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregates {
    /// The metric; one that the store does not know begins with this.
    pub metric: MetricId,
    /// Its archive policy. A metric that is there keeps the one that it began with.
    pub policy: PolicyNumber,
    /// The granularity, in nanoseconds.
    pub granularity: i64,
    /// A series for each method.
    pub series: Vec<(Method, Series)>,
}

/// Something that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Policy(PolicyNumber, ArchivePolicy),
    Measures(Vec<Measures>),
    Removal(Vec<MetricId>),
    Aggregates(Vec<Aggregates>),
}

impl Change {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Policy(number, policy) => {
                bytes.push(POLICY);
                put_policy(&mut bytes, *number, policy);
            }
            Self::Measures(all) => {
                bytes.push(MEASURES);
                put_count(&mut bytes, all.len());
                for measures in all {
                    bytes.extend_from_slice(&measures.metric.0);
                    put_number(&mut bytes, u64::from(measures.policy.0));
                    put_points(&mut bytes, measures.batch.points());
                }
            }
            Self::Aggregates(all) => {
                bytes.push(AGGREGATES);
                put_count(&mut bytes, all.len());
                for aggregates in all {
                    bytes.extend_from_slice(&aggregates.metric.0);
                    put_number(&mut bytes, u64::from(aggregates.policy.0));
                    put_number(&mut bytes, aggregates.granularity.cast_unsigned());
                    let series: Vec<(Method, &Series)> =
                        aggregates.series.iter().map(|(method, series)| (*method, series)).collect();
                    let mut encoded = Vec::new();
                    // Imports come in pieces that a chunk holds; one without a point has no bytes, and is no record.
                    let _ = chunk::encode(aggregates.granularity, &series, &mut encoded);
                    put_count(&mut bytes, encoded.len());
                    bytes.extend_from_slice(&encoded);
                }
            }
            Self::Removal(metrics) => {
                bytes.push(REMOVAL);
                put_count(&mut bytes, metrics.len());
                for metric in metrics {
                    bytes.extend_from_slice(&metric.0);
                }
            }
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let change = match reader.byte()? {
            POLICY => {
                let (number, policy) = policy(&mut reader)?;
                Self::Policy(number, policy)
            }
            MEASURES => {
                let count = reader.count()?;
                Self::Measures((0..count).map(|_| measures(&mut reader)).collect::<Option<_>>()?)
            }
            AGGREGATES => {
                let count = reader.count()?;
                Self::Aggregates((0..count).map(|_| aggregates(&mut reader)).collect::<Option<_>>()?)
            }
            REMOVAL => {
                let count = reader.count()?;
                Self::Removal((0..count).map(|_| reader.array().map(MetricId)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        reader.is_empty().then_some(change)
    }
}

fn measures(reader: &mut Reader<'_>) -> Option<Measures> {
    let metric = MetricId(reader.array()?);
    let policy = PolicyNumber(u32::try_from(reader.number()?).ok()?);
    let batch = Batch::new(points(reader)?.points().iter()).ok()?;
    Some(Measures { metric, policy, batch })
}

fn aggregates(reader: &mut Reader<'_>) -> Option<Aggregates> {
    let metric = MetricId(reader.array()?);
    let policy = PolicyNumber(u32::try_from(reader.number()?).ok()?);
    let granularity = i64::try_from(reader.number()?).ok().filter(|granularity| *granularity > 0)?;
    let length = reader.count()?;
    let series = chunk::decode(granularity, reader.take(length)?, None)?;
    Some(Aggregates { metric, policy, granularity, series })
}

/// Appends points in the order of time.
pub(crate) fn put_points(bytes: &mut Vec<u8>, points: archive::Points<'_>) {
    put_count(bytes, points.len());
    let mut before = 0_i64;
    for timestamp in points.timestamps() {
        put_number(bytes, timestamp.wrapping_sub(before).cast_unsigned());
        before = *timestamp;
    }
    for value in points.values() {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
}

/// Reads what [`put_points`] wrote.
pub(crate) fn points(reader: &mut Reader<'_>) -> Option<Series> {
    let count = reader.count()?;
    let mut timestamps = Vec::with_capacity(count);
    let mut before = 0_i64;
    for _ in 0..count {
        let timestamp = before.wrapping_add(reader.number()?.cast_signed());
        if timestamps.last().is_some_and(|last| *last >= timestamp) {
            return None;
        }
        timestamps.push(timestamp);
        before = timestamp;
    }
    let values = (0..count).map(|_| reader.double()).collect::<Option<Vec<f64>>>()?;
    Some(Series::from_columns(timestamps, values))
}

/// Appends a policy.
pub(crate) fn put_policy(bytes: &mut Vec<u8>, number: PolicyNumber, policy: &ArchivePolicy) {
    put_number(bytes, u64::from(number.0));
    put_count(bytes, policy.name().len());
    bytes.extend_from_slice(policy.name().as_bytes());
    put_number(bytes, policy.back_window());
    put_count(bytes, policy.definition().len());
    for definition in policy.definition() {
        put_number(bytes, definition.granularity().cast_unsigned());
        put_number(bytes, definition.points().map_or(0, |points| points.saturating_add(1)));
    }
    put_count(bytes, policy.methods().len());
    bytes.extend(policy.methods().iter().map(Method::index));
}

/// Reads what [`put_policy`] wrote.
pub(crate) fn policy(reader: &mut Reader<'_>) -> Option<(PolicyNumber, ArchivePolicy)> {
    let number = PolicyNumber(u32::try_from(reader.number()?).ok()?);
    let length = reader.count()?;
    let name = std::str::from_utf8(reader.take(length)?).ok()?;
    let back_window = reader.number()?;
    let definitions = reader.count()?;
    let definition = (0..definitions).map(|_| {
        let granularity = reader.number()?.cast_signed();
        let points = reader.number()?.checked_sub(1);
        Definition::new(Some(granularity), points, None).ok()
    });
    let definition = definition.collect::<Option<Vec<_>>>()?;
    let count = reader.count()?;
    let methods = reader.take(count)?.iter().map(|index| Method::from_index(*index));
    let methods = methods.collect::<Option<MethodSet>>()?;
    Some((number, ArchivePolicy::new(name, back_window, definition, methods).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back() {
        let policies = ArchivePolicy::presets(MethodSet::all());
        let mut changes: Vec<Change> = (0..)
            .zip(policies)
            .map(|(number, policy)| Change::Policy(PolicyNumber(number), policy))
            .collect();
        let batch = |points: &[(i64, f64)]| Batch::new(points.iter().copied()).unwrap();
        changes.push(Change::Measures(vec![
            Measures { metric: MetricId([7; 16]), policy: PolicyNumber(3), batch: batch(&[]) },
            Measures {
                metric: MetricId([9; 16]),
                policy: PolicyNumber(u32::MAX),
                batch: batch(&[(0, -0.0), (5, 1e300), (archive::time::NEWEST, f64::INFINITY)]),
            },
        ]));
        changes.push(Change::Removal(vec![MetricId([1; 16]), MetricId([2; 16])]));
        let series = |points: &[(i64, f64)]| points.iter().copied().collect::<Series>();
        changes.push(Change::Aggregates(vec![Aggregates {
            metric: MetricId([3; 16]),
            policy: PolicyNumber(1),
            granularity: 60,
            series: vec![
                (Method::plain(archive::Statistic::Sum), series(&[(0, 1.0), (60, -0.0)])),
                (Method::plain(archive::Statistic::Std), series(&[(60, 7.5)])),
            ],
        }]));
        for change in changes {
            let bytes = change.encode();
            assert_eq!(Change::decode(&bytes).as_ref(), Some(&change));
            for end in 0..bytes.len() {
                assert_eq!(Change::decode(&bytes[..end]), None, "{end} of {}", bytes.len());
            }
        }
    }
}
