//! Validation of tokens with a real Keystone, beside the real keystonemiddleware.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test, in real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use nephoscope_openstack::tokens::{
    Authenticated, Rejection, TokenMetrics, TokenValidator, ValidationOptions,
};
use nephoscope_openstack::{
    ApplicationCredentialOptions, AuthOptions, HeaderMap, Method, PasswordOptions, ScopeOptions, Service,
    ServiceFilter, Session, SessionOptions, Url,
};
use observability::clock::Clock;
use observability::metrics::Metrics;
use serde_json::{Value, json};
use testkit::{Keystone, Proxy};

const NO_BROKER: &str = "fake://";
const PATIENCE: Duration = Duration::from_mins(1);

#[expect(clippy::unnecessary_wraps, reason = "what options are made of")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn session(auth: AuthOptions) -> Session {
    Session::new(SessionOptions::new(auth)).unwrap()
}

fn password(keystone: &Keystone, user: &str, password: &str, scope: ScopeOptions) -> AuthOptions {
    AuthOptions::Password(PasswordOptions {
        auth_url: keystone.url().to_owned(),
        username: some(user),
        user_domain_id: some("default"),
        password: password.to_owned().into(),
        scope,
        ..PasswordOptions::default()
    })
}

fn admin(keystone: &Keystone) -> Session {
    let scope = ScopeOptions {
        project_name: some("admin"),
        project_domain_id: some("default"),
        ..ScopeOptions::default()
    };
    session(password(keystone, keystone.user(), keystone.password(), scope))
}

/// A new token.
async fn token(auth: AuthOptions) -> String {
    session(auth).auth_headers().await.unwrap()["x-auth-token"].to_str().unwrap().to_owned()
}

async fn call(admin: &Session, method: Method, path: &str, body: Value) -> Value {
    let mut request = admin.request(method, &ServiceFilter::new("identity"), path);
    if !body.is_null() {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap().success().unwrap();
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// A role's id.
async fn role(admin: &Session, name: &str) -> String {
    let found = call(admin, Method::GET, "/roles", Value::Null).await;
    let known = found["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).cloned();
    let made = match known {
        Some(role) => role,
        None => call(admin, Method::POST, "/roles", json!({ "role": { "name": name } })).await["role"].take(),
    };
    made["id"].as_str().unwrap().to_owned()
}

/// A user with roles in a project; the ids of both.
async fn user(admin: &Session, name: &str, roles: &[&str]) -> (String, String) {
    let project = json!({ "project": { "name": name, "domain_id": "default" } });
    let project = call(admin, Method::POST, "/projects", project).await["project"]["id"].take();
    let body = json!({ "user": { "name": name, "password": name, "domain_id": "default" } });
    let user = call(admin, Method::POST, "/users", body).await["user"]["id"].take();
    let (user, project) = (user.as_str().unwrap().to_owned(), project.as_str().unwrap().to_owned());
    for name in roles {
        let role = role(admin, name).await;
        call(admin, Method::PUT, &format!("/projects/{project}/users/{user}/roles/{role}"), Value::Null)
            .await;
    }
    (user, project)
}

struct Validator {
    validator: TokenValidator,
    metrics: Metrics,
}

impl Validator {
    fn new(session: &Session, url: Option<&str>, change: impl FnOnce(&mut ValidationOptions)) -> Self {
        let mut filter = ServiceFilter::new("identity");
        filter.endpoint_override = url.map(|url| Url::parse(url).unwrap());
        let metrics = Metrics::new();
        let mut options = ValidationOptions::new("http://keystone/v3");
        change(&mut options);
        let counters = TokenMetrics::register(&metrics.component("tokens"));
        let keystone = Service::new(session.clone(), filter);
        let validator = TokenValidator::new(keystone, options, Clock::machine(), counters);
        Self { validator, metrics }
    }

    async fn ask(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
    ) -> Result<Authenticated, Rejection> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse::<nephoscope_openstack::HeaderName>().unwrap(), value.parse().unwrap());
        }
        self.validator.authenticate(&map, &method.parse().unwrap(), path).await
    }

    async fn is_good(&self, token: &str) -> bool {
        self.ask(&[("x-auth-token", token)], "GET", "/v1/metric").await.is_ok()
    }

    fn count(&self, outcome: &str) -> u64 {
        let name = format!("nephoscope_tokens_validated_total{{outcome=\"{outcome}\"}} ");
        let text = self.metrics.prometheus_text();
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }
}

/// What keystonemiddleware would say, from what we say.
fn shown(answer: &Result<Authenticated, Rejection>) -> Value {
    match answer {
        Err(Rejection::Unauthorized { www_authenticate }) => {
            json!({ "status": 401, "authenticate": www_authenticate, "told": null })
        }
        Err(Rejection::Unavailable { .. }) => json!({ "status": 503, "authenticate": null, "told": null }),
        Ok(found) => {
            let Some(user) = &found.user else { return json!({ "status": 200, "told": "nobody" }) };
            let mut roles = user.roles.clone();
            roles.sort();
            json!({ "status": 200, "authenticate": null, "told": {
                "X-User-Id": user.user_id,
                "X-Project-Id": user.project_id.clone().unwrap_or_default(),
                "X-Domain-Id": user.domain_id.clone().unwrap_or_default(),
                "X-Roles": roles.join(","),
                "X-Is-Admin-Project": if user.is_admin_project { "True" } else { "False" },
                "X-Identity-Status": "Confirmed",
            }})
        }
    }
}

/// Options of the middleware, headers, method and path.
type Case<'a> = (&'a Value, Vec<(&'a str, &'a str)>, (&'a str, &'a str));

/// One Keystone for everything that only asks, because starting it is what takes the time.
#[test]
fn tokens_are_those_of_keystonemiddleware() {
    let keystone = Keystone::start(NO_BROKER).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let admin = admin(&keystone);
        let (ann, project) = user(&admin, "ann", &["member", "reader"]).await;
        user(&admin, "agent", &["service"]).await;
        beside_the_original(&keystone, &admin, &ann, &project).await;
        what_is_remembered(&keystone, &admin, &project).await;
    });
}

async fn beside_the_original(keystone: &Keystone, admin: &Session, ann: &str, project: &str) {
    let of_project = |id: &str| ScopeOptions { project_id: some(id), ..ScopeOptions::default() };
    let member = role(admin, "member").await;
    call(admin, Method::PUT, &format!("/domains/default/users/{ann}/roles/{member}"), Value::Null).await;
    call(admin, Method::PUT, &format!("/system/users/{ann}/roles/{member}"), Value::Null).await;
    call(admin, Method::POST, "/services", json!({ "service": { "type": "metric", "name": "gnocchi" } }))
        .await;
    let metric = call(admin, Method::GET, "/services?type=metric", Value::Null).await;
    let metric = metric["services"][0]["id"].as_str().unwrap().to_owned();
    let endpoint = json!({ "endpoint": { "service_id": metric, "interface": "public", "url": "http://g" } });
    call(admin, Method::POST, "/endpoints", endpoint).await;

    let by_ann = |scope| password(keystone, "ann", "ann", scope);
    let anns = session(by_ann(of_project(project)));
    let trustor = admin.user_id().await.unwrap().unwrap();
    let trust = json!({ "trust": { "trustor_user_id": trustor, "trustee_user_id": ann, "impersonation": true,
        "project_id": admin.project_id().await.unwrap(), "roles": [{ "name": "reader" }] } });
    let trust = call(admin, Method::POST, "/OS-TRUST/trusts", trust).await;
    let trust_id = trust["trust"]["id"].as_str().map(str::to_owned);
    let rules = json!([{ "path": "/v1/metric/*", "method": "GET", "service": "metric" }]);
    let mut credentials = Vec::new();
    for (name, rules) in [("plain", Value::Null), ("ruled", rules)] {
        let mut body = json!({ "application_credential": { "name": name } });
        if !rules.is_null() {
            body["application_credential"]["access_rules"] = rules;
        }
        let made = call(&anns, Method::POST, &format!("/users/{ann}/application_credentials"), body).await;
        let of = |name: &str| made["application_credential"][name].as_str().unwrap().to_owned();
        credentials.push(AuthOptions::ApplicationCredential(ApplicationCredentialOptions {
            auth_url: keystone.url().to_owned(),
            id: Some(of("id")),
            secret: of("secret").into(),
            ..ApplicationCredentialOptions::default()
        }));
    }
    let ruled = token(credentials.pop().unwrap()).await;
    let plain = token(credentials.pop().unwrap()).await;
    let scoped = token(by_ann(of_project(project))).await;
    let of_domain =
        token(by_ann(ScopeOptions { domain_id: some("default"), ..ScopeOptions::default() })).await;
    let of_system =
        token(by_ann(ScopeOptions { system_scope: some("all"), ..ScopeOptions::default() })).await;
    let of_nothing = token(by_ann(ScopeOptions::default())).await;
    let of_trust = token(by_ann(ScopeOptions { trust_id, ..ScopeOptions::default() })).await;
    let agents_project = ScopeOptions {
        project_name: some("agent"),
        project_domain_id: some("default"),
        ..ScopeOptions::default()
    };
    let agent = token(password(keystone, "agent", "agent", agents_project)).await;
    let revoked = token(by_ann(of_project(project))).await;
    let revoke = admin.request(Method::DELETE, &ServiceFilter::new("identity"), "/auth/tokens");
    revoke.header("x-subject-token", &revoked).send().await.unwrap().success().unwrap();

    let plain_options = json!({
        "auth_type": "password", "auth_url": keystone.url(), "username": keystone.user(),
        "password": keystone.password(), "user_domain_id": "default", "project_name": "admin",
        "project_domain_id": "default", "interface": "public", "www_authenticate_uri": "http://keystone/v3",
    });
    let with = |name: &str, value: Value| {
        let mut options = plain_options.clone();
        options[name] = value;
        options
    };
    let lenient = with("service_token_roles_required", json!(false));
    let typed = with("service_type", json!("metric"));
    let untyped = with("service_type", json!("nothing"));
    let (user, service) = ("X-Auth-Token", "X-Service-Token");
    let spaced = format!(" {scoped} ");
    let get = ("GET", "/v1/metric");
    let cases: Vec<Case<'_>> = vec![
        (&plain_options, vec![], get),
        (&plain_options, vec![(user, "")], get),
        (&plain_options, vec![(user, "nonsense")], get),
        (&plain_options, vec![(user, &scoped)], get),
        (&plain_options, vec![("X-Storage-Token", &scoped)], get),
        (&plain_options, vec![(user, "nonsense"), ("X-Storage-Token", &scoped)], get),
        (&plain_options, vec![(user, &spaced)], get),
        (&plain_options, vec![(user, &scoped), ("X-Roles", "admin"), ("X-User-Id", "root")], get),
        (&plain_options, vec![("X-Roles", "admin"), ("X-User-Id", "root")], get),
        (&plain_options, vec![(user, &of_domain)], get),
        (&plain_options, vec![(user, &of_system)], get),
        (&plain_options, vec![(user, &of_nothing)], get),
        (&plain_options, vec![(user, &of_trust)], get),
        (&plain_options, vec![(user, &plain)], get),
        (&plain_options, vec![(user, &revoked)], get),
        (&plain_options, vec![(user, &scoped), (service, &agent)], get),
        (&plain_options, vec![(user, &scoped), (service, &of_domain)], get),
        (&plain_options, vec![(user, &scoped), (service, "nonsense")], get),
        (&plain_options, vec![(user, &scoped), (service, "")], get),
        (&plain_options, vec![(service, &agent)], get),
        (&lenient, vec![(user, &scoped), (service, &of_domain)], get),
        (&lenient, vec![(user, "nonsense"), (service, &agent)], get),
        (&plain_options, vec![(user, &ruled)], get),
        (&typed, vec![(user, &ruled)], get),
        (&typed, vec![(user, &ruled)], ("GET", "/v1/metric/abc")),
        (&typed, vec![(user, &ruled)], ("DELETE", "/v1/metric/abc")),
        (&typed, vec![(user, &ruled), (service, &agent)], ("DELETE", "/v1/metric/abc")),
        (&untyped, vec![(user, &ruled)], ("GET", "/v1/metric/abc")),
    ];
    let questions: Vec<Value> = cases
        .iter()
        .map(|(options, headers, (method, path))| {
            let headers: serde_json::Map<String, Value> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json!({ "options": options, "headers": headers, "method": method, "path": path })
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens.py");
    let answers = tokio::task::spawn_blocking(move || testkit::ask_python(script, &questions).unwrap());
    let answers = answers.await.unwrap();
    for (place, ((options, headers, (method, path)), theirs)) in cases.iter().zip(answers).enumerate() {
        let validator = Validator::new(admin, None, |ours| {
            ours.service_token_roles_required = options.get("service_token_roles_required").is_none();
            ours.service_type = options.get("service_type").and_then(Value::as_str).map(str::to_owned);
        });
        let ours = validator.ask(headers, method, path).await;
        assert_eq!(shown(&ours), theirs, "case {place}");
    }
    let validator = Validator::new(admin, None, |options| options.delay_auth_decision = true);
    assert!(validator.ask(&[(user, "nonsense")], "GET", "/").await.unwrap().user.is_none());
    let of_system = Validator::new(admin, None, |_| ()).ask(&[(user, &of_system)], "GET", "/").await.unwrap();
    assert!(of_system.user.unwrap().is_system);
}

/// What Keystone is asked, and what it need not be asked again.
async fn what_is_remembered(keystone: &Keystone, admin: &Session, project: &str) {
    let scope = ScopeOptions { project_id: some(project), ..ScopeOptions::default() };
    let good = token(password(keystone, "ann", "ann", scope.clone())).await;
    let validator = Validator::new(admin, None, |_| ());
    let many = (0..30).map(|_| validator.is_good(&good));
    assert!(futures_util::future::join_all(many).await.into_iter().all(|is_good| is_good));
    assert_eq!(validator.count("good"), 1);
    assert!(validator.is_good(&good).await);
    assert_eq!((validator.count("good"), validator.count("known")), (1, 1));
    for _ in 0..3 {
        assert!(!validator.is_good("nonsense").await);
    }
    assert_eq!((validator.count("refused"), validator.count("refused_known")), (1, 2));
    assert!(!format!("{:?}", validator.validator).contains(&good));

    // A revoked token is believed as long as the operator allows, and not at all where nothing is remembered.
    let forgetful = Validator::new(admin, None, |options| options.cache_time = None);
    assert!(forgetful.is_good(&good).await && forgetful.is_good(&good).await);
    assert_eq!(forgetful.count("good"), 2);
    let short = Validator::new(admin, None, |options| options.cache_time = Some(Duration::from_secs(10)));
    let since = Instant::now();
    assert!(short.is_good(&good).await);
    let revoke = admin.request(Method::DELETE, &ServiceFilter::new("identity"), "/auth/tokens");
    revoke.header("x-subject-token", &good).send().await.unwrap().success().unwrap();
    assert!(!forgetful.is_good(&good).await);
    while short.is_good(&good).await {
        assert!(since.elapsed() < PATIENCE, "a revoked token is believed for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(since.elapsed() >= Duration::from_secs(10));

    // Keystone goes away and comes back.
    let proxy = Proxy::to_port(keystone.port()).unwrap();
    let url = format!("http://127.0.0.1:{}/v3", proxy.port());
    let validator = Validator::new(admin, Some(&url), |options| options.retries_max = 0);
    let (first, second) = (
        token(password(keystone, "ann", "ann", scope.clone())).await,
        token(password(keystone, "ann", "ann", scope)).await,
    );
    assert!(validator.is_good(&first).await);
    proxy.refuse();
    proxy.cut().unwrap();
    assert!(validator.is_good(&first).await);
    let failed = validator.ask(&[("x-auth-token", &second)], "GET", "/").await.unwrap_err();
    assert!(matches!(&failed, Rejection::Unavailable { .. }), "{failed:?}");
    proxy.accept().unwrap();
    assert!(validator.is_good(&second).await);
    assert_eq!(validator.count("unavailable"), 1);
}

/// The story: a long upload was handed on by a service when the user's token had just expired.
#[test]
fn an_expired_token_is_good_in_the_hands_of_a_service() {
    let keystone = Keystone::builder(NO_BROKER).option("token", "expiration", "15").start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let admin = admin(&keystone);
        let (_, project) = user(&admin, "ann", &["member"]).await;
        let (_, agents) = user(&admin, "agent", &["service"]).await;
        let scope = |id: &str| ScopeOptions { project_id: some(id), ..ScopeOptions::default() };
        let validator = Validator::new(&admin, None, |_| ());
        let of_ann = token(password(&keystone, "ann", "ann", scope(&project))).await;
        assert!(validator.is_good(&of_ann).await);
        let since = Instant::now();
        while validator.is_good(&of_ann).await {
            assert!(since.elapsed() < PATIENCE, "the token does not expire");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Known or not, and the service's own token is a fresh one.
        for validator in [&validator, &Validator::new(&admin, None, |_| ())] {
            assert!(!validator.is_good(&of_ann).await);
            let agent = token(password(&keystone, "agent", "agent", scope(&agents))).await;
            let both = [("x-auth-token", of_ann.as_str()), ("x-service-token", agent.as_str())];
            let found = validator.ask(&both, "GET", "/v1/metric").await.unwrap();
            assert_eq!(found.user.unwrap().project_id.as_deref(), Some(project.as_str()));
            assert_eq!(found.service.unwrap().roles, ["service"]);
        }
    });
}
