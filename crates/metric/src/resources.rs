//! Resources and their metrics.

use metric_index::{
    AttributeValue, Changed, Error, Filter, GENERIC, MetricSource, MetricsChange, NewResource, Page,
    Resource, ResourceChange, ResourceMetric, ResourceQuery,
};
use model::Timestamp;
use uuid::Uuid;

use crate::access::both;
use crate::metrics::{check_name, unknown_marker};
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
    /// A metric that exists can be taken into a resource, and so be given to the resource's owners, by whoever may write to
    /// it; those that are there already stay.
    async fn check_taking(
        &self,
        caller: &Caller,
        resource: Option<Uuid>,
        sources: &[(String, MetricSource)],
    ) -> Result<(), Refusal> {
        let existing = sources.iter().filter_map(|(_, source)| match source {
            MetricSource::Existing(id) => Some(*id),
            MetricSource::New { .. } => None,
        });
        let existing: Vec<Uuid> = existing.collect();
        for metric in self.metrics_with_resources(&existing).await? {
            let is_there = resource.is_some() && metric.resource_id == resource;
            if !is_there && !caller.may(Rule::PostMeasures, &Target::of_metric(&metric)) {
                return Err(Refusal::from(Error::NoSuchMetric(metric.id)).in_body());
            }
        }
        Ok(())
    }

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
        let mut pairs = vec![
            ("resource_type", given.resource_type.as_str()),
            ("original_resource_id", given.original_id.as_str()),
        ];
        pairs.extend(given.project_id.as_deref().map(|project| ("project_id", project)));
        pairs.extend(given.user_id.as_deref().map(|user| ("user_id", user)));
        caller.enforce(Rule::CreateResource, &Target::of_pairs(&pairs))?;
        let metrics = self.sources(caller, given.metrics).await?;
        if let Err(refusal) = self.check_taking(caller, None, &metrics).await {
            // As with Gnocchi, which looks at the metrics last.
            if self.index.resource(GENERIC, given.id).await?.is_some() {
                return Err(Error::ResourceAlreadyExists(given.id).into());
            }
            return Err(refusal);
        }
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
            metrics,
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
            let metrics = self.sources(caller, metrics).await?;
            self.check_taking(caller, Some(resource.id), &metrics).await?;
            change.metrics = MetricsChange::Replace(metrics);
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
        let metrics = self.sources(caller, metrics).await?;
        self.check_taking(caller, Some(resource.id), &metrics).await?;
        let change = ResourceChange { metrics: MetricsChange::Append(metrics), ..ResourceChange::default() };
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
        let allowed = caller.resource_filter(Rule::DeleteResources, resource_type)?;
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
        let allowed = caller.resource_filter(rule, &query.resource_type)?;
        if let (Some(allowed), Some(marker)) = (&allowed, query.page.marker.as_deref()) {
            let id = marker.split_once('@').map_or(marker, |(id, _)| id);
            let id = metric_index::parse_uuid(id).ok_or_else(|| unknown_marker(marker))?;
            let seen = Filter::And(vec![allowed.clone(), Filter::equal("id", id.to_string())]);
            let page = Page { limit: Some(1), ..Page::default() };
            let seen = ResourceQuery { filter: Some(seen), page, details: false, ..query.clone() };
            if self.index.resources(&seen).await?.is_empty() {
                return Err(unknown_marker(marker));
            }
        }
        query.filter = both(allowed, query.filter);
        Ok(self.index.resources(&query).await?)
    }
}
