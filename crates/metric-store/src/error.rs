//! What can go wrong.

use std::sync::Arc;

use archive::Method;
use buffer::segment_log;

use crate::MetricId;

/// Why a store cannot be opened. What the directory contains is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log's directory cannot be used.
    #[error("cannot open the log of measures")]
    Log(#[from] segment_log::OpenError),
    /// The operating system does not let the log be read.
    #[error("cannot read the log of measures")]
    Read(#[from] segment_log::LogError),
    /// A directory of the store cannot be used.
    #[error("cannot use {}: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a change was not accepted; nothing of it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The log did not take it.
    #[error("the log of measures did not take them: {0}")]
    Log(Arc<segment_log::AppendError>),
    /// The request is larger than a record of the log may be.
    #[error(
        "a request of {bytes} bytes is larger than the {} that one may have",
        segment_log::MAX_RECORD_BYTES
    )]
    TooLarge {
        /// Its size in the log.
        bytes: usize,
    },
    /// The policy's number is not one of this store.
    #[error("the store has no archive policy number {number}")]
    UnknownPolicy {
        /// The number.
        number: u32,
    },
    /// Another process may write this metric, and this one may not.
    #[error("metric {metric:?} is not written here")]
    NotOwned {
        /// The metric.
        metric: MetricId,
    },
    /// A policy of this name is there, and its granularities or methods are others.
    #[error("archive policy {name} has other granularities or methods in the store")]
    PolicyDiffers {
        /// Its name.
        name: String,
    },
    /// Another thread panicked while it held the store's log; the process must restart.
    #[error("the store is in an unknown state after a panic")]
    Broken,
}

/// Why a shard's state was not written. The store goes on, its log grows; it may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The log could not note that its records are done with.
    #[error("the log of measures does not take the checkpoint")]
    Log(#[from] segment_log::LogError),
    /// As [`WriteError::UnknownPolicy`].
    #[error("the store has no archive policy number {number}")]
    UnknownPolicy {
        /// The number.
        number: u32,
    },
    /// Metrics of damaged states were found, and wait for [`Store::put_back`](crate::Store::put_back).
    #[error("metrics of damaged states were found and not put back yet")]
    Lost,
    /// As [`WriteError::Broken`].
    #[error("the store is in an unknown state after a panic")]
    Broken,
}

/// Somebody panicked while holding what is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken;

impl From<Broken> for WriteError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<Broken> for CheckpointError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No measure of the metric was ever accepted, or it was removed.
    #[error("the store has no metric {metric:?}")]
    UnknownMetric {
        /// The metric.
        metric: MetricId,
    },
    /// The operating system does not let a chunk of it be read; it may be tried again.
    #[error("cannot read a chunk of metric {metric:?}: {kind}")]
    Unreadable {
        /// The metric.
        metric: MetricId,
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
    /// Its archive policy keeps no such series.
    #[error("metric {metric:?} has no aggregation {method} at {granularity} ns")]
    NoAggregation {
        /// The metric.
        metric: MetricId,
        /// The method that was asked for.
        method: Method,
        /// The granularity that was asked for, in nanoseconds.
        granularity: i64,
    },
}
