//! `[service_credentials]`, `[gnocchi]`, `[zaqar]` and every section that an `auth_section` names:
//! options of a keystoneauth session and of its authentication plugins.
//!
//! Read them through [`crate::Config::credentials`], which finds the right section. Names are written
//! with underscores in the file; keystoneauth's hyphens are those of command lines.

use crate::option::build_names::{was, was_in};
use crate::option::{boolean, nullable_float, nullable_integer, nullable_text, text};

/// Options of the session, which do not follow a second `auth_section`.
const SESSION: [&str; 11] = [
    "cafile",
    "certfile",
    "keyfile",
    "insecure",
    "timeout",
    "collect_timing",
    "split_loggers",
    "tls_ciphers",
    "tls_min_version",
    "region_name",
    "interface",
];

pub(crate) fn is_session_option(name: &str) -> bool {
    SESSION.contains(&name)
}

options! { "service_credentials";
    /// Certificate authorities, PEM, that servers' certificates are checked against.
    CAFILE: OptStr = nullable_text("cafile").formerly(&[
        was("os_cacert"), was("os-cacert"), was_in("DEFAULT", "os_cacert"), was_in("DEFAULT", "os-cacert"),
    ]);
    /// Client certificate, PEM.
    CERTFILE: OptStr = nullable_text("certfile");
    /// Private key of the client certificate, PEM.
    KEYFILE: OptStr = nullable_text("keyfile");
    /// Whether servers' certificates go unchecked.
    INSECURE: Bool = boolean("insecure", false);
    /// Seconds that a request may take. Unset: the publisher's or pollster's own limit.
    TIMEOUT: OptFloat = nullable_float("timeout");
    /// Whether the duration of each request is recorded.
    COLLECT_TIMING: Bool = boolean("collect_timing", false).no_effect("durations are always measured, see /metrics");
    /// Whether requests are logged under several loggers.
    SPLIT_LOGGERS: Bool = boolean("split_loggers", false).no_effect("requests are logged by one logger");
    /// Cipher list for OpenSSL.
    TLS_CIPHERS: OptStr = nullable_text("tls_ciphers").no_effect("the TLS library offers safe ciphers only");
    /// Oldest TLS version to speak.
    TLS_MIN_VERSION: OptStr = nullable_text("tls_min_version").choices(&["1.2", "1.3"]);
    /// Authentication plugin: `password`, `v3password`, `v3applicationcredential`, `token`, `v3token`, `none`,
    /// `http_basic`, `admin_token`, `gnocchi-basic`, `gnocchi-noauth`. Others of keystoneauth are refused.
    AUTH_TYPE: OptStr = nullable_text("auth_type").formerly(&[was("auth_plugin")]);
    /// Section that the plugin's options are read from, instead of this one.
    AUTH_SECTION: OptStr = nullable_text("auth_section");
    /// Keystone's URL.
    AUTH_URL: OptStr = nullable_text("auth_url");
    /// `all` for a token of the whole system.
    SYSTEM_SCOPE: OptStr = nullable_text("system_scope");
    /// Id of the domain to be authorised for.
    DOMAIN_ID: OptStr = nullable_text("domain_id");
    /// Name of the domain to be authorised for.
    DOMAIN_NAME: OptStr = nullable_text("domain_name");
    /// Id of the project to be authorised for.
    PROJECT_ID: OptStr = nullable_text("project_id").formerly(&[was("tenant-id"), was("tenant_id")]);
    /// Name of the project to be authorised for.
    PROJECT_NAME: OptStr = nullable_text("project_name").formerly(&[was("tenant-name"), was("tenant_name")]);
    /// Id of that project's domain.
    PROJECT_DOMAIN_ID: OptStr = nullable_text("project_domain_id");
    /// Name of that project's domain.
    PROJECT_DOMAIN_NAME: OptStr = nullable_text("project_domain_name");
    /// Id of a trust to use.
    TRUST_ID: OptStr = nullable_text("trust_id");
    /// Id of the domain of user and project, where theirs are not given.
    DEFAULT_DOMAIN_ID: OptStr = nullable_text("default_domain_id");
    /// Name of the domain of user and project, where theirs are not given.
    DEFAULT_DOMAIN_NAME: OptStr = nullable_text("default_domain_name");
    /// Id of the user.
    USER_ID: OptStr = nullable_text("user_id");
    /// Name of the user.
    USERNAME: OptStr = nullable_text("username").formerly(&[was("user-name"), was("user_name")]);
    /// Id of the user's domain.
    USER_DOMAIN_ID: OptStr = nullable_text("user_domain_id");
    /// Name of the user's domain.
    USER_DOMAIN_NAME: OptStr = nullable_text("user_domain_name");
    /// Password.
    PASSWORD: OptStr = nullable_text("password").secret();
    /// Id of an application credential.
    APPLICATION_CREDENTIAL_ID: OptStr = nullable_text("application_credential_id");
    /// Name of an application credential; needs the user as well.
    APPLICATION_CREDENTIAL_NAME: OptStr = nullable_text("application_credential_name");
    /// Secret of the application credential.
    APPLICATION_CREDENTIAL_SECRET: OptStr = nullable_text("application_credential_secret").secret();
    /// Token to authenticate with.
    TOKEN: OptStr = nullable_text("token").secret();
    /// Address of the service itself, for plugins without a catalogue (`none`, `http_basic`,
    /// `gnocchi-basic`, `gnocchi-noauth`).
    ENDPOINT: OptStr = nullable_text("endpoint").formerly(&[was("gnocchi-endpoint"), was("gnocchi_endpoint"), was("url")]);
    /// User name of `gnocchi-basic`.
    USER: OptStr = nullable_text("user");
    /// Roles, separated by commas, of `gnocchi-noauth`.
    ROLES: OptStr = nullable_text("roles");
    /// One-time password of `v3totp`.
    PASSCODE: OptStr = nullable_text("passcode").secret().no_effect(FACTORS);
    /// Methods, separated by commas, of `v3multifactor`.
    AUTH_METHODS: OptStr = nullable_text("auth_methods").no_effect(FACTORS);
    /// Identity provider of the federation plugins.
    IDENTITY_PROVIDER: OptStr = nullable_text("identity_provider").no_effect(FEDERATION);
    /// Protocol of the federation plugins.
    PROTOCOL: OptStr = nullable_text("protocol").no_effect(FEDERATION);
    /// URL of the identity provider.
    IDENTITY_PROVIDER_URL: OptStr = nullable_text("identity_provider_url").no_effect(FEDERATION);
    /// Endpoint of the service provider.
    SERVICE_PROVIDER_ENDPOINT: OptStr = nullable_text("service_provider_endpoint").no_effect(FEDERATION);
    /// Entity id of the service provider.
    SERVICE_PROVIDER_ENTITY_ID: OptStr = nullable_text("service_provider_entity_id").no_effect(FEDERATION);
    /// OpenID Connect client.
    CLIENT_ID: OptStr = nullable_text("client_id").no_effect(FEDERATION);
    /// Secret of the OpenID Connect client.
    CLIENT_SECRET: OptStr = nullable_text("client_secret").secret().no_effect(FEDERATION);
    /// OpenID Connect scope.
    SCOPE: OptStr = nullable_text("scope").no_effect(FEDERATION);
    /// OpenID Connect token endpoint.
    ACCESS_TOKEN_ENDPOINT: OptStr = nullable_text("access_token_endpoint").no_effect(FEDERATION);
    /// OpenID Connect discovery document.
    DISCOVERY_ENDPOINT: OptStr = nullable_text("discovery_endpoint").no_effect(FEDERATION);
    /// OpenID Connect type of token.
    ACCESS_TOKEN_TYPE: OptStr = nullable_text("access_token_type").no_effect(FEDERATION);
    /// OpenID Connect access token.
    ACCESS_TOKEN: OptStr = nullable_text("access_token").secret().no_effect(FEDERATION);
    /// OpenID Connect one-time password.
    IDP_OTP_KEY: OptStr = nullable_text("idp_otp_key").no_effect(FEDERATION);
    /// OpenID Connect authorisation code.
    CODE: OptStr = nullable_text("code").secret()
        .formerly(&[was("authorization-code"), was("authorization_code")]).no_effect(FEDERATION);
    /// OpenID Connect challenge method.
    CODE_CHALLENGE_METHOD: OptStr = nullable_text("code_challenge_method").no_effect(FEDERATION);
    /// OpenID Connect device endpoint.
    DEVICE_AUTHORIZATION_ENDPOINT: OptStr = nullable_text("device_authorization_endpoint").no_effect(FEDERATION);
    /// OpenID Connect redirection.
    REDIRECT_URI: OptStr = nullable_text("redirect_uri").no_effect(FEDERATION);
    /// Host that waits for the OpenID Connect redirection.
    REDIRECT_HOST: OptStr = nullable_text("redirect_host").no_effect(FEDERATION);
    /// Port that waits for the OpenID Connect redirection.
    REDIRECT_PORT: OptInt = nullable_integer("redirect_port").no_effect(FEDERATION);
    /// Seconds that an interactive login may take.
    LOGIN_TIMEOUT: OptFloat = nullable_float("login_timeout").no_effect(FEDERATION);
    /// OAuth 2.0 token endpoint.
    OAUTH2_ENDPOINT: OptStr = nullable_text("oauth2_endpoint").no_effect(FEDERATION);
    /// OAuth 2.0 client.
    OAUTH2_CLIENT_ID: OptStr = nullable_text("oauth2_client_id").no_effect(FEDERATION);
    /// Secret of the OAuth 2.0 client.
    OAUTH2_CLIENT_SECRET: OptStr = nullable_text("oauth2_client_secret").secret().no_effect(FEDERATION);
    /// Region whose endpoints are used.
    REGION_NAME: OptStr = nullable_text("region_name").default_env(&["OS_REGION_NAME"]).formerly(&[
        was("os_region_name"), was("os-region-name"), was_in("DEFAULT", "os_region_name"), was_in("DEFAULT", "os-region-name"),
    ]);
    /// Kind of endpoint that is taken from the catalogue.
    INTERFACE: Str = text("interface", "public")
        .choices(&["public", "internal", "admin", "auth", "publicURL", "internalURL", "adminURL"])
        .default_env(&["OS_INTERFACE", "OS_ENDPOINT_TYPE"])
        .formerly(&[
            was("os_endpoint_type"), was("os-endpoint-type"),
            was_in("DEFAULT", "os_endpoint_type"), was_in("DEFAULT", "os-endpoint-type"),
        ]);
}

const FACTORS: &str = "one-time passwords are not supported: a service has nobody to ask";
const FEDERATION: &str = "federated and OAuth 2.0 authentication are not supported";
