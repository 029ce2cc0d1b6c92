//! Records as Gnocchi's API shows them.

use metric_index::{
    ArchivePolicy, ArchivePolicyRule, Attribute, AttributeValue, Bound, Kind, Metric, Resource, ResourceType,
};
use model::pytext::{Specials, write_float};
use model::{Map, Timestamp, Value};

use crate::{Granularity, Measure};

const NANOSECONDS: i64 = 1_000_000_000;
/// About what the text of a measure takes.
const MEASURE_BYTES: usize = 56;

/// A number of seconds as a double.
#[allow(clippy::cast_precision_loss, reason = "seconds are shown as doubles")]
pub fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// The same as Python prints it: `60.0`, `0.5`.
pub fn seconds_text(nanoseconds: i64) -> String {
    let mut text = Vec::new();
    write_float(seconds(nanoseconds), Specials::Repr, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// A time with its zone.
pub fn time(time: Timestamp) -> Value {
    (time.to_iso() + "+00:00").into()
}

/// The time of a measure: whole seconds.
fn whole_seconds(nanoseconds: i64) -> Timestamp {
    let whole = Timestamp::from_microseconds(nanoseconds.div_euclid(NANOSECONDS) * 1_000_000);
    whole.unwrap_or(Timestamp::EPOCH)
}

fn width_value(granularity: Granularity) -> Value {
    match granularity {
        Granularity::Fixed(nanoseconds) => Value::Float(seconds(nanoseconds)),
        Granularity::Calendar(calendar) => calendar.letter().to_string().into(),
    }
}

/// Measures as lists of time, granularity and value.
pub fn measures(measures: &[Measure]) -> Value {
    let rows = measures.iter().map(|measure| {
        let shown = time(whole_seconds(measure.timestamp));
        Value::List(vec![shown, width_value(measure.granularity), Value::Float(measure.value)])
    });
    Value::List(rows.collect())
}

/// The JSON text of [`measures`], as Python writes it.
pub fn measures_text(measures: &[Measure]) -> String {
    let mut text = Vec::with_capacity(2 + MEASURE_BYTES * measures.len());
    text.push(b'[');
    // Nearly always all of one answer are of one width.
    let (mut width, mut width_text) = (None, Vec::new());
    for (place, measure) in measures.iter().enumerate() {
        if width != Some(measure.granularity) {
            width = Some(measure.granularity);
            width_text.clear();
            model::json::write(&width_value(measure.granularity), &mut width_text);
        }
        text.extend_from_slice(if place == 0 { b"[\"" } else { b", [\"" });
        whole_seconds(measure.timestamp).write_iso(&mut text);
        text.extend_from_slice(b"+00:00\", ");
        text.extend_from_slice(&width_text);
        text.extend_from_slice(b", ");
        write_float(measure.value, Specials::Json, &mut text);
        text.push(b']');
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// An archive policy.
pub fn archive_policy(policy: &ArchivePolicy) -> Value {
    let span = |nanoseconds| Value::from(archive::timespan::text(nanoseconds));
    let definition = policy.definition.iter().map(|item| {
        let mut shown = Map::new();
        shown.insert("timespan", item.timespan_nanoseconds.map_or(Value::Null, span));
        shown.insert("granularity", span(item.granularity_nanoseconds));
        shown.insert("points", item.points);
        Value::Map(shown)
    });
    let methods = policy.aggregation_methods.iter().map(|method| method.as_str().into());
    let mut shown = Map::new();
    shown.insert("name", policy.name.as_str());
    shown.insert("back_window", policy.back_window);
    shown.insert("definition", Value::List(definition.collect()));
    shown.insert("aggregation_methods", Value::List(methods.collect()));
    shown.into()
}

/// An archive policy rule.
pub fn archive_policy_rule(rule: &ArchivePolicyRule) -> Value {
    let mut shown = Map::new();
    shown.insert("name", rule.name.as_str());
    shown.insert("archive_policy_name", rule.archive_policy_name.as_str());
    shown.insert("metric_pattern", rule.metric_pattern.as_str());
    shown.into()
}

/// An attribute of a resource type, without its name.
pub fn attribute(attribute: &Attribute) -> Map {
    let mut shown = Map::new();
    shown.insert("type", attribute.kind.name());
    shown.insert("required", attribute.required);
    match attribute.kind {
        Kind::String { min_length, max_length } => {
            shown.insert("max_length", i64::from(max_length));
            shown.insert("min_length", i64::from(min_length));
        }
        Kind::Number { min, max } => {
            let bound = |bound: Option<Bound>| match bound {
                None => Value::Null,
                Some(Bound::Integer(value)) => Value::Int(value),
                Some(Bound::Real(value)) => Value::Float(value),
            };
            shown.insert("min", bound(min));
            shown.insert("max", bound(max));
        }
        Kind::Uuid | Kind::Bool | Kind::Datetime => {}
    }
    shown
}

/// A resource type.
pub fn resource_type(resource_type: &ResourceType) -> Value {
    let attributes: Map =
        resource_type.attributes.iter().map(|item| (item.name.as_str(), attribute(item))).collect();
    let mut shown = Map::new();
    shown.insert("name", resource_type.name.as_str());
    shown.insert("attributes", attributes);
    shown.insert("state", resource_type.state.as_str());
    shown.into()
}

/// The parts of a creator: user and project.
fn creator_parts(creator: Option<&str>) -> (Value, Value) {
    match creator {
        None => (Value::Null, Value::Null),
        Some(creator) => {
            let (user, project) = creator.split_once(':').unwrap_or((creator, ""));
            (user.into(), project.into())
        }
    }
}

/// The value of an attribute.
pub fn attribute_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Null => Value::Null,
        AttributeValue::Text(text) => text.as_str().into(),
        AttributeValue::Uuid(id) => id.to_string().into(),
        AttributeValue::Number(number) => Value::Float(*number),
        AttributeValue::Bool(value) => Value::Bool(*value),
        AttributeValue::Time(moment) => time(*moment),
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

/// A resource; `with_metrics` says whether its metrics are shown.
pub fn resource(resource: &Resource, with_metrics: bool) -> Map {
    let mut shown = Map::new();
    shown.insert("id", resource.id.to_string());
    shown.insert("creator", text(resource.creator.as_deref()));
    shown.insert("started_at", time(resource.started_at));
    shown.insert("revision_start", time(resource.revision_start));
    shown.insert("ended_at", resource.ended_at.map_or(Value::Null, time));
    shown.insert("user_id", text(resource.user_id.as_deref()));
    shown.insert("project_id", text(resource.project_id.as_deref()));
    shown.insert("original_resource_id", resource.original_resource_id.as_str());
    shown.insert("type", resource.resource_type.as_str());
    for (name, value) in &resource.attributes {
        shown.insert(name.as_str(), attribute_value(value));
    }
    shown.insert("revision_end", resource.revision_end.map_or(Value::Null, time));
    if with_metrics {
        let named = resource.metrics.iter().filter_map(|metric| {
            let name = metric.name.as_deref()?;
            Some((name, metric.id.to_string()))
        });
        shown.insert("metrics", named.collect::<Map>());
    }
    let (user, project) = creator_parts(resource.creator.as_deref());
    shown.insert("created_by_user_id", user);
    shown.insert("created_by_project_id", project);
    shown
}

/// A metric with its resource and archive policy.
pub fn metric(metric: &Metric) -> Value {
    let of = metric.resource.as_ref().map_or(Value::Null, |of| resource(of, false).into());
    shown_metric(metric, ("resource", of), ("archive_policy", archive_policy(&metric.archive_policy)))
}

/// A metric with its archive policy and the id of its resource, as listings have it.
pub fn listed_metric(metric: &Metric) -> Value {
    let of = metric.resource_id.map(|id| id.to_string());
    shown_metric(
        metric,
        ("resource_id", of.into()),
        ("archive_policy", archive_policy(&metric.archive_policy)),
    )
}

/// A metric with the id of its resource and the name of its archive policy: what the one who made it is shown.
pub fn new_metric(metric: &Metric) -> Value {
    let of = metric.resource_id.map(|id| id.to_string());
    let policy = metric.archive_policy.name.as_str().into();
    shown_metric(metric, ("resource_id", of.into()), ("archive_policy_name", policy))
}

fn shown_metric(metric: &Metric, resource: (&str, Value), policy: (&str, Value)) -> Value {
    let mut shown = Map::new();
    shown.insert("id", metric.id.to_string());
    shown.insert("creator", text(metric.creator.as_deref()));
    shown.insert("name", text(metric.name.as_deref()));
    shown.insert("unit", text(metric.unit.as_deref()));
    shown.insert(resource.0, resource.1);
    shown.insert(policy.0, policy.1);
    let (user, project) = creator_parts(metric.creator.as_deref());
    shown.insert("created_by_user_id", user);
    shown.insert("created_by_project_id", project);
    shown.into()
}

/// What stands under a resource's attribute; nothing where it has no such attribute.
pub(crate) fn resource_attribute(of: &Resource, name: &str) -> Value {
    resource(of, false).remove(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_measures_are_whole_seconds() {
        let measure = Measure {
            timestamp: 1_425_652_437_700_000_000,
            granularity: Granularity::Fixed(500_000_000),
            value: 1.0,
        };
        let shown = model::json::to_string(&measures(&[measure]));
        assert_eq!(shown, r#"[["2015-03-06T14:33:57+00:00", 0.5, 1.0]]"#);
    }

    #[test]
    fn the_text_of_measures_is_that_of_their_value() {
        let mut all = Vec::new();
        let widths = [Granularity::Fixed(60 * NANOSECONDS), Granularity::Calendar(archive::Calendar::Month)];
        for (place, value) in
            [1.0, -0.0, 12.34, 1.0 / 3.0, 1e22, f64::NAN, f64::NEG_INFINITY].into_iter().enumerate()
        {
            assert_eq!(measures_text(&all), model::json::to_string(&measures(&all)));
            let timestamp = i64::MAX / 7 * i64::try_from(place).unwrap() - 1_000;
            let granularity = widths[place / 2 % 2];
            all.push(Measure { timestamp, granularity, value });
        }
        assert_eq!(measures_text(&all), model::json::to_string(&measures(&all)));
    }

    #[test]
    fn seconds_as_python_prints_them() {
        assert_eq!([60 * NANOSECONDS, NANOSECONDS / 2].map(seconds_text), ["60.0", "0.5"]);
    }
}
