//! Who asks.

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metric::Caller;
use openstack::tokens::{Rejection, TokenIdentity, TokenValidator, remove_identity_headers};

use crate::Settings;
use crate::failure::Failure;

/// How a request says who asks.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// By `Authorization: Basic`, whose password nobody looks at. Not an authentication: for tests, and behind a proxy that
    /// does it.
    Basic,
    /// By a header that a proxy sets after it has authenticated the user: `REMOTE-USER` or `X-Remote-User`.
    RemoteUser,
    /// By Keystone's headers, which a proxy sets after it has validated the token: `X-User-Id`, `X-Project-Id`, `X-Roles`.
    KeystoneHeaders,
    /// By a token that Keystone is asked about: `X-Auth-Token`.
    Keystone(TokenValidator),
}

/// Whoever asks. `Err` within `Ok` is nobody, who may still be shown what everybody may see.
///
/// # Errors
/// The request must be refused at once.
pub(crate) async fn identify(
    settings: &Settings,
    parts: &mut Parts,
) -> Result<Result<Caller, Failure>, Failure> {
    let policy = settings.policies.current();
    let Authentication::Keystone(validator) = &settings.authentication else {
        return Ok(settings.authentication.caller(&parts.headers).map(|caller| caller.under(policy)));
    };
    remove_identity_headers(&mut parts.headers);
    let path = parts.uri.path();
    if !is_validated(path.strip_prefix(&settings.prefix).unwrap_or(path)) {
        return Ok(Err(unauthorized(validator.www_authenticate())));
    }
    let validated = validator.authenticate(&parts.headers, &parts.method, path);
    let Ok(validated) = tokio::time::timeout(settings.deadline, validated).await else {
        return Err(keystone_is_down());
    };
    match validated {
        Ok(found) => Ok(match found.user {
            Some(user) => Ok(of_token(&user).under(policy)),
            None => Err(unauthorized(validator.www_authenticate())),
        }),
        Err(Rejection::Unauthorized { www_authenticate }) => Err(unauthorized(www_authenticate)),
        Err(Rejection::Unavailable { .. }) => Err(keystone_is_down()),
    }
}

/// Whether a path is one for which Gnocchi's pipeline validates tokens: everything but the version document and the health.
fn is_validated(path: &str) -> bool {
    path.split('/').find(|part| !part.is_empty()).is_some_and(|first| crate::request::decode(first) == "v1")
}

fn of_token(user: &TokenIdentity) -> Caller {
    let or_empty = |id: &Option<String>| id.clone().unwrap_or_default();
    Caller::of_keystone(
        &user.user_id,
        &or_empty(&user.project_id),
        &or_empty(&user.domain_id),
        user.roles.clone(),
    )
}

fn unauthorized(www_authenticate: String) -> Failure {
    Failure { www_authenticate: Some(www_authenticate), ..unknown_caller() }
}

fn keystone_is_down() -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "The Keystone service is temporarily unavailable.")
}

fn unknown_caller() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "")
}

impl Authentication {
    /// Whoever these headers name.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        match self {
            Self::Basic => basic(headers),
            Self::RemoteUser => {
                let user = text(headers, "remote-user").or_else(|| text(headers, "x-remote-user"));
                user.filter(|user| !user.is_empty()).map(Caller::named).ok_or_else(unknown_caller)
            }
            Self::KeystoneHeaders => {
                let of = |name| text(headers, name).unwrap_or_default();
                let (user, project) = (of("x-user-id"), of("x-project-id"));
                if user.is_empty() && project.is_empty() {
                    return Err(unknown_caller());
                }
                let roles = of("x-roles").split(',').map(|role| role.trim().to_owned()).collect();
                Ok(Caller::of_keystone(user, project, of("x-domain-id"), roles))
            }
            Self::Keystone(_) => Err(unknown_caller()),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn basic(headers: &HeaderMap) -> Result<Caller, Failure> {
    let header =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(unknown_caller)?;
    let (scheme, coded) = header.split_once(' ').ok_or_else(unknown_caller)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unknown_caller());
    }
    let plain = STANDARD.decode(coded.trim()).map_err(|_| unknown_caller())?;
    let plain = String::from_utf8(plain).map_err(|_| unknown_caller())?;
    let (user, _password) = plain.split_once(':').unwrap_or((&plain, ""));
    if user.is_empty() { Err(unknown_caller()) } else { Ok(Caller::named(user)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn names_in_basic_headers() {
        let of = |value: &str| Authentication::Basic.caller(&headers(&[("authorization", value)]));
        assert_eq!(of("basic Zm9vYmFyOg==").unwrap(), Caller::named("foobar"));
        assert_eq!(of("Basic YWRtaW46").unwrap(), Caller::named("admin"));
        for wrong in ["basic hello:", "Bearer abc", "basic", "basic Og=="] {
            assert_eq!(of(wrong).unwrap_err().status, StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }

    #[test]
    fn users_of_projects() {
        let sent = headers(&[("x-user-id", "u"), ("x-project-id", "p"), ("x-roles", "member, service")]);
        let caller = Authentication::KeystoneHeaders.caller(&sent).unwrap();
        assert_eq!(caller, Caller::of_project("u", "p", vec!["member".to_owned(), "service".to_owned()]));
        assert!(Authentication::KeystoneHeaders.caller(&HeaderMap::new()).is_err());
        let remote = Authentication::RemoteUser.caller(&headers(&[("x-remote-user", "jd")]));
        assert_eq!(remote.unwrap(), Caller::named("jd"));
    }
}
