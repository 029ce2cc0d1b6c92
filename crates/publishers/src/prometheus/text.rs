//! Samples in the Prometheus text format, as Ceilometer prints them.
//!
//! Ceilometer's lines, byte for byte, but for what makes a Pushgateway refuse the whole request: quotes, backslashes and
//! line ends in labels are escaped, names have no characters that names cannot have, a family has one type, a series has
//! one value (the last), and truth values are numbers.

use std::collections::{HashMap, HashSet};

use model::{MeterKind, Sample, Value, pytext};

/// The text of some samples.
pub(super) fn exposition(samples: &[&Sample]) -> Vec<u8> {
    let series: Vec<Series> = samples.iter().map(|sample| Series::of(sample)).collect();
    // Of equal series the last holds.
    let mut seen = HashSet::new();
    let mut holds: Vec<bool> = series.iter().rev().map(|series| seen.insert(series)).collect();
    holds.reverse();
    let mut out = Vec::new();
    // The first sample of a family decides about its type.
    let mut types: HashMap<&str, Option<&str>> = HashMap::new();
    for ((sample, series), _) in samples.iter().zip(&series).zip(holds).filter(|(_, holds)| *holds) {
        let kind = match sample.kind {
            MeterKind::Cumulative => Some("counter"),
            MeterKind::Gauge => Some("gauge"),
            MeterKind::Delta => None,
        };
        if !types.contains_key(series.name.as_str()) {
            types.insert(&series.name, kind);
            if let Some(kind) = kind {
                out.extend_from_slice(format!("# TYPE {} {kind}\n", series.name).as_bytes());
            }
        }
        let Series { name, resource_id, user_id, project_id } = series;
        out.extend_from_slice(
            format!(
                "{name}{{resource_id=\"{resource_id}\", user_id=\"{user_id}\", project_id=\"{project_id}\"}} "
            )
            .as_bytes(),
        );
        write_volume(&sample.volume, &mut out);
        out.push(b'\n');
    }
    out
}

/// What tells one series from others, as it is printed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Series {
    name: String,
    resource_id: String,
    user_id: String,
    project_id: String,
}

impl Series {
    fn of(sample: &Sample) -> Self {
        Self {
            name: metric_name(&sample.name),
            resource_id: label(&sample.resource_id),
            user_id: label(&sample.user_id),
            project_id: label(&sample.project_id),
        }
    }
}

/// The name of a meter's metric.
pub(super) fn metric_name(meter: &str) -> String {
    let mut name = String::with_capacity(meter.len());
    if !meter.starts_with(|first: char| first.is_ascii_alphabetic() || "_:.-".contains(first)) {
        name.push('_');
    }
    name.extend(meter.chars().map(|character| {
        if character.is_ascii_alphanumeric() || character == ':' { character } else { '_' }
    }));
    name
}

/// A label's value; null is `None`, as Python prints it.
fn label(value: &Value) -> String {
    let text = pytext::to_str(value);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn write_volume(volume: &Value, out: &mut Vec<u8>) {
    match volume {
        Value::Bool(truth) => out.push(if *truth { b'1' } else { b'0' }),
        // A text that Python takes for a number may have blanks and underscores around and in it.
        Value::Str(text) if !is_plain_number(text) => {
            let number = pytext::float_of(volume).unwrap_or(f64::NAN);
            pytext::write_str(&Value::Float(number), out);
        }
        other => pytext::write_str(other, out),
    }
}

fn is_plain_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sample;

    fn printed(samples: &[Sample]) -> String {
        let samples: Vec<&Sample> = samples.iter().collect();
        String::from_utf8(exposition(&samples)).unwrap()
    }

    #[test]
    fn ceilometers_lines() {
        assert_eq!(
            printed(&[sample("a.b-c", "r/1", 1.5.into())]),
            "# TYPE a_b_c counter\na_b_c{resource_id=\"r/1\", user_id=\"u\", project_id=\"p\"} 1.5\n"
        );
        let mut delta = sample("d", "r", 3.into());
        delta.kind = MeterKind::Delta;
        delta.user_id = Value::Null;
        assert_eq!(printed(&[delta]), "d{resource_id=\"r\", user_id=\"None\", project_id=\"p\"} 3\n");
    }

    #[test]
    fn labels_are_escaped_and_names_are_names() {
        assert_eq!(
            printed(&[sample("1 é", "a\"b\\c\nd", 1.into())]),
            "# TYPE _1__ counter\n_1__{resource_id=\"a\\\"b\\\\c\\nd\", user_id=\"u\", project_id=\"p\"} 1\n"
        );
    }

    #[test]
    fn of_one_series_the_last_value_holds() {
        let text =
            printed(&[sample("m", "r", 1.into()), sample("m", "s", 2.into()), sample("m", "r", 3.into())]);
        assert_eq!(
            text,
            "# TYPE m counter\nm{resource_id=\"s\", user_id=\"u\", project_id=\"p\"} 2\n\
             m{resource_id=\"r\", user_id=\"u\", project_id=\"p\"} 3\n"
        );
    }

    #[test]
    fn a_family_has_one_type() {
        let mut delta = sample("m", "r", 1.into());
        delta.kind = MeterKind::Delta;
        let mut gauge = sample("m", "s", 2.into());
        gauge.kind = MeterKind::Gauge;
        assert!(!printed(&[delta.clone(), gauge.clone()]).contains("# TYPE"), "no type behind a line");
        assert_eq!(printed(&[gauge, delta, sample("m", "t", 3.into())]).matches("# TYPE").count(), 1);
    }

    #[test]
    fn volumes_are_numbers() {
        for (volume, text) in [
            (Value::Bool(true), "1"),
            (Value::BigInt("123456789012345678901".into()), "123456789012345678901"),
            (Value::Float(1e16), "1e+16"),
            (Value::Float(f64::NAN), "nan"),
            (Value::Float(f64::NEG_INFINITY), "-inf"),
            ("10".into(), "10"),
            (" 1_0 ".into(), "10.0"),
            ("Infinity".into(), "inf"),
        ] {
            let mut out = Vec::new();
            write_volume(&volume, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{volume:?}");
        }
    }
}
