//! Metrics of resources.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sql::{Statement, Transaction, Value};
use uuid::Uuid;

use super::{CHUNK, MAX_TEXT, check_optional, check_text, creator_project, policies};
use crate::{Error, MetricSource, MetricStatus, Resource, ResourceMetric};

/// The longest unit.
pub(super) const MAX_UNIT: usize = 31;

/// Adds to each resource its active metrics.
pub(super) async fn add_metrics(transaction: &Transaction, resources: &mut [Resource]) -> Result<(), Error> {
    let ids: BTreeSet<Uuid> = resources.iter().map(|resource| resource.id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let mut found: HashMap<Uuid, Vec<ResourceMetric>> = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut statement = Statement::new(
            "SELECT resource_id, name, id, archive_policy_name, unit FROM metric WHERE status = 'active' AND resource_id \
             IN (",
        );
        statement.push_list(chunk.iter().copied()).push(")");
        for row in transaction.query(statement).await? {
            found.entry(row.uuid(0)?).or_default().push(ResourceMetric {
                name: row.optional_text(1)?.map(str::to_owned),
                id: row.uuid(2)?,
                archive_policy_name: row.text(3)?.to_owned(),
                unit: row.optional_text(4)?.map(str::to_owned),
            });
        }
    }
    for metrics in found.values_mut() {
        metrics.sort_unstable();
    }
    // Of a resource with its history there are several.
    let is_once = ids.len() == resources.len();
    for resource in resources {
        let metrics = if is_once { found.remove(&resource.id) } else { found.get(&resource.id).cloned() };
        resource.metrics = metrics.unwrap_or_default();
    }
    Ok(())
}

/// A metric that is to be attached.
struct Existing {
    creator: Option<String>,
}

/// Gives a resource metrics, in their order; the first that cannot be given is the error.
pub(super) async fn set_metrics(
    transaction: &Transaction,
    resource: Uuid,
    creator: Option<&str>,
    metrics: &[(String, MetricSource)],
    now: i64,
) -> Result<(), Error> {
    if metrics.is_empty() {
        return Ok(());
    }
    for (name, source) in metrics {
        check_text("name", name, MAX_TEXT)?;
        if let MetricSource::New { unit, .. } = source {
            check_optional("unit", unit.as_deref(), MAX_UNIT)?;
        }
    }
    let existing = existing(transaction, metrics).await?;
    let known = known_policies(transaction, metrics).await?;
    let mut names = names_of(transaction, resource).await?;
    let project = creator_project(creator);
    let mut renamed: Vec<Vec<Value>> = Vec::new();
    let mut added: Vec<Vec<Value>> = Vec::new();
    for (name, source) in metrics {
        let taken = || Error::NamedMetricAlreadyExists(Some(name.clone()));
        match source {
            MetricSource::Existing(id) => {
                let ours = existing.get(id).is_some_and(|metric| metric.creator.as_deref() == creator);
                if !ours {
                    return Err(Error::NoSuchMetric(*id));
                }
                if names.get(name).is_some_and(|holder| holder != id) {
                    return Err(taken());
                }
                names.retain(|_, holder| holder != id);
                names.insert(name.clone(), *id);
                renamed.push(vec![resource.into(), name.into(), (*id).into()]);
            }
            MetricSource::New { id, archive_policy_name, unit } => {
                if names.contains_key(name) || existing.contains_key(id) {
                    return Err(taken());
                }
                if !known.contains(archive_policy_name) {
                    return Err(Error::NoSuchArchivePolicy(archive_policy_name.clone()));
                }
                names.insert(name.clone(), *id);
                added.push(vec![
                    (*id).into(),
                    archive_policy_name.into(),
                    creator.into(),
                    project.clone().into(),
                    resource.into(),
                    name.into(),
                    unit.clone().into(),
                    MetricStatus::Active.word().into(),
                    true.into(),
                    now.into(),
                ]);
            }
        }
    }
    // Those that swap names within the resource must not meet.
    let detached = renamed.iter().map(|values| values.get(2).cloned().into_iter().collect()).collect();
    transaction.execute_many("UPDATE metric SET resource_id = NULL WHERE id = $1", detached).await?;
    transaction.execute_many("UPDATE metric SET resource_id = $1, name = $2 WHERE id = $3", renamed).await?;
    transaction.execute_many(INSERT, added).await?;
    Ok(())
}

/// Inserts a metric.
pub(super) const INSERT: &str = "INSERT INTO metric (id, archive_policy_name, creator, creator_project, resource_id, name, \
                                 unit, status, needs_raw_data_truncation, last_measure) \
                                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// The active metrics among those that are named by id. New ones are looked up as well: their ids may be taken.
async fn existing(
    transaction: &Transaction,
    metrics: &[(String, MetricSource)],
) -> Result<HashMap<Uuid, Existing>, Error> {
    let ids: Vec<Uuid> = metrics
        .iter()
        .map(|(_, source)| match source {
            MetricSource::Existing(id) | MetricSource::New { id, .. } => *id,
        })
        .collect();
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut statement =
            Statement::new("SELECT id, creator FROM metric WHERE status = 'active' AND id IN (");
        statement.push_list(chunk.iter().copied()).push(")");
        for row in transaction.query(statement).await? {
            let creator = row.optional_text(1)?.map(str::to_owned);
            found.insert(row.uuid(0)?, Existing { creator });
        }
    }
    Ok(found)
}

async fn known_policies(
    transaction: &Transaction,
    metrics: &[(String, MetricSource)],
) -> Result<BTreeSet<String>, Error> {
    let wanted: BTreeSet<&str> = metrics
        .iter()
        .filter_map(|(_, source)| match source {
            MetricSource::New { archive_policy_name, .. } => Some(archive_policy_name.as_str()),
            MetricSource::Existing(_) => None,
        })
        .filter(|name| !name.contains('\0'))
        .collect();
    let found = policies::find_all(transaction, wanted.into_iter()).await?;
    Ok(found.into_iter().map(|policy| policy.name).collect())
}

/// Who has which name in a resource.
async fn names_of(transaction: &Transaction, resource: Uuid) -> Result<BTreeMap<String, Uuid>, Error> {
    let text = "SELECT name, id FROM metric WHERE resource_id = $1 AND name IS NOT NULL";
    let rows = transaction.query(Statement::new(text).bind(resource)).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.uuid(1)?))).collect()
}

/// Marks the metrics of resources as deleted and returns their ids. `resources` follows `resource_id IN (`.
pub(super) async fn mark_deleted(
    transaction: &Transaction,
    resources: &Statement,
) -> Result<Vec<Uuid>, Error> {
    let mut statement = Statement::new(format!(
        "UPDATE metric SET status = 'delete' WHERE resource_id IN ({}) RETURNING id",
        resources.text()
    ));
    for value in resources.values() {
        statement = statement.bind(value.clone());
    }
    transaction.query(statement).await?.iter().map(|row| Ok(row.uuid(0)?)).collect()
}
