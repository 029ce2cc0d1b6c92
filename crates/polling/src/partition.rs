//! [`Partition`]: which part of the work is this agent's, where several share it.

use std::fmt;

/// Decides whose work something is. Asked once for each resource and cycle, so it must be quick and must not block.
pub trait Partition: fmt::Debug + Send + Sync {
    /// Whether what `key` names is this agent's, among the agents of `group` (a discovery's group, or a source's).
    fn is_mine(&self, group: &str, key: &str) -> bool;
}

/// There is no other agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Partition for Alone {
    fn is_mine(&self, _group: &str, _key: &str) -> bool {
        true
    }
}
