//! SIGHUP and changed definitions of dynamic pollsters: all of them are taken, or none.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use testkit::{until, wait_until};

use crate::exporter::reload;
use crate::harness::{Agent, PROGRAM};
use crate::server::{Answer, Request, Server};

const LONG: Duration = Duration::from_secs(90);

fn definition(name: &str) -> String {
    format!(
        "- name: dynamic.{name}\n  sample_type: gauge\n  unit: u\n  endpoint_type: t\n  url_path: {name}\n  value_attribute: v\n"
    )
}

/// Waits until each of `expected` has been asked for again and again, and nothing else with them.
fn asks_for(server: &Server, expected: &[&str]) {
    let counts = || {
        let mut counts = BTreeMap::new();
        for request in server.requests() {
            *counts.entry(request.target).or_insert(0) += 1;
        }
        counts
    };
    let all_asked = |least: usize| {
        wait_until("requests", LONG, || {
            let counts = counts();
            expected
                .iter()
                .all(|target| counts.get(*target).is_some_and(|count| *count >= least))
                .then_some(counts)
        })
        .unwrap()
    };
    // A cycle that was begun before ends as it began.
    all_asked(1);
    server.take();
    let asked: Vec<String> = all_asked(2).into_keys().collect();
    assert_eq!(asked, expected);
}

fn refused(agent: &mut Agent, words: &str) {
    reload(agent, "refused");
    // The line may come a moment after the counter.
    until(words, || {
        let output = agent.process().output();
        output.lines().any(|line| line.contains("SIGHUP: ") && line.contains(words)).then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.process().output()));
}

#[test]
fn definitions_are_taken_whole_or_refused_with_their_place() {
    let server = Server::start(|request: &Request, _| {
        let body = format!("[{{\"id\": \"{}\", \"v\": 1}}]", request.target);
        Answer::Status(200, String::new(), body)
    });
    let mut agent = Agent::new("rabbit://127.0.0.1:1/")
        .command(PROGRAM, &["polling", "--polling-namespaces", "central"])
        .with("service_credentials", "auth_type = none")
        .with("service_credentials", format!("endpoint = http://{}", server.address))
        .with("polling", "enable_notifications = false")
        .with("DEFAULT", "pollsters_definitions_dirs = first.d");
    for directory in ["first.d", "second.d"] {
        fs::create_dir(agent.path(directory)).unwrap();
    }
    let (first, broken) = (agent.path("first.d/first.yaml"), agent.path("first.d/second.yaml"));
    fs::write(&first, definition("a")).unwrap();
    let polling = "sources: [{name: mine, interval: 1, meters: ['dynamic.*', dynamic.a]}]\n";
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    agent.start();
    agent.wait_ready();
    asks_for(&server, &["/a"]);

    // Everything is as it was while one file is wrong, whatever is wrong with it.
    fs::write(&first, definition("b")).unwrap();
    for (text, words) in [
        (definition("c").replace("unit: u", "unt: u"), "second.yaml:1:3: unit is missing"),
        (definition("c").replace("url_path: c", "url_path: ["), "second.yaml:7:1: not valid yaml"),
        (
            definition("c").replace("attribute: v", "attribute: 'v | value.__class__'"),
            "second.yaml:6:31: value_attribute: \"value.__class__\": the attribute __class__ is not supported",
        ),
        (
            "- {name: dynamic.c, sample_type: gauge, unit: u, value_attribute: v, url_path: 'http://h/', module: m, \
             authentication_object: Key}\n"
                .to_owned(),
            "second.yaml:1:3: there is no authentication Key of the module m",
        ),
    ] {
        fs::write(&broken, text).unwrap();
        refused(&mut agent, words);
        asks_for(&server, &["/a"]);
    }
    fs::write(&broken, definition("c")).unwrap();
    fs::write(agent.path("polling.yaml"), "sources: [").unwrap();
    refused(&mut agent, "polling.yaml:1:11: ");
    asks_for(&server, &["/a"]);

    // One is gone, two are new; the source still names the one that is gone, which is worth a warning.
    fs::write(agent.path("polling.yaml"), polling).unwrap();
    reload(&mut agent, "taken");
    asks_for(&server, &["/b", "/c"]);
    until("a warning", || {
        agent.process().output().contains("no pollster is named \"dynamic.a\"").then_some(())
    })
    .unwrap();

    // Another directory.
    fs::write(agent.path("second.d/third.yaml"), definition("d")).unwrap();
    agent =
        agent.without("pollsters_definitions_dirs").with("DEFAULT", "pollsters_definitions_dirs = second.d");
    agent.rewritten();
    reload(&mut agent, "taken");
    asks_for(&server, &["/d"]);
    assert!(!agent.process().output().contains("need a restart"), "{}", agent.process().output());
    assert!(agent.terminate().success(), "{}", agent.process().output());
}
