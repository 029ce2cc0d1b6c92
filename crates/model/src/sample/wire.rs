//! The metering message of a sample: what goes over the bus, UDP and TCP.

use super::{Field, Sample, write_json_fields, write_json_name};
use crate::metadata::RESOURCE_METADATA;
use crate::signature::{self, MESSAGE_SIGNATURE, Signer};
use crate::{Map, Value, json};

/// The fields of [`Sample::wire_fields`] by their names, which is the order in which they are signed.
const SIGNED: [usize; 14] = [1, 2, 3, 4, 12, 13, 7, 8, 9, 11, 0, 10, 5, 6];

impl Sample {
    /// The metering message of the bus, UDP and TCP, signed with `secret` (unsigned when that is empty).
    ///
    /// Only the TCP publisher names a publisher.
    #[must_use]
    pub fn to_wire(&self, secret: &str, publisher_id: Option<&str>) -> Map {
        let mut message: Map =
            self.wire_fields().into_iter().map(|(name, field)| (name, field.to_value())).collect();
        if let Some(publisher_id) = publisher_id {
            message.insert("publisher_id", publisher_id);
        }
        let signature = signature::compute(&message, secret);
        message.insert(MESSAGE_SIGNATURE, signature);
        message
    }

    /// Appends the JSON text of [`to_wire`](Self::to_wire) without a publisher. Nothing is cloned on the way.
    pub fn write_wire(&self, signer: &mut Signer, out: &mut Vec<u8>) {
        let fields = self.wire_fields();
        let signature = sign(&fields, signer);
        write_json_fields(fields.into_iter().chain([(MESSAGE_SIGNATURE, Field::Text(&signature))]), out);
        out.push(b'}');
    }

    /// Appends the same as it stands inside a JSON text. `room` is used, and may be kept for the next one.
    pub fn write_quoted_wire(&self, signer: &mut Signer, room: &mut Vec<u8>, out: &mut Vec<u8>) {
        let fields = self.wire_fields();
        let signature = sign(&fields, signer);
        room.clear();
        for (place, (name, field)) in fields.into_iter().enumerate() {
            write_json_name(place, name, room);
            match field {
                Field::Text(text) => json::write_string(text, room),
                Field::Value(value) => json::write(value, room),
                Field::Metadata(metadata) => {
                    json::quote(room, out);
                    room.clear();
                    metadata.write_quoted(out);
                }
                Field::Seconds(seconds) => room.extend_from_slice(signer.seconds(seconds).as_bytes()),
            }
        }
        write_json_name(fields.len(), MESSAGE_SIGNATURE, room);
        json::write_string(&signature, room);
        room.push(b'}');
        json::quote(room, out);
    }

    /// Whether every number in it is finite, as JSON wants them.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let fields = self.wire_fields();
        fields.iter().all(|(_, field)| match field {
            Field::Text(_) => true,
            Field::Value(value) => value.is_finite(),
            Field::Metadata(metadata) => metadata.is_finite(),
            Field::Seconds(seconds) => seconds.is_none_or(f64::is_finite),
        })
    }

    fn wire_fields(&self) -> [(&'static str, Field<'_>); 14] {
        [
            ("source", Field::Value(&self.source)),
            ("counter_name", Field::Text(&self.name)),
            ("counter_type", Field::Text(self.kind.as_str())),
            ("counter_unit", Field::Value(&self.unit)),
            ("counter_volume", Field::Value(&self.volume)),
            ("user_id", Field::Value(&self.user_id)),
            ("user_name", Field::Value(&self.user_name)),
            ("project_id", Field::Value(&self.project_id)),
            ("project_name", Field::Value(&self.project_name)),
            ("resource_id", Field::Value(&self.resource_id)),
            ("timestamp", Field::Value(&self.timestamp)),
            (RESOURCE_METADATA, Field::Metadata(&self.resource_metadata)),
            ("message_id", Field::Text(&self.id)),
            ("monotonic_time", Field::Seconds(self.monotonic_time)),
        ]
    }
}

/// The signature of a message.
fn sign(fields: &[(&'static str, Field<'_>); 14], signer: &mut Signer) -> String {
    // Asked for once more when the message is written.
    for (_, field) in fields {
        if let Field::Seconds(seconds) = field {
            signer.seconds(*seconds);
        }
    }
    signer.sign(|last_seconds, text| {
        for (name, field) in SIGNED.iter().filter_map(|place| fields.get(*place)) {
            match field {
                Field::Text(value) => {
                    text.extend_from_slice(name.as_bytes());
                    text.extend_from_slice(value.as_bytes());
                }
                Field::Value(value) => signature::write_entry(name, value, text),
                Field::Metadata(metadata) => metadata.write_signed(text),
                Field::Seconds(None) => signature::write_entry(name, &Value::Null, text),
                Field::Seconds(Some(_)) => {
                    text.extend_from_slice(name.as_bytes());
                    text.extend_from_slice(last_seconds.as_bytes());
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use crate::{Value, json};

    #[test]
    fn wire_form_has_its_own_names_and_order() {
        let wire = sample().to_wire("s", Some("tcp"));
        let keys: Vec<_> = wire.iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys.join(" "),
            "source counter_name counter_type counter_unit counter_volume user_id user_name project_id project_name \
             resource_id timestamp resource_metadata message_id monotonic_time publisher_id message_signature"
        );
        assert_eq!(sample().to_wire("", None).get(MESSAGE_SIGNATURE), Some(&"".into()));
    }

    #[test]
    fn the_text_is_that_of_the_map() {
        let plain = sample();
        let nested =
            json::parse(r#"{"b": [1, {"k": "\u00e9"}], "a": {"y": 1.0, "x": {}}, "m": "\"", "z": null}"#)
                .unwrap();
        let rich = Sample {
            resource_metadata: nested.into(),
            monotonic_time: Some(12_345.678_901_234),
            volume: Value::Map(Map::new()),
            project_id: Value::List(vec!["p".into()]),
            ..sample()
        };
        for sample in [plain, rich] {
            for secret in ["", "s", "change this for valid signing"] {
                let mut signer = Signer::new(secret);
                let mut copies = Vec::new();
                for _ in 0..2 {
                    let mut text = Vec::new();
                    sample.write_wire(&mut signer, &mut text);
                    let expected = json::to_string(&sample.to_wire(secret, None).into());
                    assert_eq!(String::from_utf8(text).unwrap(), expected);
                    let (mut room, mut quoted) = (b"left over".to_vec(), Vec::new());
                    // Once alone, and once with a copy.
                    for _ in 0..2 {
                        quoted.clear();
                        sample.write_quoted_wire(&mut signer, &mut room, &mut quoted);
                        copies.push(sample.clone());
                    }
                    let expected = serde_json::to_string(&expected).unwrap();
                    assert_eq!(String::from_utf8(quoted).unwrap(), expected[1..expected.len() - 1]);
                }
            }
        }
    }

    #[test]
    fn infinities_are_found_wherever_they_are() {
        assert!(sample().is_finite());
        let bad = Value::List(vec![Value::Float(f64::NAN)]);
        assert!(!Sample { volume: f64::INFINITY.into(), ..sample() }.is_finite());
        assert!(!Sample { monotonic_time: Some(f64::NAN), ..sample() }.is_finite());
        let map: Map = [("k", bad)].into_iter().collect();
        assert!(!Sample { resource_metadata: map.into(), ..sample() }.is_finite());
    }
}
