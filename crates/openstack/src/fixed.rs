//! Plugins without Keystone: an address that is known, and headers that never change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::options::AuthOptions;
use crate::{Error, ServiceFilter};

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const PROJECT_ID: HeaderName = HeaderName::from_static("x-project-id");
const ROLES: HeaderName = HeaderName::from_static("x-roles");
/// What keystoneauth's plugin `none` sends as a token.
const NO_TOKEN: &str = "notused";

/// Who we are, told with every request.
#[derive(Debug)]
pub(crate) struct Fixed {
    endpoint: Option<Url>,
    pub(crate) headers: HeaderMap,
    pub(crate) user_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

impl Fixed {
    /// The plugin of these options; none for those that ask Keystone.
    pub(crate) fn of(options: &AuthOptions) -> Result<Option<Self>, Error> {
        let mut fixed = Self { endpoint: None, headers: HeaderMap::new(), user_id: None, project_id: None };
        match options {
            AuthOptions::Password(_) | AuthOptions::ApplicationCredential(_) | AuthOptions::Token(_) => {
                return Ok(None);
            }
            AuthOptions::None { endpoint } => {
                fixed.endpoint.clone_from(endpoint);
                fixed.headers.insert(TOKEN, HeaderValue::from_static(NO_TOKEN));
            }
            AuthOptions::HttpBasic { endpoint, username, password } => {
                fixed.endpoint.clone_from(endpoint);
                let username = username.as_deref().unwrap_or_default();
                let password = password.as_ref().map_or("", |password| password.expose().as_str());
                let encoded = STANDARD.encode(format!("{username}:{password}"));
                fixed.headers.insert(AUTHORIZATION, secret("password", &format!("Basic {encoded}"))?);
            }
            AuthOptions::AdminToken { endpoint, token } => {
                fixed.endpoint = Some(endpoint.clone());
                fixed.headers.insert(TOKEN, secret("token", token.expose())?);
            }
            AuthOptions::GnocchiBasic { endpoint, user } => {
                fixed.endpoint = Some(endpoint.clone());
                let encoded = STANDARD.encode(format!("{user}:"));
                fixed.headers.insert(AUTHORIZATION, secret("user", &format!("basic {encoded}"))?);
            }
            AuthOptions::GnocchiNoauth { endpoint, user_id, project_id, roles } => {
                fixed.endpoint = Some(endpoint.clone());
                for (name, option, value) in [
                    (USER_ID, "user_id", user_id),
                    (PROJECT_ID, "project_id", project_id),
                    (ROLES, "roles", roles),
                ] {
                    fixed.headers.insert(name, secret(option, value)?);
                }
                fixed.user_id = Some(user_id.clone());
                fixed.project_id = Some(project_id.clone());
            }
        }
        Ok(Some(fixed))
    }

    /// The one address, whatever is looked for.
    pub(crate) fn endpoint(&self, filter: &ServiceFilter) -> Result<Url, Error> {
        self.endpoint.clone().ok_or_else(|| {
            Error::configuration(
                format!("there is no catalogue in which to find a service of type {}", filter.service_type),
                "set endpoint to the service's address",
            )
        })
    }
}

fn secret(option: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::configuration(format!("{option} cannot be sent in a header"), "use visible ASCII characters")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_sends_its_headers() {
        let url = || Url::parse("http://g:8041").unwrap();
        for (options, expected) in [
            (AuthOptions::None { endpoint: None }, vec![("x-auth-token", "notused")]),
            (
                AuthOptions::HttpBasic {
                    endpoint: None,
                    username: Some("u".into()),
                    password: Some("p".to_owned().into()),
                },
                vec![("authorization", "Basic dTpw")],
            ),
            (
                AuthOptions::AdminToken { endpoint: url(), token: "t".to_owned().into() },
                vec![("x-auth-token", "t")],
            ),
            (
                AuthOptions::GnocchiBasic { endpoint: url(), user: "admin".into() },
                vec![("authorization", "basic YWRtaW46")],
            ),
            (
                AuthOptions::GnocchiNoauth {
                    endpoint: url(),
                    user_id: "u".into(),
                    project_id: "p".into(),
                    roles: "admin".into(),
                },
                vec![("x-project-id", "p"), ("x-roles", "admin"), ("x-user-id", "u")],
            ),
        ] {
            let fixed = Fixed::of(&options).unwrap().unwrap();
            let mut sent: Vec<(&str, &str)> =
                fixed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            sent.sort_unstable();
            assert_eq!(sent, expected);
        }
    }

    #[test]
    fn secrets_are_marked_and_must_fit_into_a_header() {
        let options = |token: &str| AuthOptions::AdminToken {
            endpoint: Url::parse("http://g").unwrap(),
            token: token.to_owned().into(),
        };
        let fixed = Fixed::of(&options("swordfish")).unwrap().unwrap();
        assert!(!format!("{fixed:?}").contains("swordfish"));
        let error = Fixed::of(&options("sword\nfish")).unwrap_err();
        assert!(
            error.to_string().starts_with("token cannot") && !error.to_string().contains("fish"),
            "{error}"
        );
    }

    #[test]
    fn without_an_address_nothing_is_found() {
        let fixed = Fixed::of(&AuthOptions::None { endpoint: None }).unwrap().unwrap();
        let error = fixed.endpoint(&ServiceFilter::new("metric")).unwrap_err();
        assert_eq!(error.cause(), "configuration");
    }
}
