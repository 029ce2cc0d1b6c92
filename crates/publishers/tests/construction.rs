//! What publishers refuse when they are made, and the publisher that keeps records in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use std::sync::Arc;

use nephoscope_publishers::exporter::{ExporterMetrics, ExporterPublisher};
use nephoscope_publishers::in_memory::{KEPT, TestPublisher};
use nephoscope_publishers::opentelemetry::OpenTelemetryPublisher;
use nephoscope_publishers::otlp::OtlpPublisher;
use nephoscope_publishers::prometheus::PrometheusPublisher;
use nephoscope_publishers::remote_write::RemoteWritePublisher;
use nephoscope_publishers::tcp::TcpPublisher;
use nephoscope_publishers::udp::UdpPublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use observability::clock::Clock;
use observability::metrics::Metrics;
use pipeline::{BuildError, Publisher, PublisherUrl, Records, RecordsKind};

#[path = "support/records.rs"]
mod records;
use records::{event, sample};

fn refusal(url: &str, kind: RecordsKind) -> String {
    let url = PublisherUrl::new(url);
    let (http, witness) = (HttpSettings::default(), Witness::nobody());
    let error = match url.scheme().as_str() {
        "prometheus" => PrometheusPublisher::new(&url, kind, &http, witness).map(drop),
        "prometheus+remotewrite" => RemoteWritePublisher::new(&url, kind, &http, witness).map(drop),
        "prometheus+exporter" => {
            let metrics = ExporterMetrics::register(&Metrics::new().component("prometheus_exporter"));
            ExporterPublisher::new(&url, kind, metrics, Clock::machine(), witness).map(drop)
        }
        "opentelemetryhttp" => OpenTelemetryPublisher::new(&url, kind, &http, witness).map(drop),
        otlp if otlp.starts_with("otlp+") => OtlpPublisher::new(&url, kind, &http, witness).map(drop),
        "udp" => UdpPublisher::new(&url, kind, "", witness).map(drop),
        "tcp" => TcpPublisher::new(&url, kind, "", "host", witness).map(drop),
        other => panic!("{other}"),
    };
    match error {
        Ok(()) => "made".to_owned(),
        Err(error @ BuildError::Configuration { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn publishers_of_samples_refuse_a_pipeline_of_events() {
    for scheme in [
        "prometheus",
        "prometheus+remotewrite",
        "prometheus+exporter",
        "opentelemetryhttp",
        "otlp+grpc",
        "otlp+grpcs",
        "otlp+http",
        "otlp+https",
        "udp",
        "tcp",
    ] {
        let url = format!("{scheme}://127.0.0.1:9");
        assert_eq!(refusal(&url, RecordsKind::Samples), "made");
        assert_eq!(
            refusal(&url, RecordsKind::Events),
            format!(
                "the publisher {scheme} takes samples only; events can go to gnocchi, notifier, http, https, file, \
                 zaqar or test"
            )
        );
    }
}

#[test]
fn parameters_of_each() {
    for (url, words) in [
        ("prometheus://", "needs a host"),
        ("prometheus://h/metrics/job/x?ssl=perhaps", "ssl=\"perhaps\""),
        ("prometheus://h/metrics/job/x?timeout=-1", "timeout"),
        ("prometheus+remotewrite://", "needs a host"),
        ("prometheus+remotewrite://h?total_suffix=perhaps", "total_suffix=\"perhaps\""),
        ("prometheus+remotewrite://h?ssl=perhaps", "ssl"),
        ("prometheus+exporter://", "is not an address"),
        ("prometheus+exporter://127.0.0.1:1?foo=1", "has no parameter foo"),
        ("prometheus://u@h/metrics/job/x", "user:password"),
        ("opentelemetryhttp://h/?ceilometer_format=perhaps", "ceilometer_format=\"perhaps\""),
        ("opentelemetryhttp://h/?batch=perhaps", "batch"),
        ("otlp+grpc://h?clientcert=/no/such/cert.pem", "/no/such/cert.pem"),
        ("otlp+http://h?batch_size=many", "batch_size"),
        ("udp://", "needs a host"),
        ("udp://h:0", "port"),
        ("tcp://h:x", "port"),
    ] {
        let error = refusal(url, RecordsKind::Samples);
        assert!(error.contains(words), "{url}: {error}");
    }
}

#[tokio::test]
async fn the_test_publisher_keeps_the_newest() {
    let mut publisher = TestPublisher::new(Witness::nobody());
    publisher.publish(Arc::new([Records::Events(vec![event("t", "x")])])).await.unwrap();
    let samples = (0..KEPT + 5).map(|number| sample("m", &number.to_string(), 1)).collect();
    publisher.publish(Arc::new([Records::Samples(samples)])).await.unwrap();
    assert_eq!((publisher.kept().count(), publisher.total()), (KEPT, KEPT as u64 + 6));
    let Some(Records::Samples(oldest)) = publisher.kept().next() else { panic!("an event is left") };
    assert_eq!(oldest[0].resource_id, "5".into());
}
