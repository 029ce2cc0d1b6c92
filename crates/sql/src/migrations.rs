//! Numbered steps from an empty database to the newest tables.

use crate::{Database, Dialect, Error, Statement, Transaction};

/// One step. A step that was released is never edited: the next change is another step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1 for the first, and one more for each that follows.
    pub version: i64,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// Statements in the words of [`Dialect::expand`](crate::Dialect::expand).
    pub statements: &'static str,
}

/// All steps of one set of tables. Several sets can live in one database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The name under which its version is kept.
    pub name: &'static str,
    /// The steps, in order.
    pub migrations: &'static [Migration],
}

/// `applied` is for whoever looks into the database; it is never read.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    schema {text} NOT NULL, version {integer} NOT NULL, name {text} NOT NULL,
    applied {text} NOT NULL, PRIMARY KEY (schema, version)) {strict}";

impl Schema {
    fn newest(&self) -> i64 {
        self.migrations.last().map_or(0, |migration| migration.version)
    }
}

impl Database {
    /// Brings the tables of `schema` to its newest version and returns how many steps that took. All or nothing, and one
    /// at a time when several programs start together.
    ///
    /// # Errors
    /// [`Error::Newer`] when a newer program was here.
    pub async fn migrate(&self, schema: &Schema) -> Result<usize, Error> {
        // Most starts find everything in place, and need no lock.
        let found = self.read(|transaction| async move { version(&transaction, schema).await }).await;
        if let Ok(found) = found {
            refuse_newer(schema, found)?;
            if found == schema.newest() {
                return Ok(0);
            }
        }
        self.change_schema("schema_migration", |transaction| async move { steps(&transaction, schema).await })
            .await
    }
}

fn refuse_newer(schema: &Schema, found: i64) -> Result<(), Error> {
    let known = schema.newest();
    if found > known { Err(Error::Newer { schema: schema.name, found, known }) } else { Ok(()) }
}

async fn version(transaction: &Transaction, schema: &Schema) -> Result<i64, Error> {
    let text = "SELECT COALESCE(MAX(version), 0) FROM schema_migration WHERE schema = $1";
    let row = transaction.query_one(Statement::new(text).bind(schema.name)).await?;
    row.map_or(Ok(0), |row| row.integer(0))
}

async fn steps(transaction: &Transaction, schema: &Schema) -> Result<usize, Error> {
    let dialect = transaction.dialect();
    transaction.batch(&dialect.expand(VERSIONS)).await?;
    let found = version(transaction, schema).await?;
    refuse_newer(schema, found)?;
    let mut taken = 0;
    for migration in schema.migrations.iter().filter(|migration| migration.version > found) {
        tracing::info!(
            schema = schema.name,
            version = migration.version,
            name = migration.name,
            "changing the tables of the database"
        );
        transaction.batch(&dialect.expand(migration.statements)).await?;
        let now = match dialect {
            Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%SZ')",
            Dialect::PostgreSql => "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        };
        let note = Statement::new(format!(
            "INSERT INTO schema_migration (schema, version, name, applied) VALUES ($1, $2, $3, {now})"
        ));
        transaction.execute(note.bind(schema.name).bind(migration.version).bind(migration.name)).await?;
        taken += 1;
    }
    Ok(taken)
}
