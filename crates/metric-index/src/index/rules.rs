//! Archive policy rules.

use expression::Glob;
use sql::{Row, Statement, Transaction};

use super::{Index, MAX_TEXT, check_text, policies};
use crate::{ArchivePolicy, ArchivePolicyRule, Error};

const COLUMNS: &str = "name, archive_policy_name, metric_pattern";

impl Index {
    /// All rules in the order in which they are tried: by pattern, descending, then by name.
    pub async fn archive_policy_rules(&self) -> Result<Vec<ArchivePolicyRule>, Error> {
        self.database.read(|transaction| async move { all(&transaction).await }).await
    }

    /// One rule.
    pub async fn archive_policy_rule(&self, name: &str) -> Result<Option<ArchivePolicyRule>, Error> {
        self.database.read(|transaction| async move { find(&transaction, name).await }).await
    }

    /// The archive policy that the rules give a metric of this name (the empty one when it has none).
    ///
    /// # Errors
    /// [`Error::NoArchivePolicyRuleMatch`].
    pub async fn archive_policy_for_metric(&self, metric_name: Option<&str>) -> Result<ArchivePolicy, Error> {
        self.database
            .read(|transaction| async move {
                let unmatched = || Error::NoArchivePolicyRuleMatch(metric_name.map(str::to_owned));
                let rules = all(&transaction).await?;
                let fits = |rule: &&ArchivePolicyRule| {
                    Glob::new(&rule.metric_pattern).is_match(metric_name.unwrap_or_default())
                };
                let rule = rules.iter().find(fits).ok_or_else(unmatched)?;
                policies::find(&transaction, &rule.archive_policy_name).await?.ok_or_else(unmatched)
            })
            .await
    }

    /// Keeps a new rule.
    ///
    /// # Errors
    /// [`Error::ArchivePolicyRuleAlreadyExists`], [`Error::NoSuchArchivePolicy`].
    pub async fn create_archive_policy_rule(&self, rule: &ArchivePolicyRule) -> Result<(), Error> {
        check_text("name", &rule.name, MAX_TEXT)?;
        check_text("metric_pattern", &rule.metric_pattern, MAX_TEXT)?;
        self.database
            .write(|transaction| async move {
                if find(&transaction, &rule.name).await?.is_some() {
                    return Err(Error::ArchivePolicyRuleAlreadyExists(rule.name.clone()));
                }
                if policies::find(&transaction, &rule.archive_policy_name).await?.is_none() {
                    return Err(Error::NoSuchArchivePolicy(rule.archive_policy_name.clone()));
                }
                let text = format!("INSERT INTO archive_policy_rule ({COLUMNS}) VALUES ($1, $2, $3)");
                let statement = Statement::new(text).bind(&rule.name).bind(&rule.archive_policy_name);
                transaction.execute(statement.bind(&rule.metric_pattern)).await?;
                Ok(())
            })
            .await
    }

    /// Gives a rule another name, and returns it.
    ///
    /// # Errors
    /// [`Error::NoSuchArchivePolicyRule`]; [`Error::UnsupportedArchivePolicyRuleChange`] when another has that name.
    pub async fn rename_archive_policy_rule(
        &self,
        name: &str,
        new: &str,
    ) -> Result<ArchivePolicyRule, Error> {
        check_text("name", new, MAX_TEXT)?;
        self.database
            .write(|transaction| async move {
                let rule = find(&transaction, name).await?;
                let mut rule = rule.ok_or_else(|| Error::NoSuchArchivePolicyRule(name.to_owned()))?;
                if name != new && find(&transaction, new).await?.is_some() {
                    let message = format!("Archive policy rule {new} already exists.");
                    return Err(Error::UnsupportedArchivePolicyRuleChange { name: name.to_owned(), message });
                }
                let statement = Statement::new("UPDATE archive_policy_rule SET name = $1 WHERE name = $2");
                transaction.execute(statement.bind(new).bind(name)).await?;
                new.clone_into(&mut rule.name);
                Ok(rule)
            })
            .await
    }

    /// Deletes a rule.
    ///
    /// # Errors
    /// [`Error::NoSuchArchivePolicyRule`].
    pub async fn delete_archive_policy_rule(&self, name: &str) -> Result<(), Error> {
        self.database
            .write(|transaction| async move {
                let statement = Statement::new("DELETE FROM archive_policy_rule WHERE name = $1").bind(name);
                match transaction.execute(statement).await? {
                    0 => Err(Error::NoSuchArchivePolicyRule(name.to_owned())),
                    _ => Ok(()),
                }
            })
            .await
    }
}

async fn all(transaction: &Transaction) -> Result<Vec<ArchivePolicyRule>, Error> {
    let text = format!("SELECT {COLUMNS} FROM archive_policy_rule ORDER BY metric_pattern DESC, name");
    transaction.query(text).await?.iter().map(read).collect()
}

async fn find(transaction: &Transaction, name: &str) -> Result<Option<ArchivePolicyRule>, Error> {
    if name.contains('\0') {
        return Ok(None);
    }
    let text = format!("SELECT {COLUMNS} FROM archive_policy_rule WHERE name = $1");
    transaction.query_one(Statement::new(text).bind(name)).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<ArchivePolicyRule, Error> {
    Ok(ArchivePolicyRule {
        name: row.text(0)?.to_owned(),
        archive_policy_name: row.text(1)?.to_owned(),
        metric_pattern: row.text(2)?.to_owned(),
    })
}
