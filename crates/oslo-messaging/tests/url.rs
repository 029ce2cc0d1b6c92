//! Transport URLs: ours and the real oslo.messaging's reading of each, side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nephoscope_oslo_messaging::{Password, TransportUrl};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Asks the real library about each URL.
fn oracle(urls: &[String]) -> Vec<Value> {
    let python = testkit::venv_python().expect("the Python environment is missing: run scripts/provision");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/parse.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = urls.iter().fold(String::new(), |lines, url| lines + &json!(url).to_string() + "\n");
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), urls.len());
    answers
}

/// Our reading, in the oracle's words.
fn ours(url: &TransportUrl) -> Value {
    let password = |password: &Password| password.reveal().to_owned();
    let hosts: Vec<Value> = url
        .hosts
        .iter()
        .map(|host| json!([host.hostname, host.port, host.username, host.password.as_ref().map(password)]))
        .collect();
    let connects: Vec<Value> = url
        .endpoints()
        .iter()
        .map(|to| json!([to.host, to.port, to.username, to.password.reveal(), url.vhost()]))
        .collect();
    let query: serde_json::Map<String, Value> =
        url.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"hosts": hosts, "virtual_host": url.virtual_host, "query": query, "connects": connects})
}

/// Recent Pythons refuse several bracketed addresses in one URL, which older ones read; we read them.
fn is_refused_by_python(answer: &Value) -> bool {
    answer["refused"].as_str().is_some_and(|words| words.contains("IPv6") || words.contains("bracket"))
}

const URLS: &[&str] = &[
    "rabbit://",
    "rabbit:",
    "rabbit:///",
    "rabbit:///vhost",
    "rabbit://host",
    "rabbit://host/",
    "rabbit://host:5673",
    "RABBIT://Host:5673/V",
    "rabbit://user:pass@host:5672/vhost",
    "rabbit://user:pass@h1:5672,user:pass@h2:5673/vhost",
    "rabbit://user:pass@h1:5672,h2:5673/vhost",
    "rabbit://u1:p1@h1,u2:p2@h2:5673,u3:p3@[::1]:5674/",
    "rabbit://user@host/",
    "rabbit://user:@host/",
    "rabbit://:pass@host/",
    "rabbit://@host/",
    "rabbit://us%40er:pa%3As%25s@host/%2F",
    "rabbit://us@er:pass@host/",
    "rabbit://user:pa:ss@host/",
    "rabbit://user:pa%zzss%4@host/%41%4",
    "rabbit://user:%C3%A9%FF@host/%C3%A9",
    "rabbit://[::1]/",
    "rabbit://[::1]:5673/",
    "rabbit://[fe80::1%25eth0]:5673/",
    "rabbit://user:pass@[2001:db8::7]:5673,user:pass@[2001:db8::8]/v",
    "rabbit://host//",
    "rabbit://host/a/b",
    "rabbit://host/v?ssl=1",
    "rabbit://host/v?ssl=1&ssl_ca_file=/etc/ca.pem&ssl=0",
    "rabbit://host/v?a=b+c%20d&e=&f&=g&h=i%26j",
    "rabbit://host/v?a=1;b=2",
    "rabbit://host/v#fragment",
    "rabbit://host/v?x=1#fragment",
    "rabbit://host?x=1",
    "rabbit://host#x",
    "rabbit://,host,,host2,/v",
    "rabbit://host:/v",
];

#[test]
fn urls_are_read_as_upstream_reads_them() {
    let urls: Vec<String> = URLS.iter().map(ToString::to_string).collect();
    for (url, theirs) in urls.iter().zip(oracle(&urls)) {
        match url.parse::<TransportUrl>() {
            Ok(_) if is_refused_by_python(&theirs) => assert!(url.contains('['), "{url}: {theirs}"),
            Ok(parsed) => assert_eq!(ours(&parsed), theirs, "{url}"),
            Err(error) => assert!(theirs.get("refused").is_some(), "{url}: {error}, but {theirs}"),
        }
    }
}

#[test]
fn generated_urls_are_read_as_upstream_reads_them() {
    let name = || "[a-z0-9.%+&=$_!*()~-]{0,8}";
    let host = (
        prop::option::of((name(), prop::option::of(name()))),
        prop_oneof!["[a-z0-9.-]{1,8}", Just("[::1]".to_owned()), Just("[2001:db8::1]".to_owned())],
        prop::option::of(1_u16..),
    )
        .prop_map(|(user, host, port)| {
            let user = user.map(|(user, password)| {
                format!("{user}{}@", password.map(|password| format!(":{password}")).unwrap_or_default())
            });
            format!(
                "{}{host}{}",
                user.unwrap_or_default(),
                port.map(|port| format!(":{port}")).unwrap_or_default()
            )
        });
    let url = (
        prop::collection::vec(host, 0..4),
        prop::option::of("[a-z0-9/%+._~-]{0,10}"),
        prop::option::of("[a-c=&%+0-9]{0,12}"),
    )
        .prop_map(|(hosts, path, query)| {
            let path = path.map(|path| format!("/{path}")).unwrap_or_default();
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("rabbit://{}{path}{query}", hosts.join(","))
        });
    let mut runner = TestRunner::deterministic();
    let urls: Vec<String> = (0..500).map(|_| url.new_tree(&mut runner).unwrap().current()).collect();
    let mut compared = 0;
    for (url, theirs) in urls.iter().zip(oracle(&urls)) {
        let parsed: TransportUrl = url.parse().unwrap_or_else(|error| panic!("{url}: {error}, but {theirs}"));
        if !is_refused_by_python(&theirs) {
            assert_eq!(ours(&parsed), theirs, "{url}");
            compared += 1;
        }
    }
    assert!(compared > 300, "only {compared}");
}

#[test]
fn other_transports_and_nonsense_are_refused_with_a_hint() {
    for (url, words) in [
        ("kafka://host:9092/", "\"kafka\" is not supported; write rabbit://"),
        ("kombu+memory://", "not supported"),
        ("kombu://host/", "not supported"),
        ("amqp://host/", "not supported"),
        ("fake:///", "not supported"),
        ("", "no scheme"),
        ("host:5672/", "not supported"),
        ("//host", "no scheme"),
        ("rabbit://user:secret@host:port/", "port \"port\" of host \"host\""),
        ("rabbit://user:secret@host:65536/", "65536"),
        ("rabbit://user:secret@host:0/", "\"0\""),
        ("rabbit://user:secret@[::1/", "[::1"),
        ("rabbit://user:secret@[::1]5672/", "[address]:port"),
    ] {
        let error = url.parse::<TransportUrl>().unwrap_err().to_string();
        assert!(error.contains(words), "{url}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let many = format!("rabbit://{}/", vec!["h"; 65].join(","));
    assert!(many.parse::<TransportUrl>().unwrap_err().to_string().contains("65 hosts"));
    assert!("r".repeat(1 << 20).parse::<TransportUrl>().is_err());
}

#[test]
fn passwords_never_show() {
    let url: TransportUrl = "rabbit://user:s3cret@h1:5672,other:t0psecret@[::1]/v%20h?ssl=1".parse().unwrap();
    assert_eq!(url.to_string(), "rabbit://user:***@h1:5672,other:***@[::1]/v%20h?ssl=1");
    let shown = format!("{url:?} {url} {:?}", url.endpoints());
    assert!(!shown.contains("cret"), "{shown}");
    assert_eq!(url.endpoints()[0].password.reveal(), "s3cret");
    // A slash in a password is more than upstream can pass on to kombu.
    let url: TransportUrl = "rabbit://user:p%2Fa%3As%25s@host/".parse().unwrap();
    assert_eq!(url.endpoints()[0].password.reveal(), "p/a:s%s");
}
