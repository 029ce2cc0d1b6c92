//! Metrics themselves.

use metric_index::{Error, Filter, GENERIC, Metric, MetricQuery, NewMetric, Page};
use uuid::Uuid;

use crate::{Caller, Kind, Metrics, Refusal, Rule, Target};

/// Ids that one query asks for.
pub(crate) const IDS_AT_ONCE: usize = 5_000;

/// The order in which metrics are listed unless another is asked for.
#[derive(Debug, Clone, Copy)]
pub struct MetricOrder;

impl MetricOrder {
    /// By id.
    pub const DEFAULT: [&'static str; 1] = ["id:asc"];
}

impl Metrics {
    /// The archive policy of a metric to be made: that which is named, or that which a rule gives.
    pub(crate) async fn policy_name(
        &self,
        given: Option<String>,
        metric_name: Option<&str>,
    ) -> Result<String, Refusal> {
        if let Some(given) = given {
            return Ok(given);
        }
        match self.index.archive_policy_for_metric(metric_name).await {
            Ok(policy) => Ok(policy.name),
            Err(Error::NoArchivePolicyRuleMatch(name)) => Err(Refusal::invalid(format!(
                "No archive policy name specified and no archive policy rule found matching the metric name {}",
                name.as_deref().unwrap_or("None")
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a metric; without an archive policy, with that of the first rule that fits its name.
    ///
    /// # Errors
    /// There is no such policy or resource, the caller may not change the resource, no rule fits, or the resource has a metric of
    /// that name.
    pub async fn create_metric(
        &self,
        caller: &Caller,
        name: Option<String>,
        unit: Option<String>,
        policy: Option<String>,
        resource_id: Option<Uuid>,
    ) -> Result<Metric, Refusal> {
        let named = [("name", name.as_deref().unwrap_or_default())];
        caller.enforce(Rule::CreateMetric, &Target::of_pairs(&named))?;
        check_name(name.as_deref())?;
        let archive_policy_name = self.policy_name(policy, name.as_deref()).await?;
        if resource_id.is_some() && name.is_none() {
            let reason = "Name cannot be null if resource_id is not null".into();
            let facts = [("detail", "name".into()), ("reason", reason)];
            return Err(Refusal::because(Kind::Invalid, "Attribute value error", facts));
        }
        if let Some(id) = resource_id {
            self.enforce_adding(caller, id).await.map_err(Refusal::in_body)?;
        }
        self.check_room(caller, 1).await?;
        let creator = caller.creator.clone();
        let new = NewMetric { id: Uuid::new_v4(), creator, archive_policy_name, name, unit, resource_id };
        self.index.create_metric(&new).await.map_err(|error| match error {
            Error::NamedMetricAlreadyExists(name) => {
                let detail = name.unwrap_or_default().into();
                Refusal::because(Kind::Invalid, "Named metric already exists", [("detail", detail)])
            }
            error => Refusal::from(error).in_body(),
        })
    }

    /// Refuses to give a resource metrics unless the caller may change it.
    ///
    /// # Errors
    /// There is no such resource, or the caller may not.
    pub(crate) async fn enforce_adding(&self, caller: &Caller, resource: Uuid) -> Result<(), Refusal> {
        let resource = self.resource(GENERIC, resource).await?;
        caller.enforce(Rule::UpdateResource, &Target::of_resource(&resource))
    }

    /// An active metric with its resource.
    ///
    /// # Errors
    /// There is none.
    pub async fn metric(&self, id: Uuid) -> Result<Metric, Refusal> {
        let found = self.metrics_with_resources(&[id]).await?;
        found.into_iter().next().ok_or_else(|| Error::NoSuchMetric(id).into())
    }

    /// Those of these metrics that are active, with their resources, in any order.
    pub(crate) async fn metrics_with_resources(&self, ids: &[Uuid]) -> Result<Vec<Metric>, Refusal> {
        let mut metrics = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            let values = ids.iter().map(|id| id.to_string().into()).collect();
            let filter = Some(Filter::In { attribute: "id".to_owned(), values });
            let query = MetricQuery { details: true, filter, ..MetricQuery::default() };
            metrics.append(&mut self.index.metrics(&query).await?);
        }
        Ok(metrics)
    }

    /// The metric of a resource that has a name.
    ///
    /// # Errors
    /// There is no such resource, or no metric of that name.
    pub async fn named_metric(
        &self,
        resource_type: &str,
        resource: Uuid,
        name: &str,
    ) -> Result<Metric, Refusal> {
        let found = self.index.resource(resource_type, resource).await?;
        let found = found.ok_or(Error::NoSuchResource(resource))?;
        let metric = found.metrics.iter().find(|metric| metric.name.as_deref() == Some(name));
        let metric = metric.ok_or_else(|| Refusal::unknown(format!("Metric {name} does not exist")))?;
        self.metric(metric.id).await
    }

    /// Active metrics that the caller may list.
    ///
    /// # Errors
    /// The page makes no sense.
    pub async fn list_metrics(
        &self,
        caller: &Caller,
        filter: Option<Filter>,
        page: Page,
    ) -> Result<Vec<Metric>, Refusal> {
        let (policy_filter, resource_policy_filter) = caller.metric_filters()?;
        let query =
            MetricQuery { filter, policy_filter, resource_policy_filter, page, ..MetricQuery::default() };
        let is_filtered = query.policy_filter.is_some() || query.resource_policy_filter.is_some();
        if let Some(marker) = query.page.marker.as_deref().filter(|_| is_filtered) {
            let Some(id) = metric_index::parse_uuid(marker) else { return Err(unknown_marker(marker)) };
            let filter = Some(Filter::equal("id", id.to_string()));
            let seen = MetricQuery { filter, page: Page::default(), ..query.clone() };
            if self.index.metrics(&seen).await?.is_empty() {
                return Err(unknown_marker(marker));
            }
        }
        Ok(self.index.metrics(&query).await?)
    }

    /// Deletes a metric and its measures.
    ///
    /// # Errors
    /// There is none, or the caller may not.
    pub async fn delete_metric(&self, caller: &Caller, metric: &Metric) -> Result<(), Refusal> {
        caller.enforce(Rule::DeleteMetric, &Target::of_metric(metric))?;
        self.index.delete_metric(metric.id).await?;
        self.expunge_soon(vec![metric.id]).await;
        Ok(())
    }
}

/// A page cannot begin after what the caller does not see: its place would tell of it.
pub(crate) fn unknown_marker(marker: &str) -> Refusal {
    let problem = format!("Invalid marker: `{marker}'");
    metric_index::Error::InvalidPagination(problem).into()
}

/// Refuses names that no address could hold.
pub(crate) fn check_name(name: Option<&str>) -> Result<(), Refusal> {
    if name.is_some_and(|name| name.contains('/')) {
        return Err(Refusal::invalid("'/' is not supported in metric name"));
    }
    Ok(())
}
