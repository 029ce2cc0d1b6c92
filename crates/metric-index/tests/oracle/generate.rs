//! Random operations on a small world, so that they meet.

use serde_json::{Map, Value, json};

/// A source of operations. What it knows of the world it has from the answers to those before.
#[derive(Debug)]
pub(crate) struct Generator {
    random: fastrand::Rng,
    now: i64,
    next_metric: u32,
    /// Types with their attributes: name and definition.
    types: Vec<(String, Vec<(String, Value)>)>,
    /// Types of the resources that exist.
    resources: Vec<(String, String)>,
    metrics: Vec<String>,
}

const CREATORS: [Option<&str>; 5] = [Some("alice:p1"), Some("bob:p2"), Some("alice:p2"), Some("carol"), None];
const OWNERS: [Option<&str>; 7] =
    [None, Some("u1"), Some("u2"), Some("U1"), Some("é"), Some("a_b"), Some("a%")];
const METRIC_NAMES: [&str; 5] = ["cpu", "memory", "disk.read", "CPU", "ö"];
const UNITS: [Option<&str>; 3] = [None, Some("%"), Some("B")];
const SECOND: i64 = 1_000_000;
/// Columns of every resource that always have a value.
const FULL_KEYS: [&str; 5] = ["id", "type", "started_at", "revision_start", "original_resource_id"];
const COMPARISONS: [&str; 9] = ["=", "==", "eq", "!=", "ne", "<", "gt", "<=", "≥"];

impl Generator {
    pub(crate) fn new(seed: u64, start_microseconds: i64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            now: start_microseconds,
            next_metric: 0,
            types: vec![("generic".to_owned(), Vec::new())],
            resources: Vec::new(),
            metrics: Vec::new(),
        }
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.random.usize(..list.len())]
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.random.usize(..list.len())].clone()
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    /// The next operation.
    pub(crate) fn next(&mut self) -> Value {
        self.now += SECOND;
        let mut operation = match self.random.u8(..100) {
            0..4 => self.policy(),
            4..8 => self.rule(),
            8..14 => self.kind(),
            14..30 => self.new_resource(),
            30..45 => self.change(),
            45..50 => self.deletion(),
            50..68 => self.listing(),
            68..76 => self.pages(),
            76..84 => self.new_metric(),
            84..92 => self.metric_listing(),
            92..96 => self.metric_change(),
            _ => self.look(),
        };
        operation["now"] = self.now.into();
        operation
    }

    /// Learns from what an operation did.
    pub(crate) fn learn(&mut self, operation: &Value, answer: &Value) {
        let Some(done) = answer.get("ok") else { return };
        let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
        match operation["op"].as_str().unwrap() {
            "create_type" | "update_type" => {
                let name = text("name");
                self.types.retain(|(known, _)| *known != name);
                let attributes = done["attributes"].as_array().unwrap().iter();
                let attributes =
                    attributes.map(|item| (item[0].as_str().unwrap().to_owned(), item[1].clone()));
                self.types.push((name, attributes.collect()));
            }
            "delete_type" => self.types.retain(|(known, _)| *known != text("name")),
            "create_resource" => {
                // A search may have deleted the one before.
                self.resources.retain(|(known, _)| *known != text("id"));
                self.resources.push((text("id"), text("type")));
                self.keep_metrics(operation);
            }
            "update_resource" => self.keep_metrics(operation),
            "delete_resource" => self.resources.retain(|(known, _)| *known != text("id")),
            "create_metric" => self.metrics.push(text("id")),
            "expunge_metric" => self.metrics.retain(|known| *known != text("id")),
            _ => {}
        }
    }

    fn keep_metrics(&mut self, operation: &Value) {
        let items = operation["metrics"].as_array().map_or(&[][..], Vec::as_slice);
        self.metrics.extend(items.iter().filter_map(|item| item[1]["id"].as_str().map(str::to_owned)));
    }

    fn policy_name(&mut self) -> &'static str {
        self.pick(&["low", "high", "é", "none"])
    }

    fn policy(&mut self) -> Value {
        let name = self.policy_name();
        let minute = 60_000_000_000_i64;
        let definition = self.one_of(&[
            json!([[minute, 60, 60 * minute]]),
            json!([[minute, 10, 10 * minute]]),
            json!([[minute, null, null], [1_000_000_000, 10, 10_000_000_000_i64]]),
            json!([[500_000_000, 7, 3_500_000_000_i64]]),
        ]);
        match self.random.u8(..8) {
            0..3 => json!({
                "op": "create_policy", "name": name, "back_window": self.random.u8(..3), "definition": definition,
                "methods": self.one_of(&[json!(["mean"]), json!(["max", "mean", "rate:95pct"])]),
            }),
            3..5 => {
                let back_window = self.one_of(&[json!(null), json!(0), json!(9)]);
                json!({ "op": "update_policy", "name": name, "definition": definition, "back_window": back_window })
            }
            5 => json!({ "op": "delete_policy", "name": name }),
            6 => json!({ "op": "get_policy", "name": name }),
            _ => json!({ "op": "list_policies" }),
        }
    }

    fn rule(&mut self) -> Value {
        let name = self.pick(&["r1", "r2", "r3", "ü"]);
        match self.random.u8(..8) {
            0..3 => {
                let pattern = self.pick(&["*", "cpu*", "disk.*", "c?u", "[a-d]*", "[!c]*", "CPU", "ö"]);
                json!({ "op": "create_rule", "name": name, "pattern": pattern, "policy": self.policy_name() })
            }
            3 => json!({ "op": "rename_rule", "name": name, "new": self.pick(&["r1", "r2", "ü"]) }),
            4 => json!({ "op": "delete_rule", "name": name }),
            5 => json!({ "op": "get_rule", "name": name }),
            6 => json!({ "op": "list_rules" }),
            _ => {
                let metric = if self.chance(20) { Value::Null } else { self.one_of(&METRIC_NAMES).into() };
                json!({ "op": "policy_for_metric", "name": metric })
            }
        }
    }

    fn definition(&mut self, name: &str, for_update: bool) -> Value {
        let required = self.chance(30);
        let mut definition = match name {
            "n" => {
                json!({ "type": "number", "min": self.one_of(&[json!(null), json!(0), json!(-0.5)]), "max": null })
            }
            "u" => json!({ "type": "uuid" }),
            "b" => json!({ "type": "bool" }),
            "d" => json!({ "type": "datetime" }),
            _ => json!({ "type": "string", "max_length": self.one_of(&[20, 256]), "min_length": 0 }),
        };
        definition["required"] = required.into();
        if for_update {
            let fill = match name {
                "n" => json!(1.5),
                "u" => json!("5a8df9a1-4e23-5685-86fb-d4d184a6b844"),
                "b" => json!(true),
                "d" => json!("2020-02-02T02:02:02"),
                _ => json!("filled"),
            };
            // One that is required must be filled; now and then it is not, and refused.
            let options =
                if self.chance(if required { 90 } else { 50 }) { json!({ "fill": fill }) } else { json!({}) };
            definition["options"] = options;
        }
        definition
    }

    fn kind(&mut self) -> Value {
        let name = self.pick(&["t1", "t2", "t3"]).to_owned();
        let known =
            self.types.iter().find(|(known, _)| *known == name).map(|(_, attributes)| attributes.clone());
        match (self.random.u8(..10), known) {
            (0..5, _) => {
                let mut names = vec!["s", "sr", "n", "u", "b", "d", "flavor.id", "x y"];
                self.random.shuffle(&mut names);
                names.truncate(self.random.usize(..6));
                let attributes: Vec<Value> = names
                    .iter()
                    .map(|attribute| json!([attribute, self.definition(attribute, false)]))
                    .collect();
                json!({ "op": "create_type", "name": name, "attributes": attributes })
            }
            (5..8, Some(known)) => {
                let mut delete = Vec::new();
                let mut update = Vec::new();
                for (attribute, _) in &known {
                    match self.random.u8(..8) {
                        0 => delete.push(json!(attribute)),
                        1 => update.push(json!([attribute, self.definition(attribute, true)])),
                        _ => {}
                    }
                }
                let mut add = Vec::new();
                for attribute in ["s", "n", "u", "b", "d", "x y"] {
                    if known.iter().all(|(known, _)| known != attribute) && self.chance(20) {
                        add.push(json!([attribute, self.definition(attribute, true)]));
                    }
                }
                json!({ "op": "update_type", "name": name, "add": add, "delete": delete, "update": update })
            }
            (8, _) => json!({ "op": "delete_type", "name": self.pick(&["t1", "t2", "t3", "generic"]) }),
            (9, _) => json!({ "op": "list_types" }),
            _ => json!({ "op": "get_type", "name": name }),
        }
    }

    fn a_type(&mut self) -> (String, Vec<(String, Value)>) {
        if self.chance(4) {
            return ("nothing".to_owned(), Vec::new());
        }
        let types = self.types.clone();
        self.one_of(&types)
    }

    fn resource_name(&mut self) -> String {
        format!("00000000-0000-0000-0000-0000000000{:02x}", self.random.u8(..12))
    }

    fn metric_id(&mut self) -> String {
        self.next_metric += 1;
        format!("aaaaaaaa-0000-0000-0000-{:012x}", self.next_metric.wrapping_mul(2_654_435_761))
    }

    fn value(&mut self, attribute: &str) -> Value {
        match attribute {
            "n" => self.one_of(&[json!(1), json!(1.5), json!(-3.25), json!(1e300), json!(0)]),
            "u" => self.one_of(&[
                json!("5a8df9a1-4e23-5685-86fb-d4d184a6b844"),
                json!("00000000-0000-0000-0000-000000000000"),
            ]),
            "b" => self.one_of(&[json!(true), json!(false)]),
            "d" => json!({ "time": 1_500_000_000_000_000_i64 + i64::from(self.random.u8(..4)) * 1_234_567 }),
            _ => self.one_of(&[json!("a"), json!("b"), json!("A"), json!("é"), json!("a_b"), json!("")]),
        }
    }

    fn values(&mut self, attributes: &[(String, Value)], all_required: bool) -> Value {
        let mut values = Map::new();
        for (name, definition) in attributes {
            let required = definition["required"] == true;
            if (required && all_required) || self.chance(40) {
                let value = if !required && self.chance(20) { Value::Null } else { self.value(name) };
                values.insert(name.clone(), value);
            }
        }
        values.into()
    }

    fn sources(&mut self) -> Value {
        let mut names: Vec<&str> = METRIC_NAMES.to_vec();
        self.random.shuffle(&mut names);
        names.truncate(self.random.usize(..3));
        let mut list = Vec::new();
        for name in names {
            if !self.metrics.is_empty() && self.chance(40) {
                let metrics = self.metrics.clone();
                list.push(json!([name, self.one_of(&metrics)]));
            } else {
                let (id, policy, unit) = (self.metric_id(), self.policy_name(), self.one_of(&UNITS));
                list.push(json!([name, { "id": id, "policy": policy, "unit": unit }]));
            }
        }
        list.into()
    }

    fn new_resource(&mut self) -> Value {
        let (kind, attributes) = self.a_type();
        let started_at = if self.chance(50) { Some(1_600_000_000 * SECOND + self.now % 7) } else { None };
        let ended_at = match self.random.u8(..10) {
            0..6 => None,
            6..9 => Some(self.now + SECOND * 10),
            _ => started_at.map(|start| start - 1),
        };
        let original = if self.chance(30) { Some(self.pick(&["vm-1", "vm/2", "Ünï"])) } else { None };
        let attributes = self.values(&attributes, true);
        json!({
            "op": "create_resource", "type": kind, "id": self.resource_name(), "creator": self.one_of(&CREATORS),
            "user_id": self.one_of(&OWNERS), "project_id": self.one_of(&OWNERS), "started_at": started_at,
            "ended_at": ended_at, "original": original, "attributes": attributes, "metrics": self.sources(),
        })
    }

    fn change(&mut self) -> Value {
        let resources = self.resources.clone();
        let (id, own) = if resources.is_empty() || self.chance(5) {
            (self.resource_name(), "generic".to_owned())
        } else {
            self.one_of(&resources)
        };
        let append = self.chance(25);
        let is_own =
            self.chance(90) && self.resources.iter().any(|known| *known == (id.clone(), own.clone()));
        // As a generic resource one of a type only gets metrics; what else Gnocchi does has a case of its own.
        let kind = if is_own { own } else { self.a_type().0 };
        let kind = if kind == "generic" || is_own { kind } else { self.a_type().0 };
        let mut change = Map::new();
        let mut attributes = json!({});
        if !append && is_own {
            for key in ["user_id", "project_id"] {
                if self.chance(25) {
                    change.insert(key.to_owned(), self.one_of(&OWNERS).into());
                }
            }
            if self.chance(10) {
                change.insert("started_at".to_owned(), (1_500_000_000 * SECOND).into());
            }
            if self.chance(25) {
                let ended_at = self.one_of(&[json!(null), json!(self.now + SECOND * 20), json!(SECOND + 5)]);
                change.insert("ended_at".to_owned(), ended_at);
            }
            let known = self.types.iter().find(|(known, _)| *known == kind).map(|(_, list)| list.clone());
            attributes = self.values(&known.unwrap_or_default(), false);
        }
        let metrics = if append || self.chance(25) { self.sources() } else { Value::Null };
        json!({
            "op": "update_resource", "type": kind, "id": id, "change": change, "attributes": attributes,
            "metrics": metrics, "append": append,
        })
    }

    fn deletion(&mut self) -> Value {
        if self.chance(85) {
            return json!({ "op": "delete_resource", "id": self.resource_name() });
        }
        let filter = json!({ "and": [self.filter(&[], 1), { "=": { "project_id": self.one_of(&OWNERS) } }] });
        json!({ "op": "delete_resources", "type": "generic", "filter": filter })
    }

    fn leaf(&mut self, attributes: &[(String, Value)]) -> Value {
        let comparison = self.one_of(&COMPARISONS);
        if !attributes.is_empty() && self.chance(50) {
            let (name, definition) = self.one_of(attributes);
            let kind = definition["type"].as_str().unwrap();
            let mut value = self.value(&name);
            if let Some(time) = value.get("time").and_then(Value::as_i64) {
                value = json!(format!("2017-07-14T02:{}:0{}.25", 40 + time % 2, time % 10));
            }
            return match (kind, self.random.u8(..10)) {
                (_, 0) => json!({ "=": { name: null } }),
                (_, 1) => json!({ "!=": { name: null } }),
                ("bool", _) => json!({ self.pick(&["=", "!="]): { name: value } }),
                ("string", 2..4) => json!({ "like": { name: self.pick(&["a%", "%b", "_", "a\\_b", "%"]) } }),
                ("number", 2) => json!({ comparison: { name: 1.5 } }),
                (_, 3) => {
                    let other = value.clone();
                    json!({ "in": { name: [value, other] } })
                }
                _ => json!({ comparison: { name: value } }),
            };
        }
        match self.random.u8(..14) {
            0..3 => {
                json!({ comparison: { self.pick(&["user_id", "project_id"]): self.one_of(&OWNERS[1..]) } })
            }
            3 => json!({ self.pick(&["=", "≠"]): { self.pick(&["user_id", "ended_at", "creator"]): null } }),
            4 => json!({ comparison: { "id": self.resource_name() } }),
            5 => json!({ "in": { "id": [self.resource_name(), self.resource_name()] } }),
            6 => json!({ "in": { "user_id": ["u1", "é", 1, true] } }),
            7 => json!({ "like": { "creator": self.pick(&["alice%", "%:p2", "%_:%", "c%l"]) } }),
            8 => {
                let field = self.pick(&["started_at", "ended_at", "revision_start"]);
                let value = self.one_of(&[
                    json!("2020-09-13T12:26:40"),
                    json!("-1 day"),
                    json!(1_700_000_000),
                    json!("2026"),
                ]);
                json!({ comparison: { field: value } })
            }
            9 => json!({ comparison: { "lifespan": self.pick(&["10 s", "5 minutes", "2000 days"]) } }),
            10 => {
                json!({ self.pick(&["=", "!=", "like"]): { "created_by_user_id": self.pick(&["alice", "bob", "carol"]) } })
            }
            11 => {
                json!({ self.pick(&["=", "!=", "like"]): { "created_by_project_id": self.pick(&["p1", "p2"]) } })
            }
            12 => json!({ comparison: { "type": self.pick(&["t1", "t2", "generic"]) } }),
            _ => match self.random.u8(..12) {
                0 => json!({ comparison: { self.pick(&["nothing", "metrics", "revision_end"]): "x" } }),
                1 => json!({ comparison: { "started_at": "soon" } }),
                2 => json!({ "~": { "id": "x" } }),
                3 => json!({ "<": { "created_by_user_id": "x" } }),
                _ => json!({ "=": { "original_resource_id": self.pick(&["vm-1", "Ünï"]) } }),
            },
        }
    }

    /// A tree of some depth.
    fn filter(&mut self, attributes: &[(String, Value)], depth: u8) -> Value {
        if depth == 0 || self.chance(40) {
            return self.leaf(attributes);
        }
        match self.random.u8(..5) {
            0 => json!({ "not": self.filter(attributes, depth - 1) }),
            choice => {
                let operator =
                    if choice < 3 { self.pick(&["and", "∧"]) } else { self.pick(&["or", "∨"]) };
                let nodes: Vec<Value> =
                    (0..=self.random.usize(..3)).map(|_| self.filter(attributes, depth - 1)).collect();
                json!({ operator: nodes })
            }
        }
    }

    /// One that Gnocchi gets right over the history of a specific type: under `or`, `not` and `in` it loses rows.
    fn history_filter(&mut self, attributes: &[(String, Value)]) -> Value {
        let leaf = self.leaf(attributes);
        let leaf = if leaf.get("in").is_some() { self.leaf(&[]) } else { leaf };
        json!({ "and": [leaf, self.leaf(&[])] })
    }

    fn sorts(&mut self, attributes: &[(String, Value)], only_full: bool, history: bool) -> Vec<String> {
        let mut keys: Vec<String> = FULL_KEYS.iter().map(|key| (*key).to_owned()).collect();
        if history {
            keys.push("revision".to_owned());
        }
        if !only_full {
            keys.extend(["creator", "ended_at", "user_id", "project_id"].map(str::to_owned));
            keys.extend(attributes.iter().map(|(name, _)| name.clone()));
            if self.chance(4) {
                return vec![self.pick(&["nothing", "id:up", "id:asc-nulls"]).to_owned()];
            }
        }
        let mut sorts = Vec::new();
        for _ in 0..self.random.usize(..4) {
            let key = self.one_of(&keys);
            let direction =
                self.pick(&["", ":asc", ":desc", ":asc-nullsfirst", ":desc-nullslast", ":asc-nullslast"]);
            sorts.push(format!("{key}{direction}"));
        }
        sorts
    }

    fn listing(&mut self) -> Value {
        let (kind, attributes) = self.a_type();
        let history = self.chance(35);
        let filter = match (self.chance(25), history && kind != "generic") {
            (true, _) => Value::Null,
            (_, true) => self.history_filter(&attributes),
            _ => self.filter(&attributes, 3),
        };
        let details = self.chance(25);
        let sorts = self.sorts(&attributes, false, history);
        let limit = if !details && self.chance(30) { json!(self.random.u8(1..5)) } else { Value::Null };
        // The limit cuts where rows are equal in all but their ids.
        json!({
            "op": "list_resources", "type": kind, "filter": filter, "details": details, "history": history,
            "limit": limit, "marker": null, "sorts": sorts,
        })
    }

    fn pages(&mut self) -> Value {
        if self.chance(30) {
            let sort = self.pick(&["id", "id:desc", "archive_policy_name", "status:desc"]);
            return json!({ "op": "page_metrics", "filter": null, "limit": self.random.u8(1..6), "sorts": [sort] });
        }
        let (kind, attributes) = self.a_type();
        let history = self.chance(40);
        let filter = match (self.chance(50), history && kind != "generic") {
            (true, _) => Value::Null,
            (_, true) => self.history_filter(&attributes),
            _ => self.filter(&[], 1),
        };
        let sorts = self.sorts(&attributes, true, history);
        json!({
            "op": "page_resources", "type": kind, "filter": filter, "history": history,
            "limit": self.random.u8(1..6), "sorts": sorts,
        })
    }

    fn new_metric(&mut self) -> Value {
        let resource = if self.chance(60) { json!(self.resource_name()) } else { Value::Null };
        let id = if self.chance(5) && !self.metrics.is_empty() {
            let metrics = self.metrics.clone();
            self.one_of(&metrics)
        } else {
            self.metric_id()
        };
        let name = if self.chance(85) { json!(self.one_of(&METRIC_NAMES)) } else { Value::Null };
        json!({
            "op": "create_metric", "id": id, "creator": self.one_of(&CREATORS), "policy": self.policy_name(),
            "name": name, "unit": self.one_of(&UNITS), "resource": resource,
        })
    }

    fn metric_filter(&mut self) -> Value {
        let leaf = match self.random.u8(..8) {
            0 => json!({ "=": { "name": self.one_of(&METRIC_NAMES) } }),
            1 => json!({ "like": { "creator": "%:p1" } }),
            2 => json!({ "in": { "unit": ["%", "B"] } }),
            3 => json!({ "!=": { "unit": "B" } }),
            4 => json!({ "=": { "resource_id": self.resource_name() } }),
            5 => json!({ "=": { "archive_policy_name": self.policy_name() } }),
            6 => json!({ "=": { "created_by_project_id": "p2" } }),
            _ => json!({ "=": { "name": null } }),
        };
        if self.chance(30) { json!({ "and": [leaf, self.metric_filter()] }) } else { leaf }
    }

    fn metric_listing(&mut self) -> Value {
        let filter = if self.chance(40) { Value::Null } else { self.metric_filter() };
        let (policy, resource) = match self.random.u8(..10) {
            0 => (json!({ "like": { "creator": "%:p1" } }), Value::Null),
            1 => (Value::Null, json!({ "=": { "project_id": "u1" } })),
            _ => (Value::Null, Value::Null),
        };
        let sort = self.pick(&[
            "id",
            "name",
            "unit:desc",
            "resource_id:asc-nullsfirst",
            "creator:desc-nullslast",
            "nothing",
        ]);
        json!({
            "op": "list_metrics", "filter": filter, "policy_filter": policy, "resource_policy_filter": resource,
            "details": self.chance(30), "status": self.pick(&["active", "active", "delete"]),
            "limit": if self.chance(20) { json!(3) } else { Value::Null }, "marker": null, "sorts": [sort],
        })
    }

    fn metric_change(&mut self) -> Value {
        let id = if self.metrics.is_empty() || self.chance(10) {
            "aaaaaaaa-ffff-0000-0000-000000000000".to_owned()
        } else {
            let metrics = self.metrics.clone();
            self.one_of(&metrics)
        };
        match self.random.u8(..8) {
            0..4 => json!({ "op": "delete_metric", "id": id }),
            4..6 => json!({ "op": "expunge_metric", "id": id }),
            6 => json!({ "op": "truncate", "id": id, "value": self.chance(50) }),
            _ => json!({ "op": "back_window_changed", "policy": self.policy_name() }),
        }
    }

    fn look(&mut self) -> Value {
        let (kind, _) = self.a_type();
        json!({ "op": "get_resource", "type": kind, "id": self.resource_name() })
    }
}
