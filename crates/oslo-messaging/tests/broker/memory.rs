//! Memory with large messages, measured on a process of its own.

use std::path::PathBuf;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use testkit::{Program, Vhost};
use tokio::time::timeout;

use super::harness::{EXCHANGE, PATIENCE, ready, until, vhost};

const MESSAGES: usize = 5_000;
const MESSAGE_BYTES: usize = 1024 * 1024;
const RESIDENT_BYTES_MAX: u64 = 200 * 1000 * 1000;

/// An example program, which cargo builds with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}

/// Publishes large messages, a quarter to each of four queues, from inside the broker: the quickest way to a backlog.
fn publish(vhost: &Vhost<'_>, messages: usize) {
    let name = vhost.name();
    let answer = vhost.broker().eval(&format!(
        "Body = binary:copy(<<\"x\">>, {MESSAGE_BYTES}), \
         X = rabbit_misc:r(<<\"{name}\">>, exchange, <<\"{EXCHANGE}\">>), \
         Keys = [<<\"notifications.info\">>, <<\"notifications.error\">>, \
                 <<\"notifications.sample\">>, <<\"notifications.audit\">>], \
         [ok = rabbit_basic:publish(X, Key, [], Body) || _ <- lists:seq(1, {}), Key <- Keys], ok.",
        messages / 4
    ));
    assert_eq!(answer.unwrap(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_messages_of_a_megabyte_stay_under_two_hundred() {
    let vhost = vhost("memory");
    // Declares; then a backlog builds up, so that the consumer meets more than it may hold.
    ready(&vhost.transport_url(), |_| {}).await.listener.shutdown(PATIENCE).await;
    publish(&vhost, MESSAGES);
    let count = MESSAGES.to_string();
    let mut consumer = Program::new(example("listen"))
        .args(["--url", &vhost.transport_url(), "--exchange", EXCHANGE, "--durable", "false"])
        .args(["--messages", &count, "--prefetch", "1000", "--batch", "100", "--seconds", "900"])
        .start()
        .unwrap();
    let line = consumer
        .line_where("the result", PATIENCE * 15, |line| line.starts_with("listen messages="))
        .unwrap();
    consumer.wait(PATIENCE).unwrap();
    let field = |name: &str| -> u64 {
        let field = line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap();
        field.parse().unwrap()
    };
    assert_eq!(field("messages="), MESSAGES as u64, "{line}");
    assert_eq!(field("bytes="), (MESSAGES * MESSAGE_BYTES) as u64, "{line}");
    assert!(field("peak_kib=") * 1024 < RESIDENT_BYTES_MAX, "{line}");
    println!("{line}");
    until("empty queues", || vhost.total_depth().unwrap() == 0).await;
}

/// Small messages raise the prefetch to its bound; then large ones come, a whole window of them at once, to a consumer
/// that resolves nothing. The byte budget stops reading long before the window is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_large_messages_is_stopped_by_the_byte_budget() {
    const BUDGET: u64 = 8 * 1024 * 1024;
    let vhost = vhost("budget");
    let mut listening = ready(&vhost.transport_url(), |config| {
        config.options.rabbit_qos_prefetch_count = 1000;
        config.budget_bytes = BUDGET;
        config.priorities = vec!["info"];
        // Once the output is full, what waits in the worker is most of what is held: it must go out while the worker
        // changes its prefetch, or the answer to that change is never read.
        config.batch_size = 1;
    })
    .await;
    let small = super::harness::notifier(&vhost.transport_url(), |_| {});
    let payload = super::harness::raw("{}");
    for _ in 0..1500 {
        small.notify(&super::notify::outgoing("INFO", &payload, &[])).await.unwrap();
        while let Ok(batch) = listening.batches.try_recv() {
            batch.receipt.accept();
        }
    }
    let prefetch = "nephoscope_amqp_prefetch{peer=\"test\",queue=\"notifications.info\"}";
    assert!(listening.metric(prefetch) > 100, "{}", listening.metric(prefetch));
    while let Ok(Some(batch)) = timeout(Duration::from_millis(500), listening.batches.recv()).await {
        batch.receipt.accept();
    }
    let connection = Connection::connect(&vhost.amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let body = vec![b'x'; MESSAGE_BYTES];
    for _ in 0..60 {
        let publish = channel.basic_publish(
            EXCHANGE.into(),
            "notifications.info".into(),
            BasicPublishOptions::default(),
            &body,
            BasicProperties::default(),
        );
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }
    until("reading to pause", || listening.metric("nephoscope_amqp_read_pauses_total") > 0).await;
    // One message beyond the budget may be under way, and what one read brings.
    let held = listening.metric("nephoscope_amqp_held_bytes");
    assert!(held > 0 && held <= BUDGET + 2 * MESSAGE_BYTES as u64, "{held}");
    // Resolving what is there lets the rest through, down to the last one.
    let mut bytes = 0;
    while bytes < 60 * MESSAGE_BYTES as u64 {
        let batch = listening.batch().await;
        bytes += batch.bytes;
        batch.receipt.accept();
    }
    until("an empty queue", || vhost.total_depth().unwrap() == 0).await;
    // The consumer that had the large window ends first.
    until("a small window", || listening.metric(prefetch) < 50).await;
}
