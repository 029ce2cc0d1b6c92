//! Records as lines for people.
//!
//! What comes from the message bus may hold anything: control characters never reach the terminal, and a value takes
//! only so much room.

use std::fmt::Write as _;

use model::Value;
use model::pytext::to_str;

/// Characters of one value at most.
const MAX_CHARACTERS: usize = 120;

/// `TIME METER VOLUME UNIT resource=… project=… -> PUBLISHERS`.
pub(super) fn sample(sample: &Value, publishers: &Value) -> String {
    let field = |name: &str| word(sample.get(name));
    let mut line = format!("{} {} {}", field("timestamp"), field("name"), field("volume"));
    if sample.get("unit").is_some_and(Value::is_truthy) {
        let _ = write!(line, " {}", field("unit"));
    }
    let _ = write!(line, " resource={} project={}", field("resource_id"), field("project_id"));
    end(line, publishers)
}

/// `TIME EVENT_TYPE TRAIT=… TRAIT=… -> PUBLISHERS`.
pub(super) fn event(event: &Value, publishers: &Value) -> String {
    let mut line = format!("{} {}", time(event), word(event.get("event_type")));
    for entry in event.get("traits").and_then(Value::as_list).unwrap_or_default() {
        let _ = write!(line, " {}={}", word(entry.get("name")), word(entry.get("value")));
    }
    end(line, publishers)
}

/// The time of an event in the form that samples have.
fn time(event: &Value) -> String {
    word(
        event
            .get("generated")
            .and_then(Value::as_str)
            .map(|time| time.replacen(' ', "T", 1).as_str().into())
            .as_ref(),
    )
}

fn end(mut line: String, publishers: &Value) -> String {
    let publishers = publishers.as_list().unwrap_or_default();
    line.push_str(" ->");
    for publisher in publishers {
        let _ = write!(line, " {}", word(Some(publisher)));
    }
    if publishers.is_empty() {
        line.push_str(" nowhere");
    }
    line
}

/// A value as one word: quoted where it would not be one, and cut where it is long.
fn word(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "-".to_owned(),
        Some(Value::Str(text)) => text.to_string(),
        Some(other) => to_str(other),
    };
    let mut characters = text.chars();
    let mut kept: String = characters.by_ref().take(MAX_CHARACTERS).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    let is_word = !kept.is_empty()
        && kept != "-"
        && kept.escape_debug().eq(kept.chars())
        && !kept.contains(char::is_whitespace);
    if is_word { kept } else { format!("{kept:?}") }
}

#[cfg(test)]
mod tests {
    use model::json::parse;

    use super::*;

    #[test]
    fn samples_and_events_are_one_line_each() {
        let publishers = parse(r#"["file:///a", "file:///b"]"#).unwrap();
        let record = r#"{"name": "image.size", "timestamp": "2026-07-21T13:56:12.123456", "volume": 1.5, "unit": "B",
            "resource_id": "r/1", "project_id": null}"#;
        assert_eq!(
            sample(&parse(record).unwrap(), &publishers),
            "2026-07-21T13:56:12.123456 image.size 1.5 B resource=r/1 project=- -> file:///a file:///b"
        );
        let record = r#"{"event_type": "image.upload", "generated": "2026-07-21 13:56:12", "traits":
            [{"name": "name", "dtype": 1, "value": "an image \u00fc"}, {"name": "size", "dtype": 2, "value": 5}]}"#;
        assert_eq!(
            event(&parse(record).unwrap(), &Value::Null),
            "2026-07-21T13:56:12 image.upload name=\"an image ü\" size=5 -> nowhere"
        );
    }

    #[test]
    fn hostile_values_stay_words() {
        for (value, expected) in [
            ("plain", "plain"),
            ("ü/1", "ü/1"),
            ("", "\"\""),
            ("-", "\"-\""),
            ("\u{1b}[2Jgone", "\"\\u{1b}[2Jgone\""),
            ("a\nb", "\"a\\nb\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            ("\u{9b}31m", "\"\\u{9b}31m\""),
            ("\u{202e}abc", "\"\\u{202e}abc\""),
        ] {
            assert_eq!(word(Some(&value.into())), expected, "{value:?}");
        }
        let long = word(Some(&"x".repeat(1000).as_str().into()));
        assert_eq!(long.chars().count(), MAX_CHARACTERS + 1);
        assert!(long.ends_with('…'));
        // Whatever an agent of another release says, it is a line.
        assert_eq!(sample(&Value::Int(1), &Value::Int(2)), "- - - resource=- project=- -> nowhere");
    }
}
