//! Samples: one measured value of one meter of one resource.

mod id;
mod subject;
mod wire;

use std::fmt;
use std::ops::{Deref, DerefMut};

pub use self::id::SampleId;
pub use self::subject::{SharedSubject, Subject};
use crate::json::{write as write_json_value, write_string};
use crate::pytext::{write_repr, write_text_repr};
use crate::time::IsoTime;
use crate::{Map, Metadata, Text, Value};

/// How a meter's values relate to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterKind {
    /// A value that stands for itself.
    Gauge,
    /// The change since the last value.
    Delta,
    /// A counter that grows, and starts again at zero with its resource.
    Cumulative,
}

impl MeterKind {
    /// `gauge`, `delta` or `cumulative`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }

    /// The kind of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Gauge, Self::Delta, Self::Cumulative].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for MeterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sample. It reads as its [`Subject`], which it may share with others: `sample.resource_id`. Who changes a part of that
/// gets a copy of it first.
///
/// Whatever comes out of a payload keeps the kind that it had there, hence the [`Value`]s: a tenant id that is a
/// number is published as a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The meter, such as `image.size`.
    pub name: Text,
    /// How its values relate.
    pub kind: MeterKind,
    /// The unit of the volume, such as `B`; a text unless a lookup found something else.
    pub unit: Value,
    /// The measured value: a number or a text that spells one once the pipeline has checked it.
    pub volume: Value,
    /// What was measured, and whose it is.
    pub subject: SharedSubject,
    /// When: an ISO 8601 text in UTC, with or without offset.
    pub timestamp: Value,
    /// Which installation it comes from (`[DEFAULT] sample_source`).
    pub source: Value,
    /// The sample's own id; see [`sample_id`].
    pub id: SampleId,
    /// Seconds of the monotonic clock at the reading; set by compute pollsters only.
    pub monotonic_time: Option<f64>,
}

impl Deref for Sample {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

impl DerefMut for Sample {
    fn deref_mut(&mut self) -> &mut Subject {
        &mut self.subject
    }
}

/// The name space of sample ids: a random UUID, fixed for ever, because a replay must repeat the ids.
const SAMPLE_IDS: uuid::Uuid = uuid::uuid!("6f2f5a3e-0d0c-4b53-9a5f-3b8f3a0a4c1d");

/// The id of the sample that `definition` makes of a notification, the `index`th one if it makes several.
///
/// A UUID of version 5: the same notification gives the same ids however often it is delivered, which upstream's
/// (version 1, from the clock) do not.
#[must_use]
pub fn sample_id(message_id: &str, definition: &str, index: usize) -> SampleId {
    let mut name = Vec::with_capacity(message_id.len() + definition.len() + 8);
    name.extend_from_slice(message_id.as_bytes());
    name.push(0);
    name.extend_from_slice(definition.as_bytes());
    name.push(0);
    crate::pytext::write_integer(i64::try_from(index).unwrap_or(i64::MAX), &mut name);
    uuid::Uuid::new_v5(&SAMPLE_IDS, &name).into()
}

/// One field in the order of a printed sample.
#[derive(Clone, Copy)]
enum Field<'s> {
    Text(&'s str),
    Name(&'s Text),
    Id(&'s SampleId),
    Value(&'s Value),
    Metadata(&'s Metadata),
    Seconds(Option<f64>),
}

impl Field<'_> {
    fn to_value(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Name(text) => text.clone().into(),
            Self::Id(id) => id.with_text(|text| text.into()),
            Self::Value(value) => value.clone(),
            Self::Metadata(metadata) => Value::clone(metadata),
            Self::Seconds(seconds) => seconds.into(),
        }
    }
}

fn write_json_field(field: Field<'_>, out: &mut Vec<u8>) {
    match field {
        Field::Text(text) => write_string(text, out),
        Field::Name(text) => write_string(text, out),
        Field::Id(id) => id.with_text(|text| write_string(text, out)),
        Field::Value(value) => write_json_value(value, out),
        Field::Metadata(metadata) => metadata.write_json(out),
        Field::Seconds(seconds) => write_json_value(&seconds.into(), out),
    }
}

/// Appends the name of the next field of an object, which begins with the first.
fn write_json_name(is_first: bool, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(if is_first { b"{\"" } else { b", \"" });
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\": ");
}

impl Sample {
    /// The fields in the order in which upstream's `as_dict()` has them.
    fn fields(&self) -> [(&'static str, Field<'_>); 14] {
        [
            ("name", Field::Name(&self.name)),
            ("type", Field::Text(self.kind.as_str())),
            ("unit", Field::Value(&self.unit)),
            ("volume", Field::Value(&self.volume)),
            ("user_id", Field::Value(&self.user_id)),
            ("user_name", Field::Value(&self.user_name)),
            ("project_id", Field::Value(&self.project_id)),
            ("project_name", Field::Value(&self.project_name)),
            ("resource_id", Field::Value(&self.resource_id)),
            ("timestamp", Field::Value(&self.timestamp)),
            ("resource_metadata", Field::Metadata(&self.resource_metadata)),
            ("source", Field::Value(&self.source)),
            ("id", Field::Id(&self.id)),
            ("monotonic_time", Field::Seconds(self.monotonic_time)),
        ]
    }

    /// The sample as a map, in the order of the http, file and zaqar publishers.
    #[must_use]
    pub fn to_dict(&self) -> Map {
        self.fields().into_iter().map(|(name, field)| (name, field.to_value())).collect()
    }

    /// Appends the JSON text of [`to_dict`](Self::to_dict), as `json.dumps` writes it.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        for (place, (name, field)) in self.fields().into_iter().enumerate() {
            write_json_name(place == 0, name, out);
            write_json_field(field, out);
        }
        out.push(b'}');
    }

    /// Appends Python's text of [`to_dict`](Self::to_dict): a line of the file publisher's plain form.
    pub fn write_pytext(&self, out: &mut Vec<u8>) {
        for (place, (name, field)) in self.fields().into_iter().enumerate() {
            out.extend_from_slice(if place == 0 { b"{'" } else { b", '" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"': ");
            match field {
                Field::Text(text) => write_text_repr(text, out),
                Field::Name(text) => write_text_repr(text, out),
                Field::Id(id) => id.with_text(|text| write_text_repr(text, out)),
                Field::Value(value) => write_repr(value, out),
                Field::Metadata(metadata) => write_repr(metadata, out),
                Field::Seconds(seconds) => write_repr(&seconds.into(), out),
            }
        }
        out.push(b'}');
    }

    /// The timestamp, if it is the text of a time.
    #[must_use]
    pub fn time(&self) -> Option<IsoTime> {
        IsoTime::parse(self.timestamp.as_str()?).ok()
    }

    /// About how many bytes of memory it takes, for the budgets of queues and buffers. A shared subject counts in full.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let values = [&self.unit, &self.volume, &self.timestamp, &self.source];
        // The values' own places are counted with them.
        let fixed = size_of::<Self>() - values.len() * size_of::<Value>();
        let held: usize = values.into_iter().map(Value::approximate_bytes).sum();
        fixed + self.id.outside_bytes() + self.subject.approximate_bytes() + held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> Sample {
        Sample {
            name: "a.b".into(),
            kind: MeterKind::Cumulative,
            unit: "B".into(),
            volume: 1.5.into(),
            subject: Subject {
                user_id: "u".into(),
                project_id: "p".into(),
                resource_metadata: [("k", "v")].into_iter().collect::<Map>().into(),
                ..Subject::new("r/1")
            }
            .into(),
            timestamp: "2026-07-21T13:56:12.123456".into(),
            source: "openstack".into(),
            id: "ID1".into(),
            monotonic_time: None,
        }
    }

    #[test]
    fn printed_forms() {
        let mut json = Vec::new();
        sample().write_json(&mut json);
        let text = r#"{"name": "a.b", "type": "cumulative", "unit": "B", "volume": 1.5, "user_id": "u", "user_name": null, "project_id": "p", "project_name": null, "resource_id": "r/1", "timestamp": "2026-07-21T13:56:12.123456", "resource_metadata": {"k": "v"}, "source": "openstack", "id": "ID1", "monotonic_time": null}"#;
        assert_eq!(String::from_utf8(json).unwrap(), text);
        assert_eq!(crate::json::to_string(&sample().to_dict().into()), text);
        let mut plain = Vec::new();
        sample().write_pytext(&mut plain);
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            "{'name': 'a.b', 'type': 'cumulative', 'unit': 'B', 'volume': 1.5, 'user_id': 'u', 'user_name': None, \
             'project_id': 'p', 'project_name': None, 'resource_id': 'r/1', 'timestamp': \
             '2026-07-21T13:56:12.123456', 'resource_metadata': {'k': 'v'}, 'source': 'openstack', 'id': 'ID1', \
             'monotonic_time': None}"
        );
    }

    #[test]
    fn ids_repeat_and_differ() {
        let id = sample_id("m", "image.size", 0);
        assert_eq!(id, sample_id("m", "image.size", 0));
        assert_eq!(id.to_string().len(), 36);
        for other in
            [sample_id("m", "image.size", 1), sample_id("n", "image.size", 0), sample_id("m", "image", 0)]
        {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn bytes_grow_with_what_it_holds() {
        let bytes = |length: usize| {
            let mut sample = sample();
            sample.resource_metadata = [("k", "v".repeat(length))].into_iter().collect::<Map>().into();
            sample.approximate_bytes()
        };
        // The short text's allocation is larger than the text.
        assert!(bytes(1000) >= bytes(1) + 1000 - 32);
    }
}
