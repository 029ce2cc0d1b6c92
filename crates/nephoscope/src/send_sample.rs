//! `nephoscope send-sample` (upstream's `ceilometer-send-sample`): one sample through the sample pipeline.
//!
//! Each publisher that the pipeline selects for it is tried once; what it exchanges with its peer is told on standard error,
//! where upstream logs at debug level. The exit status tells whether all of them have accepted.

mod literal;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use model::{Map, MeterKind, Sample, Subject, Value};
use observability::metrics::Metrics;
use oslo_config::Config;
use oslo_config::options::{agent, commands};
use oslo_messaging::AmqpMetrics;
use pipeline::{PublisherFactory as _, PublisherUrl, Records, RecordsKind, volume_problem};
use publishers::Witness;

use crate::cli::Invocation;
use crate::publish_test::{Published, now, publish_once};
use crate::role::Roles;
use crate::surroundings::Surroundings;
use crate::{Ending, check, complain, say, settings};

/// Publishes the sample that flags and configuration describe.
pub(crate) fn run(invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let config = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded.config,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let sample = match sample(&config) {
        Ok(sample) => Arc::new(sample),
        Err(error) => return Ending::Usage(error),
    };
    let (definitions, problems) = settings::load_definitions(&config);
    let Some(definitions) = definitions else {
        return Ending::Configuration(check::describe_fatal(&problems));
    };
    let Some((_, _, pipelines)) = definitions.samples else {
        let hint = "add meter to [notification] pipelines";
        return Ending::Configuration(format!("the sample pipeline is switched off; {hint}"));
    };
    if let Some(problem) = volume_problem(&sample) {
        return Ending::Failed(anyhow!("no pipeline carries this sample: {problem}"));
    }
    let witness = Witness::new(|line| complain(format_args!("{line}")));
    let sessions = Arc::new(settings::openstack::Sessions::new(&config, &surroundings.env));
    let (metrics, amqp) = (Metrics::new(), AmqpMetrics::default());
    let to_publishers = settings::publishers(&config, &surroundings.env, &metrics, &amqp, &sessions);
    let publishers = Roles::Notification.publishers(&config, to_publishers, None).with_witness(witness);
    let mut seen: Vec<PublisherUrl> = Vec::new();
    let mut failed = 0;
    for pipeline in pipelines.pipelines().filter(|pipeline| pipeline.filter.matches(&sample.name)) {
        for configured in pipeline.publishers {
            if seen.contains(&configured.url) {
                continue;
            }
            seen.push(configured.url.clone());
            let (place, url) = (&configured.place, configured.url.redacted());
            let publisher = match publishers.build(&configured.url, RecordsKind::Samples) {
                Ok(publisher) => publisher,
                Err(error) => return Ending::Configuration(format!("{place}: publisher {url}: {error}")),
            };
            match publish_once(publisher, Records::Samples(vec![Arc::clone(&sample)])) {
                Ok(Published::Accepted) => say(format_args!("{url} ({place}): accepted")),
                Ok(Published::Not(reason)) => {
                    failed += 1;
                    say(format_args!("{url} ({place}): {reason}"));
                }
                Err(error) => return Ending::Failed(error),
            }
        }
    }
    match (seen.len(), failed) {
        (0, _) => Ending::Failed(anyhow!("no pipeline has a publisher for the meter {:?}", sample.name)),
        (_, 0) => Ending::Done,
        (all, failed) => Ending::Failed(anyhow!("{failed} of {all} publishers have not accepted the sample")),
    }
}

/// The sample that `[DEFAULT] sample_*` describe.
fn sample(config: &Config) -> anyhow::Result<Sample> {
    let required = |value: Option<&str>, flag: &str| {
        value
            .map(str::to_owned)
            .ok_or_else(|| anyhow!("--{flag} is required (or {} in [DEFAULT])", flag.replace('-', "_")))
    };
    let name = required(config.get(&commands::SAMPLE_NAME), "sample-name")?;
    let resource = required(config.get(&commands::SAMPLE_RESOURCE), "sample-resource")?;
    let metadata = match config.get(&commands::SAMPLE_METADATA) {
        None | Some("") => Map::new().into(),
        Some(text) => literal::parse(text)
            .with_context(|| format!("--sample-metadata {text:?} is neither a Python literal nor JSON"))?,
    };
    let timestamp = match config.get(&commands::SAMPLE_TIMESTAMP) {
        Some(text) => text.to_owned(),
        None => now()?.to_iso(),
    };
    let optional = |value: Option<&str>| -> Value { value.into() };
    Ok(Sample {
        name: name.into(),
        kind: MeterKind::from_name(config.get(&commands::SAMPLE_TYPE)).unwrap_or(MeterKind::Gauge),
        unit: optional(config.get(&commands::SAMPLE_UNIT)),
        volume: Value::Int(config.get(&commands::SAMPLE_VOLUME)),
        subject: Subject {
            user_id: optional(config.get(&commands::SAMPLE_USER)),
            user_name: Value::Null,
            project_id: optional(config.get(&commands::SAMPLE_PROJECT)),
            project_name: Value::Null,
            resource_id: resource.into(),
            // As upstream: whatever is empty becomes an empty map.
            resource_metadata: if metadata.is_truthy() { metadata.into() } else { Map::new().into() },
        }
        .into(),
        timestamp: timestamp.into(),
        source: config.get(&agent::SAMPLE_SOURCE).into(),
        id: uuid::Uuid::new_v4().into(),
        monotonic_time: None,
    })
}
