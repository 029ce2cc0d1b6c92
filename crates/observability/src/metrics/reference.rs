//! The reference page of all metrics.

use std::fmt::Write as _;

use super::{Description, PREFIX};

const INTRODUCTION: &str = "\
# Metrics

<!-- Generated from what the program registers by `cargo xtask docs`; do not edit. -->

`/metrics` of each role's health port gives these as Prometheus text, or as OpenMetrics where the client asks for it.
A counter with the label `cause` whose causes are known shows each of them from the start; other series appear when
they are first counted. A family keeps at most 1 000 combinations of labels, and gathers the rest under `_other`.
";

/// Metrics that do not bear the program's name.
const PROCESS: &str = "process";

/// The reference of `descriptions`, in Markdown: a table for each component.
pub fn reference(descriptions: &[Description]) -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut section = "";
    for one in descriptions {
        let component = component(&one.name);
        if component != section {
            section = component;
            let _ = write!(
                out,
                "\n## {component}\n\n| Name | Type | Labels | What it says |\n|---|---|---|---|\n"
            );
        }
        let labels: Vec<String> = one.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = one.help.replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {} | {} | {help} |", one.name, one.kind, labels.join(", "));
    }
    out
}

/// The second word of a metric's name, or [`PROCESS`].
fn component(name: &str) -> &str {
    let own = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
    own.map_or(PROCESS, |rest| rest.split('_').next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, Unit};

    #[test]
    fn every_metric_has_a_line_in_the_table_of_its_component() {
        let metrics = Metrics::new();
        metrics.register_process();
        let sink = metrics.component("sink");
        sink.counter_family("events", ["kind", "cause"], "Events, a|b");
        sink.gauge_in("queue", Unit::Bytes, "Size");
        metrics.component("other").counter("things", "Things");
        let page = reference(&metrics.inventory());
        assert!(page.contains("\n## other\n") && page.contains("\n## process\n"), "{page}");
        let table = "\n## sink\n\n| Name | Type | Labels | What it says |\n|---|---|---|---|\n\
                     | `nephoscope_sink_events_total` | counter | `kind`, `cause` | Events, a\\|b |\n\
                     | `nephoscope_sink_queue_bytes` | gauge |  | Size |\n";
        assert!(page.contains(table), "{page}");
        assert!(page.contains("| `process_open_fds` | gauge |  | Open file descriptors |\n"), "{page}");
    }
}
