//! [`TokenIdentity`]: what Keystone says of a token.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::access_rules::{AccessRule, is_listed};
use crate::{Error, Response};

/// Whose token it is, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIdentity {
    /// The user's id.
    pub user_id: String,
    /// The user's name.
    pub user_name: Option<String>,
    /// The id of the user's domain.
    pub user_domain_id: Option<String>,
    /// The project that it is for.
    pub project_id: Option<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The id of the project's domain.
    pub project_domain_id: Option<String>,
    /// The domain that it is for.
    pub domain_id: Option<String>,
    /// Whether it is for the whole system.
    pub is_system: bool,
    /// Whether the project is the one whose administrators administrate everything, or there is no such project.
    pub is_admin_project: bool,
    /// The names of the roles that it gives: a trust's are those that it hands on.
    pub roles: Vec<String>,
    /// The trust that it comes from.
    pub trust_id: Option<String>,
    /// From then on it is no good.
    pub expires_at: Timestamp,
    access_rules: Option<Vec<AccessRule>>,
    service_types: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    expires_at: String,
    user: Named,
    #[serde(default)]
    project: Option<Named>,
    #[serde(default)]
    domain: Option<Named>,
    #[serde(default)]
    system: Option<System>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    is_admin_project: Option<bool>,
    #[serde(default, rename = "OS-TRUST:trust")]
    trust: Option<Trust>,
    #[serde(default)]
    application_credential: Option<ApplicationCredential>,
    #[serde(default)]
    catalog: Vec<ServiceType>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    domain: Option<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Trust {
    id: String,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    #[serde(default)]
    access_rules: Option<Vec<AccessRule>>,
}

#[derive(Deserialize)]
struct ServiceType {
    #[serde(rename = "type")]
    service_type: String,
}

impl TokenIdentity {
    /// Reads Keystone's answer about a token.
    pub(super) fn read(answer: &Response) -> Result<Self, Error> {
        // The library's words about it might quote it.
        let wrong =
            |what: &str| Error::protocol(format!("{}: the answer is no token: {what}", answer.place()));
        let Body { token } = serde_json::from_slice(&answer.body).map_err(|_| wrong("its form"))?;
        let expires_at = token.expires_at.parse().map_err(|_| wrong("its time"))?;
        let domain_of = |named: &Named| named.domain.as_ref().and_then(|domain| domain.id.clone());
        Ok(Self {
            user_domain_id: domain_of(&token.user),
            user_id: token.user.id,
            user_name: token.user.name,
            project_domain_id: token.project.as_ref().and_then(domain_of),
            project_name: token.project.as_ref().and_then(|project| project.name.clone()),
            project_id: token.project.map(|project| project.id),
            domain_id: token.domain.map(|domain| domain.id),
            is_system: token.system.is_some_and(|system| system.all),
            is_admin_project: token.is_admin_project.unwrap_or(true),
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            trust_id: token.trust.map(|trust| trust.id),
            expires_at,
            access_rules: token.application_credential.and_then(|credential| credential.access_rules),
            service_types: token.catalog.into_iter().map(|service| service.service_type).collect(),
        })
    }

    /// Whether it may be used for such a request to a service of that type: the token of an application credential may have
    /// access rules. A request that a service hands on is not the one that they are about.
    pub(super) fn allows(
        &self,
        service_type: Option<&str>,
        method: &Method,
        path: &str,
        is_handed_on: bool,
    ) -> bool {
        let Some(rules) = &self.access_rules else { return true };
        let Some(service_type) =
            service_type.filter(|own| self.service_types.iter().any(|known| known == own))
        else {
            tracing::warn!(
                "a token with access rules is refused: [keystone_authtoken] service_type does not name a type of the catalogue"
            );
            return false;
        };
        is_handed_on || is_listed(rules, service_type, method.as_str(), path)
    }
}
