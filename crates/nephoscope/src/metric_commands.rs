//! What operators do with the metric store: `nephoscope metric stats`, `fsck`, `backup`, `restore` and `import`.
//!
//! A server that has the store open is asked over its control socket ([`protocol`]); else the files are used.

mod backup;
mod client;
mod fsck;
mod import;
mod places;
pub(crate) mod protocol;
mod replace;
mod stats;

use std::future::Future;

use anyhow::Context as _;
use oslo_config::Config;

pub(crate) use self::backup::{unfinished, value as backup_value};
pub(crate) use self::places::{Places, SOCKET};
pub(crate) use self::replace::{restoration, value as replacement_value};
pub(crate) use self::stats::value as stats_value;

use crate::cli::{Invocation, MetricAction, MetricArguments, MetricCommand};
use crate::surroundings::Surroundings;
use crate::{Ending, complain, settings};

/// Does what was asked for.
pub(crate) fn run(command: &MetricCommand, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let arguments = MetricArguments { state_dir: command.state_dir.clone(), ..MetricArguments::default() };
    let config: Config = match settings::load_metric(&arguments, invocation, surroundings) {
        Ok(loaded) => loaded.config,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let places = Places::of(&config);
    let done = match &command.what {
        MetricAction::Stats => waited(stats::show(&places, command.json)),
        MetricAction::Fsck(None) => waited(fsck::look(&places, command.json)),
        MetricAction::Fsck(Some(backup)) => Ok(fsck::look_at_backup(backup, command.json)),
        MetricAction::Backup(directory) => waited(backup::back_up(&places, directory, command.json)),
        MetricAction::Import(arguments) => {
            waited(import::run(&places, arguments, surroundings, command.json))
        }
        MetricAction::Restore { directory, replace: true } => {
            waited(replace::replace(&places, directory, command.json))
        }
        MetricAction::Restore { directory, replace: false } => {
            Ok(backup::restore(&places, directory, command.json))
        }
    };
    done.unwrap_or_else(Ending::Failed)
}

fn waited(work: impl Future<Output = Ending>) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start the threads")?.block_on(work))
}

/// The result of a command for programs.
fn say_json(value: &model::Value) {
    crate::say(format_args!("{}", model::json::to_string(value)));
}

/// A hint beside a result.
fn hint(line: std::fmt::Arguments<'_>) {
    complain(line);
}
