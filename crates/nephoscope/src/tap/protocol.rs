//! What is said over the control socket: one JSON object a line.
//!
//! The client begins with `{"tap": {"meters": […], "event_types": […], "resource": …, "project": …}}`. The agent answers
//! with `{"nephoscope": VERSION}` and then, for as long as both like, `{"sample": {…}, "publishers": […]}`,
//! `{"event": {…}, "publishers": […]}` (records as the file publisher writes them), `{"skipped": N}` where so many
//! records were left out, and at last `{"end": "stopping"}`. Instead of any of these it may say `{"error": "…"}`.

use model::json::{parse, to_string, write_string};
use model::{Map, Value};
use pipeline::{Destinations, Seen, TapQuery};

/// What a line of the agent says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// The connection stands.
    Greeting,
    /// A record: a sample, and where it goes.
    Sample(Value, Value),
    /// A record: an event, and where it goes.
    Event(Value, Value),
    /// So many records were left out.
    Skipped(i64),
    /// The agent stops.
    End,
    /// The agent refuses.
    Error(String),
}

/// The request for `query`.
pub(crate) fn request(query: &TapQuery) -> Vec<u8> {
    let texts = |texts: &[String]| Value::List(texts.iter().map(|text| text.as_str().into()).collect());
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    let query: Map = [
        ("meters", texts(&query.meters)),
        ("event_types", texts(&query.event_types)),
        ("resource", text(&query.resource)),
        ("project", text(&query.project)),
    ]
    .into_iter()
    .collect();
    line(&object("tap", query))
}

/// The query of a request.
///
/// # Errors
/// What is wrong with it. A key that is not known is an error: a filter that is left out would show too much.
pub(crate) fn query(request: &str) -> Result<TapQuery, String> {
    let request = parse(request).map_err(|error| format!("the request is not JSON: {error}"))?;
    let map = request.as_map().ok_or("the request is not an object")?;
    let mut commands = map.iter();
    let (Some(("tap", wanted)), None) = (commands.next(), commands.next()) else {
        return Err("the request is not {\"tap\": {…}}: this release knows no other".to_owned());
    };
    let mut query = TapQuery::default();
    for (key, value) in wanted.as_map().ok_or("tap is not an object")?.iter() {
        match key {
            "meters" => query.meters = texts(key, value)?,
            "event_types" => query.event_types = texts(key, value)?,
            "resource" => query.resource = text(key, value)?,
            "project" => query.project = text(key, value)?,
            other => return Err(format!("this release knows no filter {other:?}")),
        }
    }
    Ok(query)
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let texts = value.as_list().ok_or_else(|| format!("{key} is not a list"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    texts.iter().map(text).collect::<Option<_>>().ok_or_else(|| format!("{key} is not a list of texts"))
}

fn text(key: &str, value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Str(text) => Ok(Some(text.to_string())),
        _ => Err(format!("{key} is not a text")),
    }
}

/// The first line of an answer.
pub(crate) fn greeting() -> Vec<u8> {
    line(&object("nephoscope", env!("CARGO_PKG_VERSION")))
}

/// The last line of an agent that stops.
pub(crate) fn end() -> Vec<u8> {
    line(&object("end", "stopping"))
}

/// A refusal.
pub(crate) fn error(reason: &str) -> Vec<u8> {
    line(&object("error", reason))
}

/// What was seen, as lines.
pub(crate) fn lines(seen: &[Seen]) -> Vec<u8> {
    let mut out = Vec::new();
    for seen in seen {
        match seen {
            Seen::Sample(sample, destinations) => {
                out.extend_from_slice(b"{\"sample\": ");
                sample.write_json(&mut out);
                write_destinations(destinations, &mut out);
            }
            Seen::Event(event, destinations) => {
                out.extend_from_slice(b"{\"event\": ");
                event.write_json(&mut out);
                write_destinations(destinations, &mut out);
            }
            Seen::Skipped(count) => {
                out.extend_from_slice(format!("{{\"skipped\": {count}}}\n").as_bytes());
            }
        }
    }
    out
}

fn write_destinations(destinations: &Destinations, out: &mut Vec<u8>) {
    out.extend_from_slice(b", \"publishers\": [");
    for (place, name) in destinations.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"" } else { b", " });
        write_string(name, out);
    }
    out.extend_from_slice(b"]}\n");
}

/// Reads a line of the agent; `None` for one that this release does not know.
pub(crate) fn said(line: &[u8]) -> Option<Said> {
    let said = parse(line).ok()?;
    let publishers = || said.get("publishers").cloned().unwrap_or(Value::Null);
    let (key, value) = said.as_map()?.iter().next()?;
    Some(match (key, value) {
        ("nephoscope", _) => Said::Greeting,
        ("sample", sample) => Said::Sample(sample.clone(), publishers()),
        ("event", event) => Said::Event(event.clone(), publishers()),
        ("skipped", Value::Int(count)) => Said::Skipped(*count),
        ("end", _) => Said::End,
        ("error", reason) => Said::Error(reason.as_str().unwrap_or("no reason").to_owned()),
        _ => return None,
    })
}

/// An object with one key.
pub(crate) fn object(key: &str, value: impl Into<Value>) -> Value {
    [(key, value.into())].into_iter().collect::<Map>().into()
}

/// A value as a line of JSON.
pub(crate) fn line(value: &Value) -> Vec<u8> {
    let mut line = to_string(value).into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Event, MeterKind, Sample, Subject, Timestamp};

    use super::*;

    #[test]
    fn a_request_arrives_as_it_was_meant() {
        let full = TapQuery {
            meters: vec!["image.*".into(), "ü\n\"".into()],
            event_types: vec!["a".into()],
            resource: Some("r/1".into()),
            project: Some(String::new()),
        };
        for asked in [TapQuery::default(), full] {
            let line = String::from_utf8(request(&asked)).unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(query(line.trim_end()).unwrap(), asked);
        }
    }

    #[test]
    fn a_request_that_is_none_is_refused_with_what_is_wrong() {
        for (request, words) in [
            ("", "not JSON"),
            ("[]", "not an object"),
            ("{}", "this release knows no other"),
            ("{\"tap\": {}, \"more\": 1}", "this release knows no other"),
            ("{\"reload\": {}}", "this release knows no other"),
            ("{\"tap\": 1}", "tap is not an object"),
            ("{\"tap\": {\"meters\": \"a\"}}", "meters is not a list"),
            ("{\"tap\": {\"event_types\": [1]}}", "event_types is not a list of texts"),
            ("{\"tap\": {\"resource\": 1}}", "resource is not a text"),
            ("{\"tap\": {\"colour\": \"red\"}}", "no filter \"colour\""),
        ] {
            let error = query(request).unwrap_err();
            assert!(error.contains(words), "{request}: {error}");
        }
    }

    #[test]
    fn what_the_agent_says_is_read_as_it_was_said() {
        let sample = Arc::new(Sample {
            name: "a".into(),
            kind: MeterKind::Gauge,
            unit: "B".into(),
            volume: 1.5.into(),
            subject: Subject {
                // What JSON has not, and Python writes all the same.
                resource_metadata: f64::NAN.into(),
                ..Subject::new("ü\n")
            }
            .into(),
            timestamp: "2026-07-21T13:56:12".into(),
            source: "openstack".into(),
            id: "i".into(),
            monotonic_time: None,
        });
        let event = Arc::new(Event {
            message_id: "m".into(),
            event_type: "e".into(),
            generated: Timestamp::parse("2026-07-21T13:56:12").unwrap(),
            traits: Vec::new(),
            raw: Value::Null,
        });
        let to: Destinations = ["file:///a", "file:///b"].map(Arc::from).into();
        let seen = [
            Seen::Sample(Arc::clone(&sample), to),
            Seen::Event(Arc::clone(&event), [].into()),
            Seen::Skipped(7),
        ];
        let text = lines(&seen);
        let told: Vec<Said> =
            text.split_inclusive(|byte| *byte == b'\n').map(|line| said(line).unwrap()).collect();
        let [Said::Sample(read, publishers), Said::Event(read_event, nowhere), Said::Skipped(7)] = &told[..]
        else {
            panic!("{told:?}")
        };
        let mut json = Vec::new();
        sample.write_json(&mut json);
        assert_eq!(to_string(read).into_bytes(), json);
        json.clear();
        event.write_json(&mut json);
        assert_eq!(to_string(read_event).into_bytes(), json);
        assert_eq!(
            (to_string(publishers), to_string(nowhere)),
            (r#"["file:///a", "file:///b"]"#.into(), "[]".into())
        );
        assert_eq!(said(&greeting()), Some(Said::Greeting));
        assert_eq!(said(&end()), Some(Said::End));
        assert_eq!(said(&error("no \"way\"")), Some(Said::Error("no \"way\"".into())));
        for unknown in ["", "1", "{}", "{\"later\": 1}", "{\"skipped\": \"x\"}"] {
            assert_eq!(said(unknown.as_bytes()), None, "{unknown}");
        }
    }
}
