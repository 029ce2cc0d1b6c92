//! `publish-test`, `send-sample` and `status upgrade check`, and what `check` says of publishers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use testkit::shared_rabbitmq;

#[path = "../../publishers/tests/support/server.rs"]
mod server;
use server::{Answer, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");

/// A directory with a configuration whose samples and events go to one publisher each.
fn configured(transport: &str, samples: &str, events: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "ceilometer.conf",
        &format!(
            "[DEFAULT]\ntransport_url = {transport}\nhost = host-1\n[publisher]\ntelemetry_secret = swordfish\n"
        ),
    );
    for (name, key, url) in [("pipeline.yaml", "meters", samples), ("event_pipeline.yaml", "events", events)]
    {
        let text = format!(
            "sources:\n  - {{name: s, {key}: ['*'], sinks: [k]}}\nsinks:\n  - name: k\n    publishers:\n      - {url}\n"
        );
        write(name, &text);
    }
    directory
}

fn run(name: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg0(name)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap()
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const TRANSPORT: &str = "rabbit://user:hush@localhost:5672/";

fn publish_test(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let all = [&["publish-test", "--config-file", "ceilometer.conf"], arguments].concat();
    outcome(&run("nephoscope", directory, &all))
}

#[test]
fn a_test_of_a_publisher_shows_the_exchange_without_secrets() {
    let directory = configured(TRANSPORT, "file:///dev/null", "file:///dev/null");
    let server = Server::start(|request, _| match request.target.as_str() {
        "/refused?key=hidden" => Answer::Status(400, String::new(), "no such meter".into()),
        "/broken" => Answer::status(503),
        _ => Answer::Status(202, String::new(), "taken".into()),
    });
    let at = |path: &str| format!("http://user:hidden@{}{path}", server.address);
    let (code, said, complaint) = publish_test(directory.path(), &[&at("/samples?key=hidden")]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    let all = server.take();
    assert_eq!(all[0].target, "/samples?key=hidden");
    for part in [
        "> POST http://127.0.0.1:",
        "/samples?key=***\n> Content-type: application/json\n> Authorization: Basic ***\n> [{\"name\": \"nephoscope.publish_test\"",
        "< 202 Accepted\n< taken\n",
        "accepted by http://***@127.0.0.1:",
        ": the server answered 2xx\n",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("hidden") && !said.contains("dXNlcj"), "{said}");

    let (code, said, _) = publish_test(directory.path(), &["--event", &at("/events")]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("> [{\"message_id\": ") && said.contains("\"event_type\": \"nephoscope.publish_test\""),
        "{said}"
    );

    let (code, said, complaint) = publish_test(directory.path(), &[&at("/refused?key=hidden")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        complaint.contains("refused (bad_request)") && complaint.contains("no such meter"),
        "{complaint}"
    );
    assert!(!complaint.contains("hidden"), "{complaint}");
    let (code, _, complaint) = publish_test(directory.path(), &[&at("/broken")]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("not accepted (server_error)"), "{complaint}");
}

#[test]
fn every_publisher_can_be_tested() {
    let directory = configured(TRANSPORT, "file:///dev/null", "file:///dev/null");
    let server = Server::recording();
    let file = directory.path().join("ceilometer.conf");
    let text = fs::read_to_string(&file).unwrap();
    let zaqar = format!(
        "\n[zaqar]\nauth_section = elsewhere\n[elsewhere]\nauth_type = none\nendpoint = http://{}\n",
        server.address
    );
    fs::write(&file, text + &zaqar).unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = directory.path().join("out.json");
    for (url, words) in [
        (format!("file://{}?json", path.display()), "written and synced"),
        (format!("prometheus://{}/metrics/job/x", server.address), "> # TYPE nephoscope_publish_test gauge"),
        (
            format!("prometheus+remotewrite://{}", server.address),
            "  ceilometer_nephoscope_publish_test{counter=",
        ),
        ("prometheus+exporter://127.0.0.1:0".to_owned(), "kept in memory, for the next scrape"),
        (format!("opentelemetryhttp://{}/v1/metrics", server.address), "> {\"resourceMetrics\""),
        (format!("otlp+http://{}", server.address), "> Content-type: application/x-protobuf"),
        ("zaqar://?queue=q".to_owned(), "> POST /v2/queues/q/messages (service messaging)"),
        (format!("udp://{}", udp.local_addr().unwrap()), "by UDP, MessagePack of"),
        (format!("tcp://{}", tcp.local_addr().unwrap()), "\"publisher_id\": \"host-1\""),
        ("test://".to_owned(), "kept in memory"),
    ] {
        let (code, said, complaint) = publish_test(directory.path(), &[&url]);
        assert_eq!(code, Some(0), "{url}: {said}{complaint}");
        assert!(said.contains(words) && said.contains("accepted by"), "{url}: {said}");
        assert!(!said.contains("swordfish"), "{said}");
    }
    assert!(fs::read_to_string(path).unwrap().contains("nephoscope.publish_test"));
    for (url, words) in [
        ("http://", "needs a host"),
        ("http://h/?timeout=soon", "timeout=\"soon\" is not a whole number"),
        (
            "carrier-pigeon://h",
            "there is no publisher \"carrier-pigeon\"; the publishers are gnocchi, metric, file, ",
        ),
    ] {
        let (code, _, complaint) = publish_test(directory.path(), &[url]);
        assert_eq!(code, Some(64), "{url}");
        assert!(complaint.contains(words), "{complaint}");
    }
    // What cannot be reached is told of as well.
    let (code, said, complaint) = publish_test(directory.path(), &["otlp+grpc://127.0.0.1:1?max_retries=0"]);
    assert!(
        said.contains(
            "> POST http://127.0.0.1:1/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        ),
        "{said}"
    );
    assert!(code == Some(1) && complaint.contains("not accepted (connect)"), "{complaint}");
    let (code, _, complaint) = publish_test(directory.path(), &["--event", "udp://127.0.0.1"]);
    assert_eq!((code, complaint.contains("takes samples only")), (Some(64), true), "{complaint}");
}

#[test]
fn a_test_of_the_message_bus_shows_the_confirmation() {
    let vhost = shared_rabbitmq().vhost("publish-test").unwrap();
    let directory = configured(&vhost.transport_url(), "file:///dev/null", "file:///dev/null");
    let (code, said, complaint) = publish_test(directory.path(), &["notifier://?topic=one&topic=two"]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    for part in [
        "> exchange ceilometer, routing key one.sample, two.sample, publisher id telemetry.publisher.host-1, event type metering",
        "> [{\"source\": \"nephoscope\", \"counter_name\": \"nephoscope.publish_test\"",
        "< confirmed by the broker 127.0.0.1:",
        "accepted by notifier://: confirmed by the broker",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert_eq!((vhost.depth("one.sample").unwrap(), vhost.depth("two.sample").unwrap()), (Some(1), Some(1)));
    let (code, _, complaint) = publish_test(directory.path(), &["notifier://guest:hidden@127.0.0.1:1/"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("not accepted") && !complaint.contains("hidden"), "{complaint}");
}

#[test]
fn a_sample_is_sent_through_the_pipeline() {
    let server = Server::start(|_, number| Answer::status(if number == 2 { 500 } else { 200 }));
    let url = format!("http://{}/samples", server.address);
    let directory = configured(TRANSPORT, &url, "file:///dev/null");
    let send = |name: &str, first: &[&str], more: &[&str]| {
        let arguments = [first, &["--config-file", "ceilometer.conf"], more].concat();
        outcome(&run(name, directory.path(), &arguments))
    };
    let flags = [
        "-n",
        "my.meter",
        "-r",
        "my-resource",
        "-y",
        "cumulative",
        "-U",
        "B",
        "-l",
        "-7",
        "-u",
        "user",
        "-p",
        "project",
        "-i",
        "2026-07-21T13:56:12",
        "-m",
        "{'key': ('é', None)}",
    ];
    for (name, first) in [("ceilometer-send-sample", &[][..]), ("nephoscope", &["send-sample"])] {
        let (code, said, complaint) = send(name, first, &flags);
        assert_eq!(code, Some(0), "{said}{complaint}");
        assert!(said.contains(": accepted"), "{said}");
        // Upstream logs at debug level.
        assert!(complaint.contains("> POST http://"), "{complaint}");
        let [request] = server.requests().split_off(server.requests().len() - 1).try_into().unwrap();
        let text = request.text();
        let (before, id) = text.split_once("\"id\": \"").unwrap();
        assert_eq!(
            before,
            "[{\"name\": \"my.meter\", \"type\": \"cumulative\", \"unit\": \"B\", \"volume\": -7, \"user_id\": \"user\", \
             \"user_name\": null, \"project_id\": \"project\", \"project_name\": null, \"resource_id\": \"my-resource\", \
             \"timestamp\": \"2026-07-21T13:56:12\", \"resource_metadata\": {\"key\": [\"\\u00e9\", null]}, \"source\": \
             \"openstack\", "
        );
        assert!(id.ends_with("\", \"monotonic_time\": null}]"), "{id}");
    }
    // The server is at fault now.
    let (code, said, complaint) = send("ceilometer-send-sample", &[], &["-n", "m", "-r", "r"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not accepted (server_error)"), "{said}");
    assert!(complaint.contains("1 of 1 publishers have not accepted"), "{complaint}");
    // What upstream takes from the file.
    let file = directory.path().join("ceilometer.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("[DEFAULT]\n", "[DEFAULT]\nsample_name = m\nsample_resource = r\n", 1))
        .unwrap();
    let (code, ..) = send("nephoscope", &["send-sample"], &[]);
    assert_eq!(code, Some(0));
    for (arguments, own, upstream, words) in [
        (&["-m", "{'a'}"][..], 64, 1, "neither a Python literal nor JSON"),
        (&["-y", "rate"], 78, 1, "rate"),
        (&["-l", "1.5"], 78, 1, "1.5"),
        (&["--nonsense"], 64, 2, "--nonsense"),
    ] {
        let (code, _, complaint) = send("nephoscope", &["send-sample"], arguments);
        assert_eq!(code, Some(own), "{complaint}");
        assert!(complaint.contains(words), "{complaint}");
        assert_eq!(send("ceilometer-send-sample", &[], arguments).0, Some(upstream));
    }
    fs::write(&file, text).unwrap();
    let (code, _, complaint) = send("nephoscope", &["send-sample"], &["-n", "m"]);
    assert_eq!((code, complaint.contains("--sample-resource is required")), (Some(64), true), "{complaint}");
}

#[test]
fn the_upgrade_check_is_upstreams_with_more_checks() {
    let directory = configured(TRANSPORT, "udp://127.0.0.1", "file:///dev/null");
    let check = |name: &str, arguments: &[&str]| outcome(&run(name, directory.path(), arguments));
    let arguments = ["upgrade", "check", "--config-file", "ceilometer.conf"];
    let (code, said, complaint) = check("ceilometer-status", &arguments);
    assert_eq!(code, Some(0), "{said}{complaint}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{said}");
    assert!(lines[1].starts_with("| Upgrade Check Results "), "{said}");
    assert!(
        lines[3].starts_with("| Check: Sample Check ") && lines[5].starts_with("| Details: Sample detail "),
        "{said}"
    );
    let all = [&arguments[..], &["--json"]].concat();
    let (_, said, _) = check("ceilometer-status", &all);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["name"], "Upgrade Check Results");
    assert_eq!(
        json["checks"][0],
        serde_json::json!({"check": "Sample Check", "result": 0, "details": "Sample detail"})
    );
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["result"] == 0), "{json}");
    let pipeline = directory.path().join("pipeline.yaml");
    let text = fs::read_to_string(&pipeline).unwrap();
    fs::write(&pipeline, text.replace("udp://127.0.0.1", "udp://127.0.0.1:0")).unwrap();
    let own = [&["status"], &arguments[..], &["--json"]].concat();
    let (code, said, _) = check("nephoscope", &own);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("pipeline.yaml:6:9: publisher udp://127.0.0.1:0"), "{said}");
    assert_eq!(check("ceilometer-status", &[]).0, Some(2));
}

#[test]
fn a_publisher_that_cannot_work_is_found_with_its_place() {
    for (samples, events, words) in [
        (
            "http://h/?timeout=x",
            "file:///dev/null",
            "pipeline.yaml:6:9: publisher http://h/ of sink \"k\": timeout=\"x\"",
        ),
        ("'udp://'", "file:///dev/null", "pipeline.yaml:6:9: publisher udp://"),
        ("notifier://?policy=que", "file:///dev/null", "there is no policy \"que\""),
        ("notifier://h:port", "file:///dev/null", "port \"port\" of host \"h\""),
        ("notifier://h?nonsense=1", "file:///dev/null", "nonsense"),
        ("https://h/?verify_ssl=/no/ca.pem", "file:///dev/null", "/no/ca.pem"),
        (
            "file:///dev/null",
            "udp://h",
            "event_pipeline.yaml:6:9: publisher udp://h of sink \"k\": the publisher udp takes samples only",
        ),
        ("file:///dev/null", "prometheus://h/metrics/job/x", "takes samples only"),
        ("file:///dev/null", "carrier-pigeon://h", "there is no publisher \"carrier-pigeon\""),
    ] {
        let directory = configured(TRANSPORT, samples, events);
        let (code, said, _) =
            outcome(&run("nephoscope", directory.path(), &["check", "--config-file", "ceilometer.conf"]));
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(words), "{words}\n{said}");
    }
}
