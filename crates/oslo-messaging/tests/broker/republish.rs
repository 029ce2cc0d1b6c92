//! Messages that are put back.

use nephoscope_oslo_messaging::{Delivery, ListenerConfig, RepublishError, Republished, Republisher};
use testkit::Vhost;

use super::harness::{EXCHANGE, QUEUE, ready, until, vhost};

fn config(vhost: &Vhost<'_>) -> ListenerConfig {
    ListenerConfig::new("test", vhost.transport_url().parse().unwrap())
}

fn message(exchange: &str, body: &[u8]) -> Delivery {
    Delivery {
        routing_key: QUEUE.to_owned(),
        exchange: exchange.to_owned(),
        content_type: Some("application/json".to_owned()),
        content_encoding: Some("utf-8".to_owned()),
        compression: Some("application/x-gzip".to_owned()),
        body: body.to_vec(),
        ..Delivery::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_back_comes_again_as_it_was_and_in_order() {
    let vhost = vhost("republish");
    // More than may wait for their confirms at once.
    let count: u8 = 200;
    let mut listening = ready(&vhost.transport_url(), |_| {}).await;
    let sent: Vec<Delivery> = (0..count).map(|number| message(EXCHANGE, &[number, 0, 255])).collect();
    let mut republisher = Republisher::connect(&config(&vhost)).await.unwrap();
    let put: Vec<Republished<'_>> =
        sent.iter().map(|message| Republished { message, queue: QUEUE }).collect();
    for result in republisher.publish(&put).await {
        result.unwrap();
    }
    republisher.close().await;
    assert_eq!(listening.messages(count.into()).await, sent);
    until("nothing left", || vhost.total_depth().unwrap() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_lost_its_way_goes_to_its_queue_and_what_has_no_queue_is_refused() {
    let vhost = vhost("republish-lost");
    vhost.declare(EXCHANGE, QUEUE).unwrap();
    let stray = Delivery { routing_key: "notifications.none".to_owned(), ..message(EXCHANGE, b"unbound") };
    let sent = [message("gone", b"gone"), stray, message("", b"default"), message("gone", b"nowhere")];
    let long = Delivery { routing_key: "x".repeat(256), ..message(EXCHANGE, b"long") };
    let mut put: Vec<Republished<'_>> =
        sent.iter().map(|message| Republished { message, queue: QUEUE }).collect();
    put[3].queue = "no such queue";
    put.push(Republished { message: &long, queue: QUEUE });
    let mut republisher = Republisher::connect(&config(&vhost)).await.unwrap();
    let results = republisher.publish(&put).await;
    assert!(results[..3].iter().all(Result::is_ok), "{results:?}");
    assert!(matches!(&results[3], Err(RepublishError::NoQueue { queue, .. }) if queue == "no such queue"));
    assert!(matches!(&results[4], Err(RepublishError::Name { what: "routing key" })), "{:?}", results[4]);
    republisher.close().await;
    let mut bodies: Vec<Vec<u8>> =
        vhost.take(QUEUE).unwrap().into_iter().map(|message| message.body).collect();
    bodies.sort();
    assert_eq!(bodies, [&b"default"[..], b"gone", b"unbound"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_is_an_error_at_once() {
    let config = ListenerConfig::new("test", "rabbit://guest:guest@127.0.0.1:1/".parse().unwrap());
    assert!(matches!(Republisher::connect(&config).await, Err(RepublishError::Connect(_))));
}
