//! Who asks and what they may: `[keystone_authtoken]` and `[oslo_policy]`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use metric::{Policies, policy_defaults};
use metric_api::Authentication;
use observability::clock::Clock;
use observability::metrics::Metrics;
use observability::supervisor::Supervisor;
use openstack::Service;
use openstack::tokens::{TokenMetrics, TokenValidator, ValidationOptions};
use oslo_config::options::keystone;
use oslo_config::options::metric::{api, keystone_authtoken, oslo_policy as options, own};
use oslo_config::{Config, CredentialsOf};
use oslo_policy::{PolicyFiles, Stamp};

use crate::check::with_sources;
use crate::settings::openstack::Sessions;

/// Time for a request to Keystone, where no option says otherwise.
const KEYSTONE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often policy files are looked at.
const POLICY_ROUND: Duration = Duration::from_secs(2);

/// What the options say of users and rules.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: Option<(Service, ValidationOptions)>,
    policies: Policies,
    stamp: Stamp,
    config: Config,
    /// What an operator should know of the policy files.
    pub(crate) warnings: Vec<String>,
}

/// Whether requests must have a token that Keystone knows.
pub(super) fn validates_tokens(config: &Config) -> bool {
    config.get(&api::AUTH_MODE) == "keystone" && !config.get(&own::METRIC_TRUSTS_HEADERS)
}

impl Access {
    /// Reads the options and the policy files. Nothing is sent.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub(crate) fn new(config: &Config, env: &BTreeMap<String, String>) -> Result<Self, String> {
        let tokens = validates_tokens(config).then(|| tokens(config, env)).transpose()?;
        let loaded = files(config).load(&policy_defaults()).map_err(|error| error.to_string())?;
        let mut warnings = loaded.warnings;
        let file = config.get(&options::POLICY_FILE);
        if config.is_set(&options::POLICY_FILE) && config.find_file(file).is_none() {
            warnings.push(format!(
                "[oslo_policy] policy_file = {file}: there is no such file; the defaults count"
            ));
        }
        let (policies, stamp) = (Policies::new(loaded.policy), loaded.stamp);
        Ok(Self { tokens, policies, stamp, config: config.clone(), warnings })
    }

    /// Tells the API of it.
    pub(crate) fn apply(&self, api: &mut metric_api::Settings, clock: &Clock, metrics: &Metrics) {
        api.policies = self.policies.clone();
        if let Some((keystone, options)) = &self.tokens {
            let counters = TokenMetrics::register(&metrics.component("tokens"));
            let validator = TokenValidator::new(keystone.clone(), options.clone(), clock.clone(), counters);
            api.authentication = Authentication::Keystone(validator);
        }
    }

    /// Reads policy files again when they have changed. What cannot be read leaves the rules as they were.
    pub(crate) fn watch(self, supervisor: &Supervisor) {
        let (clock, stop) = (supervisor.clock().clone(), supervisor.token().clone());
        let Self { policies, mut stamp, config, .. } = self;
        supervisor.spawn_once("policy-files", async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok::<(), Infallible>(()),
                    () = clock.sleep(POLICY_ROUND) => {}
                }
                let files = files(&config);
                let now = files.stamp();
                if now == stamp {
                    continue;
                }
                stamp = now;
                match files.load(&policy_defaults()) {
                    Ok(loaded) => {
                        for warning in &loaded.warnings {
                            tracing::warn!("{warning}");
                        }
                        policies.replace(loaded.policy);
                        tracing::info!("policy files have changed and are in force");
                    }
                    Err(error) => {
                        tracing::error!(
                            "policy files have changed, and the rules from before stay in force: {error}"
                        );
                    }
                }
            }
        });
    }
}

fn files(config: &Config) -> PolicyFiles {
    let find = |name: &str| config.find_file(name);
    let directories: Vec<PathBuf> =
        config.get(&options::POLICY_DIRS).iter().filter_map(|name| find(name)).collect();
    PolicyFiles {
        file: Some(config.get(&options::POLICY_FILE)).filter(|name| !name.is_empty()).and_then(find),
        directories,
        default_rule: config.get(&options::POLICY_DEFAULT_RULE).to_owned(),
        new_defaults_only: config.get(&options::ENFORCE_NEW_DEFAULTS),
    }
}

fn tokens(config: &Config, env: &BTreeMap<String, String>) -> Result<(Service, ValidationOptions), String> {
    use keystone_authtoken as of;
    let timeout = match config.get(&of::HTTP_CONNECT_TIMEOUT) {
        None => KEYSTONE_TIMEOUT,
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
            .ok_or_else(|| {
                format!("[keystone_authtoken] http_connect_timeout = {seconds}: write seconds, more than 0")
            })?,
    };
    let keystone = Sessions::new(config, env).service_within(CredentialsOf::Tokens, "identity", timeout);
    let keystone = keystone.map_err(|error| {
        format!(
            "[api] auth_mode = keystone: {}; or set [nephoscope] metric_trusts_headers = true behind a proxy that validates \
             tokens",
            with_sources(&error)
        )
    })?;
    let auth_url = config.credentials(CredentialsOf::Tokens).get(&keystone::AUTH_URL).unwrap_or_default();
    let uri = config.get(&of::WWW_AUTHENTICATE_URI).filter(|uri| !uri.is_empty()).unwrap_or(auth_url);
    let seconds = u64::try_from(config.get(&of::TOKEN_CACHE_TIME));
    Ok((
        keystone,
        ValidationOptions {
            cache_time: seconds.ok().map(Duration::from_secs),
            service_token_roles: config.get(&of::SERVICE_TOKEN_ROLES).to_vec(),
            service_token_roles_required: config.get(&of::SERVICE_TOKEN_ROLES_REQUIRED),
            delay_auth_decision: config.get(&of::DELAY_AUTH_DECISION),
            retries_max: u32::try_from(config.get(&of::HTTP_REQUEST_MAX_RETRIES)).unwrap_or(0),
            service_type: config.get(&of::SERVICE_TYPE).filter(|of| !of.is_empty()).map(str::to_owned),
            ..ValidationOptions::new(uri)
        },
    ))
}
