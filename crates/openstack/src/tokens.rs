//! Validation of other people's tokens, as keystonemiddleware's `auth_token` does it for services.
//!
//! [`TokenValidator::authenticate`] takes a request's headers and says who asks. Keystone is asked about each token once:
//! whoever else sends the same token meanwhile waits for that answer, and afterwards it is remembered under a hash of the
//! token, for as long as the operator allows (`token_cache_time`): so much later at most a revoked token is refused. That a
//! token is no good is remembered for [`REFUSED_TIME`]. Keystone's trouble is remembered by nobody.
//!
//! What a token says of itself is never trusted: nothing is read of a request but `X-Auth-Token` (or `X-Storage-Token`) and
//! `X-Service-Token`. [`remove_identity_headers`] takes away the headers by which services are told of a user.

mod access_rules;
mod headers;
mod identity;
mod known;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use observability::clock::Clock;
use observability::metrics::{Component, CounterFamily};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

pub use self::headers::remove_identity_headers;
pub use self::identity::TokenIdentity;
use self::known::{Key, Known};
use crate::{Error, Service};

/// How long it is remembered that a token is no good.
pub const REFUSED_TIME: Duration = Duration::from_secs(5);
/// A longer token is none of Keystone's, whose own are a few hundred bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Bound of Keystone's answer, whose catalogue may be long.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The first wait before a Keystone that could not be reached is asked again; the next ones are twice as long each.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// What an operator chooses: `[keystone_authtoken]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationOptions {
    /// Where clients are sent to authenticate (`www_authenticate_uri`).
    pub www_authenticate_uri: String,
    /// How long a good token is believed without asking Keystone again (`token_cache_time`); `None`: not at all.
    pub cache_time: Option<Duration>,
    /// Tokens that are remembered, at most.
    pub cached_tokens_max: usize,
    /// Roles of which a service token must have one (`service_token_roles`).
    pub service_token_roles: Vec<String>,
    /// Whether a service token without such a role is refused (`service_token_roles_required`).
    pub service_token_roles_required: bool,
    /// Whether requests without a good token go on, as nobody's (`delay_auth_decision`).
    pub delay_auth_decision: bool,
    /// How often a Keystone that cannot be reached is asked again (`http_request_max_retries`).
    pub retries_max: u32,
    /// What the service is in the catalogue (`service_type`): the access rules of application credentials are about it.
    pub service_type: Option<String>,
}

impl ValidationOptions {
    /// keystonemiddleware's defaults.
    #[must_use]
    pub fn new(www_authenticate_uri: impl Into<String>) -> Self {
        Self {
            www_authenticate_uri: www_authenticate_uri.into(),
            cache_time: Some(Duration::from_mins(5)),
            cached_tokens_max: 8_192,
            service_token_roles: vec!["service".to_owned()],
            service_token_roles_required: true,
            delay_auth_decision: false,
            retries_max: 3,
            service_type: None,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Authenticated {
    /// Whose token it is; nobody's only with [`ValidationOptions::delay_auth_decision`].
    pub user: Option<Arc<TokenIdentity>>,
    /// The service that hands the user's request on, if one has proved that it is one.
    pub service: Option<Arc<TokenIdentity>>,
}

/// Why it is not known who asks.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Rejection {
    /// There is no token, or none that is good: 401, with this `WWW-Authenticate`.
    #[error("the request has no valid token")]
    Unauthorized {
        /// The value of the header.
        www_authenticate: String,
    },
    /// Keystone could not be asked: 503.
    #[error("the Keystone service cannot be asked")]
    Unavailable {
        /// Why.
        #[source]
        source: Error,
    },
}

/// What tokens are counted as; cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenMetrics {
    validated: CounterFamily<1>,
}

impl TokenMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        let help = "Tokens of requests: known (remembered as good), refused_known (remembered as no good), and, where Keystone \
                    was asked, good, refused, unavailable (it gave no answer)";
        Self { validated: component.counter_family("validated", ["outcome"], help) }
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone)]
enum Fault {
    Invalid,
    Unavailable(Error),
}

/// Validates tokens. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct TokenValidator(Arc<Inner>);

struct Inner {
    keystone: Service,
    options: ValidationOptions,
    clock: Clock,
    metrics: TokenMetrics,
    known: Known,
    is_down: AtomicBool,
}

impl TokenValidator {
    /// A validator that asks the identity service `keystone`, whose session is allowed to validate tokens.
    #[must_use]
    pub fn new(keystone: Service, options: ValidationOptions, clock: Clock, metrics: TokenMetrics) -> Self {
        let known = Known::new(options.cached_tokens_max);
        Self(Arc::new(Inner { keystone, options, clock, metrics, known, is_down: AtomicBool::new(false) }))
    }

    /// The header that says where to authenticate.
    #[must_use]
    pub fn www_authenticate(&self) -> String {
        format!("Keystone uri=\"{}\"", self.0.options.www_authenticate_uri)
    }

    /// Who sends a request with these headers. A service token is looked at first: with a good one, the user's may have
    /// expired since the service got it.
    ///
    /// # Errors
    /// [`Rejection`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        method: &Method,
        path: &str,
    ) -> Result<Authenticated, Rejection> {
        let options = &self.0.options;
        let mut found = Authenticated::default();
        let (mut is_refused, mut allow_expired) = (false, false);
        let service_token = headers::service_token(headers);
        if let Some(token) = service_token {
            let has_role = |identity: &TokenIdentity| {
                identity.roles.iter().any(|role| options.service_token_roles.contains(role))
            };
            match self.validate(token, false).await {
                Ok(identity) => {
                    allow_expired = has_role(&identity);
                    is_refused = options.service_token_roles_required && !allow_expired;
                    found.service = Some(identity).filter(|_| !is_refused);
                }
                Err(fault) => {
                    self.deferred(fault)?;
                    is_refused = true;
                }
            }
        }
        if let Some(token) = headers::user_token(headers) {
            match self.validate(token, allow_expired).await {
                Ok(identity) => {
                    let service_type = options.service_type.as_deref();
                    let is_allowed = identity.allows(service_type, method, path, service_token.is_some());
                    found.user = Some(identity).filter(|_| is_allowed);
                }
                Err(fault) => self.deferred(fault)?,
            }
        }
        if found.user.is_some() && !is_refused {
            return Ok(found);
        }
        if options.delay_auth_decision {
            return Ok(Authenticated::default());
        }
        Err(Rejection::Unauthorized { www_authenticate: self.www_authenticate() })
    }

    /// Refuses at once what may go better another time, unless somebody else decides later.
    fn deferred(&self, fault: Fault) -> Result<(), Rejection> {
        match fault {
            Fault::Unavailable(source) if !self.0.options.delay_auth_decision => {
                Err(Rejection::Unavailable { source })
            }
            Fault::Invalid | Fault::Unavailable(_) => Ok(()),
        }
    }

    async fn validate(&self, token: &str, allow_expired: bool) -> Result<Arc<TokenIdentity>, Fault> {
        let Inner { clock, known, options, .. } = &*self.0;
        let token = token.trim();
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(Fault::Invalid);
        }
        let key = Key::of(token, allow_expired);
        let identity = match known.good(&key, clock.monotonic()) {
            Some(identity) => {
                self.count("known");
                identity
            }
            None if known.is_refused(&key, clock.monotonic()) => {
                self.count("refused_known");
                return Err(Fault::Invalid);
            }
            None => {
                let asked = known.once(&key, || self.ask(&key, token)).await;
                // Only those who may believe it later find it remembered.
                if let (Ok(identity), Some(time)) = (&asked, options.cache_time) {
                    known.remember(&key, Arc::clone(identity), clock.monotonic().plus(time));
                }
                asked?
            }
        };
        if !allow_expired && identity.expires_at <= clock.now() {
            return Err(Fault::Invalid);
        }
        Ok(identity)
    }

    async fn ask(&self, key: &Key, token: &str) -> Result<Arc<TokenIdentity>, Fault> {
        let mut pause = RETRY_PAUSE;
        let mut retries = self.0.options.retries_max;
        let answer = loop {
            match self.fetch(token, key.allow_expired).await {
                // Only what never reached it: an answer that says "later" is not asked for again.
                Err(Fault::Unavailable(Error::Unavailable { status: None, .. })) if retries > 0 => {
                    retries -= 1;
                    self.0.clock.sleep(pause).await;
                    pause *= 2;
                }
                answer => break answer,
            }
        };
        match &answer {
            Ok(_) => self.count("good"),
            Err(Fault::Invalid) => {
                self.count("refused");
                let Inner { known, clock, .. } = &*self.0;
                known.refuse(key, clock.monotonic().plus(REFUSED_TIME));
            }
            Err(Fault::Unavailable(_)) => self.count("unavailable"),
        }
        self.tell(&answer);
        answer
    }

    async fn fetch(&self, token: &str, allow_expired: bool) -> Result<Arc<TokenIdentity>, Fault> {
        let Inner { keystone, options, .. } = &*self.0;
        let mut request = keystone
            .session
            .identity(Method::GET, &keystone.filter, "auth/tokens")
            .header("x-subject-token", token)
            .header("openstack-identity-access-rules", "1")
            .body_limit(ANSWER_BYTES_MAX);
        if options.service_type.is_none() {
            request = request.query("nocatalog", "1");
        }
        if allow_expired {
            request = request.query("allow_expired", "1");
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            // What is no header is no token.
            Err(Error::Configuration { .. }) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Fault::Invalid);
            }
            Err(error) => return Err(Fault::Unavailable(error)),
        };
        if answer.status == StatusCode::NOT_FOUND {
            return Err(Fault::Invalid);
        }
        let answer = answer.success().map_err(Fault::Unavailable)?;
        TokenIdentity::read(&answer).map(Arc::new).map_err(Fault::Unavailable)
    }

    fn count(&self, outcome: &str) {
        self.0.metrics.validated.with([outcome]).inc();
    }

    /// Keystone's trouble is told when it begins and when it ends, not with every request.
    fn tell(&self, answer: &Result<Arc<TokenIdentity>, Fault>) {
        let failure = match answer {
            Err(Fault::Unavailable(error)) => Some(error),
            _ => None,
        };
        let was_down = self.0.is_down.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !was_down => {
                tracing::error!("Keystone validates no tokens; requests are answered 503: {error}");
            }
            None if was_down => tracing::info!("Keystone validates tokens again"),
            _ => {}
        }
    }
}

impl fmt::Debug for TokenValidator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenValidator").field("options", &self.0.options).finish_non_exhaustive()
    }
}
