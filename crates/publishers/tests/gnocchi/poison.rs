//! Gnocchi answers 5xx: to one record for ever, or to everything.

use std::sync::Arc;
use std::time::Duration;

use pipeline::{Records, Refusals};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Request};
use crate::support::{House, event, plain, sample, samples_group};

const CREATE: &str = "compute.instance.create.end";
const DELETE: &str = "compute.instance.delete.start";
/// Short, so that a test need not wait.
const QUERY: &str = "enable_filter_project=false&give_up_after=0.1";

fn is_measures(request: &Request) -> bool {
    request.line.starts_with("POST /v1/batch/")
}

fn failure() -> Answer {
    Answer::Json(500, json!({"code": 500, "title": "Internal Server Error", "description": "Boom"}))
}

/// Offers until it is accepted; returns the causes of the failures before.
async fn insist(house: &mut House, group: &Arc<[Records]>) -> (Vec<&'static str>, Refusals) {
    let mut causes = Vec::new();
    loop {
        match house.offer(group).await {
            Ok(refusals) => return (causes, refusals),
            Err(error) => causes.push(error.cause),
        }
        assert!(causes.len() < 500, "{causes:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn causes(refusals: &Refusals) -> Vec<(usize, &'static str)> {
    refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect()
}

fn of_vms(count: u32) -> Arc<[Records]> {
    let samples = (0..count).map(|number| sample("cpu", format!("vm{number:02}").as_str(), number));
    samples_group(samples.collect())
}

/// A server with so many instances that fails at the measure with this value.
fn failing_at(value: u32, vms: u32) -> Fake {
    let fake = Fake::start();
    for number in 0..vms {
        fake.has("instance", &format!("vm{number:02}"));
    }
    fake.judge(move |request| {
        let is_bad = is_measures(request) && request.body.contains(&format!("\"value\":{value}}}"));
        is_bad.then(failure)
    });
    fake
}

#[tokio::test]
async fn a_measure_that_gnocchi_alone_fails_at_is_given_up() {
    let fake = failing_at(13, 40);
    let mut house = House::new(&fake.url(), QUERY);
    let (failures, refusals) = insist(&mut house, &of_vms(40)).await;
    // At first nobody asks which record it is; then it is tried, alone, several times.
    assert_eq!(failures[..3], ["unavailable"; 3]);
    assert!(
        failures.len() >= 3 + 4 && failures[3..].iter().all(|cause| *cause == "server_error"),
        "{failures:?}"
    );
    assert_eq!(causes(&refusals), [(13, "server_error")]);
    let reason = &refusals.iter().next().unwrap().reason;
    assert!(
        reason.starts_with("Gnocchi fails at measures of cpu of vm13 and takes others: ")
            && reason.contains("answered 500")
            && reason.contains("Boom"),
        "{reason}"
    );
    assert_eq!(house.metric("measures_total"), 39);
    assert!(house.metric("batches_split_total") > 0);
    // The others are accepted as soon as it is searched for, and not sent again, but one that tells whether Gnocchi works.
    let sent = fake.requests().into_iter().filter(is_measures);
    let sent = sent.filter(|request| request.json().get("vm39").is_some()).count();
    assert!(sent < 2 * failures.len() + 10, "{sent}");

    // Its next measure is given up at once, and so the others do not wait.
    let (failures, refusals) = insist(&mut house, &of_vms(40)).await;
    assert_eq!((failures.len(), causes(&refusals)), (0, vec![(13, "server_error")]));
    // And it is taken when Gnocchi has been mended.
    fake.behave();
    let (failures, refusals) = insist(&mut house, &of_vms(40)).await;
    assert_eq!((failures.len(), refusals.len()), (0, 0));
}

/// Many measures of a metric that is broken, and of no other record anything is known yet.
#[tokio::test]
async fn all_measures_of_a_metric_that_gnocchi_fails_at_are_given_up_together() {
    let fake = Fake::start();
    fake.has("instance", "bad");
    fake.has("instance", "good");
    fake.judge(|request| (is_measures(request) && request.json()["bad"].is_object()).then(failure));
    let mut house = House::new(&fake.url(), QUERY);
    let mut samples: Vec<_> = (0..40).map(|minute| sample("cpu", "bad", minute)).collect();
    samples.push(sample("cpu", "good", 1));
    let (_, refusals) = insist(&mut house, &samples_group(samples)).await;
    assert_eq!(refusals.len(), 40);
    assert!(refusals.iter().all(|refusal| refusal.cause == "server_error" && refusal.record < 40));
    assert_eq!(house.metric("measures_total"), 1);
}

#[tokio::test]
async fn a_server_that_fails_at_everything_holds_everything() {
    for knows_something in [true, false] {
        let fake = failing_at(99, 40);
        let mut house = House::new(&fake.url(), QUERY);
        let first = if knows_something { "cpu" } else { "no.such.meter" };
        assert_eq!(house.samples(vec![sample(first, "vm00", 1)]).await, []);
        // Requests that only read go on well.
        fake.judge(|request| (!request.line.starts_with("GET ")).then(failure));
        let group = of_vms(40);
        for attempt in 0..30 {
            fake.requests();
            let error = house.offer(&group).await.unwrap_err();
            assert!(["unavailable", "server_error"].contains(&error.cause), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
            // It is not made worse for it: the batch, and the measure that was taken before.
            let requests = fake.requests().len();
            let most = if knows_something { 2 } else { 100 };
            let most = if attempt < 3 { 1 } else { most };
            assert!(requests <= most, "{requests} requests");
        }
        fake.behave();
        assert!(house.offer(&group).await.unwrap().is_empty());
    }
}

/// The index cannot be written to, as on a database that has just become a replica: measures of known metrics pass.
#[tokio::test]
async fn a_server_that_can_write_no_resources_holds_what_needs_them() {
    let fake = Fake::start();
    fake.has("instance", "known");
    fake.judge(|request| request.line.starts_with("POST /v1/resource/").then(failure));
    let mut house = House::new(&fake.url(), QUERY);
    let group = samples_group(vec![sample("cpu", "known", 1), sample("cpu", "new", 2)]);
    for _ in 0..30 {
        house.offer(&group).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fake.behave();
    assert!(house.offer(&group).await.unwrap().is_empty());
    assert_eq!(house.metric("measures_total"), 2);
}

/// Alone, and nothing is known of this Gnocchi: nobody can say whose fault it is. The next record tells.
#[tokio::test]
async fn a_record_that_is_alone_waits_for_another() {
    let fake = failing_at(13, 40);
    let mut house = House::new(&fake.url(), QUERY);
    let alone = samples_group(vec![sample("cpu", "vm13", 13)]);
    for _ in 0..20 {
        house.offer(&alone).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let both = samples_group(vec![sample("cpu", "vm13", 13), sample("cpu", "vm01", 1)]);
    let (_, refusals) = insist(&mut house, &both).await;
    assert_eq!(causes(&refusals), [(0, "server_error")]);
}

#[tokio::test]
async fn a_resource_that_gnocchi_fails_to_create_costs_its_own_samples() {
    let fake = Fake::start();
    fake.judge(|request| {
        let is_bad = request.line == "POST /v1/resource/instance" && request.json()["id"] == "bad";
        is_bad.then(failure)
    });
    let mut house = House::new(&fake.url(), QUERY);
    let samples = vec![
        sample("cpu", "good", 1),
        sample("cpu", "bad", 2),
        sample("memory", "bad", 3),
        sample("cpu", "ok", 4),
    ];
    let (_, refusals) = insist(&mut house, &samples_group(samples)).await;
    assert_eq!(causes(&refusals), [(1, "server_error"), (2, "server_error")]);
    let reason = &refusals.iter().next().unwrap().reason;
    assert!(reason.contains("the resource bad of type instance"), "{reason}");
    assert_eq!(house.metric("measures_total"), 2);
}

/// The measures are there: attributes that Gnocchi fails at are given up, and said so.
#[tokio::test]
async fn attributes_that_gnocchi_fails_at_cost_no_measure() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.has("instance", "other");
    fake.judge(|request| {
        let is_bad = request.line.starts_with("PATCH ") && request.json()["host"] == "bad";
        is_bad.then(failure)
    });
    let mut house = House::new(&fake.url(), QUERY);
    let with_host =
        |id: &str, host: &str| Arc::new(plain("cpu", id, 1, &format!(r#"{{"instance_host": "{host}"}}"#)));
    let group = samples_group(vec![with_host("other", "good"), with_host("vm", "bad")]);
    let (failures, refusals) = insist(&mut house, &group).await;
    assert!(failures.len() >= 7 && refusals.is_empty(), "{failures:?} {refusals:?}");
    let counted = ["measures_total", "resources_updated_total", "resource_updates_refused_total"];
    assert_eq!(counted.map(|name| house.metric(name)), [2, 1, 1]);
    // They are not sent again, and others are.
    fake.requests();
    assert_eq!(house.samples(vec![with_host("vm", "bad")]).await, []);
    assert_eq!(house.samples(vec![with_host("vm", "better")]).await, []);
    let patches = fake.requests().into_iter().filter(|request| request.line.starts_with("PATCH "));
    let hosts: Vec<Value> = patches.map(|request| request.json()["host"].clone()).collect();
    assert_eq!(hosts, ["better"]);
}

#[tokio::test]
async fn an_event_that_gnocchi_fails_at_costs_no_other() {
    let fake = Fake::start();
    fake.judge(|request| {
        let is_bad = request.line == "POST /v1/resource/instance" && request.json()["id"] == "bad";
        is_bad.then(failure)
    });
    let mut house = House::new(&fake.url(), "give_up_after=0.1");
    let create = |id: &str| event(CREATE, &[("instance_id", id)]);
    let delete = |id: &str| event(DELETE, &[("instance_id", id)]);
    let events = vec![create("bad"), create("good"), delete("bad"), delete("good")];
    let group: Arc<[Records]> = Arc::new([Records::Events(events)]);
    let (failures, refusals) = insist(&mut house, &group).await;
    assert!(failures.len() >= 7, "{failures:?}");
    assert_eq!(causes(&refusals), [(0, "server_error")]);
    let reason = &refusals.iter().next().unwrap().reason;
    assert!(reason.contains("the create of bad of type instance"), "{reason}");
    // What came behind it was done after it, once.
    let lines = fake.lines();
    let count = |line: &str| lines.iter().filter(|seen| *seen == line).count();
    assert_eq!((count("PATCH /v1/resource/instance/good"), count("PATCH /v1/resource/instance/bad")), (1, 1));
}
