//! TLS: certificates of both sides, and HTTP/2 over it.

use pipeline::Refusals;

use crate::certificates::Certificates;
use crate::receiver::{Carrier, Receiver, publish, publisher};
use crate::records::sample;

fn path(name: &str) -> String {
    Certificates::shared().path(name).display().to_string()
}

fn url(receiver: &Receiver, carrier: Carrier, query: &str) -> String {
    match carrier {
        Carrier::Grpc => format!("otlp+grpcs://127.0.0.1:{}?{query}", receiver.grpc),
        Carrier::Http => format!("otlp+https://127.0.0.1:{}?{query}", receiver.http),
    }
}

#[tokio::test]
async fn certificates_of_both_sides() {
    let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let mut receiver = Receiver::start(&["--tls", &certificate, &key, &ca]);
    let both = format!("verify_ssl={ca}&clientcert={}&clientkey={}", path("client.pem"), path("client.key"));
    for carrier in [Carrier::Grpc, Carrier::Http] {
        let mut trusted = publisher(&url(&receiver, carrier, &both));
        for _ in 0..2 {
            let refusals = publish(&mut trusted, [(*sample("m", "r", 1)).clone()]).await.unwrap();
            assert_eq!(refusals, Refusals::default());
        }
        assert_eq!(receiver.take().len(), 2, "{carrier:?}");
        for (query, words) in [
            (format!("verify_ssl={}", path("other-ca.pem")), "not trusted"),
            // In TLS 1.3 the server says so after the handshake.
            (format!("verify_ssl={ca}&timeout=2"), ""),
        ] {
            let mut publisher = publisher(&url(&receiver, carrier, &query));
            let error = publish(&mut publisher, [(*sample("m", "r", 1)).clone()]).await.unwrap_err();
            assert!(error.message.contains(words), "{error}");
            assert!(["connect", "transport"].contains(&error.cause), "{}: {error}", error.cause);
        }
        assert!(receiver.take().is_empty());
    }
    // Plain text to a server that speaks TLS.
    for carrier in [Carrier::Grpc, Carrier::Http] {
        let mut publisher = receiver.publisher(carrier, "");
        publish(&mut publisher, [(*sample("m", "r", 1)).clone()]).await.unwrap_err();
    }
}
