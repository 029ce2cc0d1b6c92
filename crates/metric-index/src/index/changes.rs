//! Resources are made, changed and deleted.

use model::Timestamp;
use sql::{Dialect, Statement, Transaction, Value};
use uuid::Uuid;

use super::resource_metrics::{mark_deleted, set_metrics};
use super::types::Lock;
use super::written::note_change;
use super::{Index, MAX_TEXT, check_optional, creator_project, resources, types};
use crate::columns::{Columns, View, tables};
use crate::error::time_text;
use crate::filter::compile::{Compiler, check_size};
use crate::ids::MAX_ORIGINAL_ID;
use crate::records::GENERIC;
use crate::type_row::TypeRow;
use crate::{
    AttributeValue, Changed, Deleted, Error, Filter, MetricSource, MetricsChange, NewResource, Resource,
    ResourceChange,
};

/// What a revision takes over.
const COPIED: &str = "id, type, creator, creator_project, started_at, revision_start, ended_at, user_id, project_id, \
                      original_resource_id";

impl Index {
    /// Makes a resource with its metrics and returns it.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::ResourceAlreadyExists`], [`Error::StartAfterEnd`], those of its
    /// attributes ([`Error::NoSuchAttribute`], [`Error::InvalidAttributeValue`], [`Error::AttributeRequired`]) and of
    /// its metrics ([`Error::NoSuchMetric`], [`Error::NamedMetricAlreadyExists`], [`Error::NoSuchArchivePolicy`]).
    pub async fn create_resource(&self, new: &NewResource) -> Result<Resource, Error> {
        let now = self.now();
        let started_at = new.started_at.unwrap_or(now);
        if new.ended_at.is_some_and(|ended_at| started_at > ended_at) {
            return Err(Error::StartAfterEnd);
        }
        check_optional("creator", new.creator.as_deref(), MAX_TEXT)?;
        check_optional("user_id", new.user_id.as_deref(), MAX_TEXT)?;
        check_optional("project_id", new.project_id.as_deref(), MAX_TEXT)?;
        check_optional("original_resource_id", new.original_resource_id.as_deref(), MAX_ORIGINAL_ID)?;
        let original = new.original_resource_id.clone().unwrap_or_else(|| new.id.to_string());
        let original = &original;
        self.database
            .write(|transaction| async move {
                let kind = types::active(&transaction, &new.resource_type, Lock::Shared).await?;
                check_attributes(&kind, &kind.name, &new.attributes)?;
                check_required(&kind, &new.attributes)?;
                let found = Statement::new("SELECT 1 FROM resource WHERE id = $1").bind(new.id);
                if transaction.query_one(found).await?.is_some() {
                    return Err(Error::ResourceAlreadyExists(new.id));
                }
                let text = format!(
                    "INSERT INTO resource ({COPIED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                );
                let statement = Statement::new(text)
                    .bind(new.id)
                    .bind(&kind.name)
                    .bind(new.creator.as_deref())
                    .bind(creator_project(new.creator.as_deref()))
                    .bind(started_at.microseconds())
                    .bind(now.microseconds())
                    .bind(new.ended_at.map(Timestamp::microseconds))
                    .bind(new.user_id.as_deref())
                    .bind(new.project_id.as_deref());
                transaction.execute(statement.bind(original)).await?;
                if kind.name != GENERIC {
                    insert_attributes(&transaction, &kind, new.id, &new.attributes).await?;
                }
                let creator = new.creator.as_deref();
                set_metrics(&transaction, new.id, creator, &new.metrics, now.microseconds()).await?;
                let made = resources::find(&transaction, &kind, new.id).await?;
                let made = made.ok_or(Error::NoSuchResource(new.id))?;
                if has_existing(&new.metrics) {
                    note_change(&transaction).await?;
                }
                Ok(made)
            })
            .await
    }

    /// Changes a resource, seen as a type. When an attribute gets another value, what the resource was becomes a revision;
    /// metrics alone make none.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::NoSuchResource`], [`Error::InvalidAttributeValue`] (also for an end before
    /// the start), [`Error::NoSuchAttribute`], and those of its metrics as in [`Self::create_resource`].
    pub async fn update_resource(
        &self,
        resource_type: &str,
        id: Uuid,
        change: &ResourceChange,
    ) -> Result<Changed, Error> {
        let now = self.now();
        for (field, text) in [("user_id", &change.user_id), ("project_id", &change.project_id)] {
            check_optional(field, text.as_ref().and_then(Option::as_deref), MAX_TEXT)?;
        }
        self.database
            .write(|transaction| async move {
                let kind = types::active(&transaction, resource_type, Lock::Shared).await?;
                lock_resource(&transaction, id).await?;
                let old = resources::find(&transaction, &kind, id).await?;
                let old = old.ok_or(Error::NoSuchResource(id))?;
                check_attributes(&kind, &old.resource_type, &change.attributes)?;
                let set = Settings::new(&kind, &old, change);
                check_period(resource_type, &old, change)?;
                let revised = !set.is_empty();
                if revised {
                    keep_revision(&transaction, &old, now).await?;
                    set.apply(&transaction, &kind, id, now).await?;
                }
                let creator = old.creator.as_deref();
                match &change.metrics {
                    MetricsChange::Keep => {}
                    MetricsChange::Append(metrics) => {
                        set_metrics(&transaction, id, creator, metrics, now.microseconds()).await?;
                    }
                    MetricsChange::Replace(metrics) => {
                        let text = "UPDATE metric SET resource_id = NULL WHERE resource_id = $1 AND status = 'active'";
                        transaction.execute(Statement::new(text).bind(id)).await?;
                        set_metrics(&transaction, id, creator, metrics, now.microseconds()).await?;
                    }
                }
                let resource = resources::find(&transaction, &kind, id).await?;
                let resource = resource.ok_or(Error::NoSuchResource(id))?;
                match &change.metrics {
                    MetricsChange::Keep => {}
                    MetricsChange::Append(metrics) if !has_existing(metrics) => {}
                    MetricsChange::Append(_) | MetricsChange::Replace(_) => note_change(&transaction).await?,
                }
                Ok(Changed { resource, revised })
            })
            .await
    }

    /// Deletes a resource and its history; its metrics wait to be expunged.
    ///
    /// # Errors
    /// [`Error::NoSuchResource`].
    pub async fn delete_resource(&self, id: Uuid) -> Result<Deleted, Error> {
        self.database
            .write(|transaction| async move {
                let metrics = mark_deleted(&transaction, &Statement::new("$1").bind(id)).await?;
                let statement = Statement::new("DELETE FROM resource WHERE id = $1").bind(id);
                match transaction.execute(statement).await? {
                    0 => Err(Error::NoSuchResource(id)),
                    resources => {
                        note_change(&transaction).await?;
                        Ok(Deleted { resources, metrics })
                    }
                }
            })
            .await
    }

    /// Deletes the resources that fit, as [`Self::delete_resource`] does.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], and those of the filter as in [`Self::resources`].
    pub async fn delete_resources(&self, resource_type: &str, filter: &Filter) -> Result<Deleted, Error> {
        check_size(filter)?;
        self.database
            .write(|transaction| async move {
                let kind = types::active(&transaction, resource_type, Lock::Shared).await?;
                let columns = Columns::resources(&kind, View::Current);
                let mut chosen =
                    Statement::new(format!("SELECT r.id FROM {} WHERE ", tables(&kind, View::Current)));
                Compiler { columns: &columns, subject: &kind.name, now: self.now() }
                    .compile(filter, &mut chosen)?;
                let metrics = mark_deleted(&transaction, &chosen).await?;
                let mut statement =
                    Statement::new(format!("DELETE FROM resource WHERE id IN ({})", chosen.text()));
                for value in chosen.values() {
                    statement = statement.bind(value.clone());
                }
                let resources = transaction.execute(statement).await?;
                note_change(&transaction).await?;
                Ok(Deleted { resources, metrics })
            })
            .await
    }
}

/// Whether metrics are attached that may have been another resource's, or had another name.
fn has_existing(metrics: &[(String, MetricSource)]) -> bool {
    metrics.iter().any(|(_, source)| matches!(source, MetricSource::Existing(_)))
}

/// Of two changes of one resource the second sees what the first has made of it.
pub(super) async fn lock_resource(transaction: &Transaction, id: Uuid) -> Result<(), Error> {
    if transaction.dialect() == Dialect::PostgreSql {
        transaction.query(Statement::new("SELECT 1 FROM resource WHERE id = $1 FOR UPDATE").bind(id)).await?;
    }
    Ok(())
}

/// Refuses attributes that the type has not, and values of another kind. `shown` is the type that errors name.
fn check_attributes(
    kind: &TypeRow,
    shown: &str,
    attributes: &[(String, AttributeValue)],
) -> Result<(), Error> {
    for (name, value) in attributes {
        let (resource_type, attribute) = (shown.to_owned(), name.clone());
        let Some(stored) = kind.find(name) else {
            return Err(Error::NoSuchAttribute { resource_type, attribute });
        };
        let is_missing = stored.attribute.required && *value == AttributeValue::Null;
        if is_missing {
            return Err(Error::AttributeRequired { resource_type, attribute });
        }
        if !value.fits(&stored.attribute.kind) {
            return Err(Error::InvalidAttributeValue {
                resource_type,
                attribute,
                value: value.python_text(),
            });
        }
    }
    Ok(())
}

fn check_required(kind: &TypeRow, attributes: &[(String, AttributeValue)]) -> Result<(), Error> {
    let given = |name: &str| attributes.iter().any(|(known, _)| known == name);
    let missing =
        kind.attributes.iter().find(|stored| stored.attribute.required && !given(&stored.attribute.name));
    missing.map_or(Ok(()), |stored| {
        let (resource_type, attribute) = (kind.name.clone(), stored.attribute.name.clone());
        Err(Error::AttributeRequired { resource_type, attribute })
    })
}

async fn insert_attributes(
    transaction: &Transaction,
    kind: &TypeRow,
    id: Uuid,
    attributes: &[(String, AttributeValue)],
) -> Result<(), Error> {
    let columns = kind.more_columns();
    let mut statement = Statement::new(format!("INSERT INTO rt_{} (id{columns}) VALUES (", kind.number));
    statement.push_bind(id);
    for stored in &kind.attributes {
        let given = attributes.iter().rev().find(|(name, _)| *name == stored.attribute.name);
        statement.push(", ").push_bind(given.map_or(Value::Null, |(_, value)| value.column()));
    }
    statement.push(")");
    transaction.execute(statement).await?;
    Ok(())
}

/// Columns that get other values than they have.
#[derive(Debug, Default)]
struct Settings {
    resource: Vec<(&'static str, Value)>,
    attributes: Vec<(String, Value)>,
}

impl Settings {
    fn new(kind: &TypeRow, old: &Resource, change: &ResourceChange) -> Self {
        let mut set = Self::default();
        if let Some(started_at) = change.started_at.filter(|time| *time != old.started_at) {
            set.resource.push(("started_at", started_at.microseconds().into()));
        }
        if let Some(ended_at) = change.ended_at.filter(|time| *time != old.ended_at) {
            set.resource.push(("ended_at", ended_at.map(Timestamp::microseconds).into()));
        }
        if let Some(user) = change.user_id.as_ref().filter(|user| **user != old.user_id) {
            set.resource.push(("user_id", user.clone().into()));
        }
        if let Some(project) = change.project_id.as_ref().filter(|project| **project != old.project_id) {
            set.resource.push(("project_id", project.clone().into()));
        }
        for (name, value) in &change.attributes {
            let known = old.attributes.iter().any(|(known, old)| known == name && old == value);
            if let Some(stored) = kind.find(name).filter(|_| !known) {
                set.attributes.push((stored.column_name(), value.column()));
            }
        }
        set
    }

    fn is_empty(&self) -> bool {
        self.resource.is_empty() && self.attributes.is_empty()
    }

    async fn apply(
        &self,
        transaction: &Transaction,
        kind: &TypeRow,
        id: Uuid,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut statement =
            Statement::new("UPDATE resource SET revision_start = $1").bind(now.microseconds());
        for (column, value) in &self.resource {
            statement.push(&format!(", {column} = ")).push_bind(value.clone());
        }
        statement.push(" WHERE id = ").push_bind(id);
        transaction.execute(statement).await?;
        if self.attributes.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(format!("UPDATE rt_{} SET ", kind.number));
        for (position, (column, value)) in self.attributes.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            statement.push(&format!("{comma}{column} = ")).push_bind(value.clone());
        }
        statement.push(" WHERE id = ").push_bind(id);
        transaction.execute(statement).await?;
        Ok(())
    }
}

/// Refuses an end before the start.
fn check_period(resource_type: &str, old: &Resource, change: &ResourceChange) -> Result<(), Error> {
    let started_at = change.started_at.unwrap_or(old.started_at);
    match change.ended_at.unwrap_or(old.ended_at) {
        Some(ended_at) if started_at > ended_at => Err(Error::InvalidAttributeValue {
            resource_type: resource_type.to_owned(),
            attribute: "ended_at".to_owned(),
            value: time_text(ended_at),
        }),
        _ => Ok(()),
    }
}

/// Makes a revision of what a resource is, with the attributes of its own type.
pub(super) async fn keep_revision(
    transaction: &Transaction,
    old: &Resource,
    now: Timestamp,
) -> Result<(), Error> {
    let text = format!(
        "INSERT INTO resource_history (revision_end, {COPIED}) SELECT CAST($1 AS BIGINT), {COPIED} FROM resource \
         WHERE id = $2 RETURNING revision"
    );
    let row = transaction.query_one(Statement::new(text).bind(now.microseconds()).bind(old.id)).await?;
    let revision = row.ok_or(Error::NoSuchResource(old.id))?.integer(0)?;
    if old.resource_type == GENERIC {
        return Ok(());
    }
    let kind = types::find(transaction, &old.resource_type, Lock::Shared).await?;
    let columns = kind.more_columns();
    let text = format!(
        "INSERT INTO rt_{0}_history (revision{columns}) SELECT CAST($1 AS BIGINT){columns} FROM rt_{0} WHERE id = $2",
        kind.number
    );
    transaction.execute(Statement::new(text).bind(revision).bind(old.id)).await?;
    Ok(())
}
