//! [`Hypervisor`]: this host's hypervisor, by way of libvirt.

use std::sync::Arc;

use observability::clock::Clock;

use super::{ComputeMetrics, ComputeSettings, Survey};
use crate::{Cycle, MakeError};

/// This host's hypervisor. Nothing is opened before the first reading.
#[derive(Debug)]
pub struct Hypervisor {}

/// Why the hypervisor cannot be read in this cycle. The next one tries again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyError {
    /// libvirt gave no answer, or refused.
    #[error("libvirt at {uri}: {}", chain(.source))]
    Libvirt {
        /// Its URI.
        uri: String,
        /// Why.
        source: libvirt::Error,
    },
}

impl SurveyError {
    /// The label under which it is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Libvirt { source, .. } => source.cause(),
        }
    }
}

/// An error with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Hypervisor {
    /// The hypervisor of those settings.
    ///
    /// # Errors
    /// [`MakeError`] when the URI cannot work.
    pub fn new(
        _settings: &ComputeSettings,
        _clock: Clock,
        _metrics: ComputeMetrics,
    ) -> Result<Self, MakeError> {
        Ok(Self {})
    }
}

impl Survey {
    /// What the hypervisor says of all its domains in this cycle: read by whoever asks first, and shared.
    pub async fn of(cycle: &Cycle, _hypervisor: &Hypervisor) -> Arc<Result<Self, SurveyError>> {
        cycle.cache.get_or_make(|| async { Ok(Self::default()) }).await
    }
}
