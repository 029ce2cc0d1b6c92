//! The headers that are about users and tokens.

use reqwest::header::HeaderMap;

/// Headers by which keystonemiddleware tells a service who asks. `{}` is empty for the user, `-service` for the service.
const OF_BOTH: [&str; 11] = [
    "domain-id",
    "domain-name",
    "project-id",
    "project-name",
    "project-domain-id",
    "project-domain-name",
    "user-id",
    "user-name",
    "user-domain-id",
    "user-domain-name",
    "roles",
];
/// The other ones.
const OTHERS: [&str; 10] = [
    "x-service-catalog",
    "x-identity-status",
    "x-service-identity-status",
    "x-is-admin-project",
    "openstack-system-scope",
    "x-role",
    "x-user",
    "x-tenant-id",
    "x-tenant-name",
    "x-tenant",
];

/// Removes the headers that only a validator may set, so that no client can say who it is.
pub fn remove_identity_headers(headers: &mut HeaderMap) {
    for name in OTHERS {
        headers.remove(name);
    }
    for part in OF_BOTH {
        headers.remove(format!("x-{part}"));
        headers.remove(format!("x-service-{part}"));
    }
}

/// The token of whoever asks; an empty one is none.
pub(super) fn user_token(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-auth-token").or_else(|| text(headers, "x-storage-token")).filter(|text| !text.is_empty())
}

/// The token of the service that hands the request on.
pub(super) fn service_token(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-service-token").filter(|text| !text.is_empty())
}

/// What is not text is no token that could be good, but it is one.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_says_who_he_is() {
        let mut headers = HeaderMap::new();
        for name in
            ["X-Roles", "X-User-Id", "X-Service-Roles", "X-Identity-Status", "X-Tenant", "X-Auth-Token"]
        {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name.clone(), "a".parse().unwrap());
            headers.append(name, "b".parse().unwrap());
        }
        remove_identity_headers(&mut headers);
        assert_eq!(
            headers.keys().map(reqwest::header::HeaderName::as_str).collect::<Vec<_>>(),
            ["x-auth-token"]
        );
        assert_eq!((user_token(&headers), service_token(&headers)), (Some("a"), None));
    }
}
