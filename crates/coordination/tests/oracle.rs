//! The ring against tooz's.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use nephoscope_coordination::HashRing;
use serde_json::json;
use testkit::venv_python;

/// Names of all sorts, the same in each run.
fn names(random: &mut fastrand::Rng, count: usize) -> Vec<String> {
    let name = |random: &mut fastrand::Rng, number: usize| match number % 4 {
        0 => format!("{:08x}-0000-4000-8000-{:012x}", random.u32(..), random.u64(..1 << 48)),
        1 => format!("<Volume: {:x}>", random.u64(..)),
        2 => (0..random.usize(..20)).map(|_| random.char('\u{20}'..'\u{2fff}')).collect(),
        _ => format!("r{number}"),
    };
    (0..count).map(|number| name(random, number)).collect()
}

#[test]
fn owners_are_toozs() {
    let mut python = Command::new(venv_python().unwrap())
        .args(["-W", "ignore"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ring.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = python.stdin.take().unwrap();
    let mut answers = BufReader::new(python.stdout.take().unwrap()).lines();
    let mut random = fastrand::Rng::with_seed(5);
    for count in [1, 2, 3, 50, 3000] {
        let keys = names(&mut random, 5000);
        let members: BTreeMap<String, u32> =
            names(&mut random, count).into_iter().map(|name| (name, random.u32(1..4))).collect();
        writeln!(questions, "{}", json!({ "members": members, "keys": keys })).unwrap();
        let owners: Vec<String> = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let ring = HashRing::new(members);
        for (key, owner) in keys.iter().zip(&owners) {
            assert_eq!(ring.owner(key), Some(owner.as_str()), "{count} members, {key:?}");
        }
    }
    drop(questions);
    assert!(python.wait().unwrap().success());
}
