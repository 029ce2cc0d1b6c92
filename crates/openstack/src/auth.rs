//! Getting a token from Keystone.

mod access;
mod body;
mod discovery;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observability::clock::Clock;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

pub(crate) use access::Access;

use crate::options::{ApplicationCredentialOptions, AuthOptions, PasswordOptions, TokenOptions};
use crate::request::{Outgoing, exchange};
use crate::url_path::{join, parse, shown};
use crate::{Error, Response, ServiceFilter};

/// Bound of a token's JSON, whose catalogue may list hundreds of endpoints.
const MAX_TOKEN_BYTES: usize = 4 << 20;
/// A catalogue of this age is read again, with a new token, when it lacks what is looked for: services are often registered
/// after those that use them have been started.
const CATALOG_AGE: Duration = Duration::from_mins(1);
/// How long a token that should be renewed is used further after Keystone could not renew it.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// One identity at one Keystone, with its token.
pub(crate) struct Keystone {
    identity: Identity,
    auth_url: Url,
    clock: Clock,
    state: Mutex<State>,
    /// Held by whoever authenticates; everybody else waits for its end and takes the result.
    turn: tokio::sync::Mutex<()>,
}

/// Who we are.
pub(crate) enum Identity {
    Password(PasswordOptions),
    ApplicationCredential(ApplicationCredentialOptions),
    Token(TokenOptions),
}

#[derive(Default)]
struct State {
    access: Option<Arc<Access>>,
    /// Where tokens are asked for, once Keystone has told.
    tokens_url: Option<Url>,
    /// How often authentication has ended, in whatever way.
    attempts: u64,
    /// How the last one failed.
    failure: Option<Error>,
}

impl Identity {
    /// The identity, if it is one that Keystone knows of.
    pub(crate) fn of(options: &AuthOptions) -> Option<Self> {
        match options {
            AuthOptions::Password(options) => Some(Self::Password(options.clone())),
            AuthOptions::ApplicationCredential(options) => Some(Self::ApplicationCredential(options.clone())),
            AuthOptions::Token(options) => Some(Self::Token(options.clone())),
            _ => None,
        }
    }

    fn auth_url(&self) -> &str {
        match self {
            Self::Password(options) => &options.auth_url,
            Self::ApplicationCredential(options) => &options.auth_url,
            Self::Token(options) => &options.auth_url,
        }
    }

    /// Whether Keystone is asked for its versions first, as keystoneauth's plugins without a version do.
    const fn asks_for_versions(&self) -> bool {
        match self {
            Self::Password(options) => !options.v3_only,
            Self::Token(options) => !options.v3_only,
            Self::ApplicationCredential(_) => false,
        }
    }

    /// For messages.
    fn shown(&self) -> String {
        let named = |what: &str, name: Option<&String>, id: Option<&String>| match (id, name) {
            (Some(id), _) if !id.is_empty() => format!("{what} {id}"),
            (_, Some(name)) => format!("{what} {name}"),
            _ => what.to_owned(),
        };
        match self {
            Self::Password(options) => named("user", options.username.as_ref(), options.user_id.as_ref()),
            Self::ApplicationCredential(options) => {
                named("application credential", options.name.as_ref(), options.id.as_ref())
            }
            Self::Token(_) => "a token".to_owned(),
        }
    }

    /// What may be wrong that Keystone's own words do not tell.
    const fn hint(&self) -> &'static str {
        match self {
            Self::Password(_) => "check user, domain, password and project",
            Self::ApplicationCredential(_) => {
                "check id and secret, and give no project, domain or system scope: the credential has its own"
            }
            Self::Token(_) => {
                "the token may have expired; a service needs a password or an application credential"
            }
        }
    }
}

impl Keystone {
    pub(crate) fn new(identity: Identity, clock: Clock) -> Result<Self, Error> {
        let auth_url = parse(identity.auth_url()).map_err(|why| {
            Error::configuration(format!("auth_url is no address of Keystone: {why}"), "correct auth_url")
        })?;
        let turn = tokio::sync::Mutex::new(());
        Ok(Self { identity, auth_url, clock, state: Mutex::default(), turn })
    }

    /// The host of its address; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> Option<&str> {
        Some(self.auth_url.host_str()?.trim_start_matches('[').trim_end_matches(']'))
    }

    /// A token that is good for a while: the one that we have, or a new one.
    ///
    /// Authentication goes on once at a time. Whoever has waited for somebody else's takes its result, good or bad, so
    /// that a Keystone in trouble is not asked by everybody in turn.
    pub(crate) async fn access(&self, client: &reqwest::Client) -> Result<Arc<Access>, Error> {
        let seen = {
            let state = self.lock();
            if let Some(access) = self.fresh(&state) {
                return Ok(access);
            }
            state.attempts
        };
        let _turn = self.turn.lock().await;
        {
            let state = self.lock();
            if let Some(access) = self.fresh(&state) {
                return Ok(access);
            }
            if state.attempts != seen
                && let Some(failure) = &state.failure
            {
                return Err(failure.clone());
            }
        }
        let made = self.authenticate(client).await;
        let mut state = self.lock();
        state.attempts += 1;
        match made {
            Ok(access) => {
                let access = Arc::new(access);
                state.access = Some(Arc::clone(&access));
                state.failure = None;
                Ok(access)
            }
            Err(error) => {
                if let Some(access) = self.still_good(&mut state) {
                    tracing::warn!("the token could not be renewed yet, and is used on: {error}");
                    return Ok(access);
                }
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether there is a token that need not be renewed.
    pub(crate) fn has_token(&self) -> bool {
        self.fresh(&self.lock()).is_some()
    }

    /// The endpoint that a filter finds in the catalogue.
    pub(crate) async fn endpoint(
        &self,
        client: &reqwest::Client,
        filter: &ServiceFilter,
    ) -> Result<Url, Error> {
        let access = self.access(client).await?;
        let found = access.catalog.endpoint(filter);
        if found.is_ok() || self.clock.elapsed(access.made_at) < CATALOG_AGE {
            return found;
        }
        self.forget(&access);
        self.access(client).await?.catalog.endpoint(filter)
    }

    /// All endpoints that a filter finds in the catalogue.
    pub(crate) async fn endpoints(
        &self,
        client: &reqwest::Client,
        filter: &ServiceFilter,
    ) -> Result<Vec<Url>, Error> {
        let access = self.access(client).await?;
        let found = access.catalog.endpoints(filter);
        if !found.is_empty() || self.clock.elapsed(access.made_at) < CATALOG_AGE {
            return Ok(found);
        }
        self.forget(&access);
        Ok(self.access(client).await?.catalog.endpoints(filter))
    }

    /// Forgets `access`, unless somebody has renewed it already.
    pub(crate) fn forget(&self, access: &Access) {
        let mut state = self.lock();
        if state.access.as_ref().is_some_and(|current| current.token == access.token) {
            state.access = None;
        }
    }

    /// Forgets the token, whichever it is.
    pub(crate) fn forget_any(&self) {
        self.lock().access = None;
    }

    fn fresh(&self, state: &State) -> Option<Arc<Access>> {
        let now = self.clock.monotonic();
        state.access.as_ref().filter(|access| now < access.renew_at).map(Arc::clone)
    }

    /// The token that should have been renewed, while it is good; the next try is put off a little.
    fn still_good(&self, state: &mut State) -> Option<Arc<Access>> {
        let now = self.clock.monotonic();
        let access = state.access.as_ref().filter(|access| now < access.ends_at)?;
        let access = Arc::new(Access { renew_at: now.plus(RENEWAL_PAUSE), ..Access::clone(access) });
        state.access = Some(Arc::clone(&access));
        Some(access)
    }

    async fn authenticate(&self, client: &reqwest::Client) -> Result<Access, Error> {
        let known = self.lock().tokens_url.clone();
        let tokens_url = if let Some(url) = known {
            url
        } else {
            let url = self.tokens_url(client).await?;
            self.lock().tokens_url = Some(url.clone());
            url
        };
        let asked_at = self.clock.monotonic();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let outgoing = Outgoing {
            method: Method::POST,
            url: tokens_url,
            headers,
            body: body::body(&self.identity).into(),
            body_limit: MAX_TOKEN_BYTES,
        };
        let response = exchange(client, &outgoing).await?;
        if let Some(error) = self.refusal(&response) {
            if response.status == StatusCode::NOT_FOUND {
                // Perhaps Keystone has moved below the same address.
                self.lock().tokens_url = None;
            }
            return Err(error);
        }
        let access = Access::read(&response, asked_at, self.clock.now())?;
        tracing::debug!(keystone = shown(&self.auth_url), identity = self.identity.shown(), "authenticated");
        Ok(access)
    }

    /// Why there is no token in the answer. Nothing that Keystone says here is about the request that the token is for,
    /// so nothing here is [`Error::Refused`].
    fn refusal(&self, response: &Response) -> Option<Error> {
        let error = response.error()?;
        if error
            .status()
            .is_some_and(|status| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error())
        {
            return Some(error);
        }
        let what = match response.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                self.identity.hint()
            }
            _ => "check auth_url",
        };
        let identity = self.identity.shown();
        let message = format!("Keystone gave no token for {identity} ({what}): {error}");
        Some(Error::Credentials { message })
    }

    async fn tokens_url(&self, client: &reqwest::Client) -> Result<Url, Error> {
        let base = if self.identity.asks_for_versions() {
            discovery::identity_v3(client, &self.auth_url).await?
        } else {
            self.auth_url.clone()
        };
        let is_v3 = base.path().trim_end_matches('/').ends_with("v3");
        join(&base, if is_v3 { "auth/tokens" } else { "v3/auth/tokens" })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Keystone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keystone")
            .field("auth_url", &shown(&self.auth_url))
            .field("identity", &self.identity.shown())
            .field("has_token", &self.lock().access.is_some())
            .finish_non_exhaustive()
    }
}
