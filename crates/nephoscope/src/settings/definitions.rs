//! The YAML files: where each is found, what it holds, and everything that is wrong in any of them.

use std::path::{Path, PathBuf};

use definitions::{
    EventDefinitions, EventSettings, MeterDefinitions, Problem, ResourceDefinitions, ResourceSettings,
    SampleEndpoints, SampleSettings, Severity, Source,
};
use oslo_config::Config;
use oslo_config::options::{agent, event, meter, nephoscope, notification, publisher};
use pipeline::RecordsKind;
use pipeline::config::PipelineConfig;

/// The names of the two managers that `[notification] pipelines` may list.
const METER: &str = "meter";
const EVENT: &str = "event";

/// Everything that the notification agent is told by YAML files. `None`: that pipeline is not enabled.
pub(crate) struct Definitions {
    pub(crate) samples: Option<(SampleEndpoints, SampleSettings, PipelineConfig)>,
    pub(crate) events: Option<(EventDefinitions, PipelineConfig)>,
    /// The files that were read, for the log.
    pub(crate) files: Vec<String>,
}

impl Definitions {
    /// The pipelines that records go through.
    pub(crate) fn pipelines(&self) -> impl Iterator<Item = (RecordsKind, &PipelineConfig)> {
        let samples = self.samples.iter().map(|(.., pipelines)| (RecordsKind::Samples, pipelines));
        samples.chain(self.events.iter().map(|(_, pipelines)| (RecordsKind::Events, pipelines)))
    }
}

/// A file's text with the name that messages give it.
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: String,
}

impl Text {
    fn source(&self) -> Source<'_> {
        Source { path: &self.name, text: &self.text }
    }
}

/// Reads every file. The problems are complete; one of them is [`Severity::Fatal`] when there are no definitions.
pub(crate) fn load_definitions(config: &Config) -> (Option<Definitions>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    let enabled = config.get(&notification::PIPELINES);
    for name in enabled.iter().filter(|name| *name != METER && *name != EVENT) {
        problems.push(Problem {
            severity: Severity::Error,
            path: "[notification] pipelines".into(),
            line: 1,
            column: 1,
            message: format!("there is no pipeline manager named {name:?}"),
            hint: Some("use meter, event, or both".into()),
        });
    }
    let is_enabled = |wanted: &str| enabled.iter().any(|name| name == wanted);
    let samples = is_enabled(METER).then(|| samples(config, &mut files, &mut problems));
    let events = is_enabled(EVENT).then(|| events(config, &mut files, &mut problems));
    if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
        return (None, problems);
    }
    // An enabled part that could not be read has reported a fatal problem.
    (Some(Definitions { samples: samples.flatten(), events: events.flatten(), files }), problems)
}

fn samples(
    config: &Config,
    files: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<(SampleEndpoints, SampleSettings, PipelineConfig)> {
    let texts = meter_texts(config, files, problems);
    let sources: Vec<Source<'_>> = texts.iter().map(Text::source).collect();
    let (meters, mut found) = MeterDefinitions::load(&sources);
    problems.append(&mut found);
    let settings = SampleSettings {
        sample_source: config.get(&agent::SAMPLE_SOURCE).to_owned(),
        reserved_metadata_namespace: config.get(&agent::RESERVED_METADATA_NAMESPACE).to_vec(),
        reserved_metadata_length: config.get(&agent::RESERVED_METADATA_LENGTH),
        reserved_metadata_keys: config.get(&agent::RESERVED_METADATA_KEYS).to_vec(),
    };
    let file = config.get(&agent::PIPELINE_CFG_FILE);
    let pipelines = pipelines(config, file, RecordsKind::Samples, files, problems)?;
    Some((endpoints(config, meters, problems), settings, pipelines))
}

/// The endpoints; those of polled samples check signatures if that is asked for.
fn endpoints(config: &Config, meters: MeterDefinitions, problems: &mut Vec<Problem>) -> SampleEndpoints {
    if !config.get(&nephoscope::VERIFY_SIGNATURES) {
        return SampleEndpoints::new(meters);
    }
    let secret = config.get(&publisher::TELEMETRY_SECRET);
    if secret.is_empty() {
        problems.push(Problem {
            severity: Severity::Fatal,
            path: "[nephoscope] verify_signatures".into(),
            line: 1,
            column: 1,
            message: "signatures cannot be checked with an empty secret".into(),
            hint: Some("set [publisher] telemetry_secret to what the polling agents have".into()),
        });
    }
    SampleEndpoints::verifying(meters, secret.to_owned())
}

fn events(
    config: &Config,
    files: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<(EventDefinitions, PipelineConfig)> {
    let settings = EventSettings {
        drop_unmatched_notifications: config.get(&event::DROP_UNMATCHED_NOTIFICATIONS),
        store_raw: config.get(&event::STORE_RAW).to_vec(),
    };
    let builtin = definitions::builtin::EVENTS;
    let text = read(config, config.get(&event::DEFINITIONS_CFG_FILE), builtin, files, problems)?;
    let (events, mut found) = EventDefinitions::load(text.source(), &settings);
    problems.append(&mut found);
    let file = config.get(&agent::EVENT_PIPELINE_CFG_FILE);
    let pipelines = pipelines(config, file, RecordsKind::Events, files, problems)?;
    Some((events, pipelines))
}

fn pipelines(
    config: &Config,
    file: &str,
    kind: RecordsKind,
    files: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<PipelineConfig> {
    let builtin = match kind {
        RecordsKind::Samples => {
            Source { path: "built-in pipeline.yaml", text: pipeline::config::builtin::PIPELINE }
        }
        RecordsKind::Events => {
            Source { path: "built-in event_pipeline.yaml", text: pipeline::config::builtin::EVENT_PIPELINE }
        }
    };
    let text = read(config, file, builtin, files, problems)?;
    PipelineConfig::parse(text.source(), kind).map_err(|mut found| problems.append(&mut found)).ok()
}

/// The pipelines of both kinds, as far as their files can be read.
pub(crate) fn readable_pipelines(config: &Config, problems: &mut Vec<Problem>) -> Vec<PipelineConfig> {
    let all = [
        (config.get(&agent::PIPELINE_CFG_FILE), RecordsKind::Samples),
        (config.get(&agent::EVENT_PIPELINE_CFG_FILE), RecordsKind::Events),
    ];
    all.into_iter()
        .filter_map(|(file, kind)| pipelines(config, file, kind, &mut Vec::new(), problems))
        .collect()
}

/// The resource definitions of `file`, with its name, or of the built-in one if there is no such file.
pub(crate) fn resources(
    config: &Config,
    file: &str,
    settings: &ResourceSettings,
    problems: &mut Vec<Problem>,
) -> Option<(String, ResourceDefinitions)> {
    let text = read(config, file, definitions::builtin::RESOURCES, &mut Vec::new(), problems)?;
    let (resources, mut found) = ResourceDefinitions::load(text.source(), settings);
    problems.append(&mut found);
    Some((text.name, resources))
}

/// Finds a file as Ceilometer does: as it is given, then beside the configuration, then the built-in one.
fn read(
    config: &Config,
    name: &str,
    builtin: Source<'_>,
    files: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Text> {
    let given = Path::new(name);
    let found = if given.exists() { Some(given.to_owned()) } else { config.find_file(name) };
    let Some(path) = found else {
        files.push(builtin.path.to_owned());
        return Some(Text { name: builtin.path.to_owned(), text: builtin.text.to_owned() });
    };
    read_file(&path, files, problems)
}

pub(super) fn read_file(path: &Path, files: &mut Vec<String>, problems: &mut Vec<Problem>) -> Option<Text> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            files.push(name.clone());
            Some(Text { name, text })
        }
        Err(error) => {
            problems.push(Problem {
                severity: Severity::Fatal,
                path: name,
                line: 1,
                column: 1,
                message: format!("cannot read the file: {error}"),
                hint: Some("make it a UTF-8 text that this user may read, or name another file".into()),
            });
            None
        }
    }
}

/// Every `*.yaml` of the directories of `[meter] meter_definitions_dirs`, in order.
fn meter_texts(config: &Config, files: &mut Vec<String>, problems: &mut Vec<Problem>) -> Vec<Text> {
    let mut texts = Vec::new();
    for directory in config.get(&meter::METER_DEFINITIONS_DIRS) {
        if directory == meter::BUILTIN_METERS {
            let Source { path, text } = definitions::builtin::METERS;
            files.push(path.to_owned());
            texts.push(Text { name: path.to_owned(), text: text.to_owned() });
            continue;
        }
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(directory) {
            Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
            // Upstream's glob finds nothing in a directory that is not there, and the default names one.
            Err(_) => continue,
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        texts.extend(paths.iter().filter_map(|path| read_file(path, files, problems)));
    }
    texts
}
