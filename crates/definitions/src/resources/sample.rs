//! From a sample to what Gnocchi gets of it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use model::{Map, Sample, Value};

use super::{Attribute, ResourceDefinition, ResourceDefinitions, Unmapped, encoded};
use crate::error::shown;

/// The step that most attributes' paths begin with.
pub(super) const METADATA: &str = "resource_metadata";

/// What Gnocchi gets of one sample.
///
/// Several samples of a resource are one request: the resource has the type and the user of the first of them, and
/// the attributes of all, later ones winning; upstream sorts a batch by resource id, stably.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceMeasure<'d> {
    /// The resource type, such as `instance`.
    pub resource_type: &'d Arc<str>,
    /// The id as Gnocchi needs it.
    pub resource_id: String,
    /// The id as the sample has it.
    pub original_id: &'d str,
    /// Who owns the resource; only sent when it is created.
    pub user_id: &'d Value,
    /// The project that it belongs to; an attribute that is always sent, also when it is null.
    pub project_id: &'d Value,
    /// The other attributes, in the order of the definition; nulls are left out.
    pub attributes: Vec<(&'d Arc<str>, Value)>,
    /// The metric.
    pub metric: &'d Arc<str>,
    /// Its archive policy; `None` leaves the choice to Gnocchi's rules.
    pub archive_policy: Option<&'d Arc<str>>,
    /// Its unit.
    pub unit: &'d Value,
    /// When it was measured.
    pub timestamp: &'d Value,
    /// What was measured.
    pub volume: &'d Value,
}

impl ResourceMeasure<'_> {
    /// The resource's attributes as they are sent to create or update it: the project and the others.
    #[must_use]
    pub fn to_extra(&self) -> Map {
        let mut extra = Map::with_capacity(self.attributes.len() + 1);
        extra.insert("project_id", self.project_id.clone());
        for (name, value) in &self.attributes {
            extra.insert(&***name, value.clone());
        }
        extra
    }
}

/// A sample as the map that paths are looked up in; put together only when a path asks for it.
struct Root<'s> {
    sample: &'s Sample,
    whole: OnceCell<Value>,
}

impl Root<'_> {
    fn find(&self, attribute: &Attribute) -> Option<Value> {
        let found = match &attribute.in_metadata {
            Some(field) => field.first(&self.sample.resource_metadata),
            None => attribute.field.first(self.whole.get_or_init(|| self.sample.to_dict().into())),
        };
        found.map(Cow::into_owned)
    }
}

impl ResourceDefinition {
    /// The attributes that a sample gives its resource, but for the project.
    #[must_use]
    pub fn sample_attributes(&self, sample: &Sample) -> Vec<(&Arc<str>, Value)> {
        let root = Root { sample, whole: OnceCell::new() };
        let found = self.attributes.iter().map(|attribute| (&attribute.name, root.find(attribute)));
        found.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Each attribute with its paths and what they find in a sample, for explanations.
    pub fn trace_attributes(
        &self,
        sample: &Sample,
    ) -> impl Iterator<Item = (&Arc<str>, String, Option<Value>)> {
        let root = Root { sample, whole: OnceCell::new() };
        self.attributes
            .iter()
            .map(move |attribute| (&attribute.name, attribute.field.to_string(), root.find(attribute)))
    }
}

impl ResourceDefinitions {
    /// What Gnocchi gets of a sample.
    ///
    /// # Errors
    /// [`Unmapped`] when no resource type has its meter, or Gnocchi cannot have its resource id.
    pub fn sample<'d>(&'d self, sample: &'d Sample) -> Result<ResourceMeasure<'d>, Unmapped> {
        let found = self.by_metric.get(&*sample.name).and_then(|(place, metric)| {
            let definition = self.definitions.get(*place)?;
            Some((definition, definition.metrics.get(*metric)?))
        });
        let (definition, metric) = found.ok_or_else(|| Unmapped::Metric { name: sample.name.to_string() })?;
        let original_id = sample
            .resource_id
            .as_str()
            .ok_or_else(|| Unmapped::ResourceId { value: shown(&sample.resource_id) })?;
        Ok(ResourceMeasure {
            resource_type: &definition.resource_type,
            resource_id: encoded(original_id)?,
            original_id,
            user_id: &sample.user_id,
            project_id: &sample.project_id,
            attributes: definition.sample_attributes(sample),
            metric: &metric.name,
            archive_policy: metric.archive_policy.as_ref(),
            unit: &sample.unit,
            timestamp: &sample.timestamp,
            volume: &sample.volume,
        })
    }
}

#[cfg(test)]
mod tests {
    use model::{MeterKind, Subject, json};

    use super::*;
    use crate::{ResourceSettings, Source};

    /// The short way into the metadata finds what the path finds in the whole sample, and is taken where it can be.
    #[test]
    fn paths_below_the_metadata_mean_the_same() {
        let metadata = [
            r#"{"a": 1, "b": {"a": "x", "c": null}, "metering": {"d": 2}}"#,
            r#"{"a": null, "b": [{"a": 3}], "c": {"b": 4}}"#,
            r#"[{"a": 1}]"#,
            r#""text""#,
            "null",
        ];
        for (path, is_short) in [
            ("resource_metadata.a", true),
            ("resource_metadata.b.a", true),
            ("resource_metadata.a|b", true),
            ("resource_metadata.(a|b)", true),
            ("resource_metadata.(c|(b.a)|a)", true),
            ("resource_metadata.c|b.a", true),
            ("[resource_metadata.c, resource_metadata.a]", true),
            ("[resource_metadata.c, name]", false),
            ("resource_metadata.b[0].a", false),
            ("resource_metadata..a", false),
            ("resource_metadata.*", false),
            ("resource_metadata.a + resource_metadata.a", false),
            ("resource_metadata.a + x", false),
            ("resource_metadata.a.`parent`.a", false),
            ("resource_metadata", false),
            ("resource_metadata_a", false),
            ("(resource_metadata.a)|(name)", false),
            ("$.resource_metadata.a", false),
        ] {
            let text =
                format!("resources: [{{resource_type: t, metrics: [m], attributes: {{x: {path:?}}}}}]")
                    .replace("\"[", "[")
                    .replace("]\"}", "]}");
            let source = Source { path: "r", text: &text };
            let (definitions, problems) = ResourceDefinitions::load(source, &ResourceSettings::default());
            assert_eq!(problems, []);
            let attribute = &definitions.iter().next().unwrap().attributes[0];
            assert_eq!(attribute.in_metadata.is_some(), is_short, "{path}");
            for metadata in metadata {
                let sample = Sample {
                    name: "m".into(),
                    kind: MeterKind::Gauge,
                    unit: "u".into(),
                    volume: 1.into(),
                    subject: Subject {
                        resource_metadata: json::parse(metadata).unwrap().into(),
                        ..Subject::new("r")
                    }
                    .into(),
                    timestamp: "t".into(),
                    source: "s".into(),
                    id: "i".into(),
                    monotonic_time: None,
                };
                let whole: Value = sample.to_dict().into();
                let slow = attribute.field.first(&whole).map(Cow::into_owned);
                let root = Root { sample: &sample, whole: OnceCell::new() };
                assert_eq!(root.find(attribute), slow, "{path} in {metadata}");
            }
        }
    }
}
