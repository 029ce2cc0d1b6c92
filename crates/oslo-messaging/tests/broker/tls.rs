//! TLS: authorities, client certificates, names.

use nephoscope_oslo_messaging::ListenerState;
use testkit::RabbitMq;

use super::harness::{Listening, PATIENCE, listen, notifier, raw, ready};
use super::notify::outgoing;

async fn refused(url: &str, what: &str) -> String {
    let listening: Listening = listen(url, |_| {});
    let state: ListenerState = listening.wait_for(what, |state| state.last_error.is_some()).await;
    assert_eq!(state.connections, 0, "{url}");
    state.last_error.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_checked_both_ways() {
    let broker = RabbitMq::builder().tls().require_client_certificate().start().unwrap();
    let port = broker.tls_port().unwrap();
    let files = broker.certificates().unwrap();
    let ca = format!("ssl=1&ssl_ca_file={}", files.ca.display());
    let client = format!(
        "ssl_cert_file={}&ssl_key_file={}",
        files.client_certificate.display(),
        files.client_key.display()
    );
    let url = |host: &str, query: &str| format!("rabbit://guest:guest@{host}:{port}/?{query}");

    for (host, query) in [
        ("localhost", format!("{ca}&{client}")),
        ("[::ffff:127.0.0.1]", format!("{ca}&{client}&ssl_enforce_hostname_verification=false")),
        ("127.0.0.1", format!("{ca}&{client}&ssl_version=TLSv1_2")),
        // The client certificate is the login: its common name is the user.
        ("127.0.0.1", format!("{ca}&{client}&rabbit_login_method=EXTERNAL")),
    ] {
        let url = url(host, &query)
            .replace("guest:guest@", if query.contains("EXTERNAL") { "x:wrong@" } else { "guest:guest@" });
        let mut listening = ready(&url, |_| {}).await;
        let payload = raw("{}");
        let notifier = notifier(&url, |_| {});
        notifier.notify(&outgoing("INFO", &payload, &[])).await.unwrap();
        assert_eq!(listening.messages(1).await.len(), 1);
        notifier.shutdown(PATIENCE).await;
        listening.listener.shutdown(PATIENCE).await;
    }

    let stranger = format!("ssl=1&ssl_ca_file={}&{client}", files.stranger_ca.display());
    for (host, query, words) in [
        ("localhost", stranger, "UnknownIssuer"),
        ("[::ffff:127.0.0.1]", format!("{ca}&{client}"), "not valid for name"),
        ("localhost", ca.clone(), ""),
        ("localhost", format!("ssl=1&ssl_ca_file=/nowhere.pem&{client}"), "/nowhere.pem"),
        ("localhost", format!("{ca}&ssl_key_file={}", files.client_key.display()), "without a certificate"),
        // Plain AMQP to a TLS port.
        ("localhost", "ssl=0".to_owned(), ""),
    ] {
        let error = refused(&url(host, &query), "the refusal").await;
        assert!(error.contains(words), "{query}: {error}");
    }
}
