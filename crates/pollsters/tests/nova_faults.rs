//! Nova and Glance on their worst days: what is known is never thrown away, and never half of a list is taken.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

use std::time::Duration;

use nephoscope_pollsters::compute::{
    ComputeMetrics, ComputeSettings, InstanceDiscovery, ask_nova, local_instances,
};
use nephoscope_pollsters::{Cycle, Discovery, Tools};
use observability::clock::{Clock, TestClock};
use observability::metrics::Metrics;
use openstack::{AuthOptions, PasswordOptions, Service, ServiceFilter, Session, SessionOptions};
use serde_json::{Value, json};

#[path = "support/fake.rs"]
mod fake;

use fake::{Fake, status};

const START: &str = "2026-11-26T02:00:00Z";

/// An agent whose cloud is a fake.
struct Agent {
    fake: Fake,
    tools: Tools,
    discovery: Box<dyn Discovery>,
    hand: TestClock,
    metrics: Metrics,
}

impl Agent {
    async fn start() -> Self {
        let fake = Fake::start().await;
        let auth = AuthOptions::None { endpoint: Some(fake.url.clone()) };
        Self::with(fake, auth, ComputeSettings::new("compute-1"))
    }

    fn with(fake: Fake, auth: AuthOptions, settings: ComputeSettings) -> Self {
        let (clock, hand) = Clock::test(START.parse().unwrap());
        let mut options = SessionOptions::new(auth);
        options.timeout = Duration::from_secs(20);
        let session = Session::with_clock(options, clock.clone()).unwrap();
        let metrics = Metrics::new();
        let compute = ComputeMetrics::register(&metrics.component("compute"));
        let cloud = Ok(Service::new(session, ServiceFilter::new("identity")));
        let settings = ComputeSettings { discovery: InstanceDiscovery::Nova, ..settings };
        let tools = Tools::new(cloud, clock, settings, compute);
        let discovery = local_instances(&tools).unwrap();
        Self { fake, tools, discovery, hand, metrics }
    }

    /// What is found: id and name of each; or the cause.
    async fn find(&self) -> Result<Vec<(String, String)>, &'static str> {
        let cycle = Cycle::new(Clock::machine());
        let found = self.discovery.discover(&cycle, None).await.map_err(|error| error.cause())?;
        let described = found.iter().map(|resource| {
            let instance = resource.instance().unwrap();
            let name = instance.metadata.plain().get("display_name").and_then(model::Value::as_str).unwrap();
            (instance.id.clone(), name.to_owned())
        });
        Ok(described.collect())
    }

    fn count(&self, line: &str) -> u64 {
        let text = self.metrics.prometheus_text();
        let found =
            text.lines().find_map(|found| found.strip_prefix("nephoscope_compute_nova_")?.strip_prefix(line));
        found.map_or(0, |number| number.trim().parse().unwrap())
    }
}

fn server(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "status": "ACTIVE", "flavor": { "id": "f1" }, "image": "", "metadata": {} })
}

fn page(servers: &[Value], next: Option<&str>) -> Value {
    let links: Vec<Value> = next
        .iter()
        .map(|marker| {
            let href = format!(
                "http://elsewhere:8774/v2.1/servers/detail?host=compute-1&all_tenants=True&marker={marker}"
            );
            json!({ "rel": "next", "href": href })
        })
        .collect();
    json!({ "servers": servers, "servers_links": links })
}

fn flavor() -> Value {
    json!({ "flavor": { "id": "f1", "name": "small", "vcpus": 1, "ram": 512, "disk": 1 } })
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a discovery gives")]
fn named(expected: &[(&str, &str)]) -> Result<Vec<(String, String)>, &'static str> {
    Ok(expected.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect())
}

/// Everything that is no list of servers, and its cause.
fn nonsense() -> Vec<(String, &'static str)> {
    vec![
        (status("500 Internal Server Error", "why"), "unavailable"),
        (status("503 Service Unavailable", ""), "unavailable"),
        (status("429 Too Many Requests", ""), "throttled"),
        (status("404 Not Found", ""), "refused"),
        (status("403 Forbidden", "{}"), "refused"),
        (status("401 Unauthorized", ""), "refused"),
        (status("200 OK", "<html>"), "protocol"),
        (status("200 OK", ""), "protocol"),
        (status("200 OK", "{}"), "protocol"),
        (status("200 OK", "\u{feff}[]"), "protocol"),
        (status("200 OK", r#"{"servers": {}}"#), "protocol"),
        (status("200 OK", r#"{"servers": [7]}"#), "protocol"),
        (status("200 OK", r#"{"servers": [{"name": "x"}]}"#), "protocol"),
        ("garbage\r\n\r\n".into(), "unavailable"),
        (String::new(), "unavailable"),
        // Half a body.
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"servers\": []".into(), "unavailable"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"se".into(), "unavailable"),
    ]
}

#[tokio::test]
async fn without_a_first_list_nothing_is_found_and_the_reason_is_told() {
    let agent = Agent::start().await;
    let mut errors = 0;
    for (answer, cause) in nonsense() {
        agent.fake.answer(answer.clone());
        assert_eq!(agent.find().await, Err(cause), "{answer:.60}");
        errors += 1;
    }
    assert_eq!(agent.count("lists_total"), errors);
    assert_eq!(agent.count("outdated_total"), 0);
    // Each cycle tries again.
    agent.fake.requests();
    agent.fake.document(&page(&[server("s1", "one")], None)).document(&flavor());
    assert_eq!(agent.find().await, named(&[("s1", "one")]));
    assert_eq!(
        agent.fake.requests(),
        ["GET /servers/detail?all_tenants=True&host=compute-1", "GET /flavors/f1"]
    );
}

#[tokio::test]
async fn a_page_that_fails_midway_changes_nothing_and_the_changes_are_asked_for_again() {
    let agent = Agent::start().await;
    agent
        .fake
        .document(&page(&[server("s1", "one")], Some("s1")))
        .document(&page(&[server("s2", "two")], None));
    agent.fake.document(&flavor());
    assert_eq!(agent.find().await, named(&[("s1", "one"), ("s2", "two")]));
    let requests = agent.fake.requests();
    // The link's query, at our address: the token goes nowhere else.
    assert_eq!(requests[1], "GET /servers/detail?host=compute-1&all_tenants=True&marker=s1");

    let mut failures = 0;
    let deleted = json!({ "id": "s2", "OS-EXT-STS:vm_state": "deleted" });
    let pages =
        [page(&[server("s1", "renamed"), server("s3", "new")], Some("s3")), page(&[deleted], Some("s2"))];
    for (answer, cause) in nonsense() {
        agent.hand.advance(Duration::from_secs(10));
        agent.fake.document(&pages[0]).document(&pages[1]).answer(answer.clone());
        assert_eq!(agent.find().await, named(&[("s1", "one"), ("s2", "two")]), "{answer:.60}");
        failures += 1;
        assert_eq!(agent.count("outdated_total{what=\"instances\"}"), failures, "{cause}");
        assert!(agent.count(&format!("errors_total{{cause=\"{cause}\"}}")) > 0, "{cause}");
        // Since a minute before the last list, however long ago that was.
        let requests = agent.fake.requests();
        assert!(requests[0].ends_with("&changes-since=2026-11-26T01%3A59%3A00Z"), "{requests:?}");
    }
    agent.fake.document(&pages[0]).document(&pages[1]).document(&page(&[], None));
    assert_eq!(agent.find().await, named(&[("s1", "renamed"), ("s3", "new")]));
    agent.fake.requests();
    agent.fake.document(&page(&[], None));
    assert_eq!(agent.find().await, named(&[("s1", "renamed"), ("s3", "new")]));
    let requests = agent.fake.requests();
    assert!(requests[0].ends_with("&changes-since=2026-11-26T02%3A01%3A50Z"), "{requests:?}");
}

#[tokio::test]
async fn a_whole_list_that_fails_does_not_clear_what_is_known() {
    let agent = Agent::start().await;
    agent.fake.document(&page(&[server("s1", "one")], None)).document(&flavor());
    assert_eq!(agent.find().await, named(&[("s1", "one")]));
    agent.hand.advance(Duration::from_hours(1));
    agent.fake.requests();
    for _ in 0..2 {
        agent.fake.answer(status("503 Service Unavailable", ""));
        assert_eq!(agent.find().await, named(&[("s1", "one")]));
        assert_eq!(agent.fake.requests(), ["GET /servers/detail?all_tenants=True&host=compute-1"]);
    }
    agent.fake.document(&page(&[server("s2", "two")], None)).document(&flavor());
    assert_eq!(agent.find().await, named(&[("s2", "two")]));
}

#[tokio::test]
async fn flavors_and_images_that_cannot_be_read() {
    let agent = Agent::start().await;
    let with_image = |id: &str| {
        let mut server = server("s1", "one");
        server["image"] = json!({ "id": id });
        server
    };
    let list = page(&[with_image("i1")], None);
    // A service that is down is not the same as an image that is gone.
    agent.fake.document(&list).answer(status("503 Service Unavailable", ""));
    assert_eq!(agent.find().await, Err("unavailable"));
    agent.fake.document(&list).document(&flavor()).answer(status("500 Internal Server Error", ""));
    assert_eq!(agent.find().await, Err("unavailable"));
    agent.fake.requests();
    // The flavor is known by now. What we may not see is as good as gone.
    agent.fake.document(&list).answer(status("403 Forbidden", ""));
    assert_eq!(agent.find().await, named(&[("s1", "one")]));
    assert_eq!(agent.fake.requests()[1], "GET /v2/images/i1");
    let image = async || {
        let found = agent.discovery.discover(&Cycle::new(Clock::machine()), None).await.unwrap();
        let metadata = found[0].instance().unwrap().metadata.plain();
        let image = metadata.get("image").unwrap();
        (image.get("name").unwrap().as_str().unwrap().to_owned(), metadata.get("image_meta").is_some())
    };
    // That is not kept for long.
    agent.fake.document(&list);
    assert_eq!(image().await, ("unknown-id-i1".to_owned(), false));
    agent.hand.advance(Duration::from_mins(1));
    agent.fake.document(&list).document(&json!({ "id": "i1", "name": "cirros" }));
    assert_eq!(image().await, ("cirros".to_owned(), true));
    // Glance fails when the time of its answer is up, and is left alone for a while.
    agent.hand.advance(Duration::from_mins(10));
    agent.fake.document(&list).document(&flavor()).answer(status("200 OK", "[]"));
    assert_eq!(image().await, ("cirros".to_owned(), true));
    agent.fake.document(&list);
    assert_eq!(image().await, ("cirros".to_owned(), true));
    assert_eq!(agent.count("outdated_total{what=\"image\"}"), 2);
    agent.fake.requests();
    // An id that is no part of a path is not asked for.
    agent.fake.document(&page(&[with_image("..")], None));
    assert_eq!(image().await.0, "unknown-id-..");
    agent.fake.requests();
}

#[tokio::test]
async fn nova_is_not_asked_more_often_than_it_shall_be() {
    let fake = Fake::start().await;
    let auth = AuthOptions::None { endpoint: Some(fake.url.clone()) };
    let settings = ComputeSettings {
        resource_update_interval: Duration::from_mins(5),
        resource_cache_expiry: Duration::ZERO,
        ..ComputeSettings::new("compute-1")
    };
    let agent = Agent::with(fake, auth, settings);
    agent.fake.document(&page(&[], None));
    for _ in 0..3 {
        assert_eq!(agent.find().await, named(&[]));
        agent.hand.advance(Duration::from_secs(99));
    }
    agent.fake.requests();
    agent.hand.advance(Duration::from_secs(3));
    // A page without servers is the last, wherever it leads.
    agent.fake.document(&page(&[], Some("s1")));
    assert_eq!(agent.find().await, named(&[]));
    let requests = agent.fake.requests();
    assert_eq!(requests.len(), 1);
    // No time for changes: every list is a whole one.
    assert_eq!(requests[0], "GET /servers/detail?all_tenants=True&host=compute-1");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_and_every_request_names_the_version() {
    let fake = Fake::start().await;
    let password = PasswordOptions {
        auth_url: format!("{}v3", fake.url),
        v3_only: true,
        user_id: Some("u".into()),
        password: "swordfish".to_owned().into(),
        ..PasswordOptions::default()
    };
    let settings = ComputeSettings { nova_service_type: "nova!".into(), ..ComputeSettings::new("compute-1") };
    let agent = Agent::with(fake, AuthOptions::Password(password), settings);
    let token = |token: &str| {
        let endpoint =
            |path: &str| json!([{ "interface": "public", "url": format!("{}{path}", agent.fake.url) }]);
        let body = json!({ "token": {
            "issued_at": "2026-11-26T02:00:00.000000Z", "expires_at": "2026-11-26T03:00:00.000000Z",
            "catalog": [{ "type": "nova!", "name": "nova", "endpoints": endpoint("v2.1") },
                        { "type": "image", "name": "glance", "endpoints": endpoint("glance/") }],
        }})
        .to_string();
        let length = body.len();
        format!(
            "HTTP/1.1 201 Created\r\nx-subject-token: {token}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    agent.fake.answer(token("first")).answer(status("401 Unauthorized", "")).answer(token("second"));
    agent.fake.document(&page(&[server("s1", "one")], None)).document(&flavor());
    assert_eq!(agent.find().await, named(&[("s1", "one")]));
    let last = agent.fake.last().to_ascii_lowercase();
    for header in
        ["x-auth-token: second", "openstack-api-version: compute 2.1", "x-openstack-nova-api-version: 2.1"]
    {
        assert!(last.contains(&format!("\r\n{header}\r\n")), "{last}");
    }
    let requests = agent.fake.requests();
    assert_eq!(requests[1], "GET /v2.1/servers/detail?all_tenants=True&host=compute-1");
    assert_eq!(requests.len(), 5);
}

#[tokio::test]
async fn lookups_share_requests_and_failures() {
    let agent = Agent::start().await;
    let lookup = ask_nova(&agent.tools).unwrap();
    let with_metadata = |id: &str| {
        let mut server = server(id, id);
        server["metadata"] = json!({ "of": id });
        server
    };
    let of = async |id: &str| match lookup.server(id).await {
        Ok(found) => Ok(found.map(|extra| extra.metadata.get("of").unwrap().as_str().unwrap().to_owned())),
        Err(error) => Err(error.cause()),
    };
    agent.fake.document(&json!({ "server": with_metadata("s1") }));
    assert_eq!(of("s1").await, Ok(Some("s1".into())));
    let list: Vec<Value> = (1..100).map(|number| with_metadata(&format!("s{number}"))).collect();
    agent.fake.document(&page(&list, None));
    for number in 1..100 {
        assert_eq!(of(&format!("s{number}")).await, Ok(Some(format!("s{number}"))));
    }
    assert_eq!(
        agent.fake.requests(),
        ["GET /servers/s1", "GET /servers/detail?all_tenants=True&host=compute-1"]
    );
    // Not on this host; or gone.
    agent.fake.answer(status("404 Not Found", ""));
    assert_eq!(of("s100").await, Ok(None));
    agent.fake.requests();
    // Much later: a list that fails is not tried for every server.
    agent.hand.advance(Duration::from_mins(10));
    agent.fake.answer(status("503 Service Unavailable", "")).answer(status("503 Service Unavailable", ""));
    for number in 1..100 {
        assert_eq!(of(&format!("s{number}")).await, Err("unavailable"));
    }
    assert_eq!(agent.fake.requests().len(), 2);
    agent.hand.advance(Duration::from_secs(30));
    // Where we may not list, we ask for each.
    agent.fake.answer(status("403 Forbidden", ""));
    for number in 1..3 {
        agent.fake.document(&json!({ "server": with_metadata(&format!("s{number}")) }));
        assert_eq!(of(&format!("s{number}")).await, Ok(Some(format!("s{number}"))));
    }
    agent.fake.requests();

    agent.fake.document(
        &json!({ "flavors": [{ "id": "1", "name": "a" }, { "id": "2", "name": "b" }, { "id": "3" }] }),
    );
    for (name, id) in [("b", Some("2")), ("a", Some("1")), ("c", None)] {
        assert_eq!(lookup.flavor_id(name).await.unwrap().as_deref(), id, "{name}");
    }
    assert_eq!(agent.fake.requests(), ["GET /flavors?is_public=None"]);
    agent.hand.advance(Duration::from_mins(1));
    agent.fake.answer(status("200 OK", "[]"));
    for _ in 0..3 {
        assert_eq!(lookup.flavor_id("b").await.unwrap_err().cause(), "protocol");
    }
    assert_eq!(agent.fake.requests().len(), 1);
}
