//! [`Batch`]: samples as Gnocchi gets them: measures in order, and the resources that they belong to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use definitions::ResourceDefinitions;
use model::pytext::{self, float_of};
use model::{Map, Sample, Timestamp, Value, json};

use super::client::Rejection;
use super::embedded::{MetricMeasures, ResourceMeasures};

/// How long a unit may be; Gnocchi fails on longer ones.
const UNIT_CHARACTERS: usize = 31;
/// A resource's own samples of this type carry Gnocchi's project as the resource.
const SWIFT_ACCOUNT: &str = "swift_account";
/// Nanoseconds since 1970 must fit 64 bits: 2262-04-11.
const LATEST_MICROSECONDS: i64 = i64::MAX / 1_000;

/// One measure, with everything that its metric needs to be created.
#[derive(Debug, Clone)]
pub(super) struct Entry<'s> {
    pub(super) resource: Arc<str>,
    pub(super) metric: &'s Arc<str>,
    policy: Option<&'s Arc<str>>,
    unit: &'s Value,
    time: Timestamp,
    value: Value,
    /// Its sample's place in what was offered.
    pub(super) place: usize,
}

/// What is known of a resource by the samples of a batch.
#[derive(Debug, Clone)]
pub(super) struct Resource<'s> {
    pub(super) kind: &'s Arc<str>,
    user: &'s Value,
    /// The project and the other attributes: of equal ones the last sample's.
    pub(super) attributes: Map,
}

/// Measures sorted by resource and metric, so that every part of them is a request of its own.
#[derive(Debug, Default)]
pub(super) struct Batch<'s> {
    pub(super) entries: Vec<Entry<'s>>,
    pub(super) resources: BTreeMap<Arc<str>, Resource<'s>>,
}

/// A sample of which Gnocchi gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// No resource type has its meter.
    UnknownMetric,
    /// It is of Gnocchi's own project.
    Filtered,
    /// Gnocchi could never take it.
    Refused {
        /// The label for counters and dead letters.
        cause: &'static str,
        /// What is wrong with which value.
        reason: String,
    },
}

impl<'s> Batch<'s> {
    /// Adds a sample. The last one added decides over its resource's attributes, the first one over its type and user.
    ///
    /// # Errors
    /// [`Unfit`]; the batch is as before.
    pub(super) fn add(
        &mut self,
        definitions: &'s ResourceDefinitions,
        filter: Option<&str>,
        sample: &'s Sample,
        place: usize,
    ) -> Result<(), Unfit> {
        if let Some(project) = filter
            && is_of(definitions, sample, project)
        {
            return Err(Unfit::Filtered);
        }
        let measure = definitions.sample(sample).map_err(|unmapped| match unmapped {
            definitions::Unmapped::Metric { .. } => Unfit::UnknownMetric,
            other => Unfit::Refused { cause: other.label(), reason: other.to_string() },
        })?;
        let time = time(sample)?;
        let value = value(measure.volume)?;
        let resource: Arc<str> = measure.resource_id.as_str().into();
        let extra = measure.to_extra();
        if let Some(known) = self.resources.get_mut(&resource) {
            for (name, value) in extra.iter() {
                known.attributes.insert(name, value.clone());
            }
        } else {
            let known = Resource { kind: measure.resource_type, user: measure.user_id, attributes: extra };
            self.resources.insert(Arc::clone(&resource), known);
        }
        let (metric, policy, unit) = (measure.metric, measure.archive_policy, measure.unit);
        self.entries.push(Entry { resource, metric, policy, unit, time, value, place });
        Ok(())
    }

    /// Brings the measures into the order in which they are sent.
    pub(super) fn sort(&mut self) {
        // Stable: measures of a metric stay in the order in which they came.
        self.entries.sort_by(|one, other| (&one.resource, one.metric).cmp(&(&other.resource, other.metric)));
    }

    /// The part of `range` that belongs to a resource, or to one of its metrics.
    pub(super) fn part(&self, range: &Range<usize>, resource: &str, metric: Option<&str>) -> Range<usize> {
        let entries = self.entries.get(range.clone()).unwrap_or_default();
        let key = |entry: &Entry<'_>| match metric {
            None => (*entry.resource).cmp(resource),
            Some(metric) => (&*entry.resource, &**entry.metric).cmp(&(resource, metric)),
        };
        let start = entries.partition_point(|entry| key(entry).is_lt());
        let end = entries.partition_point(|entry| key(entry).is_le());
        range.start + start..range.start + end
    }
}

/// The body of `POST /v1/batch/resources/metrics/measures` for a part of a batch.
pub(super) fn body(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entries.len() * 96);
    out.push(b'{');
    for (place, of_resource) in entries.chunk_by(|one, next| one.resource == next.resource).enumerate() {
        let Some(first) = of_resource.first() else { continue };
        separate(place, &mut out);
        json::write_string(&first.resource, &mut out);
        out.extend_from_slice(b":{");
        for (place, of_metric) in of_resource.chunk_by(|one, next| one.metric == next.metric).enumerate() {
            separate(place, &mut out);
            write_metric(of_metric, &mut out);
        }
        out.push(b'}');
    }
    out.push(b'}');
    out
}

fn write_metric(entries: &[Entry<'_>], out: &mut Vec<u8>) {
    let Some(first) = entries.first() else { return };
    json::write_string(first.metric, out);
    out.extend_from_slice(b":{\"measures\":[");
    for (place, entry) in entries.iter().enumerate() {
        separate(place, out);
        out.extend_from_slice(b"{\"timestamp\":");
        json::write_string(&entry.time.to_iso(), out);
        out.extend_from_slice(b",\"value\":");
        json::write_compact(&entry.value, out);
        out.push(b'}');
    }
    out.push(b']');
    // Without one Gnocchi's archive policy rules choose.
    if let Some(policy) = first.policy {
        out.extend_from_slice(b",\"archive_policy_name\":");
        json::write_string(policy, out);
    }
    if *first.unit != Value::Null {
        out.extend_from_slice(b",\"unit\":");
        json::write_string(&unit(first.unit), out);
    }
    out.push(b'}');
}

/// As long as Gnocchi takes.
fn unit(unit: &Value) -> String {
    pytext::crop(&pytext::to_str(unit), UNIT_CHARACTERS).to_owned()
}

/// The same as [`body`], for a store that need not be sent a text.
///
/// # Errors
/// A value that is larger than every double.
pub(super) fn measures<'e>(entries: &'e [Entry<'_>]) -> Result<Vec<ResourceMeasures<'e>>, Rejection> {
    let of_metric = |entries: &'e [Entry<'_>]| {
        let first = entries.first()?;
        let points = entries.iter().map(|entry| {
            let nanoseconds = entry.time.microseconds().saturating_mul(1_000);
            float_of(&entry.value).map(|value| (nanoseconds, value)).map_err(|_| too_large(entry))
        });
        Some(points.collect::<Result<_, _>>().map(|points| MetricMeasures {
            name: first.metric,
            archive_policy: first.policy.map(|policy| &**policy),
            unit: (*first.unit != Value::Null).then(|| unit(first.unit)),
            points,
        }))
    };
    let by_resource = entries.chunk_by(|one, next| one.resource == next.resource);
    by_resource
        .filter_map(|entries| {
            let id = &*entries.first()?.resource;
            let by_metric = entries.chunk_by(|one, next| one.metric == next.metric);
            let metrics = by_metric.filter_map(of_metric).collect::<Result<_, _>>();
            Some(metrics.map(|metrics| ResourceMeasures { id, metrics }))
        })
        .collect()
}

/// In the form in which Gnocchi names what it cannot read.
fn too_large(entry: &Entry<'_>) -> Rejection {
    let mut description = Map::new();
    description.insert("cause", "Invalid input");
    description.insert("reason", "the value is larger than every double");
    description.insert("detail", Value::List(vec![(&*entry.resource).into(), (&**entry.metric).into()]));
    Rejection { status: 400, description: description.into() }
}

fn separate(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.push(b',');
    }
}

impl Resource<'_> {
    /// The body of `POST /v1/resource/TYPE`.
    pub(super) fn body(&self, id: &str) -> Vec<u8> {
        let mut body = Map::with_capacity(self.attributes.len() + 2);
        body.insert("id", id);
        body.insert("user_id", self.user.clone());
        for (name, value) in self.attributes.iter() {
            body.insert(name, value.clone());
        }
        compact(body)
    }
}

/// A map as the body of a request.
pub(super) fn compact(body: Map) -> Vec<u8> {
    let mut out = Vec::new();
    json::write_compact(&body.into(), &mut out);
    out
}

/// Whether a sample comes from the project that Gnocchi itself works in.
fn is_of(definitions: &ResourceDefinitions, sample: &Sample, project: &str) -> bool {
    let is_project = |value: &Value| value.as_str() == Some(project);
    let is_account = || {
        let definition = definitions.find_metric(&sample.name);
        definition.is_some_and(|definition| **definition.resource_type() == *SWIFT_ACCOUNT)
    };
    is_project(&sample.project_id) || (is_project(&sample.resource_id) && is_account())
}

/// The sample's time. It is sent in UTC and in the one form of all: Gnocchi reads all times of a metric in the form of the
/// first.
fn time(sample: &Sample) -> Result<Timestamp, Unfit> {
    let refused = |reason: String| Unfit::Refused { cause: "timestamp", reason };
    let shown = || pytext::crop(&pytext::to_repr(&sample.timestamp), 100).to_owned();
    let time = sample.time().and_then(|time| time.timestamp().ok());
    let time = time.ok_or_else(|| refused(format!("the timestamp {} is no time", shown())))?;
    if (0..LATEST_MICROSECONDS).contains(&time.microseconds()) {
        Ok(time)
    } else {
        Err(refused(format!("the timestamp {} is outside of what Gnocchi can store (1970 to 2262)", shown())))
    }
}

/// The volume as a number.
fn value(volume: &Value) -> Result<Value, Unfit> {
    match volume {
        Value::Bool(held) => Ok(Value::Int(i64::from(*held))),
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => Ok(volume.clone()),
        text => float_of(text).map(Value::Float).map_err(|_| Unfit::Refused {
            cause: "volume",
            reason: format!("the volume {} is no number", pytext::crop(&pytext::to_repr(text), 100)),
        }),
    }
}
