//! The body of `POST /v3/auth/tokens`, as keystoneauth writes it.

use serde_json::{Map, Value, json};

use super::Identity;
use crate::options::ScopeOptions;

/// The body as JSON text. It holds the secret.
pub(super) fn body(identity: &Identity) -> Vec<u8> {
    let (method, details, scope) = match identity {
        Identity::Password(options) => {
            let mut user = user(
                options.user_id.as_deref(),
                options.username.as_deref(),
                options.user_domain_id.as_deref(),
                options.user_domain_name.as_deref(),
            );
            user.insert("password".into(), options.password.expose().as_str().into());
            ("password", json!({ "user": user }), &options.scope)
        }
        Identity::ApplicationCredential(options) => {
            let mut details = Map::new();
            details.insert("secret".into(), options.secret.expose().as_str().into());
            if let Some(id) = given(options.id.as_deref()) {
                details.insert("id".into(), id.into());
            } else {
                details.insert("name".into(), options.name.as_deref().into());
                let user = user(
                    options.user_id.as_deref(),
                    options.username.as_deref(),
                    options.user_domain_id.as_deref(),
                    options.user_domain_name.as_deref(),
                );
                details.insert("user".into(), user.into());
            }
            ("application_credential", details.into(), &options.scope)
        }
        Identity::Token(options) => ("token", json!({ "id": options.token.expose() }), &options.scope),
    };
    let mut auth = json!({ "identity": { "methods": [method], method: details } });
    if let (Some(auth), Some(scope)) = (auth.as_object_mut(), scope_of(scope)) {
        auth.insert("scope".into(), scope);
    }
    json!({ "auth": auth }).to_string().into_bytes()
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn user(
    id: Option<&str>,
    name: Option<&str>,
    domain_id: Option<&str>,
    domain_name: Option<&str>,
) -> Map<String, Value> {
    let mut user = Map::new();
    if let Some(id) = given(id) {
        user.insert("id".into(), id.into());
    } else if let Some(name) = given(name) {
        user.insert("name".into(), name.into());
        user.extend(domain(domain_id, domain_name).map(|domain| ("domain".to_owned(), domain)));
    }
    user
}

/// The id counts before the name.
fn domain(id: Option<&str>, name: Option<&str>) -> Option<Value> {
    match (given(id), given(name)) {
        (Some(id), _) => Some(json!({ "id": id })),
        (None, Some(name)) => Some(json!({ "name": name })),
        (None, None) => None,
    }
}

fn scope_of(scope: &ScopeOptions) -> Option<Value> {
    if let Some(domain) = domain(scope.domain_id.as_deref(), scope.domain_name.as_deref()) {
        return Some(json!({ "domain": domain }));
    }
    if let Some(id) = given(scope.project_id.as_deref()) {
        return Some(json!({ "project": { "id": id } }));
    }
    if let Some(name) = given(scope.project_name.as_deref()) {
        let mut project = Map::new();
        project.insert("name".into(), name.into());
        let domain = domain(scope.project_domain_id.as_deref(), scope.project_domain_name.as_deref());
        project.extend(domain.map(|domain| ("domain".to_owned(), domain)));
        return Some(json!({ "project": project }));
    }
    if let Some(id) = given(scope.trust_id.as_deref()) {
        return Some(json!({ "OS-TRUST:trust": { "id": id } }));
    }
    given(scope.system_scope.as_deref()).map(|_| json!({ "system": { "all": true } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApplicationCredentialOptions, PasswordOptions, TokenOptions};

    #[expect(clippy::unnecessary_wraps, reason = "what options are made of")]
    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn check(identity: &Identity, expected: &Value) {
        let written: Value = serde_json::from_slice(&body(identity)).unwrap();
        assert_eq!(written, json!({ "auth": expected }));
    }

    #[test]
    fn each_identity_has_its_form() {
        let by_name = PasswordOptions {
            username: some("u"),
            user_domain_name: some("Default"),
            password: "p".to_owned().into(),
            ..PasswordOptions::default()
        };
        let user = json!({ "name": "u", "domain": { "name": "Default" }, "password": "p" });
        let expected = json!({ "identity": { "methods": ["password"], "password": { "user": user } } });
        check(&Identity::Password(by_name.clone()), &expected);
        let by_id = PasswordOptions { user_id: some("i"), ..by_name };
        let user = json!({ "id": "i", "password": "p" });
        let expected = json!({ "identity": { "methods": ["password"], "password": { "user": user } } });
        check(&Identity::Password(by_id), &expected);

        let credential = ApplicationCredentialOptions {
            id: some("i"),
            secret: "s".to_owned().into(),
            ..ApplicationCredentialOptions::default()
        };
        let details = json!({ "id": "i", "secret": "s" });
        let expected = json!({ "identity": { "methods": ["application_credential"], "application_credential": details } });
        check(&Identity::ApplicationCredential(credential.clone()), &expected);
        let named = ApplicationCredentialOptions {
            id: None,
            name: some("n"),
            username: some("u"),
            user_domain_id: some("d"),
            user_domain_name: some("ignored"),
            ..credential
        };
        let user = json!({ "name": "u", "domain": { "id": "d" } });
        let details = json!({ "name": "n", "secret": "s", "user": user });
        let expected = json!({ "identity": { "methods": ["application_credential"], "application_credential": details } });
        check(&Identity::ApplicationCredential(named), &expected);

        let token = TokenOptions { token: "t".to_owned().into(), ..TokenOptions::default() };
        check(
            &Identity::Token(token),
            &json!({ "identity": { "methods": ["token"], "token": { "id": "t" } } }),
        );
    }

    #[test]
    fn each_scope_has_its_form() {
        let scope = |change: fn(&mut ScopeOptions)| {
            let mut scope = ScopeOptions::default();
            change(&mut scope);
            scope_of(&scope)
        };
        assert_eq!(scope(|_| ()), None);
        assert_eq!(scope(|scope| scope.project_id = some("p")), Some(json!({ "project": { "id": "p" } })));
        assert_eq!(
            scope(|scope| {
                scope.project_name = some("p");
                scope.project_domain_name = some("d");
            }),
            Some(json!({ "project": { "name": "p", "domain": { "name": "d" } } }))
        );
        assert_eq!(scope(|scope| scope.domain_name = some("d")), Some(json!({ "domain": { "name": "d" } })));
        assert_eq!(
            scope(|scope| scope.trust_id = some("t")),
            Some(json!({ "OS-TRUST:trust": { "id": "t" } }))
        );
        assert_eq!(
            scope(|scope| scope.system_scope = some("all")),
            Some(json!({ "system": { "all": true } }))
        );
    }
}
