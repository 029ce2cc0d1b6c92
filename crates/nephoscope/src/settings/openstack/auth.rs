//! `auth_type`, and the options of each plugin.

use openstack::{
    ApplicationCredentialOptions, AuthOptions, PasswordOptions, ScopeOptions, TokenOptions, Url,
};
use oslo_config::options::keystone;
use oslo_config::{Credentials, Handle, OptStr};

use super::{OpenStackError, text};

/// Plugins that are there.
const SUPPORTED: &str = "password, v3password, v3applicationcredential, token, v3token, none, noauth, http_basic, \
                         admin_token, gnocchi-basic or gnocchi-noauth";
/// Plugins of keystoneauth and its extras that are not.
const KNOWN: [&str; 19] = [
    "aodh-noauth",
    "v2password",
    "v2token",
    "v3adfspassword",
    "v3fedkerb",
    "v3kerberos",
    "v3multifactor",
    "v3oauth1",
    "v3oauth2clientcredential",
    "v3oauth2mtlsclientcredential",
    "v3oidcaccesstoken",
    "v3oidcauthcode",
    "v3oidcclientcredentials",
    "v3oidcdeviceauthz",
    "v3oidcpassword",
    "v3samlpassword",
    "v3tokenlessauth",
    "v3totp",
    "v3websso",
];

/// Options of the authentication plugin, in the section where they count: `Config::credentials` has followed
/// `AUTH_SECTION`.
struct Section<'c>(&'c Credentials<'c>);

pub(super) fn auth_options(credentials: &Credentials<'_>) -> Result<AuthOptions, OpenStackError> {
    let section = Section(credentials);
    let Some(auth_type) = text(credentials.get(&keystone::AUTH_TYPE)) else {
        return Err(section.missing(
            "auth_type",
            &format!("write for example auth_type = password; there are {SUPPORTED}"),
        ));
    };
    match auth_type {
        "password" | "v3password" => Ok(section.password(auth_type == "v3password")),
        "v3applicationcredential" => Ok(section.application_credential()),
        "token" | "v3token" => Ok(AuthOptions::Token(TokenOptions {
            auth_url: section.required(&keystone::AUTH_URL),
            v3_only: auth_type == "v3token",
            token: section.required(&keystone::TOKEN).into(),
            scope: section.scope(auth_type == "token"),
        })),
        "none" | "noauth" => Ok(AuthOptions::None { endpoint: section.endpoint()? }),
        "http_basic" => Ok(AuthOptions::HttpBasic {
            endpoint: section.endpoint()?,
            username: section.get(&keystone::USERNAME),
            password: section.get(&keystone::PASSWORD).map(Into::into),
        }),
        "admin_token" => Ok(AuthOptions::AdminToken {
            endpoint: section.needed_endpoint()?,
            token: section.needed("token", &keystone::TOKEN)?.into(),
        }),
        "gnocchi-basic" => Ok(AuthOptions::GnocchiBasic {
            endpoint: section.needed_endpoint()?,
            user: section.needed("user", &keystone::USER)?,
        }),
        "gnocchi-noauth" => Ok(AuthOptions::GnocchiNoauth {
            endpoint: section.needed_endpoint()?,
            user_id: section.needed("user_id", &keystone::USER_ID)?,
            project_id: section.needed("project_id", &keystone::PROJECT_ID)?,
            // gnocchiclient documents this default, which does not reach it through a configuration file.
            roles: section.get(&keystone::ROLES).unwrap_or_else(|| "admin".to_owned()),
        }),
        other => Err(section.unsupported(other)),
    }
}

impl Section<'_> {
    fn get(&self, option: &Handle<OptStr>) -> Option<String> {
        text(self.0.get(option)).map(str::to_owned)
    }

    /// An option whose absence the session's own check reports.
    fn required(&self, option: &Handle<OptStr>) -> String {
        self.get(option).unwrap_or_default()
    }

    fn needed(&self, name: &'static str, option: &Handle<OptStr>) -> Result<String, OpenStackError> {
        self.get(option).ok_or_else(|| self.missing(name, "this auth_type needs it"))
    }

    fn password(&self, v3_only: bool) -> AuthOptions {
        let (default_id, default_name) = self.default_domain(!v3_only);
        AuthOptions::Password(PasswordOptions {
            auth_url: self.required(&keystone::AUTH_URL),
            v3_only,
            user_id: self.get(&keystone::USER_ID),
            username: self.get(&keystone::USERNAME),
            user_domain_id: self.get(&keystone::USER_DOMAIN_ID).or(default_id),
            user_domain_name: self.get(&keystone::USER_DOMAIN_NAME).or(default_name),
            password: self.required(&keystone::PASSWORD).into(),
            scope: self.scope(!v3_only),
        })
    }

    fn application_credential(&self) -> AuthOptions {
        AuthOptions::ApplicationCredential(ApplicationCredentialOptions {
            auth_url: self.required(&keystone::AUTH_URL),
            id: self.get(&keystone::APPLICATION_CREDENTIAL_ID),
            name: self.get(&keystone::APPLICATION_CREDENTIAL_NAME),
            secret: self.required(&keystone::APPLICATION_CREDENTIAL_SECRET).into(),
            user_id: self.get(&keystone::USER_ID),
            username: self.get(&keystone::USERNAME),
            user_domain_id: self.get(&keystone::USER_DOMAIN_ID),
            user_domain_name: self.get(&keystone::USER_DOMAIN_NAME),
            scope: self.scope(false),
        })
    }

    /// Only plugins without a version have `default_domain_*`. An id that comes from there counts before a name that
    /// was given, as in keystoneauth.
    fn default_domain(&self, has_default: bool) -> (Option<String>, Option<String>) {
        if !has_default {
            return (None, None);
        }
        (self.get(&keystone::DEFAULT_DOMAIN_ID), self.get(&keystone::DEFAULT_DOMAIN_NAME))
    }

    fn scope(&self, has_default: bool) -> ScopeOptions {
        let (default_id, default_name) = self.default_domain(has_default);
        ScopeOptions {
            project_id: self.get(&keystone::PROJECT_ID),
            project_name: self.get(&keystone::PROJECT_NAME),
            project_domain_id: self.get(&keystone::PROJECT_DOMAIN_ID).or(default_id),
            project_domain_name: self.get(&keystone::PROJECT_DOMAIN_NAME).or(default_name),
            domain_id: self.get(&keystone::DOMAIN_ID),
            domain_name: self.get(&keystone::DOMAIN_NAME),
            trust_id: self.get(&keystone::TRUST_ID),
            system_scope: self.get(&keystone::SYSTEM_SCOPE),
        }
    }

    fn endpoint(&self) -> Result<Option<Url>, OpenStackError> {
        let Some(value) = self.get(&keystone::ENDPOINT) else { return Ok(None) };
        match Url::parse(value.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(Some(url)),
            parsed => Err(OpenStackError::Option {
                section: self.0.auth_section.clone(),
                option: "endpoint",
                value: observability::secret::redact_url(&value),
                problem: match parsed {
                    Err(error) => error.to_string(),
                    Ok(_) => "not an http:// or https:// address".to_owned(),
                },
                hint: "write for example endpoint = http://controller:8041".to_owned(),
            }),
        }
    }

    fn needed_endpoint(&self) -> Result<Url, OpenStackError> {
        self.endpoint()?
            .ok_or_else(|| self.missing("endpoint", "this auth_type has no catalogue to find it in"))
    }

    fn missing(&self, option: &'static str, hint: &str) -> OpenStackError {
        OpenStackError::Missing { section: self.0.auth_section.clone(), option, hint: hint.to_owned() }
    }

    fn unsupported(&self, auth_type: &str) -> OpenStackError {
        let problem = if KNOWN.contains(&auth_type) {
            "this plugin of keystoneauth is not supported"
        } else {
            "there is no such plugin"
        };
        OpenStackError::Option {
            section: self.0.auth_section.clone(),
            option: "auth_type",
            value: auth_type.to_owned(),
            problem: problem.to_owned(),
            hint: format!("use {SUPPORTED}"),
        }
    }
}
