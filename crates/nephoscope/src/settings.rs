//! From the configuration to what the parts of the program are told.

mod definitions;
mod logs;
mod messaging;

use oslo_config::{Given, Inspection, LoadError, Loaded, Loader, Override, Source};

use crate::cli::{ConfigSource, Invocation};
use crate::surroundings::Surroundings;

pub(crate) use self::definitions::{Definitions, load_definitions, resources};
pub(crate) use self::logs::log_options;
pub(crate) use self::messaging::listeners;

/// Reads the configuration that the command line and the surroundings name.
pub(crate) fn load(invocation: &Invocation, surroundings: &Surroundings) -> Result<Loaded, LoadError> {
    loader(invocation, surroundings).load()
}

/// As [`load`], and goes on past errors: an option in error has its default.
pub(crate) fn inspect(invocation: &Invocation, surroundings: &Surroundings) -> Inspection {
    loader(invocation, surroundings).inspect()
}

fn loader(invocation: &Invocation, surroundings: &Surroundings) -> Loader {
    let mut loader = Loader::new(invocation.program.clone());
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
    loader
}
