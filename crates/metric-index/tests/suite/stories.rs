//! What one user does after the other.

use model::{Timestamp, Value};
use nephoscope_metric_index::{
    ArchivePolicy, Attribute, AttributeValue, Comparison, Definition, Error, FilledAttribute, Filter,
    GENERIC, Kind, MetricQuery, MetricSource, MetricStatus, MetricsChange, NewMetric, NewResource, Page,
    ResourceChange, ResourceQuery, TypeChange,
};
use uuid::Uuid;

use crate::engines::Engine;

pub(crate) fn policy(name: &str) -> ArchivePolicy {
    let definition = Definition {
        granularity_nanoseconds: 60_000_000_000,
        points: Some(60),
        timespan_nanoseconds: Some(3_600_000_000_000),
    };
    ArchivePolicy {
        name: name.to_owned(),
        back_window: 0,
        definition: vec![definition],
        aggregation_methods: ["mean".to_owned()].into(),
    }
}

pub(crate) fn text_attribute(name: &str) -> Attribute {
    Attribute::new(name, Kind::String { min_length: 0, max_length: 256 }, false).unwrap()
}

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) async fn a_fresh_index(engine: &Engine) {
    let index = &engine.index;
    index.ping().await.unwrap();
    assert_eq!(index.archive_policies().await.unwrap(), []);
    assert_eq!(index.archive_policy_rules().await.unwrap(), []);
    let types = index.resource_types().await.unwrap();
    assert_eq!(types.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(), [GENERIC]);
    assert_eq!(index.resources(&ResourceQuery::of(GENERIC)).await.unwrap(), []);
    assert_eq!(index.metrics(&MetricQuery::default()).await.unwrap(), []);
    assert_eq!(index.check().await.unwrap(), Vec::<String>::new());
}

/// Attributes are added, filled, updated and deleted in resources and in what they were.
pub(crate) async fn types_change_under_their_resources(engine: &Engine) {
    let index = &engine.index;
    index.create_resource_type("vm", &[text_attribute("host")]).await.unwrap();
    let new = NewResource {
        attributes: vec![("host".to_owned(), AttributeValue::Text("h1".to_owned()))],
        ..NewResource::new("vm", id(1))
    };
    index.create_resource(&new).await.unwrap();
    engine.tick();
    let change = ResourceChange { user_id: Some(Some("u".to_owned())), ..ResourceChange::default() };
    index.update_resource("vm", id(1), &change).await.unwrap();

    let kind = Kind::Number { min: None, max: None };
    let size = Attribute::new("size", kind, true).unwrap();
    let unfilled = FilledAttribute { attribute: size.clone(), fill: None };
    let change = TypeChange { add: vec![unfilled], ..TypeChange::default() };
    let error = index.update_resource_type("vm", &change).await.unwrap_err();
    assert!(matches!(error, Error::InvalidFill { .. }), "{error}");

    let filled = FilledAttribute { attribute: size, fill: Some(AttributeValue::Number(2.5)) };
    let change = TypeChange { add: vec![filled], delete: vec!["host".to_owned()], ..TypeChange::default() };
    index.update_resource_type("vm", &change).await.unwrap();
    let all = ResourceQuery { history: true, ..ResourceQuery::of("vm") };
    let found = index.resources(&all).await.unwrap();
    assert_eq!(found.len(), 2);
    for resource in found {
        assert_eq!(resource.attributes, [("size".to_owned(), AttributeValue::Number(2.5))]);
    }

    // A name that comes again has no memory.
    let again = FilledAttribute { attribute: text_attribute("host"), fill: None };
    let change = TypeChange { add: vec![again], ..TypeChange::default() };
    index.update_resource_type("vm", &change).await.unwrap();
    let found = index.resource("vm", id(1)).await.unwrap().unwrap();
    assert_eq!(found.attributes[1], ("host".to_owned(), AttributeValue::Null));
    let error = index.delete_resource_type("vm").await.unwrap_err();
    assert!(matches!(error, Error::ResourceTypeInUse(_)), "{error}");
    index.delete_resource(id(1)).await.unwrap();
    index.delete_resource_type("vm").await.unwrap();
    assert!(matches!(index.resource("vm", id(1)).await, Err(Error::NoSuchResourceType(_))));
}

pub(crate) async fn revisions_keep_what_was(engine: &Engine) {
    let index = &engine.index;
    index.create_resource_type("vm", &[text_attribute("host")]).await.unwrap();
    index.create_resource(&NewResource::new("vm", id(1))).await.unwrap();
    let mut starts = vec![index.resource("vm", id(1)).await.unwrap().unwrap().revision_start];
    for host in ["a", "b", "b", "c"] {
        engine.tick();
        let attributes = vec![("host".to_owned(), AttributeValue::Text(host.to_owned()))];
        let change = ResourceChange { attributes, ..ResourceChange::default() };
        let changed = index.update_resource("vm", id(1), &change).await.unwrap();
        assert_eq!(changed.revised, *starts.last().unwrap() != changed.resource.revision_start);
        if changed.revised {
            starts.push(changed.resource.revision_start);
        }
    }
    assert_eq!(starts.len(), 4);
    // Seen as a generic resource it keeps its attributes in what it was.
    engine.tick();
    let change = ResourceChange { project_id: Some(Some("p".to_owned())), ..ResourceChange::default() };
    index.update_resource(GENERIC, id(1), &change).await.unwrap();
    let page = Page { sorts: vec!["revision_start".to_owned()], ..Page::default() };
    for (resource_type, details) in [("vm", false), (GENERIC, true)] {
        let query =
            ResourceQuery { history: true, details, page: page.clone(), ..ResourceQuery::of(resource_type) };
        let found = index.resources(&query).await.unwrap();
        let hosts: Vec<_> = found.iter().map(|revision| revision.attributes[0].1.clone()).collect();
        let text = |host: &str| AttributeValue::Text(host.to_owned());
        assert_eq!(
            hosts,
            [AttributeValue::Null, text("a"), text("b"), text("c"), text("c")],
            "{resource_type}"
        );
        for pair in found.windows(2) {
            assert_eq!(pair[0].revision_end, Some(pair[1].revision_start));
        }
        assert_eq!(found.last().unwrap().revision_end, None);
    }
    let was = Filter::equal("host", "b");
    let query = ResourceQuery { history: true, filter: Some(was), ..ResourceQuery::of("vm") };
    assert_eq!(index.resources(&query).await.unwrap().len(), 1);
}

pub(crate) async fn metrics_come_and_go(engine: &Engine) {
    let index = &engine.index;
    index.create_archive_policy(&policy("low")).await.unwrap();
    let new =
        |number| MetricSource::New { id: id(number), archive_policy_name: "low".to_owned(), unit: None };
    let made = NewResource {
        creator: Some("alice:p1".to_owned()),
        metrics: vec![("a".to_owned(), new(0xa)), ("b".to_owned(), new(0xb))],
        ..NewResource::new(GENERIC, id(1))
    };
    let resource = index.create_resource(&made).await.unwrap();
    assert_eq!(resource.metrics.iter().map(|metric| metric.id).collect::<Vec<_>>(), [id(0xa), id(0xb)]);

    // Two metrics exchange their names.
    let swapped = vec![
        ("b".to_owned(), MetricSource::Existing(id(0xa))),
        ("a".to_owned(), MetricSource::Existing(id(0xb))),
    ];
    let change = ResourceChange { metrics: MetricsChange::Replace(swapped), ..ResourceChange::default() };
    let changed = index.update_resource(GENERIC, id(1), &change).await.unwrap();
    assert!(!changed.revised);
    assert_eq!(
        changed.resource.metrics.iter().map(|metric| metric.id).collect::<Vec<_>>(),
        [id(0xb), id(0xa)]
    );

    index.delete_metric(id(0xa)).await.unwrap();
    assert!(matches!(index.delete_metric(id(0xa)).await, Err(Error::NoSuchMetric(_))));
    let deleted = index.delete_resource(id(1)).await.unwrap();
    assert_eq!((deleted.resources, deleted.metrics), (1, vec![id(0xb)]));
    let waiting = MetricQuery { status: MetricStatus::Delete, ..MetricQuery::default() };
    let waiting = index.metrics(&waiting).await.unwrap();
    assert_eq!(waiting.iter().map(|metric| metric.id).collect::<Vec<_>>(), [id(0xa), id(0xb)]);
    assert!(matches!(index.delete_archive_policy("low").await, Err(Error::ArchivePolicyInUse(_))));
    for metric in waiting {
        index.expunge_metric(metric.id).await.unwrap();
    }
    index.delete_archive_policy("low").await.unwrap();

    index.create_archive_policy(&policy("low")).await.unwrap();
    let alone = NewMetric {
        id: id(0xc),
        creator: None,
        archive_policy_name: "low".to_owned(),
        name: Some("c".to_owned()),
        unit: Some("B".to_owned()),
        resource_id: None,
    };
    index.create_metric(&alone).await.unwrap();
    let time = Timestamp::from_microseconds(5).unwrap();
    index.set_last_measures(&[(id(0xc), time), (id(0xd), time)]).await.unwrap();
    assert_eq!(index.count_metrics(None).await.unwrap(), 1);
    assert_eq!(index.count_metrics(Some(&Filter::equal("unit", "%"))).await.unwrap(), 0);
    assert_eq!(index.metric_policies(None, 9).await.unwrap(), [(id(0xc), "low".to_owned())]);
    assert_eq!(index.metric_policies(Some(id(0xc)), 9).await.unwrap(), []);
    let found = index.metrics_by_id(&[id(0xc), id(0xd)]).await.unwrap();
    assert_eq!(found.iter().map(|metric| metric.last_measure).collect::<Vec<_>>(), [time]);
}

/// Every page begins where the one before ended, whatever has no value, in every direction.
pub(crate) async fn pages_follow_each_other_with_and_without_values(engine: &Engine) {
    let index = &engine.index;
    let mut random = fastrand::Rng::with_seed(7);
    let kind = Kind::Number { min: None, max: None };
    let attributes = [text_attribute("s"), Attribute::new("n", kind, false).unwrap()];
    index.create_resource_type("vm", &attributes).await.unwrap();
    for number in 0..24 {
        let mut new = NewResource::new("vm", id(number * 7919 % 101 + 1));
        new.user_id = [None, Some("u1"), Some("u2")][random.usize(..3)].map(str::to_owned);
        if random.bool() {
            new.attributes
                .push(("s".to_owned(), AttributeValue::Text(["a", "B"][random.usize(..2)].to_owned())));
        }
        if random.bool() {
            new.attributes.push(("n".to_owned(), AttributeValue::Number(f64::from(random.u8(..3)))));
        }
        index.create_resource(&new).await.unwrap();
        engine.tick();
        if random.bool() {
            let change =
                ResourceChange { project_id: Some(Some("p".to_owned())), ..ResourceChange::default() };
            index.update_resource("vm", new.id, &change).await.unwrap();
        }
    }
    for _ in 0..40 {
        let keys = ["user_id", "s", "n", "id", "started_at", "ended_at", "project_id"];
        let directions =
            ["", ":desc", ":asc-nullsfirst", ":asc-nullslast", ":desc-nullsfirst", ":desc-nullslast"];
        let sorts: Vec<String> = (0..random.usize(..4))
            .map(|_| format!("{}{}", keys[random.usize(..keys.len())], directions[random.usize(..6)]))
            .collect();
        let history = random.bool();
        let mut query = ResourceQuery { history, ..ResourceQuery::of("vm") };
        query.page.sorts = sorts;
        let key = |found: &nephoscope_metric_index::Resource| (found.id, found.revision);
        let whole: Vec<_> = index.resources(&query).await.unwrap().iter().map(key).collect();
        query.page.limit = Some(random.u32(1..8));
        let mut paged = Vec::new();
        loop {
            let found = index.resources(&query).await.unwrap();
            let Some(last) = found.last() else { break };
            paged.extend(found.iter().map(key));
            assert!(paged.len() <= whole.len(), "{query:?}");
            let (id, revision) = (last.id, last.revision);
            query.page.marker = Some(if history { format!("{id}@{revision}") } else { id.to_string() });
        }
        assert_eq!(paged, whole, "{query:?}");
    }
}

pub(crate) async fn texts_that_cannot_be_kept_are_refused(engine: &Engine) {
    let index = &engine.index;
    let long = "é".repeat(256);
    let user =
        |user: &str| NewResource { user_id: Some(user.to_owned()), ..NewResource::new(GENERIC, id(1)) };
    let refused = index.create_resource(&user(&long)).await;
    assert!(matches!(refused, Err(Error::TooLong { field: "user_id", limit: 255 })), "{refused:?}");
    let refused = index.create_resource(&user("a\0b")).await;
    assert!(matches!(refused, Err(Error::Nul { .. })), "{refused:?}");
    let refused = index.create_archive_policy(&policy(&long)).await;
    assert!(matches!(refused, Err(Error::TooLong { field: "name", .. })), "{refused:?}");
    assert_eq!(index.archive_policy("a\0").await.unwrap(), None);
    assert!(matches!(index.resource_type("a\0").await, Err(Error::NoSuchResourceType(_))));
    index.create_resource(&user(&"é".repeat(255))).await.unwrap();
    let kind = Kind::Number { min: None, max: None };
    index.create_resource_type("vm", &[Attribute::new("n", kind, false).unwrap()]).await.unwrap();
    for number in [f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE, 1e300] {
        let attributes = vec![("n".to_owned(), AttributeValue::Number(number))];
        let new = NewResource { attributes: attributes.clone(), ..NewResource::new("vm", Uuid::new_v4()) };
        assert_eq!(index.create_resource(&new).await.unwrap().attributes, attributes);
        let query = ResourceQuery { filter: Some(Filter::equal("n", number)), ..ResourceQuery::of("vm") };
        assert_eq!(index.resources(&query).await.unwrap().len(), 1, "{number}");
        let filter = Filter::Compare {
            attribute: "n".to_owned(),
            comparison: Comparison::Less,
            value: Value::Float(f64::NAN),
        };
        let query = ResourceQuery { filter: Some(filter), ..ResourceQuery::of("vm") };
        assert!(!index.resources(&query).await.unwrap().is_empty());
    }
    let attributes = vec![("n".to_owned(), AttributeValue::Number(f64::NAN))];
    let new = NewResource { attributes, ..NewResource::new("vm", Uuid::new_v4()) };
    assert!(matches!(index.create_resource(&new).await, Err(Error::InvalidAttributeValue { .. })));
}

pub(crate) async fn large_searches_are_answered_or_refused(engine: &Engine) {
    let index = &engine.index;
    index
        .create_resource(&NewResource { user_id: Some("u7".to_owned()), ..NewResource::new(GENERIC, id(1)) })
        .await
        .unwrap();
    let nodes: Vec<Filter> =
        (0..9_000).map(|number| Filter::equal("user_id", format!("u{number}").as_str())).collect();
    for history in [false, true] {
        let query =
            ResourceQuery { filter: Some(Filter::Or(nodes.clone())), history, ..ResourceQuery::of(GENERIC) };
        assert_eq!(index.resources(&query).await.unwrap().len(), 1);
    }
    // Columns with an index, of which the engine would look at each.
    let ids = (0..4_000).map(|number| Filter::equal("id", id(number).to_string()));
    let ended = (0..4_000).map(|number| Filter::Compare {
        attribute: "started_at".to_owned(),
        comparison: Comparison::Less,
        value: Value::Int(number),
    });
    let kinds = ended.clone().zip(ids.clone()).flat_map(|(one, other)| [one, other]);
    for (nodes, expected) in [(ids.collect(), 1), (ended.collect(), 0), (kinds.collect::<Vec<_>>(), 1)] {
        let filter = Filter::Or(nodes);
        for (filter, found) in [(Filter::Not(Box::new(filter.clone())), 1 - expected), (filter, expected)] {
            let query = ResourceQuery { filter: Some(filter), ..ResourceQuery::of(GENERIC) };
            assert_eq!(index.resources(&query).await.unwrap().len(), found);
        }
    }
    let values: Vec<Value> = (0..9_000).map(|number| Value::Str(format!("u{number}").into())).collect();
    let filter = Filter::In { attribute: "user_id".to_owned(), values };
    let query = ResourceQuery { filter: Some(filter.clone()), history: true, ..ResourceQuery::of(GENERIC) };
    assert_eq!(index.resources(&query).await.unwrap().len(), 1);
    let both = Filter::And(vec![filter.clone(), filter]);
    let refused = index.resources(&ResourceQuery { filter: Some(both), ..ResourceQuery::of(GENERIC) }).await;
    assert!(matches!(refused, Err(Error::FilterTooLarge { .. })), "{refused:?}");
}

/// Whatever an attribute is called, SQL is not.
pub(crate) async fn names_of_attributes_are_only_names(engine: &Engine) {
    let index = &engine.index;
    let names = ["a\"b", "a'; DROP TABLE resource; --", "0", "select", "a$1", "a?1", "a\\", "name"]
        .map(str::to_owned);
    let attributes: Vec<Attribute> = names.iter().map(|name| text_attribute(name)).collect();
    index.create_resource_type("o'dd\"; --", &attributes).await.unwrap();
    let value = |name: &str| AttributeValue::Text(format!("value of {name}"));
    let given: Vec<_> =
        attributes.iter().map(|attribute| (attribute.name.clone(), value(&attribute.name))).collect();
    let new = NewResource { attributes: given.clone(), ..NewResource::new("o'dd\"; --", id(1)) };
    assert_eq!(index.create_resource(&new).await.unwrap().attributes, given);
    for attribute in &attributes {
        let filter = Filter::equal(attribute.name.as_str(), format!("value of {}", attribute.name).as_str());
        let mut query = ResourceQuery { filter: Some(filter), ..ResourceQuery::of("o'dd\"; --") };
        query.page.sorts = vec![attribute.name.clone()];
        assert_eq!(index.resources(&query).await.unwrap().len(), 1, "{}", attribute.name);
    }
    assert!(index.resource(GENERIC, id(1)).await.unwrap().is_some());
}

/// A table has not room for any number of columns.
pub(crate) async fn types_have_so_many_attributes(engine: &Engine) {
    let index = &engine.index;
    let attributes: Vec<Attribute> =
        (0..=1_000).map(|number| text_attribute(&format!("a{number}"))).collect();
    let refused = index.create_resource_type("wide", &attributes).await;
    assert!(matches!(refused, Err(Error::TooManyAttributes { found: 1_001, .. })), "{refused:?}");
    let (last, most) = attributes.split_last().unwrap();
    index.create_resource_type("wide", most).await.unwrap();
    let add = vec![FilledAttribute { attribute: last.clone(), fill: None }];
    let refused = index.update_resource_type("wide", &TypeChange { add, ..TypeChange::default() }).await;
    assert!(matches!(refused, Err(Error::TooManyAttributes { found: 1_001, .. })), "{refused:?}");
    let given: Vec<_> =
        most.iter().map(|attribute| (attribute.name.clone(), AttributeValue::Text("x".to_owned()))).collect();
    let new = NewResource { attributes: given.clone(), ..NewResource::new("wide", id(1)) };
    assert_eq!(index.create_resource(&new).await.unwrap().attributes, given);
    let query = ResourceQuery { history: true, ..ResourceQuery::of("wide") };
    assert_eq!(index.resources(&query).await.unwrap()[0].attributes, given);
}

/// The plans of common searches, as the engine explains them.
pub(crate) async fn searches_use_indexes(engine: &Engine) {
    let index = &engine.index;
    index.create_resource_type("vm", &[text_attribute("host")]).await.unwrap();
    let equal = |attribute: &str, value: &str| Filter::equal(attribute, value);
    for (resource_type, history, filter, expected) in [
        ("vm", false, equal("host", "h"), &["rt_1_a1"][..]),
        ("vm", true, equal("host", "h"), &["rt_1_a1", "rt_1_history_a1"]),
        (GENERIC, false, equal("project_id", "p"), &["resource_project"]),
        (GENERIC, true, equal("project_id", "p"), &["resource_project", "resource_history_project"]),
        (GENERIC, false, equal("created_by_project_id", "p"), &["resource_creator_project"]),
        (GENERIC, false, equal("created_by_user_id", "u"), &["resource_creator"]),
        (GENERIC, false, equal("original_resource_id", "o"), &["resource_original"]),
    ] {
        let query = ResourceQuery { filter: Some(filter), history, ..ResourceQuery::of(resource_type) };
        let plan = index.explain_resources(&query).await.unwrap();
        for name in expected {
            assert!(plan.contains(name), "{query:?}: {name} is not used:\n{plan}");
        }
    }
    let mut query = ResourceQuery::of(GENERIC);
    query.page.sorts = vec!["revision_start".to_owned(), "started_at".to_owned()];
    query.page.limit = Some(10);
    let plan = index.explain_resources(&query).await.unwrap();
    assert!(plan.contains("resource_revision_start"), "{plan}");
}
