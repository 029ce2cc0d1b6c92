//! Values, JSON texts, times and numbers through Python and Ceilometer, and through this crate: equal results.
//!
//! `oracle.py` makes some ten thousands of cases from a fixed seed and says what Python makes of each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::PathBuf;
use std::process::Command;

use nephoscope_model::pytext::{casefold, crop, float_of, integer_of, is_printable, strip, to_repr, to_str};
use nephoscope_model::{IsoTime, Map, Timestamp, Value, json, signature};

const SECRET: &str = "change this for valid signing";

/// How many differences are shown.
const SHOWN: usize = 10;

/// The Python of the test environment (`scripts/provision test` makes it).
fn python() -> PathBuf {
    let environment = std::env::var_os("NEPHOSCOPE_VENV").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv")),
        PathBuf::from,
    );
    let python = environment.join("bin/python");
    assert!(python.exists(), "no {}: run scripts/provision test, or set NEPHOSCOPE_VENV", python.display());
    python
}

struct Differences {
    shown: Vec<String>,
    count: usize,
}

impl Differences {
    #[allow(clippy::needless_pass_by_value, reason = "most arguments are made for the call")]
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, case: &str, ours: T, theirs: T) {
        if ours != theirs {
            self.count += 1;
            if self.shown.len() < SHOWN {
                self.shown.push(format!("{case:?}\n  ours   {ours:?}\n  python {theirs:?}"));
            }
        }
    }
}

fn text<'v>(case: &'v Value, key: &str) -> Option<&'v str> {
    case.get(key).and_then(Value::as_str)
}

fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn value(case: &Value, differences: &mut Differences) {
    let source = text(case, "text").unwrap();
    let parsed = json::parse(source).unwrap();
    differences.check(source, Some(&*json::to_string(&parsed)), text(case, "dumps"));
    differences.check(source, Some(&*to_str(&parsed)), text(case, "str"));
    differences.check(source, Some(&*to_repr(&parsed)), text(case, "repr"));
    let again = json::parse(json::to_compact_string(&parsed)).unwrap();
    differences.check(source, json::to_string(&again), json::to_string(&parsed));
    let message: Map = match json::parse(text(case, "message").unwrap()).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    };
    let source = text(case, "message").unwrap();
    differences.check(source, Some(&*signature::compute(&message, SECRET)), text(case, "signature"));
}

fn json_text(case: &Value, differences: &mut Differences) {
    let source = text(case, "text").unwrap();
    let parsed = json::parse_document(source.as_bytes());
    let ok = case.get("ok") == Some(&Value::Bool(true));
    differences.check(source, parsed.is_ok(), ok);
    if let (Ok(document), true) = (parsed, ok) {
        let lone = case.get("lone") == Some(&Value::Bool(true));
        differences.check(source, document.replaced_surrogates > 0, lone);
        if !lone {
            differences.check(source, Some(&*json::to_string(&document.value)), text(case, "dumps"));
        }
    }
}

fn time(case: &Value, differences: &mut Differences) {
    let source = text(case, "text").unwrap();
    let parsed = IsoTime::parse(source).ok();
    differences.check(source, parsed.map(IsoTime::to_iso).as_deref(), text(case, "iso"));
    let Some(parsed) = parsed else { return };
    let instant = parsed.timestamp().ok();
    differences.check(source, instant.map(Timestamp::to_iso).as_deref(), text(case, "naive"));
    let form = |write: fn(Timestamp, &mut Vec<u8>)| instant.map(|instant| printed(|out| write(instant, out)));
    differences.check(source, form(Timestamp::write_str).as_deref(), text(case, "str"));
    differences.check(source, form(Timestamp::write_repr).as_deref(), text(case, "repr"));
    let since = text(case, "since").and_then(|earlier| IsoTime::parse(earlier).ok());
    let seconds = since.map(|since| Value::Float(since.seconds_until(parsed)));
    differences.check(
        source,
        seconds.as_ref().map(to_repr),
        case.get("seconds").filter(|s| !s.is_null()).map(to_repr),
    );
}

fn number(case: &Value, differences: &mut Differences) {
    let source = text(case, "value").unwrap();
    let value = json::parse(source).unwrap();
    let integer = integer_of(&value).ok();
    differences.check(source, integer.as_ref().map(to_repr).as_deref(), text(case, "int"));
    let float = float_of(&value).ok().map(|number| to_repr(&number.into()));
    differences.check(source, float.as_deref(), text(case, "float"));
}

fn characters(case: &Value, differences: &mut Differences) {
    let block: Vec<char> = text(case, "all").unwrap().chars().collect();
    let printable: String =
        block.iter().map(|&character| if is_printable(character) { '1' } else { '0' }).collect();
    let name = format!("block of {:?}", block.first());
    differences.check(&name, Some(&*printable), text(case, "printable"));
    let mut fold = Vec::new();
    let mut digit = Vec::new();
    let mut space = Vec::new();
    for character in block {
        let alone = character.to_string();
        let folded = casefold(&alone);
        if folded != alone {
            fold.push(Value::List(vec![alone.as_str().into(), folded.into()]));
        }
        if let Ok(number) = integer_of(&alone.as_str().into()) {
            digit.push(Value::List(vec![alone.as_str().into(), number]));
        }
        if strip(&alone).is_empty() {
            space.push(Value::from(alone));
        }
    }
    differences.check(&name, Some(&Value::List(fold)), case.get("fold"));
    differences.check(&name, Some(&Value::List(digit)), case.get("digit"));
    differences.check(&name, Some(&Value::List(space)), case.get("space"));
}

#[test]
fn python_makes_the_same_of_everything() {
    let output =
        Command::new(python()).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut differences = Differences { shown: Vec::new(), count: 0 };
    let mut count = 0;
    let mut ended = false;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let case = json::parse(line).unwrap();
        match text(&case, "kind").unwrap() {
            "value" => value(&case, &mut differences),
            "json" => json_text(&case, &mut differences),
            "time" => time(&case, &mut differences),
            "number" => number(&case, &mut differences),
            "characters" => characters(&case, &mut differences),
            "hidden" => {
                let seen: String = text(&case, "all").unwrap().chars().filter(|&c| is_printable(c)).collect();
                differences.check("characters without meaning", &*seen, "");
            }
            "crop" => {
                let source = text(&case, "text").unwrap();
                differences.check(source, Some(crop(source, 255)), text(&case, "cropped"));
            }
            "end" => ended = true,
            other => panic!("{other}"),
        }
        count += 1;
    }
    assert!(ended && count > 20_000, "only {count} cases");
    assert_eq!(differences.count, 0, "differences, of them:\n{}", differences.shown.join("\n"));
}
