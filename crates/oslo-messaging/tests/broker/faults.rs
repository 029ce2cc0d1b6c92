//! Faults under load. The judge compares ids: what the broker confirmed must arrive.

use std::sync::Arc;
use std::thread::JoinHandle;

use nephoscope_oslo_messaging::ListenerState;
use serde_json::json;
use testkit::oracle::{Id, Judge, Oracle};
use testkit::proxy::Proxy;
use testkit::{RabbitMq, Vhost};

use super::harness::{EXCHANGE, QUEUE, identity, listen, notifier, raw, ready, until, vhost};
use super::notify::outgoing;
use super::peer::Peer;

/// Makes the objects survive a restart of the broker.
const DURABLE: &str = "?amqp_durable_queues=true";

/// The real oslo.messaging publishing in the background, each message until it is confirmed.
struct Publisher {
    oracle: Arc<Oracle>,
    thread: JoinHandle<()>,
    count: usize,
}

impl Publisher {
    fn start(url: String, count: usize) -> Self {
        let oracle = Arc::new(Oracle::new());
        let ids: Vec<Id> = (0..count).map(|_| oracle.issue()).collect();
        let issued = Arc::clone(&oracle);
        let thread = std::thread::spawn(move || {
            let mut peer = Peer::start();
            let messages: Vec<_> =
                ids.iter().map(|id| json!([id.to_string(), Oracle::payload(*id)])).collect();
            let command = json!({"url": url, "exchange": EXCHANGE, "topic": QUEUE, "messages": messages});
            peer.begin("send", command);
            for _ in &ids {
                let id = peer.take("confirmed");
                issued.confirm(id.as_str().unwrap().parse().unwrap());
            }
        });
        Self { oracle, thread, count }
    }

    /// Waits until some have been confirmed.
    async fn confirmed(&self, share: usize) {
        until("messages to be confirmed", || self.oracle.confirmed() >= self.count * share / 100).await;
    }

    fn end(self) {
        self.thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_closes_connections_and_deletes_the_queue_under_load() {
    let vhost = vhost("operator");
    let url = vhost.transport_url() + DURABLE;
    let mut listening = ready(&url, |_| {}).await;
    let publisher = Publisher::start(url, 900);
    let oracle = Arc::clone(&publisher.oracle);
    let mut judge = Judge::new(&oracle);
    publisher.confirmed(20).await;
    assert!(vhost.close_connections("by the operator").unwrap() >= 2);
    publisher.confirmed(60).await;
    listening.wait_for("the second connection", |state| state.connections >= 2 && state.is_ready()).await;
    // Held over a closed connection, and resolved after it: nothing of it may be acknowledged anywhere.
    let held = listening.batch().await;
    vhost.close_connections("again").unwrap();
    listening.wait_for("the third connection", |state| state.connections >= 3 && state.is_ready()).await;
    for message in &held.messages {
        judge.delivered_id(&identity(message).0);
    }
    let held_messages = held.messages.len() as u64;
    held.receipt.accept();
    assert!(listening.metric("nephoscope_amqp_stale_messages_total") >= held_messages);
    listening.judge(&mut judge, &oracle, 900).await;
    publisher.end();
    let verdict = judge.verdict().check().unwrap();
    assert!(verdict.duplicates() > 0, "the replay never ran: {verdict}");
    assert!(listening.metric("nephoscope_amqp_disconnects_total") >= 1);
    until("an empty queue", || vhost.depth(QUEUE).unwrap() == Some(0)).await;

    // The queue is deleted: its consumer is cancelled, the queue declared anew, the others not even touched.
    vhost.delete_queue(QUEUE).unwrap();
    // Counted, because the state may have passed through it before anybody looks.
    until("the cancellation", || listening.metric("nephoscope_amqp_cancelled_consumers_total") > 0).await;
    listening.wait_for("readiness", ListenerState::is_ready).await;
    assert_eq!(listening.metric("nephoscope_amqp_cancelled_consumers_total"), 1);
    let payload = raw("{}");
    notifier(&(vhost.transport_url() + DURABLE), |_| {})
        .notify(&outgoing("INFO", &payload, &[]))
        .await
        .unwrap();
    assert_eq!(listening.messages(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_restart_die_and_run_out_of_memory() {
    let (first, second) = (RabbitMq::start().unwrap(), RabbitMq::start().unwrap());
    let (one, two) = (first.port(), second.port());
    let url = format!("rabbit://guest:guest@127.0.0.1:{one}/{DURABLE}");
    let mut listening = ready(&url, |_| {}).await;

    // Restarted mid-stream, in order and then not.
    let publisher = Publisher::start(url.clone(), 600);
    let oracle = Arc::clone(&publisher.oracle);
    let mut judge = Judge::new(&oracle);
    publisher.confirmed(30).await;
    first.restart().unwrap();
    publisher.confirmed(60).await;
    first.kill().unwrap();
    listening.wait_for("the loss to be noticed", |state| state.consumers == 0).await;
    first.start_again().unwrap();
    listening.judge(&mut judge, &oracle, 600).await;
    publisher.end();
    assert!(judge.verdict().check().unwrap().is_good());
    listening.listener.shutdown(super::harness::PATIENCE).await;

    // Memory alarm: publishers are blocked, and say so; when it is over, what they sent arrives once.
    let blocked = notifier(&url, |_| {});
    let payload = raw("{}");
    blocked.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    first.raise_memory_alarm().unwrap();
    let mut state = blocked.state();
    let notification = outgoing("INFO", &payload, &[]);
    let (sent, seen) = tokio::join!(blocked.notify(&notification), async {
        let reason =
            tokio::time::timeout(super::harness::PATIENCE, state.wait_for(|state| state.blocked.is_some()));
        let reason = reason.await.unwrap().unwrap().blocked.clone().unwrap();
        first.clear_memory_alarm().unwrap();
        reason
    });
    sent.unwrap();
    assert!(seen.contains("memory"), "{seen}");
    assert_eq!(blocked.state().borrow().blocked, None);
    let mut listening = ready(&url, |_| {}).await;
    assert_eq!(listening.messages(2).await.len(), 2);
    listening.listener.shutdown(super::harness::PATIENCE).await;

    // Two hosts of which one dies, whichever of them we are on.
    let url = format!("rabbit://guest:guest@127.0.0.1:{one},guest:guest@127.0.0.1:{two}/{DURABLE}");
    let mut listening = ready(&url, |_| {}).await;
    let on = listening.listener.state().borrow().endpoint.clone().unwrap();
    let (dies, lives) = if on.ends_with(&format!(":{one}")) { (&first, two) } else { (&second, one) };
    let failover = notifier(&url, |_| {});
    failover.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    dies.kill().unwrap();
    let state = listening
        .wait_for("the other host", |state| state.is_ready() && state.endpoint.as_deref() != Some(&*on))
        .await;
    assert!(state.endpoint.unwrap().ends_with(&format!(":{lives}")));
    failover.notify(&outgoing("WARN", &payload, &[])).await.unwrap();
    loop {
        if listening.messages(1).await[0].routing_key == "notifications.warn" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_and_right_ones_then_taken() {
    let vhost = vhost("login");
    let broker = vhost.broker();
    let user = format!("user-{}", vhost.name());
    let url = vhost.transport_url().replace("guest:guest@", &format!("{user}:s%40cret@"));
    let mut listening = listen(&url, |_| {});
    let state = listening.wait_for("the refusal", |state| state.last_error.is_some()).await;
    let error = state.last_error.unwrap();
    assert!(
        error.contains("refused the login") && error.contains(&user) && !error.contains("cret"),
        "{error}"
    );
    assert!(!listening.listener.state().borrow().is_ready());
    assert!(listening.metric("nephoscope_amqp_connect_failures_total{peer=\"test\",cause=\"login\"}") >= 1);
    broker.set_password(&user, "s@cret").unwrap();
    // Now the login is right, but the virtual host is not this user's.
    let state = listening
        .wait_for("the virtual host's refusal", |state| {
            state.last_error.as_ref().is_some_and(|error| error.contains("refused virtual host"))
        })
        .await;
    assert!(!state.is_ready());
    broker.permit(&user, vhost.name()).unwrap();
    listening.wait_for("readiness", |state| state.is_ready() && state.last_error.is_none()).await;
    let payload = raw("{}");
    notifier(&url, |_| {}).notify(&outgoing("INFO", &payload, &[])).await.unwrap();
    assert_eq!(listening.messages(1).await.len(), 1);
    listening.listener.shutdown(super::harness::PATIENCE).await;

    // The other login method.
    let plain = ready(&(url + "?rabbit_login_method=PLAIN"), |_| {}).await;
    plain.listener.shutdown(super::harness::PATIENCE).await;
    broker.delete_user(&user).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_noticed_by_its_heartbeat() {
    let vhost: Vhost<'_> = vhost("halfopen");
    let proxy = Proxy::to_port(vhost.broker().port()).unwrap();
    let through =
        format!("{}{DURABLE}&heartbeat_timeout_threshold=1", vhost.transport_url_through(proxy.port()));
    let mut listening = ready(&through, |_| {}).await;
    let publisher = Publisher::start(vhost.transport_url() + DURABLE, 500);
    let oracle = Arc::clone(&publisher.oracle);
    let mut judge = Judge::new(&oracle);
    publisher.confirmed(30).await;
    // Neither end hears anything, and neither is told.
    proxy.stall();
    listening.wait_for("the silence to be noticed", |state| !state.is_ready()).await;
    // New connections stall as well: nothing answers the handshake.
    listening.wait_for("an attempt", |state| state.last_error.is_some()).await;
    proxy.cut().unwrap();
    proxy.resume();
    listening.wait_for("readiness", ListenerState::is_ready).await;
    // Cut in the middle of things, and half closed.
    publisher.confirmed(60).await;
    proxy.cut().unwrap();
    listening.wait_for("the second reconnect", |state| state.connections >= 3 && state.is_ready()).await;
    assert!(proxy.half_close(testkit::proxy::Side::Client) >= 1);
    listening.wait_for("the third reconnect", |state| state.connections >= 4 && state.is_ready()).await;
    listening.judge(&mut judge, &oracle, 500).await;
    publisher.end();
    assert!(judge.verdict().check().unwrap().is_good());
    until("an empty queue", || vhost.depth(QUEUE).unwrap() == Some(0)).await;
}
