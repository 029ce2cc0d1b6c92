//! The process's own figures, read from `/proc` at each scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Description;

/// The first of the names, which tells whether the collector is registered.
pub(super) const FIRST_NAME: &str = "process_cpu_seconds_total";

const HELP: [(&str, &str, &str); 7] = [
    (FIRST_NAME, "counter", "User and system CPU time spent"),
    ("process_open_fds", "gauge", "Open file descriptors"),
    ("process_max_fds", "gauge", "Most file descriptors that may be open"),
    ("process_resident_memory_bytes", "gauge", "Resident memory"),
    ("process_virtual_memory_bytes", "gauge", "Virtual memory"),
    ("process_start_time_seconds", "gauge", "Start of the process since the epoch"),
    ("process_threads", "gauge", "Threads of the process"),
];

/// What the collector exposes.
pub(super) fn descriptions() -> impl Iterator<Item = Description> {
    HELP.iter().map(|(name, kind, help)| Description {
        name: (*name).to_owned(),
        help: (*help).to_owned(),
        kind,
        labels: Vec::new(),
    })
}

/// Reads `/proc/self` when it is scraped. A figure that cannot be read is left out of that scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            counter(&mut encoder, "process_cpu", HELP[0].2, &Unit::Seconds, stat.cpu_seconds())?;
            gauge(
                &mut encoder,
                "process_resident_memory",
                HELP[3].2,
                Some(&Unit::Bytes),
                stat.resident_bytes(),
            )?;
            gauge(&mut encoder, "process_virtual_memory", HELP[4].2, Some(&Unit::Bytes), stat.virtual_bytes)?;
            gauge(&mut encoder, "process_threads", HELP[6].2, None, stat.threads)?;
            if let Some(boot) = boot_time_seconds() {
                let start = boot + stat.start_seconds_after_boot();
                float_gauge(&mut encoder, "process_start_time", HELP[5].2, &Unit::Seconds, start)?;
            }
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The directory's own descriptor is among them and gone when the count is read.
            let open = u64::try_from(entries.count().saturating_sub(1)).unwrap_or(u64::MAX);
            gauge(&mut encoder, "process_open_fds", HELP[1].2, None, open)?;
        }
        if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", HELP[2].2, None, limit)?;
        }
        Ok(())
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: &Unit,
    value: f64,
) -> fmt::Result {
    let metric = ConstCounter::new(value);
    // Unlike `Registry::register`, a collector's help is written as it is; the full stop keeps both alike.
    metric.encode(encoder.encode_descriptor(name, &format!("{help}."), Some(unit), metric.metric_type())?)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> fmt::Result {
    let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    metric.encode(encoder.encode_descriptor(name, &format!("{help}."), unit, metric.metric_type())?)
}

fn float_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: &Unit,
    value: f64,
) -> fmt::Result {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, &format!("{help}."), Some(unit), metric.metric_type())?)
}

/// The fields of `/proc/<pid>/stat` that we show; proc(5) numbers them from 1.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
        let (_, after_name) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^53")]
    fn cpu_seconds(&self) -> f64 {
        self.cpu_ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^53")]
    fn start_seconds_after_boot(&self) -> f64 {
        self.start_ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    fn resident_bytes(&self) -> u64 {
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
        self.resident_pages.saturating_mul(page)
    }
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_hostile_program_name_is_read() {
        let line = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 3 0 1234 5000000 600 184";
        let expected = Stat {
            cpu_ticks: 42,
            threads: 3,
            start_ticks: 1234,
            virtual_bytes: 5_000_000,
            resident_pages: 600,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse(""), None);
        assert_eq!(Stat::parse("42 (x) S 1"), None);
    }

    #[test]
    fn our_own_figures_are_plausible() {
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").unwrap()).unwrap();
        assert!(stat.threads >= 1 && stat.resident_bytes() > 100_000, "{stat:?}");
        let start = boot_time_seconds().unwrap() + stat.start_seconds_after_boot();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(start <= now + 2.0 && start > now - 86_400.0, "started {start}, now {now}");
    }
}
