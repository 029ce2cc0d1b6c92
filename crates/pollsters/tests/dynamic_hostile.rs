//! Answers that would take for ever, or all memory, end within bounds; what was asked for meanwhile is counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::type_complexity,
    clippy::format_collect,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "../../publishers/tests/support/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use definitions::{DynamicPollsters, Source};
use nephoscope_pollsters::compute::{ComputeMetrics, ComputeSettings};
use nephoscope_pollsters::{Cycle, PollError, Reading, Readings, Registry, Resource, Tools, dynamic};
use observability::clock::Clock;
use observability::metrics::Metrics;
use openstack::{AuthOptions, Service, ServiceFilter, Session, SessionOptions, Url};

use self::server::{Answer, Request, Server};

/// A pollster of everything at `/x`, with `more` keys.
async fn poll(server: &Server, more: &str) -> (Vec<Reading>, Result<(), PollError>) {
    poll_in(server, more, dynamic::Surroundings::default()).await
}

async fn poll_in(
    server: &Server,
    more: &str,
    surroundings: dynamic::Surroundings,
) -> (Vec<Reading>, Result<(), PollError>) {
    let base = format!("http://{}/", server.address);
    let definition = format!(
        "- name: hostile\n  sample_type: gauge\n  unit: u\n  value_attribute: v\n  endpoint_type: t\n  url_path: x\n{more}"
    );
    let auth = AuthOptions::None { endpoint: Some(Url::parse(&base).unwrap()) };
    let cloud =
        Service::new(Session::new(SessionOptions::new(auth)).unwrap(), ServiceFilter::new("identity"));
    let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
    let tools = Tools::new(Ok(cloud), Clock::machine(), ComputeSettings::new("node-1"), metrics);
    let (definitions, problems) =
        DynamicPollsters::load(&[Source { path: "d.yaml", text: &definition }], &["central"]);
    assert_eq!(problems, [], "{more}");
    let mut registry = Registry::default();
    let problems = dynamic::add(&mut registry, &definitions, &tools, surroundings);
    assert_eq!(problems, [], "{more}");
    let (_, loaded) = registry.pollsters().next().unwrap();
    let loaded = Arc::clone(loaded.unwrap());
    let resource = Resource::text(&base);
    let (readings, mut receiver) = Readings::channel();
    let cycle = Cycle::new(Clock::machine());
    let polling = async {
        let polled = loaded.pollster.poll(&cycle, std::slice::from_ref(&resource), &readings).await;
        drop(readings);
        polled
    };
    let taking = async {
        let mut taken = Vec::new();
        while let Some(reading) = receiver.recv().await {
            taken.push(reading);
        }
        taken
    };
    let (taken, polled) = tokio::join!(taking, polling);
    (taken, polled)
}

fn json(body: impl Into<String>) -> Answer {
    Answer::Status(200, String::new(), body.into())
}

#[tokio::test]
async fn pages_without_an_end_end() {
    let more = "  next_sample_url_attribute: next\n";
    let server = Server::start(|_: &Request, number| {
        json(format!(r#"{{"all": [{{"id": "{number}", "v": 1}}], "next": "x?page={number}"}}"#))
    });
    let (readings, ended) = poll(&server, more).await;
    let error = ended.unwrap_err();
    assert!(readings.is_empty() && error.cause() == "endless", "{error}");
    assert!(error.to_string().starts_with("more than 1000 pages"), "{error}");
    assert_eq!(server.requests().len(), 1000);
    // One that goes round in a circle has been read when it comes to where it was.
    let server = Server::start(|request: &Request, _| {
        let next = if request.target == "/x?b" { "x?a" } else { "x?b" };
        json(format!(r#"{{"all": [{{"id": "{}", "v": 1}}], "next": "{next}"}}"#, request.target))
    });
    let (readings, ended) = poll(&server, more).await;
    ended.unwrap();
    assert_eq!((readings.len(), server.requests().len()), (3, 3));
    // What an answer gives is an address, and no expression.
    let server = Server::start(|request: &Request, _| {
        if request.target == "/x" { json(r#"{"all": [{"v": 1}], "next": "'y' + 'z'"}"#) } else { json("[]") }
    });
    let (_, ended) = poll(&server, more).await;
    ended.unwrap();
    assert_eq!(server.requests()[1].target, "/'y'%20+%20'z'");
}

/// A reload makes pollsters anew, in the surroundings that there were.
#[tokio::test]
async fn answers_for_metadata_outlive_a_reload() {
    let server = Server::start(|request: &Request, _| match request.target.as_str() {
        "/x" => json(r#"[{"id": 1, "v": 1}, {"id": 2, "v": 1}]"#),
        _ => json(r#"[{"owner": "o"}]"#),
    });
    let field = "  extra_metadata_fields: {name: more, endpoint_type: t, url_path: y, value: owner}\n";
    let surroundings = dynamic::Surroundings::default();
    for (new, asked) in [(false, 1), (false, 0), (true, 1)] {
        let surroundings = if new { dynamic::Surroundings::default() } else { surroundings.clone() };
        let before = server.requests().len();
        let (readings, ended) = poll_in(&server, field, surroundings).await;
        ended.unwrap();
        assert_eq!(readings.len(), 2);
        let requests = server.requests();
        let answered = requests.iter().skip(before).filter(|request| request.target == "/y").count();
        assert_eq!(answered, asked, "{new}");
    }
}

#[tokio::test]
async fn large_and_deep_answers_are_refused() {
    let answers: [(&str, fn() -> String, &str); 7] = [
        ("", || "[".repeat(1_000_000), "as json"),
        ("", || format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)), "as json"),
        ("", || format!("[{}]", "9".repeat(1_000_000)), "as json"),
        ("  response_handlers: [xml]\n", || "<a>".repeat(300_000), "as xml"),
        (
            "  response_handlers: [xml]\n",
            || format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000)),
            "as xml",
        ),
        (
            "  response_handlers: [xml]\n",
            || {
                let entities: String = (1..20)
                    .map(|number| format!("<!ENTITY e{number} \"&e{0};&e{0};&e{0};&e{0};\">", number - 1))
                    .collect();
                format!("<!DOCTYPE a [<!ENTITY e0 \"ha\">{entities}]><a>&e19;</a>")
            },
            "as xml",
        ),
        (
            "  response_handlers: [xml]\n",
            || r#"<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>"#.to_owned(),
            "as xml",
        ),
    ];
    for (more, answer, words) in answers {
        let server = Server::start(move |_: &Request, _| json(answer()));
        let started = Instant::now();
        let (readings, ended) = poll(&server, more).await;
        let error = ended.unwrap_err();
        assert!(readings.is_empty() && error.cause() == "protocol", "{error}");
        let text = error.to_string();
        assert!(text.starts_with("the answer cannot be read: ") && text.contains(words), "{text}");
        // It is not shown whole.
        assert!(text.len() < 1000 && started.elapsed() < Duration::from_mins(1), "{text}");
    }
}

#[tokio::test]
async fn an_expression_over_an_answer_is_bounded() {
    let server = Server::start(|_: &Request, _| json(r#"[{"id": 1, "v": "ab", "n": 1000000000}]"#));
    for operation in [
        "value['v'] * value['n']",
        "9 ** value['n']",
        "sum(range(value['n'] ** 2))",
        "'%*d' % (value['n'], 1)",
    ] {
        let more = format!("  metadata_fields: [\". | {operation}\"]\n");
        let started = Instant::now();
        let (readings, ended) = poll(&server, &more).await;
        let error = ended.expect_err(operation);
        assert!(readings.is_empty() && error.cause() == "attribute", "{error}");
        assert!(started.elapsed() < Duration::from_mins(1), "{operation}");
    }
}
