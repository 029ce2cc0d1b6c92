//! Gnocchi's own `gnocchi.statsd` and ours make the same measures of the same datagrams.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nephoscope_metric::{Statsd, StatsdFault};
use serde_json::{Value, json};

/// Random flushes.
const FLUSHES: usize = 400;

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What ours makes of datagrams, as the script tells it.
fn ours(datagrams: &[Vec<u8>]) -> (BTreeMap<String, String>, Vec<StatsdFault>) {
    let (mut statsd, mut faults) = (Statsd::default(), Vec::new());
    for datagram in datagrams {
        statsd.take(datagram, 1, |fault, _| faults.push(fault));
    }
    let shown = |value: f64| {
        if value.is_nan() { "nan".to_owned() } else { hexadecimal(&value.to_be_bytes()) }
    };
    let measures = statsd.flush().into_iter().map(|measure| (measure.name, shown(measure.value)));
    (measures.collect(), faults)
}

fn theirs(flushes: &[Vec<Vec<u8>>]) -> Vec<Value> {
    let questions: Vec<Value> = flushes
        .iter()
        .map(|datagrams| datagrams.iter().map(|datagram| hexadecimal(datagram)).collect::<Vec<_>>())
        .map(|datagrams| json!(datagrams))
        .collect();
    testkit::ask_python(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statsd/original.py"), &questions).unwrap()
}

const NAMES: [&str; 6] = ["a", "b.c", "ü", "", " ", "a/b"];
const VALUES: [&str; 16] = [
    "1", "-2.5", "+3", " 4 ", "1_0", "1e3", "nan", "-inf", "0", "-0.0", "1e-320", "0.1", "7.", ".5",
    "\u{664}", "1e400",
];
/// What Gnocchi notices, and drops alone.
const NOTICED: [&str; 8] =
    ["a", "a:1|c|@1|x", "a:1|s", "a:1|c\r", "a:1|c|@0", "a:1|g|@1", "a:1|ms|@0.5", "a:1|"];
/// What Gnocchi fails at, with the rest of the datagram.
const FAILING: [&str; 9] =
    ["a|c", "a:1:2|c", "a:x|c", "a:|c", "a:1|c|", "a:1|c|@x", "a:1__0|c", "a:0x1|c", "a:1 2|g|@1"];
const RATES: [&str; 6] = ["", "|@0.1", "|@1", "|x2", "|@ -3 ", "|@inf"];

fn line(random: &mut fastrand::Rng) -> String {
    let name = random.choice(NAMES).unwrap();
    let value = random.choice(VALUES).unwrap();
    let kind = random.choice(["c", "g", "ms"]).unwrap();
    let rate = if kind == "c" { random.choice(RATES).unwrap() } else { "" };
    format!("{name}:{value}|{kind}{rate}")
}

fn datagram(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..random.usize(0..5) {
        lines.push(match random.u8(0..8) {
            0 => random.choice(NOTICED).unwrap().to_owned(),
            1 => String::new(),
            _ => line(random),
        });
    }
    match random.u8(0..10) {
        // Behind it there is nothing that Gnocchi could lose.
        0 => lines.push(random.choice(FAILING).unwrap().to_owned()),
        1 => return [lines.join("\n").into_bytes(), vec![random.u8(0x80..), b'\n']].concat(),
        _ => {}
    }
    lines.join("\n").into_bytes()
}

#[test]
fn measures_are_gnocchis() {
    let mut random = fastrand::Rng::with_seed(8_125);
    let flushes: Vec<Vec<Vec<u8>>> =
        (0..FLUSHES).map(|_| (0..random.usize(1..6)).map(|_| datagram(&mut random)).collect()).collect();
    let mut compared = 0;
    for (datagrams, answer) in flushes.iter().zip(theirs(&flushes)) {
        let (measures, _) = ours(datagrams);
        let shown: Vec<_> = datagrams.iter().map(|datagram| String::from_utf8_lossy(datagram)).collect();
        assert_eq!(json!(measures), answer["measures"], "{shown:?}");
        compared += measures.len();
    }
    assert!(compared > FLUSHES, "{compared}");
}

/// The difference that is meant: docs/differences.md.
#[test]
fn a_line_that_is_none_costs_gnocchi_the_rest_of_the_datagram() {
    let flushes: Vec<Vec<Vec<u8>>> =
        FAILING.iter().map(|line| vec![format!("{line}\nb:1|g").into_bytes()]).collect();
    for (datagrams, answer) in flushes.iter().zip(theirs(&flushes)) {
        let (measures, faults) = ours(datagrams);
        assert_eq!((measures.len(), faults.len()), (1, 1), "{datagrams:?}");
        assert_eq!((&answer["measures"], &answer["failed"]), (&json!({}), &json!(1)), "{datagrams:?}");
    }
}
