//! Archive policies and the rules that choose one by a metric's name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How finely and for how long aggregates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The length of an aggregate's period.
    #[serde(rename = "granularity")]
    pub granularity_nanoseconds: i64,
    /// How many periods are kept; all when absent.
    pub points: Option<i64>,
    /// How long they are kept; for ever when absent.
    #[serde(rename = "timespan")]
    pub timespan_nanoseconds: Option<i64>,
}

/// What is kept of a metric's measures. What its fields may be is for others to say; the index keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePolicy {
    /// Its name.
    pub name: String,
    /// How many periods of the coarsest granularity back measures are still taken.
    pub back_window: i64,
    /// In the order in which they were given.
    pub definition: Vec<Definition>,
    /// Names of aggregation methods.
    pub aggregation_methods: BTreeSet<String>,
}

/// Gives metrics whose name fits a pattern an archive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePolicyRule {
    /// Its name.
    pub name: String,
    /// The policy.
    pub archive_policy_name: String,
    /// The pattern, as of Python's `fnmatch`.
    pub metric_pattern: String,
}
