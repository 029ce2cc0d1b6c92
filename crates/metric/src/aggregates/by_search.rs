//! Metrics of resources that a search finds, by names or patterns of names.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use expression::Glob;
use metric_index::{Page, Resource, ResourceMetric, ResourceQuery};
use model::Value;

use super::compute::{Input, Inputs};
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
        let mut inputs = Inputs::of(&query.operation);
        let mut policies: HashMap<&str, Option<usize>> = HashMap::new();
        let mut taken = Vec::with_capacity(resources.len());
        for resource in &resources {
            let before = inputs.len();
            let named = Named::of(resource);
            for (reference, pattern) in patterns.iter().enumerate() {
                for (name, metric) in named.matching(pattern) {
                    let known = policies.get(metric.archive_policy_name.as_str()).copied();
                    let policy = if let Some(known) = known {
                        known
                    } else {
                        let found = self.index.archive_policy(&metric.archive_policy_name).await?;
                        let place = found.map(|found| inputs.policy(&Arc::new(found))).transpose()?;
                        policies.insert(&metric.archive_policy_name, place);
                        place
                    };
                    // One that was deleted meanwhile, with its policy, takes no part.
                    let Some(policy) = policy else { continue };
                    let resource = Some((resource.id, name.to_owned()));
                    inputs.push(Input { reference, policy, metric: metric.id, resource });
                }
            }
            taken.push(inputs.len() > before);
        }
        if inputs.len() == 0 {
            return Ok(None);
        }
        let shown = query.details.then(|| {
            let shown = resources.iter().zip(taken).filter(|(_, taken)| *taken);
            shown.map(|(resource, _)| view::resource(resource, true).into()).collect()
        });
        drop(resources);
        let series = self.compute(query, inputs).await?;
        Ok(Some(Result { series, references: shown }))
    }
}

/// The metrics of a resource that have a name.
struct Named<'r> {
    in_order: Vec<(&'r str, &'r ResourceMetric)>,
    places: HashMap<&'r str, usize>,
}

impl<'r> Named<'r> {
    fn of(resource: &'r Resource) -> Self {
        let named = resource.metrics.iter().filter_map(|metric| Some((metric.name.as_deref()?, metric)));
        let in_order: Vec<_> = named.collect();
        // No two have the same name.
        let places = in_order.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        Self { in_order, places }
    }

    /// Those whose names a pattern matches, in order.
    fn matching(&self, pattern: &Glob) -> impl Iterator<Item = (&'r str, &'r ResourceMetric)> {
        let exact = pattern.exact();
        let candidates = match exact {
            Some(name) => self.places.get(name).and_then(|place| self.in_order.get(*place..=*place)),
            None => Some(&self.in_order[..]),
        };
        let candidates = candidates.unwrap_or_default().iter().copied();
        candidates.filter(move |(name, _)| exact.is_some() || pattern.is_match(name))
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
