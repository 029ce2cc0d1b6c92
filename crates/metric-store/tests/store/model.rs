//! What the store must hold, kept in the plainest way.

use std::collections::BTreeMap;

use archive::time::SECOND;
use archive::{AggregatedSeries, ArchivePolicy, Batch, Definition, Method, MethodSet, RawBuffer, Statistic};
use nephoscope_metric_store::{Measures, MetricId, PolicyNumber, ReadError, Store};

const METRICS: u8 = 5;

/// Policies with short and long back windows, `rate:` methods, timespans that end soon, and granularities of which one
/// is no multiple of the other.
pub(crate) fn policies() -> Vec<ArchivePolicy> {
    let seconds =
        |granularity: i64, points| Definition::new(Some(granularity * SECOND), points, None).unwrap();
    let mut with_rates = ArchivePolicy::default_methods();
    with_rates.insert(Method::rate(Statistic::Mean));
    with_rates.insert(Method::rate(Statistic::Std));
    let few: MethodSet =
        [Method::plain(Statistic::Median), Method::plain(Statistic::Last)].into_iter().collect();
    vec![
        ArchivePolicy::new("default", 0, vec![seconds(60, Some(500))], ArchivePolicy::default_methods())
            .unwrap(),
        ArchivePolicy::new("rates", 1, vec![seconds(10, Some(7)), seconds(60, None)], with_rates).unwrap(),
        ArchivePolicy::new("uneven", 2, vec![seconds(7, Some(40)), seconds(60, Some(3))], few).unwrap(),
    ]
}

pub(crate) fn metric(random: &mut fastrand::Rng) -> MetricId {
    MetricId([random.u8(0..METRICS); 16])
}

#[derive(Debug, Clone)]
struct Held {
    policy: PolicyNumber,
    raw: RawBuffer,
    series: Vec<AggregatedSeries>,
}

/// Every aggregate as a series of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    policies: BTreeMap<PolicyNumber, ArchivePolicy>,
    metrics: BTreeMap<MetricId, Held>,
}

impl Model {
    pub(crate) fn put_policy(&mut self, number: PolicyNumber, policy: ArchivePolicy) {
        self.policies.insert(number, policy);
    }

    pub(crate) fn remove(&mut self, metric: MetricId) {
        self.metrics.remove(&metric);
    }

    /// A request at some step of a test: mostly what comes next, but also late, repeated and strange points.
    pub(crate) fn request(&self, random: &mut fastrand::Rng, step: i64) -> Vec<Measures> {
        let numbers: Vec<PolicyNumber> = self.policies.keys().copied().collect();
        let measures = |random: &mut fastrand::Rng| {
            let metric = metric(random);
            // The same policy each time, unless the metric was removed.
            let policy = numbers[usize::from(metric.0[0]) % numbers.len()];
            let points = (0..random.i64(0..8)).map(|place| {
                let seconds = match random.u32(0..10) {
                    0 => (step * 13 - random.i64(0..400)).max(0),
                    _ => step * 13 + place * 3,
                };
                let value = match random.u32(0..20) {
                    0 => f64::NAN,
                    1 => -0.0,
                    2 => f64::from(random.u32(..)) * -1e290,
                    3..=9 => f64::from(random.u32(0..10_000)) / 100.0,
                    _ => f64::from(random.u16(0..3)),
                };
                (seconds * SECOND + random.i64(0..2) * 500, value)
            });
            let points: Vec<(i64, f64)> = points.collect();
            Measures { metric, policy, batch: Batch::new(points).unwrap() }
        };
        (0..random.usize(1..4)).map(|_| measures(random)).collect()
    }

    pub(crate) fn write(&mut self, request: &[Measures]) -> usize {
        let mut late = 0;
        for Measures { metric, policy, batch } in request {
            if batch.points().is_empty() {
                continue;
            }
            let new = Held { policy: *policy, raw: RawBuffer::new(), series: Vec::new() };
            let held = self.metrics.entry(*metric).or_insert(new);
            let Some(policy) = self.policies.get(&held.policy) else { continue };
            let series = &mut held.series;
            let merged = held.raw.apply(batch, policy, |aggregation, computed| {
                let place = series.iter().position(|kept| kept.aggregation() == aggregation);
                let place = place.unwrap_or_else(|| {
                    series.push(AggregatedSeries::new(*aggregation));
                    series.len() - 1
                });
                series[place].merge(computed.points());
            });
            late += merged.map_or(0, |merged| merged.late);
        }
        late
    }

    /// Whether the store holds just this.
    pub(crate) fn differs(&self, store: &Store) -> Option<String> {
        for byte in 0..METRICS {
            let metric = MetricId([byte; 16]);
            let Some(held) = self.metrics.get(&metric) else {
                let found = store.measures(metric, Method::plain(Statistic::Last), SECOND, None, None);
                if found != Err(ReadError::UnknownMetric { metric }) {
                    return Some(format!("{metric:?} is there"));
                }
                continue;
            };
            let policy = &self.policies[&held.policy];
            for (definition, method) in policy
                .definition()
                .iter()
                .flat_map(|item| policy.methods().iter().map(move |method| (item, method)))
            {
                let granularity = definition.granularity();
                let aggregation = policy.aggregation(method, granularity).unwrap();
                let expected = held.series.iter().find(|kept| *kept.aggregation() == aggregation);
                let empty = AggregatedSeries::new(aggregation);
                let expected = bits(expected.unwrap_or(&empty));
                let found = store.aggregated(metric, method, granularity);
                let found = found.as_ref().map(bits);
                if found.as_ref() != Ok(&expected) {
                    return Some(format!(
                        "{metric:?} {method} at {granularity}: {found:?}, not {expected:?}"
                    ));
                }
            }
        }
        None
    }

    pub(crate) fn check(&self, store: &Store) {
        if let Some(difference) = self.differs(store) {
            panic!("{difference}");
        }
    }
}

fn bits(series: &AggregatedSeries) -> Vec<(i64, u64)> {
    series.points().iter().map(|(timestamp, value)| (timestamp, value.to_bits())).collect()
}
