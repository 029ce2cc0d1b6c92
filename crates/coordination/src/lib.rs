//! Agents that share work: membership of groups, and the hash ring that gives each its part.
//!
//! - [`HashRing`]: which member has what; tooz's ring, bit for bit, so that agents of both languages agree.
//! - [`BackendUrl`]: `[coordination] backend_url`, as tooz reads it.
//! - [`Membership`]: this agent as a member of its groups. It shows that it lives, sees who else does, and keeps the
//!   newest [`Rings`]; while the back end is away, those that it has.
//!
//! A member that has not been seen for the membership timeout is dead, and its part falls to the others. Nobody is asked
//! for agreement: between two looks at the back end, two agents may differ in what they see, and either may then do what
//! the other does, or neither.
//!
//! Behaviour: tooz 9.1 (`hashring.py`, `partitioner.py`, `drivers/redis.py`, `drivers/etcd3gw.py`).

mod backend;
mod capabilities;
mod membership;
mod metrics;
mod ring;
mod rings;
mod url;

pub use backend::BackendError;
pub use membership::{Membership, MembershipParts};
pub use metrics::CoordinationMetrics;
pub use ring::{HashRing, POINTS};
pub use rings::Rings;
pub use url::{BackendUrl, UrlError};
