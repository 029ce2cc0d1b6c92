//! [`Remote`]: a service of the catalogue, as the central pollsters reach it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use openstack::{Error, Method, RequestBuilder, Service, Url};

use crate::{Cycle, MakeError, Tools};

/// Services that the catalogue was found not to have, so that each is named in the log once, and not by every discovery in
/// every cycle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absent(Arc<Mutex<HashSet<String>>>);

impl Absent {
    /// Takes note; returns whether that is news.
    fn is_new(&self, service: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(service.to_owned())
    }

    /// Forgets it: it is there.
    fn forget(&self, service: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
    }
}

/// A service of the catalogue. Cheap to clone.
///
/// Its requests are bounded in number and time, repeated where the service asks for patience, refused while it is in
/// trouble, and counted: `openstack::traffic` does that for every request of the agent's session, under the service's type.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    service: Service,
    absent: Absent,
}

impl Remote {
    /// The service of that type in the catalogue. Nothing is sent.
    pub(crate) fn new(tools: &Tools, service_type: &str) -> Result<Self, MakeError> {
        Ok(Self { service: tools.service(service_type)?, absent: tools.absent.clone() })
    }

    /// The same, where the catalogue has the service under that name.
    pub(crate) fn named(mut self, name: Option<&str>) -> Self {
        self.service.filter.service_name = name.map(str::to_owned);
        self
    }

    /// The service itself.
    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }

    /// Its address; [`None`] if the catalogue has no such service, which is logged once until it has one. Then there is
    /// nothing to be discovered or polled, and that is no error.
    pub(crate) async fn endpoint(&self) -> Result<Option<Url>, Error> {
        let service = self.service.filter.service_type.as_str();
        match self.service.endpoint().await {
            Ok(url) => {
                self.absent.forget(service);
                Ok(Some(url))
            }
            Err(Error::NoEndpoint { message }) => {
                if self.absent.is_new(service) {
                    tracing::warn!(service, "not polled while the catalogue lacks it: {message}");
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A GET to an address below [`endpoint`](Self::endpoint), on behalf of the cycle: where the service asks for patience,
    /// it has as much as the cycle.
    pub(crate) fn get(&self, cycle: &Cycle, url: &Url) -> RequestBuilder {
        self.request(cycle, Method::GET, url)
    }

    /// The same with another method.
    pub(crate) fn request(&self, cycle: &Cycle, method: Method, url: &Url) -> RequestBuilder {
        cycle.patient(self.service.request_to(method, url.clone()))
    }
}
