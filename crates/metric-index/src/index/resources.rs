//! Resources as they are: one, or those that are searched for.

use std::collections::{BTreeMap, HashMap};

use sql::{Dialect, Row, Statement, Transaction};
use uuid::Uuid;

use super::resource_metrics::add_metrics;
use super::types::Lock;
use super::{CHUNK, Index, history, timestamp, types};
use crate::columns::{Columns, View, tables};
use crate::filter::compile::{Compiler, check_size};
use crate::pagination::{Order, unknown_marker};
use crate::records::{CURRENT, GENERIC};
use crate::type_row::TypeRow;
use crate::{AttributeValue, Error, Resource, ResourceQuery, ids};

impl Index {
    /// One resource, seen as a type; none when it is of another specific type.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`].
    pub async fn resource(&self, resource_type: &str, id: Uuid) -> Result<Option<Resource>, Error> {
        self.database
            .read(|transaction| async move {
                let kind = types::active(&transaction, resource_type, Lock::None).await?;
                find(&transaction, &kind, id).await
            })
            .await
    }

    /// Resources that fit, with their metrics, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::InvalidPagination`], and those of the filter:
    /// [`Error::NoSuchAttribute`], [`Error::InvalidFilterValue`], [`Error::FilterTooLarge`].
    pub async fn resources(&self, query: &ResourceQuery) -> Result<Vec<Resource>, Error> {
        if let Some(filter) = &query.filter {
            check_size(filter)?;
        }
        self.database
            .read(|transaction| async move {
                let kind = types::active(&transaction, &query.resource_type, Lock::None).await?;
                let statement = self.listing(&transaction, &kind, query).await?;
                let view = if query.history { View::Past } else { View::Current };
                let rows = transaction.query(statement).await?;
                let found: Result<Vec<_>, _> = rows.iter().map(|row| read(row, &kind, view)).collect();
                let mut found = found?;
                add_metrics(&transaction, &mut found).await?;
                if query.details && kind.name == GENERIC {
                    add_attributes(&transaction, &mut found).await?;
                }
                Ok(found)
            })
            .await
    }

    /// How the database would answer [`Self::resources`], in its own words. PostgreSQL is told to avoid reading whole
    /// tables, so that its answer shows which indexes there are for the search, however few rows it has.
    pub async fn explain_resources(&self, query: &ResourceQuery) -> Result<String, Error> {
        self.database
            .read(|transaction| async move {
                let kind = types::active(&transaction, &query.resource_type, Lock::None).await?;
                let listing = self.listing(&transaction, &kind, query).await?;
                let (explain, column) = match transaction.dialect() {
                    Dialect::Sqlite => ("EXPLAIN QUERY PLAN ", 3),
                    Dialect::PostgreSql => ("EXPLAIN ", 0),
                };
                if transaction.dialect() == Dialect::PostgreSql {
                    transaction.batch("SET LOCAL enable_seqscan = off").await?;
                }
                let mut statement = Statement::new(format!("{explain}{}", listing.text()));
                for value in listing.values() {
                    statement = statement.bind(value.clone());
                }
                let rows = transaction.query(statement).await?;
                let lines = rows.iter().map(|row| row.text(column)).collect::<Result<Vec<_>, _>>()?;
                Ok(lines.join("\n"))
            })
            .await
    }

    async fn listing(
        &self,
        transaction: &Transaction,
        kind: &TypeRow,
        query: &ResourceQuery,
    ) -> Result<Statement, Error> {
        if query.history {
            return history::listing(transaction, kind, query, self.now()).await;
        }
        let columns = Columns::resources(kind, View::Current);
        let mut statement =
            Statement::new(format!("SELECT {} FROM {}", columns.selection(), tables(kind, View::Current)));
        let mut conditions = Conditions::default();
        if let Some(filter) = &query.filter {
            let compiler = Compiler { columns: &columns, subject: &kind.name, now: self.now() };
            conditions.begin(&mut statement);
            compiler.compile(filter, &mut statement)?;
        }
        let order = Order::new(&query.page, &["id"], &columns);
        if let Some(text) = &query.page.marker {
            // An unknown marker is told before a wrong key.
            let id = ids::parse_uuid(text).ok_or_else(|| unknown_marker(text))?;
            let keys =
                order.as_ref().map_or_else(|_| "r.id".to_owned(), |order| order.selection_in(&columns));
            let find =
                Statement::new(format!("SELECT {keys} FROM {} WHERE r.id = $1", tables(kind, View::Current)));
            let row = transaction.query_one(find.bind(id)).await?.ok_or_else(|| unknown_marker(text))?;
            conditions.begin(&mut statement);
            order.as_ref().map_or(Ok(()), |order| order.after(&row, &columns, &mut statement))?;
        }
        let order = order?;
        statement.push(" ORDER BY ").push(&order.terms());
        if let Some(limit) = query.page.limit {
            statement.push(" LIMIT ").push_bind(limit);
        }
        Ok(statement)
    }
}

/// Words between the conditions of a query.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) has_one: bool,
}

impl Conditions {
    /// Appends WHERE before the first condition and AND before the others.
    pub(super) fn begin(&mut self, statement: &mut Statement) {
        statement.push(if self.has_one { " AND " } else { " WHERE " });
        self.has_one = true;
    }
}

/// One resource with its metrics, inside of a transaction.
pub(super) async fn find(
    transaction: &Transaction,
    kind: &TypeRow,
    id: Uuid,
) -> Result<Option<Resource>, Error> {
    let columns = Columns::resources(kind, View::Current);
    let text = format!("SELECT {} FROM {} WHERE r.id = $1", columns.selection(), tables(kind, View::Current));
    let Some(row) = transaction.query_one(Statement::new(text).bind(id)).await? else { return Ok(None) };
    let mut found = [read(&row, kind, View::Current)?];
    add_metrics(transaction, &mut found).await?;
    let [resource] = found;
    Ok(Some(resource))
}

/// A row of [`Columns::resources`].
pub(super) fn read(row: &Row, kind: &TypeRow, view: View) -> Result<Resource, Error> {
    let text =
        |column| -> Result<Option<String>, Error> { Ok(row.optional_text(column)?.map(str::to_owned)) };
    let (revision, revision_end, first) = match view {
        View::Current => (CURRENT, None, 9),
        View::CurrentRevision | View::Past => (row.integer(9)?, row.optional_integer(10)?, 11),
    };
    let mut attributes = Vec::with_capacity(kind.attributes.len());
    for (column, stored) in (first..).zip(&kind.attributes) {
        let value = AttributeValue::read(row, column, &stored.attribute.kind)?;
        attributes.push((stored.attribute.name.clone(), value));
    }
    Ok(Resource {
        id: row.uuid(0)?,
        resource_type: row.text(1)?.to_owned(),
        creator: text(2)?,
        started_at: timestamp(row.integer(3)?),
        revision_start: timestamp(row.integer(4)?),
        ended_at: row.optional_integer(5)?.map(timestamp),
        user_id: text(6)?,
        project_id: text(7)?,
        original_resource_id: row.text(8)?.to_owned(),
        attributes,
        revision,
        revision_end: revision_end.map(timestamp),
        metrics: Vec::new(),
    })
}

/// Gives resources, seen as generic ones, the attributes of their own types. Their order stays.
async fn add_attributes(transaction: &Transaction, resources: &mut [Resource]) -> Result<(), Error> {
    let mut by_type: BTreeMap<(String, bool), Vec<usize>> = BTreeMap::new();
    for (position, resource) in resources.iter().enumerate() {
        if resource.resource_type != GENERIC {
            let key = (resource.resource_type.clone(), resource.revision != CURRENT);
            by_type.entry(key).or_default().push(position);
        }
    }
    for ((name, is_past), positions) in by_type {
        let kind = types::find(transaction, &name, Lock::None).await?;
        let selected = kind.more_columns();
        let (key, table) = if is_past { ("revision", "_history") } else { ("id", "") };
        let mut found: HashMap<Key, Vec<(String, AttributeValue)>> = HashMap::new();
        for chunk in positions.chunks(CHUNK) {
            let text = format!("SELECT {key}{selected} FROM rt_{}{table} WHERE {key} IN (", kind.number);
            let mut statement = Statement::new(text);
            let keys = chunk.iter().filter_map(|position| resources.get(*position));
            if is_past {
                statement.push_list(keys.map(|resource| resource.revision));
            } else {
                statement.push_list(keys.map(|resource| resource.id));
            }
            statement.push(")");
            for row in transaction.query(statement).await? {
                let key = if is_past { Key::Revision(row.integer(0)?) } else { Key::Id(row.uuid(0)?) };
                let values = (1..).zip(&kind.attributes).map(|(column, stored)| {
                    let value = AttributeValue::read(&row, column, &stored.attribute.kind)?;
                    Ok((stored.attribute.name.clone(), value))
                });
                found.insert(key, values.collect::<Result<_, Error>>()?);
            }
        }
        for position in positions {
            if let Some(resource) = resources.get_mut(position) {
                let key = if is_past { Key::Revision(resource.revision) } else { Key::Id(resource.id) };
                resource.attributes = found.get(&key).cloned().unwrap_or_default();
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Id(Uuid),
    Revision(i64),
}
