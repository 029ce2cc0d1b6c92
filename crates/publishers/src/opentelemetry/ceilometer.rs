//! What Ceilometer sends instead of OTLP: names in snake case, `counter` for a sum, and times in seconds.

use model::{Map, MeterKind, Sample, Timestamp, Value, json};

use super::Inexpressible;

/// The body for one sample, as Ceilometer's `json.dumps` writes it on a machine whose time zone is UTC.
///
/// # Errors
/// What Ceilometer leaves out with a warning (a timestamp that is no time) or fails on (a unit that is no text).
pub(super) fn request(sample: &Sample) -> Result<Vec<u8>, Inexpressible> {
    let Some(unit) = sample.unit.as_str() else {
        let reason = format!("the unit {:?} is no text, which this format needs", sample.unit);
        return Err(Inexpressible { cause: "unit", reason });
    };
    let seconds = Value::Int(local_seconds(sample).ok_or_else(|| Inexpressible::timestamp(sample))?);
    let attributes = [
        ("resource_id", &sample.resource_id),
        ("user_id", &sample.user_id),
        ("project_id", &sample.project_id),
    ];
    let attributes: Vec<Value> = attributes
        .into_iter()
        .map(|(key, value)| map([("key", key.into()), ("value", map([("string_value", value.clone())]))]))
        .collect();
    let point = map([
        ("attributes", Value::List(attributes)),
        ("start_time_unix_nano", seconds.clone()),
        ("time_unix_nano", seconds),
        ("as_double", sample.volume.clone()),
        ("flags", Value::Int(0)),
    ]);
    let kind = if sample.kind == MeterKind::Cumulative { "counter" } else { "gauge" };
    let metric = map([
        ("name", sample.name.replace('.', "_").into()),
        ("description", format!("{} unit:{unit}", sample.name).into()),
        ("unit", unit.into()),
        (kind, map([("data_points", Value::List(vec![point]))])),
    ]);
    let scope = map([("name", "ceilometer".into()), ("version", "v1".into())]);
    let scope_metrics = map([("scope", scope), ("metrics", Value::List(vec![metric]))]);
    let resource_metrics = map([("scope_metrics", Value::List(vec![scope_metrics]))]);
    let mut out = Vec::new();
    json::write(&map([("resource_metrics", Value::List(vec![resource_metrics]))]), &mut out);
    Ok(out)
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    pairs.into_iter().collect::<Map>().into()
}

/// Seconds of the time's own date and clock, whatever its offset from UTC: Ceilometer's `mktime` takes them for local.
fn local_seconds(sample: &Sample) -> Option<i64> {
    /// The length of `2026-07-21T13:56:12`.
    const CIVIL: usize = 19;
    let iso = sample.time()?.to_iso();
    let civil = Timestamp::parse(iso.get(..CIVIL)?).ok()?;
    Some(civil.microseconds().div_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sample;

    #[test]
    fn ceilometers_text() {
        let mut one = sample("a.b", "r/1", 1.5.into());
        one.user_id = Value::Null;
        assert_eq!(
            String::from_utf8(request(&one).unwrap()).unwrap(),
            r#"{"resource_metrics": [{"scope_metrics": [{"scope": {"name": "ceilometer", "version": "v1"}, "metrics": [{"name": "a_b", "description": "a.b unit:B", "unit": "B", "counter": {"data_points": [{"attributes": [{"key": "resource_id", "value": {"string_value": "r/1"}}, {"key": "user_id", "value": {"string_value": null}}, {"key": "project_id", "value": {"string_value": "p"}}], "start_time_unix_nano": 1784642172, "time_unix_nano": 1784642172, "as_double": 1.5, "flags": 0}]}}]}]}]}"#
        );
        one.timestamp = "2026-07-21T13:56:12+05:30".into();
        assert_eq!(local_seconds(&one), Some(1_784_642_172));
        one.timestamp = Value::Null;
        assert_eq!(request(&one).unwrap_err().cause, "timestamp");
        one.unit = Value::Null;
        assert_eq!(request(&one).unwrap_err().cause, "unit");
    }
}
