//! OTLP/JSON: `ExportMetricsServiceRequest` in the protobuf JSON mapping, with the names in lower camel case, 64-bit numbers
//! as texts and times in nanoseconds.
//!
//! - The metric's name is the meter's with `_` for the dots, as Ceilometer has it; samples of one meter, unit and type are
//!   one metric with several points.
//! - Cumulative meters are monotonic cumulative sums, whose start is not known and therefore left out; gauges are gauges. So
//!   are deltas, as with Ceilometer: a delta sum needs its start, which samples do not have.
//! - `resource_id`, `user_id` and `project_id` are attributes of the point; one that is null is left out.

use std::collections::HashMap;

use model::json::write_string;
use model::{MeterKind, Sample, Value, json, pytext};

use crate::inexpressible::{Inexpressible, microseconds_of, volume_of};

/// Cumulative, in `AggregationTemporality`.
const CUMULATIVE: u8 = 2;

/// One sample as a data point, and the metric that it belongs to.
#[derive(Debug)]
pub(super) struct Point<'s> {
    sample: &'s Sample,
    nanoseconds: i128,
    volume: f64,
}

/// What tells metrics apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Metric<'s> {
    name: &'s str,
    unit: Option<String>,
    is_sum: bool,
}

impl<'s> Point<'s> {
    /// # Errors
    /// A sample whose timestamp is no time, or whose volume is beyond a double.
    pub(super) fn of(sample: &'s Sample) -> Result<Self, Inexpressible> {
        let nanoseconds = i128::from(microseconds_of(sample)?) * 1000;
        Ok(Self { sample, nanoseconds, volume: volume_of(sample)? })
    }

    pub(super) fn approximate_bytes(&self) -> usize {
        const FIXED: usize = 300;
        FIXED + 2 * self.sample.name.len()
    }

    fn metric(&self) -> Metric<'s> {
        let unit = (!self.sample.unit.is_null()).then(|| pytext::to_str(&self.sample.unit));
        Metric { name: &self.sample.name, unit, is_sum: self.sample.kind == MeterKind::Cumulative }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"attributes\":[");
        let attributes = [
            ("resource_id", &self.sample.resource_id),
            ("user_id", &self.sample.user_id),
            ("project_id", &self.sample.project_id),
        ];
        for (place, (key, value)) in attributes.into_iter().filter(|(_, value)| !value.is_null()).enumerate()
        {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"key\":\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\",\"value\":{\"stringValue\":");
            write_string(&pytext::to_str(value), out);
            out.extend_from_slice(b"}}");
        }
        // Unsigned in OTLP; what was measured before 1970 has no time there.
        let nanoseconds = self.nanoseconds.max(0);
        out.extend_from_slice(format!("],\"timeUnixNano\":\"{nanoseconds}\",\"asDouble\":").as_bytes());
        if self.volume.is_finite() {
            json::write(&Value::Float(self.volume), out);
        } else {
            out.push(b'"');
            json::write(&Value::Float(self.volume), out);
            out.push(b'"');
        }
        out.push(b'}');
    }
}

/// A request with some points.
pub(super) fn request(points: &[Point<'_>]) -> Vec<u8> {
    let mut numbers: HashMap<Metric<'_>, usize> = HashMap::new();
    let mut metrics: Vec<(Metric<'_>, Vec<&Point<'_>>)> = Vec::new();
    for point in points {
        let number = *numbers.entry(point.metric()).or_insert_with(|| {
            metrics.push((point.metric(), Vec::new()));
            metrics.len() - 1
        });
        if let Some((_, points)) = metrics.get_mut(number) {
            points.push(point);
        }
    }
    let mut out = Vec::with_capacity(points.iter().map(Point::approximate_bytes).sum());
    out.extend_from_slice(
        b"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"scope\":{\"name\":\"ceilometer\",\"version\":\"v1\"},\"metrics\":[",
    );
    for (place, (metric, points)) in metrics.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_metric(metric, points, &mut out);
    }
    out.extend_from_slice(b"]}]}]}");
    out
}

fn write_metric(metric: &Metric<'_>, points: &[&Point<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    write_string(&metric.name.replace('.', "_"), out);
    out.extend_from_slice(b",\"description\":");
    match &metric.unit {
        Some(unit) => {
            write_string(&format!("{} unit:{unit}", metric.name), out);
            out.extend_from_slice(b",\"unit\":");
            write_string(unit, out);
        }
        None => write_string(metric.name, out),
    }
    out.extend_from_slice(if metric.is_sum { b",\"sum\":{" } else { b",\"gauge\":{" });
    out.extend_from_slice(b"\"dataPoints\":[");
    for (place, point) in points.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        point.write(out);
    }
    out.push(b']');
    if metric.is_sum {
        out.extend_from_slice(
            format!(",\"aggregationTemporality\":{CUMULATIVE},\"isMonotonic\":true").as_bytes(),
        );
    }
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sample;

    fn body(samples: &[Sample]) -> String {
        let points: Vec<Point<'_>> = samples.iter().map(|sample| Point::of(sample).unwrap()).collect();
        String::from_utf8(request(&points)).unwrap()
    }

    #[test]
    fn samples_of_a_meter_are_points_of_one_metric() {
        let mut gauge = sample("c", "r", 2.into());
        gauge.kind = MeterKind::Gauge;
        gauge.unit = Value::Null;
        gauge.user_id = Value::Null;
        let text =
            body(&[sample("a.b", "r/1", 1.5.into()), gauge, sample("a.b", "r2", f64::INFINITY.into())]);
        let point = |resource: &str, volume: &str| {
            format!(
                r#"{{"attributes":[{{"key":"resource_id","value":{{"stringValue":"{resource}"}}}},{{"key":"user_id","value":{{"stringValue":"u"}}}},{{"key":"project_id","value":{{"stringValue":"p"}}}}],"timeUnixNano":"1784642172123456000","asDouble":{volume}}}"#
            )
        };
        let expected = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"scope":{{"name":"ceilometer","version":"v1"}},"metrics":[{{"name":"a_b","description":"a.b unit:B","unit":"B","sum":{{"dataPoints":[{},{}],"aggregationTemporality":2,"isMonotonic":true}}}},{{"name":"c","description":"c","gauge":{{"dataPoints":[{{"attributes":[{{"key":"resource_id","value":{{"stringValue":"r"}}}},{{"key":"project_id","value":{{"stringValue":"p"}}}}],"timeUnixNano":"1784642172123456000","asDouble":2.0}}]}}}}]}}]}}]}}"#,
            point("r/1", "1.5"),
            point("r2", "\"Infinity\""),
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_has_no_form_is_named() {
        let mut timeless = sample("m", "r", 1.into());
        timeless.timestamp = "yesterday".into();
        assert_eq!(Point::of(&timeless).unwrap_err().cause, "timestamp");
        let huge = sample("m", "r", Value::BigInt("9".repeat(400).into()));
        assert_eq!(Point::of(&huge).unwrap_err().cause, "volume");
    }
}
