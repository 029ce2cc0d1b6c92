//! What may be mended holds records back: nothing is lost, and an attempt goes on where the last one failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pipeline::{PublishError, Records};
use serde_json::json;
use tokio::time::Instant;

use crate::fake::{Answer, Fake, refusal};
use crate::support::{House, event, plain, sample, samples_group};

async fn error(house: &mut House, group: &Arc<[Records]>) -> PublishError {
    house.offer(group).await.expect_err("it was accepted")
}

#[tokio::test]
async fn no_answer_that_can_be_relied_on_accepts_or_refuses_anything() {
    for (answer, cause) in [
        (Answer::Json(500, json!({})), "unavailable"),
        (Answer::Text(502, "<h1>Bad gateway"), "unavailable"),
        (Answer::Json(503, json!({})), "unavailable"),
        (Answer::Json(401, json!({})), "unauthorized"),
        (Answer::Text(400, "<h1>plain HTTP to an HTTPS port"), "unexpected_answer"),
        (Answer::Text(404, "nothing here"), "unexpected_answer"),
        (Answer::Json(405, json!({"code": 405, "title": "", "description": ""})), "unexpected_answer"),
        (refusal(404, &json!("Metric x does not exist")), "unexpected_answer"),
        (refusal(409, &json!("somebody else was quicker")), "unexpected_answer"),
        (Answer::Text(409, "<h1>Conflict"), "unexpected_answer"),
        (Answer::Json(429, json!({})), "throttled"),
        (Answer::Half, "unavailable"),
        (Answer::Nothing, "unavailable"),
    ] {
        let fake = Fake::start();
        fake.has("instance", "vm");
        let mut house = House::new(&fake.url(), "enable_filter_project=false");
        let wrong = answer.clone();
        fake.judge(move |request| request.line.starts_with("POST /v1/batch/").then(|| wrong.clone()));
        let group = samples_group(vec![sample("cpu", "vm", 1)]);
        for _ in 0..2 {
            let error = error(&mut house, &group).await;
            assert_eq!(error.cause, cause, "{answer:?}: {error}");
        }
        fake.behave();
        assert!(house.offer(&group).await.unwrap().is_empty(), "{answer:?}");
        assert_eq!(house.metric("measures_total"), 1);
    }
}

/// Each request of the way, answered in each way that says nothing about what was sent: all of it is offered again, and done
/// once Gnocchi answers as usual.
#[tokio::test]
async fn whatever_goes_wrong_with_whichever_request_everything_is_done_in_the_end() {
    const REQUESTS: [&str; 7] = [
        "POST /v1/archive_policy/",
        "POST /v1/batch/",
        "POST /v1/resource/instance",
        "PATCH /v1/resource/image/img",
        "POST /v1/resource/volume_provider",
        "PATCH /v1/resource/instance/old",
        "POST /v1/search/resource/instance_disk",
    ];
    let answers = || {
        let status = |status| Answer::Json(status, json!({"nothing": "of Gnocchi's"}));
        let garbage = Answer::Text(200, "\u{1}<html>");
        [401, 409, 429, 500, 503].map(status).into_iter().chain([Answer::Half, Answer::Nothing, garbage])
    };
    for line in REQUESTS {
        for answer in answers() {
            // A body is read where it says something.
            let is_read = line.contains("/search/");
            if matches!(answer, Answer::Text(..)) && !is_read {
                continue;
            }
            let fake = Fake::start();
            for (kind, id) in [("image", "img"), ("instance", "old"), ("instance_disk", "old-vda")] {
                fake.has(kind, id);
            }
            let mut house = House::new(&fake.url(), "enable_filter_project=false");
            let wrong = answer.clone();
            fake.judge(move |request| request.line.starts_with(line).then(|| wrong.clone()));
            let named = Arc::new(plain("image.size", "img", 1, r#"{"name": "n"}"#));
            let other = sample("volume.provider.capacity.free", "host", 1);
            let samples = samples_group(vec![sample("cpu", "new", 1), named, other]);
            let ended = event("compute.instance.delete.start", &[("instance_id", "old")]);
            let events: Arc<[Records]> = Arc::new([Records::Events(vec![ended])]);
            let is_of_events = line.ends_with("/old") || is_read;
            let (affected, others) = if is_of_events { (&events, &samples) } else { (&samples, &events) };
            for _ in 0..2 {
                house.offer(affected).await.expect_err(line);
            }
            fake.behave();
            for group in [affected, others] {
                assert!(house.offer(group).await.unwrap().is_empty(), "{line} {answer:?}");
            }
            assert_eq!(house.metric("measures_total"), 3, "{line} {answer:?}");
            let lines = fake.lines();
            for done in ["PATCH /v1/resource/instance/old", "PATCH /v1/resource/instance_disk/old-vda"] {
                assert!(lines.iter().any(|line| line == done), "{line} {answer:?}: {lines:#?}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_and_nothing_else() {
    let mut house = House::new("http://127.0.0.1:1", "enable_filter_project=false");
    let error = error(&mut house, &samples_group(vec![sample("cpu", "vm", 1)])).await;
    assert_eq!(error.cause, "unavailable", "{error}");
}

/// The server asks for a pause: nothing is sent before.
#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    for status in [429, 503] {
        fake.judge(move |request| {
            let pause = || Answer::With(status, "Retry-After", "1".into(), json!({}));
            request.line.starts_with("POST /v1/batch/").then(pause)
        });
        let group = samples_group(vec![sample("cpu", "vm", 1)]);
        // The pause begins with the answer.
        let start = Instant::now();
        let error = error(&mut house, &group).await;
        assert_eq!(error.cause, if status == 429 { "throttled" } else { "unavailable" }, "{error}");
        fake.behave();
        assert!(house.offer(&group).await.unwrap().is_empty());
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }
}

/// A server that cannot do so much in time is asked for less.
#[tokio::test]
async fn batches_become_smaller_when_the_server_is_slow() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.judge(|request| {
        let measures = request.body.matches("\"value\"").count();
        (request.line.starts_with("POST /v1/batch/") && measures > 60).then_some(Answer::Silence)
    });
    let mut house = House::new(&fake.url(), "enable_filter_project=false&timeout=1");
    let samples = (0..500).map(|number| sample("cpu", "vm", number % 60));
    let group = samples_group(samples.collect());
    let mut timeouts = 0;
    loop {
        match house.offer(&group).await {
            Ok(refusals) => break assert!(refusals.is_empty()),
            Err(error) => assert_eq!(error.cause, "timeout", "{error}"),
        }
        timeouts += 1;
        assert!(timeouts < 20);
    }
    // 500, 250, 125: then 62 is too much still, and 31 is not.
    assert!(timeouts >= 4, "{timeouts}");
    assert_eq!(house.metric("measures_total"), 500);
}

/// The second batch fails: the first one is not sent again.
#[tokio::test]
async fn an_attempt_goes_on_where_the_last_one_failed() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    fake.judge(move |request| {
        let is_second =
            request.line.starts_with("POST /v1/batch/") && counted.fetch_add(1, Ordering::Relaxed) == 1;
        is_second.then(|| Answer::Json(500, json!({})))
    });
    let mut samples: Vec<_> = (0..700)
        .map(|number| {
            let mut sample = plain("cpu", "vm", number % 60, "{}");
            sample.volume = i64::from(number).into();
            Arc::new(sample)
        })
        .collect();
    samples.insert(3, sample("cpu", model::Value::Null, 1));
    let group = samples_group(samples);
    assert_eq!(error(&mut house, &group).await.cause, "unavailable");
    let refusals = house.offer(&group).await.unwrap();
    // What was refused in the first attempt is still known.
    assert_eq!(refusals.iter().map(|refusal| refusal.record).collect::<Vec<_>>(), [3]);
    assert_eq!(house.metric("measures_total"), 700);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // Another offer starts from the beginning.
    fake.behave();
    assert!(house.offer(&samples_group(vec![sample("cpu", "vm", 1)])).await.unwrap().is_empty());
    assert_eq!(house.metric("measures_total"), 701);
}

/// The attributes cannot be sent: the measures are not sent again for it.
#[tokio::test]
async fn a_failed_update_is_repeated_without_the_measures() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    fake.judge(|request| request.line.starts_with("PATCH ").then(|| Answer::Json(503, json!({}))));
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let group = samples_group(vec![sample("cpu", "vm", 1)]);
    assert_eq!(error(&mut house, &group).await.cause, "unavailable");
    fake.behave();
    fake.requests();
    assert!(house.offer(&group).await.unwrap().is_empty());
    assert_eq!(fake.lines(), ["PATCH /v1/resource/instance/vm"]);
}

/// Gnocchi lacks what an operator can give it: records wait for that.
#[tokio::test]
async fn what_gnocchi_lacks_holds_records_back() {
    let fake = Fake::start();
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    fake.judge(|request| {
        let is_create = request.line == "POST /v1/resource/instance";
        is_create.then(|| refusal(404, &json!("Resource type instance does not exist")))
    });
    let group = samples_group(vec![sample("cpu", "vm", 1)]);
    let missing = error(&mut house, &group).await;
    assert_eq!(missing.cause, "no_resource_type");
    assert!(missing.message.contains("nephoscope upgrade"), "{missing}");
    let create = event("compute.instance.create.end", &[("instance_id", "vm")]);
    let events: Arc<[Records]> = Arc::new([Records::Events(vec![create])]);
    assert_eq!(error(&mut house, &events).await.cause, "no_resource_type");
    // Somebody has emptied Gnocchi: our archive policies are created again.
    fake.judge(|request| {
        let is_batch = request.line.starts_with("POST /v1/batch/");
        is_batch.then(|| refusal(400, &json!("Archive policy ceilometer-low-rate does not exist")))
    });
    assert_eq!(error(&mut house, &group).await.cause, "no_archive_policy");
    fake.behave();
    fake.requests();
    assert!(house.offer(&group).await.unwrap().is_empty());
    assert_eq!(fake.lines().iter().filter(|line| *line == "POST /v1/archive_policy/").count(), 4);
}

/// Whoever may not create archive policies needs none to be created.
#[tokio::test]
async fn archive_policies_that_are_there_need_not_be_created() {
    let fake = Fake::start();
    fake.has("instance", "vm");
    let mut house = House::new(&fake.url(), "enable_filter_project=false");
    let group = samples_group(vec![sample("cpu", "vm", 1)]);
    fake.judge(|request| (request.line == "POST /v1/archive_policy/").then(|| refusal(403, &json!("no"))));
    let error = error(&mut house, &group).await;
    assert_eq!(error.cause, "archive_policy");
    assert!(error.message.contains("ceilometer-low"), "{error}");
    fake.judge(|request| match request.line.as_str() {
        "POST /v1/archive_policy/" => Some(refusal(403, &json!("no"))),
        line if line.starts_with("GET /v1/archive_policy/") => Some(Answer::Json(200, json!({}))),
        _ => None,
    });
    assert!(house.offer(&group).await.unwrap().is_empty());
}
