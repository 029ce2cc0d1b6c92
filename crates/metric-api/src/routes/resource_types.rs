//! `/v1/resource_type`.

use axum::http::StatusCode;
use metric::{Rule, Target, view};
use metric_index::{FilledAttribute, ResourceType, TypeChange};
use model::{Map, Value};

use super::Done;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, schema};

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::ListResourceType, &Target::default())?;
    let types = api.metrics.index().resource_types().await?;
    Ok(Reply::json(Value::List(types.iter().map(view::resource_type).collect())))
}

pub(super) async fn create(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let (name, attributes) = schema::attributes(&request.json(api)?)?;
    caller.enforce(Rule::CreateResourceType, &Target::of_pairs(&[("name", &name)]))?;
    let created = api.metrics.index().create_resource_type(&name, &attributes).await?;
    Ok(Reply::json(view::resource_type(&created)).created(request.address("resource_type", &name)))
}

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let found = api.metrics.index().resource_type(request.capture(0)).await?;
    caller.enforce(Rule::GetResourceType, &Target::of_pairs(&[("name", &found.name)]))?;
    Ok(Reply::json(view::resource_type(&found)))
}

pub(super) async fn delete(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let found = api.metrics.index().resource_type(request.capture(0)).await?;
    caller.enforce(Rule::DeleteResourceType, &Target::of_pairs(&[("name", &found.name)]))?;
    api.metrics.index().delete_resource_type(&found.name).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Applies a JSON patch to the attributes.
pub(super) async fn update(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let present = api.metrics.index().resource_type(request.capture(0)).await?;
    caller.enforce(Rule::UpdateResourceType, &Target::of_pairs(&[("name", &present.name)]))?;
    let patch = request.json_of(api, "application/json-patch+json")?;
    let steps = schema::patch(&patch)?;
    let before: Map =
        present.attributes.iter().map(|item| (item.name.as_str(), view::attribute(item))).collect();
    let mut after = before.clone();
    for step in steps {
        apply(&mut after, step)?;
    }
    let wanted = schema::filled_attributes(&after.clone().into(), api.metrics.now())?;
    let change = change(&present, wanted, &before, &after);
    if change == TypeChange::default() {
        return Ok(Reply::json(view::resource_type(&present)));
    }
    let updated = api.metrics.index().update_resource_type(&present.name, &change).await.map_err(
        |error| match error {
            error @ metric_index::Error::InvalidFill { .. } => {
                Failure::invalid(format!("Invalid input: {error}"))
            }
            error => error.into(),
        },
    )?;
    Ok(Reply::json(view::resource_type(&updated)))
}

fn apply(attributes: &mut Map, step: schema::PatchStep) -> Result<(), Failure> {
    let refused = |text: String| Failure::invalid(text);
    match (step.value, step.path.as_slice()) {
        (Some(value), [name]) => {
            attributes.insert(name.as_str(), value);
        }
        (None, [name]) => {
            if attributes.remove(name).is_none() {
                return Err(refused(format!("can't remove a non-existent object '{name}'")));
            }
        }
        (Some(Value::Map(all)), []) => *attributes = all,
        (value, [name, inner]) => {
            let Some(Value::Map(attribute)) = attributes.get_mut(name) else {
                return Err(refused(format!("member '{name}' not found in the attributes")));
            };
            match value {
                Some(value) => {
                    attribute.insert(inner.as_str(), value);
                }
                None => {
                    if attribute.remove(inner).is_none() {
                        return Err(refused(format!("can't remove a non-existent object '{inner}'")));
                    }
                }
            }
        }
        _ => return Err(refused("the patch does not fit the attributes".to_owned())),
    }
    Ok(())
}

fn change(present: &ResourceType, wanted: Vec<FilledAttribute>, before: &Map, after: &Map) -> TypeChange {
    let mut change = TypeChange::default();
    let gone = present.attributes.iter().filter(|item| after.get(&item.name).is_none());
    change.delete = gone.map(|item| item.name.clone()).collect();
    for filled in wanted {
        let name = filled.attribute.name.as_str();
        if before.get(name).is_none() {
            change.add.push(filled);
        } else if before.get(name) != after.get(name) {
            change.update.push(filled);
        }
    }
    change
}
