//! What the configuration says about samples.

use model::pytext::crop;
use model::{Map, Value};

/// The options of `[DEFAULT]` that shape samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSettings {
    /// `sample_source`: what samples give as their source.
    pub sample_source: String,
    /// `reserved_metadata_namespace`: prefixes of the user's metadata keys that are kept.
    pub reserved_metadata_namespace: Vec<String>,
    /// `reserved_metadata_length`: the most characters that are kept of such a value; a negative number cuts so many
    /// off its end, as a Python slice does.
    pub reserved_metadata_length: i64,
    /// `reserved_metadata_keys`: further keys that are kept.
    pub reserved_metadata_keys: Vec<String>,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            sample_source: "openstack".into(),
            reserved_metadata_namespace: vec!["metering.".into()],
            reserved_metadata_length: 256,
            reserved_metadata_keys: Vec::new(),
        }
    }
}

impl SampleSettings {
    /// Takes from a user's metadata what is reserved for metering: keys lose the prefix, their dots become
    /// underscores, and what the sample's metadata has already is left out.
    pub(crate) fn user_metadata(&self, user: &Map, sample: &Map) -> Map {
        let mut kept = Map::new();
        let mut keep = |key: &str, value: &Value| {
            let key = key.replace('.', "_");
            if sample.get(&key).is_none() {
                kept.insert(key, self.cropped(value));
            }
        };
        for prefix in &self.reserved_metadata_namespace {
            for (key, value) in user.iter() {
                if let Some(key) = key.strip_prefix(prefix.as_str()) {
                    keep(key, value);
                }
            }
        }
        for key in &self.reserved_metadata_keys {
            if let Some(value) = user.get(key) {
                keep(key, value);
            }
        }
        kept
    }

    fn cropped(&self, value: &Value) -> Value {
        let Value::Str(text) = value else { return value.clone() };
        let length = usize::try_from(self.reserved_metadata_length).unwrap_or_else(|_| {
            let cut = usize::try_from(self.reserved_metadata_length.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(cut)
        });
        crop(text, length).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_keys_are_kept_cut_and_renamed() {
        let settings = SampleSettings {
            reserved_metadata_length: 3,
            reserved_metadata_keys: vec!["owner.id".into(), "absent".into()],
            ..SampleSettings::default()
        };
        let user: Map = [
            ("metering.stack.name", Value::from("überall")),
            ("metering.size", Value::Int(5)),
            ("metering.host", "taken".into()),
            ("other", "no".into()),
            ("owner.id", "me".into()),
        ]
        .into_iter()
        .collect();
        let sample: Map = [("host", "h")].into_iter().collect();
        let kept = settings.user_metadata(&user, &sample);
        assert_eq!(
            model::json::to_compact_string(&kept.into()),
            r#"{"stack_name":"übe","size":5,"owner_id":"me"}"#
        );
        let negative = SampleSettings { reserved_metadata_length: -5, ..settings };
        assert_eq!(negative.cropped(&"abcdefg".into()), "ab".into());
        assert_eq!(negative.cropped(&"abc".into()), "".into());
    }
}
