//! Gnocchi, as the configuration leads to it: its publishers, and the client of `nephoscope upgrade`.

use std::sync::Arc;

use definitions::{Problem, ResourceSettings, Severity};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::Service;
use oslo_config::options::keystone;
use oslo_config::{Config, CredentialsOf};
use pipeline::config::PipelineConfig;
use pipeline::{BuildError, Publisher, PublisherUrl};
use publishers::Witness;
use publishers::gnocchi::{Client, GnocchiMetrics, GnocchiOptions, GnocchiPublisher};

use crate::check::{describe_fatal, with_sources};
use crate::settings;
use crate::settings::openstack::{OpenStackError, Sessions};

pub(crate) const SCHEME: &str = "gnocchi";
/// What Gnocchi is in the catalogue.
const SERVICE_TYPE: &str = "metric";
const SERVICE_NAME: &str = "gnocchi";
/// Ways to authenticate that know Keystone.
const WITH_KEYSTONE: [&str; 5] = ["password", "v3password", "v3applicationcredential", "token", "v3token"];

/// Makes what talks to Gnocchi.
#[derive(Debug)]
pub(crate) struct Gnocchi {
    config: Config,
    sessions: Arc<Sessions>,
    metrics: GnocchiMetrics,
}

impl Gnocchi {
    pub(crate) fn new(config: &Config, sessions: &Arc<Sessions>, metrics: &Metrics) -> Self {
        let metrics = GnocchiMetrics::register(&metrics.component("gnocchi"));
        Self { config: config.clone(), sessions: Arc::clone(sessions), metrics }
    }

    /// The publisher of a `gnocchi://` URL, at which `witness` may look. What is odd about its definitions is logged.
    pub(crate) fn publisher(
        &self,
        url: &PublisherUrl,
        witness: Witness,
    ) -> Result<Box<dyn Publisher>, BuildError> {
        let (publisher, problems) = self.make(url)?;
        for problem in problems {
            tracing::warn!("{problem}");
        }
        Ok(Box::new(publisher.with_witness(witness)))
    }

    /// Whether a publisher can be made. Nothing is sent.
    pub(crate) fn check(&self, url: &PublisherUrl) -> Result<(), BuildError> {
        self.make(url).map(drop)
    }

    fn make(&self, url: &PublisherUrl) -> Result<(GnocchiPublisher, Vec<Problem>), BuildError> {
        let options = GnocchiOptions::from_url(url)?;
        let settings = ResourceSettings { archive_policy: options.archive_policy.clone() };
        let mut problems = Vec::new();
        let read = settings::resources(&self.config, &options.definitions_file, &settings, &mut problems);
        let fatal = problems.iter().any(|problem| problem.severity == Severity::Fatal);
        let (Some((_, definitions)), false) = (read, fatal) else {
            let hint = "mend the file, or name another one with resources_definition_file".to_owned();
            return Err(BuildError::Configuration { message: describe_fatal(&problems), hint });
        };
        let gnocchi = service(&self.sessions).map_err(|error| unusable(&error))?;
        let identity = self.identity().map_err(|error| unusable(&error))?;
        let metrics = self.metrics.clone();
        let definitions = Arc::new(definitions);
        let publisher =
            GnocchiPublisher::new(options, definitions, gnocchi, identity, metrics, Clock::machine());
        Ok((publisher, problems))
    }

    /// Keystone, as `[service_credentials]` finds it, if they know it.
    fn identity(&self) -> Result<Option<Service>, OpenStackError> {
        let credentials = self.config.credentials(CredentialsOf::Service);
        let auth_type = credentials.get(&keystone::AUTH_TYPE).unwrap_or_default();
        if !WITH_KEYSTONE.contains(&auth_type) {
            return Ok(None);
        }
        self.sessions.service(CredentialsOf::Service, "identity", None).map(Some)
    }
}

/// Whether the configuration names a Gnocchi.
pub(crate) fn is_named(config: &Config) -> bool {
    let credentials = config.credentials(CredentialsOf::Gnocchi);
    [credentials.get(&keystone::AUTH_TYPE), credentials.get(&keystone::ENDPOINT)]
        .into_iter()
        .flatten()
        .any(|value| !value.is_empty())
}

/// A client for requests of commands.
pub(crate) fn client(sessions: &Sessions, timeout: std::time::Duration) -> Result<Client, OpenStackError> {
    service(sessions).map(|gnocchi| Client::new(gnocchi, timeout))
}

/// What is odd in the resource definitions of publishers, for `nephoscope check`. What makes them unusable is not in it:
/// that is an error of the publisher.
pub(crate) fn problems<'p>(
    config: &Config,
    pipelines: impl IntoIterator<Item = &'p PipelineConfig>,
) -> Vec<Problem> {
    let publishers = pipelines.into_iter().flat_map(PipelineConfig::pipelines);
    let urls = publishers.flat_map(|pipeline| pipeline.publishers).map(|publisher| &publisher.url);
    let mut files: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for url in urls.filter(|url| url.scheme() == SCHEME) {
        let Ok(options) = GnocchiOptions::from_url(url) else { continue };
        if !files.contains(&options.definitions_file) {
            settings::resources(
                config,
                &options.definitions_file,
                &ResourceSettings::default(),
                &mut problems,
            );
            files.push(options.definitions_file);
        }
    }
    problems.retain(|problem| problem.severity != Severity::Fatal);
    problems
}

fn service(sessions: &Sessions) -> Result<Service, OpenStackError> {
    sessions.service(CredentialsOf::Gnocchi, SERVICE_TYPE, Some(SERVICE_NAME))
}

fn unusable(error: &OpenStackError) -> BuildError {
    let message = with_sources(error);
    let hint = "[gnocchi] auth_section names the section with the credentials for Gnocchi".to_owned();
    BuildError::Configuration { message, hint }
}
