//! What a session is made of.

use std::time::Duration;

use nephoscope_http::{ProxyOptions, TlsOptions};
use observability::secret::Secret;
use reqwest::Url;

use crate::{Error, url_path};

/// Time for a whole request, where neither the request nor the operator says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// What a session is made of. Two sessions of equal options are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Who we are.
    pub auth: AuthOptions,
    /// TLS towards every service.
    pub tls: TlsOptions,
    /// Proxies.
    pub proxy: ProxyOptions,
    /// Time for a request, with everything that belongs to it, that has no deadline of its own.
    pub timeout: Duration,
    /// Idle connections kept for each host.
    pub max_idle_per_host: usize,
}

impl SessionOptions {
    /// Defaults for everything but the authentication.
    #[must_use]
    pub fn new(auth: AuthOptions) -> Self {
        Self {
            auth,
            tls: TlsOptions::default(),
            proxy: ProxyOptions::default(),
            timeout: DEFAULT_TIMEOUT,
            max_idle_per_host: 8,
        }
    }
}

/// How we authenticate: keystoneauth's plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthOptions {
    /// `password`, `v3password`: a token for a user.
    Password(PasswordOptions),
    /// `v3applicationcredential`: a token for an application credential.
    ApplicationCredential(ApplicationCredentialOptions),
    /// `token`, `v3token`: a new token for a token.
    Token(TokenOptions),
    /// `none`, `noauth`: a service that asks nobody who he is.
    None {
        /// The service's address.
        endpoint: Option<Url>,
    },
    /// `http_basic`: user and password with every request.
    HttpBasic {
        /// The service's address.
        endpoint: Option<Url>,
        /// The user.
        username: Option<String>,
        /// The password.
        password: Option<Secret<String>>,
    },
    /// `admin_token`: a token that is known, and an address.
    AdminToken {
        /// The service's address.
        endpoint: Url,
        /// The token.
        token: Secret<String>,
    },
    /// `gnocchi-basic`: a user without a password.
    GnocchiBasic {
        /// Gnocchi's address.
        endpoint: Url,
        /// The user.
        user: String,
    },
    /// `gnocchi-noauth`: headers say who we are.
    GnocchiNoauth {
        /// Gnocchi's address.
        endpoint: Url,
        /// `X-User-Id`.
        user_id: String,
        /// `X-Project-Id`.
        project_id: String,
        /// `X-Roles`, separated by commas.
        roles: String,
    },
}

/// Options of `password` and `v3password`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PasswordOptions {
    /// Keystone's address, with or without a version.
    pub auth_url: String,
    /// Do not ask Keystone for its versions (`v3password`).
    pub v3_only: bool,
    /// The user's id, which makes name and domain superfluous.
    pub user_id: Option<String>,
    /// The user's name.
    pub username: Option<String>,
    /// The id of the user's domain; it counts before the name.
    pub user_domain_id: Option<String>,
    /// The name of the user's domain.
    pub user_domain_name: Option<String>,
    /// The password.
    pub password: Secret<String>,
    /// What the token is for.
    pub scope: ScopeOptions,
}

/// Options of `v3applicationcredential`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationCredentialOptions {
    /// Keystone's address, with or without a version.
    pub auth_url: String,
    /// The credential's id, which makes its name and the user superfluous.
    pub id: Option<String>,
    /// The credential's name.
    pub name: Option<String>,
    /// The secret.
    pub secret: Secret<String>,
    /// The id of the user whose credential it is.
    pub user_id: Option<String>,
    /// The name of that user.
    pub username: Option<String>,
    /// The id of that user's domain; it counts before the name.
    pub user_domain_id: Option<String>,
    /// The name of that user's domain.
    pub user_domain_name: Option<String>,
    /// What the token is for; Keystone knows it already, and refuses to be told.
    pub scope: ScopeOptions,
}

/// Options of `token` and `v3token`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenOptions {
    /// Keystone's address, with or without a version.
    pub auth_url: String,
    /// Do not ask Keystone for its versions (`v3token`).
    pub v3_only: bool,
    /// The token.
    pub token: Secret<String>,
    /// What the new token is for.
    pub scope: ScopeOptions,
}

/// What a token is for. At most one of project, domain, trust and system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeOptions {
    /// The project's id, which makes name and domain superfluous.
    pub project_id: Option<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The id of the project's domain; it counts before the name.
    pub project_domain_id: Option<String>,
    /// The name of the project's domain.
    pub project_domain_name: Option<String>,
    /// A domain's id.
    pub domain_id: Option<String>,
    /// A domain's name.
    pub domain_name: Option<String>,
    /// A trust's id.
    pub trust_id: Option<String>,
    /// `all`.
    pub system_scope: Option<String>,
}

fn has(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

impl AuthOptions {
    /// Whether the options can work. What is wrong names the option.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Password(options) => options.check(),
            Self::ApplicationCredential(options) => options.check(),
            Self::Token(options) => options.check(),
            Self::HttpBasic { username, password, .. } if username.is_none() || password.is_none() => {
                Err(missing("username or password"))
            }
            Self::None { .. }
            | Self::HttpBasic { .. }
            | Self::AdminToken { .. }
            | Self::GnocchiBasic { .. }
            | Self::GnocchiNoauth { .. } => Ok(()),
        }
    }
}

impl PasswordOptions {
    fn check(&self) -> Result<(), Error> {
        check_auth_url(&self.auth_url)?;
        if self.password.expose().is_empty() {
            return Err(missing("password"));
        }
        let has_domain = has(self.user_domain_id.as_ref()) || has(self.user_domain_name.as_ref());
        check_user(self.user_id.as_ref(), self.username.as_ref(), has_domain)?;
        self.scope.check()
    }
}

impl ApplicationCredentialOptions {
    fn check(&self) -> Result<(), Error> {
        check_auth_url(&self.auth_url)?;
        if self.secret.expose().is_empty() {
            return Err(missing("application_credential_secret"));
        }
        if !has(self.id.as_ref()) {
            if !has(self.name.as_ref()) {
                return Err(missing("application_credential_id"));
            }
            let has_domain = has(self.user_domain_id.as_ref()) || has(self.user_domain_name.as_ref());
            check_user(self.user_id.as_ref(), self.username.as_ref(), has_domain)?;
        }
        self.scope.check()
    }
}

impl TokenOptions {
    fn check(&self) -> Result<(), Error> {
        check_auth_url(&self.auth_url)?;
        if self.token.expose().is_empty() {
            return Err(missing("token"));
        }
        self.scope.check()
    }
}

impl ScopeOptions {
    fn check(&self) -> Result<(), Error> {
        let targets = [
            ("project_id or project_name", has(self.project_id.as_ref()) || has(self.project_name.as_ref())),
            ("domain_id or domain_name", has(self.domain_id.as_ref()) || has(self.domain_name.as_ref())),
            ("trust_id", has(self.trust_id.as_ref())),
            ("system_scope", has(self.system_scope.as_ref())),
        ];
        let given: Vec<&str> =
            targets.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
        if given.len() > 1 {
            return Err(Error::configuration(
                format!("a token cannot be for several things at once: {} are given", given.join(", ")),
                "leave one of them",
            ));
        }
        if let Some(scope) = self.system_scope.as_deref().filter(|scope| !scope.is_empty() && *scope != "all")
        {
            return Err(Error::configuration(
                format!("system_scope = {scope}: there is no such scope"),
                "write all",
            ));
        }
        let has_domain = has(self.project_domain_id.as_ref()) || has(self.project_domain_name.as_ref());
        if has(self.project_name.as_ref()) && !has(self.project_id.as_ref()) && !has_domain {
            return Err(Error::configuration(
                "project_name is given without the project's domain",
                "set project_domain_name or project_domain_id",
            ));
        }
        Ok(())
    }
}

fn check_auth_url(auth_url: &str) -> Result<(), Error> {
    if auth_url.is_empty() {
        return Err(missing("auth_url"));
    }
    let parsed = url_path::parse(auth_url);
    parsed
        .map(drop)
        .map_err(|why| Error::configuration(format!("auth_url is no address of Keystone: {why}"), EXAMPLE))
}

fn check_user(id: Option<&String>, name: Option<&String>, has_domain: bool) -> Result<(), Error> {
    if has(id) {
        return Ok(());
    }
    if !has(name) {
        return Err(missing("username"));
    }
    if has_domain {
        return Ok(());
    }
    Err(Error::configuration(
        "username is given without the user's domain",
        "set user_domain_name or user_domain_id",
    ))
}

const EXAMPLE: &str = "write for example auth_url = http://controller:5000/v3";

fn missing(option: &str) -> Error {
    Error::configuration(format!("{option} is missing"), "set it beside auth_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> PasswordOptions {
        PasswordOptions {
            auth_url: "http://h:5000".into(),
            username: Some("ceilometer".into()),
            user_domain_id: Some("default".into()),
            password: "swordfish".to_owned().into(),
            ..PasswordOptions::default()
        }
    }

    fn problem(change: impl FnOnce(&mut PasswordOptions)) -> String {
        let mut options = password();
        change(&mut options);
        let checked = AuthOptions::Password(options).check();
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_wrong_names_the_option() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(problem(|_| ()), "");
        assert_eq!(problem(|options| options.user_id = some("u")), "");
        assert_eq!(problem(|options| (options.user_id, options.username) = (some("u"), None)), "");
        for (found, words) in [
            (problem(|options| options.auth_url.clear()), "auth_url is missing"),
            (problem(|options| options.auth_url = "controller".into()), "auth_url is no address"),
            (problem(|options| options.password = Secret::default()), "password is missing"),
            (problem(|options| options.username = None), "username is missing"),
            (problem(|options| options.user_domain_id = None), "user_domain_name"),
            (problem(|options| options.scope.project_name = some("p")), "project_domain_name"),
            (problem(|options| options.scope.system_scope = some("some")), "write all"),
            (
                problem(|options| {
                    options.scope.project_id = some("p");
                    options.scope.domain_name = some("d");
                    options.scope.trust_id = some("t");
                }),
                "project_id or project_name, domain_id or domain_name, trust_id",
            ),
        ] {
            assert!(found.contains(words), "{found:?} lacks {words:?}");
            assert!(!found.contains("swordfish"));
        }
    }

    #[test]
    fn an_application_credential_needs_an_id_or_a_name_and_a_user() {
        let check = |options: &ApplicationCredentialOptions| {
            AuthOptions::ApplicationCredential(options.clone()).check().map_err(|error| error.to_string())
        };
        let mut options = ApplicationCredentialOptions {
            auth_url: "http://h:5000".into(),
            secret: "s".to_owned().into(),
            ..ApplicationCredentialOptions::default()
        };
        assert!(check(&options).unwrap_err().starts_with("application_credential_id is missing"));
        options.name = Some("n".into());
        assert!(check(&options).unwrap_err().starts_with("username is missing"));
        options.user_id = Some("u".into());
        assert_eq!(check(&options), Ok(()));
        options = ApplicationCredentialOptions { id: Some("i".into()), name: None, user_id: None, ..options };
        assert_eq!(check(&options), Ok(()));
        options.secret = Secret::default();
        assert!(check(&options).unwrap_err().starts_with("application_credential_secret is missing"));
    }

    #[test]
    fn options_do_not_show_secrets() {
        let shown = format!("{:?}", SessionOptions::new(AuthOptions::Password(password())));
        assert!(shown.contains("ceilometer") && !shown.contains("swordfish"), "{shown}");
    }
}
