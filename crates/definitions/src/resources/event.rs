//! From an event to what becomes of Gnocchi's resources.

use std::sync::Arc;

use model::{Event, Map, TraitValue, Value, json, pytext};

use super::{AssociatedType, Operation, ResourceDefinition, ResourceDefinitions, Unmapped, encoded};

/// What an event does to a resource.
#[derive(Debug, Clone)]
pub struct ResourceEffect<'d> {
    /// The definition that it follows from.
    pub definition: &'d ResourceDefinition,
    /// What it does.
    pub operation: Operation,
    /// The resource type, such as `instance`.
    pub resource_type: &'d Arc<str>,
    /// The id as Gnocchi needs it. Upstream leaves a `/` in the ids of events, so that they meet no resource.
    pub resource_id: String,
    /// The id as the event has it.
    pub original_id: Value,
    /// The attributes that its traits give, without the id, in the order of the definition; what a create or an
    /// update sends. Times are texts; upstream fails on them.
    pub attributes: Vec<(&'d Arc<str>, Value)>,
    /// Which other resources an update or a delete is for as well.
    pub associated: Vec<Associated<'d>>,
}

/// Resources that change together with another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Associated<'d> {
    /// Their type.
    pub resource_type: &'d Arc<str>,
    /// The body of Gnocchi's `POST /v1/search/resource/TYPE` that finds them; `None` if the id does not fit into the
    /// definition's search.
    pub query: Option<Value>,
}

impl ResourceEffect<'_> {
    /// The attributes as a map.
    #[must_use]
    pub fn to_attributes(&self) -> Map {
        self.attributes.iter().map(|(name, value)| (&***name, value.clone())).collect()
    }
}

impl AssociatedType {
    /// The search for an id.
    ///
    /// The id's special characters are escaped, so that no id can make the search say something else.
    pub(super) fn query(&self, id: &str) -> Option<Value> {
        let mut text = self.before.clone().into_bytes();
        let mut quoted = Vec::with_capacity(id.len() + 2);
        json::write_string(id, &mut quoted);
        text.extend_from_slice(quoted.get(1..quoted.len().saturating_sub(1))?);
        text.extend_from_slice(self.after.as_bytes());
        json::parse(text).ok()
    }
}

impl ResourceDefinitions {
    /// What becomes of Gnocchi's resources by an event.
    ///
    /// # Errors
    /// [`Unmapped`] when no resource type has events of its type, or it has no trait with the resource's id, or
    /// Gnocchi cannot have that id.
    pub fn event<'d>(&'d self, event: &Event) -> Result<ResourceEffect<'d>, Unmapped> {
        let (definition, operation) = self
            .find_event(&event.event_type)
            .ok_or_else(|| Unmapped::EventType { event_type: event.event_type.to_string() })?;
        // Of traits of one name the last one counts.
        let value = |name: &str| {
            event.traits.iter().rev().find(|entry| &*entry.name == name).map(|entry| &entry.value)
        };
        let original_id =
            definition.event_id.as_ref().and_then(|name| value(name)).ok_or_else(|| Unmapped::MissingId {
                name: definition.event_id.clone().unwrap_or_else(|| "id".into()),
                resource_type: Arc::clone(&definition.resource_type),
            })?;
        let original_id = original_id.to_value();
        let text = pytext::to_str(&original_id);
        let attributes = definition.event_attributes.iter();
        let associated = match operation {
            Operation::Create => &[],
            Operation::Update | Operation::Delete => definition.associated.as_slice(),
        };
        Ok(ResourceEffect {
            definition,
            operation,
            resource_type: &definition.resource_type,
            resource_id: encoded(&text)?,
            attributes: attributes
                .filter_map(|(attribute, name)| Some((attribute, value(name).map(TraitValue::to_value)?)))
                .collect(),
            associated: associated
                .iter()
                .map(|other| Associated { resource_type: &other.resource_type, query: other.query(&text) })
                .collect(),
            original_id,
        })
    }
}
