//! Who asks.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metric::Caller;

use crate::failure::Failure;

/// How a request says who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// By `Authorization: Basic`, whose password nobody looks at. Not an authentication: for tests, and behind a proxy that
    /// does it.
    Basic,
    /// By a header that a proxy sets after it has authenticated the user: `REMOTE-USER` or `X-Remote-User`.
    RemoteUser,
    /// By Keystone's headers, which a proxy sets after it has validated the token: `X-User-Id`, `X-Project-Id`, `X-Roles`.
    KeystoneHeaders,
}

fn unknown_caller() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "")
}

impl Authentication {
    /// Whoever these headers name.
    pub(crate) fn caller(self, headers: &HeaderMap) -> Result<Caller, Failure> {
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
                Ok(Caller::of_project(user, project, roles))
            }
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
        assert_eq!(of("Basic YWRtaW46").unwrap().roles, ["admin"]);
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
