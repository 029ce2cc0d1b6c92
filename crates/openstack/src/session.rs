//! [`Session`]: one identity, one token, one catalogue, one pool of connections, shared by everybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nephoscope_http::ClientOptions;
use observability::clock::Clock;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, Url};

use crate::auth::{Access, Identity, Keystone};
use crate::client::LateClient;
use crate::fixed::Fixed;
use crate::request::Target;
use crate::url_path::join;
use crate::{Error, RequestBuilder, ServiceFilter, SessionOptions, Traffic};

/// The lane of requests for tokens: that of Keystone's other requests.
const IDENTITY: &str = "identity";
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// Time to connect, at most: a host that is down is told from one that is slow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's own deadline may be longer than the session's; the client's must not cut it short.
const NO_CLIENT_LIMIT: Duration = Duration::from_hours(24);

/// A shared handle: cloning it shares token, catalogue and connections. Behind them, how its requests are spread over
/// services, if they are to share that too.
#[derive(Clone)]
pub struct Session(Arc<Inner>, Option<Traffic>);

struct Inner {
    client: LateClient,
    auth: Auth,
    timeout: Duration,
}

#[derive(Debug)]
enum Auth {
    Keystone(Box<Keystone>),
    Fixed(Box<Fixed>),
}

impl Session {
    /// Checks the options and reads the TLS files. Nothing is sent: Keystone may be down.
    ///
    /// # Errors
    /// [`Error::Configuration`], which names the option.
    pub fn new(options: SessionOptions) -> Result<Self, Error> {
        Self::with_clock(options, Clock::machine())
    }

    /// The same with a clock that a test may move.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(options: SessionOptions, clock: Clock) -> Result<Self, Error> {
        let SessionOptions { auth, tls, proxy, timeout, max_idle_per_host } = options;
        auth.check()?;
        let auth = match (Fixed::of(&auth)?, Identity::of(&auth)) {
            (Some(fixed), _) => Auth::Fixed(Box::new(fixed)),
            (None, Some(identity)) => Auth::Keystone(Box::new(Keystone::new(identity, clock)?)),
            // Every plugin is one or the other.
            (None, None) => return Err(Error::configuration("auth_type is not supported", "use password")),
        };
        let options = ClientOptions {
            tls,
            proxy,
            connect_timeout: CONNECT_TIMEOUT.min(timeout),
            timeout: NO_CLIENT_LIMIT,
            read_timeout: NO_CLIENT_LIMIT,
            max_idle_per_host,
            // They are followed here, where the token is not given to strangers.
            max_redirects: 0,
            ..ClientOptions::default()
        };
        let client = LateClient::new(options)?;
        Ok(Self(Arc::new(Inner { client, auth, timeout }), None))
    }

    /// The same session, whose requests go by lanes.
    #[must_use]
    pub fn with_traffic(&self, traffic: Traffic) -> Self {
        Self(Arc::clone(&self.0), Some(traffic))
    }

    /// The lanes, if there are some.
    #[must_use]
    pub const fn traffic(&self) -> Option<&Traffic> {
        self.1.as_ref()
    }

    /// The service's address: the filter's own, else the plugin's (`none`, `http_basic`, …), else the catalogue's.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] if the catalogue has none, or why there is no token. Waits as long as the session's timeout.
    pub async fn endpoint(&self, filter: &ServiceFilter) -> Result<Url, Error> {
        self.in_time(|| format!("the endpoint of {}", filter.service_type), self.find(filter)).await
    }

    /// Every address of the service, where several regions have it; of every service if the filter has no type. There may
    /// be none.
    ///
    /// # Errors
    /// Why there is no token. Waits as long as the session's timeout.
    pub async fn endpoints(&self, filter: &ServiceFilter) -> Result<Vec<Url>, Error> {
        self.in_time(|| format!("the endpoints of {}", filter.service_type), self.find_all(filter)).await
    }

    /// A request to `endpoint(filter)` and `path`, with exactly one slash in between.
    pub fn request(&self, method: Method, filter: &ServiceFilter, path: &str) -> RequestBuilder {
        let target = Target::Endpoint { filter: filter.clone(), path: path.to_owned() };
        RequestBuilder::new(self.clone(), method, target)
    }

    /// A request to an address, with the auth headers. Only for addresses that the service itself has given, such as the
    /// next page: the token goes there.
    pub fn request_to(&self, method: Method, url: Url) -> RequestBuilder {
        RequestBuilder::new(self.clone(), method, Target::Url(url))
    }

    /// The name of the host that Keystone is reached at; none without a Keystone.
    #[must_use]
    pub fn keystone_host(&self) -> Option<String> {
        match &self.0.auth {
            Auth::Fixed(_) => None,
            Auth::Keystone(keystone) => keystone.host().map(str::to_owned),
        }
    }

    /// The project that the token is for; none without a token, or for a token of no project.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn project_id(&self) -> Result<Option<String>, Error> {
        match &self.0.auth {
            Auth::Fixed(fixed) => Ok(fixed.project_id.clone()),
            Auth::Keystone(_) => Ok(self.token().await?.and_then(|access| access.project_id.clone())),
        }
    }

    /// The user whose token it is; none without a token.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn user_id(&self) -> Result<Option<String>, Error> {
        match &self.0.auth {
            Auth::Fixed(fixed) => Ok(fixed.user_id.clone()),
            Auth::Keystone(_) => Ok(self.token().await?.and_then(|access| access.user_id.clone())),
        }
    }

    /// The auth headers as they would be sent now, marked as secret.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn auth_headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        self.in_time(|| "a token".to_owned(), self.authorise(&mut headers)).await?;
        Ok(headers)
    }

    /// Forgets the token; the next request authenticates again.
    pub fn invalidate(&self) {
        if let Auth::Keystone(keystone) = &self.0.auth {
            keystone.forget_any();
        }
    }

    pub(crate) fn client(&self) -> Result<&reqwest::Client, Error> {
        self.0.client.get()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    pub(crate) fn forget(&self, access: &Access) {
        if let Auth::Keystone(keystone) = &self.0.auth {
            keystone.forget(access);
        }
    }

    /// Adds the auth headers; returns the token, if it is one that can be renewed.
    pub(crate) async fn authorise(&self, headers: &mut HeaderMap) -> Result<Option<Arc<Access>>, Error> {
        match &self.0.auth {
            Auth::Fixed(fixed) => {
                headers.extend(fixed.headers.clone());
                Ok(None)
            }
            Auth::Keystone(keystone) => {
                let access = self.access(keystone).await?;
                headers.insert(TOKEN, access.token.clone());
                Ok(Some(access))
            }
        }
    }

    /// A token; one that must be asked for is, in Keystone's lane.
    async fn access(&self, keystone: &Keystone) -> Result<Arc<Access>, Error> {
        let client = self.client()?;
        let ask = || keystone.access(client);
        match &self.1 {
            Some(traffic) if !keystone.has_token() => {
                traffic.run(IDENTITY, Duration::ZERO, |_| None, ask).await
            }
            _ => ask().await,
        }
    }

    /// That there is a token, so that what goes wrong without one is not taken for the trouble of another service.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        match &self.0.auth {
            Auth::Fixed(_) => Ok(()),
            Auth::Keystone(keystone) => self.access(keystone).await.map(drop),
        }
    }

    /// Where a request goes.
    pub(crate) async fn address(&self, target: &Target) -> Result<Url, Error> {
        match target {
            Target::Url(url) => Ok(url.clone()),
            Target::Endpoint { filter, path } => join(&self.find(filter).await?, path),
            Target::IdentityV3 { filter, path } => {
                join(&crate::identity::version_3(self.find(filter).await?), path)
            }
        }
    }

    async fn find(&self, filter: &ServiceFilter) -> Result<Url, Error> {
        if let Some(url) = &filter.endpoint_override {
            return Ok(url.clone());
        }
        match &self.0.auth {
            Auth::Fixed(fixed) => fixed.endpoint(filter),
            Auth::Keystone(keystone) => {
                self.access(keystone).await?;
                keystone.endpoint(self.client()?, filter).await
            }
        }
    }

    async fn find_all(&self, filter: &ServiceFilter) -> Result<Vec<Url>, Error> {
        match (&filter.endpoint_override, &self.0.auth) {
            (Some(url), _) => Ok(vec![url.clone()]),
            (None, Auth::Fixed(fixed)) => fixed.endpoint(filter).map(|url| vec![url]),
            (None, Auth::Keystone(keystone)) => {
                self.access(keystone).await?;
                keystone.endpoints(self.client()?, filter).await
            }
        }
    }

    async fn token(&self) -> Result<Option<Arc<Access>>, Error> {
        let mut headers = HeaderMap::new();
        self.in_time(|| "a token".to_owned(), self.authorise(&mut headers)).await
    }

    async fn in_time<T>(
        &self,
        what: impl FnOnce() -> String,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.timeout();
        match tokio::time::timeout(limit, Box::pin(work)).await {
            Ok(done) => done,
            Err(_) => {
                Err(Error::Timeout { message: format!("{}: not within {} s", what(), limit.as_secs_f64()) })
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("auth", &self.0.auth).finish_non_exhaustive()
    }
}
