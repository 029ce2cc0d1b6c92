//! What is remembered for those who write measures is what is there.

use std::sync::Arc;

use nephoscope_metric_index::{
    Definition, Filter, GENERIC, Index, MetricSource, MetricsChange, NewMetric, NewResource, ResourceChange,
    named,
};
use uuid::Uuid;

use crate::engines::Engine;
use crate::stories::{id, policy};

/// The ids of the metrics `a` and `b` of a resource, after both ways have given the same metrics as are there.
async fn check(index: &Index, resource: Uuid) -> [Option<Uuid>; 2] {
    let names = vec!["a", "b"];
    let found = index.written_metrics_of(&[(resource, names.clone()), (id(99), names)]).await.unwrap();
    assert!(!found.contains_key(&id(99)));
    let ids = ["a", "b"].map(|name| Some(named(found.get(&resource)?, name)?.id));
    for metric in found.get(&resource).into_iter().flat_map(|metrics| metrics.iter()) {
        assert_eq!(index.metrics_by_id(&[metric.id]).await.unwrap(), std::slice::from_ref(metric));
    }
    let all: Vec<Uuid> = (10..20).map(id).collect();
    let mut written = index.written_metrics(&all).await.unwrap();
    written.sort_by_key(|metric| metric.id);
    let written: Vec<_> = written.into_iter().map(Arc::unwrap_or_clone).collect();
    assert_eq!(written, index.metrics_by_id(&all).await.unwrap());
    ids
}

pub(crate) async fn written_metrics_are_those_that_are_there(engine: &Engine) {
    let index = &engine.index;
    index.create_archive_policy(&policy("p")).await.unwrap();
    let new = |number| MetricSource::New { id: id(number), archive_policy_name: "p".to_owned(), unit: None };
    let metrics = vec![("a".to_owned(), new(10))];
    index.create_resource(&NewResource { metrics, ..NewResource::new(GENERIC, id(1)) }).await.unwrap();
    index.create_resource(&NewResource::new(GENERIC, id(2))).await.unwrap();
    assert_eq!(check(index, id(1)).await, [Some(id(10)), None]);

    // One more, by each way.
    let source = NewMetric {
        id: id(11),
        creator: None,
        archive_policy_name: "p".to_owned(),
        name: Some("b".to_owned()),
        unit: None,
        resource_id: Some(id(1)),
    };
    index.create_metric(&source).await.unwrap();
    assert_eq!(check(index, id(1)).await, [Some(id(10)), Some(id(11))]);
    let append =
        |metrics| ResourceChange { metrics: MetricsChange::Append(metrics), ..ResourceChange::default() };
    index.update_resource(GENERIC, id(2), &append(vec![("a".to_owned(), new(12))])).await.unwrap();
    assert_eq!(check(index, id(2)).await, [Some(id(12)), None]);

    // From one resource to the other, by another name.
    let moved = append(vec![("b".to_owned(), MetricSource::Existing(id(10)))]);
    index.update_resource(GENERIC, id(2), &moved).await.unwrap();
    assert_eq!(check(index, id(1)).await, [None, Some(id(11))]);
    assert_eq!(check(index, id(2)).await, [Some(id(12)), Some(id(10))]);
    let metrics = vec![("a".to_owned(), MetricSource::Existing(id(12)))];
    index.create_resource(&NewResource { metrics, ..NewResource::new(GENERIC, id(3)) }).await.unwrap();
    assert_eq!(check(index, id(2)).await, [None, Some(id(10))]);
    assert_eq!(check(index, id(3)).await, [Some(id(12)), None]);

    let longer = Definition { points: None, timespan_nanoseconds: None, ..policy("p").definition[0] };
    index.update_archive_policy("p", &[longer], Some(3)).await.unwrap();
    check(index, id(2)).await;
    let found = index.written_metrics(&[id(10)]).await.unwrap();
    assert_eq!(
        (found[0].archive_policy.back_window, &found[0].archive_policy.definition),
        (3, &vec![longer])
    );

    index.delete_metric(id(11)).await.unwrap();
    assert_eq!(check(index, id(1)).await, [None, None]);
    let replace = ResourceChange { metrics: MetricsChange::Replace(Vec::new()), ..ResourceChange::default() };
    index.update_resource(GENERIC, id(2), &replace).await.unwrap();
    assert_eq!(check(index, id(2)).await, [None, None]);
    index.delete_resource(id(3)).await.unwrap();
    assert_eq!(check(index, id(3)).await, [None, None]);
    let metrics = vec![("a".to_owned(), new(13))];
    index.create_resource(&NewResource { metrics, ..NewResource::new(GENERIC, id(4)) }).await.unwrap();
    assert_eq!(check(index, id(4)).await, [Some(id(13)), None]);
    index.delete_resources(GENERIC, &Filter::equal("id", id(4).to_string())).await.unwrap();
    assert_eq!(check(index, id(4)).await, [None, None]);
    assert_eq!(index.written_metrics(&[id(13), id(10)]).await.unwrap().len(), 1);
}
