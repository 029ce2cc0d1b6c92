//! `nephoscope upgrade` and `ceilometer-upgrade`: Gnocchi's resource types and archive policies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use model::Value;
use observability::clock::Clock;
use observability::metrics::Metrics;
use publishers::gnocchi::Client;
use publishers::gnocchi::upgrade::{Step, UpgradeError, upgrade};

use crate::cli::{Invocation, UpgradeArguments};
use crate::settings::openstack::Sessions;
use crate::surroundings::Surroundings;
use crate::{Ending, check, gnocchi, role, say, settings};

/// How long one request may take; changing a type with many resources takes its time.
const REQUEST_LIMIT: Duration = Duration::from_mins(5);
/// The waits between attempts: each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Does it, however often it takes.
pub(crate) fn run(
    arguments: UpgradeArguments,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Ending {
    let loaded = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let config = loaded.config;
    let metrics = Metrics::new();
    let logs = settings::log_options(&config, &invocation.program, surroundings).and_then(|options| {
        observability::logs::start(&options, &Clock::machine(), role::log_metrics(&metrics))
    });
    let _logs = match logs {
        Ok(logs) => logs,
        Err(error) => return Ending::Configuration(check::with_sources(&error)),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.to_string().replace("\n  ", "; "));
    }
    if arguments.skip {
        tracing::info!("Gnocchi is left as it is");
        return Ending::Done;
    }
    let sessions = Arc::new(Sessions::new(&config, &surroundings.env));
    let client = match gnocchi::client(&sessions, REQUEST_LIMIT) {
        Ok(client) => client,
        Err(error) => return Ending::Configuration(check::with_sources(&error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime.context("cannot start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return Ending::Failed(error),
    };
    let (policies, problems) = gnocchi::archive_policies(&config);
    for problem in problems {
        tracing::warn!("{problem}");
    }
    runtime.block_on(attempts(&client, &policies, arguments)).map_or_else(Ending::Failed, |()| Ending::Done)
}

async fn attempts(client: &Client, policies: &[Value], arguments: UpgradeArguments) -> anyhow::Result<()> {
    let mut wait = FIRST_WAIT;
    let mut attempt: u64 = 1;
    loop {
        let mut steps = 0_u64;
        let mut report = |step: &Step| {
            steps += 1;
            if arguments.dry_run {
                say(format_args!("would {step}"));
            } else {
                tracing::info!("done: {step}");
            }
        };
        match upgrade(client, policies, arguments.dry_run, &mut report).await {
            Ok(()) => {
                if steps == 0 {
                    tracing::info!("Gnocchi's resource types and archive policies are up to date");
                }
                return Ok(());
            }
            Err(UpgradeError::Unavailable { message, .. })
                if arguments.retry.is_none_or(|most| attempt < most) =>
            {
                tracing::warn!(
                    attempt,
                    retry_in_seconds = wait.as_secs_f64(),
                    "Gnocchi's resource types and archive policies cannot be looked at or changed now: {message}"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                attempt = attempt.saturating_add(1);
            }
            Err(error) => {
                return Err(anyhow!(error)
                    .context("Gnocchi's resource types and archive policies are not up to date"));
            }
        }
    }
}
