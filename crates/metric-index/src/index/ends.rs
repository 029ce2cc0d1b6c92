//! Ends of resources that follow from their measures: taken back when measures go on, set when none come.

use std::collections::HashMap;

use model::Timestamp;
use sql::{Statement, Transaction};
use uuid::Uuid;

use super::changes::{keep_revision, lock_resource};
use super::types::Lock;
use super::{CHUNK, Index, resources, types};
use crate::records::GENERIC;
use crate::{Error, Resource};

/// Resources that get an end by one look.
const ENDED_AT_ONCE: i64 = 500;

impl Index {
    /// Takes the ends of resources back that measures have reached: of each metric its newest one. What a resource was
    /// becomes a revision. Returns the resources.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn take_ends_back(&self, newest: &[(Uuid, Timestamp)]) -> Result<Vec<Uuid>, Error> {
        let reached = self.reached_ends(newest).await?;
        let mut revived = Vec::new();
        for (resource, newest) in reached {
            let is_reached = |resource: &Resource| resource.ended_at.is_some_and(|end| end <= newest);
            if self.set_end(resource, None, is_reached).await? {
                revived.push(resource);
            }
        }
        Ok(revived)
    }

    /// Resources that ended before measures of theirs, with the newest of these.
    async fn reached_ends(&self, newest: &[(Uuid, Timestamp)]) -> Result<HashMap<Uuid, Timestamp>, Error> {
        self.database
            .read(|transaction| async move {
                let mut reached: HashMap<Uuid, Timestamp> = HashMap::new();
                for chunk in newest.chunks(CHUNK) {
                    let times: HashMap<Uuid, Timestamp> = chunk.iter().copied().collect();
                    let mut statement = Statement::new(
                        "SELECT m.id, r.id, r.ended_at FROM metric AS m JOIN resource AS r ON r.id = m.resource_id \
                         WHERE m.status = 'active' AND r.ended_at IS NOT NULL AND m.id IN (",
                    );
                    statement.push_list(chunk.iter().map(|(metric, _)| *metric)).push(")");
                    for row in transaction.query(statement).await? {
                        let (metric, resource, end) = (row.uuid(0)?, row.uuid(1)?, row.integer(2)?);
                        let Some(time) = times.get(&metric).filter(|time| time.microseconds() >= end) else {
                            continue;
                        };
                        let latest = reached.entry(resource).or_insert(*time);
                        *latest = (*latest).max(*time);
                    }
                }
                Ok::<_, Error>(reached)
            })
            .await
    }

    /// Ends resources of which no metric has had a measure since `before`: now. Those without a metric, and those that have
    /// an end, stay as they are. What a resource was becomes a revision. Returns the resources, some at most: all is done
    /// when there are none.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn end_silent_resources(&self, before: Timestamp) -> Result<Vec<Uuid>, Error> {
        let now = self.now();
        let silent = self.database.read(|transaction| async move {
            let statement = Statement::new(
                "SELECT r.id FROM resource AS r WHERE r.ended_at IS NULL AND r.started_at <= $1 \
                 AND EXISTS (SELECT 1 FROM metric AS m WHERE m.resource_id = r.id AND m.status = 'active') \
                 AND NOT EXISTS (SELECT 1 FROM metric AS m WHERE m.resource_id = r.id AND m.status = 'active' \
                 AND m.last_measure >= $2) LIMIT $3",
            );
            let statement = statement.bind(now.microseconds()).bind(before.microseconds()).bind(ENDED_AT_ONCE);
            let rows = transaction.query(statement).await?;
            let ids: Result<Vec<Uuid>, _> = rows.iter().map(|row| row.uuid(0)).collect();
            Ok::<_, Error>(ids?)
        });
        let mut ended = Vec::new();
        for resource in silent.await? {
            let goes_on = |resource: &Resource| resource.ended_at.is_none() && resource.started_at <= now;
            if self.set_end(resource, Some(now), goes_on).await? {
                ended.push(resource);
            }
        }
        Ok(ended)
    }

    /// Gives a resource another end if it is still as it should be; says whether.
    async fn set_end(
        &self,
        id: Uuid,
        end: Option<Timestamp>,
        is_as_expected: impl Fn(&Resource) -> bool,
    ) -> Result<bool, Error> {
        let now = self.now();
        let is_as_expected = &is_as_expected;
        self.database
            .write(|transaction| async move {
                let kind = types::active(&transaction, GENERIC, Lock::Shared).await?;
                lock_resource(&transaction, id).await?;
                let old = resources::find(&transaction, &kind, id).await?;
                let Some(old) = old.filter(|old| is_as_expected(old)) else { return Ok(false) };
                keep_revision(&transaction, &old, now).await?;
                write_end(&transaction, id, end, now).await?;
                Ok(true)
            })
            .await
    }
}

async fn write_end(
    transaction: &Transaction,
    id: Uuid,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    let text = "UPDATE resource SET revision_start = $1, ended_at = $2 WHERE id = $3";
    let end = end.map(Timestamp::microseconds);
    transaction.execute(Statement::new(text).bind(now.microseconds()).bind(end).bind(id)).await?;
    Ok(())
}
