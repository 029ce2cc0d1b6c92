//! SIGHUP: the log file is opened anew, and changed definitions, pipelines and certificates are taken, or everything stays as it is.

use observability::logs::LogHandle;
use observability::metrics::Metrics;
use observability::reload::{Reload, ReloadMetrics};
use oslo_config::Config;
use oslo_config::options::{agent, logging, notification as options};

use super::House;
use super::Running;
use crate::check::with_sources;
use crate::settings::Definitions;
use crate::settings::polling::PolledAgain;

/// Reads every file again.
pub(crate) type ReadAgain<'r> = &'r dyn Fn() -> Result<Reread, String>;

/// What the files say now.
pub(crate) struct Reread {
    pub(crate) config: Config,
    /// The definitions and pipelines, where there is a role that has them.
    pub(crate) definitions: Option<Definitions>,
    /// What is polled, where there is a role that polls.
    pub(crate) polling: Option<PolledAgain>,
    /// What is odd, but does not prevent its use.
    pub(crate) warnings: Vec<String>,
}

/// Options that a reload takes; a `*` stands for every option of the group. What the definition files and pipelines say
/// is taken in any case.
const TAKEN: &[(&str, &str)] = &[
    ("DEFAULT", "debug"),
    ("DEFAULT", "default_log_levels"),
    ("DEFAULT", "pipeline_cfg_file"),
    ("DEFAULT", "event_pipeline_cfg_file"),
    ("DEFAULT", "pollsters_definitions_dirs"),
    ("DEFAULT", "sample_source"),
    ("DEFAULT", "reserved_metadata_namespace"),
    ("DEFAULT", "reserved_metadata_length"),
    ("DEFAULT", "reserved_metadata_keys"),
    ("event", "*"),
    ("meter", "*"),
    ("notification", "ack_on_event_error"),
    ("polling", "cfg_file"),
    ("polling", "pollsters_definitions_dirs"),
    ("polling", "prometheus_tls_certfile"),
    ("polling", "prometheus_tls_keyfile"),
];

/// Takes changed configuration into a running process.
pub(crate) struct Reloader<'r> {
    /// As the process was started; what has changed since and is not taken needs a restart.
    started: Config,
    logs: &'r LogHandle,
    read_again: ReadAgain<'r>,
    metrics: ReloadMetrics,
}

impl<'r> Reloader<'r> {
    pub(crate) fn new(
        config: &Config,
        metrics: &Metrics,
        logs: &'r LogHandle,
        read_again: ReadAgain<'r>,
    ) -> Self {
        let metrics = ReloadMetrics::register(&metrics.component("configuration"));
        Self { started: config.clone(), logs, read_again, metrics }
    }

    /// Reads the files again and takes what they say, all or nothing; returns a line for the service manager.
    pub(crate) fn reload(&mut self, house: &House, running: &mut Running) -> String {
        if let Err(error) = self.logs.reopen() {
            tracing::error!("SIGHUP: cannot open the log file anew: {error}");
        }
        match self.take(house, running) {
            Ok(()) => {
                self.metrics.reloads.increment(Reload::Taken);
                "configuration read again".to_owned()
            }
            Err(reason) => {
                self.metrics.reloads.increment(Reload::Refused);
                for line in reason.lines() {
                    tracing::error!("SIGHUP: {line}");
                }
                tracing::error!("SIGHUP: the configuration was not taken; everything goes on as before");
                format!("configuration not taken: {}", reason.lines().next().unwrap_or_default())
            }
        }
    }

    fn take(&mut self, house: &House, running: &mut Running) -> Result<(), String> {
        let Reread { config, definitions, polling, mut warnings } = (self.read_again)()?;
        let files = definitions.as_ref().map(|definitions| definitions.files.join(", "));
        if config.get(&options::PIPELINES) != self.started.get(&options::PIPELINES) {
            return Err("[notification] pipelines has changed: restart to take it".to_owned());
        }
        if config.get(&agent::POLLING_NAMESPACES) != self.started.get(&agent::POLLING_NAMESPACES) {
            return Err("polling_namespaces has changed: restart to take it".to_owned());
        }
        let (debug, levels) = (config.get(&logging::DEBUG), config.get(&logging::DEFAULT_LOG_LEVELS));
        self.logs.check_levels(debug, levels).map_err(|error| with_sources(&error))?;
        // Everything that can be refused comes before anything is taken.
        let plan = match (&running.polling, &polling) {
            (Some(running), Some(polling)) => {
                let (plan, problems) = running.prepare(polling)?;
                warnings.extend(problems.iter().map(ToString::to_string));
                Some(plan)
            }
            _ => None,
        };
        let tls = running.polling.as_ref().map(|polling| polling.prepare_tls(&config)).transpose()?.flatten();
        if let (Some(running), Some(definitions)) = (&running.notification, definitions) {
            running.reload(house, &config, definitions).map_err(|error| with_sources(&error))?;
        }
        if let (Some(running), Some(plan)) = (&mut running.polling, plan) {
            running.take_tls(tls.as_ref());
            running.take(plan);
        }
        self.logs.set_levels(debug, levels).map_err(|error| with_sources(&error))?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let left: Vec<String> = config
            .changes(&self.started)
            .into_iter()
            .filter(|change| !is_taken(&change.group, change.name))
            .map(|change| format!("[{}] {}", change.group, change.name))
            .collect();
        if !left.is_empty() {
            tracing::warn!(
                options = left.join(", "),
                "SIGHUP: these options have changed and need a restart"
            );
        }
        tracing::warn!(
            files = files.unwrap_or_default(),
            "SIGHUP: configuration read again; definitions, pipelines and what is polled are taken"
        );
        Ok(())
    }
}

fn is_taken(group: &str, name: &str) -> bool {
    TAKEN.iter().any(|(of, option)| *of == group && (*option == "*" || *option == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_a_reload_takes_exist() {
        let mut loader = oslo_config::Loader::new("test");
        loader.default_sources = false;
        let config = loader.load().unwrap().config;
        for (group, name) in TAKEN {
            let known =
                config.show().any(|shown| shown.group == *group && (*name == "*" || shown.name == *name));
            assert!(known, "[{group}] {name}");
        }
        assert!(is_taken("event", "store_raw") && !is_taken("DEFAULT", "transport_url"));
    }
}
