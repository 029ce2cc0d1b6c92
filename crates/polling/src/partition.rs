//! [`Partition`]: which part of the work is this agent's, where several share it.

mod expression;
mod groups;
mod shared;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::MonotonicTime;
use pollsters::Resource;

pub use expression::{ExpressionError, Surroundings};
pub(crate) use groups::of_resources;
pub use groups::{GroupNames, SharedGroups};
pub use shared::Shared;

/// The future that [`Partition::begin`] and [`Share::takeover`] return.
pub type Beginning<'a> = Pin<Box<dyn Future<Output = Arc<dyn Share>> + Send + 'a>>;

/// Decides whose work something is.
pub trait Partition: fmt::Debug + Send + Sync {
    /// Asked when a cycle begins. What it returns holds for the whole cycle, whoever comes or goes meanwhile.
    fn begin(&self) -> Beginning<'_>;
}

/// This agent's part of the work in one cycle. Asked for each resource, so it must be quick and must not block.
pub trait Share: fmt::Debug + Send + Sync {
    /// Whether it is this agent's work, among the agents of the group.
    fn is_mine(&self, group: Group<'_>, what: What<'_>) -> bool;

    /// For a cycle that was this share's, the next of which is due an `interval` after the last, at `due`: waits until an agent
    /// is gone whose part cannot be left until then. What it returns holds from now on. Without other agents, it waits for ever.
    fn takeover(&self, _due: MonotonicTime, _interval: Duration) -> Beginning<'_> {
        Box::pin(std::future::pending())
    }
}

/// Agents that share something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group<'g> {
    /// Those whose discoveries of this group find the same resources ([`pollsters::Discovery::group`]).
    Discovery(&'g str),
    /// Those with a source of the same resources, which this text stands for.
    Resources(&'g str),
    /// Those that share the pollsters of the source of this name, if they do.
    Pollsters(&'g str),
}

/// What is shared.
#[derive(Debug, Clone, Copy)]
pub enum What<'w> {
    /// A resource.
    Resource(&'w Resource),
    /// A pollster, by its name.
    Pollster(&'w str),
}

/// There is no other agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Partition for Alone {
    fn begin(&self) -> Beginning<'_> {
        Box::pin(std::future::ready(Arc::new(Self) as Arc<dyn Share>))
    }
}

impl Share for Alone {
    fn is_mine(&self, _group: Group<'_>, _what: What<'_>) -> bool {
        true
    }
}
