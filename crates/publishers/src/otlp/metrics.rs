//! Samples as data points, and requests made of them: `ExportMetricsServiceRequest`.
//!
//! Names are those of Ceilometer's `opentelemetryhttp`, so that both make the same series: the metric's name is the meter's
//! with `_` for the dots; `resource_id`, `user_id` and `project_id` are attributes of the point, one that is null is left
//! out; the scope is `ceilometer`, `v1`. Samples of one meter, unit and type are the points of one metric.
//!
//! | Meter | Metric |
//! |---|---|
//! | cumulative | monotonic sum, cumulative |
//! | delta | sum, delta; not monotonic, because a change may be negative |
//! | gauge | gauge |
//!
//! [`super::series`] says where their start comes from. Integers are `as_int`, everything else is `as_double`. Fields are in
//! the order of their numbers, which is how protobuf's own libraries write them.

use std::borrow::Cow;
use std::collections::HashMap;

use model::pytext::{self, integer_of};
use model::{IsoTime, MeterKind, Sample, Value};
use pipeline::{Records, Refusal};

use super::series::Series;
use crate::post::Place;
use crate::protobuf::{field_length, put_bytes, put_fixed64, put_message, put_small};

/// What a point takes besides the texts that it is known to have, in bytes: about.
const POINT_BYTES: usize = 120;
/// `AggregationTemporality`.
const DELTA: u8 = 1;
/// `AggregationTemporality`.
const CUMULATIVE: u8 = 2;

/// A number as OTLP has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// One sample as a data point. Texts stay with the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) place: Place,
    /// Nanoseconds since 1970; 0 is none.
    start: u64,
    time: u64,
    value: Number,
}

/// A sample that has no form in OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inexpressible {
    pub(super) cause: &'static str,
    pub(super) reason: String,
}

impl Inexpressible {
    pub(super) fn at(self, place: Place) -> Refusal {
        Refusal { group: place.group, record: place.record, cause: self.cause, reason: self.reason }
    }
}

/// The texts by which OTLP tells series apart, each as it is sent.
struct Attributes<'s>([(&'static str, Option<Cow<'s, str>>); 3]);

impl<'s> Attributes<'s> {
    fn of(sample: &'s Sample) -> Self {
        Self([
            ("resource_id", text(&sample.resource_id)),
            ("user_id", text(&sample.user_id)),
            ("project_id", text(&sample.project_id)),
        ])
    }

    /// Those that there are.
    fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)))
    }

    fn values(&self) -> [Option<&str>; 3] {
        self.0.each_ref().map(|(_, value)| value.as_deref())
    }
}

/// What tells metrics apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Metric<'s> {
    name: &'s str,
    unit: Option<Cow<'s, str>>,
    kind: MeterKind,
}

impl<'s> Metric<'s> {
    fn of(sample: &'s Sample) -> Self {
        Self { name: &sample.name, unit: unit(sample), kind: sample.kind }
    }
}

/// The unit, if there is one.
fn unit(sample: &Sample) -> Option<Cow<'_, str>> {
    text(&sample.unit).filter(|unit| !unit.is_empty())
}

/// A value as a text; null is none.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::Str(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(pytext::to_str(other))),
    }
}

impl Point {
    /// The point of a sample, whose start `series` knows.
    ///
    /// # Errors
    /// A sample whose timestamp is no time that 64 bits of nanoseconds can say, or whose volume is no number or beyond a
    /// double.
    pub(super) fn of(sample: &Sample, place: Place, series: &mut Series) -> Result<Self, Inexpressible> {
        let time = sample.time().and_then(nanoseconds).ok_or_else(|| Inexpressible {
            cause: "timestamp",
            reason: format!("{:?} is not a time from 1970 to 2554", sample.timestamp),
        })?;
        let value = number(&sample.volume)?;
        let start = match sample.kind {
            MeterKind::Gauge => 0,
            kind => {
                let attributes = Attributes::of(sample);
                let key = series.key(&(Metric::of(sample), attributes.values()));
                match kind {
                    MeterKind::Delta => series.delta(key, time).unwrap_or(0),
                    _ => series.cumulative(key, time, value.as_double(), || launched(sample)),
                }
            }
        };
        Ok(Self { place, start, time, value })
    }

    /// About how many bytes it takes in a request.
    pub(super) fn approximate_bytes(sample: &Sample) -> usize {
        let texts = [&sample.resource_id, &sample.user_id, &sample.project_id];
        POINT_BYTES + texts.into_iter().map(|value| value.as_str().map_or(0, str::len)).sum::<usize>()
    }

    /// Writes `NumberDataPoint`.
    fn write(&self, attributes: &Attributes<'_>, out: &mut Vec<u8>) {
        if self.start > 0 {
            put_fixed64(2, self.start.to_le_bytes(), out);
        }
        put_fixed64(3, self.time.to_le_bytes(), out);
        match self.value {
            Number::Double(value) => put_fixed64(4, value.to_le_bytes(), out),
            Number::Int(value) => put_fixed64(6, value.to_le_bytes(), out),
        }
        for (name, value) in attributes.iter() {
            put_attribute(7, name, value, out);
        }
    }
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "only compared with others of its series")]
    fn as_double(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }
}

/// Writes `KeyValue` with a text.
pub(super) fn put_attribute(field: u8, name: &str, value: &str, out: &mut Vec<u8>) {
    let any_value = field_length(value.len());
    put_message(field, field_length(name.len()) + field_length(any_value), out);
    put_bytes(1, name.as_bytes(), out);
    put_message(2, any_value, out);
    put_bytes(1, value.as_bytes(), out);
}

/// The instant, if OTLP has it.
fn nanoseconds(time: IsoTime) -> Option<u64> {
    let microseconds = time.timestamp().ok()?.microseconds();
    u64::try_from(microseconds).ok()?.checked_mul(1_000).filter(|nanoseconds| *nanoseconds > 0)
}

/// When the resource says that it was launched.
fn launched(sample: &Sample) -> Option<u64> {
    nanoseconds(IsoTime::parse(sample.resource_metadata.get("launched_at")?.as_str()?).ok()?)
}

fn number(volume: &Value) -> Result<Number, Inexpressible> {
    let double = |value| {
        pytext::float_of(value).map(Number::Double).map_err(|error| Inexpressible {
            cause: "volume",
            reason: format!("the volume {value:?} is no double: {error}"),
        })
    };
    match volume {
        Value::Bool(truth) => Ok(Number::Int(i64::from(*truth))),
        Value::Int(value) => Ok(Number::Int(*value)),
        Value::Float(value) => Ok(Number::Double(*value)),
        Value::Str(_) => match integer_of(volume) {
            Ok(Value::Int(value)) => Ok(Number::Int(value)),
            _ => double(volume),
        },
        other => double(other),
    }
}

/// The sample at a place.
pub(super) fn sample_at(groups: &[Records], place: Place) -> Option<&Sample> {
    match groups.get(place.group)? {
        Records::Samples(samples) => samples.get(place.record).map(|sample| &**sample),
        Records::Events(_) => None,
    }
}

/// A request with some points. `resource` is the bytes of the message `Resource`.
pub(super) fn request(groups: &[Records], points: &[Point], resource: &[u8]) -> Vec<u8> {
    let mut numbers: HashMap<Metric<'_>, usize> = HashMap::new();
    // The points of each metric, as fields of its data.
    let mut metrics: Vec<(&Sample, Vec<u8>)> = Vec::new();
    let mut bytes = Vec::with_capacity(256);
    for point in points {
        let Some(sample) = sample_at(groups, point.place) else { continue };
        let number = *numbers.entry(Metric::of(sample)).or_insert_with(|| {
            metrics.push((sample, Vec::with_capacity(256)));
            metrics.len() - 1
        });
        bytes.clear();
        point.write(&Attributes::of(sample), &mut bytes);
        if let Some((_, fields)) = metrics.get_mut(number) {
            put_bytes(1, &bytes, fields);
        }
    }
    let mut scope_metrics =
        Vec::with_capacity(metrics.iter().map(|(_, fields)| fields.len() + POINT_BYTES).sum());
    let mut scope = Vec::new();
    put_bytes(1, b"ceilometer", &mut scope);
    put_bytes(2, b"v1", &mut scope);
    put_bytes(1, &scope, &mut scope_metrics);
    let mut head = Vec::new();
    for (sample, points) in &metrics {
        put_metric(sample, points, &mut head, &mut scope_metrics);
    }
    let has_resource = !resource.is_empty();
    let resource_length = if has_resource { field_length(resource.len()) } else { 0 };
    let length = resource_length + field_length(scope_metrics.len());
    let mut out = Vec::with_capacity(field_length(length));
    put_message(1, length, &mut out);
    if has_resource {
        put_bytes(1, resource, &mut out);
    }
    put_bytes(2, &scope_metrics, &mut out);
    out
}

/// Writes `Metric` with the points' fields; `head` is used to put it together.
fn put_metric(sample: &Sample, points: &[u8], head: &mut Vec<u8>, out: &mut Vec<u8>) {
    head.clear();
    put_bytes(1, sample.name.replace('.', "_").as_bytes(), head);
    match unit(sample) {
        Some(unit) => {
            put_bytes(2, format!("{} unit:{unit}", sample.name).as_bytes(), head);
            put_bytes(3, unit.as_bytes(), head);
        }
        None => put_bytes(2, sample.name.as_bytes(), head),
    }
    let (field, temporality) = match sample.kind {
        MeterKind::Gauge => (5, None),
        MeterKind::Delta => (7, Some(DELTA)),
        MeterKind::Cumulative => (7, Some(CUMULATIVE)),
    };
    let is_monotonic = sample.kind == MeterKind::Cumulative;
    let data = points.len() + 2 * usize::from(temporality.is_some()) + 2 * usize::from(is_monotonic);
    put_message(2, head.len() + field_length(data), out);
    out.extend_from_slice(head);
    put_message(field, data, out);
    out.extend_from_slice(points);
    if let Some(temporality) = temporality {
        put_small(2, temporality, out);
    }
    if is_monotonic {
        put_small(3, 1, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sample;

    const PLACE: Place = Place { group: 0, record: 0 };

    fn point(sample: &Sample) -> Result<Point, Inexpressible> {
        Point::of(sample, PLACE, &mut Series::new(10))
    }

    #[test]
    fn numbers_keep_their_kind() {
        for (volume, expected) in [
            (Value::Int(-7), Number::Int(-7)),
            (Value::Int(i64::MAX), Number::Int(i64::MAX)),
            (Value::Bool(true), Number::Int(1)),
            (Value::Float(1.0), Number::Double(1.0)),
            (Value::Float(f64::INFINITY), Number::Double(f64::INFINITY)),
            (
                Value::BigInt("123456789012345678901234567890".into()),
                Number::Double(1.234_567_890_123_456_8e29),
            ),
            ("12".into(), Number::Int(12)),
            (" 12.5 ".into(), Number::Double(12.5)),
            ("1e3".into(), Number::Double(1000.0)),
        ] {
            assert_eq!(number(&volume), Ok(expected), "{volume:?}");
        }
        assert!(matches!(number(&f64::NAN.into()), Ok(Number::Double(value)) if value.is_nan()));
        for volume in
            [Value::Null, "many".into(), Value::List(Vec::new()), Value::BigInt("9".repeat(400).into())]
        {
            assert_eq!(number(&volume).unwrap_err().cause, "volume", "{volume:?}");
        }
    }

    #[test]
    fn times_are_nanoseconds_and_have_bounds() {
        let mut one = sample("m", "r", 1.into());
        for (timestamp, expected) in [
            ("2026-07-21T13:56:12.123456", Some(1_784_642_172_123_456_000)),
            ("2026-07-21T15:56:12.123456+02:00", Some(1_784_642_172_123_456_000)),
            ("1970-01-01T00:00:00.000001Z", Some(1_000)),
            ("2554-07-21T00:00:00", Some(18_446_659_200_000_000_000)),
            ("1970-01-01T00:00:00Z", None),
            ("1969-12-31T23:59:59", None),
            ("2555-01-01T00:00:00", None),
            ("yesterday", None),
        ] {
            one.timestamp = timestamp.into();
            match (point(&one), expected) {
                (Ok(point), Some(time)) => assert_eq!(point.time, time, "{timestamp}"),
                (Err(error), None) => assert_eq!(error.cause, "timestamp"),
                (other, _) => panic!("{timestamp}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_counter_begins_when_its_resource_was_launched() {
        let mut one = sample("m", "r", 1.into());
        for (launched_at, start) in [
            (Value::from("2026-07-21T13:56:00"), 1_784_642_160_000_000_000),
            ("2026-07-21T14:00:00".into(), 1_784_642_172_123_456_000),
            ("never".into(), 1_784_642_172_123_456_000),
            (Value::Null, 1_784_642_172_123_456_000),
        ] {
            one.resource_metadata = Value::Map([("launched_at", launched_at)].into_iter().collect()).into();
            assert_eq!(point(&one).unwrap().start, start);
        }
        one.kind = MeterKind::Gauge;
        assert_eq!(point(&one).unwrap().start, 0);
    }

    #[test]
    fn whatever_is_sent_tells_series_apart() {
        let mut series = Series::new(100);
        let mut start = |sample: &Sample| Point::of(sample, PLACE, &mut series).unwrap().start;
        let one = sample("m", "r", 1.into());
        let first = start(&one);
        let later = |change: &dyn Fn(&mut Sample)| {
            let mut other = one.clone();
            other.timestamp = "2026-07-21T14:00:00".into();
            change(&mut other);
            other
        };
        assert_eq!(start(&later(&|_| {})), first);
        // Metadata, source and id are not sent.
        assert_eq!(start(&later(&|sample| sample.id = "another".into())), first);
        for change in [
            &|sample: &mut Sample| sample.name = "n".into(),
            &|sample: &mut Sample| sample.unit = "b".into(),
            &|sample: &mut Sample| sample.unit = Value::Null,
            &|sample: &mut Sample| sample.resource_id = "s".into(),
            &|sample: &mut Sample| sample.user_id = Value::Null,
            &|sample: &mut Sample| sample.project_id = "u".into(),
            &|sample: &mut Sample| (sample.user_id, sample.project_id) = ("p".into(), "u".into()),
        ] as [&dyn Fn(&mut Sample); 7]
        {
            let other = later(change);
            assert_eq!(start(&other), 1_784_642_400_000_000_000, "{other:?}");
        }
        // A delta of that name is something else.
        assert_eq!(start(&later(&|sample| sample.kind = MeterKind::Delta)), 0);
    }
}
