//! What is shown from run to run: each pollster's own, whole, and never longer than it comes.

use std::sync::Arc;
use std::time::Duration;

use model::MeterKind;
use nephoscope_polling::{ExporterMode, KEPT_INTERVALS, Output, ShownOnly};

use crate::house::{House, gauge, made};
use crate::world::{Running, Script, World};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_run_replaces_what_its_pollster_gave_whatever_it_is_named() {
    let house = House::new(ExporterMode::Compatible);
    house.run(
        "radosgw.usage",
        &[gauge("radosgw.api.request", "p1", 1), gauge("radosgw.api.request", "p2", 2)],
    );
    house.run("cpu", &[gauge("cpu", "a", 3)]);
    assert_eq!(house.shown(), ["cpu a 3.0", "radosgw_api_request p1 1.0", "radosgw_api_request p2 2.0"]);
    house.run("radosgw.usage", &[gauge("radosgw.api.request", "p2", 5), gauge("other", "p2", 6)]);
    assert_eq!(house.shown(), ["cpu a 3.0", "other p2 6.0", "radosgw_api_request p2 5.0"]);
    // Nothing was there to be polled.
    house.run("radosgw.usage", &[]);
    assert_eq!(house.shown(), ["cpu a 3.0"]);
    assert_eq!(house.own("series"), 1);
    // A run that is given up altogether changes nothing.
    house.exporter.begin("cpu", "s", 60).add(&[gauge("cpu", "b", 1)]);
    assert_eq!(house.shown(), ["cpu a 3.0"]);
}

#[test]
fn a_pollster_of_two_sources_keeps_the_series_of_both() {
    let house = House::new(ExporterMode::Compatible);
    house.run_of("cpu", "often", 10, &[gauge("cpu", "a", 1)], true);
    house.run_of("cpu", "seldom", 300, &[gauge("cpu", "b", 2)], true);
    house.run_of("cpu", "often", 10, &[gauge("cpu", "a", 3)], true);
    assert_eq!(house.shown(), ["cpu a 3.0", "cpu b 2.0"]);
    // A source of the same name at another interval is another one.
    house.run_of("cpu", "often", 300, &[gauge("cpu", "c", 4)], true);
    assert_eq!(house.shown(), ["cpu a 3.0", "cpu b 2.0", "cpu c 4.0"]);
    // What both give is there once: the last value.
    house.run_of("cpu", "seldom", 300, &[gauge("cpu", "a", 5), gauge("cpu", "b", 6)], true);
    assert_eq!(house.shown(), ["cpu a 5.0", "cpu b 6.0", "cpu c 4.0"]);
    house.run_of("cpu", "often", 10, &[gauge("cpu", "a", 7)], true);
    assert_eq!(house.shown(), ["cpu a 7.0", "cpu b 6.0", "cpu c 4.0"]);
}

#[test]
fn what_a_failed_run_does_not_give_stays_for_some_intervals() {
    let house = House::new(ExporterMode::Compatible);
    let all = [gauge("m", "a", 1), gauge("m", "b", 1), gauge("n", "a", 1)];
    house.run("p", &all);
    // It fails again and again, behind the first resource.
    for cycle in 1..=KEPT_INTERVALS {
        house.hand.advance(MINUTE);
        house.run_of("p", "s", 60, &[gauge("m", "a", i64::from(cycle) + 1)], false);
        let first = format!("m a {}.0", cycle + 1);
        assert_eq!(house.shown(), [&first, "m b 1.0", "n a 1.0"], "cycle {cycle}");
    }
    house.hand.advance(MINUTE);
    house.run_of("p", "s", 60, &[], false);
    // That of the runs which failed later is not too old yet.
    assert_eq!(house.shown(), ["m a 4.0"]);
    assert_eq!(house.own("series_dropped_total{cause=\"stale\"}"), 2);
    house.run("p", &all);
    assert_eq!(house.shown(), ["m a 1.0", "m b 1.0", "n a 1.0"]);
    assert_eq!(house.own("series"), 3);
}

#[test]
fn what_no_run_renews_goes_in_the_end() {
    let house = House::new(ExporterMode::Compatible);
    house.run("slow", &[gauge("m", "a", 1)]);
    house.hand.advance(MINUTE * 18);
    assert_eq!(house.shown(), ["m a 1.0"]);
    house.hand.advance(MINUTE);
    assert!(house.shown().is_empty());
    assert_eq!((house.own("series_dropped_total{cause=\"stale\"}"), house.own("series")), (1, 0));
}

#[test]
fn a_series_that_comes_twice_in_a_run_has_its_last_value() {
    let house = House::new(ExporterMode::Compatible);
    house.run("p", &[gauge("m", "a", 1), gauge("m", "b", 2), gauge("m", "a", 3)]);
    assert_eq!(house.shown(), ["m a 3.0", "m b 2.0"]);
    assert_eq!(house.own("samples_not_shown_total{cause=\"repeated\"}"), 1);
}

#[test]
fn series_are_bounded_and_those_that_are_there_go_on() {
    let house = House::with_room(ExporterMode::Compatible, 3);
    house.run("p", &[gauge("m", "a", 1), gauge("m", "b", 1)]);
    house.run("q", &[gauge("n", "a", 1), gauge("n", "b", 1), gauge("o", "a", 1)]);
    assert_eq!(house.shown(), ["m a 1.0", "m b 1.0", "n a 1.0"]);
    assert_eq!(house.own("samples_not_shown_total{cause=\"max_series\"}"), 2);
    house.run("p", &[gauge("m", "a", 2), gauge("m", "b", 2)]);
    assert_eq!(house.shown(), ["m a 2.0", "m b 2.0", "n a 1.0"]);
    house.run("p", &[]);
    house.run("q", &[gauge("n", "a", 1), gauge("n", "b", 1), gauge("o", "a", 1)]);
    assert_eq!(house.own("series"), 3);
    // Bytes as well.
    let long = "x".repeat(4000);
    house.run("q", &[gauge("n", "a", 1), gauge("n", &long, 1)]);
    assert_eq!(house.shown(), ["n a 1.0"]);
}

fn exporting(world: World) -> (World, House) {
    let house = House::new(ExporterMode::Compatible);
    let mut world = world;
    world.exporter = Some(Arc::clone(&house.exporter));
    world.output = Some(Arc::new(ShownOnly) as Arc<dyn Output>);
    (world, house)
}

fn on(discovery: &'static str) -> Script {
    Script { discovery: Some(discovery), ..Script::default() }
}

/// What the scripted pollster `a` gives.
fn scripted(resource: &str, volume: i64) -> Arc<model::Sample> {
    made("a", MeterKind::Gauge, "u", resource, volume, "{}")
}

const ALL: &str = "sources: [{name: s, interval: 60, meters: ['*']}]";

async fn shown(running: &Running, house: &House) -> Vec<String> {
    running.cycle().await;
    house.shown()
}

#[tokio::test]
async fn cycles_bring_their_samples_without_a_message_bus() {
    let world = World::new().pollster("a", on("d")).pollster("b", on("d")).pollster("c", on("e"));
    let (mut world, house) =
        exporting(world.finds("d", &["1", "2", "3"]).discovery("e", Err("scripted".into())));
    world.options.batch_size = 2;
    let running = world.tasks(ALL);
    assert_eq!(
        shown(&running, &house).await,
        ["a 1 1.0", "a 2 1.0", "a 3 1.0", "b 1 1.0", "b 2 1.0", "b 3 1.0"]
    );
    assert_eq!(running.collected.take().len(), 0);
    assert!(running.counts("samples_total{pollster=\"a\"}", "3"));
    assert!(!running.metrics.prometheus_text().contains("samples_lost_total{cause=\"notifications_off\"} 6"));
}

#[tokio::test]
async fn a_pollster_that_panics_or_fails_or_whose_discovery_does_keeps_what_it_had() {
    for script in [
        Script { fails_after: Some(1), ..on("d") },
        Script { panics_after: Some(1), ..on("d") },
        Script { permanent: vec!["2".into()], ..on("d") },
    ] {
        let (world, house) = exporting(World::new().pollster("a", script).finds("d", &["1", "2"]));
        house.run("a", &[scripted("1", 8), scripted("2", 9)]);
        let running = world.tasks(ALL);
        let shown = shown(&running, &house).await;
        assert_eq!(shown[1], "a 2 9.0", "{shown:?}");
        assert_eq!(shown.len(), 2);
    }
    let (world, house) =
        exporting(World::new().pollster("a", on("d")).discovery("d", Err("scripted".into())));
    house.run("a", &[scripted("1", 8)]);
    let running = world.tasks(ALL);
    assert_eq!(shown(&running, &house).await, ["a 1 8.0"]);
    // One discovery of two fails: what the other finds is new, the rest stays.
    let world = World::new()
        .pollster("a", Script::default())
        .finds("e", &["1"])
        .discovery("d", Err("scripted".into()));
    let (world, house) = exporting(world);
    house.run("a", &[scripted("1", 8), scripted("2", 9)]);
    let running = world.tasks("sources: [{name: s, interval: 60, meters: ['*'], discovery: [d, e]}]");
    assert_eq!(shown(&running, &house).await, ["a 1 1.0", "a 2 9.0"]);
    // Nothing is found, or nothing is left for this source: nothing is shown.
    for (finds, source) in [(&[][..], "s"), (&["1"], "t")] {
        let (world, house) = exporting(World::new().pollster("a", on("d")).finds("d", finds));
        house.run_of("a", source, 60, &[scripted("1", 8)], true);
        let running = world
            .tasks("sources: [{name: s, interval: 60, meters: ['*']}, {name: t, interval: 60, meters: [a]}]");
        let shown = shown(&running, &house).await;
        assert_eq!(shown, if finds.is_empty() { vec![] } else { vec!["a 1 1.0"] });
    }
}

#[tokio::test]
async fn a_changed_plan_takes_away_what_it_does_not_have_and_leaves_no_hole() {
    let world = World::new().pollster("a", on("d")).pollster("b", on("d")).finds("d", &["1"]);
    let (world, house) = exporting(world);
    let running = world.tasks(ALL);
    let plan = |text: &str| {
        let source = definitions::Source { path: "polling.yaml", text };
        let (config, _) = nephoscope_polling::config::PollingConfig::parse(source).unwrap();
        nephoscope_polling::Plan::new(&config, &running.registry).0
    };
    house.exporter.keep(&plan(ALL));
    assert_eq!(shown(&running, &house).await, ["a 1 1.0", "b 1 1.0"]);
    // A run of the old plan that ends after the change.
    let mut late = house.exporter.begin("b", "s", 60);
    late.add(&[gauge("b", "late", 1)]);
    house.exporter.keep(&plan("sources: [{name: s, interval: 30, meters: [a]}]"));
    assert_eq!(house.shown(), ["a 1 1.0"]);
    assert_eq!(house.own("series_dropped_total{cause=\"not_polled\"}"), 1);
    late.end(true, house.clock.monotonic());
    assert_eq!(house.shown(), ["a 1 1.0"]);
    // What was taken over is replaced by the first run.
    house.run_of("a", "s", 30, &[gauge("a", "2", 2)], true);
    assert_eq!(house.shown(), ["a 2 2.0"]);
    house
        .exporter
        .keep(&plan("sources: [{name: t, interval: 60, meters: [a]}, {name: u, interval: 60, meters: [a]}]"));
    assert_eq!(house.shown(), ["a 2 2.0"]);
    house.run_of("a", "u", 60, &[gauge("a", "3", 3)], true);
    house.run_of("a", "t", 60, &[], true);
    assert_eq!(house.shown(), ["a 3 3.0"]);
    assert_eq!(house.own("series"), 1);
}

#[test]
fn one_metric_of_several_pollsters_is_one_family() {
    let house = House::new(ExporterMode::Modern);
    house.run("p", &[made("a.b", MeterKind::Cumulative, "", "1", 1, "{}")]);
    house.run("q", &[made("a_b", MeterKind::Cumulative, "", "2", 2, "{}")]);
    house.run("r", &[made("a-b.total", MeterKind::Gauge, "", "3", 3, "{}")]);
    let text = house.text(publishers::series::Format::Classic);
    assert_eq!(text.matches("# TYPE ceilometer_a_b_total untyped\n").count(), 1, "{text}");
    assert_eq!(text.matches("ceilometer_a_b_total{").count(), 3, "{text}");
}
