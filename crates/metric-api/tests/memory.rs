//! Bodies that take many times their size in memory: what they are read into is reckoned before it is made, and stays below
//! the bound.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use axum::http::Method;
use metric::Metrics;
use nephoscope_metric_api::{Api, Settings};
use observability::clock::Clock;
use uuid::Uuid;

/// What all bodies may take together, and one may have.
const BUDGET: usize = 24 << 20;
const LARGEST: usize = 6 << 20;
/// So much is always read.
const LEAST: usize = 96 << 10;
/// What the process takes for other things meanwhile: the index, the store, threads, and what the allocator keeps.
const SLACK: usize = 6 << 20;

const REPEATED: &str = "names of many tags";

/// A figure of the process, in bytes.
fn figure(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: usize = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1_024
}

/// So many bytes, about: `begin`, items until there are enough, `end`.
fn filled(bytes: usize, begin: &str, mut item: impl FnMut(usize) -> String, end: &str) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 100);
    text.push_str(begin);
    for number in 0.. {
        let item = item(number);
        if text.len() + item.len() + end.len() >= bytes {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text.push_str(end);
    text.into_bytes()
}

/// A story: where it goes, what it is, and how it looks in so many bytes.
type Story<'s> = (&'s str, &'s str, Box<dyn Fn(usize) -> Vec<u8> + 's>);

fn story<'s>(
    path: &'s str,
    what: &'s str,
    (begin, item, end): (&'s str, impl Fn(usize) -> String + 's, &'s str),
) -> Story<'s> {
    (path, what, Box::new(move |bytes| filled(bytes, begin, &item, end)))
}

fn stories(measures: &str) -> Vec<Story<'_>> {
    let (metrics, resources) = ("/v1/batch/metrics/measures", "/v1/batch/resources/metrics/measures");
    let creating = "/v1/batch/resources/metrics/measures?create_metrics=true";
    let (computed, resource) = ("/v1/aggregates", "/v1/resource/generic");
    let search = "/v1/search/resource/generic";
    let always = |text: &'static str| move |_| text.to_owned();
    let mut all: Vec<Story<'_>> = Vec::new();
    for path in [measures, metrics, computed, search, resource, "/v1/archive_policy", "/v1/resource_type"] {
        all.push(story(path, "maps", ("[", always(r#"{"a":0}"#), "]")));
        all.push(story(path, "keys", ("{", always(r#""a":0"#), "}")));
    }
    all.push(story(measures, "lists", ("[", always("[[[[0]]]]"), "]")));
    all.push(story(measures, "empty lists", ("[", always("[]"), "]")));
    all.push(story(measures, "long texts", ("[", always(r#""a text that is not short\n""#), "]")));
    all.push(story(measures, "long numbers", ("[", always("1234567890123456789012345"), "]")));
    all.push((measures, "not closed", Box::new(|bytes| b"[[0],".repeat(bytes / 5))));
    let escaped = |bytes| [b"[\"".as_slice(), &b"\\n".repeat(bytes / 2 - 4), b"\"]"].concat();
    all.push((measures, "one text", Box::new(escaped)));
    let plain = always(r#"{"timestamp":1,"value":1}"#);
    all.push(story(measures, "plain", ("[", plain, "]")));
    all.push(story(measures, "as texts", ("[", always(r#"{"timestamp":"1","value":"1"}"#), "]")));
    let id = |number: usize| Uuid::from_u128(number as u128).simple().to_string();
    all.push(story(metrics, "plain", ("{", move |number| format!(r#""{}":[]"#, id(number)), "}")));
    let one = move |number| format!(r#""{}":[{{"timestamp":"1","value":1}}]"#, id(number));
    all.push(story(metrics, "as texts", ("{", one, "}")));
    for path in [resources, creating] {
        all.push(story(path, "names", (r#"{"r":{"#, |number| format!(r#""{number:x}":[]"#), "}}")));
        all.push(story(path, "resources", ("{", |number| format!(r#""{number:x}":{{"a":[]}}"#), "}")));
        let texts = |number| format!(r#""{number:x}":[{{"timestamp":"1","value":1}}]"#);
        all.push(story(path, "names as texts", (r#"{"r":{"#, texts, "}}")));
    }
    all.push(story(computed, "operands", (r#"{"operations":["+","#, always("1"), "]}")));
    all.push((
        computed,
        "a text of operands",
        Box::new(|bytes| {
            [br#"{"operations":"(+ "#.as_slice(), &b"1 ".repeat(bytes / 2 - 20), br#")"}"#].concat()
        }),
    ));
    let pair = always(r#"["a","mean"]"#);
    all.push(story(computed, "metrics", (r#"{"operations":["metric","#, pair, "]}")));
    let begin = r#"{"resource_type":"generic","operations":["metric","a","mean"],"search":{"in":{"id":["#;
    all.push(story(computed, "searched ids", (begin, always(r#""a""#), "]}}}")));
    all.push(story(search, "ids", (r#"{"in":{"id":["#, always(r#""a""#), "]}}")));
    all.push(story(search, "numbers", (r#"{"in":{"a":["#, always("1"), "]}}")));
    all.push(story(
        "/v1/search/metric?metric_id=5a8df9a1-4e23-5685-86fb-d4d184a6b844",
        "parts",
        (r#"{"or":["#, always(r#"{"=":1}"#), "]}"),
    ));
    all.push(story(
        resource,
        "metrics",
        (r#"{"id":"r","metrics":{"#, |number| format!(r#""{number:x}":{{}}"#), "}}"),
    ));
    all.push(story(resource, "attributes", (r#"{"id":"r","#, |number| format!(r#""{number:x}":0"#), "}")));
    let given = always(r#""5a8df9a14e23568586fbd4d184a6b844""#);
    all.push(story("/v1/aggregation/metric", "ids", ("[", given, "]")));
    let definition = (r#"{"name":"q","definition":["#, always(r#"{"points":1}"#), "]}");
    all.push(story("/v1/archive_policy", "definitions", definition));
    let attributes = always(r#""a":{"type":"bool"}"#);
    all.push(story("/v1/resource_type", "attributes", (r#"{"name":"t","attributes":{"#, attributes, "}}")));
    all
}

/// A field of a protobuf message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

fn prometheus() -> Vec<Story<'static>> {
    let packed = |series: Vec<u8>| {
        move |bytes: usize| {
            let message = field(1, &series).repeat(bytes / (series.len() + 2));
            snap::raw::Encoder::new().compress_vec(&message).unwrap()
        }
    };
    let labels: Vec<Vec<u8>> = ["__name__", "job", "instance"]
        .iter()
        .map(|name| field(1, &[field(1, name.as_bytes()), field(2, b"a")].concat()))
        .collect();
    let samples = b"\x12\x00".repeat(50);
    [("series", Vec::new()), ("labels", labels.concat()), ("samples", [labels.concat(), samples].concat())]
        .into_iter()
        .map(|(what, series)| -> Story<'static> { ("/v1/prometheus/write", what, Box::new(packed(series))) })
        .collect()
}

fn influxdb() -> Vec<Story<'static>> {
    let path = "/v1/influxdb/write";
    let fields = |number| format!("{number:x}=1");
    let lines = |bytes| b"a,host=b c=1\n".repeat(bytes / 13);
    let tags = move |bytes: usize| {
        let fields = filled(bytes / 2, " ", fields, "\n");
        [format!("a,host=b,tag={}", "x".repeat(bytes / 2)).into_bytes(), fields].concat()
    };
    vec![
        story(path, "fields", ("a,host=b ", fields, "\n")),
        (path, "lines", Box::new(lines)),
        (path, REPEATED, Box::new(tags)),
    ]
}

/// Says a process which story it tells: what an earlier one leaves in the allocator must not hide what a later one takes.
const STORY: &str = "NEPHOSCOPE_TEST_STORY";
const TEST: &str = "what_bodies_are_read_into_stays_below_its_bound";

#[test]
fn what_bodies_are_read_into_stays_below_its_bound() {
    let told = std::env::var(STORY).ok().map(|story| story.parse().unwrap());
    if let Some(number) = told {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(tell(number));
    }
    let count = all_stories("").len();
    let mut told = 0;
    for number in 0..count {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args([TEST, "--exact", "--nocapture"]).env(STORY, number.to_string());
        // One arena, which gives back what is free.
        process.env("MALLOC_ARENA_MAX", "1").env("MALLOC_TRIM_THRESHOLD_", "65536");
        let output = process.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        print!("{said}");
        assert!(output.status.success(), "story {number}: {said}");
        told += usize::from(said.contains(" bytes: "));
    }
    assert_eq!(told, count);
}

/// Each with its media type.
fn all_stories(measures: &str) -> Vec<(&'static str, Story<'_>)> {
    let json = stories(measures).into_iter().map(|story| ("application/json", story));
    let others = influxdb().into_iter().chain(prometheus()).map(|story| ("text/plain", story));
    json.chain(others).collect()
}

async fn tell(number: usize) {
    // In memory, where the machine has such a place: this is not about the disk.
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let url = format!("sqlite:///{}", directory.path().join("index.sqlite").display());
    let store = directory.path().join("measures");
    let opened = Metrics::open(&store, &url, metric::Settings::default(), Clock::machine()).await;
    let (metrics, _) = opened.unwrap();
    let settings = Settings { max_body_bytes: LARGEST, max_bodies_bytes: BUDGET, ..Settings::default() };
    let api = Api::new(metrics, settings);
    let json = "application/json";
    let post = async |path: &str, kind, body: Vec<u8>| {
        let answer = api.call("admin", Method::POST, path, Some((kind, body))).await;
        (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
    };
    let policy = br#"{"name": "p", "definition": [{"granularity": 1, "points": 100}]}"#;
    assert_eq!(post("/v1/archive_policy", json, policy.to_vec()).await.0, 201);
    assert_eq!(post("/v1/resource/generic", json, br#"{"id": "r"}"#.to_vec()).await.0, 201);
    let (made, metric) = post("/v1/metric", json, br#"{"archive_policy_name": "p"}"#.to_vec()).await;
    assert_eq!(made, 201);
    let id = metric.split("\"id\": \"").nth(1).unwrap().split('"').next().unwrap();
    let measures = format!("/v1/metric/{id}/measures");
    let mut all = all_stories(&measures);
    let (kind, (path, what, body)) = all.swap_remove(number);
    let base = figure("VmRSS");
    let (mut read, mut is_refused) = (0, false);
    let mut bytes = LEAST;
    while bytes <= LARGEST && !is_refused {
        let body = body(bytes);
        // From here on the peak is counted anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let (status, answer) = post(path, kind, body).await;
        let shown: String = answer.chars().take(200).collect();
        let grown = figure("VmHWM").saturating_sub(base);
        eprintln!("{path} {what}: {bytes} bytes: {status}, {grown} more, of {BUDGET}");
        assert!(status < 500, "{shown}");
        assert!(grown <= BUDGET + SLACK, "{shown}");
        is_refused = status == 413;
        read = if is_refused { read } else { bytes };
        bytes *= 2;
    }
    // Nothing is refused that is far from taking too much; but names that repeat all tags take too much at once.
    assert_eq!(read >= LEAST, what != REPEATED, "{path} {what}");
}
