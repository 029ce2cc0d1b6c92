//! Measures.

use archive::Batch;
use metric_index::time;
use model::pytext::float_of;
use model::{Timestamp, Value};

use super::{Invalid, dictionary};

/// What is wrong with measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unexpected {
    #[error("unexpected measures format")]
    Format,
    #[error("unexpected timestamp '{0}'")]
    Timestamp(time::TimeError),
    #[error("unexpected measures value")]
    Value,
}

/// Measures of one metric: a list of times and values.
pub(crate) fn batch(value: &Value, now: Timestamp) -> Result<Batch, Unexpected> {
    let items = match value {
        Value::List(items) => items.as_slice(),
        Value::Map(map) if map.is_empty() => &[],
        _ => return Err(Unexpected::Format),
    };
    let mut points = Vec::with_capacity(items.len());
    // The first timestamp says of which kind all of them are.
    let mut are_numbers = None;
    for item in items {
        let timestamp =
            item.get("timestamp").filter(|timestamp| !timestamp.is_null()).ok_or(Unexpected::Format)?;
        let is_number = float_of(timestamp).is_ok();
        if *are_numbers.get_or_insert(is_number) && !is_number {
            return Err(Unexpected::Timestamp(time::TimeError::Timestamp));
        }
        let timestamp = time::nanoseconds(timestamp, now).map_err(Unexpected::Timestamp)?;
        let value = item.get("value").filter(|value| !value.is_null()).ok_or(Unexpected::Value)?;
        points.push((timestamp, float_of(value).map_err(|_| Unexpected::Value)?));
    }
    Batch::new(points).map_err(|_| Unexpected::Timestamp(time::TimeError::BeforeEpoch))
}

/// The same as a body, or a part of one.
pub(crate) fn measures(value: &Value, now: Timestamp) -> Result<Batch, Invalid> {
    batch(value, now).map_err(|unexpected| Invalid::new(unexpected.to_string()))
}

/// Measures of named metrics, with what is needed to make those that are missing.
pub(crate) fn named(
    value: &Value,
    now: Timestamp,
) -> Result<(Batch, Option<String>, Option<String>), Invalid> {
    let is_object = value.as_map().is_some_and(|map| map.get("measures").is_some());
    if !is_object {
        return Ok((measures(value, now)?, None, None));
    }
    dictionary(value)?;
    let mut object = super::Object::of(value)?;
    let batch = object.required("measures", |value| measures(value, now));
    let policy = object.optional("archive_policy_name", super::text);
    let unit = object.optional("unit", super::unit);
    object.finish()?;
    Ok((batch.unwrap_or_default(), policy, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(i64, f64)>, String> {
        let now = Timestamp::from_microseconds(1_000_000_000_000_000).unwrap();
        let value = model::json::parse(text).unwrap();
        let batch = batch(&value, now).map_err(|unexpected| unexpected.to_string())?;
        Ok(batch.points().iter().collect())
    }

    #[test]
    fn measures_of_every_kind() {
        let second = 1_000_000_000;
        for (text, points) in [
            ("[]", vec![]),
            ("{}", vec![]),
            (
                r#"[{"timestamp": 2, "value": "1.5"}, {"timestamp": "1", "value": true}]"#,
                vec![(second, 1.0), (2 * second, 1.5)],
            ),
            (r#"[{"timestamp": "1970-01-01T00:00:03", "value": 1, "more": []}]"#, vec![(3 * second, 1.0)]),
        ] {
            assert_eq!(read(text), Ok(points), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            ("1", "unexpected measures format"),
            ("[{}]", "unexpected measures format"),
            (r#"[{"timestamp": null, "value": 1}]"#, "unexpected measures format"),
            (r#"[{"timestamp": "x", "value": 1}]"#, "unexpected timestamp 'Unable to convert timestamps'"),
            (r#"[{"timestamp": -1, "value": 1}]"#, "unexpected timestamp 'Timestamp must be after Epoch'"),
            (r#"[{"timestamp": 1}]"#, "unexpected measures value"),
            (r#"[{"timestamp": 1, "value": "x"}]"#, "unexpected measures value"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
