//! Where members meet.

mod etcd;
mod file;
#[cfg(test)]
pub(crate) mod memory;
mod postgresql;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use observability::clock::Clock;

use crate::UrlError;
use crate::metrics::Failed;
use crate::url::{BackendUrl, Kind};

pub(crate) use self::etcd::EtcdBackend;
pub(crate) use self::file::FileBackend;
pub(crate) use self::postgresql::PostgreSqlBackend;
pub(crate) use self::redis::RedisBackend;

/// Why the back end could not be looked at.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ::redis::ServerError),
    /// The directory.
    #[error("{path}: {reason}")]
    File {
        /// Directory or file.
        path: String,
        /// What happened.
        reason: String,
    },
}

impl BackendError {
    /// What it is counted as; nothing if it is no new failure.
    pub(crate) const fn failed(&self) -> Option<Failed> {
        use ::redis::ServerError;
        match self {
            Self::Server(ServerError::Timeout { .. }) => Some(Failed::Timeout),
            Self::Server(ServerError::Connection { .. }) => Some(Failed::Connection),
            Self::Server(ServerError::Answer { .. }) => Some(Failed::Answer),
            Self::Server(ServerError::Resting) => None,
            Self::File { .. } => Some(Failed::File),
        }
    }
}

/// What is asked of a back end.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Whoever asks.
    pub(crate) member: String,
    /// The groups that it is a member of from now on.
    pub(crate) groups: BTreeSet<String>,
    /// Whether members that are dead may be removed.
    pub(crate) prunes: bool,
}

/// A group as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// It was not there before.
    pub(crate) is_new: bool,
    /// The members that are alive, with whoever asks, and their weights.
    pub(crate) members: BTreeMap<String, u32>,
}

/// A place where members meet.
#[derive(Debug)]
pub(crate) enum Backend {
    Redis(Box<RedisBackend>),
    Etcd(Box<EtcdBackend>),
    PostgreSql(Box<PostgreSqlBackend>),
    File(FileBackend),
    #[cfg(test)]
    Memory(memory::MemoryBackend),
}

impl Backend {
    pub(crate) fn new(url: &BackendUrl, clock: &Clock) -> Result<Self, UrlError> {
        let (limit, alive) = (url.access_timeout, url.membership_timeout);
        Ok(match &url.kind {
            Kind::Redis(redis) => Self::Redis(Box::new(RedisBackend::new(redis, alive, clock)?)),
            Kind::Etcd(etcd) => Self::Etcd(Box::new(EtcdBackend::new(etcd, limit, alive)?)),
            Kind::PostgreSql(postgresql) => {
                Self::PostgreSql(Box::new(PostgreSqlBackend::new(postgresql, limit, alive)?))
            }
            Kind::File(directory) => Self::File(FileBackend::new(directory, limit, alive)),
        })
    }

    /// Shows that the member is alive, joins what it is not yet a member of, and sees who else is there; at once for
    /// all groups.
    pub(crate) async fn look(&self, question: Question) -> Result<BTreeMap<String, Found>, BackendError> {
        match self {
            Self::Redis(redis) => redis.look(&question).await,
            Self::Etcd(etcd) => etcd.look(&question).await,
            Self::PostgreSql(postgresql) => postgresql.look(&question).await,
            Self::File(file) => file.look(question).await,
            #[cfg(test)]
            Self::Memory(memory) => memory.look(&question),
        }
    }

    /// Leaves groups. With `for_good`, the member is no longer alive.
    pub(crate) async fn leave(
        &self,
        member: &str,
        groups: &BTreeSet<String>,
        for_good: bool,
    ) -> Result<(), BackendError> {
        match self {
            Self::Redis(redis) => redis.leave(member, groups, for_good).await,
            Self::Etcd(etcd) => etcd.leave(member, groups, for_good).await,
            Self::PostgreSql(postgresql) => postgresql.leave(member, groups).await,
            Self::File(file) => file.leave(member, groups).await,
            #[cfg(test)]
            Self::Memory(memory) => memory.leave(member, groups),
        }
    }
}

/// How often a member shows that it is alive: so that one failure does not make it dead.
pub(crate) fn beat_interval(membership_timeout: Duration) -> Duration {
    membership_timeout / 3
}
