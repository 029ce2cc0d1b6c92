//! The open index.

mod changes;
mod ends;
mod history;
mod metrics;
mod policies;
mod resource_metrics;
mod resources;
mod rules;
mod stock;
mod types;
mod written;

use std::path::Path;
use std::sync::Arc;

use model::Timestamp;
use observability::clock::Clock;
use sql::{Database, Migration, Options, Schema};

use crate::Error;

pub use written::{NamedMetrics, named};

/// The steps that made the tables what they are.
const SCHEMA: Schema = Schema {
    name: "metric-index",
    migrations: &[
        Migration { version: 1, name: "initial", statements: include_str!("../migrations/0001_initial.sql") },
        Migration {
            version: 2,
            name: "changes of metrics",
            statements: include_str!("../migrations/0002_metric_changes.sql"),
        },
    ],
};

/// How many rows are asked for, or changed, by one statement.
const CHUNK: usize = 500;

/// An open index. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Index {
    database: Database,
    clock: Clock,
    /// The time that it is, where the clock does not say.
    fixed: Option<Timestamp>,
    known: Arc<written::Known>,
}

impl Index {
    /// Opens the index at a URL (`sqlite:///PATH`, `postgresql://…`) and brings its tables up to date. A SQLite file that
    /// is absent is made.
    pub async fn open(url: &str, options: Options, clock: Clock) -> Result<Self, Error> {
        let database = Database::open(url, options).await?;
        database.migrate(&SCHEMA).await?;
        Ok(Self { database, clock, fixed: None, known: Arc::default() })
    }

    /// The same index at another time: what is done with it is noted as done then. For those who bring a history along.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Self {
        Self { fixed: Some(time), ..self.clone() }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.database
            .read(|transaction| async move {
                transaction.query("SELECT 1").await?;
                Ok(())
            })
            .await
    }

    /// What is wrong with a SQLite file, as far as it can tell; reads all of it.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        Ok(self.database.check().await?)
    }

    /// Copies a SQLite index into a new file while it is in use.
    pub async fn backup(&self, target: &Path) -> Result<(), Error> {
        Ok(self.database.backup(target).await?)
    }

    /// Ends all connections. Later calls fail.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Now, as it is stored.
    fn now(&self) -> Timestamp {
        self.fixed.unwrap_or_else(|| timestamp(self.clock.now().as_microsecond()))
    }
}

/// A stored time. One that no calendar has becomes 1970.
fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microseconds(microseconds).unwrap_or(Timestamp::EPOCH)
}

/// How long names, creators, users and projects may be.
const MAX_TEXT: usize = 255;

/// Refuses what Gnocchi's tables, or PostgreSQL, cannot hold.
fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::Nul { field: field.to_owned() });
    }
    if text.len() > limit && text.chars().count() > limit {
        return Err(Error::TooLong { field, limit });
    }
    Ok(())
}

fn check_optional(field: &'static str, text: Option<&str>, limit: usize) -> Result<(), Error> {
    text.map_or(Ok(()), |text| check_text(field, text, limit))
}

/// What stands behind the creator's last colon; a colon, which no such part has, when there is none.
fn creator_project(creator: Option<&str>) -> Option<String> {
    creator.map(|creator| creator.rsplit_once(':').map_or(":", |(_, project)| project).to_owned())
}
