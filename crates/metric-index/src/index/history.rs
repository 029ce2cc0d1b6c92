//! Resources with their revisions.

use model::Timestamp;
use sql::{Row, Statement, Transaction};

use super::resources::Conditions;
use crate::columns::{Columns, View, tables};
use crate::filter::compile::Compiler;
use crate::pagination::{Order, unknown_marker};
use crate::records::CURRENT;
use crate::type_row::TypeRow;
use crate::{Error, ResourceQuery, ids};

/// The query of what resources are and were, in one order. The filter, the marker and the limit work in both parts by themselves, so
/// that each can use its indexes.
pub(super) async fn listing(
    transaction: &Transaction,
    kind: &TypeRow,
    query: &ResourceQuery,
    now: Timestamp,
) -> Result<Statement, Error> {
    let parts = [View::CurrentRevision, View::Past].map(|view| (view, Columns::resources(kind, view)));
    let [(_, current), _] = &parts;
    let order = Order::new(&query.page, &["id", "revision"], current);
    // Errors of the filter are told before those of the marker, and these before those of the order.
    if let Some(filter) = &query.filter {
        let compiler = Compiler { columns: current, subject: &kind.name, now };
        compiler.compile(filter, &mut Statement::default())?;
    }
    let marker = match &query.page.marker {
        None => None,
        Some(text) => Some(find_marker(transaction, kind, text, order.as_ref().ok()).await?),
    };
    let order = order?;
    let mut statement = Statement::default();
    for (position, (view, columns)) in parts.iter().enumerate() {
        statement.push(if position == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        statement.push(&format!("SELECT {} FROM {}", columns.selection(), tables(kind, *view)));
        let mut conditions = Conditions::default();
        if let Some(filter) = &query.filter {
            conditions.begin(&mut statement);
            Compiler { columns, subject: &kind.name, now }.compile(filter, &mut statement)?;
        }
        if let Some(marker) = &marker {
            conditions.begin(&mut statement);
            order.after(marker, columns, &mut statement)?;
        }
        if let Some(limit) = query.page.limit {
            let terms = Order::new(&query.page, &["id", "revision"], columns)?.terms();
            statement.push(&format!(" ORDER BY {terms} LIMIT ")).push_bind(limit);
        }
        statement.push(&format!(") AS part{position}"));
    }
    statement.push(" ORDER BY ").push(&order.output_terms());
    if let Some(limit) = query.page.limit {
        statement.push(" LIMIT ").push_bind(limit);
    }
    Ok(statement)
}

/// The keys of the item `ID@REVISION`.
async fn find_marker(
    transaction: &Transaction,
    kind: &TypeRow,
    text: &str,
    order: Option<&Order>,
) -> Result<Row, Error> {
    let unknown = || unknown_marker(text);
    let (id, revision) = text.split_once('@').ok_or_else(unknown)?;
    let id = ids::parse_uuid(id).ok_or_else(unknown)?;
    let revision: i64 = revision.trim().parse().map_err(|_| unknown())?;
    let view = if revision == CURRENT { View::CurrentRevision } else { View::Past };
    let keys = match order {
        None => "r.id".to_owned(),
        Some(order) => order.selection_in(&Columns::resources(kind, view)),
    };
    let mut statement = Statement::new(format!("SELECT {keys} FROM {} WHERE r.id = ", tables(kind, view)));
    statement.push_bind(id);
    if view == View::Past {
        statement.push(" AND r.revision = ").push_bind(revision);
    }
    transaction.query_one(statement).await?.ok_or_else(unknown)
}
