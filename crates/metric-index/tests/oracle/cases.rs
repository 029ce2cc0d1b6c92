//! Operations whose answers are of interest one by one: what crashes Gnocchi, what it gets wrong, and what is at the
//! edge. A label without a difference in `expected_differences.json` must be answered alike.

use serde_json::{Value, json};

/// One world of cases, in order, each with its label.
pub(crate) fn all() -> Vec<(String, Value)> {
    let mut cases = Cases(Vec::new());
    cases.world();
    cases.refusals();
    cases.searches();
    cases.history();
    cases.paging();
    cases.metrics();
    cases.deletions();
    cases.texts();
    cases.0
}

struct Cases(Vec<(String, Value)>);

fn resource(number: u8) -> String {
    format!("00000000-0000-0000-0000-0000000000{number:02x}")
}

fn metric(number: u8) -> String {
    format!("aaaaaaaa-0000-0000-0000-0000000000{number:02x}")
}

impl Cases {
    fn add(&mut self, label: &str, question: Value) {
        self.0.push((label.to_owned(), question));
    }

    fn create(&mut self, label: &str, number: u8, kind: &str, user: Option<&str>, attributes: &Value) {
        let question = json!({
            "op": "create_resource", "type": kind, "id": resource(number), "creator": "alice:p1", "user_id": user,
            "project_id": null, "started_at": null, "ended_at": null, "original": null, "attributes": attributes,
            "metrics": [],
        });
        self.add(label, question);
    }

    fn list(&mut self, label: &str, kind: &str, history: bool, filter: &Value) {
        let question = json!({
            "op": "list_resources", "type": kind, "filter": filter, "details": false, "history": history,
            "limit": null, "marker": null, "sorts": [],
        });
        self.add(label, question);
    }

    fn update(&mut self, label: &str, number: u8, kind: &str, change: &Value, attributes: &Value) {
        let question = json!({
            "op": "update_resource", "type": kind, "id": resource(number), "change": change, "attributes": attributes,
            "metrics": null, "append": false,
        });
        self.add(label, question);
    }

    fn world(&mut self) {
        let minute = 60_000_000_000_i64;
        self.add(
            "policy",
            json!({
                "op": "create_policy", "name": "low", "back_window": 0, "definition": [[minute, 60, 60 * minute]],
                "methods": ["mean"],
            }),
        );
        let attributes = json!([
            ["s", { "type": "string", "required": false, "min_length": 0, "max_length": 20 }],
            ["n", { "type": "number", "required": false, "min": null, "max": 1.5 }],
            ["u", { "type": "uuid", "required": false }],
            ["b", { "type": "bool", "required": false }],
            ["d", { "type": "datetime", "required": false }],
        ]);
        self.add("type", json!({ "op": "create_type", "name": "vm", "attributes": attributes }));
        self.add("type again", json!({ "op": "create_type", "name": "vm", "attributes": [] }));
        self.create("resource 1", 1, "vm", Some("u1"), &json!({ "s": "a", "n": 1 }));
        self.create("resource 2", 2, "vm", Some("u2"), &json!({ "s": "b", "b": true }));
        self.create("resource 3", 3, "vm", None, &json!({}));
        self.create("resource 4", 4, "generic", None, &json!({}));
        self.create("resource again", 4, "vm", None, &json!({}));
        self.create("resource of no type", 5, "nothing", None, &json!({}));
        self.add("get as another type", json!({ "op": "get_resource", "type": "vm", "id": resource(4) }));
        self.add("get as generic", json!({ "op": "get_resource", "type": "generic", "id": resource(1) }));
    }

    fn refusals(&mut self) {
        let kind = |name: &str, definition: Value| json!({ "op": "create_type", "name": "x", "attributes": [[name, definition]] });
        let long = "a".repeat(64);
        for name in ["", "_a", "é", "id", "creator", long.as_str()] {
            self.add(
                &format!("attribute name {name:?}"),
                kind(name, json!({ "type": "bool", "required": true })),
            );
        }
        self.add(
            "number bounds",
            kind("a", json!({ "type": "number", "required": true, "min": 5, "max": 2.5 })),
        );
        self.add(
            "string bounds",
            kind("a", json!({ "type": "string", "required": true, "min_length": 5, "max_length": 2 })),
        );
        let update = |add: Value, delete: Value, update: Value| json!({ "op": "update_type", "name": "vm", "add": add, "delete": delete, "update": update });
        let required = json!([["r", { "type": "bool", "required": true, "options": {} }]]);
        self.add("required without fill", update(required, json!([]), json!([])));
        let wrong = json!([["r", { "type": "bool", "required": true, "options": { "fill": "x" } }]]);
        self.add("fill of another kind", update(wrong, json!([]), json!([])));
        let again = json!([["s", { "type": "bool", "required": false, "options": {} }]]);
        self.add("attribute that exists", update(again, json!([]), json!([])));
        self.add("attribute that does not exist", update(json!([]), json!(["x"]), json!([])));
        self.add("type in use", json!({ "op": "delete_type", "name": "vm" }));
        self.add("generic is in use", json!({ "op": "delete_type", "name": "generic" }));
        self.add("no such type", json!({ "op": "delete_type", "name": "nothing" }));
        self.create("unknown attribute", 9, "vm", None, &json!({ "x": 1 }));
        let mandatory =
            json!([["m", { "type": "string", "required": true, "min_length": 0, "max_length": 3 }]]);
        self.add(
            "type with mandatory",
            json!({ "op": "create_type", "name": "strict", "attributes": mandatory }),
        );
        self.create("attribute missing", 9, "strict", None, &json!({}));
        self.create("attribute too long", 9, "strict", None, &json!({ "m": "abcd" }));
        self.create("attribute fits", 9, "strict", None, &json!({ "m": "é€😀" }));
        self.create("user too long", 10, "vm", Some(&"u".repeat(256)), &json!({}));
        let mut period = json!({
            "op": "create_resource", "type": "generic", "id": resource(10), "creator": null, "user_id": null,
            "project_id": null, "started_at": 2_000_000, "ended_at": 1_000_000, "original": null, "attributes": {},
            "metrics": [],
        });
        self.add("ends before it starts", period.clone());
        period["started_at"] = Value::Null;
        self.add("ends before now", period);
        self.update("ended before start", 4, "generic", &json!({ "ended_at": 5 }), &json!({}));
    }

    fn searches(&mut self) {
        for (label, filter) in [
            ("text for a number", json!({ "=": { "n": "abc" } })),
            ("numeric text for a number", json!({ ">=": { "n": "1" } })),
            ("text for a uuid", json!({ "=": { "u": "abc" } })),
            ("text for a bool", json!({ "=": { "b": "abc" } })),
            ("number for a bool", json!({ "=": { "b": 1 } })),
            ("bool for a number", json!({ "=": { "n": true } })),
            ("order of bools", json!({ "<": { "b": true } })),
            ("less than null", json!({ "<": { "s": null } })),
            ("like null", json!({ "like": { "s": null } })),
            ("like of a time", json!({ "like": { "started_at": "2020-01-01" } })),
            ("like of a number", json!({ "like": { "n": 1 } })),
            ("like with a lone escape", json!({ "like": { "s": "a\\" } })),
            ("in with null", json!({ "in": { "s": ["a", null] } })),
            ("in of numbers", json!({ "in": { "n": [1, 2.5] } })),
            ("not in", json!({ "not": { "in": { "s": ["a"] } } })),
            ("not equal is true of null", json!({ "!=": { "s": "a" } })),
            ("not of equal is not", json!({ "not": { "=": { "s": "a" } } })),
            ("number for a text", json!({ "=": { "s": 1.0 } })),
            ("time of nothing", json!({ "=": { "d": "" } })),
            ("no value", json!({ "=": { "d": null } })),
            ("lifespan of nonsense", json!({ ">": { "lifespan": "soon" } })),
            ("lifespan like", json!({ "like": { "lifespan": "1 s" } })),
            ("wildcard in a user", json!({ "=": { "created_by_user_id": "a_ice" } })),
            ("wildcard in a project", json!({ "=": { "created_by_project_id": "%" } })),
            ("wildcard in a like", json!({ "like": { "created_by_project_id": "%" } })),
            ("colon in a user", json!({ "=": { "created_by_user_id": "alice:p1" } })),
            ("colon in a project", json!({ "=": { "created_by_project_id": "alice:p1" } })),
            (
                "nested or",
                json!({ "or": [{ "and": [{ "=": { "s": "a" } }, { "=": { "n": 1 } }] }, { "=": { "s": "b" } }] }),
            ),
            ("empty", json!({ "and": [{}] })),
            ("type", json!({ "=": { "type": "vm" } })),
            ("nul", json!({ "=": { "s": "a\0" } })),
        ] {
            self.list(&format!("search: {label}"), "vm", false, &filter);
        }
    }

    fn history(&mut self) {
        self.update("revise 1", 1, "vm", &json!({ "user_id": "u3" }), &json!({ "s": "c" }));
        self.update("no change", 1, "vm", &json!({ "user_id": "u3" }), &json!({ "n": 1 }));
        self.update("revise 2", 2, "vm", &json!({}), &json!({ "n": 0.5 }));
        self.list("history of a type", "vm", true, &Value::Null);
        self.list("history of all", "generic", true, &json!({ "=": { "user_id": "u1" } }));
        let own = json!({ "or": [{ "=": { "s": "a" } }, { "=": { "user_id": "u2" } }] });
        self.list("history: attribute or user", "vm", true, &own);
        let inverse = json!({ "not": { "and": [{ "=": { "s": "a" } }, { "=": { "user_id": "u1" } }] } });
        self.list("history: not both", "vm", true, &inverse);
        self.list("history: attribute in", "vm", true, &json!({ "in": { "s": ["a", "b"] } }));
        self.update("revise as generic", 3, "generic", &json!({ "user_id": "u9" }), &json!({}));
        self.list("history: revised as generic", "vm", true, &json!({ "=": { "id": resource(3) } }));
    }

    fn paging(&mut self) {
        let pages = |kind: &str, history: bool, sorts: Value| json!({ "op": "page_resources", "type": kind, "filter": null, "history": history, "limit": 1, "sorts": sorts });
        self.add("pages", pages("vm", false, json!(["started_at:desc", "id"])));
        self.add("pages of history", pages("generic", true, json!(["revision_start", "started_at"])));
        self.add("pages without values, ascending", pages("generic", false, json!(["user_id"])));
        self.add("pages without values, descending", pages("generic", false, json!(["user_id:desc"])));
        self.add("pages without values first", pages("generic", false, json!(["user_id:asc-nullsfirst"])));
        self.add("pages of bools", pages("vm", false, json!(["b:desc-nullslast"])));
        for (label, history, marker) in [
            ("marker of nothing", false, "00000000-0000-0000-0000-0000000000ff"),
            ("marker that is no id", false, "x"),
            ("marker of no revision", true, "00000000-0000-0000-0000-000000000001@99"),
            ("marker without a revision", true, "00000000-0000-0000-0000-000000000001"),
            ("marker with a word", true, "00000000-0000-0000-0000-000000000001@now"),
        ] {
            let question = json!({
                "op": "list_resources", "type": "generic", "filter": null, "details": false, "history": history,
                "limit": 1, "marker": marker, "sorts": ["id"],
            });
            self.add(label, question);
        }
        let metrics = json!({
            "op": "list_metrics", "filter": null, "policy_filter": null, "resource_policy_filter": null, "details": false,
            "status": "active", "limit": 1, "marker": "aaaaaaaa-0000-0000-0000-0000000000ff", "sorts": [],
        });
        self.add("marker of no metric", metrics);
    }

    fn metrics(&mut self) {
        let make = |number: u8, policy: &str, name: Option<&str>, of: Option<u8>| {
            json!({
                "op": "create_metric", "id": metric(number), "creator": "alice:p1", "policy": policy, "name": name,
                "unit": null, "resource": of.map(resource),
            })
        };
        self.add("metric alone", make(1, "low", Some("cpu"), None));
        self.add("metric of a resource", make(2, "low", Some("cpu"), Some(1)));
        self.add("metric of the same name", make(3, "low", Some("cpu"), Some(1)));
        self.add("metric of the same id", make(1, "low", Some("x"), None));
        self.add("metric of no policy", make(3, "nothing", Some("x"), Some(99)));
        self.add("metric of no resource", make(3, "low", Some("x"), Some(99)));
        self.add("metrics without names", make(4, "low", None, Some(1)));
        self.add("more without names", make(5, "low", None, Some(1)));
        let seen = json!({
            "op": "list_metrics", "filter": null, "policy_filter": { "like": { "creator": "%:p1" } },
            "resource_policy_filter": { "=": { "project_id": "p1" } }, "details": false, "status": "active", "limit": null,
            "marker": null, "sorts": [],
        });
        self.add("metrics that one may see", seen);
        let attach = |metrics: Value, append: bool| {
            json!({
                "op": "update_resource", "type": "generic", "id": resource(4), "change": {}, "attributes": {},
                "metrics": metrics, "append": append,
            })
        };
        let new = |number: u8, policy: &str| json!({ "id": metric(number), "policy": policy, "unit": "B" });
        self.add("attach", attach(json!([["a", metric(1)], ["b", new(6, "low")]]), false));
        self.add("attach a name that is taken", attach(json!([["a", new(7, "low")]]), true));
        self.add("attach one that does not exist", attach(json!([["c", metric(0xff)]]), true));
        self.add(
            "attach with no policy",
            attach(json!([["d", new(7, "low")], ["c", new(8, "nothing")]]), true),
        );
        self.add(
            "nothing of it was done",
            json!({ "op": "get_resource", "type": "generic", "id": resource(4) }),
        );
        self.add("rename", attach(json!([["z", metric(1)]]), true));
        self.add("replace", attach(json!([["b", metric(1)]]), false));
        self.add("policy in use", json!({ "op": "delete_policy", "name": "low" }));
        self.add("delete a metric", json!({ "op": "delete_metric", "id": metric(1) }));
        self.add("delete it again", json!({ "op": "delete_metric", "id": metric(1) }));
        self.add("expunge it", json!({ "op": "expunge_metric", "id": metric(1) }));
        self.add("expunge it again", json!({ "op": "expunge_metric", "id": metric(1) }));
    }

    fn deletions(&mut self) {
        self.add("delete", json!({ "op": "delete_resource", "id": resource(2) }));
        self.add("delete again", json!({ "op": "delete_resource", "id": resource(2) }));
        self.list("history is gone", "generic", true, &json!({ "=": { "id": resource(2) } }));
        let filter = json!({ "=": { "s": "c" } });
        self.add("delete by a type", json!({ "op": "delete_resources", "type": "vm", "filter": filter }));
        self.list("deleted by a type", "generic", false, &json!({ "=": { "id": resource(1) } }));
        self.add("delete by nothing", json!({ "op": "delete_resources", "type": "vm", "filter": null }));
        let wrong = json!({ "op": "delete_resources", "type": "generic", "filter": { "=": { "s": "c" } } });
        self.add("delete by an attribute of another type", wrong);
    }

    fn texts(&mut self) {
        for text in [
            "1.2.3.4",
            "é",
            "",
            "{5a8df9a1-4e23-5685-86fb-d4d184a6b844}",
            "5A8DF9A14E23568586FBD4D184A6B844",
            "a/b",
        ] {
            for creator in [Some("admin"), Some("u:p"), None] {
                let question = json!({ "op": "resource_id", "text": text, "creator": creator });
                self.add(&format!("id of {text:?} for {creator:?}"), question);
            }
        }
        for length in [289, 290] {
            let question = json!({ "op": "resource_id", "text": "é".repeat(length), "creator": "u" });
            self.add(&format!("id of {length} characters"), question);
        }
        for span in [
            json!(5),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(true),
            json!("5"),
            json!("0.5"),
            json!("1e3"),
            json!(" 5 "),
            json!("1_000"),
            json!("1.5h"),
            json!("1d2h"),
            json!("1d,2h"),
            json!("1d / 2h"),
            json!("1 day, 2:00:00"),
            json!("2h 1d"),
            json!("1:62"),
            json!("1:02"),
            json!("100:00"),
            json!(":05"),
            json!(":5"),
            json!("5m30"),
            json!("1:02:03:04"),
            json!("1-02:03:04"),
            json!("1y"),
            json!("1 month"),
            json!("PT5M"),
            json!("5 ms"),
            json!("1H"),
            json!("1M"),
            json!("4.1m"),
            json!("1.01m"),
            json!("1.5.5m"),
            json!("0:00:00.500000"),
            json!("2 weeks"),
            json!("+ 5 minutes"),
            json!("- 5 minutes"),
            json!("1h30m15.5s"),
            json!("1w 2d 3h 4m 5s"),
            json!("5 minutes,"),
            json!("5s,"),
            json!("1w1:02:03"),
            json!("1h 1:02:03"),
            json!("٥"),
            json!(""),
            json!(null),
            json!("1.5 m 2.25 s"),
            json!("0.000000001"),
            json!("5minute"),
            json!("1 hrs"),
            json!("1.m"),
            json!(".5m"),
        ] {
            self.add(&format!("span {span}"), json!({ "op": "timespan", "value": span }));
        }
        for time in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1_425_652_437.7),
            json!("1425652437.123456"),
            json!("2015"),
            json!("2015-03"),
            json!("2015-03-06"),
            json!("2015-03-06T14"),
            json!("2015-03-06T14:34"),
            json!("2015-03-06T14:34:38"),
            json!("2015-03-06 14:34:38.1234567891"),
            json!("2015-03-06T14:34:38Z"),
            json!("2015-03-06T14:34+01:30"),
            json!("2015-03-06T14:34-0130"),
            json!("2015-03-06T14:34:38+01"),
            json!("2015-03-06t10:00"),
            json!("2015-03-06T10:00z"),
            json!("20150306T100000"),
            json!("2015-W10-5"),
            json!("2015-03-06T24:00"),
            json!("2015-03-06T10:00:60"),
            json!("2015-03-06T10:00:00,5"),
            json!("2015-13-01"),
            json!("2015-02-29"),
            json!("2016-02-29"),
            json!("-1 day"),
            json!("5 minutes"),
            json!("- 10 seconds"),
            json!("soon"),
            json!("1969-12-31"),
            json!("3000-01-01"),
            json!(" 2015-03-06"),
            json!("2015-03-06 "),
            json!("2015-3-6"),
            json!("2262-04-11T23:47:16"),
            json!("2015-03-06T"),
            json!("2015-03-06T14:34:38."),
            json!("2015-03-06T1"),
            json!("2015-03-06T14:3"),
        ] {
            self.add(&format!("time {time}"), json!({ "op": "timestamp", "value": time }));
        }
    }
}
