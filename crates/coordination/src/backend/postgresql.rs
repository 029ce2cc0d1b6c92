//! PostgreSQL, with a table of our own; tooz's driver has no groups there.
//!
//! `nephoscope_members_1` has a row for each member of each group: when it showed last that it is alive, by the server's
//! clock, so that the clocks of agents need not agree. The number is of the layout. The table is made when it is
//! missing; an account that may not make tables needs one that is there.
//!
//! A look is one statement, which waits for nobody but one that just removes this member's rows. Removing the dead is
//! another one, which waits for nobody, so that members who take each other for dead cannot hold each other up.

mod session;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::ServerError;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use self::session::{Failure, Parameters, Server};
use super::{BackendError, Found, Question};
use crate::UrlError;
use crate::url::PostgreSqlUrl;

/// The weight of this agent.
const WEIGHT: i32 = 1;

/// The lock is for agents that start at once: `IF NOT EXISTS` alone fails for one of them.
const CREATE: &str = "\
SELECT pg_advisory_xact_lock(7238417205136311);
CREATE TABLE IF NOT EXISTS nephoscope_members_1 (
  group_name text NOT NULL,
  member text NOT NULL,
  weight integer NOT NULL,
  seen timestamptz NOT NULL,
  PRIMARY KEY (group_name, member)
) WITH (fillfactor = 50)";

/// Parameters: the member, its groups, its weight, the seconds that a member is alive. Answers with all members of the
/// groups as they were before, and whether they are alive: one that was seen in the time to come is not. Names that are
/// none are left out, and what is beyond any number of agents.
const LOOK: &str = "\
WITH joined AS (
  INSERT INTO nephoscope_members_1 (group_name, member, weight, seen)
  SELECT name, $1, $3, clock_timestamp() FROM unnest($2) AS name
  ON CONFLICT (group_name, member) DO UPDATE SET weight = excluded.weight, seen = excluded.seen
)
SELECT group_name, member, weight,
  seen BETWEEN clock_timestamp() - make_interval(secs => $4) AND clock_timestamp() + make_interval(secs => $4)
FROM nephoscope_members_1
WHERE group_name = ANY ($2) AND octet_length(member) BETWEEN 1 AND 255
LIMIT 100000";

/// Parameters: groups, and the seconds that a member is alive.
const PRUNE: &str = "\
DELETE FROM nephoscope_members_1 WHERE (group_name, member) IN (
  SELECT group_name, member FROM nephoscope_members_1
  WHERE group_name = ANY ($1)
    AND seen NOT BETWEEN clock_timestamp() - make_interval(secs => $2) AND clock_timestamp() + make_interval(secs => $2)
  FOR UPDATE SKIP LOCKED
)";

/// Parameters: the member, and the groups.
const LEAVE: &str = "DELETE FROM nephoscope_members_1 WHERE member = $1 AND group_name = ANY ($2)";

#[derive(Debug)]
pub(crate) struct PostgreSqlBackend {
    server: Server,
    alive_seconds: f64,
}

impl PostgreSqlBackend {
    pub(crate) fn new(url: &PostgreSqlUrl, limit: Duration, alive: Duration) -> Result<Self, UrlError> {
        Ok(Self { server: Server::new(url, limit)?, alive_seconds: alive.as_secs_f64() })
    }

    pub(crate) async fn look(&self, question: &Question) -> Result<BTreeMap<String, Found>, BackendError> {
        let Question { member, groups, prunes } = question;
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let rows = self.server.within_limit(self.rows(member, &names)).await?;
        let (found, has_dead) = found(&rows, member, groups).ok_or_else(|| {
            let reason = "the table nephoscope_members_1 has other columns than it should".to_owned();
            ServerError::Answer { server: self.server.name(), reason }
        })?;
        if has_dead && *prunes {
            let parameters: Parameters<'_> =
                &[(&names, Type::TEXT_ARRAY), (&self.alive_seconds, Type::FLOAT8)];
            self.server.within_limit(self.server.query(PRUNE, parameters)).await?;
        }
        Ok(found)
    }

    async fn rows(&self, member: &str, names: &[&str]) -> Result<Vec<Row>, Failure> {
        let parameters: Parameters<'_> = &[
            (&member, Type::TEXT),
            (&names, Type::TEXT_ARRAY),
            (&WEIGHT, Type::INT4),
            (&self.alive_seconds, Type::FLOAT8),
        ];
        match self.server.query(LOOK, parameters).await {
            Err(Failure::Refused { code, .. }) if code == SqlState::UNDEFINED_TABLE => {
                self.server.run(CREATE).await?;
                self.server.query(LOOK, parameters).await
            }
            other => other,
        }
    }

    pub(crate) async fn leave(&self, member: &str, groups: &BTreeSet<String>) -> Result<(), BackendError> {
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let parameters: Parameters<'_> = &[(&member, Type::TEXT), (&names, Type::TEXT_ARRAY)];
        let leaving = async {
            match self.server.query(LEAVE, parameters).await {
                // There is nothing to leave.
                Err(Failure::Refused { code, .. }) if code == SqlState::UNDEFINED_TABLE => Ok(Vec::new()),
                other => other,
            }
        };
        self.server.within_limit(leaving).await.map(drop)
    }
}

/// The groups, and whether any of them has members that are dead; `None` if the rows are none of such a table.
fn found(rows: &[Row], member: &str, groups: &BTreeSet<String>) -> Option<(BTreeMap<String, Found>, bool)> {
    let alone = || BTreeMap::from([(member.to_owned(), 1)]);
    let empty = |group: &String| (group.clone(), Found { is_new: true, members: alone() });
    let mut found: BTreeMap<String, Found> = groups.iter().map(empty).collect();
    let mut has_dead = false;
    for row in rows {
        let (group, name) = (row.try_get::<_, &str>(0).ok()?, row.try_get::<_, &str>(1).ok()?);
        let weight = row.try_get::<_, Option<i32>>(2).ok()?;
        let is_alive = row.try_get::<_, Option<bool>>(3).ok()?.unwrap_or(false);
        let Some(found) = found.get_mut(group) else { continue };
        // Also one who is dead shows that the group was there.
        found.is_new = false;
        if name == member {
            continue;
        }
        if is_alive {
            let weight = weight.and_then(|weight| u32::try_from(weight.max(0)).ok());
            found.members.insert(name.to_owned(), weight.unwrap_or(1));
        } else {
            has_dead = true;
        }
    }
    Some((found, has_dead))
}
