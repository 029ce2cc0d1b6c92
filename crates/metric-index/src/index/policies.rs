//! Archive policies.

use sql::{Row, Statement, Transaction};

use super::written::note_change;
use super::{Index, MAX_TEXT, check_text};
use crate::{ArchivePolicy, Definition, Error};

const COLUMNS: &str = "name, back_window, definition, aggregation_methods";

impl Index {
    /// All archive policies, by name.
    pub async fn archive_policies(&self) -> Result<Vec<ArchivePolicy>, Error> {
        self.database
            .read(|transaction| async move {
                let text = format!("SELECT {COLUMNS} FROM archive_policy ORDER BY name");
                transaction.query(text).await?.iter().map(read).collect()
            })
            .await
    }

    /// One archive policy.
    pub async fn archive_policy(&self, name: &str) -> Result<Option<ArchivePolicy>, Error> {
        self.database.read(|transaction| async move { find(&transaction, name).await }).await
    }

    /// Keeps a new archive policy.
    ///
    /// # Errors
    /// [`Error::ArchivePolicyAlreadyExists`].
    pub async fn create_archive_policy(&self, policy: &ArchivePolicy) -> Result<(), Error> {
        check_text("name", &policy.name, MAX_TEXT)?;
        let definition = json(&policy.definition)?;
        let methods = json(&policy.aggregation_methods)?;
        let (definition, methods) = (&definition, &methods);
        self.database
            .write(|transaction| async move {
                if find(&transaction, &policy.name).await?.is_some() {
                    return Err(Error::ArchivePolicyAlreadyExists(policy.name.clone()));
                }
                let text = format!("INSERT INTO archive_policy ({COLUMNS}) VALUES ($1, $2, $3, $4)");
                let statement = Statement::new(text).bind(&policy.name).bind(policy.back_window);
                transaction.execute(statement.bind(definition).bind(methods)).await?;
                Ok(())
            })
            .await
    }

    /// Changes how long the granularities of a policy are kept, and its back window. Returns the policy.
    ///
    /// # Errors
    /// [`Error::NoSuchArchivePolicy`]; [`Error::UnsupportedArchivePolicyChange`] when the granularities are not the same.
    pub async fn update_archive_policy(
        &self,
        name: &str,
        definition: &[Definition],
        back_window: Option<i64>,
    ) -> Result<ArchivePolicy, Error> {
        self.database
            .write(|transaction| async move {
                let policy = find(&transaction, name).await?;
                let mut policy = policy.ok_or_else(|| Error::NoSuchArchivePolicy(name.to_owned()))?;
                check_change(&policy, definition)?;
                policy.definition = definition.to_vec();
                policy.back_window = back_window.unwrap_or(policy.back_window);
                let text = "UPDATE archive_policy SET definition = $1, back_window = $2 WHERE name = $3";
                let statement = Statement::new(text).bind(json(&policy.definition)?).bind(policy.back_window);
                transaction.execute(statement.bind(name)).await?;
                note_change(&transaction).await?;
                Ok(policy)
            })
            .await
    }

    /// Deletes a policy that nothing refers to; metrics that wait to be expunged do.
    ///
    /// # Errors
    /// [`Error::NoSuchArchivePolicy`], [`Error::ArchivePolicyInUse`].
    pub async fn delete_archive_policy(&self, name: &str) -> Result<(), Error> {
        self.database
            .write(|transaction| async move {
                if find(&transaction, name).await?.is_none() {
                    return Err(Error::NoSuchArchivePolicy(name.to_owned()));
                }
                for table in ["archive_policy_rule", "metric"] {
                    let text = format!("SELECT 1 FROM {table} WHERE archive_policy_name = $1 LIMIT 1");
                    if transaction.query_one(Statement::new(text).bind(name)).await?.is_some() {
                        return Err(Error::ArchivePolicyInUse(name.to_owned()));
                    }
                }
                let statement = Statement::new("DELETE FROM archive_policy WHERE name = $1").bind(name);
                transaction.execute(statement).await?;
                Ok(())
            })
            .await
    }
}

/// One policy, inside of a transaction.
pub(super) async fn find(transaction: &Transaction, name: &str) -> Result<Option<ArchivePolicy>, Error> {
    if name.contains('\0') {
        return Ok(None);
    }
    let text = format!("SELECT {COLUMNS} FROM archive_policy WHERE name = $1");
    transaction.query_one(Statement::new(text).bind(name)).await?.as_ref().map(read).transpose()
}

/// Several policies, inside of a transaction.
pub(super) async fn find_all<'a>(
    transaction: &Transaction,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<ArchivePolicy>, Error> {
    let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM archive_policy WHERE name IN ("));
    statement.push_list(names).push(")");
    if statement.values().is_empty() {
        return Ok(Vec::new());
    }
    transaction.query(statement).await?.iter().map(read).collect()
}

fn check_change(policy: &ArchivePolicy, definition: &[Definition]) -> Result<(), Error> {
    let sorted = |definition: &[Definition]| {
        let mut granularities: Vec<i64> =
            definition.iter().map(|item| item.granularity_nanoseconds).collect();
        granularities.sort_unstable();
        granularities
    };
    let refused = |message| Error::UnsupportedArchivePolicyChange { name: policy.name.clone(), message };
    let (old, new) = (sorted(&policy.definition), sorted(definition));
    if old.len() != new.len() {
        return Err(refused("Cannot add or drop granularities".to_owned()));
    }
    match old.iter().zip(&new).find(|(old, new)| old != new) {
        None => Ok(()),
        Some((changed, _)) => {
            #[expect(clippy::cast_precision_loss, reason = "shown in seconds, as Python shows them")]
            let seconds = *changed as f64 / 1e9;
            let seconds = model::pytext::to_str(&model::Value::Float(seconds));
            Err(refused(format!("{seconds} granularity interval was changed")))
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    let refused =
        |error: serde_json::Error| Error::Stored { what: "an archive policy", reason: error.to_string() };
    serde_json::to_string(value).map_err(refused)
}

fn read(row: &Row) -> Result<ArchivePolicy, Error> {
    let refused =
        |error: serde_json::Error| Error::Stored { what: "an archive policy", reason: error.to_string() };
    Ok(ArchivePolicy {
        name: row.text(0)?.to_owned(),
        back_window: row.integer(1)?,
        definition: serde_json::from_str(row.text(2)?).map_err(refused)?,
        aggregation_methods: serde_json::from_str(row.text(3)?).map_err(refused)?,
    })
}
