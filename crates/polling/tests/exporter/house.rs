//! An exporter, and what it shows.

use std::sync::Arc;

use model::{MeterKind, Sample, Subject, Value, json};
use nephoscope_polling::{Exporter, ExporterMetrics, ExporterMode};
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;
use publishers::series::{Exposition, Format, Shows as _};

pub(crate) struct House {
    pub(crate) exporter: Arc<Exporter>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) hand: TestClock,
}

impl House {
    pub(crate) fn new(mode: ExporterMode) -> Self {
        Self::with_room(mode, 1_000_000)
    }

    pub(crate) fn with_room(mode: ExporterMode, series: usize) -> Self {
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let metrics = Metrics::new();
        let own = ExporterMetrics::register(&metrics.component("polling_exporter"));
        Self { exporter: Arc::new(Exporter::new(mode, series, own)), metrics, clock, hand }
    }

    /// A run of a pollster in a source `s` with an interval of 60 s, that gives all that there is.
    pub(crate) fn run(&self, pollster: &str, samples: &[Arc<Sample>]) {
        self.run_of(pollster, "s", 60, samples, true);
    }

    pub(crate) fn run_of(
        &self,
        pollster: &str,
        source: &str,
        interval: u64,
        samples: &[Arc<Sample>],
        is_whole: bool,
    ) {
        let mut run = self.exporter.begin(pollster, source, interval);
        run.add(samples);
        run.end(is_whole, self.clock.monotonic());
    }

    pub(crate) fn text(&self, format: Format) -> String {
        let snapshot = self.exporter.snapshot(self.clock.monotonic(), &|_| true);
        String::from_utf8(Exposition::new(snapshot, format).collect::<Vec<_>>().concat()).unwrap()
    }

    /// The lines of series, in the order of the page.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.text(Format::Classic);
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// The series as `name resource value`.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.lines().iter().map(|line| brief(line)).collect()
    }

    /// A metric of our own.
    pub(crate) fn own(&self, name: &str) -> u64 {
        let text = self.metrics.prometheus_text();
        let wanted = format!("nephoscope_polling_exporter_{name} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&wanted));
        found.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    }
}

/// A line as `name resource value`.
pub(crate) fn brief(line: &str) -> String {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let name = series.split('{').next().unwrap();
    let resource = series.split_once("resource=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
    format!("{} {resource} {value}", name.trim_start_matches("ceilometer_"))
}

pub(crate) fn gauge(name: &str, resource: &str, volume: impl Into<Value>) -> Arc<Sample> {
    made(name, MeterKind::Gauge, "", resource, volume, "{}")
}

pub(crate) fn made(
    name: &str,
    kind: MeterKind,
    unit: &str,
    resource: &str,
    volume: impl Into<Value>,
    metadata: &str,
) -> Arc<Sample> {
    Arc::new(Sample {
        name: name.into(),
        kind,
        unit: unit.into(),
        volume: volume.into(),
        subject: Subject {
            resource_metadata: json::parse(metadata).unwrap().into(),
            ..Subject::new(resource)
        }
        .into(),
        timestamp: "2026-11-26T05:00:00.123456".into(),
        source: "openstack".into(),
        id: "id".into(),
        monotonic_time: None,
    })
}
