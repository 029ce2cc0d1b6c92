//! [`Pollster`]: what reads resources.

use std::fmt;
use std::pin::Pin;

use crate::reading::Stopped;
use crate::{Cycle, Readings, Resource};

/// The future that [`Pollster::poll`] returns.
pub type Polling<'a> = Pin<Box<dyn Future<Output = Result<(), PollError>> + Send + 'a>>;

/// Reads resources.
pub trait Pollster: fmt::Debug + Send + Sync {
    /// Whom it reads, if others should not wait for that: pollsters of one service run after each other, as many at a time
    /// as `[polling] threads_to_process_pollsters` says, and those of another beside them.
    fn service(&self) -> Option<&str> {
        None
    }

    /// Reads `resources` and gives what comes of them to `readings`. What was given before an error counts.
    fn poll<'a>(&'a self, cycle: &'a Cycle, resources: &'a [Resource], readings: &'a Readings)
    -> Polling<'a>;
}

/// Why a pollster ended early.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// These resources can never be read; they are not polled any more (Ceilometer's `PollsterPermanentError`).
    #[error("{reason}")]
    Permanent {
        /// Which.
        resources: Vec<Resource>,
        /// Why.
        reason: String,
    },
    /// A resource is of a kind that this pollster cannot read.
    #[error(
        "cannot read {resource}: {expected}; correct resources: or discovery: of the source in polling.yaml"
    )]
    Resource {
        /// Which.
        resource: String,
        /// What it can read.
        expected: &'static str,
    },
    /// A resource is of another kind than the discovery finds.
    #[error(
        "cannot read {resource}: {meter} reads each {kind} that the discovery {discovery} finds; correct resources: or \
         discovery: of the source in polling.yaml"
    )]
    Kind {
        /// Which.
        resource: String,
        /// The pollster's meter.
        meter: &'static str,
        /// What it can read.
        kind: &'static str,
        /// What finds such.
        discovery: &'static str,
    },
    /// A service gave no answer, or refused.
    #[error(transparent)]
    Service(#[from] openstack::Error),
    /// The agent stops it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It panicked.
    #[error("the pollster panicked: {message}")]
    Panic {
        /// The panic's text.
        message: String,
    },
    /// It gave nothing for so long that the agent has given it up.
    #[error("nothing was read for {seconds} s")]
    Stalled {
        /// How long.
        seconds: u64,
    },
    /// Anything else.
    #[error("{message}")]
    Failed {
        /// A short name for the metric's label.
        cause: &'static str,
        /// What happened, with the values that matter.
        message: String,
    },
}

impl PollError {
    /// The label under which it is counted.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Permanent { .. } => "permanent",
            Self::Resource { .. } | Self::Kind { .. } => "resource",
            Self::Service(error) => error.cause(),
            Self::Stopped(_) => "stopped",
            Self::Panic { .. } => "panic",
            Self::Stalled { .. } => "stalled",
            Self::Failed { cause, .. } => cause,
        }
    }
}
