//! What a polling agent shows to Prometheus, beside the message bus and without it, and what becomes of it on SIGHUP.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Port, shared_rabbitmq, until, wait_until};

use crate::bus::take;
use crate::certificates::Certificates;
use crate::glance::FakeGlance;
use crate::harness::{Agent, try_get};

const LONG: Duration = Duration::from_secs(90);
const IMAGES: usize = 45;

/// The lines of series that an address shows; an error while it does not.
fn scrape(address: &str) -> Option<Vec<String>> {
    let (status, text) = try_get(address, "/metrics").ok()?;
    assert_eq!(status, 200, "{text}");
    Some(series(&text))
}

fn series(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with("ceilometer_")).map(str::to_owned).collect()
}

/// The same over TLS, by a client that trusts the authority of the tests.
fn scrape_tls(address: &str) -> Option<Vec<String>> {
    let ca = Certificates::shared().path("ca.pem");
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", address])
        .arg("-CAfile")
        .arg(ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One that does not trust the server has gone by now.
    let _ = child.stdin.take().unwrap().write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.starts_with("HTTP/1.0 200 ").then(|| series(&text))
}

pub(crate) fn reload(agent: &mut Agent, outcome: &str) {
    let name = format!("nephoscope_configuration_reloads_total{{cause=\"{outcome}\"}}");
    let before = agent.metric(&name).unwrap_or(0.0);
    agent.process().hang_up().unwrap();
    until("the end of a reload", || (agent.metric(&name)? > before).then_some(())).unwrap();
}

#[test]
fn samples_are_shown_without_a_bus_on_two_addresses_over_tls_and_a_reload_takes_what_has_changed() {
    let certificates = Certificates::shared();
    let glance = FakeGlance::start(IMAGES);
    let ports = [Port::take().unwrap(), Port::take().unwrap()];
    let addresses = ports.each_ref().map(|port| format!("127.0.0.1:{}", port.number()));
    // There is no broker, and nobody misses it.
    let mut agent = glance
        .agent("rabbit://127.0.0.1:1/")
        .with("polling", "enable_notifications = false")
        .with("polling", "enable_prometheus_exporter = true")
        .with("polling", format!("prometheus_listen_addresses = {},{}", addresses[0], addresses[1]))
        .with("polling", "prometheus_tls_enable = true")
        .with("polling", "prometheus_tls_certfile = own.pem")
        .with("polling", "prometheus_tls_keyfile = own.key")
        .with("nephoscope", "exporter_mode = modern");
    let certify = |agent: &Agent, name: &str| {
        for kind in ["pem", "key"] {
            fs::copy(certificates.path(&format!("{name}.{kind}")), agent.path(&format!("own.{kind}")))
                .unwrap();
        }
    };
    certify(&agent, "server");
    agent.start();
    agent.wait_ready();
    for address in &addresses {
        let lines =
            wait_until("samples", LONG, || scrape_tls(address).filter(|lines| !lines.is_empty())).unwrap();
        // And one for each that says what it is.
        assert_eq!(lines.len(), 2 * IMAGES, "{lines:?}");
        assert!(
            lines.iter().any(|line| line == "ceilometer_image_size_bytes{resource=\"image-7\"} 7.0"),
            "{lines:?}"
        );
        let info = "ceilometer_resource_info{project=\"p\",resource=\"image-7\",resource_name=\"é 7\"} 1.0";
        assert!(lines.iter().any(|line| line == info), "{lines:?}");
        assert!(try_get(address, "/metrics").is_err(), "plain HTTP");
    }
    assert!(agent.metric_sum("nephoscope_polling_samples_lost_total") < 0.5);
    let series = "nephoscope_polling_exporter_series";
    assert_eq!(agent.metric(series).map(f64::round), Some(45.0));

    // Files that are half written are refused, with everything else; what was there goes on.
    fs::write(agent.path("own.pem"), "-----BEGIN CERTIFICATE-----\nAA").unwrap();
    fs::write(agent.path("polling.yaml"), "sources: []\n").unwrap();
    reload(&mut agent, "refused");
    assert_eq!(scrape_tls(&addresses[1]).unwrap().len(), 2 * IMAGES);
    // Another certificate, for another name, and nothing to be polled.
    certify(&agent, "elsewhere");
    reload(&mut agent, "taken");
    assert!(scrape_tls(&addresses[0]).is_none());
    certify(&agent, "server");
    reload(&mut agent, "taken");
    wait_until("nothing", LONG, || scrape_tls(&addresses[0])?.is_empty().then_some(())).unwrap();
    assert_eq!(agent.metric(series).map(f64::round), Some(0.0));
    assert!(
        agent.metric("nephoscope_polling_exporter_series_dropped_total{cause=\"not_polled\"}").unwrap()
            > 44.0
    );
    assert!(agent.metric_sum("nephoscope_polling_exporter_scrapes_total") > 3.0);
    assert!(agent.terminate().success(), "{}", agent.process().output());
}

/// A service that fails for some time: its series stay for a while, and come back. The message bus has everything all the while.
#[test]
fn samples_are_shown_beside_the_bus_and_outlive_a_service_that_fails_for_a_moment() {
    let vhost = shared_rabbitmq().vhost("exporter").unwrap();
    let glance = FakeGlance::start(IMAGES);
    let port = Port::take().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let mut agent = glance
        .agent(&vhost.transport_url())
        .with("polling", "enable_prometheus_exporter = true")
        .with("polling", format!("prometheus_listen_addresses = {address}"));
    agent.start();
    agent.wait_ready();
    let shown = |wanted: usize| {
        let found = wait_until("series", LONG, || scrape(&address).filter(|lines| lines.len() == wanted));
        found.unwrap_or_else(|error| panic!("{wanted}: {error}"))
    };
    let lines = shown(IMAGES);
    let image = "ceilometer_image_size{counter=\"image.size\",image=\"image-7\",project=\"p\",publisher=\"ceilometer\",\
                 resource=\"image-7\",resource_name=\"é 7\",server_group=\"none\",type=\"size\",unit=\"B\"} 7.0";
    assert!(lines.iter().any(|line| line == image), "{lines:?}");
    let failures = "nephoscope_polling_discovery_errors_total";
    // Until we are quick enough to look while no more than two cycles can have failed.
    let attempts = (0..20).find(|_| {
        shown(IMAGES);
        let (before, began) = (agent.metric_sum(failures), Instant::now());
        glance.fail(true);
        wait_until("a failure", LONG, || (agent.metric_sum(failures) > before + 0.5).then_some(())).unwrap();
        let seen = scrape(&address).unwrap().len();
        let is_soon = began.elapsed() < Duration::from_secs(2);
        if is_soon {
            assert_eq!(seen, IMAGES);
        } else {
            glance.fail(false);
        }
        is_soon
    });
    assert!(attempts.is_some(), "a look takes longer than three cycles");
    shown(0);
    assert!(
        agent.metric("nephoscope_polling_exporter_series_dropped_total{cause=\"stale\"}").unwrap() > 44.0
    );
    glance.fail(false);
    shown(IMAGES);
    assert!(agent.terminate().success(), "{}", agent.process().output());
    assert!(take(&vhost, "notifications.sample").iter().map(Vec::len).sum::<usize>() >= 2 * IMAGES);
}
