//! The zaqar publisher with a server that answers as Zaqar does, and one that does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nephoscope_publishers::Witness;
use nephoscope_publishers::zaqar::{ZaqarOptions, ZaqarPublisher};
use openstack::{AuthOptions, Service, ServiceFilter, Session, SessionOptions};
use pipeline::{PublishError, Publisher, PublisherUrl, Records, Refusals};

#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
use records::sample;
use server::{Answer, Request, Server};

fn publisher(server: &Server, witness: Witness) -> ZaqarPublisher {
    let options = ZaqarOptions::from_url(&PublisherUrl::new("zaqar://?queue=q&ttl=60")).unwrap();
    let endpoint = Some(format!("http://{}", server.address).parse().unwrap());
    let session = Session::new(SessionOptions::new(AuthOptions::None { endpoint })).unwrap();
    let service = Service::new(session, ServiceFilter::new("messaging"));
    ZaqarPublisher::new(options, service, "a-client", witness)
}

async fn publish(server: &Server, resources: &[&str], witness: Witness) -> Result<Refusals, PublishError> {
    let mut publisher = publisher(server, witness);
    let samples = resources.iter().map(|resource| sample("m", resource, 1)).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await
}

#[tokio::test]
async fn messages_are_posted_and_what_zaqar_refuses_is_found() {
    let server = Server::start(|request: &Request, _| {
        Answer::status(if request.text().contains("\"bad\"") { 400 } else { 201 })
    });
    let refusals = publish(&server, &["a", "bad", "b"], Witness::nobody()).await.unwrap();
    let refused: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
    assert_eq!(refused, [(1, "bad_request")]);
    let all = server.requests();
    assert!(all.iter().all(|request| request.target == "/v2/queues/q/messages"), "{all:?}");
    assert!(all.iter().all(|request| request.header("client-id") == Some("a-client")), "{all:?}");
    assert!(
        all.iter().any(|request| request.text().starts_with("{\"messages\": [{\"body\": {\"name\": \"m\""))
    );
}

#[tokio::test]
async fn what_zaqar_does_not_take_now_is_offered_again() {
    for (status, cause) in [(503, "server_error"), (401, "unauthorized"), (429, "throttled")] {
        let server = Server::start(move |_, _| Answer::status(status));
        let error = publish(&server, &["a"], Witness::nobody()).await.unwrap_err();
        assert_eq!(error.cause, cause, "{error}");
    }
}

/// Whoever reads the queue would get it once for every attempt.
#[tokio::test]
async fn what_was_taken_in_a_failed_attempt_is_not_posted_again() {
    let failures = AtomicUsize::new(0);
    let server = Server::start(move |request: &Request, _| {
        let fails = request.text().contains("\"late\"") && failures.fetch_add(1, Ordering::SeqCst) < 2;
        Answer::status(if fails { 503 } else { 201 })
    });
    let mut publisher = publisher(&server, Witness::nobody());
    // Each of the first two fills a request by itself.
    let large = |letter: &str| letter.repeat(150_000);
    let samples = [&*large("a"), &*large("b"), "late"].map(|resource| sample("m", resource, 1));
    let groups: Arc<[Records]> = Arc::new([Records::Samples(samples.to_vec())]);
    for _ in 0..2 {
        assert_eq!(publisher.publish(Arc::clone(&groups)).await.unwrap_err().cause, "server_error");
    }
    assert!(publisher.publish(groups).await.unwrap().is_empty());
    let texts: Vec<String> = server.requests().iter().map(Request::text).collect();
    let with = |text: &str| texts.iter().filter(|body| body.contains(text)).count();
    assert_eq!((with("aaaa"), with("bbbb"), with("\"late\""), texts.len()), (1, 1, 3, 5));
}

#[tokio::test]
async fn an_exchange_is_told() {
    let server = Server::start(|_, _| Answer::Status(201, String::new(), "{\"resources\": []}".into()));
    let seen = Arc::new(std::sync::Mutex::new(String::new()));
    let told = Arc::clone(&seen);
    let witness = Witness::new(move |line| {
        let mut told = told.lock().unwrap();
        told.push_str(line);
        told.push('\n');
    });
    publish(&server, &["a"], witness).await.unwrap();
    let lines = seen.lock().unwrap().clone();
    for part in
        ["> POST /v2/queues/q/messages", "> X-Auth-Token: ***", "< 201 Created\n< {\"resources\": []}"]
    {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
}
