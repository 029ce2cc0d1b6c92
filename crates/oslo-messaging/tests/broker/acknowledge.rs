//! When, and only when, a message is acknowledged.

use std::time::Duration;

use testkit::Vhost;
use tokio::time::Instant;

use super::harness::{Listening, PATIENCE, QUEUE, notifier, raw, ready, until, vhost};
use super::notify::outgoing;

async fn publish(vhost: &Vhost<'_>, count: usize) {
    let notifier = notifier(&vhost.transport_url(), |_| {});
    for number in 0..count {
        let payload = raw(&number.to_string());
        notifier.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    }
    notifier.shutdown(PATIENCE).await;
}

fn unacknowledged(vhost: &Vhost<'_>) -> (u64, u64) {
    let queue = vhost.queue(QUEUE).unwrap().unwrap();
    (queue.messages_ready, queue.messages_unacknowledged)
}

/// A listener that takes one message a batch.
async fn one_by_one(vhost: &Vhost<'_>) -> Listening {
    ready(&vhost.transport_url(), |config| config.batch_size = 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_before_its_time_and_everything_then() {
    let vhost = vhost("acknowledge");
    publish(&vhost, 6).await;
    let mut listening = one_by_one(&vhost).await;
    let mut batches = Vec::new();
    for _ in 0..6 {
        batches.push(listening.batch().await);
    }
    assert_eq!(unacknowledged(&vhost), (0, 6));
    // The first is unresolved: the others are acknowledged all the same, after a while, one by one.
    let first = batches.remove(0);
    for batch in batches {
        batch.receipt.accept();
    }
    until("five acknowledgements", || unacknowledged(&vhost) == (0, 1)).await;
    // Unresolved stays unacknowledged, whatever else goes on.
    publish(&vhost, 1).await;
    listening.batch().await.receipt.accept();
    until("the sixth", || unacknowledged(&vhost) == (0, 1)).await;
    first.receipt.accept();
    until("the last", || unacknowledged(&vhost) == (0, 0)).await;
    assert_eq!(listening.metric("nephoscope_amqp_acknowledged_messages_total"), 7);
    assert_eq!(listening.metric("nephoscope_amqp_stale_messages_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_back_messages_return_after_a_growing_wait() {
    let vhost = vhost("requeue");
    publish(&vhost, 2).await;
    let mut listening = one_by_one(&vhost).await;
    listening.batch().await.receipt.accept();
    let began = Instant::now();
    listening.batch().await.receipt.requeue();
    let again = listening.batch().await;
    let first_wait = began.elapsed();
    assert!(again.messages[0].redelivered);
    // Dropping means the same.
    let began = Instant::now();
    drop(again);
    let again = listening.batch().await;
    let second_wait = began.elapsed();
    assert!(first_wait >= Duration::from_millis(700), "{first_wait:?}");
    assert!(second_wait >= Duration::from_millis(1400), "{second_wait:?}");
    again.receipt.accept();
    until("nothing left", || unacknowledged(&vhost) == (0, 0)).await;
    assert_eq!(
        listening.metric("nephoscope_amqp_requeued_messages_total{peer=\"test\",cause=\"requeue\"}"),
        1
    );
    assert_eq!(
        listening.metric("nephoscope_amqp_requeued_messages_total{peer=\"test\",cause=\"dropped\"}"),
        1
    );
    assert_eq!(listening.metric("nephoscope_amqp_redelivered_messages_total"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_queue_tells_how_often_a_message_was_given_back() {
    let vhost = vhost("delivery-count");
    let url = vhost.transport_url() + "?rabbit_quorum_queue=true";
    let mut listening = ready(&url, |config| config.batch_size = 1).await;
    let notifier = notifier(&url, |_| {});
    notifier.notify(&outgoing("INFO", &raw("1"), &[])).await.unwrap();
    for given_back in [None, Some(1), Some(2)] {
        let batch = listening.batch().await;
        assert_eq!(batch.messages[0].delivery_count, given_back);
        batch.receipt.requeue();
    }
    listening.batch().await.receipt.accept();
    notifier.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_messages_of_a_batch_have_fates_of_their_own() {
    let vhost = vhost("fates");
    publish(&vhost, 5).await;
    let mut listening = ready(&vhost.transport_url(), |config| {
        config.batch_size = 5;
        config.linger = PATIENCE;
    })
    .await;
    let batch = listening.batch().await;
    assert_eq!((batch.messages.len(), batch.receipt.len()), (5, 5));
    let mut receipt = batch.receipt;
    receipt.reject_one(1, "not_json");
    receipt.reject_one(4, "not_json");
    receipt.reject_one(17, "no such message");
    receipt.requeue_one(3);
    receipt.accept();
    // Two acknowledged, two discarded, one comes back.
    until("one left", || vhost.depth(QUEUE).unwrap() == Some(1)).await;
    assert_eq!(
        listening.metric("nephoscope_amqp_rejected_messages_total{peer=\"test\",cause=\"not_json\"}"),
        2
    );
    // It waits for company that does not come: publish some, to fill the batch.
    publish(&vhost, 4).await;
    let batch = listening.batch().await;
    assert!(batch.messages.iter().any(|message| message.redelivered));
    batch.receipt.accept();
    until("nothing left", || vhost.depth(QUEUE).unwrap() == Some(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_form_from_what_is_there() {
    let vhost = vhost("batches");
    publish(&vhost, 25).await;
    let mut listening = ready(&vhost.transport_url(), |config| {
        config.batch_size = 10;
        config.linger = Duration::from_secs(4);
        // Enough for the whole backlog to be sent ahead from the start.
        config.priorities = vec!["info"];
        config.budget_bytes = 1 << 30;
    })
    .await;
    let sizes = [listening.batch().await, listening.batch().await, listening.batch().await].map(|batch| {
        let count = batch.messages.len();
        assert_eq!(batch.bytes, batch.messages.iter().map(|message| message.body.len() as u64).sum::<u64>());
        batch.receipt.accept();
        count
    });
    assert_eq!(sizes, [10, 10, 5], "full ones at once, the rest after the linger");
    // A batch is also bounded by bytes, and a larger message makes one of its own.
    let mut small = ready(&vhost.transport_url(), |config| {
        config.batch_bytes = 1;
        config.pool = Some("pool".to_owned());
    })
    .await;
    publish(&vhost, 3).await;
    for _ in 0..3 {
        let batch = small.batch().await;
        assert_eq!(batch.messages.len(), 1);
        batch.receipt.accept();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_lets_what_is_under_way_be_resolved() {
    let vhost = vhost("shutdown");
    publish(&vhost, 10).await;
    let mut listening = one_by_one(&vhost).await;
    let first = listening.batch().await;
    let second = listening.batch().await;
    let Listening { listener, mut batches, .. } = listening;
    let mut state = listener.state();
    let shutdown = tokio::spawn(listener.shutdown(PATIENCE));
    state.wait_for(|state| state.phase == nephoscope_oslo_messaging::Phase::Stopping).await.unwrap();
    // Accepted after the listener was told to stop, and acknowledged all the same.
    first.receipt.accept();
    second.receipt.accept();
    // Batches that were waiting to be taken may still be taken, and count as under way.
    let mut taken = 2;
    while let Some(batch) = batches.recv().await {
        taken += batch.messages.len() as u64;
        batch.receipt.accept();
    }
    shutdown.await.unwrap();
    assert_eq!(state.borrow().phase, nephoscope_oslo_messaging::Phase::Stopped);
    until("connections to close", || vhost.connections().unwrap().is_empty()).await;
    assert_eq!(vhost.depth(QUEUE).unwrap(), Some(10 - taken));
    assert_eq!(unacknowledged(&vhost).1, 0);

    // With a receipt that nobody resolves, it ends at its deadline and the broker keeps the message.
    publish(&vhost, 1).await;
    let mut listening = one_by_one(&vhost).await;
    let held = listening.batch().await;
    let began = Instant::now();
    listening.listener.shutdown(Duration::from_millis(300)).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    held.receipt.accept();
    until("the message to be ready", || unacknowledged(&vhost) == (11 - taken, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_without_anybody_to_take_its_batches_ends() {
    let vhost = vhost("nobody");
    publish(&vhost, 20).await;
    let Listening { listener, batches, .. } = one_by_one(&vhost).await;
    let mut state = listener.state();
    drop(batches);
    let stopped = state.wait_for(|state| state.phase == nephoscope_oslo_messaging::Phase::Stopped);
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
    until("the messages to be back", || unacknowledged(&vhost) == (20, 0)).await;
}
