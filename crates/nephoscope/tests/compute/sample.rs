//! Samples of either agent in one form, and their comparison.

use std::collections::{BTreeMap, BTreeSet};

use model::{Value, json};

use crate::differences::Judge;

/// A polled sample, without what differs from one run to the next.
#[derive(Debug, Clone)]
pub(crate) struct Polled {
    pub(crate) meter: String,
    pub(crate) resource: String,
    /// Type, unit, owner and metadata, as JSON with keys in the order of the sample.
    pub(crate) description: String,
    pub(crate) volume: Value,
    /// Whether it says when it was read, by the agent's own clock. (Ceilometer's notification agent forgets it.)
    pub(crate) is_timed: bool,
}

impl Polled {
    /// A sample as it is on the message bus.
    pub(crate) fn of_bus(sample: &Value) -> Self {
        Self::new(sample, ["counter_name", "counter_type", "counter_unit", "counter_volume"])
    }

    /// A sample as the file publisher and `nephoscope poll --json` write it.
    pub(crate) fn of_file(sample: &Value) -> Self {
        Self::new(sample, ["name", "type", "unit", "volume"])
    }

    fn new(sample: &Value, [name, kind, unit, volume]: [&str; 4]) -> Self {
        let get = |key: &str| sample.get(key).unwrap_or_else(|| panic!("no {key}: {sample:?}")).clone();
        let text = |key: &str| get(key).as_str().unwrap().to_owned();
        let mut described = model::Map::default();
        for (key, name) in [
            ("type", kind),
            ("unit", unit),
            ("user", "user_id"),
            ("user_name", "user_name"),
            ("project", "project_id"),
            ("project_name", "project_name"),
            ("source", "source"),
            ("metadata", "resource_metadata"),
        ] {
            described.insert(key.to_owned(), get(name));
        }
        Self {
            meter: text(name),
            resource: text("resource_id"),
            description: json::to_string(&described.into()),
            volume: get(volume),
            is_timed: !get("monotonic_time").is_null(),
        }
    }

    pub(crate) fn number(&self) -> f64 {
        json::to_string(&self.volume).parse().unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// By meter and resource; panics if there are two of one.
fn by_key(samples: &[Polled]) -> BTreeMap<(&str, &str), &Polled> {
    let mut found = BTreeMap::new();
    for sample in samples {
        let earlier = found.insert((sample.meter.as_str(), sample.resource.as_str()), sample);
        assert!(earlier.is_none(), "two of {sample:?}");
    }
    found
}

/// Resident memory comes and goes; everything else only grows, or stays.
fn slack(meter: &str) -> f64 {
    if meter == "memory.resident" { 0.25 } else { 0.0 }
}

/// Compares what Ceilometer's agent said before and after with what ours said between.
pub(crate) fn compare(judge: &mut Judge, case: &str, before: &[Polled], ours: &[Polled], after: &[Polled]) {
    let (before, ours, after) = (by_key(before), by_key(ours), by_key(after));
    let keys: BTreeSet<_> = before.keys().chain(ours.keys()).collect();
    for key in keys {
        let (meter, resource) = *key;
        judge.compared += 1;
        match (before.get(key), ours.get(key)) {
            (Some(theirs), None) => {
                judge.differ(meter, case, "sample", "no sample", || format!("{theirs:?}"));
            }
            (None, Some(ours)) => {
                judge.differ(meter, case, "no sample", "sample", || format!("{ours:?}"));
            }
            (Some(theirs), Some(ours)) => {
                if (&theirs.description, theirs.is_timed) != (&ours.description, ours.is_timed) {
                    judge.differ(meter, case, "description", "description", || {
                        format!("{resource}\n  {}\n  {}", theirs.description, ours.description)
                    });
                }
                let later = after.get(key).unwrap_or_else(|| panic!("no longer: {theirs:?}"));
                let (first, own, last) = (theirs.number(), ours.number(), later.number());
                let give = first.abs() * slack(meter);
                if own < first.min(last) - give || own > first.max(last) + give {
                    judge.differ(meter, case, "value", "value", || {
                        format!("{resource}: {own} is not from {first} to {last}")
                    });
                }
                // 16.0 is not 16, for who reads the text.
                let kind = |sample: &Polled| json::to_string(&sample.volume).contains('.');
                if kind(theirs) != kind(ours) {
                    judge.differ(meter, case, "number", "number", || format!("{theirs:?} {ours:?}"));
                }
            }
            (None, None) => {}
        }
    }
}

/// The different meters of samples.
pub(crate) fn meters(samples: &[Polled]) -> BTreeSet<&str> {
    samples.iter().map(|sample| sample.meter.as_str()).collect()
}
