//! `nephoscope poll`: one cycle, printed and not sent.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use definitions::{Severity, Source};
use model::pytext::to_str;
use model::{Sample, Value};
use observability::clock::Clock;
use observability::metrics::Metrics;
use observability::service_manager::ProgressRegistry;
use polling::config::PollingConfig;
use polling::{Alone, Collected, CycleReport, Heartbeats, Plan, PollingMetrics, Task, TaskParts};
use pollsters::Registry;
use tokio_util::sync::CancellationToken;

use crate::cli::{Invocation, PollArguments};
use crate::settings::polling::dynamic::Maker;
use crate::surroundings::Surroundings;
use crate::{Ending, check, complain, say, settings};

/// The one task's interval, by which services are given time; it is never waited for.
const ONCE: u64 = 20;
/// How long connections may take to end.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(2);

/// Polls and prints.
pub(crate) fn run(arguments: &PollArguments, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let config = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded.config,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let sessions = settings::openstack::Sessions::new(&config, &surroundings.env);
    let (namespaces, problems) = settings::polling::namespaces(&config);
    if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
        return Ending::Configuration(check::describe_fatal(&problems));
    }
    let polling = match synthetic(&arguments.meters) {
        Ok(polling) => polling,
        Err(text) => return Ending::Usage(anyhow!(text)),
    };
    let metrics = Metrics::new();
    let tools = settings::polling::tools(&config, &sessions, &metrics);
    let (definitions, mut problems) = settings::polling::dynamic::read(&config, &namespaces);
    let tables = Registry::load(&namespaces, &tools);
    let (registry, mut found) = Maker::new(tables, tools, &sessions).registry(&definitions);
    problems.append(&mut found);
    for problem in &problems {
        complain(format_args!("{problem}"));
    }
    let registry = Arc::new(registry);
    let (plan, problems) = Plan::new(&polling, &registry);
    if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
        return Ending::Configuration(check::describe_fatal(&problems));
    }
    let output = Arc::new(Collected::default());
    let metrics = PollingMetrics::register(&metrics.component("polling"));
    let parts = Arc::new(TaskParts {
        options: settings::polling::task_options(&config),
        output: Arc::<Collected>::clone(&output),
        exporter: None,
        names: sessions
            .names()
            .unwrap_or_else(|error| {
                complain(format_args!("samples go without names: {}", check::with_sources(&error)));
                None
            })
            .map(Arc::new),
        partition: Arc::new(Alone),
        heartbeats: Heartbeats::default(),
        metrics,
        clock: Clock::machine(),
    });
    let tasks = Task::all(plan, &registry, &parts);
    if tasks.is_empty() {
        let hint = "`nephoscope pollsters` lists what there is";
        return Ending::Failed(anyhow!("no pollster of that name in these namespaces; {hint}"));
    }
    let reports = match cycles(&tasks) {
        Ok(reports) => reports,
        Err(error) => return Ending::Failed(error),
    };
    print(&output.take().concat(), arguments.json);
    let failures: Vec<&String> = reports.iter().flat_map(|report| &report.failures).collect();
    for failure in &failures {
        complain(format_args!("{failure}"));
    }
    match failures.len() {
        0 => Ending::Done,
        count => Ending::Failed(anyhow!("{count} failures")),
    }
}

/// A `polling.yaml` that selects these pollsters.
fn synthetic(meters: &[String]) -> Result<PollingConfig, String> {
    let all = ["*".to_owned()];
    let meters = if meters.is_empty() { &all } else { meters };
    let list: Vec<String> = meters
        .iter()
        .map(|meter| Value::from(meter.as_str()))
        .map(|meter| model::json::to_string(&meter))
        .collect();
    let text = format!("sources: [{{name: poll, interval: {ONCE}, meters: [{}]}}]", list.join(", "));
    let parsed = PollingConfig::parse(Source { path: "--meter", text: &text });
    parsed.map(|(config, _)| config).map_err(|problems| check::describe_fatal(&problems))
}

fn cycles(tasks: &[Task]) -> anyhow::Result<Vec<CycleReport>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start a thread")?;
    let reports = runtime.block_on(async {
        let progress = ProgressRegistry::new(Clock::machine()).register("poll", std::time::Duration::MAX);
        let stop = CancellationToken::new();
        let mut reports = Vec::new();
        for task in tasks {
            reports.push(Box::pin(task.run(&progress, &stop)).await);
        }
        reports
    });
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(reports)
}

fn print(samples: &[Arc<Sample>], as_json: bool) {
    if as_json {
        for sample in samples {
            let mut text = Vec::new();
            sample.write_json(&mut text);
            say(format_args!("{}", String::from_utf8_lossy(&text)));
        }
        return;
    }
    say(format_args!("{}", row(["METER", "RESOURCE", "VOLUME", "UNIT", "TYPE", "PROJECT"])));
    for sample in samples {
        let text = |value: &Value| if value.is_null() { "-".to_owned() } else { to_str(value) };
        let (resource, volume) = (text(&sample.resource_id), text(&sample.volume));
        let (unit, project) = (text(&sample.unit), text(&sample.project_id));
        let columns =
            [sample.name.as_str(), resource.as_str(), &volume, &unit, sample.kind.as_str(), &project];
        say(format_args!("{}", row(columns)));
    }
}

fn row(columns: [&str; 6]) -> String {
    const WIDTHS: [usize; 6] = [32, 40, 16, 8, 11, 0];
    let mut row = String::new();
    for (column, width) in columns.into_iter().zip(WIDTHS) {
        // Writing to a String cannot fail.
        let _ = write!(row, "{column:<width$} ");
    }
    row.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_of_the_command_line_become_a_source() {
        let config = synthetic(&[]).unwrap();
        assert!(config.sources[0].filter.is_everything());
        let config = synthetic(&["image.*".into(), "quote\"d".into()]).unwrap();
        let filter = &config.sources[0].filter;
        assert!(filter.matches("image.size") && filter.matches("quote\"d") && !filter.matches("cpu"));
        let error = synthetic(&["a".into(), "!b".into()]).unwrap_err();
        assert!(error.contains("negated"), "{error}");
    }
}
