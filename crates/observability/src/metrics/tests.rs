use super::*;
use crate::causes;

causes! {
    enum Lost {
        Expired => "expired",
        SinkGone => "sink_gone",
    }
}

#[test]
fn every_kind_of_metric_has_the_house_name() {
    let metrics = Metrics::new();
    let sink = metrics.component("sink");
    sink.counter("samples", "Samples written").inc_by(3);
    sink.counter_in("written", Unit::Bytes, "Size of what was written").inc_by(10);
    sink.gauge_in("buffer", Unit::Bytes, "Size of the buffer").set(-1);
    sink.gauge("targets", "Targets that are up").set(2);
    sink.float_gauge_in("lag", Unit::Seconds, "Age of the oldest sample").set(0.5);
    sink.duration_histogram("write", "Time of one write").observe(0.002);
    sink.counter_family("events", ["event_type"], "Events").with(["image.create"]).inc();
    sink.counter_family_in("read", Unit::Bytes, ["file"], "Size of what was read").with(["a"]).inc_by(4);
    sink.gauge_family_in("queue", Unit::Bytes, ["file"], "Size of the queue").with(["a"]).set(5);
    sink.counter_by_cause::<Lost>("lost_samples", "Samples lost").add(Lost::SinkGone, 2);
    metrics.register_build_info(&[("version", "1.2.3".to_owned())]);
    let text = metrics.prometheus_text();
    for line in [
        "# HELP nephoscope_sink_samples_total Samples written.",
        "nephoscope_sink_samples_total 3",
        "nephoscope_sink_written_bytes_total 10",
        "nephoscope_sink_buffer_bytes -1",
        "nephoscope_sink_targets 2",
        "nephoscope_sink_lag_seconds 0.5",
        "nephoscope_sink_write_seconds_bucket{le=\"0.0025\"} 1",
        "nephoscope_sink_write_seconds_count 1",
        "nephoscope_sink_events_total{event_type=\"image.create\"} 1",
        "nephoscope_sink_read_bytes_total{file=\"a\"} 4",
        "nephoscope_sink_queue_bytes{file=\"a\"} 5",
        "nephoscope_sink_lost_samples_total{cause=\"expired\"} 0",
        "nephoscope_sink_lost_samples_total{cause=\"sink_gone\"} 2",
        "nephoscope_build_info{version=\"1.2.3\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for description in metrics.inventory() {
        let exposed = format!("# TYPE {} ", description.name);
        assert!(text.contains(&exposed), "the inventory says {description:?}, the text does not:\n{text}");
    }
}

#[test]
fn a_name_registered_twice_is_exposed_once() {
    let metrics = Metrics::new();
    let component = metrics.component("twice");
    let first = component.counter("things", "Things");
    let second = component.counter("things", "Things");
    first.inc();
    second.inc_by(5);
    let text = metrics.prometheus_text();
    assert_eq!(text.matches("\nnephoscope_twice_things_total ").count(), 1, "{text}");
    assert!(text.contains("nephoscope_twice_things_total 1"), "{text}");
    metrics.register_process();
    metrics.register_process();
    assert_eq!(metrics.prometheus_text().matches("# TYPE process_open_fds ").count(), 1);
}

#[test]
fn hostile_label_values_stay_bounded() {
    let metrics = Metrics::new();
    let family = metrics.component("hostile").counter_family("events", ["event_type"], "Events");
    for number in 0..MAX_SERIES_PER_FAMILY + 500 {
        family.with([&format!("type {number}")]).inc();
    }
    assert_eq!(family.with([OVERFLOW_LABEL]).get(), 500);
    assert_eq!(family.with(["type 1"]).get(), 1, "what came before the bound keeps its own series");
    family.remove(["type 1"]);
    family.with([&"ü".repeat(100_000)]).inc();
    let text = metrics.prometheus_text();
    assert!(text.len() < 200_000, "{}", text.len());
    assert!(text.contains(&format!("\"{}\"}} 1", "ü".repeat(128))));
}

#[test]
fn causes_count_apart() {
    let counter = CauseCounter::<Lost>::default();
    counter.increment(Lost::Expired);
    counter.add(Lost::SinkGone, 4);
    assert_eq!((counter.get(Lost::Expired), counter.get(Lost::SinkGone), counter.sum()), (1, 4, 5));
    assert_eq!(Lost::SinkGone.to_string(), "sink_gone");
    assert!(format!("{counter:?}").contains("\"sink_gone\": 4"));
}

#[test]
fn names_that_break_the_house_rule_are_seen() {
    assert!(is_snake_case("nephoscope_a_b2"));
    for name in ["Upper", "a_total", "a-b", "a__b", "a_"] {
        assert!(!is_snake_case(name), "{name}");
    }
}
