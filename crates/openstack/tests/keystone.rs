//! Sessions with a real Keystone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test, in real time")]

use std::time::Duration;

use nephoscope_openstack::{
    ApplicationCredentialOptions, AuthOptions, Error, Method, PasswordOptions, Response, ScopeOptions,
    Service, ServiceFilter, Session, SessionOptions, TokenOptions, Url,
};
use serde_json::{Value, json};
use testkit::{Cloud, Keystone, Proxy};

/// Nobody listens to what this Keystone notifies.
const NO_BROKER: &str = "fake://";

#[expect(clippy::unnecessary_wraps, reason = "what options are made of")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn admin(keystone: &Keystone, scope: ScopeOptions) -> PasswordOptions {
    PasswordOptions {
        auth_url: keystone.url().to_owned(),
        username: some(keystone.user()),
        user_domain_id: some("default"),
        password: keystone.password().to_owned().into(),
        scope,
        ..PasswordOptions::default()
    }
}

fn admin_project() -> ScopeOptions {
    ScopeOptions {
        project_name: some("admin"),
        project_domain_name: some("Default"),
        ..ScopeOptions::default()
    }
}

fn session(auth: AuthOptions) -> Session {
    Session::new(SessionOptions::new(auth)).unwrap()
}

fn identity(session: &Session) -> Service {
    Service::new(session.clone(), ServiceFilter::new("identity"))
}

async fn create(service: &Service, kind: &str, body: Value) -> Value {
    let path = format!("/{kind}s");
    let request = service.request(Method::POST, &path).json(&json!({ kind: body }));
    request.send().await.unwrap().success().unwrap().json::<Value>().unwrap()[kind].take()
}

async fn put(service: &Service, path: &str) -> Response {
    service.request(Method::PUT, path).send().await.unwrap().success().unwrap()
}

async fn token(session: &Session) -> String {
    session.auth_headers().await.unwrap()["x-auth-token"].to_str().unwrap().to_owned()
}

/// One Keystone for everything that only asks, because starting it is what takes the time.
#[test]
fn identities_scopes_catalogue_and_names() {
    let keystone = Keystone::start(NO_BROKER).unwrap();
    let cloud = keystone.cloud().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let session = session(AuthOptions::Password(admin(&keystone, admin_project())));
        auth_urls(&keystone).await;
        identities(&keystone, &session).await;
        scopes(&keystone, &session).await;
        renewal(&session).await;
        one_at_a_time(&keystone).await;
        names(&session, &cloud).await;
        catalogue(&keystone, &session, &cloud).await;
        refusals(&keystone, &cloud).await;
    });
}

/// With a version, without one, with a slash behind, and what is no Keystone.
async fn auth_urls(keystone: &Keystone) {
    let root = keystone.url().trim_end_matches("/v3");
    for (auth_url, v3_only) in [
        (root.to_owned(), false),
        (format!("{root}/"), false),
        (format!("{root}/v3"), false),
        (format!("{root}/v3/"), false),
        (root.to_owned(), true),
        (format!("{root}/v3"), true),
    ] {
        let options = PasswordOptions { auth_url, v3_only, ..admin(keystone, admin_project()) };
        let shown = format!("{options:?}");
        let session = session(AuthOptions::Password(options));
        assert!(session.project_id().await.unwrap().is_some(), "{shown}");
        assert_eq!(session.endpoint(&ServiceFilter::new("identity")).await.unwrap().as_str(), keystone.url());
    }
    let options = PasswordOptions { auth_url: format!("{root}/nothing"), ..admin(keystone, admin_project()) };
    let error = session(AuthOptions::Password(options)).project_id().await.unwrap_err();
    assert_eq!(error.cause(), "credentials");
    assert!(error.to_string().contains("auth_url"), "{error}");
}

/// The token and the application credential that the password gives are identities as well.
async fn identities(keystone: &Keystone, by_password: &Session) {
    let user = by_password.user_id().await.unwrap().unwrap();
    let project = by_password.project_id().await.unwrap();
    let by_token = TokenOptions {
        auth_url: keystone.url().to_owned(),
        token: token(by_password).await.into(),
        scope: admin_project(),
        ..TokenOptions::default()
    };
    let by_token = session(AuthOptions::Token(by_token));
    assert_eq!(by_token.project_id().await.unwrap(), project);
    assert_ne!(token(&by_token).await, token(by_password).await);

    let path = format!("/users/{user}/application_credentials");
    let body = json!({ "application_credential": { "name": "for tests" } });
    let made = identity(by_password).request(Method::POST, &path).json(&body).send().await.unwrap();
    let made: Value = made.success().unwrap().json().unwrap();
    let (id, secret) = (&made["application_credential"]["id"], &made["application_credential"]["secret"]);
    let by_id = ApplicationCredentialOptions {
        auth_url: keystone.url().to_owned(),
        id: id.as_str().map(str::to_owned),
        secret: secret.as_str().unwrap().to_owned().into(),
        ..ApplicationCredentialOptions::default()
    };
    let by_name = ApplicationCredentialOptions {
        id: None,
        name: some("for tests"),
        username: some(keystone.user()),
        user_domain_name: some("Default"),
        ..by_id.clone()
    };
    for options in [by_id.clone(), by_name] {
        let session = session(AuthOptions::ApplicationCredential(options));
        assert_eq!(session.project_id().await.unwrap(), project);
        assert_eq!(session.user_id().await.unwrap().as_deref(), Some(user.as_str()));
    }
    // What is left over of a password's section.
    let scoped = ApplicationCredentialOptions { scope: admin_project(), ..by_id };
    let error = session(AuthOptions::ApplicationCredential(scoped)).project_id().await.unwrap_err();
    assert!(error.to_string().contains("give no project"), "{error}");
    let secret = secret.as_str().unwrap();
    assert!(!error.to_string().contains(secret));
}

async fn scopes(keystone: &Keystone, admin_session: &Session) {
    let user = admin_session.user_id().await.unwrap().unwrap();
    let project = admin_session.project_id().await.unwrap().unwrap();
    let service = identity(admin_session);
    let roles = service.request(Method::GET, "/roles").query("name", "admin").send().await.unwrap();
    let roles: Value = roles.json().unwrap();
    let role = roles["roles"][0]["id"].as_str().unwrap();
    put(&service, &format!("/domains/default/users/{user}/roles/{role}")).await;
    let trust = json!({ "trust": {
        "trustor_user_id": user, "trustee_user_id": user, "project_id": project, "impersonation": false,
        "roles": [{ "name": "admin" }],
    }});
    let trust = service.request(Method::POST, "/OS-TRUST/trusts").json(&trust).send().await.unwrap();
    let trust: Value = trust.success().unwrap().json().unwrap();
    for (scope, has_project, has_catalogue) in [
        (ScopeOptions { project_id: some(&project), ..ScopeOptions::default() }, true, true),
        (admin_project(), true, true),
        (ScopeOptions { domain_id: some("default"), ..ScopeOptions::default() }, false, true),
        (ScopeOptions { domain_name: some("Default"), ..ScopeOptions::default() }, false, true),
        (ScopeOptions { system_scope: some("all"), ..ScopeOptions::default() }, false, true),
        (
            ScopeOptions {
                trust_id: trust["trust"]["id"].as_str().map(str::to_owned),
                ..ScopeOptions::default()
            },
            true,
            true,
        ),
        (ScopeOptions::default(), false, false),
    ] {
        let session = session(AuthOptions::Password(admin(keystone, scope.clone())));
        assert_eq!(session.project_id().await.unwrap().is_some(), has_project, "{scope:?}");
        let endpoint = session.endpoint(&ServiceFilter::new("identity")).await;
        assert_eq!(endpoint.is_ok(), has_catalogue, "{scope:?}");
        if let Err(error) = endpoint {
            assert_eq!(error.cause(), "no_endpoint");
        }
    }
}

/// A token that Keystone no longer takes is replaced, and the request repeated.
async fn renewal(session: &Session) {
    let revoked = token(session).await;
    let revoke =
        identity(session).request(Method::DELETE, "/auth/tokens").header("x-subject-token", &revoked);
    revoke.send().await.unwrap().success().unwrap();
    let users = identity(session).request(Method::GET, "/users").send().await.unwrap();
    users.success().unwrap();
    let renewed = token(session).await;
    assert_ne!(renewed, revoked);
    session.invalidate();
    assert_ne!(token(session).await, renewed);
}

/// Whoever comes while somebody authenticates takes the same token.
async fn one_at_a_time(keystone: &Keystone) {
    let session = session(AuthOptions::Password(admin(keystone, admin_project())));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let session = session.clone();
        tasks.spawn(async move { token(&session).await });
    }
    let mut tokens = tasks.join_all().await;
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

async fn names(session: &Session, cloud: &Cloud) {
    let project = cloud.create_project("a project ü").unwrap();
    let user = cloud.create_user("a user", "secret").unwrap();
    let filter = ServiceFilter::new("identity");
    assert_eq!(session.project_name(&filter, &project).await.unwrap().as_deref(), Some("a project ü"));
    assert_eq!(session.user_name(&filter, &user).await.unwrap().as_deref(), Some("a user"));
    assert_eq!(session.user_name(&filter, &project).await.unwrap(), None);
    for strange in ["", "..", "a/b", "a?b", "ü", " ", "%2e"] {
        assert_eq!(session.project_name(&filter, strange).await.unwrap(), None, "{strange:?}");
    }
    for (domain, name, expected) in [
        ("Default", "a project ü", Some(project.as_str())),
        ("default", "a project ü", Some(&project)),
        ("Default", project.as_str(), Some(&project)),
        ("Default", "nobody", None),
        ("nowhere", "a project ü", None),
        ("Default", "", None),
    ] {
        let found = session.project_id_by_name(&filter, domain, name).await.unwrap();
        assert_eq!(found.as_deref(), expected, "{domain} {name}");
    }
}

async fn catalogue(keystone: &Keystone, session: &Session, cloud: &Cloud) {
    let service = cloud.register_service("gnocchi", "metric", "http://g:8041").unwrap();
    let identity = identity(session);
    create(&identity, "region", json!({ "id": "Second" })).await;
    for (interface, url) in [("public", "http://g2:8041/"), ("internal", "http://g2i:8041")] {
        let endpoint =
            json!({ "service_id": service, "interface": interface, "url": url, "region_id": "Second" });
        create(&identity, "endpoint", endpoint).await;
    }
    let gnocchi = ServiceFilter::new("metric").with_name("gnocchi");
    // The catalogue comes with the token.
    session.invalidate();
    let first = keystone.region();
    for (filter, expected) in [
        (gnocchi.clone().with_region(Some(first)), Some("http://g:8041/")),
        (gnocchi.clone().with_region(Some("Second")), Some("http://g2:8041/")),
        (gnocchi.clone().with_region(Some("Second")).with_interface("internalURL"), Some("http://g2i:8041/")),
        (gnocchi.clone().with_region(Some("Second")).with_interface("admin"), None),
        (gnocchi.clone().with_region(Some("Third")), None),
        (ServiceFilter::new("metric").with_name("other"), None),
        (ServiceFilter::new("messaging"), None),
        (
            ServiceFilter { endpoint_override: Some(Url::parse("http://o/x").unwrap()), ..gnocchi.clone() },
            Some("http://o/x"),
        ),
    ] {
        let found = session.endpoint(&filter).await;
        assert_eq!(found.as_ref().ok().map(Url::as_str), expected, "{filter:?} {found:?}");
    }
}

/// Each refusal is told apart, and none shows the secret.
async fn refusals(keystone: &Keystone, cloud: &Cloud) {
    let wrong =
        PasswordOptions { password: "swordfish".to_owned().into(), ..admin(keystone, admin_project()) };
    let error = session(AuthOptions::Password(wrong)).project_id().await.unwrap_err();
    assert_eq!(error.cause(), "credentials");
    assert!(error.to_string().contains("user admin") && !error.to_string().contains("swordfish"), "{error}");
    let nowhere = ScopeOptions { project_id: some("nowhere"), ..ScopeOptions::default() };
    let error = session(AuthOptions::Password(admin(keystone, nowhere))).project_id().await.unwrap_err();
    assert_eq!(error.cause(), "credentials");

    // A user who may not look.
    let project = cloud.create_project("small").unwrap();
    let user = cloud.create_user("small", "small").unwrap();
    let role = cloud.create_role("small").unwrap();
    cloud.assign_role(&project, &user, &role).unwrap();
    let small = PasswordOptions {
        auth_url: keystone.url().to_owned(),
        user_id: some(&user),
        password: "small".to_owned().into(),
        scope: ScopeOptions { project_id: some(&project), ..ScopeOptions::default() },
        ..PasswordOptions::default()
    };
    let small = session(AuthOptions::Password(small));
    let filter = ServiceFilter::new("identity");
    let error = small.project_id_by_name(&filter, "Default", "admin").await.unwrap_err();
    assert!(matches!(error, Error::Refused { status, .. } if status == 403), "{error:?}");
    // The user is locked out: the token is refused, and there is no new one.
    cloud.update_user(&user, &json!({ "enabled": false })).unwrap();
    let error = small.project_name(&filter, &project).await.unwrap_err();
    assert_eq!(error.cause(), "credentials", "{error}");
}

/// Keystone down at the start, up later, down again while the token is good, and slow.
#[test]
fn keystone_comes_and_goes() {
    let keystone = Keystone::start(NO_BROKER).unwrap();
    let proxy = Proxy::to_port(keystone.port()).unwrap();
    proxy.refuse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for path in ["/v3", ""] {
        let auth_url = format!("http://127.0.0.1:{}{path}", proxy.port());
        let options = PasswordOptions { auth_url, ..admin(&keystone, admin_project()) };
        let session = session(AuthOptions::Password(options));
        let error = runtime.block_on(session.project_id()).unwrap_err();
        assert_eq!(error.cause(), "unavailable", "{error}");
        proxy.accept().unwrap();
        assert!(runtime.block_on(session.project_id()).unwrap().is_some());
        proxy.refuse();
        proxy.cut().unwrap();
        // The token is good, and the catalogue's address does not go through the proxy.
        let users = identity(&session).request(Method::GET, "/users");
        runtime.block_on(users.send()).unwrap().success().unwrap();
        session.invalidate();
        let error = runtime.block_on(session.project_id()).unwrap_err();
        assert_eq!(error.cause(), "unavailable", "{error}");
        proxy.accept().unwrap();
        proxy.stall();
        let slow = identity(&session).request(Method::GET, "/users").deadline(Duration::from_millis(100));
        let error = runtime.block_on(slow.send()).unwrap_err();
        assert_eq!(error.cause(), "timeout", "{error}");
        proxy.resume();
        assert!(runtime.block_on(session.project_id()).unwrap().is_some());
        proxy.refuse();
        proxy.cut().unwrap();
    }
}
