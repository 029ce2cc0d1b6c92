//! Metrics.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::Timestamp;
use sql::{Row, Statement, Transaction};
use uuid::Uuid;

use super::resource_metrics::{INSERT, MAX_UNIT, add_metrics};
use super::resources::{Conditions, read as read_resource};
use super::types::Lock;
use super::written::note_change;
use super::{CHUNK, Index, MAX_TEXT, check_optional, creator_project, policies, timestamp, types};
use crate::columns::{Columns, View, tables};
use crate::filter::compile::{Compiler, check_size};
use crate::pagination::{Order, unknown_marker};
use crate::records::GENERIC;
use crate::{ArchivePolicy, Error, Filter, Metric, MetricQuery, MetricStatus, NewMetric, Resource, ids};

impl Index {
    /// Makes a metric.
    ///
    /// # Errors
    /// [`Error::NamedMetricAlreadyExists`] (also when the id is taken), [`Error::NoSuchArchivePolicy`],
    /// [`Error::NoSuchResource`].
    pub async fn create_metric(&self, new: &NewMetric) -> Result<Metric, Error> {
        check_optional("creator", new.creator.as_deref(), MAX_TEXT)?;
        check_optional("name", new.name.as_deref(), MAX_TEXT)?;
        check_optional("unit", new.unit.as_deref(), MAX_UNIT)?;
        let now = self.now();
        self.database
            .write(|transaction| async move {
                if is_taken(&transaction, new).await? {
                    return Err(Error::NamedMetricAlreadyExists(new.name.clone()));
                }
                let unknown = || Error::NoSuchArchivePolicy(new.archive_policy_name.clone());
                if new.archive_policy_name.contains('\0') {
                    return Err(unknown());
                }
                let policy =
                    policies::find(&transaction, &new.archive_policy_name).await?.ok_or_else(unknown)?;
                if let Some(resource) = new.resource_id {
                    let find = Statement::new("SELECT 1 FROM resource WHERE id = $1").bind(resource);
                    if transaction.query_one(find).await?.is_none() {
                        return Err(Error::NoSuchResource(resource));
                    }
                }
                let statement = Statement::new(INSERT)
                    .bind(new.id)
                    .bind(&new.archive_policy_name)
                    .bind(new.creator.as_deref())
                    .bind(creator_project(new.creator.as_deref()))
                    .bind(new.resource_id)
                    .bind(new.name.as_deref())
                    .bind(new.unit.as_deref())
                    .bind(MetricStatus::Active.word())
                    .bind(true)
                    .bind(now.microseconds());
                transaction.execute(statement).await?;
                Ok(Metric {
                    id: new.id,
                    creator: new.creator.clone(),
                    name: new.name.clone(),
                    unit: new.unit.clone(),
                    resource_id: new.resource_id,
                    archive_policy: Arc::new(policy),
                    status: MetricStatus::Active,
                    needs_raw_data_truncation: true,
                    last_measure: now,
                    resource: None,
                })
            })
            .await
    }

    /// Metrics that fit, in order. Somebody who may see a metric by its own sees it also when it has no resource.
    ///
    /// # Errors
    /// [`Error::InvalidPagination`], and those of the filters as in [`Self::resources`].
    pub async fn metrics(&self, query: &MetricQuery) -> Result<Vec<Metric>, Error> {
        for filter in
            [&query.filter, &query.policy_filter, &query.resource_policy_filter].into_iter().flatten()
        {
            check_size(filter)?;
        }
        self.database
            .read(|transaction| async move {
                let columns = Columns::metrics();
                let mut statement = self.selection(&transaction, &columns, query).await?;
                let mut conditions = Conditions { has_one: true };
                let order = Order::new(&query.page, &["id"], &columns);
                if let Some(text) = &query.page.marker {
                    let unknown = || unknown_marker(text);
                    let id = ids::parse_uuid(text).ok_or_else(unknown)?;
                    let keys = order
                        .as_ref()
                        .map_or_else(|_| "m.id".to_owned(), |order| order.selection_in(&columns));
                    let find =
                        format!("SELECT {keys} FROM metric AS m WHERE m.id = $1 AND m.status = 'active'");
                    let row =
                        transaction.query_one(Statement::new(find).bind(id)).await?.ok_or_else(unknown)?;
                    conditions.begin(&mut statement);
                    order.as_ref().map_or(Ok(()), |order| order.after(&row, &columns, &mut statement))?;
                }
                let order = order?;
                statement.push(" ORDER BY ").push(&order.terms());
                if let Some(limit) = query.page.limit {
                    statement.push(" LIMIT ").push_bind(limit);
                }
                let rows = transaction.query(statement).await?;
                let mut found = read_all(&transaction, &rows).await?;
                if query.details {
                    add_resources(&transaction, &mut found).await?;
                }
                Ok(found)
            })
            .await
    }

    /// The query of a listing, with its first conditions.
    async fn selection(
        &self,
        transaction: &Transaction,
        columns: &Columns,
        query: &MetricQuery,
    ) -> Result<Statement, Error> {
        let join = if query.resource_policy_filter.is_some() {
            " LEFT JOIN resource AS r ON r.id = m.resource_id"
        } else {
            ""
        };
        let mut statement = Statement::new(format!(
            "SELECT {} FROM metric AS m{join} WHERE m.status = '{}'",
            columns.selection(),
            query.status.word()
        ));
        let own = Compiler { columns, subject: "metric", now: self.now() };
        if let Some(filter) = &query.filter {
            statement.push(" AND ");
            own.compile(filter, &mut statement)?;
        }
        match (&query.policy_filter, &query.resource_policy_filter) {
            (None, None) => {}
            (Some(filter), None) => {
                statement.push(" AND ");
                own.compile(filter, &mut statement)?;
            }
            (policy, Some(filter)) => {
                statement.push(" AND (");
                if let Some(policy) = policy {
                    own.compile(policy, &mut statement)?;
                    statement.push(" OR ");
                }
                let kind = types::find(transaction, GENERIC, Lock::None).await?;
                let resource = Columns::resources(&kind, View::Current);
                Compiler { columns: &resource, subject: GENERIC, now: self.now() }
                    .compile(filter, &mut statement)?;
                statement.push(")");
            }
        }
        Ok(statement)
    }

    /// The active metrics of these ids, in the order of their ids.
    pub async fn metrics_by_id(&self, ids: &[Uuid]) -> Result<Vec<Metric>, Error> {
        let wanted: BTreeSet<Uuid> = ids.iter().copied().collect();
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let wanted = &wanted;
        self.database
            .read(|transaction| async move {
                let selection = Columns::metrics().selection();
                let mut rows = Vec::new();
                for chunk in wanted.chunks(CHUNK) {
                    let text = format!(
                        "SELECT {selection} FROM metric AS m WHERE m.status = 'active' AND m.id IN ("
                    );
                    let mut statement = Statement::new(text);
                    statement.push_list(chunk.iter().copied()).push(") ORDER BY m.id");
                    rows.extend(transaction.query(statement).await?);
                }
                read_all(&transaction, &rows).await
            })
            .await
    }

    /// How many of these ids it has, of active and of deleted metrics.
    pub async fn count_known(&self, ids: &[Uuid]) -> Result<u64, Error> {
        let ids: BTreeSet<Uuid> = ids.iter().copied().collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let ids = &ids;
        self.database
            .read(|transaction| async move {
                let mut known = 0;
                for chunk in ids.chunks(CHUNK) {
                    let mut statement = Statement::new("SELECT m.id FROM metric AS m WHERE m.id IN (");
                    statement.push_list(chunk.iter().copied()).push(")");
                    known += transaction.query(statement).await?.len() as u64;
                }
                Ok(known)
            })
            .await
    }

    /// How many active metrics fit, or all.
    ///
    /// # Errors
    /// Those of the filter as in [`Self::resources`].
    pub async fn count_metrics(&self, filter: Option<&Filter>) -> Result<u64, Error> {
        filter.map_or(Ok(()), check_size)?;
        self.database
            .read(|transaction| async move {
                let mut statement =
                    Statement::new("SELECT COUNT(*) FROM metric AS m WHERE m.status = 'active'");
                if let Some(filter) = filter {
                    statement.push(" AND ");
                    let columns = Columns::metrics();
                    let compiler = Compiler { columns: &columns, subject: "metric", now: self.now() };
                    compiler.compile(filter, &mut statement)?;
                }
                let count = transaction.query_one(statement).await?.map_or(Ok(0), |row| row.integer(0))?;
                Ok(count.unsigned_abs())
            })
            .await
    }

    /// Ids and archive policies of active metrics, in the order of their ids, from the one after `after`: for those who
    /// want to know all of them at their start.
    pub async fn metric_policies(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<(Uuid, String)>, Error> {
        self.database
            .read(|transaction| async move {
                let mut statement =
                    Statement::new("SELECT id, archive_policy_name FROM metric WHERE status = 'active'");
                if let Some(after) = after {
                    statement.push(" AND id > ").push_bind(after);
                }
                statement.push(" ORDER BY id LIMIT ").push_bind(limit);
                let rows = transaction.query(statement).await?;
                rows.iter().map(|row| Ok((row.uuid(0)?, row.text(1)?.to_owned()))).collect()
            })
            .await
    }

    /// Deletes an active metric: it leaves its resource and waits to be expunged.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`].
    pub async fn delete_metric(&self, id: Uuid) -> Result<(), Error> {
        let text =
            "UPDATE metric SET status = 'delete', resource_id = NULL WHERE id = $1 AND status = 'active'";
        let statement = &Statement::new(text).bind(id);
        self.database
            .write(|transaction| async move {
                if transaction.execute(statement.clone()).await? == 0 {
                    return Err(Error::NoSuchMetric(id));
                }
                note_change(&transaction).await
            })
            .await
    }

    /// Forgets a metric whose data is gone.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`].
    pub async fn expunge_metric(&self, id: Uuid) -> Result<(), Error> {
        self.change_metric(id, &Statement::new("DELETE FROM metric WHERE id = $1").bind(id)).await
    }

    /// Notes whether a metric's raw data is to be cut.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`].
    pub async fn set_needs_raw_data_truncation(&self, id: Uuid, value: bool) -> Result<(), Error> {
        let text = "UPDATE metric SET needs_raw_data_truncation = $1 WHERE id = $2";
        self.change_metric(id, &Statement::new(text).bind(value).bind(id)).await
    }

    /// Notes for all metrics of a policy that their raw data is to be cut; returns how many there are.
    pub async fn back_window_changed(&self, archive_policy_name: &str) -> Result<u64, Error> {
        let text = "UPDATE metric SET needs_raw_data_truncation = $1 WHERE archive_policy_name = $2";
        let statement = &Statement::new(text).bind(true).bind(archive_policy_name);
        self.database
            .write(|transaction| async move { Ok(transaction.execute(statement.clone()).await?) })
            .await
    }

    /// Notes when measures came last for metrics; those that are gone are passed over.
    pub async fn set_last_measures(&self, times: &[(Uuid, Timestamp)]) -> Result<(), Error> {
        self.database
            .write(|transaction| async move {
                let text = "UPDATE metric SET last_measure = $1 WHERE id = $2";
                for chunk in times.chunks(CHUNK) {
                    let rows = chunk.iter().map(|(id, time)| vec![time.microseconds().into(), (*id).into()]);
                    transaction.execute_many(text, rows.collect()).await?;
                }
                Ok(())
            })
            .await
    }

    async fn change_metric(&self, id: Uuid, statement: &Statement) -> Result<(), Error> {
        self.database
            .write(|transaction| async move {
                match transaction.execute(statement.clone()).await? {
                    0 => Err(Error::NoSuchMetric(id)),
                    _ => Ok(()),
                }
            })
            .await
    }
}

/// Whether the id exists, or the name in the resource.
async fn is_taken(transaction: &Transaction, new: &NewMetric) -> Result<bool, Error> {
    let find = Statement::new("SELECT 1 FROM metric WHERE id = $1").bind(new.id);
    if transaction.query_one(find).await?.is_some() {
        return Ok(true);
    }
    let (Some(resource), Some(name)) = (new.resource_id, &new.name) else { return Ok(false) };
    let find = Statement::new("SELECT 1 FROM metric WHERE resource_id = $1 AND name = $2").bind(resource);
    Ok(transaction.query_one(find.bind(name)).await?.is_some())
}

/// Rows of [`Columns::metrics`], with their policies.
pub(super) async fn read_all(transaction: &Transaction, rows: &[Row]) -> Result<Vec<Metric>, Error> {
    let mut names = BTreeSet::new();
    for row in rows {
        names.insert(row.text(1)?);
    }
    let names: Vec<&str> = names.into_iter().collect();
    let mut known: HashMap<String, Arc<ArchivePolicy>> = HashMap::new();
    for chunk in names.chunks(CHUNK) {
        for policy in policies::find_all(transaction, chunk.iter().copied()).await? {
            known.insert(policy.name.clone(), Arc::new(policy));
        }
    }
    rows.iter().map(|row| read(row, &known)).collect()
}

fn read(row: &Row, policies: &HashMap<String, Arc<ArchivePolicy>>) -> Result<Metric, Error> {
    let text =
        |column| -> Result<Option<String>, Error> { Ok(row.optional_text(column)?.map(str::to_owned)) };
    let policy = row.text(1)?;
    let archive_policy = policies.get(policy).cloned();
    Ok(Metric {
        id: row.uuid(0)?,
        archive_policy: archive_policy.ok_or_else(|| Error::NoSuchArchivePolicy(policy.to_owned()))?,
        creator: text(2)?,
        resource_id: row.optional_uuid(3)?,
        name: text(4)?,
        unit: text(5)?,
        status: if row.text(6)? == "active" { MetricStatus::Active } else { MetricStatus::Delete },
        needs_raw_data_truncation: row.bool(7)?,
        last_measure: timestamp(row.integer(8)?),
        resource: None,
    })
}

/// Gives metrics their resources, as generic ones.
async fn add_resources(transaction: &Transaction, metrics: &mut [Metric]) -> Result<(), Error> {
    let wanted: BTreeSet<Uuid> = metrics.iter().filter_map(|metric| metric.resource_id).collect();
    let wanted: Vec<Uuid> = wanted.into_iter().collect();
    let kind = types::find(transaction, GENERIC, Lock::None).await?;
    let selection = Columns::resources(&kind, View::Current).selection();
    let mut found: Vec<Resource> = Vec::new();
    for chunk in wanted.chunks(CHUNK) {
        let from = tables(&kind, View::Current);
        let mut statement = Statement::new(format!("SELECT {selection} FROM {from} WHERE r.id IN ("));
        statement.push_list(chunk.iter().copied()).push(")");
        for row in transaction.query(statement).await? {
            found.push(read_resource(&row, &kind, View::Current)?);
        }
    }
    add_metrics(transaction, &mut found).await?;
    let found: HashMap<Uuid, Arc<Resource>> =
        found.into_iter().map(|resource| (resource.id, Arc::new(resource))).collect();
    for metric in metrics {
        metric.resource = metric.resource_id.and_then(|id| found.get(&id).cloned());
    }
    Ok(())
}
