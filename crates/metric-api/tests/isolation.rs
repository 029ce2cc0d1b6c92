//! Nobody sees, counts, or changes what belongs to another project, whatever they ask: random people, resources and requests
//! in every route, against what a naive filter says that they may see.
//!
//! What there is is asked of an administrator after each request that could change something. So the test does not know what
//! a request does; it knows only what it must not do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "isolation/requests.rs"]
mod requests;
#[path = "isolation/world.rs"]
mod world;

use std::collections::BTreeSet;

use nephoscope_metric_api::{Endpoint, ROUTES, Route};
use serde_json::Value;

use requests::{Asked, is_of_measures, is_write, request};
use world::{Answer, PEOPLE, Person, Server, Stock};

/// Rounds until every route has been used with success; mostly one.
const ROUNDS_MAX: usize = 12;
const SEEDS: [u64; 2] = [20_261_126, 7];

#[tokio::test]
async fn nobody_reaches_what_is_not_theirs() {
    let mut succeeded = BTreeSet::new();
    for seed in SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = Server::start().await;
        for round in 0..ROUNDS_MAX {
            server.populate(&mut random).await;
            let mut stock = server.stock(None).await;
            assert!(stock.resources.len() > 20 && stock.metrics.len() > 25, "{}", stock.resources.len());
            for (place, person) in PEOPLE.iter().enumerate() {
                for route in ROUTES {
                    let asked = request(route, person, &stock, &mut random);
                    // A request that goes elsewhere shows nothing of the route. Counting takes long: of one person a round.
                    let is_counted = place == round % PEOPLE.len();
                    let before = if is_counted { server.answered(route) } else { 0.0 };
                    let answer = server.ask(person, &asked).await;
                    let story = format!("seed {seed}, round {round}: {person:?} {asked:?} -> {answer:?}");
                    if is_counted {
                        let is_reached = (server.answered(route) - before - 1.0).abs() < 0.5;
                        assert!(is_reached, "{} {} is not reached: {story}", route.method, route.path);
                    }
                    if is_of_admins(route) {
                        assert_eq!(answer.status, 403, "{story}");
                    }
                    assert!(answer.status < 500 || answer.status == 501, "{story}");
                    if answer.status < 400 {
                        succeeded.insert(route.path.to_owned() + route.method);
                    }
                    assert_no_leak(person, &stock, &asked, &answer, &story);
                    if is_write(route.endpoint) {
                        let before = (!is_of_measures(route.endpoint)).then_some(&stock);
                        let now = server.stock(before).await;
                        assert_no_trespass(person, &stock, &now, &story);
                        assert_count(route.endpoint, &stock, &now, &answer, &story);
                        stock = now;
                    }
                }
                listings(&server, person, &stock).await;
            }
            if never_done(&succeeded).is_empty() {
                break;
            }
        }
    }
    // A test in which everything is refused would show nothing.
    let refused = never_done(&succeeded);
    assert!(refused.is_empty(), "never done: {refused:?}");
}

/// Routes that are for administrators alone: everybody whom the test watches is refused there, each time.
fn is_of_admins(route: &Route) -> bool {
    use Endpoint as E;
    matches!(
        route.endpoint,
        E::Status
            | E::UpdateArchivePolicy
            | E::DeleteArchivePolicy
            | E::CreateRule
            | E::RenameRule
            | E::DeleteRule
            | E::DeleteResourceType
    )
}

/// The other routes, of those that have not been used with success.
fn never_done(succeeded: &BTreeSet<String>) -> Vec<String> {
    let refused = ROUTES.iter().filter(|route| !is_of_admins(route));
    let refused = refused.filter(|route| !succeeded.contains(&(route.path.to_owned() + route.method)));
    refused.map(|route| format!("{} {}", route.method, route.path)).collect()
}

/// Nothing of the answer, head and body, is a secret that the person must not know, unless they knew it.
fn assert_no_leak(person: &Person, stock: &Stock, asked: &Asked, answer: &Answer, story: &str) {
    let known = format!("{} {}", asked.path, asked.body);
    let mut secrets: Vec<&str> = Vec::new();
    for resource in stock.resources.values().filter(|resource| !person.sees_resource(resource)) {
        secrets.extend([resource.id.as_str(), resource.display_name.as_str()]);
    }
    for metric in stock.metrics.values().filter(|metric| !person.sees_metric(metric, stock)) {
        secrets.push(&metric.id);
        secrets.extend(metric.values.iter().map(String::as_str));
    }
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty() && !known.contains(secret)) {
        assert!(!answer.body.contains(secret) && !answer.head.contains(secret), "{secret} leaks: {story}");
    }
}

/// Nothing has changed that the person must not change.
fn assert_no_trespass(person: &Person, before: &Stock, after: &Stock, story: &str) {
    for (id, old) in &before.resources {
        match after.resources.get(id) {
            None => assert!(person.created(&old.creator), "deleted {id}: {story}"),
            Some(new) if new.shown != old.shown => {
                assert!(person.changes_resource(old), "changed {id}: {story}");
            }
            Some(_) => {}
        }
    }
    for (id, new) in &after.resources {
        let is_theirs = before.resources.contains_key(id) || new.creator == person.creator();
        assert!(is_theirs, "{id} in another's name: {story}");
    }
    for (id, old) in &before.metrics {
        let changes_resource =
            old.resource_of(before).is_some_and(|resource| person.changes_resource(resource));
        match after.metrics.get(id) {
            None => assert!(person.created(&old.creator) || changes_resource, "deleted {id}: {story}"),
            Some(new) => {
                let is_moved = new.resource != old.resource || new.name != old.name;
                assert!(!is_moved || person.writes_to(old) || changes_resource, "moved {id}: {story}");
                assert!(new.values == old.values || person.writes_to(old), "measures of {id}: {story}");
            }
        }
    }
    for (id, new) in after.metrics.iter().filter(|(id, _)| !before.metrics.contains_key(*id)) {
        // Metrics that are added to a resource are its creator's.
        let of_resource = new.resource_of(after).is_some_and(|resource| resource.creator == new.creator);
        assert!(new.creator == person.creator() || of_resource, "{id} in another's name: {story}");
        let may = new.resource_of(after).is_none_or(|resource| person.changes_resource(resource));
        assert!(may, "{id} in another's resource: {story}");
    }
}

/// The number of deleted resources is that of those that are gone.
fn assert_count(endpoint: Endpoint, before: &Stock, after: &Stock, answer: &Answer, story: &str) {
    if endpoint != Endpoint::DeleteResources || answer.status != 200 {
        return;
    }
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let gone = before.resources.keys().filter(|id| !after.resources.contains_key(*id)).count();
    assert_eq!(said["deleted"], gone, "{story}");
}

/// Listings, searches and counts are exactly what the naive filter gives.
async fn listings(server: &Server, person: &Person, stock: &Stock) {
    let ids = |answer: &Answer| -> BTreeSet<String> {
        if answer.status == 403 {
            return BTreeSet::new();
        }
        let list: Vec<Value> = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
        list.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let ask = async |method: &str, path: &str, body: &str| {
        server.ask(person, &Asked::new(method, path, body)).await
    };
    let resources = |sees: &dyn Fn(&world::Resource) -> bool| -> BTreeSet<String> {
        stock
            .resources
            .values()
            .filter(|resource| sees(resource))
            .map(|resource| resource.id.clone())
            .collect()
    };
    // A token of no project lists nothing, whatever its user has created.
    let lists = !person.project.is_empty();
    let listed = ids(&ask("GET", "/v1/resource/generic", "").await);
    assert_eq!(listed, resources(&|resource| lists && person.reads_resource(resource)), "{person:?}");
    let found = ask(
        "POST",
        "/v1/search/resource/generic",
        r#"{"!=": {"id": "00000000-0000-0000-0000-000000000000"}}"#,
    );
    assert_eq!(
        ids(&found.await),
        resources(&|resource| lists && person.sees_resource(resource)),
        "{person:?}"
    );
    let metrics: BTreeSet<String> = stock
        .metrics
        .values()
        .filter(|metric| lists && person.lists_metric(metric, stock))
        .map(|metric| metric.id.clone())
        .collect();
    assert_eq!(ids(&ask("GET", "/v1/metric", "").await), metrics, "{person:?}");
    let count =
        r#"{"operations": "(aggregate count (metric cpu mean))", "resource_type": "generic", "search": {}}"#;
    let counted = ask("POST", "/v1/aggregates", count).await;
    let expected = stock.metrics.values().filter(|metric| {
        let resource = metric.resource_of(stock);
        metric.name == "cpu"
            && !metric.values.is_empty()
            && resource.is_some_and(|of| lists && person.sees_resource(of))
    });
    let expected = expected.count();
    let said: Value = serde_json::from_str(&counted.body).unwrap_or_default();
    // At the time that every metric has a measure of.
    let said = said["measures"]["aggregated"].as_array().and_then(|rows| rows.first()?.get(2)?.as_f64());
    #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
    let expected = (expected > 0).then_some(expected as f64);
    assert_eq!(said, expected, "{person:?} {counted:?}");
}
