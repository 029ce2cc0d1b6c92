//! Decisions of random rules about random targets and credentials are those of the real oslo.policy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use model::{Map, Value as Own};
use nephoscope_oslo_policy::{Credentials, PolicyFiles};
use serde_json::{Value, json};

const CASES: usize = 3_000;
const SEED: u64 = 20_261_126;

struct Maker(fastrand::Rng);

impl Maker {
    fn one<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.0.usize(..items.len())]
    }

    fn check(&mut self) -> String {
        let roles = ["admin", "Member", "reader", "%(role)s", "x", ""];
        let rules = ["one", "two", "three", "gone", "default"];
        let texts = [
            "%(project_id)s",
            "%(user.id)s",
            "%(null)s",
            "%(missing)s",
            "p1",
            "x%(number)sy%%",
            "True",
            "%(flag)s",
            "1.5",
            "%(list)s",
            "",
        ];
        let kinds = [
            "project_id",
            "user",
            "user.id",
            "user.domain.id",
            "roles",
            "groups.name",
            "is_admin",
            "None",
            "True",
            "'p1'",
            "\"Member\"",
            "5",
            "-5",
            "1.50",
            "nobody",
            "system",
        ];
        match self.0.u32(..10) {
            0 => "@".to_owned(),
            1 => "!".to_owned(),
            2 | 3 => format!("role:{}", self.one(&roles)),
            4 => format!("rule:{}", self.one(&rules)),
            _ => format!("{}:{}", self.one(&kinds), self.one(&texts)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        let blank = self.one(&[" ", "  ", " \t", "\n"]);
        match self.0.u32(..if depth > 3 { 2 } else { 7 }) {
            0 | 1 => self.check(),
            2 => format!("not{blank}{}", self.text(depth + 1)),
            3 => format!("({})", self.text(depth + 1)),
            4 => format!("({blank}{} )", self.text(depth + 1)),
            5 => format!("{}{blank}and {}", self.text(depth + 1), self.text(depth + 1)),
            _ => format!(
                "{} {}{blank}{}",
                self.text(depth + 1),
                self.one(&["or", "OR", "Or"]),
                self.text(depth + 1)
            ),
        }
    }

    /// Now and then something that cannot be read.
    fn rule(&mut self) -> Value {
        let text = self.text(0);
        match self.0.u32(..48) {
            0 => json!(""),
            1 => Value::Null,
            2 => json!([]),
            3 => json!([[self.check(), self.check()], self.check()]),
            4 => json!([[self.check()], []]),
            5 => json!([[]]),
            6 => json!(format!("{text} and")),
            7 => json!(format!("({text}")),
            8 => json!(format!("{text} 'text'")),
            9 => json!(format!("{text} {}", self.check())),
            10 => json!([self.text(1)]),
            _ => json!(text),
        }
    }

    fn target(&mut self) -> Value {
        let mut target = json!({ "null": null, "number": 5, "flag": true, "list": ["a", 1] });
        if self.0.bool() {
            target["project_id"] = self.one(&["p1", "p2"]).into();
        }
        if self.0.bool() {
            target["user.id"] = self.one(&["u1", "u2"]).into();
        }
        if self.0.bool() {
            target["role"] = self.one(&["Admin", "reader"]).into();
        }
        target
    }

    fn credentials(&mut self) -> Value {
        let mut known = json!({
            "user": { "id": self.one(&["u1", "u2"]), "domain": { "id": "p1" } },
            "groups": [{ "name": "p1" }, { "name": "True" }],
            "is_admin": self.0.bool(),
            "system": null,
        });
        if self.0.u32(..4) > 0 {
            known["project_id"] = self.one(&["p1", "p2"]).into();
        }
        let roles: Vec<&str> =
            (0..self.0.usize(..3)).map(|_| self.one(&["admin", "member", "READER"])).collect();
        known["roles"] = json!(roles);
        known
    }
}

fn own(value: &Value) -> Map {
    match model::json::parse(value.to_string().as_bytes()) {
        Ok(Own::Map(map)) => map,
        other => panic!("{other:?}"),
    }
}

#[test]
fn decisions_are_oslo_policys() {
    let mut maker = Maker(fastrand::Rng::with_seed(SEED));
    let cases: Vec<Value> = (0..CASES)
        .map(|_| {
            let mut rules = json!({ "one": maker.rule() });
            for name in ["two", "three", "default"] {
                if maker.0.bool() {
                    rules[name] = maker.rule();
                }
            }
            let asked = maker.one(&["one", "one", "one", "gone"]);
            json!([rules, asked, maker.target(), maker.credentials()])
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle.py");
    let decisions = testkit::ask_python(script, &cases).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.json");
    let files = PolicyFiles {
        file: Some(file.clone()),
        directories: Vec::new(),
        default_rule: "default".to_owned(),
        new_defaults_only: true,
    };
    let (mut allowed, mut denied, mut refused) = (0, 0, 0);
    for (case, decision) in cases.iter().zip(&decisions) {
        std::fs::write(&file, case[0].to_string()).unwrap();
        match files.load(&[]) {
            Ok(loaded) => {
                let credentials = Credentials::new(own(&case[3]));
                let ours = loaded.policy.allows(case[1].as_str().unwrap(), &own(&case[2]), &credentials);
                assert_eq!(json!(ours), *decision, "{case}");
                if ours { allowed += 1 } else { denied += 1 }
            }
            // What cannot be read holds for nobody there, or ends in an error; of the whole, that may be what is allowed.
            Err(error) => {
                let text = error.to_string();
                let expected = ["refers to itself", "at character", "is no check", "is neither", "is a text"];
                assert!(expected.iter().any(|part| text.contains(part)), "{case}: {text}");
                refused += 1;
            }
        }
    }
    assert!(
        allowed > CASES / 10 && denied > CASES / 10 && refused < CASES / 3 * 2,
        "{allowed} {denied} {refused}"
    );
}
