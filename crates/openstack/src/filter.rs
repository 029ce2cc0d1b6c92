//! Which endpoint of the catalogue.

use reqwest::{Method, Url};

use crate::{Error, RequestBuilder, Session, Traffic};

/// Which endpoint to use, by keystoneauth's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ServiceFilter {
    /// The catalogue's type of service: `metric`, `messaging`, `identity`. A service's official type finds its former
    /// names, and the other way round. An empty one finds every type.
    pub service_type: String,
    /// The catalogue's name of the service. An entry without a name has every name.
    pub service_name: Option<String>,
    /// `public`, `internal` or `admin`, with or without `URL` behind; `public` if unset.
    pub interface: Option<String>,
    /// The region; any if unset.
    pub region_name: Option<String>,
    /// Use this URL, whatever the catalogue says.
    pub endpoint_override: Option<Url>,
}

impl ServiceFilter {
    /// The public endpoint of the first service of that type.
    #[must_use]
    pub fn new(service_type: &str) -> Self {
        Self { service_type: service_type.to_owned(), ..Self::default() }
    }

    /// Only services of that name.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.service_name = Some(name.to_owned());
        self
    }

    /// Another interface than the public one.
    #[must_use]
    pub fn with_interface(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    /// Only endpoints of that region.
    #[must_use]
    pub fn with_region(mut self, region: Option<&str>) -> Self {
        self.region_name = region.map(str::to_owned);
        self
    }
}

/// A session and a filter together: one service, as the operator's options find it.
#[derive(Debug, Clone)]
pub struct Service {
    /// Who we are.
    pub session: Session,
    /// Which endpoint.
    pub filter: ServiceFilter,
}

impl Service {
    /// The service that `filter` finds.
    #[must_use]
    pub const fn new(session: Session, filter: ServiceFilter) -> Self {
        Self { session, filter }
    }

    /// See [`Session::endpoint`].
    ///
    /// # Errors
    /// [`Error::NoEndpoint`], or why there is no token.
    pub async fn endpoint(&self) -> Result<Url, Error> {
        self.session.endpoint(&self.filter).await
    }

    /// See [`Session::endpoints`].
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn endpoints(&self) -> Result<Vec<Url>, Error> {
        self.session.endpoints(&self.filter).await
    }

    /// A request to the endpoint and `path`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.session.request(method, &self.filter, path)
    }

    /// A request to an address that the service itself has given, in the service's lane; see [`Session::request_to`].
    pub fn request_to(&self, method: Method, url: Url) -> RequestBuilder {
        self.session.request_to(method, url).service(&self.filter.service_type)
    }

    /// The same service with a session whose requests go by lanes.
    #[must_use]
    pub fn with_traffic(mut self, traffic: Traffic) -> Self {
        self.session = self.session.with_traffic(traffic);
        self
    }

    /// Another service with the same session, interface and region.
    #[must_use]
    pub fn other(&self, service_type: &str) -> Self {
        let filter = ServiceFilter {
            service_type: service_type.to_owned(),
            service_name: None,
            interface: self.filter.interface.clone(),
            region_name: self.filter.region_name.clone(),
            endpoint_override: None,
        };
        Self { session: self.session.clone(), filter }
    }
}
