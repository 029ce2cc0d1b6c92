//! `[coordination]`: with whom the polling agent shares its work.

use coordination::{BackendUrl, UrlError};
use definitions::{Problem, Severity};
use oslo_config::options::{coordination as options, nephoscope, polling as polling_options};
use oslo_config::{Config, Origin, Value};
use polling::config::PollingConfig;
use polling::{GroupNames, Plan, SharedGroups, Surroundings};
use pollsters::{Namespace, Registry};

const OPTION: &str = "[coordination] backend_url";

/// With whom the work is shared, checked.
pub(crate) struct Coordination {
    pub(crate) url: BackendUrl,
    names: GroupNames,
    asked: Asked,
}

/// What `group_id_coordination_expression` can ask for.
struct Asked {
    config: Config,
    host_name: String,
}

impl Coordination {
    /// With the agents that meet at `[coordination] backend_url`, if that is set.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(config: &Config, namespaces: &[&Namespace]) -> Result<Option<Self>, Problem> {
        let Some(url) = config.get(&options::BACKEND_URL).filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let url = BackendUrl::parse(url).map_err(|error| problem(config, Severity::Fatal, &error))?;
        let namespaces: Vec<&str> = namespaces.iter().map(|namespace| namespace.name).collect();
        let prefix = config.get(&polling_options::PARTITIONING_GROUP_PREFIX);
        let with_python = config.get(&nephoscope::COORDINATION_WITH_PYTHON);
        let names = GroupNames::new(&namespaces, prefix, with_python);
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Some(Self { url, names, asked: Asked { config: config.clone(), host_name } }))
    }

    /// Says where the option is that is wrong.
    pub(crate) fn describe(&self, error: &UrlError) -> String {
        problem(&self.asked.config, Severity::Fatal, error).to_string()
    }

    /// What is odd, but does not prevent its use.
    pub(crate) fn warnings(&self) -> Vec<Problem> {
        let warning = |message: String, hint: &str| {
            problem(&self.asked.config, Severity::Warning, &UrlError { message, hint: hint.to_owned() })
        };
        let mut warnings = Vec::new();
        if !self.url.unknown.is_empty() {
            let message = format!("parameters that mean nothing here: {}", self.url.unknown.join(", "));
            warnings.push(warning(message, "correct or remove them"));
        }
        if self.asked.config.get(&nephoscope::COORDINATION_WITH_PYTHON) && !self.url.is_shared_with_python() {
            let message = "coordination_with_python is on, and Ceilometer's agents cannot share work here";
            warnings.push(warning(message.to_owned(), "use redis:// or etcd3+http://, or turn it off"));
        }
        warnings
    }

    /// The groups of what is polled, with what is wrong with their expressions.
    pub(crate) fn groups(
        &self,
        config: &PollingConfig,
        plan: &Plan,
        registry: &Registry,
    ) -> (SharedGroups, Vec<Problem>) {
        SharedGroups::new(self.names.clone(), config, plan, registry, &self.asked)
    }
}

/// Whether the work is shared with Ceilometer's agents.
pub(crate) fn is_with_python(config: &Config) -> bool {
    let is_shared = config.get(&options::BACKEND_URL).is_some_and(|url| !url.is_empty());
    is_shared && config.get(&nephoscope::COORDINATION_WITH_PYTHON)
}

/// Names the file and line of the option, if it is from a file.
fn problem(config: &Config, severity: Severity, error: &UrlError) -> Problem {
    let hint = Some(error.hint.clone());
    if let Some(Origin::File { path, line, column }) = config.origin(&options::BACKEND_URL) {
        let (path, message) = (path.display().to_string(), error.message.clone());
        return Problem { severity, path, line: *line, column: *column, message, hint };
    }
    let message = error.message.strip_prefix(OPTION).and_then(|message| message.strip_prefix(": "));
    let message = message.unwrap_or(&error.message).to_owned();
    Problem { severity, path: OPTION.into(), line: 1, column: 1, message, hint }
}

impl Surroundings for Asked {
    fn option(&self, group: &str, name: &str) -> Option<String> {
        match self.config.value(group, name)? {
            Value::Str(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(if *truth { "True" } else { "False" }.to_owned()),
            Value::Null | Value::Float(_) | Value::List(_) => None,
        }
    }

    fn host_name(&self) -> String {
        self.host_name.clone()
    }
}
