//! OpenStack Telemetry in one binary.
//!
//! `main` reads aloud: command line, surroundings, configuration, definitions, logs, role, exit status.

mod check;
mod cli;
mod config_show;
mod dead_letter;
mod explain;
mod gnocchi;
mod metric_commands;
mod poll;
mod pollsters_list;
mod publish_test;
mod publishers_by_url;
mod restart;
mod role;
mod send_sample;
mod settings;
mod signals;
mod surroundings;
mod tap;
mod upgrade;
mod upgrade_check;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use observability::clock::Clock;
use observability::metrics::Metrics;
use oslo_messaging::AmqpMetrics;
use pipeline::PublisherFactory;

use crate::cli::{Action, ExitCodes, Invocation, Stop};
use crate::role::{EmbeddedStore, Roles, StorePart};
use crate::surroundings::Surroundings;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// sysexits.h: the command line is wrong.
const EX_USAGE: u8 = 64;
/// sysexits.h: the configuration is wrong.
const EX_CONFIG: u8 = 78;
/// sysexits.h: another time it may work.
const EX_TEMPFAIL: u8 = 75;
/// Anything else.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os().collect()) {
        Ok(invocation) => invocation,
        Err(stop) => return usage(&stop),
    };
    let surroundings = Surroundings::read();
    match &invocation.action {
        Action::Version => {
            say(format_args!("nephoscope {}", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Action::ConfigShow { all } => {
            finish(&invocation, config_show::show(&invocation, &surroundings, *all))
        }
        Action::Check { strict, roles } => {
            finish(&invocation, check::check(&invocation, &surroundings, *roles, *strict))
        }
        Action::Explain(request) => {
            finish(&invocation, explain::explain(&invocation, &surroundings, request))
        }
        Action::DeadLetter(action) => {
            finish(&invocation, dead_letter::run(action, &invocation, &surroundings))
        }
        Action::Tap(arguments) => finish(&invocation, tap::run(arguments, &invocation, &surroundings)),
        Action::Upgrade(arguments) => {
            finish(&invocation, upgrade::run(*arguments, &invocation, &surroundings))
        }
        Action::SendSample => finish(&invocation, send_sample::run(&invocation, &surroundings)),
        Action::PublishTest(arguments) => {
            finish(&invocation, publish_test::run(arguments, &invocation, &surroundings))
        }
        Action::UpgradeCheck { json } => {
            ExitCode::from(upgrade_check::run(*json, &invocation, &surroundings))
        }
        Action::Notification => finish(&invocation, start(Roles::Notification, &invocation, &surroundings)),
        Action::Polling => finish(&invocation, start(Roles::Polling, &invocation, &surroundings)),
        Action::Metric(arguments) => {
            finish(&invocation, role::metric::run(arguments, &invocation, &surroundings))
        }
        Action::MetricCommand(command) => {
            finish(&invocation, metric_commands::run(command, &invocation, &surroundings))
        }
        Action::Poll(arguments) => finish(&invocation, poll::run(arguments, &invocation, &surroundings)),
        Action::Pollsters => finish(&invocation, pollsters_list::show(&invocation, &surroundings)),
        Action::Run => finish(&invocation, start(Roles::All, &invocation, &surroundings)),
    }
}

/// How a command ended.
pub(crate) enum Ending {
    /// Well.
    Done,
    /// In order, to start anew.
    Restart,
    /// The configuration is wrong; the text says where and what to write instead.
    Configuration(String),
    /// The command line names something that cannot be used.
    Usage(anyhow::Error),
    /// Somebody else has what is needed.
    Busy(anyhow::Error),
    /// Something else went wrong.
    Failed(anyhow::Error),
}

fn start(roles: Roles, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let loaded = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let config = loaded.config;
    let sessions = Arc::new(settings::openstack::Sessions::new(&config, &surroundings.env));
    let metrics = Metrics::new();
    let mut problems = Vec::new();
    let definitions = roles.has_pipelines().then(|| {
        let (definitions, mut found) = settings::load_definitions(&config);
        problems.append(&mut found);
        definitions
    });
    let polled = roles.polls(&config).then(|| {
        let (polled, mut found) = settings::polling::load_polling(&config, &sessions, &metrics);
        problems.append(&mut found);
        polled
    });
    let (definitions, polled) = match (definitions, polled) {
        (Some(None), _) | (_, Some(None)) => return Ending::Configuration(check::describe_fatal(&problems)),
        (definitions, polled) => (definitions.flatten(), polled.flatten()),
    };
    let listeners = match roles.has_pipelines().then(|| settings::listeners(&config)).transpose() {
        Ok(listeners) => listeners.unwrap_or_default(),
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let logs = settings::log_options(&config, &invocation.program, surroundings).and_then(|options| {
        observability::logs::start(&options, &Clock::machine(), role::log_metrics(&metrics))
    });
    let logs = match logs {
        Ok(logs) => logs,
        Err(error) => return Ending::Configuration(check::with_sources(&error)),
    };
    observability::logs::log_panics();
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.to_string().replace("\n  ", "; "));
    }
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    if let Err(error) = roles.prepare(&config) {
        return Ending::Failed(error);
    }
    // Names are a help: an agent without them does everything else, as upstream's does. `check` calls it an error.
    let names = || {
        sessions.names().unwrap_or_else(|error| {
            tracing::warn!(
                "samples go without the names of users and projects: {}",
                check::with_sources(&error)
            );
            None
        })
    };
    let amqp = AmqpMetrics::register(&metrics.component("amqp"));
    let buffers = match roles.buffers(&config) {
        Ok(buffers) => buffers,
        Err(error) => {
            let hint = "see [nephoscope] buffer_directory";
            return Ending::Configuration(format!("{}; {hint}", check::with_sources(&error)));
        }
    };
    let store = EmbeddedStore::default();
    let part = roles.stores(&config, definitions.as_ref()).then(|| {
        let metric = settings::load_embedded(&config, invocation, surroundings);
        let metric = metric.map_err(|error| error.to_string())?;
        for warning in &metric.warnings {
            tracing::warn!("{}", warning.to_string().replace("\n  ", "; "));
        }
        let part = StorePart::new(&config, &metric.config, &surroundings.env, store.clone())?;
        for warning in part.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(part)
    });
    let part = match part.transpose() {
        Ok(part) => part,
        Err(text) => return Ending::Configuration(text),
    };
    let mut parts = role::Parts { notification: None, polling: None, store: part };
    let mut buffers = Some(buffers);
    if let Some(definitions) = definitions {
        tracing::info!(files = definitions.files.join(", "), "definitions read");
        let to_publishers = settings::publishers(&config, &surroundings.env, &metrics, &amqp, &sessions);
        let publishers: Arc<dyn PublisherFactory> =
            Arc::new(roles.publishers(&config, to_publishers, Some(store.way())));
        let notification = role::Notification::new(
            &config,
            definitions,
            listeners,
            &publishers,
            names(),
            &metrics,
            amqp.clone(),
        );
        match notification {
            Ok(notification) => {
                parts.notification = Some(notification.with_buffers(buffers.take().flatten()));
            }
            Err(error) => return Ending::Configuration(check::with_sources(&error)),
        }
    }
    if let Some(polled) = polled {
        let with_bus = !roles.has_pipelines();
        let polling = role::Polling::new(&config, polled, names(), with_bus, &metrics, &amqp);
        match polling.and_then(role::Polling::listening) {
            Ok(polling) => parts.polling = Some(polling.with_buffers(buffers.take().flatten())),
            Err(error) => return Ending::Configuration(error),
        }
    }
    let read_again = || read_again(roles, invocation, surroundings);
    match role::run(roles, &config, parts, metrics, &surroundings.service_manager, logs, &read_again) {
        Ok(role::End::Stopped) => Ending::Done,
        Ok(role::End::Restart) => Ending::Restart,
        Err(error) => Ending::Failed(error),
    }
}

/// The configuration as the files say it now; the text names everything that prevents its use.
fn read_again(
    roles: Roles,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Result<role::Reread, String> {
    let loaded = settings::load(invocation, surroundings).map_err(|error| error.to_string())?;
    let config = loaded.config;
    let mut problems = Vec::new();
    let definitions = roles.has_pipelines().then(|| {
        let (definitions, mut found) = settings::load_definitions(&config);
        problems.append(&mut found);
        definitions
    });
    let polling = roles.polls(&config).then(|| {
        let (polling, mut found) = settings::polling::read_again(&config);
        problems.append(&mut found);
        polling
    });
    let (definitions, polling) = match (definitions, polling) {
        (Some(None), _) | (_, Some(None)) => return Err(check::describe_fatal(&problems)),
        (definitions, polling) => (definitions.flatten(), polling.flatten()),
    };
    let mut warnings: Vec<String> =
        loaded.warnings.iter().map(|warning| warning.to_string().replace("\n  ", "; ")).collect();
    warnings.extend(problems.iter().map(ToString::to_string));
    Ok(role::Reread { config, definitions, polling, warnings })
}

fn finish(invocation: &Invocation, ending: Ending) -> ExitCode {
    let (message, own) = match ending {
        Ending::Done => return ExitCode::SUCCESS,
        Ending::Restart => (format!("cannot start anew: {}", restart::execute()), FAILURE),
        Ending::Configuration(message) => (message, EX_CONFIG),
        Ending::Usage(error) => (format!("{error:#}"), EX_USAGE),
        Ending::Busy(error) => (format!("{error:#}"), EX_TEMPFAIL),
        Ending::Failed(error) => (format!("{error:#}"), FAILURE),
    };
    let name = match invocation.exit_codes {
        ExitCodes::Own => "nephoscope",
        ExitCodes::Upstream => &invocation.program,
    };
    complain(format_args!("{name}: {message}"));
    match invocation.exit_codes {
        ExitCodes::Own => ExitCode::from(own),
        ExitCodes::Upstream => ExitCode::from(FAILURE),
    }
}

/// Help and version go to stdout and are a success; a wrong command line goes to stderr.
fn usage(stop: &Stop) -> ExitCode {
    // Nothing is left to be done when even this cannot be written.
    let _ = stop.error.print();
    if !stop.error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    match stop.exit_codes {
        ExitCodes::Own => ExitCode::from(EX_USAGE),
        ExitCodes::Upstream => ExitCode::from(2),
    }
}

/// A line on stdout; a reader that went away is no reason to fail.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on stderr.
pub(crate) fn complain(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
