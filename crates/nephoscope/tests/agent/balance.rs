//! The books of an agent: nothing that came in is missing among what was delivered, waits, or was dropped with a cause.
//!
//! The equations are those of the operator's guide ("Do the books balance?"), computed from `/metrics` alone.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::wait_until;

use crate::harness::Agent;

const PATIENCE: Duration = Duration::from_mins(1);
/// Records that may pass between two counters that belong together while a page is made: those of the batches that
/// are being routed and accepted in that moment.
const UNDER_WAY: f64 = 2_000.0;
/// Causes of drops before a record is routed, and of those after.
const DROPPED_EARLY: [&str; 2] = ["cause=\"null_volume\"", "cause=\"volume_not_a_number\""];
const DROPPED_LATE: [&str; 2] = ["cause=\"expired\"", "cause=\"damaged\""];
/// Causes of drops of what a publisher's peer refused, which is counted by publisher as well.
const DROPPED_REFUSED: [&str; 4] = [
    "cause=\"refused\"",
    "cause=\"dead_letters_full\"",
    "cause=\"dead_letters_off\"",
    "cause=\"refused_unnamed\"",
];
const KINDS: [&str; 2] = ["samples", "events"];

/// A page of metrics.
#[derive(Debug, Clone)]
pub(crate) struct Page(String);

/// `taken = finished + waiting`, with the names of the metrics that each is the sum of.
struct Equation {
    what: String,
    taken: f64,
    finished: f64,
    waiting: f64,
}

impl Page {
    pub(crate) fn of(agent: &mut Agent) -> Self {
        Self(agent.get("/metrics").1)
    }

    /// The series of a metric that have every one of `labels` (as `name="value"`), with their values.
    fn series<'page>(&'page self, name: &str, labels: &[&str]) -> Vec<(&'page str, f64)> {
        let full = format!("nephoscope_{name}");
        let of_metric =
            |line: &&str| line.strip_prefix(&full).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let labelled = |line: &&str| labels.iter().all(|label| line.contains(label));
        let pair = |line: &'page str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series, value.parse().ok()?))
        };
        self.0.lines().filter(of_metric).filter(labelled).filter_map(pair).collect()
    }

    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.series(name, labels).into_iter().map(|(_, value)| value).sum()
    }

    /// What the page must say at every moment.
    fn equations(&self) -> Vec<Equation> {
        let mut equations = vec![Equation {
            what: "notifications".into(),
            taken: self.sum("notification_notifications_total", &[]),
            finished: self.sum("notification_notification_outcomes_total", &[]),
            waiting: self.sum("notification_notifications_in_hand", &[]),
        }];
        // What expires or is damaged after it was routed has no publisher's name.
        let dropped = self.dropped(&DROPPED_LATE);
        equations.push(self.of_publisher("", dropped));
        equations.push(Equation {
            what: "refused".into(),
            taken: self.sum("pipeline_records_refused_total", &[]),
            finished: self.dropped(&DROPPED_REFUSED),
            waiting: 0.0,
        });
        if dropped < 0.5 {
            equations.extend(self.publishers().iter().map(|label| self.of_publisher(label, 0.0)));
        }
        equations
    }

    /// Records that were dropped for any of these causes.
    fn dropped(&self, causes: &[&str]) -> f64 {
        causes.iter().map(|cause| self.sum("pipeline_records_dropped_total", &[cause])).sum()
    }

    /// The books of the publisher with `label`, or of all.
    fn of_publisher(&self, label: &str, dropped: f64) -> Equation {
        let sum = |name: &str| self.sum(&format!("pipeline_{name}"), &[label]);
        Equation {
            what: format!("{{{label}}}"),
            taken: sum("records_routed_total") + sum("records_recovered_total"),
            finished: sum("records_accepted_total")
                + sum("records_refused_total")
                + sum("records_given_back_total")
                + dropped,
            waiting: sum("records_waiting") + self.sum("pipeline_buffer_records", &[label, "place=\"disk\""]),
        }
    }

    /// Labels of publisher and kind, each once.
    fn publishers(&self) -> BTreeSet<String> {
        let routed = self.series("pipeline_records_routed_total", &[]);
        let labels =
            |series: &str| series.split_once('{').map(|(_, labels)| labels.trim_end_matches('}').to_owned());
        routed.into_iter().filter_map(|(series, _)| labels(series)).collect()
    }

    /// Where a page of an agent at rest does not balance.
    pub(crate) fn imbalance(&self) -> Option<String> {
        for Equation { what, taken, finished, waiting } in self.equations() {
            if !is_equal(taken, finished + waiting) {
                return Some(format!("{what}: {taken} taken, {finished} finished, {waiting} waiting"));
            }
        }
        if self.publishers().is_empty() {
            return Some("no publisher is known".to_owned());
        }
        let in_hand = self.sum("notification_notifications_in_hand", &[]);
        for kind in KINDS {
            let label = format!("kind=\"{kind}\"");
            let made = self.sum(&format!("notification_{kind}_total"), &[]);
            let entered = self.sum("pipeline_records_total", &[&label]);
            let unrouted = self.sum("pipeline_records_unrouted_total", &[&label]);
            // Only samples are dropped on the way.
            let causes = if kind == "samples" { &DROPPED_EARLY[..] } else { &[] };
            let dropped = self.dropped(causes);
            let routed = self.series("pipeline_records_routed_total", &[&label]);
            let copies: f64 = routed.iter().map(|(_, count)| count).sum();
            let selected = entered - unrouted - dropped;
            // A record that has several publishers is routed once to each.
            let is_routed = if routed.len() > 1 { selected <= copies } else { is_equal(selected, copies) };
            // Those of a notification in hand may be on their way to the pipelines.
            let is_entered = is_equal(made, entered) || (in_hand > 0.0 && made > entered);
            if !is_routed || !is_entered {
                return Some(format!(
                    "{kind}: {made} made, {entered} entered, {unrouted} unrouted, {dropped} dropped, {copies} routed"
                ));
            }
        }
        None
    }
}

fn is_equal(one: f64, other: f64) -> bool {
    // All are whole numbers.
    (one - other).abs() < 0.5
}

/// Waits until the agent has come to rest, and panics unless its books balance then. What the broker sees may be ahead
/// of the counters by a moment.
pub(crate) fn assert_balanced(agent: &mut Agent) -> Page {
    let mut last = None;
    let balanced = wait_until("books that balance", PATIENCE, || {
        let page = Page::of(agent);
        let imbalance = page.imbalance();
        let done = imbalance.is_none().then(|| page.clone());
        last = imbalance.map(|imbalance| (imbalance, page));
        done
    });
    balanced.unwrap_or_else(|late| {
        let (imbalance, page) = last.expect("a page was looked at");
        panic!("{late}: {imbalance}\n{}", page.0)
    })
}

/// Panics unless the books balance while records flow.
///
/// A page is not of one instant, so three are read one after the other. What waits in the middle one is at least what
/// had been taken by the first and is not finished by the last: that holds without any allowance, because what is
/// taken is waiting before it is counted, and finished before it no longer waits. And it is at most what had been taken
/// by the last and was not finished by the first, but for what is under way.
pub(crate) fn assert_balanced_in_motion(agent: &mut Agent) {
    let [first, middle, last] = [(); 3].map(|()| Page::of(agent));
    for Equation { what, waiting, .. } in middle.equations() {
        let of = |page: &Page| page.equations().into_iter().find(|equation| equation.what == what);
        // A publisher that has only just come has no history.
        let (Some(first), Some(last)) = (of(&first), of(&last)) else { continue };
        let (least, most) = (first.taken - last.finished, last.taken - first.finished);
        assert!(
            (least..=most + UNDER_WAY).contains(&waiting),
            "{what}: {waiting} wait, between {least} and {most} should:\n{}",
            middle.0
        );
    }
}

/// The judge judged: a page balances, and no longer when any of its numbers is another.
#[test]
fn a_page_with_any_number_changed_does_not_balance() {
    let of_samples = "{publisher=\"file:///a\",kind=\"samples\"}";
    let lines = [
        ("notification_notifications_total", "", 10),
        ("notification_notification_outcomes_total", "{cause=\"delivered\"}", 7),
        ("notification_notification_outcomes_total", "{cause=\"ignored\"}", 3),
        ("notification_notifications_in_hand", "", 0),
        ("notification_samples_total", "", 12),
        ("pipeline_records_total", "{kind=\"samples\"}", 12),
        ("pipeline_records_unrouted_total", "{kind=\"samples\"}", 2),
        ("pipeline_records_dropped_total", "{cause=\"null_volume\"}", 1),
        ("pipeline_records_dropped_total", "{cause=\"expired\"}", 1),
        ("pipeline_records_dropped_total", "{cause=\"refused\"}", 1),
        ("pipeline_records_routed_total", of_samples, 9),
        ("pipeline_records_recovered_total", of_samples, 4),
        ("pipeline_records_accepted_total", of_samples, 4),
        (
            "pipeline_records_refused_total",
            "{publisher=\"file:///a\",kind=\"samples\",cause=\"bad_request\"}",
            1,
        ),
        ("pipeline_records_waiting", of_samples, 3),
        ("pipeline_buffer_records", "{publisher=\"file:///a\",kind=\"samples\",place=\"disk\"}", 2),
        ("pipeline_records_given_back_total", of_samples, 2),
    ];
    let page = |changed: Option<usize>| {
        let line = |(place, (name, labels, value)): (usize, &(&str, &str, i32))| {
            format!("nephoscope_{name}{labels} {}\n", value + i32::from(changed == Some(place)))
        };
        Page(lines.iter().enumerate().map(line).collect())
    };
    assert_eq!(page(None).imbalance(), None);
    for (place, (name, ..)) in lines.iter().enumerate() {
        assert!(page(Some(place)).imbalance().is_some(), "{name} is not looked at");
    }
    assert!(Page(String::new()).imbalance().is_some());
}
