//! Resources and their metrics.

use metric_index::{
    AttributeValue, Changed, Error, Filter, GENERIC, MetricSource, MetricsChange, NewResource, Resource,
    ResourceChange, ResourceMetric, ResourceQuery,
};
use model::Timestamp;
use uuid::Uuid;

use crate::access::both;
use crate::metrics::check_name;
use crate::{Caller, Metrics, Refusal, Rule, Target};

/// A metric that a resource is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenMetric {
    /// One that exists.
    Existing(Uuid),
    /// A new one.
    New {
        /// Its archive policy; by rule, when absent.
        archive_policy_name: Option<String>,
        /// Its unit.
        unit: Option<String>,
    },
}

/// A resource to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenResource {
    /// Its type.
    pub resource_type: String,
    /// The id as it was submitted.
    pub original_id: String,
    /// The id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Option<String>,
    /// Whose it is.
    pub project_id: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Attributes of its type.
    pub attributes: Vec<(String, AttributeValue)>,
    /// Its metrics.
    pub metrics: Vec<(String, GivenMetric)>,
}

impl Metrics {
    /// The metrics with their archive policies.
    async fn sources(
        &self,
        caller: &Caller,
        given: Vec<(String, GivenMetric)>,
    ) -> Result<Vec<(String, MetricSource)>, Refusal> {
        let new = given.iter().filter(|(_, metric)| matches!(metric, GivenMetric::New { .. })).count();
        self.check_room(caller, new).await?;
        let mut sources = Vec::with_capacity(given.len());
        for (name, metric) in given {
            check_name(Some(&name))?;
            let source = match metric {
                GivenMetric::Existing(id) => MetricSource::Existing(id),
                GivenMetric::New { archive_policy_name, unit } => {
                    let archive_policy_name = self.policy_name(archive_policy_name, Some(&name)).await?;
                    MetricSource::New { id: Uuid::new_v4(), archive_policy_name, unit }
                }
            };
            sources.push((name, source));
        }
        Ok(sources)
    }

    /// Makes a resource with its metrics.
    ///
    /// # Errors
    /// It exists, or something of it is wrong.
    pub async fn create_resource(&self, caller: &Caller, given: GivenResource) -> Result<Resource, Refusal> {
        caller.enforce(Rule::CreateResource, &Target::default())?;
        let new = NewResource {
            resource_type: given.resource_type,
            id: given.id,
            creator: caller.creator.clone(),
            user_id: given.user_id,
            project_id: given.project_id,
            started_at: given.started_at,
            ended_at: given.ended_at,
            original_resource_id: Some(given.original_id),
            attributes: given.attributes,
            metrics: self.sources(caller, given.metrics).await?,
        };
        self.index.create_resource(&new).await.map_err(|error| match error {
            error @ Error::NoSuchResourceType(_) => error.into(),
            error => Refusal::from(error).in_body(),
        })
    }

    /// A resource, seen as a type.
    ///
    /// # Errors
    /// There is none of that type.
    pub async fn resource(&self, resource_type: &str, id: Uuid) -> Result<Resource, Refusal> {
        let found = self.index.resource(resource_type, id).await?;
        found.ok_or_else(|| Error::NoSuchResource(id).into())
    }

    /// Changes a resource. `change` says everything but the metrics.
    ///
    /// # Errors
    /// There is none, the caller may not, or something of it is wrong.
    pub async fn update_resource(
        &self,
        caller: &Caller,
        resource: &Resource,
        resource_type: &str,
        mut change: ResourceChange,
        metrics: Option<Vec<(String, GivenMetric)>>,
    ) -> Result<Changed, Refusal> {
        caller.enforce(Rule::UpdateResource, &Target::of_resource(resource))?;
        if let Some(metrics) = metrics {
            change.metrics = MetricsChange::Replace(self.sources(caller, metrics).await?);
        }
        self.index.update_resource(resource_type, resource.id, &change).await.map_err(|error| match error {
            error @ Error::NoSuchResource(_) => error.into(),
            error => Refusal::from(error).in_body(),
        })
    }

    /// Gives a resource more metrics, and returns all that it has.
    ///
    /// # Errors
    /// There is no such resource, the caller may not, or one of these names is taken.
    pub async fn append_metrics(
        &self,
        caller: &Caller,
        resource: &Resource,
        metrics: Vec<(String, GivenMetric)>,
    ) -> Result<Vec<ResourceMetric>, Refusal> {
        caller.enforce(Rule::UpdateResource, &Target::of_resource(resource))?;
        let metrics = MetricsChange::Append(self.sources(caller, metrics).await?);
        let change = ResourceChange { metrics, ..ResourceChange::default() };
        let changed = self.index.update_resource(GENERIC, resource.id, &change).await;
        Ok(changed.map_err(|error| Refusal::from(error).in_body())?.resource.metrics)
    }

    /// Deletes a resource with its metrics.
    ///
    /// # Errors
    /// There is none, or the caller may not.
    pub async fn delete_resource(&self, caller: &Caller, resource: &Resource) -> Result<(), Refusal> {
        caller.enforce(Rule::DeleteResource, &Target::of_resource(resource))?;
        let deleted = self.index.delete_resource(resource.id).await?;
        self.expunge_soon(deleted.metrics).await;
        Ok(())
    }

    /// Deletes the resources that fit and that the caller may delete; says how many.
    ///
    /// # Errors
    /// The filter makes no sense.
    pub async fn delete_resources(
        &self,
        caller: &Caller,
        resource_type: &str,
        filter: Filter,
    ) -> Result<u64, Refusal> {
        let allowed = caller.resource_filter(Rule::DeleteResources)?;
        let filter = both(allowed, Some(filter.clone())).unwrap_or(filter);
        let deleted = self.index.delete_resources(resource_type, &filter).await?;
        self.expunge_soon(deleted.metrics).await;
        Ok(deleted.resources)
    }

    /// Resources that fit and that the caller may see.
    ///
    /// # Errors
    /// The query makes no sense.
    pub async fn list_resources(
        &self,
        caller: &Caller,
        rule: Rule,
        mut query: ResourceQuery,
    ) -> Result<Vec<Resource>, Refusal> {
        query.filter = both(caller.resource_filter(rule)?, query.filter);
        Ok(self.index.resources(&query).await?)
    }
}
