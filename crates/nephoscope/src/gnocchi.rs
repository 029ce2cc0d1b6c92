//! Gnocchi, as the configuration leads to it: its publishers, and the client of `nephoscope upgrade`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use definitions::{Problem, ResourceDefinitions, ResourceSettings, Severity};
use model::Value;
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::Service;
use oslo_config::options::keystone;
use oslo_config::{Config, CredentialsOf};
use pipeline::config::PipelineConfig;
use pipeline::{BuildError, Publisher, PublisherUrl, TakeChanges};
use publishers::Witness;
use publishers::gnocchi::{
    Client, DEFAULT_DEFINITIONS, GnocchiMetrics, GnocchiOptions, GnocchiPublisher, Way,
};
use tokio::sync::watch;

use crate::check::{describe_fatal, with_sources};
use crate::settings;
use crate::settings::openstack::{OpenStackError, Sessions};

pub(crate) const SCHEME: &str = "gnocchi";
/// The store in this process, and no other.
pub(crate) const STORE_SCHEME: &str = "metric";
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
    /// The definitions that publishers work with.
    held: Mutex<Vec<Held>>,
}

/// The definitions of one file, for metrics with one archive policy.
#[derive(Debug)]
struct Held {
    file: String,
    archive_policy: Option<String>,
    definitions: watch::Sender<Arc<ResourceDefinitions>>,
    /// What is odd about them.
    problems: Vec<Problem>,
}

impl Held {
    fn is_of(&self, options: &GnocchiOptions) -> bool {
        self.file == options.definitions_file && self.archive_policy == options.archive_policy
    }
}

impl Gnocchi {
    pub(crate) fn new(config: &Config, sessions: &Arc<Sessions>, metrics: &Metrics) -> Self {
        let metrics = GnocchiMetrics::register(&metrics.component("gnocchi"));
        Self { config: config.clone(), sessions: Arc::clone(sessions), metrics, held: Mutex::default() }
    }

    /// The publisher of a `gnocchi://` or `metric://` URL, at which `witness` may look; to the `store` in this process, if
    /// one is given. What is odd about its definitions is logged.
    pub(crate) fn publisher(
        &self,
        url: &PublisherUrl,
        store: Option<&Way>,
        witness: Witness,
    ) -> Result<Box<dyn Publisher>, BuildError> {
        let (publisher, problems) = self.make(url, store)?;
        warn(&problems);
        if store.is_some() {
            // No other agent writes there.
            return Ok(Box::new(publisher.with_witness(witness)));
        }
        let cache = self.sessions.shared_cache().unwrap_or_else(|error| {
            tracing::warn!("the cache is not used for Gnocchi's resources: {}", with_sources(&error));
            None
        });
        Ok(Box::new(publisher.with_cache(cache).with_witness(witness)))
    }

    /// Whether a publisher can be made. Nothing is sent.
    pub(crate) fn check(&self, url: &PublisherUrl, store: Option<&Way>) -> Result<(), BuildError> {
        self.make(url, store).map(drop)
    }

    fn make(
        &self,
        url: &PublisherUrl,
        store: Option<&Way>,
    ) -> Result<(GnocchiPublisher, Vec<Problem>), BuildError> {
        let options = GnocchiOptions::from_url(url)?;
        let (definitions, problems) = self.definitions(&options)?;
        let gnocchi = match store {
            Some(store) => store.clone(),
            None => service(&self.sessions).map_err(|error| unusable(&error))?.into(),
        };
        let identity = self.identity().map_err(|error| unusable(&error))?;
        let metrics = self.metrics.clone();
        let publisher =
            GnocchiPublisher::new(options, definitions, gnocchi, identity, metrics, Clock::machine());
        Ok((publisher, problems))
    }

    /// The definitions that a publisher works with, now and when they change. They are read from their file once, so that
    /// a publisher that is made later has those that were found to be right.
    fn definitions(
        &self,
        options: &GnocchiOptions,
    ) -> Result<(watch::Receiver<Arc<ResourceDefinitions>>, Vec<Problem>), BuildError> {
        if let Some(held) = self.held().iter().find(|held| held.is_of(options)) {
            return Ok((held.definitions.subscribe(), held.problems.clone()));
        }
        let (definitions, problems) = self.read(options)?;
        Ok((self.hold(options, definitions, problems.clone()), problems))
    }

    fn read(&self, options: &GnocchiOptions) -> Result<(Arc<ResourceDefinitions>, Vec<Problem>), BuildError> {
        let settings = ResourceSettings { archive_policy: options.archive_policy.clone() };
        let mut problems = Vec::new();
        let read = settings::resources(&self.config, &options.definitions_file, &settings, &mut problems);
        let fatal = problems.iter().any(|problem| problem.severity == Severity::Fatal);
        if let (Some((_, definitions)), false) = (read, fatal) {
            return Ok((Arc::new(definitions), problems));
        }
        let hint = "mend the file, or name another one with resources_definition_file".to_owned();
        Err(BuildError::Configuration { message: describe_fatal(&problems), hint })
    }

    /// Gives definitions to the publishers that work with them.
    fn hold(
        &self,
        options: &GnocchiOptions,
        definitions: Arc<ResourceDefinitions>,
        problems: Vec<Problem>,
    ) -> watch::Receiver<Arc<ResourceDefinitions>> {
        let mut held = self.held();
        if let Some(held) = held.iter_mut().find(|held| held.is_of(options)) {
            held.problems = problems;
            held.definitions.send_replace(definitions);
            return held.definitions.subscribe();
        }
        let (definitions, newest) = watch::channel(definitions);
        let (file, archive_policy) = (options.definitions_file.clone(), options.archive_policy.clone());
        held.push(Held { file, archive_policy, definitions, problems });
        newest
    }

    /// Reads the definitions of a `gnocchi://` URL again. Publishers get them when the result is called.
    pub(crate) fn read_again(&self, url: &PublisherUrl) -> Result<TakeChanges<'_>, BuildError> {
        let options = GnocchiOptions::from_url(url)?;
        let (definitions, problems) = self.read(&options)?;
        Ok(Box::new(move || {
            warn(&problems);
            self.hold(&options, definitions, problems);
        }))
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

fn warn(problems: &[Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
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

/// Whether records for this URL become what Gnocchi stores.
pub(crate) fn is_meant_by(url: &PublisherUrl) -> bool {
    matches!(url.scheme().as_str(), SCHEME | STORE_SCHEME)
}

/// Whether a publisher has one of these schemes.
pub(crate) fn is_written_to(pipelines: &[&PipelineConfig], schemes: &[&str]) -> bool {
    let publishers = pipelines.iter().flat_map(|config| config.pipelines());
    let mut urls = publishers.flat_map(|pipeline| pipeline.publishers).map(|publisher| &publisher.url);
    urls.any(|url| schemes.contains(&url.scheme().as_str()))
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
    for url in urls.filter(|url| is_meant_by(url)) {
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

/// The archive policies of the resource definitions that the pipelines' publishers to Gnocchi have, or of the usual
/// definitions if there is no such publisher; each name once. What cannot be read is in the problems, and has none.
pub(crate) fn archive_policies(config: &Config) -> (Vec<Value>, Vec<Problem>) {
    let mut problems = Vec::new();
    let pipelines = settings::readable_pipelines(config, &mut problems);
    let publishers = pipelines.iter().flat_map(PipelineConfig::pipelines);
    let urls = publishers.flat_map(|pipeline| pipeline.publishers).map(|publisher| &publisher.url);
    let options =
        urls.filter(|url| url.scheme() == SCHEME).filter_map(|url| GnocchiOptions::from_url(url).ok());
    let mut files: Vec<String> = options.map(|options| options.definitions_file).collect();
    if files.is_empty() {
        files.push(DEFAULT_DEFINITIONS.to_owned());
    }
    files.sort();
    files.dedup();
    let mut policies: Vec<Value> = Vec::new();
    for file in files {
        let read = settings::resources(config, &file, &ResourceSettings::default(), &mut problems);
        let Some((_, definitions)) = read else { continue };
        for policy in definitions.archive_policies() {
            if !policies.iter().any(|known| known.get("name") == policy.get("name")) {
                policies.push(policy.clone());
            }
        }
    }
    (policies, problems)
}

fn service(sessions: &Sessions) -> Result<Service, OpenStackError> {
    sessions.service(CredentialsOf::Gnocchi, SERVICE_TYPE, Some(SERVICE_NAME))
}

fn unusable(error: &OpenStackError) -> BuildError {
    let message = with_sources(error);
    let hint = "[gnocchi] auth_section names the section with the credentials for Gnocchi".to_owned();
    BuildError::Configuration { message, hint }
}
