//! Whatever is searched for, the database never refuses the SQL that is made of it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "support/engines.rs"]
#[expect(dead_code, reason = "shared with other suites")]
mod engines;

use std::sync::OnceLock;

use engines::Engine;
use model::{Map, Value};
use nephoscope_metric_index::{
    Attribute, AttributeValue, Error, Filter, Kind, MetricQuery, NewResource, Page, ResourceQuery,
    resource_id, time,
};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// One index for all cases.
fn shared() -> &'static (Runtime, Engine) {
    static SHARED: OnceLock<(Runtime, Engine)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let engine = runtime.block_on(async {
            let engine = Engine::sqlite().await;
            let string = Kind::String { min_length: 0, max_length: 256 };
            let number = Kind::Number { min: None, max: None };
            let attributes: Vec<Attribute> =
                [("s", string), ("n", number), ("u", Kind::Uuid), ("b", Kind::Bool), ("d", Kind::Datetime)]
                    .map(|(name, kind)| Attribute::new(name, kind, false).unwrap())
                    .into();
            engine.index.create_resource_type("vm", &attributes).await.unwrap();
            for number in 1..6_u8 {
                let mut new = NewResource::new("vm", Uuid::from_u128(number.into()));
                new.attributes.push(("n".to_owned(), AttributeValue::Number(number.into())));
                new.attributes.push(("s".to_owned(), AttributeValue::Text(format!("s{number}"))));
                engine.index.create_resource(&new).await.unwrap();
            }
            engine
        });
        (runtime, engine)
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "(?s).{0,12}".prop_map(|text| Value::Str(text.into())),
        "[%_a\\\\]{0,6}".prop_map(|text| Value::Str(text.into())),
        Just(Value::Str("5a8df9a1-4e23-5685-86fb-d4d184a6b844".into())),
        Just(Value::Str("2020-01-01T00:00:00".into())),
        Just(Value::Str("-1 day".into())),
    ]
}

fn attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "id", "type", "creator", "started_at", "revision_start", "ended_at", "user_id", "project_id",
            "original_resource_id", "revision", "revision_end", "s", "n", "u", "b", "d", "lifespan", "created_by_user_id",
            "created_by_project_id", "name", "unit", "status", "resource_id",
        ]).prop_map(str::to_owned),
        1 => "(?s).{0,8}",
    ]
}

fn single(key: impl Into<model::Text>, value: Value) -> Value {
    Value::Map(Map::from_pairs(vec![(key.into(), value)]))
}

fn tree() -> impl Strategy<Value = Value> {
    let operators = vec!["=", "==", "eq", "<", "lt", ">", "gt", "<=", "≤", "ge", "!=", "≠", "like", "~", ""];
    let leaf = prop_oneof![
        6 => (prop::sample::select(operators), attribute(), scalar())
            .prop_map(|(operator, attribute, value)| single(operator, single(attribute, value))),
        1 => (attribute(), prop::collection::vec(scalar(), 0..4))
            .prop_map(|(attribute, values)| single("in", single(attribute, Value::List(values)))),
        1 => scalar(),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            (prop::sample::select(vec!["and", "or", "∧", "∨"]), prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(operator, nodes)| single(operator, Value::List(nodes))),
            inner.prop_map(|node| single("not", node)),
        ]
    })
}

fn page() -> impl Strategy<Value = Page> {
    let direction =
        prop::sample::select(vec!["", ":asc", ":desc", ":asc-nullsfirst", ":desc-nullslast", ":x"]);
    let sorts =
        prop::collection::vec((attribute(), direction).prop_map(|(key, way)| format!("{key}{way}")), 0..3);
    let marker = prop_oneof![
        Just(None),
        Just(Some("00000000-0000-0000-0000-000000000003".to_owned())),
        Just(Some("00000000-0000-0000-0000-000000000003@-1".to_owned())),
        "(?s).{0,8}".prop_map(Some),
    ];
    (prop::option::of(1..9_u32), marker, sorts).prop_map(|(limit, marker, sorts)| Page {
        limit,
        marker,
        sorts,
    })
}

fn expect_no_database_error<T>(result: Result<T, Error>) {
    if let Err(error @ (Error::Database(_) | Error::Stored { .. })) = result {
        panic!("{error}");
    }
}

proptest! {
    #[test]
    fn searches_become_sql_that_runs(tree in tree(), page in page(), history: bool, is_generic: bool) {
        let Ok(filter) = Filter::from_json(&tree) else { return Ok(()) };
        let (runtime, engine) = shared();
        let resource_type = if is_generic { "generic" } else { "vm" };
        let query =
            ResourceQuery { filter: Some(filter.clone()), history, page: page.clone(), ..ResourceQuery::of(resource_type) };
        expect_no_database_error(runtime.block_on(engine.index.resources(&query)));
        let query = MetricQuery { filter: Some(filter.clone()), resource_policy_filter: Some(filter), page, ..MetricQuery::default() };
        expect_no_database_error(runtime.block_on(engine.index.metrics(&query)));
    }

    /// A condition, its opposite and "neither" share out all rows.
    #[test]
    fn a_search_and_its_opposite_have_no_row_in_common(tree in tree()) {
        let Ok(filter) = Filter::from_json(&tree) else { return Ok(()) };
        let (runtime, engine) = shared();
        let find = |filter| {
            let query = ResourceQuery { filter: Some(filter), ..ResourceQuery::of("vm") };
            runtime.block_on(engine.index.resources(&query))
        };
        let Ok(found) = find(filter.clone()) else { return Ok(()) };
        let Ok(opposite) = find(Filter::Not(Box::new(filter))) else { return Ok(()) };
        prop_assert!(found.iter().all(|one| opposite.iter().all(|other| one.id != other.id)));
        prop_assert!(found.len() + opposite.len() <= 5);
    }

    #[test]
    fn any_text_is_a_time_or_none(text in "(?s).{0,30}", creator: Option<String>) {
        let value = Value::Str(text.as_str().into());
        let _ = time::timespan(&value);
        let _ = time::timestamp(&value, model::Timestamp::EPOCH);
        let _ = resource_id(&text, creator.as_deref());
    }

    #[test]
    fn anything_like_a_span_or_a_time(text in "[-+]?[0-9]{0,3}[.:/ ,]?[wdhms]{0,2} ?[0-9]{0,20}[-:T.Z ]?[0-9]{0,4}") {
        let value = Value::Str(text.as_str().into());
        let _ = time::timespan(&value);
        let _ = time::timestamp(&value, model::Timestamp::EPOCH);
    }
}
