//! [`Discovery`]: what finds resources.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;

use crate::{Cycle, Resource};

/// The coordination group of discoveries that find the same resources everywhere in the cloud.
pub const GLOBAL_GROUP: &str = "global";

/// The future that [`Discovery::discover`] returns.
pub type Discovering<'a> = Pin<Box<dyn Future<Output = Result<Vec<Resource>, DiscoveryError>> + Send + 'a>>;

/// Finds resources.
pub trait Discovery: fmt::Debug + Send + Sync {
    /// The group of agents that find the same resources, without the prefix of the agent's namespaces. One that finds
    /// what is on this host alone has the host's name in it.
    fn group(&self) -> Cow<'_, str> {
        Cow::Borrowed(GLOBAL_GROUP)
    }

    /// Finds them. `parameter` is what stands behind the name in `discovery:` of a source (`endpoint:compute`).
    fn discover<'a>(&'a self, cycle: &'a Cycle, parameter: Option<&'a str>) -> Discovering<'a>;
}

/// Why nothing was discovered. It is tried again in the next cycle.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// A service gave no answer, or refused.
    #[error(transparent)]
    Service(#[from] openstack::Error),
    /// An answer that is not understood.
    #[error("{message}")]
    Answer {
        /// Whose, and what is wrong with it.
        message: String,
    },
    /// Anything else.
    #[error("{message}")]
    Failed {
        /// A short name for the metric's label.
        cause: &'static str,
        /// What happened, with the values that matter.
        message: String,
    },
    /// It panicked.
    #[error("the discovery panicked: {message}")]
    Panic {
        /// The panic's text.
        message: String,
    },
}

impl DiscoveryError {
    /// The label under which it is counted.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Service(error) => error.cause(),
            Self::Answer { .. } => "protocol",
            Self::Failed { cause, .. } => cause,
            Self::Panic { .. } => "panic",
        }
    }
}
