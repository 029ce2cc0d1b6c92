//! How much there is in the index.

use std::path::Path;

use sql::{Address, Statement};
use uuid::Uuid;

use super::Index;
use crate::{Error, MetricStatus, Stock};

impl Index {
    /// The file of a SQLite index.
    pub fn file(&self) -> Option<&Path> {
        match self.database.address() {
            Address::Sqlite(path) => Some(path),
            Address::PostgreSql(_) => None,
        }
    }

    /// How much there is of what, at one moment.
    pub async fn stock(&self) -> Result<Stock, Error> {
        self.database
            .read(|transaction| async move {
                let count = |table: &'static str| {
                    let statement = Statement::new(format!("SELECT COUNT(*) FROM {table}"));
                    let transaction = transaction.clone();
                    async move {
                        let row = transaction.query_one(statement).await?;
                        Ok::<u64, Error>(row.map_or(Ok(0), |row| row.integer(0))?.unsigned_abs())
                    }
                };
                Ok(Stock {
                    archive_policies: count("archive_policy").await?,
                    archive_policy_rules: count("archive_policy_rule").await?,
                    resource_types: count("resource_type").await?,
                    resources: count("resource").await?,
                    revisions: count("resource_history").await?,
                    metrics: count("metric WHERE status = 'active'").await?,
                    deleted_metrics: count("metric WHERE status <> 'active'").await?,
                })
            })
            .await
    }

    /// Ids of metrics in the order of their ids, from the one after `after`, those whose data is to go included.
    pub async fn metric_ids(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<(Uuid, MetricStatus)>, Error> {
        self.database
            .read(|transaction| async move {
                let mut statement = Statement::new("SELECT id, status FROM metric");
                if let Some(after) = after {
                    statement.push(" WHERE id > ").push_bind(after);
                }
                statement.push(" ORDER BY id LIMIT ").push_bind(limit);
                let rows = transaction.query(statement).await?;
                let status = |text: &str| {
                    if text == "active" { MetricStatus::Active } else { MetricStatus::Delete }
                };
                rows.iter().map(|row| Ok((row.uuid(0)?, status(row.text(1)?)))).collect()
            })
            .await
    }
}
