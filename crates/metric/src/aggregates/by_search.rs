//! Metrics of resources that a search finds, by names or patterns of names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expression::Glob;
use metric_index::{Metric, Page, Resource, ResourceQuery};
use model::Value;
use uuid::Uuid;

use super::compute::Input;
use super::{AggregatesQuery, Group, ResourceSearch, Result};
use crate::{Caller, Kind, Metrics, Refusal, Rule, view};

/// The order of resources unless they are grouped.
const ORDER: [&str; 2] = ["revision_start:asc", "started_at:asc"];

impl Metrics {
    /// Computes over the metrics of resources that the caller may search.
    ///
    /// # Errors
    /// There is no such resource type or metric, the search makes no sense, or they cannot be computed with.
    pub async fn aggregates_of_resources(
        &self,
        caller: &Caller,
        query: &AggregatesQuery,
        search: &ResourceSearch,
    ) -> std::result::Result<Result, Refusal> {
        let resources = self.searched(caller, search, ORDER.map(str::to_owned).to_vec()).await?;
        let result = self.of_resources(query, resources).await?;
        result.ok_or_else(|| none_found(query))
    }

    /// The same for every group of resources that have the same values of some attributes.
    ///
    /// # Errors
    /// As above; groups without such a metric are left out.
    pub async fn aggregates_of_groups(
        &self,
        caller: &Caller,
        query: &AggregatesQuery,
        search: &ResourceSearch,
    ) -> std::result::Result<Vec<Group>, Refusal> {
        if search.use_history {
            return self.aggregates_of_revisions(caller, query, search).await;
        }
        let resources =
            self.searched(caller, search, search.group_by.clone()).await.map_err(Refusal::in_body)?;
        let mut groups: Vec<(Vec<Value>, Vec<Resource>)> = Vec::new();
        for resource in resources {
            let values = group_values(&resource, &search.group_by);
            match groups.last_mut() {
                Some((known, members)) if *known == values => members.push(resource),
                _ => groups.push((values, vec![resource])),
            }
        }
        let mut computed = Vec::with_capacity(groups.len());
        for (values, members) in groups {
            if let Some(result) = self.of_resources(query, members).await? {
                let attributes = search.group_by.iter().cloned().zip(values).collect();
                computed.push(Group { attributes, result });
            }
        }
        if computed.is_empty() { Err(none_found(query)) } else { Ok(computed) }
    }

    async fn searched(
        &self,
        caller: &Caller,
        search: &ResourceSearch,
        sorts: Vec<String>,
    ) -> std::result::Result<Vec<Resource>, Refusal> {
        let page = Page { sorts, ..Page::default() };
        let filter = search.filter.clone();
        let query = ResourceQuery { filter, page, ..ResourceQuery::of(&search.resource_type) };
        self.list_resources(caller, Rule::SearchResource, query).await
    }

    /// Computes over the metrics of resources; nothing if none of them has one of the metrics.
    pub(super) async fn of_resources(
        &self,
        query: &AggregatesQuery,
        resources: Vec<Resource>,
    ) -> std::result::Result<Option<Result>, Refusal> {
        let references = query.operation.references();
        let patterns: Vec<Glob> = references.iter().map(|reference| Glob::new(&reference.metric)).collect();
        let mut wanted = Vec::new();
        for resource in &resources {
            for (reference, pattern) in references.iter().zip(&patterns) {
                for metric in &resource.metrics {
                    let Some(name) = metric.name.as_deref().filter(|name| pattern.is_match(name)) else {
                        continue;
                    };
                    let aggregation = reference.aggregation.clone();
                    let path = vec![resource.id.to_string(), name.to_owned(), aggregation];
                    wanted.push((metric.id, (*reference).clone(), path));
                }
            }
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let ids: BTreeSet<Uuid> = wanted.iter().map(|(id, ..)| *id).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let metrics: BTreeMap<Uuid, Metric> =
            self.index.metrics_by_id(&ids).await?.into_iter().map(|metric| (metric.id, metric)).collect();
        // One that was deleted meanwhile takes no part.
        let inputs: Vec<Input> = wanted
            .into_iter()
            .filter_map(|(id, key, path)| Some(Input { key, metric: metrics.get(&id)?.clone(), path }))
            .collect();
        let shown = query.details.then(|| {
            let taken: BTreeSet<&str> =
                inputs.iter().filter_map(|input| input.path.first().map(String::as_str)).collect();
            let taking = |resource: &&Arc<Resource>| taken.contains(resource.id.to_string().as_str());
            let all: Vec<Arc<Resource>> = resources.into_iter().map(Arc::new).collect();
            all.iter().filter(taking).map(|resource| view::resource(resource, true).into()).collect()
        });
        let series = self.compute(query, inputs).await?;
        Ok(Some(Result { series, references: shown }))
    }
}

/// The values of the attributes that make groups.
pub(super) fn group_values(resource: &Resource, attributes: &[String]) -> Vec<Value> {
    attributes.iter().map(|attribute| view::resource_attribute(resource, attribute)).collect()
}

/// What is said when no resource has one of the metrics.
pub(super) fn none_found(query: &AggregatesQuery) -> Refusal {
    let names: BTreeSet<&str> =
        query.operation.references().iter().map(|reference| reference.metric.as_str()).collect();
    let names = Value::List(names.into_iter().map(Value::from).collect());
    Refusal::new(Kind::Unknown, format!("Metric {} does not exist", model::pytext::to_repr(&names)))
}
