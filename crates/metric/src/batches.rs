//! Measures of many metrics in one request.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use archive::Batch;
use metric_index::{Metric, NamedMetrics, NewMetric};
use model::{Map, Value};
use uuid::Uuid;

use crate::metrics::check_name;
use crate::{Caller, Kind, Metrics, Refusal, Rule, Target};

/// Measures of a metric that is known by its name in a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedMeasures {
    /// The metric's name.
    pub name: String,
    /// The measures.
    pub batch: Batch,
    /// The archive policy, if the metric has to be made.
    pub archive_policy_name: Option<String>,
    /// The unit, if the metric has to be made.
    pub unit: Option<String>,
}

/// Measures of a resource's metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceMeasures {
    /// The resource's id as it was submitted.
    pub original_id: String,
    /// The resource's id.
    pub id: Uuid,
    /// The metrics.
    pub metrics: Vec<NamedMeasures>,
}

impl Metrics {
    /// Takes measures of metrics, all or none.
    ///
    /// # Errors
    /// One of them does not exist, or the caller may not write to it.
    pub async fn add_batch(&self, caller: &Caller, batches: BTreeMap<Uuid, Batch>) -> Result<(), Refusal> {
        let ids: Vec<Uuid> = batches.keys().copied().collect();
        let metrics = self.index.written_metrics(&ids).await?;
        if metrics.len() != batches.len() {
            let found: BTreeSet<Uuid> = metrics.iter().map(|metric| metric.id).collect();
            let missing = ids.iter().filter(|id| !found.contains(id)).map(Uuid::to_string);
            let missing: Vec<String> = missing.collect();
            return Err(Refusal::invalid(format!("Unknown metrics: {}", missing.join(", "))));
        }
        let mut batches = batches;
        let mut measures = Vec::with_capacity(metrics.len());
        for metric in metrics {
            caller.enforce(Rule::PostMeasures, &Target::of_metric(&metric))?;
            if let Some(batch) = batches.remove(&metric.id) {
                measures.push((Arc::unwrap_or_clone(metric), batch));
            }
        }
        self.write_measures(measures).await
    }

    /// Takes measures of resources' metrics; makes metrics that are missing, if told so. Measures are taken all or none;
    /// metrics that were made stay.
    ///
    /// # Errors
    /// One of the resources does not exist, or one of the metrics, or the caller may not write to it.
    pub async fn add_resource_batch(
        &self,
        caller: &Caller,
        resources: Vec<ResourceMeasures>,
        create_metrics: bool,
    ) -> Result<(), Refusal> {
        let mut known = self.metrics_of(&resources).await?;
        let absent = |known: &Known| -> Vec<(Uuid, String)> {
            let all = resources
                .iter()
                .flat_map(|resource| resource.metrics.iter().map(|metric| (resource.id, &metric.name)));
            all.filter(|(id, name)| find(known, *id, name).is_none())
                .map(|(id, name)| (id, name.clone()))
                .collect()
        };
        let mut lacking = absent(&known);
        if !lacking.is_empty() && create_metrics {
            self.create_missing(caller, &resources, &lacking).await?;
            known = self.metrics_of(&resources).await?;
            lacking = absent(&known);
        }
        if !lacking.is_empty() {
            let names: BTreeSet<String> = lacking.iter().map(|(id, name)| format!("{id}/{name}")).collect();
            let names: Vec<String> = names.into_iter().collect();
            return Err(Refusal::invalid(format!("Unknown metrics: {}", names.join(", "))));
        }
        let mut measures = Vec::new();
        for resource in resources {
            for NamedMeasures { name, batch, .. } in resource.metrics {
                if let Some(metric) = find(&known, resource.id, &name) {
                    caller.enforce(Rule::PostMeasures, &Target::of_metric(metric))?;
                    measures.push((metric.clone(), batch));
                }
            }
        }
        self.write_measures(measures).await
    }

    /// The named metrics of resources.
    async fn metrics_of(&self, resources: &[ResourceMeasures]) -> Result<Known, Refusal> {
        let wanted: Vec<_> = resources
            .iter()
            .map(|resource| {
                (resource.id, resource.metrics.iter().map(|metric| metric.name.as_str()).collect())
            })
            .collect();
        Ok(self.index.written_metrics_of(&wanted).await?)
    }

    async fn create_missing(
        &self,
        caller: &Caller,
        resources: &[ResourceMeasures],
        lacking: &[(Uuid, String)],
    ) -> Result<(), Refusal> {
        caller.enforce(Rule::CreateMetric, &Target::default())?;
        self.check_room(caller, lacking.len()).await?;
        let lacking: HashSet<(Uuid, &str)> =
            lacking.iter().map(|(resource, name)| (*resource, name.as_str())).collect();
        let mut unknown = Vec::new();
        for resource in resources {
            let mut sources = Vec::new();
            let wanted = resource.metrics.iter();
            for metric in wanted.filter(|metric| lacking.contains(&(resource.id, metric.name.as_str()))) {
                check_name(Some(&metric.name))?;
                let policy = metric.archive_policy_name.clone();
                let archive_policy_name = self.policy_name(policy, Some(&metric.name)).await?;
                let unit = metric.unit.clone();
                sources.push(NewMetric {
                    id: Uuid::new_v4(),
                    creator: caller.creator.clone(),
                    archive_policy_name,
                    name: Some(metric.name.clone()),
                    unit,
                    resource_id: Some(resource.id),
                });
            }
            if sources.is_empty() {
                continue;
            }
            let created = match self.enforce_adding(caller, resource.id).await {
                // The same answer as that of the index, which need not be asked for it.
                Err(refusal) if refusal.kind == Kind::Unknown => {
                    Err(metric_index::Error::NoSuchResource(resource.id))
                }
                Err(refusal) => return Err(refusal),
                Ok(()) => self.create_all(&sources).await,
            };
            match created {
                Ok(()) => {}
                Err(metric_index::Error::NoSuchResource(id)) => {
                    let mut entry = Map::new();
                    entry.insert("resource_id", id.to_string());
                    entry.insert("original_resource_id", resource.original_id.clone());
                    unknown.push(entry.into());
                }
                Err(error) => return Err(Refusal::from(error).in_body()),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Refusal::because(Kind::Invalid, "Unknown resources", [("detail", Value::List(unknown))]))
    }

    /// Makes metrics; one that another request has made meanwhile is as good.
    async fn create_all(&self, metrics: &[NewMetric]) -> Result<(), metric_index::Error> {
        for metric in metrics {
            match self.index.create_metric(metric).await {
                Ok(_) | Err(metric_index::Error::NamedMetricAlreadyExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Metrics by resource.
type Known = HashMap<Uuid, NamedMetrics>;

fn find<'k>(known: &'k Known, resource: Uuid, name: &str) -> Option<&'k Metric> {
    metric_index::named(known.get(&resource)?, name)
}
