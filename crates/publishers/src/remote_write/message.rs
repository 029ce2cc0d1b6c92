//! [`Message`]: `prometheus.WriteRequest` in protobuf, compressed with snappy, as remote write 1.0 has it.
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1; }
//! TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
//! Label        { string name = 1; string value = 2; }
//! Sample       { double value = 1; int64 timestamp = 2; }
//! ```
//!
//! A series has one sample here.

use std::ops::Range;

use crate::protobuf::{field_length, integer_length, put_bytes, put_fixed64, put_integer, put_message};
use crate::series::Series;

/// The label that holds the metric's name.
const NAME: &str = "__name__";
/// The one NaN that is a value. Prometheus gives a meaning of its own to another one.
const NAN: u64 = 0x7ff8_0000_0000_0001;

/// Encoded samples in a row. Any part of them is a message.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// Where each sample ends.
    ends: Vec<usize>,
}

impl Message {
    /// Adds a sample. Labels are sorted by name, and those without a value are left out.
    pub(super) fn add(&mut self, series: &Series<'_>, value: f64, milliseconds: i64) {
        let mut labels = Vec::with_capacity(24);
        labels.extend(series.labels().filter(|(_, value)| !value.is_empty()));
        let place = labels.partition_point(|(name, _)| *name < NAME);
        labels.insert(place, (NAME, &series.name));

        let value = if value.is_nan() { NAN } else { value.to_bits() };
        let timestamp = milliseconds.cast_unsigned();
        let sample_bytes = 1 + size_of::<u64>() + integer_length(timestamp);
        let label_bytes = |(name, value): &(&str, &str)| field_length(name.len()) + field_length(value.len());
        let labels_bytes: usize = labels.iter().map(|label| field_length(label_bytes(label))).sum();
        let out = &mut self.bytes;
        put_message(1, labels_bytes + field_length(sample_bytes), out);
        for label in &labels {
            put_message(1, label_bytes(label), out);
            put_bytes(1, label.0.as_bytes(), out);
            put_bytes(2, label.1.as_bytes(), out);
        }
        put_message(2, sample_bytes, out);
        put_fixed64(1, value.to_le_bytes(), out);
        put_integer(2, timestamp, out);
        self.ends.push(self.bytes.len());
    }

    /// How many bytes some samples take, before compression.
    pub(super) fn bytes(&self, samples: Range<usize>) -> usize {
        self.part(samples).len()
    }

    /// A request's body with some of the samples.
    pub(super) fn body(&self, samples: Range<usize>) -> Vec<u8> {
        // It fails beyond 4 GiB only; requests are far smaller.
        snap::raw::Encoder::new().compress_vec(self.part(samples)).unwrap_or_default()
    }

    fn part(&self, samples: Range<usize>) -> &[u8] {
        let place = |sample: usize| {
            sample.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
        };
        self.bytes.get(place(samples.start)..place(samples.end)).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "../../tests/support/write_request.rs"]
mod write_request;

#[cfg(test)]
mod tests {
    use model::Value;
    use proptest::prelude::*;

    use super::write_request::read;
    use super::*;
    use crate::fixtures::sample;
    use crate::series::Naming;

    #[test]
    fn any_part_is_a_message() {
        let samples = ["a", "b", "c"].map(|resource| sample("Cpu.x", resource, 1.into()));
        let mut message = Message::default();
        for (sample, time) in samples.iter().zip([-1000, 0, 1000]) {
            message.add(&Series::of(sample, Naming::default()), 1.5, time);
        }
        let written = read(&message.body(0..2));
        assert_eq!(written.iter().map(|written| written.time).collect::<Vec<_>>(), [-1000, 0]);
        let labels: Vec<_> =
            written[1].labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Capital letters stand before underscores.
        assert_eq!(
            labels.join(" "),
            "Cpu=b __name__=ceilometer_Cpu_x counter=Cpu.x project=p publisher=ceilometer resource=b server_group=none \
             type=x unit=B user=u"
        );
        assert_eq!(read(&message.body(2..3)).len(), 1);
        assert_eq!(message.bytes(0..3), message.bytes.len());
        assert!(read(&message.body(0..0)).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]
        #[test]
        fn whatever_a_sample_holds_the_message_is_well_formed(
            name in "\\PC{0,12}(\\.\\PC{0,200}){0,3}",
            resource in any::<String>(),
            group in any::<String>(),
            value in any::<u64>(),
            time in any::<i64>(),
        ) {
            let mut sample = sample(&name, &resource, 1.into());
            let metadata = serde_json::json!({"user_metadata": {"server_group": group}}).to_string();
            sample.resource_metadata = model::json::parse(&metadata).unwrap().into();
            sample.user_id = Value::Null;
            let mut message = Message::default();
            message.add(&Series::of(&sample, Naming::default()), f64::from_bits(value), time);
            let [written] = read(&message.body(0..1)).try_into().unwrap();
            prop_assert_eq!(written.time, time);
            prop_assert_eq!(written.value, if f64::from_bits(value).is_nan() { NAN } else { value });
            let labels = &written.labels;
            prop_assert!(labels.is_sorted_by(|(one, _), (two, _)| one < two), "{labels:?}");
            let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            for (name, value) in labels {
                prop_assert!(!value.is_empty());
                prop_assert!(name == NAME || !name.starts_with("__"), "{name}");
                prop_assert!(is_letter(name.as_bytes()[0]), "{name}");
                prop_assert!(name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit()), "{name}");
            }
            prop_assert!(labels.iter().filter(|(name, _)| name == NAME).count() == 1);
        }
    }
}
