//! A real Prometheus scrapes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::MeterKind;
use testkit::Prometheus;

use crate::house::{House, made_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_scrapes_without_a_hole_while_samples_come() {
    const RESOURCES: usize = 500;
    let (mut plain, mut suffixed) = (House::new("/samples"), House::new("/metrics?total_suffix=True"));
    let cumulative = |number: usize, value: usize| {
        let value = i64::try_from(value).unwrap();
        made_of("cpu", MeterKind::Cumulative, &format!("r{number}"), value, r#"{"host": "h\"\\\n"}"#)
    };
    let batch = |value: usize| (0..RESOURCES).map(|number| cumulative(number, value)).collect::<Vec<_>>();
    let first = [
        made_of("power.state", MeterKind::Gauge, "r", 4, "{}"),
        made_of("odd", MeterKind::Delta, "r", f64::NAN, "{}"),
    ];
    plain.accept(&[&first[..], &batch(0)].concat()).await;
    suffixed.accept(&[&first[..], &batch(0)].concat()).await;
    let urls = [plain.url("/samples"), suffixed.url("/metrics")];
    let prometheus = tokio::task::spawn_blocking(move || Prometheus::scraping(&urls).unwrap()).await.unwrap();
    let began = Instant::now();
    let mut batches = 0;
    let scraped =
        |number: &str| prometheus.query(&format!("count_over_time(up{{job=\"{number}\"}}[1h])")).unwrap();
    // Until it has scraped each four times.
    loop {
        batches += 1;
        plain.accept(&batch(batches)).await;
        suffixed.accept(&batch(batches)).await;
        // Every update is whole: all series have the value of one batch.
        let lines: Vec<_> = plain.get("/samples", "*/*").await.2.lines().map(str::to_owned).collect();
        let values: BTreeSet<_> = lines
            .iter()
            .filter(|line| line.starts_with("ceilometer_cpu{"))
            .map(|line| line.rsplit_once(' ').unwrap().1)
            .collect();
        assert_eq!(values.len(), 1, "{values:?}");
        assert_eq!(lines.len(), RESOURCES + 2 + 6);
        let has_scraped =
            |job| scraped(job).first().is_some_and(|found| found.values[0].1.parse::<u32>().unwrap() >= 4);
        if has_scraped("job0") && has_scraped("job1") {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(3), "{}", prometheus.log());
    }
    for job in ["job0", "job1"] {
        for (metric, value) in [("up", "1"), ("scrape_samples_scraped", &*(RESOURCES + 2).to_string())] {
            let found = prometheus.query(&format!("{metric}{{job=\"{job}\"}}[1h]")).unwrap();
            assert!(found[0].values.iter().all(|(_, seen)| seen == value), "{found:?}");
        }
    }
    let targets = prometheus.get("/api/v1/targets").unwrap();
    for target in targets["activeTargets"].as_array().unwrap() {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    }
    // Series, labels, values.
    assert_eq!(prometheus.query("ceilometer_cpu").unwrap().len(), RESOURCES);
    assert_eq!(prometheus.query("ceilometer_cpu_total").unwrap().len(), RESOURCES);
    let of = |query: &str| {
        let found = prometheus.query(query).unwrap();
        assert_eq!(found.len(), 1, "{query}");
        let labels = found[0].labels.iter().filter(|(name, _)| name != "instance");
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", labels.join(" "), found[0].values[0].1)
    };
    assert_eq!(
        of("ceilometer_power_state{job=\"job0\"}"),
        "__name__=ceilometer_power_state counter=power.state job=job0 power=r project=p publisher=ceilometer resource=r \
         type=state unit=B user=u 4"
    );
    assert_eq!(
        of("ceilometer_cpu{resource=\"r7\"}").rsplit_once(' ').unwrap().0,
        "__name__=ceilometer_cpu counter=cpu cpu=r7 job=job0 project=p publisher=ceilometer resource=r7 \
         server_group=none type=cpu unit=B user=u vm_instance=h\"\\\n"
    );
    assert!(of("ceilometer_odd{job=\"job1\"}").ends_with(" NaN"));
    let series = prometheus.get("/api/v1/series?match[]=ceilometer_cpu_total").unwrap();
    assert_eq!(series.as_array().unwrap().len(), RESOURCES);
    // Types, as it has read them.
    let metadata = prometheus.get("/api/v1/metadata").unwrap();
    for (name, kind) in [
        ("ceilometer_cpu", "unknown"),
        ("ceilometer_cpu_total", "counter"),
        ("ceilometer_power_state", "gauge"),
        ("ceilometer_odd", "gauge"),
    ] {
        // Prometheus 2.42 files OpenMetrics counters under the family's name.
        let kinds = [name, name.trim_end_matches("_total")].map(|name| metadata[name].to_string());
        assert!(
            kinds.iter().any(|found| found.contains(&format!("\"type\":\"{kind}\""))),
            "{name}: {kinds:?}"
        );
    }
}
