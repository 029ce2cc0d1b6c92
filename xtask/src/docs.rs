//! The generated references, and whether the committed ones are up to date.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use coordination::CoordinationMetrics;
use notification::AgentMetrics;
use observability::control::ControlMetrics;
use observability::logs::LogMetrics;
use observability::metrics::Metrics;
use observability::reload::ReloadMetrics;
use observability::supervisor::SupervisorMetrics;
use openstack::TrafficMetrics;
use oslo_messaging::AmqpMetrics;
use pipeline::PipelineMetrics;
use polling::PollingMetrics;
use pollsters::compute::ComputeMetrics;
use pollsters::ipmi::IpmiMetrics;
use publishers::exporter::ExporterMetrics;
use publishers::gnocchi::GnocchiMetrics;
use publishers::notifier::NotifierMetrics;

use crate::Finding;

/// A generated file and what makes it.
struct Reference {
    path: &'static str,
    generate: fn() -> String,
}

const REFERENCES: [Reference; 4] = [
    Reference { path: "docs/reference/configuration.md", generate: oslo_config::reference },
    Reference { path: "docs/reference/metric-configuration.md", generate: oslo_config::metric_reference },
    Reference { path: "docs/reference/metrics.md", generate: metrics },
    Reference { path: "docs/reference/pollsters.md", generate: pollsters::reference },
];

/// Every metric under the component names that the binary gives; a test of the binary compares the page with what a
/// running agent exposes.
fn metrics() -> String {
    let metrics = Metrics::new();
    metrics.register_process();
    metrics.register_build_info(&[("version", String::new())]);
    let _ = LogMetrics::register(&metrics.component("log"));
    let _ = SupervisorMetrics::register(&metrics.component("supervisor"));
    let _ = SupervisorMetrics::register(&metrics.component("watch"));
    let _ = ReloadMetrics::register(&metrics.component("configuration"));
    let _ = ControlMetrics::register(&metrics.component("control"));
    let _ = ControlMetrics::register(&metrics.component("metric_control"));
    let _ = PipelineMetrics::register(&metrics.component("pipeline"));
    let _ = GnocchiMetrics::register(&metrics.component("gnocchi"));
    let _ = AgentMetrics::register(&metrics.component("notification"));
    let _ = PollingMetrics::register(&metrics.component("polling"));
    let _ = CoordinationMetrics::register(&metrics.component("coordination"));
    let _ = ComputeMetrics::register(&metrics.component("compute"));
    let _ = TrafficMetrics::register(&metrics.component("openstack"));
    let _ = IpmiMetrics::register(&metrics.component("ipmi"));
    let _ = polling::ExporterMetrics::register(&metrics.component("polling_exporter"));
    let _ = openstack::tokens::TokenMetrics::register(&metrics.component("tokens"));
    let _ = metric_api::ApiMetrics::register(&metrics.component("metric_api"));
    let _ = AmqpMetrics::register(&metrics.component("amqp"));
    let _ = NotifierMetrics::register(&metrics.component("notifier"));
    let _ = ExporterMetrics::register(&metrics.component("prometheus_exporter"));
    observability::metrics::reference(&metrics.inventory())
}

/// Writes every reference.
pub(crate) fn write(root: &Path) -> Result<()> {
    for reference in &REFERENCES {
        let path = root.join(reference.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let text = (reference.generate)();
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", reference.path);
    }
    Ok(())
}

/// The references that differ from what would be generated.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for reference in &REFERENCES {
        let path = root.join(reference.path);
        let committed = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        findings.extend(compare(reference.path, committed.as_deref(), &(reference.generate)()));
    }
    Ok(findings)
}

fn compare(path: &str, committed: Option<&str>, generated: &str) -> Option<Finding> {
    let Some(committed) = committed else {
        return Some(format!("{path} is missing: run `cargo xtask docs`"));
    };
    if committed == generated {
        return None;
    }
    let differs = committed.lines().zip(generated.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| committed.lines().count().min(generated.lines().count())) + 1;
    Some(format!("{path}:{line} is out of date: run `cargo xtask docs`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_stale_reference_is_found() {
        assert_eq!(compare("x.md", Some("a\nb\n"), "a\nb\n"), None);
        assert_eq!(compare("x.md", None, "a\n").unwrap(), "x.md is missing: run `cargo xtask docs`");
        assert_eq!(
            compare("x.md", Some("a\nb\n"), "a\nc\n").unwrap(),
            "x.md:2 is out of date: run `cargo xtask docs`"
        );
        assert_eq!(
            compare("x.md", Some("a\n"), "a\nb\n").unwrap(),
            "x.md:2 is out of date: run `cargo xtask docs`"
        );
    }

    #[test]
    fn what_was_written_passes_and_what_was_changed_does_not() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(check(directory.path()).unwrap().len(), REFERENCES.len());
        write(directory.path()).unwrap();
        assert_eq!(check(directory.path()).unwrap(), Vec::<String>::new());
        let path = directory.path().join(REFERENCES[0].path);
        let changed = fs::read_to_string(&path).unwrap().replacen('a', "b", 1);
        fs::write(&path, changed).unwrap();
        assert_eq!(check(directory.path()).unwrap().len(), 1);
    }
}
