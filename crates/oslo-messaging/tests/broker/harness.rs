//! What the tests share.

use std::time::Duration;

use nephoscope_oslo_messaging::envelope::{Parsed, open};
use nephoscope_oslo_messaging::{
    AmqpMetrics, Batch, Delivery, Listener, ListenerConfig, ListenerState, Notifier, NotifierConfig,
};
use observability::metrics::Metrics;
use testkit::oracle::{Judge, Oracle};
use testkit::{Vhost, shared_rabbitmq};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Wait for what should come at once.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The exchange that tests use.
pub(crate) const EXCHANGE: &str = "nova";
/// The queue that most tests use.
pub(crate) const QUEUE: &str = "notifications.info";

/// A virtual host of the shared broker.
pub(crate) fn vhost(hint: &str) -> Vhost<'static> {
    shared_rabbitmq().vhost(hint).unwrap()
}

/// A listener with what comes out of it.
pub(crate) struct Listening {
    pub(crate) listener: Listener,
    pub(crate) batches: mpsc::Receiver<Batch>,
    metrics: Metrics,
}

/// Starts a listener on [`EXCHANGE`].
pub(crate) fn listen(url: &str, change: impl FnOnce(&mut ListenerConfig)) -> Listening {
    let mut config = ListenerConfig::new("test", url.parse().unwrap());
    config.exchanges = vec![EXCHANGE.to_owned()];
    // Tests reconnect often; the waits are tested by themselves.
    config.options.kombu_reconnect_delay = 0.05;
    change(&mut config);
    let metrics = Metrics::new();
    let amqp = AmqpMetrics::register(&metrics.component("amqp"));
    let (listener, batches) = Listener::start(config, &amqp).unwrap();
    Listening { listener, batches, metrics }
}

/// Starts a listener and waits until it consumes.
pub(crate) async fn ready(url: &str, change: impl FnOnce(&mut ListenerConfig)) -> Listening {
    let listening = listen(url, change);
    listening.wait_for("readiness", ListenerState::is_ready).await;
    listening
}

impl Listening {
    /// Waits until the state is as wished.
    pub(crate) async fn wait_for(&self, what: &str, wish: impl Fn(&ListenerState) -> bool) -> ListenerState {
        let mut state = self.listener.state();
        let last = state.borrow().clone();
        match timeout(PATIENCE, state.wait_for(|state| wish(state))).await {
            Ok(Ok(state)) => state.clone(),
            _ => panic!(
                "waited in vain for {what}; the state was {last:?}, is {:?}",
                self.listener.state().borrow()
            ),
        }
    }

    /// The next batch.
    pub(crate) async fn batch(&mut self) -> Batch {
        timeout(PATIENCE, self.batches.recv()).await.expect("no batch came").expect("the listener ended")
    }

    /// The next `count` messages, accepted.
    pub(crate) async fn messages(&mut self, count: usize) -> Vec<Delivery> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let batch = self.batch().await;
            messages.extend(batch.messages);
            batch.receipt.accept();
        }
        messages
    }

    /// A metric's value, by the beginning of its line.
    pub(crate) fn metric(&self, begins: &str) -> u64 {
        let text = self.metrics.prometheus_text();
        let line = text.lines().find(|line| line.starts_with(begins));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
    }

    /// Accepts all that comes and tells the judge, until everything confirmed has come.
    pub(crate) async fn judge(&mut self, judge: &mut Judge<'_>, oracle: &Oracle, expected: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE * 2;
        while oracle.confirmed() < expected || judge.verdict().missing() > 0 {
            let batch = tokio::time::timeout(Duration::from_millis(100), self.batches.recv()).await;
            let Ok(batch) = batch else {
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "confirmed {} of {expected}; {}; {:?}",
                    oracle.confirmed(),
                    judge.verdict(),
                    self.listener.state().borrow()
                );
                continue;
            };
            let batch = batch.expect("the listener ended");
            for message in &batch.messages {
                let (id, payload) = identity(message);
                judge.delivered(&id, &payload);
            }
            batch.receipt.accept();
        }
    }
}

/// Message id and payload (a JSON string) of a notification.
pub(crate) fn identity(message: &Delivery) -> (String, String) {
    let document = open(message).unwrap();
    let Parsed::Notification(notification) = document.notification().unwrap() else {
        panic!("not plain: {}", document.text());
    };
    let payload = notification.payload.map_or_else(String::new, |raw| {
        serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
    });
    (notification.message_id.unwrap().into_owned(), payload)
}

/// A notifier to [`EXCHANGE`].
pub(crate) fn notifier(url: &str, change: impl FnOnce(&mut NotifierConfig)) -> Notifier {
    let mut config = NotifierConfig::new("test-notifier", url.parse().unwrap());
    EXCHANGE.clone_into(&mut config.exchange);
    change(&mut config);
    Notifier::new(config, &AmqpMetrics::default()).unwrap()
}

/// Polls the broker until `look` is satisfied, without holding up the runtime's only thread for long.
pub(crate) async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !look() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A JSON payload.
pub(crate) fn raw(json: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(json.to_owned()).unwrap()
}
