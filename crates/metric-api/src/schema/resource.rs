//! Resources.

use metric::{GivenMetric, GivenResource};
use metric_index::{AttributeValue, ResourceChange, ResourceType, resource_id, time};
use model::{Map, Timestamp, Value};
use uuid::Uuid;

use crate::failure::Failure;

use super::{Invalid, Object, dictionary, optional_text, text, unit};

/// How ids of resources are made: of texts and whoever asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids<'c> {
    pub(crate) creator: Option<&'c str>,
}

impl Ids<'_> {
    /// An id, and the text that it was made of.
    pub(crate) fn id(self, value: &Value) -> Result<(Uuid, String), Invalid> {
        let text = text(value)?;
        let id = resource_id(&text, self.creator).map_err(|error| Invalid::new(error.to_string()))?;
        Ok((id, text))
    }
}

fn moment(value: &Value, now: Timestamp) -> Result<Timestamp, Invalid> {
    time::timestamp(value, now).map_err(|error| Invalid::new(error.to_string()))
}

fn metric(value: &Value) -> Result<GivenMetric, Invalid> {
    if let Value::Str(text) = value {
        let id = metric_index::parse_uuid(text).ok_or_else(|| Invalid::new("not a valid value"))?;
        return Ok(GivenMetric::Existing(id));
    }
    let mut object = Object::of(value).map_err(|_| Invalid::new("not a valid value"))?;
    let archive_policy_name = object.optional("archive_policy_name", text);
    let unit = object.optional("unit", unit);
    // What the resource says of itself is as good.
    object.optional("resource_id", |_| Ok(()));
    object.optional("name", |_| Ok(()));
    object.finish()?;
    Ok(GivenMetric::New { archive_policy_name, unit })
}

/// Refuses metrics whose names no address could hold; Gnocchi does so before it looks at anything else.
pub(crate) fn check_metric_names(body: &Value) -> Result<(), Failure> {
    let mut names = body.as_map().into_iter().flat_map(Map::iter).map(|(name, _)| name);
    if names.any(|name| name.contains('/')) {
        return Err(Failure::invalid("'/' is not supported in metric name"));
    }
    Ok(())
}

/// A time of the resource itself: of one that is none nothing more is said than that.
fn own_moment(value: &Value, now: Timestamp) -> Result<Timestamp, Invalid> {
    moment(value, now).map_err(|_| Invalid::new("not a valid value"))
}

/// Metrics by their names.
pub(crate) fn metrics(value: &Value) -> Result<Vec<(String, GivenMetric)>, Invalid> {
    let named = dictionary(value)?.iter().map(|(name, value)| {
        let metric = metric(value).map_err(|invalid| invalid.under(name))?;
        Ok((name.to_owned(), metric))
    });
    named.collect()
}

/// The attributes of a type, out of the keys that have not been asked for.
fn attributes(
    object: &mut Object<'_>,
    resource_type: &ResourceType,
    now: Timestamp,
) -> Vec<(String, AttributeValue)> {
    let mut read = Vec::new();
    for (place, key, value) in object.others() {
        let Some(attribute) = resource_type.attributes.iter().find(|attribute| attribute.name == key) else {
            object.refuse(place, Invalid::new("extra keys not allowed").of_key(key));
            continue;
        };
        if value.is_null() && !attribute.required {
            read.push((key.to_owned(), AttributeValue::Null));
            continue;
        }
        match attribute.kind.accept(value, now) {
            Ok(value) => read.push((key.to_owned(), value)),
            Err(message) => object.refuse(place, Invalid::new(message).under(key)),
        }
    }
    read
}

/// A resource to be made.
pub(crate) fn resource(
    value: &Value,
    resource_type: &ResourceType,
    ids: Ids<'_>,
    now: Timestamp,
) -> Result<GivenResource, Invalid> {
    let mut object = Object::of(value)?;
    let id = object.required("id", |value| ids.id(value));
    let started_at = object.optional("started_at", |value| own_moment(value, now));
    let ended_at = object.optional("ended_at", |value| {
        if value.is_null() { Ok(None) } else { own_moment(value, now).map(Some) }
    });
    let user_id = object.optional("user_id", optional_text);
    let project_id = object.optional("project_id", optional_text);
    let metrics = object.optional("metrics", metrics);
    let attributes = attributes(&mut object, resource_type, now);
    object.finish_open()?;
    let given = |name: &str| attributes.iter().any(|(known, _)| known == name);
    let absent =
        resource_type.attributes.iter().find(|attribute| attribute.required && !given(&attribute.name));
    if let Some(attribute) = absent {
        return Err(Invalid::new("required key not provided").of_key(&attribute.name));
    }
    let (id, original_id) = id.unwrap_or_default();
    Ok(GivenResource {
        resource_type: resource_type.name.clone(),
        original_id,
        id,
        user_id: user_id.flatten(),
        project_id: project_id.flatten(),
        started_at,
        ended_at: ended_at.flatten(),
        attributes,
        metrics: metrics.unwrap_or_default(),
    })
}

/// A change of a resource, and the metrics that it is to have.
pub(crate) type Change = (ResourceChange, Option<Vec<(String, GivenMetric)>>);

/// A change of a resource.
pub(crate) fn resource_change(
    value: &Value,
    resource_type: &ResourceType,
    now: Timestamp,
) -> Result<Change, Invalid> {
    let mut object = Object::of(value)?;
    let started_at = object.optional("started_at", |value| own_moment(value, now));
    let ended_at = object.optional("ended_at", |value| {
        if value.is_null() { Ok(None) } else { own_moment(value, now).map(Some) }
    });
    let user_id = object.optional("user_id", optional_text);
    let project_id = object.optional("project_id", optional_text);
    let metrics = object.optional("metrics", metrics);
    let attributes = attributes(&mut object, resource_type, now);
    object.finish_open()?;
    let change =
        ResourceChange { started_at, ended_at, user_id, project_id, attributes, ..ResourceChange::default() };
    Ok((change, metrics))
}
