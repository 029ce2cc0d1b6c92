use openstack::{AuthOptions, CacheOptions};
use oslo_config::Loader;

use super::*;

fn config(settings: &[(&str, &str)]) -> Config {
    let mut loader = Loader::new("test");
    loader.default_sources = false;
    loader.env = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    loader.load().unwrap().config
}

fn credentials(settings: &[(&str, &str)]) -> Result<SessionOptions, String> {
    let settings: Vec<(String, &str)> = settings
        .iter()
        .map(|(name, value)| (format!("OS_SERVICE_CREDENTIALS__{}", name.to_ascii_uppercase()), *value))
        .collect();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let config = config(&settings);
    session_options(&config.credentials(CredentialsOf::Service)).map_err(|error| error.to_string())
}

const PASSWORD: [(&str, &str); 6] = [
    ("auth_type", "password"),
    ("auth_url", "http://controller:5000"),
    ("username", "ceilometer"),
    ("password", "swordfish"),
    ("project_name", "service"),
    ("default_domain_id", "default"),
];

#[test]
fn a_password_section_becomes_a_session() {
    let options = credentials(&PASSWORD).unwrap();
    assert_eq!(options.timeout, Duration::from_mins(1));
    let AuthOptions::Password(password) = options.auth else { panic!("{:?}", options.auth) };
    assert!(!password.v3_only);
    assert_eq!(password.user_domain_id.as_deref(), Some("default"));
    assert_eq!(password.scope.project_domain_id.as_deref(), Some("default"));
    assert_eq!(password.password.expose(), "swordfish");
}

#[test]
fn what_is_wrong_names_section_and_option() {
    let change = |name: &'static str, value: &'static str| {
        let mut settings = PASSWORD.to_vec();
        settings.retain(|(known, _)| *known != name);
        settings.push((name, value));
        credentials(&settings)
    };
    for (found, words) in [
        (credentials(&[]), "[service_credentials] auth_type is not set"),
        (
            change("auth_type", "v3totp"),
            "[service_credentials] auth_type = v3totp: this plugin of keystoneauth is not supported; use password",
        ),
        (change("auth_type", "pasword"), "auth_type = pasword: there is no such plugin"),
        // The plugin with a version has no default domain.
        (
            change("auth_type", "v3password"),
            "[service_credentials]: username is given without the user's domain",
        ),
        (change("auth_url", ""), "[service_credentials]: auth_url is missing"),
        (change("auth_url", "controller"), "[service_credentials]: auth_url is no address"),
        (change("default_domain_id", ""), "without the user's domain"),
        (change("system_scope", "all"), "project_id or project_name, system_scope"),
        (change("timeout", "0"), "[service_credentials] timeout = 0: "),
        (change("timeout", "-1"), "timeout = -1: "),
        (
            credentials(&[("auth_type", "gnocchi-noauth"), ("endpoint", "http://g:8041")]),
            "[service_credentials] user_id is not set",
        ),
        (credentials(&[("auth_type", "gnocchi-basic"), ("user", "u")]), "endpoint is not set"),
        (
            credentials(&[("auth_type", "none"), ("endpoint", "g:8041")]),
            "[service_credentials] endpoint = g:8041: not an http://",
        ),
        (credentials(&[("auth_type", "http_basic")]), "username or password is missing"),
    ] {
        let error = found.unwrap_err();
        assert!(error.contains(words), "{error:?} lacks {words:?}");
        assert!(!error.contains("swordfish"), "{error}");
    }
}

#[test]
fn plugins_without_keystone_need_no_more_than_their_own_options() {
    let noauth = credentials(&[
        ("auth_type", "gnocchi-noauth"),
        ("endpoint", "http://g:8041"),
        ("user_id", "u"),
        ("project_id", "p"),
    ]);
    let AuthOptions::GnocchiNoauth { roles, .. } = noauth.unwrap().auth else { panic!() };
    assert_eq!(roles, "admin");
    for auth_type in ["none", "noauth"] {
        let none = credentials(&[("auth_type", auth_type)]).unwrap().auth;
        assert_eq!(none, AuthOptions::None { endpoint: None });
    }
}

#[test]
fn tls_options_are_taken_as_keystoneauth_takes_them() {
    let with = |more: &[(&'static str, &'static str)]| {
        let settings: Vec<(&str, &str)> = PASSWORD.iter().chain(more).copied().collect();
        credentials(&settings).unwrap().tls
    };
    assert_eq!(with(&[("cafile", "")]), TlsOptions::default());
    assert_eq!(with(&[("keyfile", "/k.pem")]), TlsOptions::default());
    let tls = with(&[
        ("keyfile", "/k.pem"),
        ("certfile", "/c.pem"),
        ("insecure", "yes"),
        ("tls_min_version", "1.3"),
    ]);
    assert!(tls.insecure && tls.keyfile.is_some() && tls.certfile.is_some());
    assert_eq!(tls.min_version, Some(TlsVersion::V1_3));
}

#[test]
fn sections_that_say_the_same_share_a_session() {
    let mut settings: Vec<(String, String)> = PASSWORD
        .iter()
        .map(|(name, value)| {
            (format!("OS_SERVICE_CREDENTIALS__{}", name.to_ascii_uppercase()), (*value).to_owned())
        })
        .collect();
    settings.push(("OS_ZAQAR__AUTH_SECTION".into(), "zaqar".into()));
    settings.push(("OS_ZAQAR__AUTH_TYPE".into(), "none".into()));
    settings.push(("OS_REGION_NAME".into(), "RegionOne".into()));
    settings.push(("OS_INTERFACE".into(), "internalURL".into()));
    let mut loader = Loader::new("test");
    loader.default_sources = false;
    loader.env = settings.into_iter().collect();
    let config = loader.load().unwrap().config;
    let sessions = Sessions::new(&config, &BTreeMap::new());
    let gnocchi = sessions.service(CredentialsOf::Gnocchi, "metric", Some("gnocchi")).unwrap();
    assert_eq!(gnocchi.filter.interface.as_deref(), Some("internalURL"));
    assert_eq!(gnocchi.filter.region_name.as_deref(), Some("RegionOne"));
    assert_eq!(gnocchi.filter.service_name.as_deref(), Some("gnocchi"));
    sessions.service(CredentialsOf::Service, "identity", None).unwrap();
    assert_eq!(sessions.made.lock().unwrap().len(), 1);
    sessions.service(CredentialsOf::Zaqar, "messaging", None).unwrap();
    assert_eq!(sessions.made.lock().unwrap().len(), 2);
}

#[test]
fn a_cafile_that_is_not_there_is_found_before_anything_is_sent() {
    let mut settings: Vec<(String, &str)> = PASSWORD
        .iter()
        .map(|(name, value)| (format!("OS_SERVICE_CREDENTIALS__{}", name.to_ascii_uppercase()), *value))
        .collect();
    settings.push(("OS_SERVICE_CREDENTIALS__CAFILE".into(), "/nowhere/ca.pem"));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let sessions = Sessions::new(&config(&settings), &BTreeMap::new());
    let error = sessions.service(CredentialsOf::Service, "identity", None).unwrap_err().to_string();
    assert!(error.starts_with("[service_credentials]: cannot read CA file /nowhere/ca.pem"), "{error}");
}

fn cache(settings: &[(&str, &str)]) -> Result<CacheOptions, String> {
    let settings: Vec<(String, &str)> = settings
        .iter()
        .map(|(name, value)| (format!("OS_CACHE__{}", name.to_ascii_uppercase()), *value))
        .collect();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    cache_options(&config(&settings)).map_err(|error| error.to_string())
}

#[test]
fn the_cache_is_in_process_unless_one_is_configured() {
    let minutes = |minutes| CacheOptions::InProcess { expiration: Duration::from_mins(minutes) };
    assert_eq!(cache(&[]), Ok(minutes(10)));
    assert_eq!(cache(&[("backend", "dogpile.cache.redis"), ("expiration_time", "60")]), Ok(minutes(10)));
    assert_eq!(cache(&[("enabled", "true")]), Ok(CacheOptions::Null));
    let memory = [("enabled", "true"), ("backend", "oslo_cache.dict"), ("expiration_time", "60")];
    assert_eq!(cache(&memory), Ok(minutes(1)));
}

#[test]
fn memcached_and_redis_take_their_options() {
    let Ok(CacheOptions::Memcached(memcached)) = cache(&[
        ("enabled", "true"),
        ("backend", "oslo_cache.memcache_pool"),
        ("memcache_servers", "a:1, b:2"),
        ("socket_timeout", "0.5"),
        ("memcache_dead_retry", "7"),
    ]) else {
        panic!()
    };
    assert_eq!(memcached.servers, ["a:1", "b:2"]);
    assert_eq!(
        (memcached.timeout, memcached.dead_retry),
        (Duration::from_millis(500), Duration::from_secs(7))
    );
    assert_eq!(memcached.backend_expiration, None);
    let redis = [
        ("enabled", "true"),
        ("backend", "dogpile.cache.redis"),
        ("redis_db", "3"),
        ("password", "swordfish"),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let settings: Vec<(&str, &str)> = redis.iter().chain(more).copied().collect();
        cache(&settings)
    };
    let Ok(CacheOptions::Redis(redis)) = with(&[("backend_expiration_time", "700")]) else { panic!() };
    assert_eq!((redis.server.as_str(), redis.database), ("localhost:6379", 3));
    assert_eq!(redis.backend_expiration, Some(Duration::from_secs(700)));
    assert!(!format!("{redis:?}").contains("swordfish"));
    let Ok(CacheOptions::Redis(redis)) = with(&[("backend_argument", "url:rediss://u:p@cache:1/5")]) else {
        panic!()
    };
    assert_eq!((redis.server.as_str(), redis.database, redis.username.as_deref()), ("cache:1", 5, Some("u")));
    assert!(redis.tls.is_some());
    let sentinels = [
        ("enabled", "true"),
        ("backend", "dogpile.cache.redis_sentinel"),
        ("redis_sentinels", "one:26379,two:26380"),
        ("redis_sentinel_service_name", "names"),
    ];
    let Ok(CacheOptions::Redis(redis)) = cache(&sentinels) else { panic!() };
    let sentinels = redis.sentinels.unwrap();
    assert_eq!(
        (sentinels.addresses.join(" ").as_str(), sentinels.service.as_str()),
        ("one:26379 two:26380", "names")
    );
}

#[test]
fn what_is_wrong_with_the_cache_names_the_option() {
    let enabled = |name: &'static str, value: &'static str, backend: &'static str| {
        cache(&[("enabled", "true"), ("backend", backend), (name, value)])
    };
    for (found, words) in [
        (
            enabled("memcache_sasl_enabled", "true", "dogpile.cache.memcached"),
            "[cache] memcache_sasl_enabled",
        ),
        (enabled("socket_timeout", "0", "dogpile.cache.redis"), "[cache] socket_timeout = 0"),
        (
            enabled("backend_expiration_time", "5", "dogpile.cache.redis"),
            "[cache] backend_expiration_time = 5",
        ),
        (enabled("backend_argument", "url:http://h", "dogpile.cache.redis"), "[cache] backend_argument"),
    ] {
        let error = found.unwrap_err();
        assert!(error.contains(words), "{error:?} lacks {words:?}");
    }
    let servers = config(&[
        ("OS_CACHE__ENABLED", "true"),
        ("OS_CACHE__BACKEND", "dogpile.cache.memcached"),
        ("OS_CACHE__MEMCACHE_SERVERS", "unix:/run/m.sock"),
    ]);
    let error = Sessions::new(&servers, &BTreeMap::new()).cache().unwrap_err().to_string();
    assert!(error.starts_with("[cache]: memcache_servers: "), "{error}");
}

#[test]
fn commands_see_no_options_and_no_service_manager() {
    let env = [
        "PATH",
        "OS_CLOUD",
        "OS_PUBLISHER__TELEMETRY_SECRET",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
    ];
    let env: BTreeMap<String, String> =
        env.into_iter().map(|name| (name.to_owned(), "x".to_owned())).collect();
    let surroundings = Sessions::new(&config(&[]), &env).of_dynamic_pollsters();
    let names: Vec<&str> = surroundings.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["OS_CLOUD", "PATH"]);
    assert!(!format!("{surroundings:?}").contains("OS_CLOUD"));
}
