//! What the write endpoints of other systems share: resources and metrics are made when measures of them come.

use std::collections::BTreeMap;

use archive::Batch;
use metric::{Caller, GivenResource, NamedMeasures, ResourceMeasures, Rule, Target};
use metric_index::{AttributeValue, Error};
use uuid::Uuid;

use crate::Api;
use crate::failure::Failure;
use axum::http::StatusCode;

/// A resource and its measures by metric.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) attributes: Vec<(String, AttributeValue)>,
    pub(super) metrics: BTreeMap<String, Vec<(i64, f64)>>,
}

/// Takes measures of resources that are known by a text; says how many.
pub(super) async fn write(
    api: &Api,
    caller: &Caller,
    resource_type: &str,
    resources: BTreeMap<String, Written>,
) -> Result<usize, Failure> {
    let points = resources.values().flat_map(|written| written.metrics.values());
    let count = points.map(Vec::len).sum();
    api.check_measures(count)?;
    let mut batch = Vec::with_capacity(resources.len());
    for (original_id, written) in resources {
        let id = metric_index::resource_id(&original_id, caller.creator.as_deref())
            .map_err(|error| Failure::invalid(error.to_string()))?;
        ensure(api, caller, resource_type, id, &original_id, written.attributes).await?;
        let mut metrics = Vec::with_capacity(written.metrics.len());
        for (name, points) in written.metrics {
            let batch = Batch::new(points).map_err(|error| Failure::invalid(error.to_string()))?;
            metrics.push(NamedMeasures { name, batch, archive_policy_name: None, unit: None });
        }
        batch.push(ResourceMeasures { original_id, id, metrics });
    }
    api.metrics.add_resource_batch(caller, batch, true).await?;
    Ok(count)
}

async fn ensure(
    api: &Api,
    caller: &Caller,
    resource_type: &str,
    id: Uuid,
    original_id: &str,
    attributes: Vec<(String, AttributeValue)>,
) -> Result<(), Failure> {
    if api.metrics.index().resource(resource_type, id).await?.is_some() {
        return Ok(());
    }
    let given = GivenResource {
        resource_type: resource_type.to_owned(),
        original_id: original_id.to_owned(),
        id,
        user_id: None,
        project_id: None,
        started_at: None,
        ended_at: None,
        attributes,
        metrics: Vec::new(),
    };
    let Err(refusal) = api.metrics.create_resource(caller, given).await else { return Ok(()) };
    if refusal.kind != metric::Kind::Conflict {
        return Err(refusal.into());
    }
    // Another request was quicker, or it is of another type.
    if api.metrics.index().resource(resource_type, id).await?.is_some() {
        return Ok(());
    }
    let facts = [("detail", id.to_string().into())];
    Err(Failure::because(StatusCode::CONFLICT, "Resource already exists", facts))
}

/// Makes a resource type if it is not there and the caller may.
pub(super) async fn ensure_type(
    api: &Api,
    caller: &Caller,
    name: &str,
    attributes: &[metric_index::Attribute],
) -> Result<(), Failure> {
    match api.metrics.index().resource_type(name).await {
        Ok(_) => return Ok(()),
        Err(Error::NoSuchResourceType(_)) => {}
        Err(error) => return Err(error.into()),
    }
    caller.enforce(Rule::CreateResourceType, &Target::of_pairs(&[("name", name)]))?;
    match api.metrics.index().create_resource_type(name, attributes).await {
        Ok(_) | Err(Error::ResourceTypeAlreadyExists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
