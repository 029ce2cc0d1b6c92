//! `nephoscope check`: everything that is wrong in any configuration file, without starting anything.

use std::error::Error;
use std::sync::Arc;

use definitions::{Problem, Severity};
use observability::metrics::Metrics;
use oslo_config::Config;
use oslo_messaging::AmqpMetrics;
use pipeline::PublisherFactory;

use crate::cli::Invocation;
use crate::gnocchi;
use crate::role::{EmbeddedStore, Roles, StorePart};
use crate::settings::openstack::Sessions;
use crate::surroundings::Surroundings;
use crate::{Ending, role, say, settings};

/// Reads every file and reports. With `strict`, a warning is an error. Without roles, the files are those of the metric
/// role.
pub(crate) fn check(
    invocation: &Invocation,
    surroundings: &Surroundings,
    roles: Option<Roles>,
    strict: bool,
) -> Ending {
    let mut errors = 0;
    let mut warnings = 0;
    let mut report = |severity: Severity, text: &str| {
        let (word, count) = match severity {
            Severity::Warning => ("warning", &mut warnings),
            Severity::Error | Severity::Fatal => ("error", &mut errors),
        };
        *count += 1;
        say(format_args!("{word}: {text}"));
    };
    // What is in error has its default from here on, so that one run names the problems of every file.
    let inspection = settings::inspect(invocation, surroundings);
    for problem in &inspection.warnings {
        report(Severity::Warning, &problem.to_string());
    }
    for problem in &inspection.errors {
        report(Severity::Error, &problem.to_string());
    }
    for (omitted, word) in [(inspection.omitted_warnings, "warnings"), (inspection.omitted_errors, "errors")]
    {
        if omitted > 0 {
            say(format_args!("and {omitted} more {word}"));
        }
    }
    let config = inspection.config;
    if let Err(error) = settings::log_options(&config, &invocation.program, surroundings) {
        report(Severity::Error, &with_sources(&error));
    }
    let Some(roles) = roles else {
        match role::metric::check(&config, surroundings) {
            Err(text) => report(Severity::Error, &text),
            Ok(texts) => texts.iter().for_each(|text| report(Severity::Warning, text)),
        }
        return ending(errors + inspection.omitted_errors, warnings + inspection.omitted_warnings, strict);
    };
    let sessions = Arc::new(settings::openstack::Sessions::new(&config, &surroundings.env));
    if let Err(error) = sessions.names() {
        report(Severity::Error, &with_sources(&error));
    }
    if roles.has_pipelines() {
        check_pipelines(&config, invocation, surroundings, roles, &sessions, &mut report);
    }
    if roles.polls(&config) {
        check_polling(&config, roles, &sessions, &mut report);
    }
    ending(errors + inspection.omitted_errors, warnings + inspection.omitted_warnings, strict)
}

/// Listeners, definitions, pipelines and their publishers.
fn check_pipelines(
    config: &Config,
    invocation: &Invocation,
    surroundings: &Surroundings,
    roles: Roles,
    sessions: &Arc<Sessions>,
    report: &mut impl FnMut(Severity, &str),
) {
    let (definitions, problems) = settings::load_definitions(config);
    for problem in &problems {
        report(problem.severity, &problem.to_string());
    }
    let listeners = settings::listeners(config).unwrap_or_else(|error| {
        report(Severity::Error, &with_sources(&error));
        Vec::new()
    });
    let Some(definitions) = definitions else { return };
    for file in &definitions.files {
        say(format_args!("read: {file}"));
    }
    if roles.stores(config, Some(&definitions)) {
        check_store(config, invocation, surroundings, report);
    }
    let pipelines: Vec<_> = definitions.pipelines().map(|(_, pipelines)| pipelines).collect();
    if gnocchi::is_written_to(&pipelines, &[gnocchi::SCHEME])
        && let Err(error) = sessions.shared_cache()
    {
        report(Severity::Error, &with_sources(&error));
    }
    for problem in gnocchi::problems(config, pipelines) {
        report(problem.severity, &problem.to_string());
    }
    let (metrics, amqp) = (Metrics::new(), AmqpMetrics::default());
    let to_publishers = settings::publishers(config, &surroundings.env, &metrics, &amqp, sessions);
    let publishers: Arc<dyn PublisherFactory> = Arc::new(roles.publishers(config, to_publishers, None));
    let mut wrong = Vec::new();
    for (kind, pipelines) in definitions.pipelines() {
        wrong.append(&mut pipeline::check_publishers(pipelines, kind, &*publishers));
    }
    for error in &wrong {
        report(Severity::Error, &with_sources(error));
    }
    if !wrong.is_empty() {
        return;
    }
    let notification =
        role::Notification::new(config, definitions, listeners, &publishers, None, &metrics, amqp);
    if let Err(error) = notification {
        report(Severity::Error, &with_sources(&error));
    }
}

/// The metric store in the process.
fn check_store(
    config: &Config,
    invocation: &Invocation,
    surroundings: &Surroundings,
    report: &mut impl FnMut(Severity, &str),
) {
    let metric = match settings::load_embedded(config, invocation, surroundings) {
        Ok(metric) => metric,
        Err(error) => return report(Severity::Error, &error.to_string()),
    };
    for warning in &metric.warnings {
        report(Severity::Warning, &warning.to_string());
    }
    match StorePart::new(config, &metric.config, &surroundings.env, EmbeddedStore::default()) {
        Ok(part) => part.warnings().iter().for_each(|warning| report(Severity::Warning, warning)),
        Err(text) => report(Severity::Error, &text),
    }
}

/// Namespaces, `polling.yaml`, and where samples are sent.
fn check_polling(
    config: &Config,
    roles: Roles,
    sessions: &Sessions,
    report: &mut impl FnMut(Severity, &str),
) {
    let metrics = Metrics::new();
    let (polled, problems) = settings::polling::load_polling(config, sessions, &metrics);
    for problem in &problems {
        report(problem.severity, &problem.to_string());
    }
    let Some(polled) = polled else { return };
    say(format_args!("read: {}", polled.file));
    if polled.plan.is_empty() {
        let message =
            format!("{}: no source selects a pollster of this agent: nothing is polled", polled.file);
        report(Severity::Warning, &message);
    }
    let made =
        role::Polling::new(config, polled, None, roles != Roles::All, &metrics, &AmqpMetrics::default());
    if let Err(error) = made {
        report(Severity::Error, &error);
    }
}

fn ending(errors: usize, warnings: usize, strict: bool) -> Ending {
    let summary = format!("{errors} errors, {warnings} warnings");
    if errors > 0 || (strict && warnings > 0) {
        return Ending::Configuration(summary);
    }
    say(format_args!("{summary}"));
    Ending::Done
}

/// The problems that prevent a start, one a line.
pub(crate) fn describe_fatal(problems: &[Problem]) -> String {
    let fatal = problems.iter().filter(|problem| problem.severity == Severity::Fatal);
    fatal.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// An error with all its sources, in one line.
pub(crate) fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
