//! From the configuration to what the parts of the program are told.

pub(crate) mod coordination;
mod definitions;
pub(crate) mod exporter;
mod logs;
mod messaging;
pub(crate) mod openstack;
pub(crate) mod polling;
mod publishers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use buffer::dead_letters::{DeadLetters, FILES_MAX, Limits};
use buffer::medium::Disk;
use oslo_config::options::metric::api;
use oslo_config::options::nephoscope;
use oslo_config::{Config, Given, Inspection, LoadError, Loaded, Loader, Override, Registry, Source};

use crate::cli::{ConfigSource, GNOCCHI_API, Invocation, MetricArguments};
use crate::surroundings::Surroundings;

pub(crate) use self::definitions::{Definitions, load_definitions, readable_pipelines, resources};
pub(crate) use self::logs::log_options;
pub(crate) use self::messaging::listeners;
pub(crate) use self::publishers::{PublisherSettings, publishers};

/// The section of options of our own.
const OURS: &str = "nephoscope";

/// The dead letters under the state directory, within their bounds.
pub(crate) fn dead_letters(config: &Config) -> DeadLetters {
    let bytes = u64::try_from(config.get(&nephoscope::DEAD_LETTER_MAX_BYTES)).unwrap_or(0);
    let limits = Limits { bytes, files: FILES_MAX };
    DeadLetters::new(Path::new(config.get(&nephoscope::STATE_DIR)), Arc::new(Disk), limits)
}

/// Reads the configuration that the command line and the surroundings name.
pub(crate) fn load(invocation: &Invocation, surroundings: &Surroundings) -> Result<Loaded, LoadError> {
    loader(invocation, surroundings).load()
}

/// As [`load`], for the metric role; the command line's address and port count more.
pub(crate) fn load_metric(
    arguments: &MetricArguments,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Result<Loaded, LoadError> {
    let mut loader = loader(invocation, surroundings);
    let given = |text: &str| Given::Text(text.to_owned());
    if let Some(host) = &arguments.host {
        loader.overrides.push(Override::new(&api::HOST, given(host), "--host"));
    }
    if let Some(port) = arguments.port {
        loader.overrides.push(Override::new(&api::PORT, given(&port.to_string()), "--port"));
    }
    if let Some(directory) = &arguments.state_dir {
        let directory = given(&directory.to_string_lossy());
        loader.overrides.push(Override::new(&nephoscope::STATE_DIR, directory, "--state-dir"));
    }
    loader.load()
}

/// The configuration of the metric store in `nephoscope run`: `[nephoscope]` as `config` has it, the rest from the file
/// that it names.
pub(crate) fn load_embedded(
    config: &Config,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Result<Loaded, LoadError> {
    let mut loader = loader(invocation, surroundings);
    GNOCCHI_API.clone_into(&mut loader.program);
    loader.registry = Registry::metric();
    loader.default_sources = false;
    loader.sources = match config.get(&nephoscope::RUN_METRIC_CONFIG_FILE) {
        "" => Vec::new(),
        file => vec![Source::File(file.into())],
    };
    // What these say is in `config` already.
    loader.env.retain(|name, _| !name.starts_with("OS_NEPHOSCOPE__") && !name.starts_with("OS_DEFAULT__"));
    let known: Vec<&str> =
        loader.registry.iter().filter(|(group, _)| *group == OURS).map(|(_, opt)| opt.name).collect();
    let ours = config.show().filter(|shown| shown.group == OURS && known.contains(&shown.name));
    loader.overrides = ours
        .filter_map(|shown| {
            Some(Override {
                group: OURS.to_owned(),
                name: shown.name.to_owned(),
                given: Given::Text(shown.value?.replace('$', "$$")),
                flag: shown.origin.to_string(),
            })
        })
        .collect();
    if let Some(address) = socket_address(config.get(&nephoscope::RUN_METRIC_ADDRESS)) {
        let text = |text: String| Given::Text(text);
        let flag = "[nephoscope] run_metric_address";
        loader.overrides.push(Override::new(&api::HOST, text(address.ip().to_string()), flag));
        loader.overrides.push(Override::new(&api::PORT, text(address.port().to_string()), flag));
    }
    loader.load()
}

/// An address and port, where it is one.
pub(crate) fn socket_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

/// As [`load`], and goes on past errors: an option in error has its default.
pub(crate) fn inspect(invocation: &Invocation, surroundings: &Surroundings) -> Inspection {
    loader(invocation, surroundings).inspect()
}

fn loader(invocation: &Invocation, surroundings: &Surroundings) -> Loader {
    let mut loader = Loader::new(invocation.program.clone());
    if invocation.program == GNOCCHI_API {
        "gnocchi".clone_into(&mut loader.project);
        loader.registry = Registry::metric();
    }
    loader.sources = invocation
        .common
        .sources
        .iter()
        .map(|source| match source {
            ConfigSource::File(path) => Source::File(path.clone()),
            ConfigSource::Directory(path) => Source::Directory(path.clone()),
        })
        .collect();
    loader.home.clone_from(&surroundings.home);
    loader.working_directory.clone_from(&surroundings.working_directory);
    loader.env.clone_from(&surroundings.env);
    loader.host_name.clone_from(&surroundings.host_name);
    loader.processors = surroundings.processors;
    loader.overrides = invocation
        .common
        .settings
        .iter()
        .map(|(name, value, flag)| Override {
            group: "DEFAULT".into(),
            name: (*name).into(),
            given: Given::Text(value.clone()),
            flag: flag.clone(),
        })
        .collect();
    loader.overrides.extend(invocation.common.namespaces.iter().map(|(namespaces, flag)| Override {
        group: "DEFAULT".into(),
        name: "polling_namespaces".into(),
        given: Given::Items(namespaces.clone()),
        flag: (*flag).to_owned(),
    }));
    loader
}
