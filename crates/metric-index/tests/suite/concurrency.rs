//! What several users do at once.

use std::time::Duration;

use nephoscope_metric_index::{
    AttributeValue, Error, FilledAttribute, GENERIC, Index, MetricQuery, NewMetric, NewResource,
    ResourceChange, ResourceQuery, TypeChange,
};
use tokio::task::JoinSet;

use crate::engines::Engine;
use crate::stories::{id, policy, text_attribute};

/// Runs the same thing several times at once and returns what came of it.
async fn at_once<T, F, R>(index: &Index, count: u32, work: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(Index, u32) -> R,
    R: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(work(index.clone(), number));
    }
    tasks.join_all().await
}

pub(crate) async fn one_of_many_makes_a_resource(engine: &Engine) {
    let made = at_once(&engine.index, 12, |index, _| async move {
        index.create_resource(&NewResource::new(GENERIC, id(1))).await
    });
    let made = made.await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, Error::ResourceAlreadyExists(_)), "{refused}");
    }
}

pub(crate) async fn every_change_becomes_one_revision(engine: &Engine) {
    let index = &engine.index;
    index.create_resource(&NewResource::new(GENERIC, id(1))).await.unwrap();
    let changed = at_once(index, 10, |index, number| async move {
        let user_id = Some(Some(format!("u{number}")));
        let change = ResourceChange { user_id, ..ResourceChange::default() };
        index.update_resource(GENERIC, id(1), &change).await.unwrap().revised
    });
    assert!(changed.await.into_iter().all(|revised| revised));
    let query = ResourceQuery { history: true, ..ResourceQuery::of(GENERIC) };
    let found = index.resources(&query).await.unwrap();
    assert_eq!(found.len(), 11);
    let mut users: Vec<_> = found.into_iter().map(|revision| revision.user_id).collect();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), 11);
}

/// Nobody sees a type half changed, and every resource gets the value that existing ones are to have, or one of its own.
pub(crate) async fn types_change_while_resources_are_made(engine: &Engine) {
    let index = &engine.index;
    index.create_resource_type("vm", &[text_attribute("s")]).await.unwrap();
    let making = at_once(index, 4, |index, maker| async move {
        for number in 0..10 {
            let new = NewResource {
                attributes: vec![("s".to_owned(), AttributeValue::Text("x".to_owned()))],
                ..NewResource::new("vm", id(u128::from(maker * 100 + number + 1)))
            };
            index.create_resource(&new).await.unwrap();
            index.resources(&ResourceQuery { history: true, ..ResourceQuery::of("vm") }).await.unwrap();
        }
    });
    let changing = async {
        for number in 0..4 {
            let attribute = FilledAttribute {
                attribute: text_attribute(&format!("a{number}")),
                fill: Some(AttributeValue::Text("filled".to_owned())),
            };
            let mut change = TypeChange { add: vec![attribute], ..TypeChange::default() };
            if number > 0 {
                change.delete.push(format!("a{}", number - 1));
            }
            index.update_resource_type("vm", &change).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let ((), made) = tokio::join!(changing, making);
    assert_eq!(made.len(), 4);
    let found = index.resources(&ResourceQuery::of("vm")).await.unwrap();
    assert_eq!(found.len(), 40);
    for resource in found {
        let names: Vec<&str> = resource.attributes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["s", "a3"]);
    }
}

pub(crate) async fn a_policy_goes_or_gets_a_metric(engine: &Engine) {
    let index = &engine.index;
    for round in 0..5_u32 {
        let name = format!("p{round}");
        index.create_archive_policy(&policy(&name)).await.unwrap();
        let new = NewMetric {
            id: id(u128::from(round + 1)),
            creator: None,
            archive_policy_name: name.clone(),
            name: None,
            unit: None,
            resource_id: None,
        };
        let (deleted, made) = tokio::join!(index.delete_archive_policy(&name), index.create_metric(&new));
        match (deleted, made) {
            (Ok(()), Err(Error::NoSuchArchivePolicy(_))) | (Err(Error::ArchivePolicyInUse(_)), Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    index.metrics(&MetricQuery::default()).await.unwrap();
}
