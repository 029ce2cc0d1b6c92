//! statsd: what datagrams say, and the measures that come of it. As `gnocchi-statsd` of Gnocchi 4.7 does it:
//!
//! ```text
//! datagram   lines, separated by LF
//! line       name ':' value '|' type [ '|' '@' rate ]
//! type       'g'   the last value until the next flush
//!            'ms'  the same
//!            'c'   the sum of value / rate until the next flush; only this one has a rate
//! ```
//!
//! The metric `NAME|TYPE` of one resource gets one measure at each flush, at the time at which the last value came; then all
//! begin anew. A gauge `+1` is 1, not one more: Gnocchi has no relative gauges.

use std::collections::{BTreeMap, HashMap};

use archive::Batch;
use metric_index::{Error, GENERIC, NewMetric, NewResource};
use model::pytext::float_of;
use observability::causes;
use uuid::Uuid;

use crate::{Metrics, Refusal};

/// Metrics of one flush at most; lines of further ones are dropped.
pub const MAX_STATSD_METRICS: usize = 100_000;
/// The longest name that the index takes, the type included.
const MAX_NAME: usize = 255;

causes! {
    /// Why something of a datagram was dropped.
    pub enum StatsdFault {
        /// The datagram is not UTF-8: all of it is dropped.
        Encoding => "encoding",
        /// The line has no type, or too many parts.
        Parts => "parts",
        /// The line has not exactly one colon before its type.
        Name => "name",
        /// The name is longer than a metric's can be.
        LongName => "long_name",
        /// The value is no number.
        Value => "value",
        /// The rate is no number, or zero, or stands where there must be none.
        Rate => "rate",
        /// There is no such type.
        Type => "type",
        /// There are too many metrics.
        Full => "full",
    }
}

/// One measure of a flush.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsdMeasure {
    /// The metric's name, the type included.
    pub name: String,
    /// When its last value came, in nanoseconds.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

/// What has come since the last flush.
#[derive(Debug, Default)]
pub struct Statsd {
    values: BTreeMap<String, (i64, f64)>,
}

/// The resource that all metrics are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdResource {
    /// Its id.
    pub id: Uuid,
    /// The creator of it, and of its metrics.
    pub creator: Option<String>,
    /// The archive policy of new metrics; by rule, when absent.
    pub archive_policy_name: Option<String>,
}

impl Statsd {
    /// Takes a datagram that came at `now` (nanoseconds); `fault` is told of what is dropped, with the line.
    ///
    /// A line that is none costs itself. Gnocchi drops the rest of the datagram behind most of them.
    pub fn take(&mut self, datagram: &[u8], now: i64, mut fault: impl FnMut(StatsdFault, &str)) {
        let Ok(text) = std::str::from_utf8(datagram) else {
            fault(StatsdFault::Encoding, "");
            return;
        };
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            if let Err(found) = self.line(line, now) {
                fault(found, line);
            }
        }
    }

    fn line(&mut self, line: &str, now: i64) -> Result<(), StatsdFault> {
        let parts: Vec<&str> = line.split('|').collect();
        let (named, kind, rate) = match parts[..] {
            [named, kind] => (named, kind, None),
            [named, kind, rate] => (named, kind, Some(rate)),
            _ => return Err(StatsdFault::Parts),
        };
        let rate = rate.map(|rate| {
            let mut characters = rate.chars();
            // Gnocchi does not look which character this is.
            characters.next();
            number(characters.as_str()).ok_or(StatsdFault::Rate)
        });
        let rate = rate.transpose()?;
        let (name, value) = named.split_once(':').ok_or(StatsdFault::Name)?;
        if value.contains(':') {
            return Err(StatsdFault::Name);
        }
        let value = number(value).ok_or(StatsdFault::Value)?;
        let is_counter = match (kind, rate) {
            ("c", _) => true,
            ("g" | "ms", None) => false,
            ("g" | "ms", Some(_)) => return Err(StatsdFault::Rate),
            _ => return Err(StatsdFault::Type),
        };
        let name = format!("{name}|{kind}");
        if name.len() > MAX_NAME && name.chars().count() > MAX_NAME {
            return Err(StatsdFault::LongName);
        }
        if !self.values.contains_key(&name) && self.values.len() >= MAX_STATSD_METRICS {
            return Err(StatsdFault::Full);
        }
        if is_counter {
            let rate = rate.unwrap_or(1.0);
            if rate == 0.0 {
                return Err(StatsdFault::Rate);
            }
            let sum = self.values.get(&name).map_or(0.0, |(_, sum)| *sum);
            self.values.insert(name, (now, sum + value * (1.0 / rate)));
        } else {
            self.values.insert(name, (now, value));
        }
        Ok(())
    }

    /// Takes what has come, and begins anew.
    pub fn flush(&mut self) -> Vec<StatsdMeasure> {
        let values = std::mem::take(&mut self.values).into_iter();
        values.map(|(name, (timestamp, value))| StatsdMeasure { name, timestamp, value }).collect()
    }
}

/// A number as Python reads it.
fn number(text: &str) -> Option<f64> {
    float_of(&text.into()).ok()
}

impl Metrics {
    /// Takes measures of a resource's metrics; makes the resource and metrics that are missing. Says which metrics could
    /// not be made, and why: their measures are dropped.
    ///
    /// # Errors
    /// None of the measures was taken; it may be tried again.
    pub async fn add_statsd(
        &self,
        resource: &StatsdResource,
        measures: &[StatsdMeasure],
    ) -> Result<Vec<(String, Refusal)>, Refusal> {
        let mut known = self.statsd_metrics(resource).await?;
        let mut refused = Vec::new();
        let mut points: HashMap<Uuid, Vec<(i64, f64)>> = HashMap::new();
        for measure in measures {
            let id = match known.get(&measure.name) {
                Some(id) => *id,
                None => match self.statsd_metric(resource, &measure.name).await {
                    Ok(id) => {
                        known.insert(measure.name.clone(), id);
                        id
                    }
                    Err(refusal) if refusal.kind == crate::Kind::Unavailable => return Err(refusal),
                    Err(refusal) => {
                        refused.push((measure.name.clone(), refusal));
                        continue;
                    }
                },
            };
            points.entry(id).or_default().push((measure.timestamp, measure.value));
        }
        let ids: Vec<Uuid> = points.keys().copied().collect();
        let mut batches = Vec::with_capacity(ids.len());
        for metric in self.index.metrics_by_id(&ids).await? {
            let points = points.remove(&metric.id).unwrap_or_default();
            let batch = Batch::new(points).map_err(|error| Refusal::invalid(error.to_string()))?;
            batches.push((metric, batch));
        }
        self.write_measures(batches).await?;
        Ok(refused)
    }

    /// The metrics that the resource has, by name; makes it if it is not there.
    async fn statsd_metrics(&self, resource: &StatsdResource) -> Result<HashMap<String, Uuid>, Refusal> {
        let Some(found) = self.index.resource(GENERIC, resource.id).await? else {
            let new =
                NewResource { creator: resource.creator.clone(), ..NewResource::new(GENERIC, resource.id) };
            return match self.index.create_resource(&new).await {
                Ok(_) | Err(Error::ResourceAlreadyExists(_)) => Ok(HashMap::new()),
                Err(error) => Err(error.into()),
            };
        };
        let metrics = found.metrics.into_iter();
        Ok(metrics.filter_map(|metric| Some((metric.name?, metric.id))).collect())
    }

    async fn statsd_metric(&self, resource: &StatsdResource, name: &str) -> Result<Uuid, Refusal> {
        let archive_policy_name = self.policy_name(resource.archive_policy_name.clone(), Some(name)).await?;
        let new = NewMetric {
            id: Uuid::new_v4(),
            creator: resource.creator.clone(),
            archive_policy_name,
            name: Some(name.to_owned()),
            unit: None,
            resource_id: Some(resource.id),
        };
        Ok(self.index.create_metric(&new).await?.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(datagrams: &[&[u8]]) -> (Vec<(String, i64, f64)>, Vec<StatsdFault>) {
        let (mut statsd, mut faults) = (Statsd::default(), Vec::new());
        for (now, datagram) in (1..).zip(datagrams) {
            statsd.take(datagram, now, |fault, _| faults.push(fault));
        }
        let measures = statsd.flush().into_iter();
        assert_eq!(statsd.flush(), []);
        (measures.map(|measure| (measure.name, measure.timestamp, measure.value)).collect(), faults)
    }

    #[test]
    fn counters_add_up_and_the_others_are_the_last() {
        let (measures, faults) =
            taken(&[b"a:1|c\na:2|c|@0.5\nb:3|g\nt:4|ms\n", b"a:1|c\nb:+7|g\n\nt: 5e0 |ms", b"a:-1|g"]);
        let expected = [("a|c", 2, 6.0), ("a|g", 3, -1.0), ("b|g", 2, 7.0), ("t|ms", 2, 5.0)];
        assert_eq!(measures, expected.map(|(name, time, value)| (name.to_owned(), time, value)));
        assert_eq!(faults, []);
    }

    #[test]
    fn what_is_wrong_costs_its_line_alone() {
        use StatsdFault::{Encoding, LongName, Name, Parts, Rate, Type, Value};
        let long = format!("{}:1|c", "n".repeat(254));
        for (line, fault) in [
            ("a", Parts),
            ("a:1|c|@1|x", Parts),
            ("a|c", Name),
            ("a:1:2|c", Name),
            ("a:x|c", Value),
            ("a:|c", Value),
            ("a:1|s", Type),
            ("a:1|c\r", Type),
            ("a:1|c|@0", Rate),
            ("a:1|c|", Rate),
            ("a:1|g|@1", Rate),
            (&long, LongName),
        ] {
            let datagram = format!("{line}\nok:1|c");
            let (measures, faults) = taken(&[datagram.as_bytes()]);
            assert_eq!((measures.len(), faults), (1, vec![fault]), "{line}");
        }
        assert_eq!(taken(&[b"a:1|c\n\xff"]), (vec![], vec![Encoding]));
    }

    #[test]
    fn no_flood_of_names_takes_all_memory() {
        let mut statsd = Statsd::default();
        let mut faults = 0;
        for number in 0..=MAX_STATSD_METRICS {
            statsd.take(format!("{number}:1|c").as_bytes(), 1, |fault, _| {
                assert_eq!(fault, StatsdFault::Full);
                faults += 1;
            });
        }
        statsd.take(b"0:1|c", 2, |_, _| faults += 1);
        assert_eq!((faults, statsd.flush().len()), (1, MAX_STATSD_METRICS));
    }
}
