//! What becomes of records for each answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Sample;
use pipeline::{Publisher as _, Records, Refusals};
use serde_json::{Value, json};

use crate::receiver::{BOTH, Carrier, Receiver, publish, resources};
use crate::records;

fn sample(resource: &str) -> Sample {
    (*records::sample("m", resource, 1)).clone()
}

/// What became of one record, in a word or two.
async fn outcome(receiver: &mut Receiver, carrier: Carrier, answer: Value) -> (String, String) {
    receiver.answer(&[answer]);
    match publish(&mut receiver.publisher(carrier, ""), [sample("r")]).await {
        Err(error) => (format!("again {}", error.cause), error.message),
        Ok(refusals) if refusals.is_empty() => ("accepted".to_owned(), String::new()),
        Ok(refusals) => {
            let named =
                refusals.iter().map(|refusal| (format!("refused {}", refusal.cause), refusal.reason.clone()));
            let unnamed = refusals
                .unnamed()
                .iter()
                .map(|lost| (format!("lost {} {}", lost.records, lost.cause), lost.reason.clone()));
            named.chain(unnamed).next().unwrap()
        }
    }
}

#[tokio::test]
async fn every_status_of_grpc_is_accepted_offered_again_or_refused() {
    let mut receiver = Receiver::start(&[]);
    for (code, expected) in [
        (0, "accepted"),
        (1, "again cancelled"),
        (2, "again unknown"),
        (3, "refused invalid_argument"),
        (4, "again deadline_exceeded"),
        (5, "again not_found"),
        (6, "refused already_exists"),
        (7, "again forbidden"),
        (8, "again throttled"),
        (9, "again failed_precondition"),
        (10, "again aborted"),
        (11, "again out_of_range"),
        (12, "again unimplemented"),
        (13, "again internal"),
        (14, "again unavailable"),
        (15, "again data_loss"),
        (16, "again unauthorized"),
    ] {
        let answer = json!({"code": code, "message": "weil é 100%\nso"});
        let (outcome, message) = outcome(&mut receiver, Carrier::Grpc, answer).await;
        assert_eq!(outcome, expected, "{message}");
        assert!(code == 0 || message.contains(": weil é 100% so"), "{message}");
        assert_eq!(receiver.take().len(), 1);
    }
}

#[tokio::test]
async fn every_status_of_http_is_accepted_offered_again_or_refused() {
    let mut receiver = Receiver::start(&[]);
    for (status, expected) in [
        (200, "accepted"),
        (202, "accepted"),
        (302, "again redirect"),
        (400, "refused bad_request"),
        (401, "again unauthorized"),
        (403, "again forbidden"),
        (404, "again not_found"),
        (413, "refused too_large"),
        (415, "again media_type"),
        (429, "again throttled"),
        (500, "again server_error"),
        (502, "again server_error"),
        (503, "again server_error"),
        (504, "again server_error"),
    ] {
        // The words are those of google.rpc.Status, and no bytes of protobuf are among them.
        let answer = json!({"status": status, "code": 3, "message": "weil é"});
        let (outcome, message) = outcome(&mut receiver, Carrier::Http, answer).await;
        assert_eq!(outcome, expected, "{message}");
        assert!(status < 300 || message.contains(": weil é"), "{message}");
        assert!(!message.contains("DebugInfo"), "{message}");
        assert_eq!(receiver.take().len(), 1);
    }
    let encoded = STANDARD.encode("a word");
    let answer = json!({"status": 400, "body": encoded, "headers": {"Content-Type": "text/plain"}});
    let (outcome, message) = outcome(&mut receiver, Carrier::Http, answer).await;
    assert!(outcome == "refused bad_request" && message.contains(": a word"), "{message}");
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_repeated() {
    let mut receiver = Receiver::start(&[]);
    for carrier in BOTH {
        for (rejected, text, expected) in [
            (1, "too old", "lost 1 partial_success"),
            // More than there were.
            (7_000_000_000_i64, "", "lost 1 partial_success"),
            (0, "use the other port", "accepted"),
            (-3, "", "accepted"),
        ] {
            let answer = json!({"rejected": rejected, "text": text});
            let (outcome, message) = outcome(&mut receiver, carrier, answer).await;
            assert_eq!(outcome, expected, "{carrier:?}");
            assert!(
                expected == "accepted" || message.contains(&format!("{rejected} points rejected")),
                "{message}"
            );
            assert!(expected == "accepted" || message.contains(text), "{message}");
            assert_eq!(receiver.take().len(), 1);
        }
        // Of each request, while another one has to be repeated.
        let mut publisher = receiver.publisher(carrier, "?batch_size=2");
        let offer = crate::receiver::group(["a", "b", "c", "d", "e"].map(sample));
        let partial = json!({"rejected": 1, "text": "because"});
        receiver.answer(&[partial.clone(), json!({"code": 14, "status": 503}), partial]);
        publisher.publish(Arc::clone(&offer)).await.unwrap_err();
        let refusals = publisher.publish(offer).await.unwrap();
        assert_eq!(refusals.unnamed().iter().map(|unnamed| unnamed.records).collect::<Vec<_>>(), [1, 1]);
        assert!(refusals.iter().next().is_none() && !refusals.is_empty());
        assert_eq!(resources(&receiver.take()), ["a", "b", "c", "d", "c", "d", "e"]);
    }
    let body = STANDARD.encode(r#"{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"no"}}"#);
    let answer = json!({"body": body, "headers": {"Content-Type": "application/json; charset=utf-8"}});
    assert_eq!(outcome(&mut receiver, Carrier::Http, answer).await.0, "lost 1 partial_success");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_counts_by_its_status() {
    let mut receiver = Receiver::start(&[]);
    let garbage = STANDARD.encode(b"\x0a\xff garbage");
    let (taken, _) = outcome(&mut receiver, Carrier::Grpc, json!({"raw": garbage})).await;
    assert_eq!(taken, "accepted");
    let (taken, _) = outcome(&mut receiver, Carrier::Http, json!({"raw": garbage})).await;
    assert_eq!(taken, "accepted");
    // Half a body, none, and more than is read.
    let partial = json!({"rejected": 1, "text": "a longer text", "cut": 9});
    assert_eq!(outcome(&mut receiver, Carrier::Http, partial).await.0, "accepted");
    let nothing = json!({"body": "", "headers": {"Content-Type": "text/plain"}});
    assert_eq!(outcome(&mut receiver, Carrier::Http, nothing).await.0, "accepted");
    let (taken, _) = outcome(&mut receiver, Carrier::Http, json!({"text": "x".repeat(1 << 20)})).await;
    assert_eq!(taken, "accepted");
    // gRPC has its status behind the body, which is too long to get there.
    let (taken, message) = outcome(&mut receiver, Carrier::Grpc, json!({"text": "x".repeat(1 << 20)})).await;
    assert_eq!(taken, "again transport", "{message}");
    // A page to log in, for example.
    let page = json!({"body": STANDARD.encode("<html>log in"), "headers": {"Content-Type": "text/html"}});
    let (taken, message) = outcome(&mut receiver, Carrier::Http, page).await;
    assert_eq!(taken, "again not_otlp", "{message}");
    // Answers may be packed.
    let packed = json!({"gzip": true, "rejected": 1, "text": "because"});
    assert_eq!(outcome(&mut receiver, Carrier::Grpc, packed).await.0, "lost 1 partial_success");
    let details = json!({"code": 14, "message": "gone", "details": "?? no base64 ??"});
    let (taken, message) = outcome(&mut receiver, Carrier::Grpc, details).await;
    assert!(taken == "again unavailable" && message.contains(": gone"), "{message}");
}

#[tokio::test]
async fn the_receivers_wish_to_be_left_alone_is_honoured() {
    let mut receiver = Receiver::start(&[]);
    for (carrier, answer) in [
        (Carrier::Grpc, json!({"code": 14, "message": "busy", "retry_seconds": 1.0})),
        (Carrier::Grpc, json!({"code": 8, "message": "busy", "retry_seconds": 1.0})),
        (Carrier::Http, json!({"status": 429, "message": "busy", "headers": {"Retry-After": "1"}})),
        (Carrier::Http, json!({"status": 503, "message": "busy", "headers": {"Retry-After": "1"}})),
        (Carrier::Http, json!({"status": 502, "code": 14, "message": "busy", "retry_seconds": 1.0})),
    ] {
        let mut publisher = receiver.publisher(carrier, "");
        receiver.answer(std::slice::from_ref(&answer));
        // The wait begins with the answer.
        let began = Instant::now();
        let error = publish(&mut publisher, [sample("r")]).await.unwrap_err();
        assert!(error.message.contains("busy"), "{error}");
        publish(&mut publisher, [sample("r")]).await.unwrap();
        let waited = began.elapsed();
        assert!(
            waited >= Duration::from_millis(900) && waited < Duration::from_mins(1),
            "{answer}: {waited:?}"
        );
        assert_eq!(receiver.take().len(), 2, "{answer}");
    }
}

fn places(refusals: &Refusals) -> Vec<(usize, usize, &'static str)> {
    let mut places: Vec<_> =
        refusals.iter().map(|refusal| (refusal.group, refusal.record, refusal.cause)).collect();
    places.sort_unstable();
    places
}

#[tokio::test]
async fn only_the_records_at_fault_are_refused_and_the_others_are_delivered() {
    let mut receiver = Receiver::start(&[]);
    for (carrier, cause) in [(Carrier::Grpc, "invalid_argument"), (Carrier::Http, "bad_request")] {
        let rule = json!({"contains": "bad", "code": 3, "status": 400, "message": "no such resource"});
        receiver.rule(&rule);
        let samples =
            |names: &[&str]| Records::Samples(names.iter().map(|name| Arc::new(sample(name))).collect());
        let groups: Arc<[Records]> =
            Arc::new([samples(&["a", "bad 1"]), samples(&["b"]), samples(&["c", "d", "bad 2"])]);
        let refusals = receiver.publisher(carrier, "").publish(groups).await.unwrap();
        assert_eq!(places(&refusals), [(0, 1, cause), (2, 2, cause)]);
        assert!(refusals.iter().all(|refusal| refusal.reason.contains("no such resource")));
        let requests = receiver.take();
        let is_good = |request: &Value| !request.to_string().contains("bad");
        let taken: Vec<Value> = requests.into_iter().filter(is_good).collect();
        assert_eq!(resources(&taken), ["a", "b", "c", "d"], "{carrier:?}");
        receiver.rule(&json!({}));
    }
}

/// grpcio answers with RESOURCE_EXHAUSTED and no RetryInfo when a message is larger than it takes.
#[tokio::test]
async fn what_is_too_large_at_once_is_divided_and_waits_alone() {
    let mut receiver = Receiver::start(&["--max-bytes", "2000"]);
    let mut publisher = receiver.publisher(Carrier::Grpc, "");
    let names: Vec<String> = (0..50).map(|number| format!("{number}")).collect();
    let refusals = publish(&mut publisher, names.iter().map(|name| sample(name))).await.unwrap();
    assert!(refusals.is_empty(), "{refusals:?}");
    assert_eq!(resources(&receiver.take()), names);
    let error = publish(&mut publisher, [sample("a"), sample(&"x".repeat(3_000))]).await.unwrap_err();
    assert_eq!(error.cause, "throttled", "{error}");
    assert_eq!(resources(&receiver.take()), ["a"]);
    // What the receiver has is not sent again.
    let offer = crate::receiver::group([sample("a"), sample(&"x".repeat(3_000))]);
    for _ in 0..3 {
        publisher.publish(Arc::clone(&offer)).await.unwrap_err();
    }
    assert_eq!(resources(&receiver.take()), ["a"]);
}
