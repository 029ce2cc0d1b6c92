//! The zaqar publisher with a server that answers as Zaqar does, and one that does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use std::sync::Arc;

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

async fn publish(server: &Server, resources: &[&str], witness: Witness) -> Result<Refusals, PublishError> {
    let options = ZaqarOptions::from_url(&PublisherUrl::new("zaqar://?queue=q&ttl=60")).unwrap();
    let endpoint = Some(format!("http://{}", server.address).parse().unwrap());
    let session = Session::new(SessionOptions::new(AuthOptions::None { endpoint })).unwrap();
    let service = Service::new(session, ServiceFilter::new("messaging"));
    let mut publisher = ZaqarPublisher::new(options, service, "a-client", witness);
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
