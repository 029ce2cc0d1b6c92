//! The resource definitions of every publisher that writes to Gnocchi.

use definitions::{Problem, ResourceDefinitions, ResourceSettings, Severity};
use notification::{Explained, Route, SampleFate};
use oslo_config::Config;
use pipeline::PublisherUrl;
use pipeline::config::PipelineConfig;

use crate::settings;

/// The file that a publisher reads unless its URL names another one.
const DEFAULT_FILE: &str = "gnocchi_resources.yaml";

/// What one or more publishers know of Gnocchi's resources.
#[derive(Debug)]
pub(super) struct Target {
    /// The file.
    pub(super) file: String,
    /// The archive policy that the URL forces.
    pub(super) archive_policy: Option<String>,
    /// The publishers, by the places where they are written; empty if there is none that writes to Gnocchi.
    pub(super) publishers: Vec<String>,
    pub(super) definitions: ResourceDefinitions,
}

impl Target {
    /// Whether one of its publishers gets a record; without publishers, whether one would if there were any.
    pub(super) fn gets(&self, routes: &[Route<'_>]) -> bool {
        let mut publishers =
            routes.iter().filter(|route| route.is_taken()).flat_map(|route| route.pipeline.publishers);
        self.publishers.is_empty() || publishers.any(|publisher| self.publishers.contains(&publisher.place))
    }

    /// Whether one of its publishers gets a sample.
    pub(super) fn gets_sample(&self, fate: &SampleFate<'_>) -> bool {
        match fate {
            SampleFate::Dropped(_) => false,
            SampleFate::Routed(routes) => self.gets(routes),
        }
    }

    /// The event, if one of its publishers gets it.
    pub(super) fn event<'e>(&self, explained: &'e Explained<'_>) -> Option<&'e model::Event> {
        let event = explained.event.asked()?;
        let made = event.explanation.outcome.as_ref().ok()?.as_ref()?;
        self.gets(&event.routes).then_some(made)
    }
}

/// A file that is to be read.
struct Wanted {
    file: String,
    archive_policy: Option<String>,
    publishers: Vec<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { file: DEFAULT_FILE.to_owned(), archive_policy: None, publishers: Vec::new() }
    }
}

/// Reads the definitions for every `gnocchi://` and `metric://` of the pipelines; those of a plain `gnocchi://` if there is none.
///
/// # Errors
/// The problems of the files, if one of them is of no use.
pub(super) fn targets<'p>(
    config: &Config,
    pipelines: impl IntoIterator<Item = &'p PipelineConfig>,
) -> Result<(Vec<Target>, Vec<Problem>), Vec<Problem>> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let publishers = pipelines.into_iter().flat_map(PipelineConfig::pipelines);
    let publishers = publishers.flat_map(|pipeline| pipeline.publishers);
    for publisher in publishers.filter(|publisher| crate::gnocchi::is_meant_by(&publisher.url)) {
        let mut own = Wanted::default();
        own.file = option(&publisher.url, "resources_definition_file").unwrap_or(own.file);
        own.archive_policy = option(&publisher.url, "archive_policy");
        let place = publisher.place.clone();
        let known = wanted
            .iter_mut()
            .find(|known| known.file == own.file && known.archive_policy == own.archive_policy);
        match known {
            Some(known) if known.publishers.contains(&place) => {}
            Some(known) => known.publishers.push(place),
            None => wanted.push(Wanted { publishers: vec![place], ..own }),
        }
    }
    if wanted.is_empty() {
        wanted.push(Wanted::default());
    }
    let mut problems = Vec::new();
    let mut targets = Vec::new();
    for Wanted { file, archive_policy, publishers } in wanted {
        let settings = ResourceSettings { archive_policy: archive_policy.clone() };
        if let Some((file, definitions)) = settings::resources(config, &file, &settings, &mut problems) {
            targets.push(Target { file, archive_policy, publishers, definitions });
        }
    }
    if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
        return Err(problems);
    }
    Ok((targets, problems))
}

/// The last value of an option; an empty one is none, as for upstream.
fn option(url: &PublisherUrl, name: &str) -> Option<String> {
    let mut given = url.query().into_iter().filter(|(known, value)| known == name && !value.is_empty());
    given.next_back().map(|(_, value)| value)
}
