//! [`Tools`]: what pollsters and discoveries are made with.

use observability::clock::Clock;
use openstack::Service;

/// What the configuration and the surroundings give them. Nothing is sent or opened before the first cycle.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `[DEFAULT] host`.
    pub host: String,
    /// A service of the cloud with the credentials, interface and region of `[service_credentials]`, from which others
    /// are taken ([`Service::other`]); else the text says what is wrong with them.
    pub cloud: Result<Service, String>,
    /// The time.
    pub clock: Clock,
}

/// Why a pollster or discovery cannot be made. It will not be better before the configuration is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct MakeError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Tools {
    /// The service of that type.
    ///
    /// # Errors
    /// [`MakeError`] when the credentials cannot work.
    pub fn service(&self, service_type: &str) -> Result<Service, MakeError> {
        match &self.cloud {
            Ok(cloud) => Ok(cloud.other(service_type)),
            Err(message) => Err(MakeError {
                message: message.clone(),
                hint: "the agent reads the cloud with the credentials of [service_credentials]".into(),
            }),
        }
    }
}
